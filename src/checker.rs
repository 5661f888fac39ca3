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
use crate::domain::inspection::{Found, Inspection};
use crate::domain::node::Nodes;
use crate::domain::pick::{Entries, MatchReason, Pick, pick};
use crate::domain::reference::{Digest, ImageReference};
use crate::domain::unknown::{Reason, Unknown};
use crate::domain::verdict::{ImageVerdict, LevelResult, Outcome, Verdict};
use crate::domain::workload::{ContainerImage, PodTemplate};

/// How many child documents of one image may be read for one decision. An ordinary image
/// needs none; an index without platforms needs one a level.
const CHILDREN: usize = 32;

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
    ) -> BoxFuture<'a, Result<Found, Unknown>>;

    /// The same answer if it can be given at once, without waiting: caches know some.
    fn cached(&self, _image: &ImageReference, _access: &Access) -> Option<Result<Found, Unknown>> {
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
    ) -> BoxFuture<'a, Result<Found, Unknown>> {
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

    /// The verdict on a pod template. What is not known at the deadline is unknown, with
    /// reason `timeout`; the look-up goes on in the background.
    pub async fn check(
        &self,
        template: &PodTemplate,
        nodes: &Nodes,
        rules: Rules,
        deadline: Instant,
    ) -> Verdict {
        let budget = Budget::new(deadline, Arc::default());
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
        let budget = Budget::new(deadline, Arc::default());
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
        let budget = Budget::new(deadline, Arc::default());
        all_candidates(templates, nodes, rules, &budget).await
    }

    async fn judge(
        &self,
        template: &PodTemplate,
        candidates: Candidates,
        rules: Rules,
        budget: &Budget,
    ) -> Verdict {
        let images = self.check_images(template, &candidates.platforms, rules.entries, budget);
        let verdict = Verdict {
            images: images.await,
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
            let images = self.check_images(template, cordoned, rules.entries, budget);
            verdict.beyond_cordon = images.await;
        }
        verdict
    }

    async fn check_images(
        &self,
        template: &PodTemplate,
        platforms: &[CandidatePlatform],
        entries: Entries,
        budget: &Budget,
    ) -> Vec<ImageVerdict> {
        let access = &template.access;
        let images = template.images.iter();
        join_all(images.map(|image| self.check_image(image, platforms, access, entries, budget)))
            .await
    }

    async fn check_image(
        &self,
        image: &ContainerImage,
        platforms: &[CandidatePlatform],
        access: &Access,
        entries: Entries,
        budget: &Budget,
    ) -> ImageVerdict {
        let mut verdict = unjudged(image);
        if platforms.is_empty() {
            // Nothing to compare with: no reason to ask a registry.
            return verdict;
        }
        let reference = match &image.reference {
            Ok(reference) => reference,
            Err(error) => {
                verdict.outcomes = vec![Outcome::from(*error); platforms.len()];
                return verdict;
            }
        };
        let found = if image.preloaded {
            Err(Unknown::new(
                Reason::Preloaded,
                "imagePullPolicy is Never, so no registry is asked",
            ))
        } else {
            let root = self.inspect(reference, access, budget.deadline).await;
            root.map(|root| (reference, root))
        };
        self.judge_image(image, found, platforms, access, entries, budget)
            .await
    }

    /// What was found of an image, on each platform.
    async fn judge_image(
        &self,
        image: &ContainerImage,
        found: Result<(&ImageReference, Found), Unknown>,
        platforms: &[CandidatePlatform],
        access: &Access,
        entries: Entries,
        budget: &Budget,
    ) -> ImageVerdict {
        let mut verdict = unjudged(image);
        match found {
            Err(unknown) => {
                verdict.outcomes = vec![Outcome::Unknown(unknown); platforms.len()];
            }
            Ok((_, root)) if image.is_mounted(&root.inspection) => {
                let mounted = Outcome::Supported {
                    picked: Vec::new(),
                    why: MatchReason::Artifact,
                };
                verdict.outcomes = vec![mounted; platforms.len()];
                verdict.inspection = Some(root.inspection);
                verdict.outdated = root.outdated;
            }
            Ok((reference, root)) => {
                let picks = self
                    .picks(
                        reference,
                        &root.inspection,
                        platforms,
                        access,
                        entries,
                        budget,
                    )
                    .await;
                let outcomes = picks.into_iter().map(Outcome::from).zip(platforms);
                verdict.outcomes = outcomes
                    .map(|(outcome, candidate)| candidate.outcome(outcome))
                    .collect();
                verdict.inspection = Some(root.inspection);
                verdict.outdated = root.outdated;
            }
        }
        verdict
    }

    /// One pick for each platform. Children are read only when a pick depends on them.
    async fn picks(
        &self,
        reference: &ImageReference,
        root: &Inspection,
        platforms: &[CandidatePlatform],
        access: &Access,
        entries: Entries,
        budget: &Budget,
    ) -> Vec<Pick> {
        let mut children: HashMap<Digest, Result<Found, Unknown>> = HashMap::new();
        loop {
            let documents = children.values().filter_map(|child| child.as_ref().ok());
            let documents = documents.map(|child| child.inspection.entries());
            let entries_in_all = documents.chain([root.entries()]).sum::<usize>();
            // Others have their turn between two images that take long.
            let turn = match budget.spend(entries_in_all * platforms.len()).await {
                Ok(turn) => turn,
                Err(unknown) => return vec![Pick::Unknown(unknown); platforms.len()],
            };
            let picks: Vec<Pick> = platforms
                .iter()
                .map(|candidate| {
                    let child = |digest: &Digest| {
                        let child = children.get(digest)?.as_ref();
                        Some(child.map(|child| child.inspection.as_ref()))
                    };
                    pick(&candidate.platform, root, child, entries)
                })
                .collect();
            let mut needed: Vec<Digest> = picks
                .iter()
                .filter_map(|pick| match pick {
                    Pick::Needs(digest) => Some(digest.clone()),
                    _ => None,
                })
                .collect();
            needed.sort();
            needed.dedup();
            needed.truncate(CHILDREN.saturating_sub(children.len()));
            if needed.is_empty() {
                return picks;
            }
            drop(turn);
            let read = join_all(needed.into_iter().map(|digest| async {
                let child = reference.with_digest(digest.clone());
                (digest, self.inspect(&child, access, budget.deadline).await)
            }));
            children.extend(read.await);
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
    ) -> Result<Found, Unknown> {
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
        verdict: Verdict,
        rests_on: RestsOn,
        rules: Rules,
        deadline: Instant,
    ) -> Verdict {
        let budget = Budget::new(deadline, Arc::default());
        let Verdict {
            candidates,
            images,
            overlooked,
            ..
        } = verdict;
        let platforms = &candidates.platforms;
        let images = join_all(images.into_iter().map(|known| async {
            let Some(reference) = rests_on.image(&known) else {
                return known;
            };
            let access = &template.access;
            let found = self.inspector.confirm(reference, access, deadline).await;
            if let (Ok(found), Some(inspection)) = (&found, &known.inspection)
                && found.inspection.digest == inspection.digest
            {
                return ImageVerdict {
                    outdated: found.outdated,
                    ..known
                };
            }
            let (image, found) = (&known.image, found.map(|root| (reference, root)));
            self.judge_image(image, found, platforms, access, rules.entries, &budget)
                .await
        }));
        let images = images.await;
        let verdict = Verdict {
            candidates,
            images,
            beyond_cordon: Vec::new(),
            overlooked,
        };
        self.with_cordoned(template, verdict, rules, &budget).await
    }
}

fn unjudged(image: &ContainerImage) -> ImageVerdict {
    ImageVerdict {
        image: image.clone(),
        inspection: None,
        outdated: None,
        outcomes: Vec::new(),
    }
}

async fn within(
    deadline: Instant,
    image: &ImageReference,
    look_up: impl Future<Output = Result<Found, Unknown>>,
) -> Result<Found, Unknown> {
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
