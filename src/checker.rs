//! The one use case: may this workload run everywhere it may be scheduled?
//!
//! The checker asks the registry what the decision needs, within one deadline, and hands
//! everything to the pure functions of [`crate::domain`]. The webhook, the audit and the
//! command line all come through here, so they cannot disagree.

mod budget;
mod elsewhere;
mod evidence;
mod offload;

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use tokio::time::{Instant, timeout_at};

use self::budget::{Budget, all_candidates, find_candidates};
pub use self::evidence::RestsOn;
pub(crate) use self::offload::offload;
pub use crate::domain::access::Access;
use crate::domain::candidates::{CandidatePlatform, CandidateRules, Candidates};
use crate::domain::inspection::{Inspection, Lookup};
use crate::domain::node::Nodes;
use crate::domain::outcome::{MatchReason, Outcome};
use crate::domain::pick::{Entries, pick};
use crate::domain::reference::{Digest, ImageReference};
use crate::domain::unknown::{Reason, Unknown};
use crate::domain::verdict::{ImageVerdict, LevelResult, Verdict};
use crate::domain::workload::{ContainerImage, PodTemplate};

/// How many child documents of one image may be read for one decision. An ordinary image
/// needs none; an index without platforms needs one a level.
const MAX_CHILDREN: usize = 32;

/// Finds out what a registry says of an image.
///
/// Implementations: the registry, the cache around another inspector, a fake in tests.
pub trait ImageInspector: Send + Sync {
    /// Inspects the one document that the reference names: its digest, else its tag.
    ///
    /// # Errors
    /// [`Unknown`] with the class of what went wrong.
    fn inspect<'a>(
        &'a self,
        image: &'a ImageReference,
        access: &'a Access,
    ) -> BoxFuture<'a, Result<Lookup, Unknown>>;

    /// The same answer if it can be given at once, without waiting: caches know some.
    fn cached(&self, _image: &ImageReference, _access: &Access) -> Option<Result<Lookup, Unknown>> {
        None
    }

    /// What the image is known to stand for: nobody is asked for it, now or later.
    fn known(&self, _image: &ImageReference, _access: &Access) -> Option<Arc<Inspection>> {
        None
    }

    /// The answer as the registry gives it now: of a tag, what it said more than 5 s ago is
    /// asked for again. What cannot be asked for by the deadline comes as it was, and is said
    /// to be old.
    ///
    /// # Errors
    /// As [`ImageInspector::inspect`].
    fn confirm<'a>(
        &'a self,
        image: &'a ImageReference,
        access: &'a Access,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Lookup, Unknown>> {
        within(deadline, image, self.inspect(image, access)).boxed()
    }
}

/// Judges pod templates.
#[derive(Clone)]
pub struct Checker {
    inspector: Arc<dyn ImageInspector>,
}

/// How to judge, by the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Which nodes count.
    pub candidates: CandidateRules,
    /// Whether index entries are believed.
    pub entries: Entries,
}

impl Checker {
    /// A checker that asks this inspector.
    pub fn new(inspector: Arc<dyn ImageInspector>) -> Self {
        Self { inspector }
    }

    /// Who is asked for images.
    pub fn inspector(&self) -> &dyn ImageInspector {
        &*self.inspector
    }

    /// The verdict on a pod template. What is not known at the deadline is unknown, with
    /// reason `timeout`; the look-up goes on in the background.
    pub async fn check(
        &self,
        template: &PodTemplate,
        nodes: &Nodes,
        rules: Rules,
        deadline: Instant,
    ) -> Verdict {
        let budget = Budget::new(deadline);
        let candidates = find_candidates(nodes, &template.placement, rules, &budget).await;
        self.judge(template, candidates, rules, &budget).await
    }

    /// The verdicts on the pod templates of one object, which share the steps of a review.
    pub async fn check_all(
        &self,
        templates: &[PodTemplate],
        nodes: &Nodes,
        rules: Rules,
        deadline: Instant,
    ) -> Vec<Verdict> {
        let budget = Budget::new(deadline);
        let candidates = all_candidates(templates, nodes, rules, &budget).await;
        // At once: images of one template must not use up the time of another's.
        let judged = templates.iter().zip(candidates);
        join_all(judged.map(|(template, found)| self.judge(template, found, rules, &budget))).await
    }

    /// Where the pods of one object may go, by the same limits. No registry is asked.
    pub async fn candidates(
        &self,
        templates: &[PodTemplate],
        nodes: &Nodes,
        rules: Rules,
        deadline: Instant,
    ) -> Vec<Candidates> {
        let budget = Budget::new(deadline);
        all_candidates(templates, nodes, rules, &budget).await
    }

    async fn judge(
        &self,
        template: &PodTemplate,
        candidates: Candidates,
        rules: Rules,
        budget: &Budget,
    ) -> Verdict {
        let look = self.look(template, &candidates.platforms, rules, budget);
        let verdict = Verdict {
            images: look.images().await,
            candidates,
            beyond_cordon: Vec::new(),
            overlooked: template.overlooked(),
        };
        self.with_cordoned(template, verdict, rules, budget).await
    }

    /// The verdict with what cordoned nodes would run, where that matters.
    async fn with_cordoned(
        &self,
        template: &PodTemplate,
        mut verdict: Verdict,
        rules: Rules,
        budget: &Budget,
    ) -> Verdict {
        let cordoned = &verdict.candidates.cordoned;
        if !cordoned.is_empty() && verdict.runnable() == LevelResult::Fail {
            let look = self.look(template, cordoned, rules, budget);
            verdict.beyond_cordon = look.images().await;
        }
        verdict
    }

    fn look<'a>(
        &'a self,
        template: &'a PodTemplate,
        platforms: &'a [CandidatePlatform],
        rules: Rules,
        budget: &'a Budget,
    ) -> Look<'a> {
        Look {
            checker: self,
            template,
            platforms,
            entries: rules.entries,
            budget,
        }
    }

    /// What the registry says of an image, within the deadline.
    ///
    /// # Errors
    /// [`Unknown`] with the class of what went wrong, `timeout` among them.
    pub async fn inspect(
        &self,
        reference: &ImageReference,
        access: &Access,
        deadline: Instant,
    ) -> Result<Lookup, Unknown> {
        if let Some(answer) = self.inspector.cached(reference, access) {
            return answer;
        }
        within(
            deadline,
            reference,
            self.inspector.inspect(reference, access),
        )
        .await
    }

    /// The verdict with what a denial would rest on as the registries say now: what was asked
    /// for more than 5 s ago is asked for again, and judged again where it changed.
    pub async fn confirm(
        &self,
        template: &PodTemplate,
        mut verdict: Verdict,
        rests_on: RestsOn,
        rules: Rules,
        deadline: Instant,
    ) -> Verdict {
        let budget = Budget::new(deadline);
        let images = std::mem::take(&mut verdict.images);
        let look = self.look(template, &verdict.candidates.platforms, rules, &budget);
        let images = images.into_iter();
        let confirmed = join_all(images.map(|known| look.confirmed(known, rests_on))).await;
        verdict.images = confirmed;
        verdict.beyond_cordon.clear();
        self.with_cordoned(template, verdict, rules, &budget).await
    }
}

/// One look at the images of a pod template.
struct Look<'a> {
    checker: &'a Checker,
    template: &'a PodTemplate,
    /// Where they would run.
    platforms: &'a [CandidatePlatform],
    entries: Entries,
    budget: &'a Budget,
}

impl Look<'_> {
    async fn images(&self) -> Vec<ImageVerdict> {
        join_all(self.template.images.iter().map(|image| self.image(image))).await
    }

    async fn image(&self, image: &ContainerImage) -> ImageVerdict {
        if self.platforms.is_empty() {
            // Nothing to compare with: no reason to ask a registry.
            return judged(image, Vec::new());
        }
        let reference = match &image.reference {
            Ok(reference) => reference,
            Err(error) => return self.everywhere(image, (*error).into()),
        };
        if image.preloaded {
            let why = "imagePullPolicy is Never, so no registry is asked";
            return self.everywhere(image, Unknown::new(Reason::Preloaded, why).into());
        }
        let (access, deadline) = (&self.template.access, self.budget.deadline);
        let found = self.checker.inspect(reference, access, deadline).await;
        self.found(image, reference, found).await
    }

    /// The verdict by what the registry says now, if a denial would rest on the image.
    async fn confirmed(&self, known: ImageVerdict, rests_on: RestsOn) -> ImageVerdict {
        let Some(reference) = rests_on.image(&known) else {
            return known;
        };
        let (access, deadline) = (&self.template.access, self.budget.deadline);
        let inspector = &self.checker.inspector;
        let found = inspector.confirm(reference, access, deadline).await;
        if let (Ok(found), Some(inspection)) = (&found, &known.inspection)
            && found.inspection.digest == inspection.digest
        {
            return ImageVerdict {
                outdated: found.outdated,
                ..known
            };
        }
        self.found(&known.image, reference, found).await
    }

    /// The verdict by what was found of an image.
    async fn found(
        &self,
        image: &ContainerImage,
        reference: &ImageReference,
        found: Result<Lookup, Unknown>,
    ) -> ImageVerdict {
        let root = match found {
            Ok(root) => root,
            Err(unknown) => return self.everywhere(image, unknown.into()),
        };
        let verdict = if image.is_mounted(&root.inspection) {
            let mounted = Outcome::Supported {
                picked: Vec::new(),
                why: MatchReason::Artifact,
            };
            self.everywhere(image, mounted)
        } else {
            judged(image, self.outcomes(reference, &root.inspection).await)
        };
        ImageVerdict {
            inspection: Some(root.inspection),
            outdated: root.outdated,
            ..verdict
        }
    }

    /// One outcome on all platforms.
    fn everywhere(&self, image: &ContainerImage, outcome: Outcome) -> ImageVerdict {
        judged(image, vec![outcome; self.platforms.len()])
    }

    /// One outcome for each platform. Children are read only when an outcome depends on them.
    async fn outcomes(&self, reference: &ImageReference, root: &Inspection) -> Vec<Outcome> {
        let mut children: HashMap<Digest, Result<Lookup, Unknown>> = HashMap::new();
        loop {
            let documents = children.values().filter_map(|child| child.as_ref().ok());
            let documents = documents.map(|child| child.inspection.entries());
            let entries_in_all = documents.chain([root.entries()]).sum::<usize>();
            // Others have their turn between two images that take long.
            let spent = self.budget.spend(entries_in_all * self.platforms.len());
            let turn = match spent.await {
                Ok(turn) => turn,
                Err(unknown) => return vec![unknown.into(); self.platforms.len()],
            };
            let child = |digest: &Digest| {
                let child = children.get(digest)?.as_ref();
                Some(child.map(|child| child.inspection.as_ref()))
            };
            let platforms = self.platforms.iter();
            let picks = platforms.map(|at| pick(&at.platform, root, child, self.entries));
            let picks: Vec<Result<Outcome, Digest>> = picks.collect();
            let needed = picks.iter().filter_map(|pick| pick.as_ref().err());
            let mut needed: Vec<Digest> = needed.cloned().collect();
            needed.sort();
            needed.dedup();
            needed.truncate(MAX_CHILDREN.saturating_sub(children.len()));
            if needed.is_empty() {
                let outcomes = picks.into_iter().zip(self.platforms);
                return outcomes
                    .map(|(pick, at)| at.outcome(pick.unwrap_or_else(|_| too_many_documents())))
                    .collect();
            }
            drop(turn);
            let read = join_all(needed.into_iter().map(|digest| async {
                let child = reference.with_digest(digest.clone());
                let (access, deadline) = (&self.template.access, self.budget.deadline);
                (digest, self.checker.inspect(&child, access, deadline).await)
            }));
            children.extend(read.await);
        }
    }
}

fn too_many_documents() -> Outcome {
    let why = "too many documents would have to be read";
    Unknown::new(Reason::TooLarge, why).into()
}

fn judged(image: &ContainerImage, outcomes: Vec<Outcome>) -> ImageVerdict {
    ImageVerdict {
        image: image.clone(),
        inspection: None,
        outdated: None,
        advice: None,
        outcomes,
    }
}

async fn within(
    deadline: Instant,
    image: &ImageReference,
    look_up: impl Future<Output = Result<Lookup, Unknown>>,
) -> Result<Lookup, Unknown> {
    timeout_at(deadline, look_up).await.unwrap_or_else(|_| {
        Err(Unknown::new(
            Reason::Timeout,
            format!("{} did not answer in time", image.registry()),
        ))
    })
}

#[cfg(test)]
pub(crate) use self::offload::tests::with_no_other_thread;
#[cfg(test)]
mod tests;
