//! Where a denied pod would run, by what is known of its images: no registry is asked.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::time::Instant;

use super::{Checker, Rules, offload};
use crate::domain::candidates::Steps;
use crate::domain::elsewhere::Question;
use crate::domain::inspection::Inspection;
use crate::domain::labels::Labels;
use crate::domain::node::{NodePlatform, Nodes};
use crate::domain::outcome::{Outcome, Ternary};
use crate::domain::pick::pick;
use crate::domain::placement::Placement;
use crate::domain::reference::Digest;
use crate::domain::unknown::Unknown;
use crate::domain::verdict::{ImageVerdict, LevelResult, Verdict};
use crate::domain::workload::PodTemplate;

/// How many steps are done where others wait: some milliseconds.
const STEPS_AT_ONCE: u64 = 50_000;
/// How many at most, on a thread of its own.
const STEPS_AT_MOST: u64 = 2_000_000;

impl Checker {
    /// For each pod template of a denied object that is not portable, placements with which
    /// its pods would run wherever they may go, the least different first. Nothing where one
    /// of them has none, or nobody knows one by the deadline. `fixed` has what admission adds
    /// to the selector of each.
    pub async fn elsewhere(
        &self,
        templates: &[PodTemplate],
        verdicts: &[Verdict],
        fixed: &[Labels],
        is_template: bool,
        (nodes, rules): (&Nodes, Rules),
        deadline: Instant,
    ) -> Vec<Vec<Placement>> {
        let steps = Steps::of(STEPS_AT_ONCE);
        let search = Search {
            checker: self,
            is_template,
            nodes,
            rules,
            steps: &steps,
        };
        let found = search.all(templates, verdicts, fixed);
        if !steps.ran_out() {
            return found;
        }
        let (templates, verdicts, fixed) = (templates.to_vec(), verdicts.to_vec(), fixed.to_vec());
        let (checker, nodes) = (self.clone(), nodes.clone());
        let search = move || {
            let search = Search {
                checker: &checker,
                is_template,
                nodes: &nodes,
                rules,
                steps: &Steps::of(STEPS_AT_MOST),
            };
            search.all(&templates, &verdicts, &fixed)
        };
        offload(deadline, search).await.unwrap_or_default()
    }
}

/// Whether it is known of every image what it has.
fn may_be_known(verdict: &Verdict) -> bool {
    let mut images = verdict.images.iter();
    verdict.not_looked_at().next().is_none()
        && images.all(|image| image.inspection.is_some() && !image.image.preloaded)
}

struct Search<'a> {
    checker: &'a Checker,
    is_template: bool,
    nodes: &'a Nodes,
    rules: Rules,
    steps: &'a Steps,
}

impl Search<'_> {
    fn all(
        &self,
        templates: &[PodTemplate],
        verdicts: &[Verdict],
        fixed: &[Labels],
    ) -> Vec<Vec<Placement>> {
        let mut all = Vec::new();
        for ((template, verdict), fixed) in templates.iter().zip(verdicts).zip(fixed) {
            if verdict.portable() == LevelResult::Pass {
                all.push(Vec::new());
                continue;
            }
            let found = match may_be_known(verdict) {
                true => self.one(template, verdict, fixed),
                false => Vec::new(),
            };
            if found.is_empty() {
                return Vec::new();
            }
            all.push(found);
        }
        all
    }

    fn one(&self, template: &PodTemplate, verdict: &Verdict, fixed: &Labels) -> Vec<Placement> {
        let known: RefCell<BTreeMap<NodePlatform, bool>> = RefCell::default();
        let runs = |platform: &NodePlatform| {
            let found = known.borrow().get(platform).copied();
            found.unwrap_or_else(|| {
                let mut images = verdict.images.iter();
                let runs = images.all(|image| self.runs(template, verdict, image, platform));
                known.borrow_mut().insert(platform.clone(), runs);
                runs
            })
        };
        let question = Question {
            placement: &template.placement,
            fixed,
            is_template: self.is_template,
            has_other_affinity: template.has_other_affinity,
            architectures: architectures(verdict),
            nodes: self.nodes,
            rules: self.rules.candidates,
            runs: &runs,
            steps: self.steps,
        };
        question.answer()
    }

    /// Whether an image is known to run on a platform: by its verdict, or by the documents
    /// that led to it.
    fn runs(
        &self,
        template: &PodTemplate,
        verdict: &Verdict,
        image: &ImageVerdict,
        platform: &NodePlatform,
    ) -> bool {
        let mut judged = image.on(&verdict.candidates.platforms);
        if let Some(at) = judged.find(|at| *at.candidate.platform == *platform) {
            return at.outcome.value() == Ternary::Yes;
        }
        let (Some(root), Ok(reference)) = (&image.inspection, &image.image.reference) else {
            return false;
        };
        if image.image.is_mounted(root) {
            return true;
        }
        let mut children: BTreeMap<Digest, Arc<Inspection>> = BTreeMap::new();
        loop {
            let read: usize = children.values().map(|child| child.entries()).sum();
            if !self.steps.take(1 + root.entries() + read) {
                return false;
            }
            let child = |digest: &Digest| children.get(digest).map(|child| Ok(child.as_ref()));
            let digest = match pick(platform, root, child, self.rules.entries) {
                Ok(outcome) => return matches!(outcome, Outcome::Supported { .. }),
                Err(digest) => digest,
            };
            let child = reference.with_digest(digest.clone());
            let inspector = &self.checker.inspector;
            match inspector.cached(&child, &template.access) {
                Some(Ok(found)) => children.insert(digest, found.inspection),
                Some(Err(Unknown { .. })) | None => return false,
            };
        }
    }
}

/// The architectures that every image's documents name.
fn architectures(verdict: &Verdict) -> Vec<String> {
    let named = verdict.images.iter().map(|image| {
        let platforms = image.inspection.iter().flat_map(|found| found.platforms());
        platforms.map(|platform| platform.architecture).collect()
    });
    let common = named.reduce(|all: BTreeSet<String>, next| &all & &next);
    common.unwrap_or_default().into_iter().collect()
}
