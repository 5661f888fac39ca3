//! The verdict: candidates and inspections in; outcomes, levels and their reasons out.
//!
//! Three values carry through, as in Kleene's logic: not knowing is never folded into yes
//! or no.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::advice::Advice;
use super::candidates::{CandidatePlatform, Candidates};
use super::inspection::{Inspection, StaleCause, Staleness};
use super::outcome::{Outcome, Ternary};
use super::unknown::{Reason, Unknown};
use super::workload::ContainerImage;

/// Whether a level passes, the best first.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::IntoStaticStr,
    Serialize,
    Deserialize,
)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum LevelResult {
    /// The level holds.
    Pass,
    /// Too little is known.
    Undecided,
    /// The level is known not to hold.
    Fail,
}

impl LevelResult {
    /// The name in reports and annotations.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Fail, if any fails; else undecided, if any is; else pass.
    pub fn all(levels: impl IntoIterator<Item = Self>) -> Self {
        levels.into_iter().max().unwrap_or(Self::Pass)
    }
}

impl From<Ternary> for LevelResult {
    fn from(value: Ternary) -> Self {
        match value {
            Ternary::Yes => Self::Pass,
            Ternary::No => Self::Fail,
            Ternary::Unknown => Self::Undecided,
        }
    }
}

impl CandidatePlatform {
    /// What an outcome amounts to here. A platform that nobody is sure of proves no gap: the
    /// pool may never grow such a node.
    pub fn outcome(&self, outcome: Outcome) -> Outcome {
        if self.is_certain || matches!(outcome, Outcome::Unknown(_)) {
            return outcome;
        }
        if outcome.value() == Ternary::Yes && !self.platform.platform.architecture.is_empty() {
            return outcome;
        }
        let detail = match self.pools.first() {
            Some(pool) => format!(
                "{pool} leaves its architecture open, which nodes.overrides[].architectures settles"
            ),
            None => "its nodes do not say their architecture".to_owned(),
        };
        Outcome::Unknown(Unknown::new(Reason::Unsupported, detail))
    }
}

/// One image of a pod on every candidate platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageVerdict {
    /// The image as the pod names it.
    pub image: ContainerImage,
    /// What the registry said of it, where it could be asked.
    pub inspection: Option<Arc<Inspection>>,
    /// Where that is old.
    pub outdated: Option<Staleness>,
    /// One outcome for each candidate platform, in the order of the candidates.
    pub outcomes: Vec<Outcome>,
    /// What to use instead, where that was asked for and something is missing.
    pub advice: Option<Arc<Advice>>,
}

/// What happens to an image on one candidate platform.
#[derive(Clone, Copy, Debug)]
pub struct ImageOutcome<'a> {
    /// The image.
    pub image: &'a ImageVerdict,
    /// Where it is started.
    pub candidate: &'a CandidatePlatform,
    /// What happens then.
    pub outcome: &'a Outcome,
}

impl ImageVerdict {
    /// What happens on each of the platforms on which the image was judged.
    pub fn on<'a>(
        &'a self,
        platforms: &'a [CandidatePlatform],
    ) -> impl Iterator<Item = ImageOutcome<'a>> {
        let outcomes = self.outcomes.iter().zip(platforms);
        outcomes.map(|(outcome, candidate)| ImageOutcome {
            image: self,
            candidate,
            outcome,
        })
    }
}

/// The answer for one pod template: where it may go, and what runs there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Where the pod may go.
    pub candidates: Candidates,
    /// The images, in the order of the pod.
    pub images: Vec<ImageVerdict>,
    /// The same images on the platforms of cordoned nodes, where no candidate runs them all;
    /// else nothing.
    pub beyond_cordon: Vec<ImageVerdict>,
    /// What of the pod was not looked at, where there is too much of it.
    pub overlooked: Option<Unknown>,
}

impl Verdict {
    /// Each candidate platform, and whether every image of the pod runs there.
    pub fn platforms(&self) -> impl Iterator<Item = (&CandidatePlatform, Ternary)> {
        let overlooked = self.overlooked.as_ref().map(|_| Ternary::Unknown);
        let judged = values(&self.candidates.platforms, &self.images);
        judged.map(move |(candidate, value)| {
            (
                candidate,
                Ternary::all(overlooked.into_iter().chain([value])),
            )
        })
    }

    /// What happens to each image on each candidate platform.
    pub fn outcomes(&self) -> impl Iterator<Item = ImageOutcome<'_>> {
        let images = self.images.iter();
        images.flat_map(|image| image.on(&self.candidates.platforms))
    }

    /// Every gap: an image on a candidate platform that cannot run it.
    pub fn gaps(&self) -> impl Iterator<Item = ImageOutcome<'_>> {
        self.outcomes()
            .filter(|at| at.outcome.value() == Ternary::No)
    }

    /// Whether some candidate platform runs every image. Undecided without candidates, and
    /// where cordoned nodes might: a cordon proves nothing.
    pub fn runnable(&self) -> LevelResult {
        if self.waits_for_cordon() {
            return LevelResult::Undecided;
        }
        self.level(Ternary::any(self.platform_values()))
    }

    /// Whether no candidate runs every image, and a cordoned node would or might.
    pub fn waits_for_cordon(&self) -> bool {
        self.cordoned().next().is_some()
            && self.level(Ternary::any(self.platform_values())) == LevelResult::Fail
    }

    /// Whether every candidate platform runs every image. Undecided without candidates.
    pub fn portable(&self) -> LevelResult {
        self.level(Ternary::all(self.platform_values()))
    }

    /// A level by the values of the candidate platforms.
    fn level(&self, combined: Ternary) -> LevelResult {
        if self.candidates.is_empty() {
            // An empty requirement must not let everything pass.
            return LevelResult::Undecided;
        }
        combined.into()
    }

    /// The platforms of cordoned nodes that would or might run every image, where no candidate
    /// does.
    pub fn cordoned(&self) -> impl Iterator<Item = (&CandidatePlatform, Ternary)> {
        let judged = values(self.judged_cordoned(), &self.beyond_cordon);
        judged.filter(|(_, value)| *value != Ternary::No)
    }

    /// The platforms of cordoned nodes, where images were judged on them.
    fn judged_cordoned(&self) -> &[CandidatePlatform] {
        match self.beyond_cordon.is_empty() {
            true => &[],
            false => &self.candidates.cordoned,
        }
    }

    fn platform_values(&self) -> impl Iterator<Item = Ternary> {
        self.platforms().map(|(_, value)| value)
    }

    /// The reasons for what is not known, without repetition.
    pub fn unknown_reasons(&self) -> Vec<Reason> {
        let reasons = self.outcomes().filter_map(|at| at.outcome.reason());
        distinct(reasons.chain(self.other_reasons()))
    }

    /// Those of them that a level may hang on. Where a known no settles a platform, nothing
    /// hangs on what is not known of the other images.
    pub fn open_reasons(&self) -> Vec<Reason> {
        let open = open_reasons(self.platforms(), &self.images);
        distinct(open.chain(self.other_reasons()))
    }

    /// Reasons that lie not in the images on candidates.
    fn other_reasons(&self) -> impl Iterator<Item = Reason> {
        let is_nowhere = self.candidates.is_empty() && self.candidates.undetermined.is_none();
        let none = is_nowhere.then_some(Reason::NoCandidates);
        let waits = self.waits_for_cordon().then_some(Reason::Cordoned);
        let cordoned = values(self.judged_cordoned(), &self.beyond_cordon);
        let cordoned = open_reasons(cordoned, &self.beyond_cordon);
        let not_looked_at = self.not_looked_at().map(|unknown| unknown.reason);
        let others = none.into_iter().chain(waits).chain(cordoned);
        others.chain(not_looked_at)
    }

    /// What is not known of the pod as a whole, each with a detail that completes "not all of
    /// the pod was checked: …".
    pub fn not_looked_at(&self) -> impl Iterator<Item = &Unknown> {
        self.candidates.undetermined.iter().chain(&self.overlooked)
    }

    /// Why there are no younger answers, where the verdict rests on old ones.
    pub fn staleness(&self) -> impl Iterator<Item = StaleCause> {
        let outdated = self.images.iter().filter_map(|image| image.outdated);
        outdated.map(|outdated| outdated.why)
    }
}

/// What each platform amounts to for a pod with these images, which were judged on them.
fn values<'a>(
    platforms: &'a [CandidatePlatform],
    images: &'a [ImageVerdict],
) -> impl Iterator<Item = (&'a CandidatePlatform, Ternary)> {
    let numbered = platforms.iter().enumerate();
    numbered.map(|(position, candidate)| {
        let outcomes = images.iter().map(|image| image.outcomes.get(position));
        let values = outcomes.map(|outcome| outcome.map_or(Ternary::Unknown, Outcome::value));
        (candidate, Ternary::all(values))
    })
}

/// The reasons on platforms whose value is not known.
fn open_reasons<'a>(
    platforms: impl Iterator<Item = (&'a CandidatePlatform, Ternary)>,
    images: &[ImageVerdict],
) -> impl Iterator<Item = Reason> {
    let open = platforms
        .enumerate()
        .filter(|(_, (_, value))| *value == Ternary::Unknown);
    open.flat_map(move |(position, _)| {
        let outcomes = images
            .iter()
            .filter_map(move |image| image.outcomes.get(position));
        outcomes.filter_map(Outcome::reason)
    })
}

fn distinct(reasons: impl Iterator<Item = Reason>) -> Vec<Reason> {
    let mut reasons: Vec<Reason> = reasons.collect();
    reasons.sort();
    reasons.dedup();
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_candidates_both_levels_are_undecided() {
        let verdict = Verdict {
            candidates: Candidates::default(),
            images: Vec::new(),
            beyond_cordon: Vec::new(),
            overlooked: None,
        };
        assert_eq!(verdict.runnable(), LevelResult::Undecided);
        assert_eq!(verdict.portable(), LevelResult::Undecided);
        assert_eq!(verdict.unknown_reasons(), [Reason::NoCandidates]);
    }
}
