//! The findings of one workload, read off its verdicts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::advice;
use super::identity::{ImageIdentity, WorkloadIdentity};
use super::{Finding, Fix, FixKind, JudgedWorkload, Rule, Severity, Unpinned};
use crate::domain::candidates::CandidatePlatform;
use crate::domain::inspection::{Content, Inspection};
use crate::domain::outcome::{IndexDepth, MatchReason, MissReason, Outcome, Ternary};
use crate::domain::policy::{ForeignImages, Level};
use crate::domain::unknown::Reason;
use crate::domain::verdict::{ImageOutcome, LevelResult, Verdict};
use crate::wording::{Explanation, ImageProblem, sentences};

/// The findings of a workload: those of its images, then those of the workload as a whole.
/// Their position is 0, and two may have one id: who puts a report together sets both right.
pub fn find(judged: &JudgedWorkload, foreign: &ForeignImages) -> Vec<Finding> {
    if judged.is_without_images() {
        return vec![judged.identity().finding(
            Rule::NoImages,
            Severity::Note,
            sentences::no_images(),
        )];
    }
    let workload = judged.identity();
    let mut found = Vec::new();
    let mut drafts: BTreeMap<Key<'_>, Draft<'_>> = BTreeMap::new();
    for (verdict, path) in judged.by_path() {
        for image in &verdict.images {
            for at in image.on(&verdict.candidates.platforms) {
                for (rule, scope) in rules_of(at) {
                    let platform = at.candidate.platform.platform.to_string();
                    let key = (rule, &*image.image.image, scope.of(platform));
                    let draft = drafts.entry(key);
                    let draft = draft.or_insert_with(|| Draft::of(at, verdict, path));
                    draft.add(at);
                }
            }
        }
    }
    let (runnable, portable) = (judged.at(Level::Runnable), judged.at(Level::Portable));
    for ((rule, ..), draft) in drafts {
        let severity = match rule {
            Rule::MissingPlatform | Rule::WrongPlatform if runnable != LevelResult::Fail => {
                Severity::Warning
            }
            Rule::CouldNotCheck if is_decided(runnable) && is_decided(portable) => Severity::Note,
            Rule::CouldNotCheck | Rule::ChildMissing | Rule::EntryContradicts => Severity::Warning,
            _ => Severity::Error,
        };
        found.push(draft.into_finding(workload, rule, severity, foreign));
    }
    for (verdict, path) in judged.by_path() {
        for image in &verdict.images {
            found.extend(advice::refinements(workload, image));
            found.extend(advice::pin(workload, image, path));
        }
        found.extend(skew(workload, verdict));
        found.extend(of_whole(workload, verdict));
    }
    if portable == LevelResult::Pass {
        let pins = judged.unpinned.iter();
        found.extend(pins.filter_map(|unpinned| needless_pin(judged, unpinned)));
    }
    // Templates that agree say it once.
    let mut said = BTreeSet::new();
    found.retain(|finding| said.insert((finding.id.clone(), finding.what.clone())));
    found
}

/// Rule, image, and the platform where each has a finding of its own.
type Key<'a> = (Rule, &'a str, Option<String>);

/// What a finding is of.
#[derive(Clone, Copy)]
enum FindingScope {
    /// One image and one platform.
    Platform,
    /// One image, with its platforms.
    Image,
}

impl FindingScope {
    fn of(self, platform: String) -> Option<String> {
        match self {
            Self::Platform => Some(platform),
            Self::Image => None,
        }
    }
}

/// What an outcome is a finding of.
fn rules_of(at: ImageOutcome<'_>) -> Vec<(Rule, FindingScope)> {
    use FindingScope::{Image, Platform};
    match at.outcome {
        Outcome::Supported { .. } => Vec::new(),
        Outcome::Invalid(_) => vec![(Rule::InvalidImageName, Image)],
        Outcome::Missing(MissReason::NoEntries(IndexDepth::First)) => {
            vec![(Rule::EmptyIndex, Image)]
        }
        Outcome::Missing(_) => vec![(Rule::MissingPlatform, Platform)],
        Outcome::Mismatched { why, .. } => {
            let contradicts = matches!(why, MatchReason::Verified(..));
            let contradicts = contradicts.then_some((Rule::EntryContradicts, Image));
            let wrong = (Rule::WrongPlatform, Platform);
            [wrong].into_iter().chain(contradicts).collect()
        }
        Outcome::Unknown(unknown) => {
            // The index was there, so what was not found is what it names.
            let inspection = at.image.inspection.as_deref();
            let is_index =
                inspection.is_some_and(|found| matches!(found.content, Content::Index(_)));
            let child = (is_index && unknown.reason == Reason::NotFound)
                .then_some((Rule::ChildMissing, Image));
            let unchecked = (Rule::CouldNotCheck, Image);
            [unchecked].into_iter().chain(child).collect()
        }
    }
}

fn is_decided(level: LevelResult) -> bool {
    level != LevelResult::Undecided
}

/// A finding of an image while its platforms and containers are gathered.
struct Draft<'a> {
    first: ImageOutcome<'a>,
    verdict: &'a Verdict,
    /// The path of its pod template.
    path: &'a str,
    containers: Vec<&'a str>,
    candidates: Vec<&'a CandidatePlatform>,
}

impl<'a> Draft<'a> {
    fn of(first: ImageOutcome<'a>, verdict: &'a Verdict, path: &'a str) -> Self {
        Self {
            first,
            verdict,
            path,
            containers: Vec::new(),
            candidates: Vec::new(),
        }
    }

    fn add(&mut self, at: ImageOutcome<'a>) {
        for container in &at.image.image.containers {
            if !self.containers.contains(&container.as_str()) {
                self.containers.push(container);
            }
        }
        if !self.candidates.contains(&at.candidate) {
            self.candidates.push(at.candidate);
        }
    }

    fn into_finding(
        self,
        workload: WorkloadIdentity<'_>,
        rule: Rule,
        severity: Severity,
        foreign: &ForeignImages,
    ) -> Finding {
        let why = Some(self.first.explain()).filter(Explanation::is_special);
        let platforms = names(self.candidates.iter().copied());
        let problem = ImageProblem {
            first: self.first,
            candidates: self.candidates,
            why,
        };
        let (outcome, candidates) = (self.first.outcome, &problem.candidates);
        let image = &*self.first.image.image.image;
        let advice = self.first.image.advice.as_deref();
        let instead = advice.and_then(|advice| advice.suggestions.first());
        let text = match rule {
            Rule::InvalidImageName => sentences::invalid_name(&problem),
            Rule::CouldNotCheck => sentences::could_not_check(image, &problem),
            Rule::EmptyIndex => sentences::empty_index(image, candidates, instead),
            Rule::ChildMissing => sentences::child_missing(image, candidates),
            Rule::EntryContradicts => {
                sentences::entry_contradicts(image, outcome, &sentences::platforms(candidates))
            }
            _ => {
                let reference = self.first.image.image.reference.as_ref();
                let is_foreign = reference.is_ok_and(|reference| foreign.contains(reference));
                sentences::gap(&problem, self.verdict, is_foreign, instead)
            }
        };
        let instead = instead.filter(|_| rule.is_gap());
        let fixes = instead.map(|instead| advice::retags(instead, self.first.image, self.path));
        let containers = self.containers.iter().map(ToString::to_string);
        let image = ImageIdentity {
            containers: containers.collect(),
            ..ImageIdentity::of(self.first.image)
        };
        Finding {
            fixes: fixes.unwrap_or_default(),
            ..workload.image_finding(rule, severity, image, platforms, text)
        }
    }
}

/// Findings of a pod template that are of no image.
fn of_whole(workload: WorkloadIdentity<'_>, verdict: &Verdict) -> Vec<Finding> {
    let mut found = Vec::new();
    let warn = |rule, text| workload.finding(rule, Severity::Warning, text);
    for why in verdict.not_looked_at() {
        found.push(warn(Rule::CouldNotCheck, sentences::not_looked_at(why)));
    }
    if verdict.waits_for_cordon() {
        let mut finding = warn(Rule::CouldNotCheck, sentences::cordoned(verdict));
        finding.platforms = names(verdict.cordoned().map(|(cordoned, _)| cordoned));
        found.push(finding);
    }
    if verdict.candidates.is_empty() && verdict.candidates.undetermined.is_none() {
        found.push(warn(Rule::NowhereToRun, sentences::nowhere(verdict)));
    }
    found
}

/// Images whose entries are of different revisions: the platforms that differ from most.
fn skew(workload: WorkloadIdentity<'_>, verdict: &Verdict) -> Vec<Finding> {
    let images = verdict.images.iter();
    let skewed = images.filter_map(|image| {
        let platforms = skewed_platforms(image.inspection.as_deref()?);
        (!platforms.is_empty()).then(|| {
            let text = sentences::version_skew(&image.image.image, &platforms);
            let image = ImageIdentity::of(image);
            workload.image_finding(Rule::VersionSkew, Severity::Note, image, platforms, text)
        })
    });
    skewed.collect()
}

fn skewed_platforms(inspection: &Inspection) -> Vec<String> {
    let revisions = inspection.listed().iter().filter_map(|entry| {
        let platform = entry.platform.as_deref()?;
        let revision = entry.revision()?;
        (!platform.is_attestation()).then(|| (platform.normalized().to_string(), revision))
    });
    let revisions: BTreeSet<(String, &str)> = revisions.collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for (_, revision) in &revisions {
        *counts.entry(revision).or_default() += 1;
    }
    // The most frequent one, the first in the alphabet among equals.
    let usual = counts
        .iter()
        .max_by_key(|(revision, count)| (**count, std::cmp::Reverse(**revision)));
    let usual = usual.map(|(revision, _)| *revision);
    let others = revisions.into_iter();
    let others = others.filter(|(_, revision)| Some(*revision) != usual);
    let others: BTreeSet<String> = others.map(|(platform, _)| platform).collect();
    others.into_iter().collect()
}

/// A pin that excludes platforms for which every image is published.
fn needless_pin(judged: &JudgedWorkload, unpinned: &Unpinned) -> Option<Finding> {
    let known = judged.verdicts.iter().flat_map(Verdict::platforms);
    let known = names(known.map(|(candidate, _)| candidate));
    let open = unpinned.verdict.platforms();
    let (further, is_published): (Vec<&CandidatePlatform>, Vec<bool>) = open
        .filter(|(candidate, _)| !known.contains(&candidate.platform.platform.to_string()))
        .map(|(candidate, value)| (candidate, value == Ternary::Yes))
        .unzip();
    if further.is_empty() || is_published.contains(&false) {
        return None;
    }
    let platforms = names(further);
    let text = sentences::needless_pin(&unpinned.pin, &platforms);
    let field: &str = unpinned.pin.field.into();
    // An object that is a pod has no path to its template.
    let path = match unpinned.path.as_str() {
        "" => format!("spec.{field}"),
        path => format!("{path}.{field}"),
    };
    Some(Finding {
        platforms,
        fixes: vec![Fix {
            kind: FixKind::Unpin,
            path,
            old: unpinned.pin.text.clone(),
            new: String::new(),
        }],
        ..judged
            .identity()
            .finding(Rule::NeedlessPin, Severity::Note, text)
    })
}

/// Platform names, each once, in order.
fn names<'a>(candidates: impl IntoIterator<Item = &'a CandidatePlatform>) -> Vec<String> {
    let names = candidates.into_iter();
    let names = names.map(|candidate| candidate.platform.platform.to_string());
    names.collect::<BTreeSet<String>>().into_iter().collect()
}
