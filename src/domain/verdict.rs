//! The verdict: candidates and inspections in; outcomes, levels and their reasons out.
//!
//! Three values carry through, as in Kleene's logic: not knowing is never folded into yes
//! or no.

use std::sync::Arc;

use super::candidates::{CandidatePlatform, Candidates};
use super::inspection::{Inspection, Outdated, Staleness};
use super::pick::{MatchReason, MissReason, Pick};
use super::platform::Platform;
use super::reference::{Digest, ReferenceError};
use super::unknown::{Reason, Unknown};
use super::workload::ContainerImage;

/// Yes, no, or not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ternary {
    /// Known to be so.
    Yes,
    /// Known not to be so.
    No,
    /// Not known.
    Unknown,
}

impl Ternary {
    /// No, if any is no; else unknown, if any is; else yes.
    pub fn all(values: impl IntoIterator<Item = Self>) -> Self {
        values
            .into_iter()
            .fold(Self::Yes, |all, value| match (all, value) {
                (Self::No, _) | (_, Self::No) => Self::No,
                (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
                _ => Self::Yes,
            })
    }

    /// Yes, if any is yes; else unknown, if any is; else no.
    pub fn any(values: impl IntoIterator<Item = Self>) -> Self {
        values
            .into_iter()
            .fold(Self::No, |any, value| match (any, value) {
                (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
                (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
                _ => Self::No,
            })
    }

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether a level passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LevelResult {
    /// The level holds.
    Pass,
    /// The level is known not to hold.
    Fail,
    /// Too little is known.
    Undecided,
}

impl LevelResult {
    /// The name in reports and annotations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Undecided => "undecided",
        }
    }

    /// Fail, if any fails; else undecided, if any is; else pass.
    pub fn all(levels: impl IntoIterator<Item = Self>) -> Self {
        Ternary::all(levels.into_iter().map(|level| match level {
            Self::Pass => Ternary::Yes,
            Self::Fail => Ternary::No,
            Self::Undecided => Ternary::Unknown,
        }))
        .into()
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

/// What happens when an image is started on a node platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The runtime picks a manifest, and it is for that platform.
    Supported {
        /// Digests from the index, itself excluded, to the manifest; empty for a plain one.
        picked: Vec<Digest>,
        /// Why this one.
        why: MatchReason,
    },
    /// An index without a match.
    Missing(MissReason),
    /// What would be pulled is for another architecture.
    Mismatched {
        /// As above.
        picked: Vec<Digest>,
        /// What it is for.
        made_for: Platform,
        /// Why this one.
        why: MatchReason,
    },
    /// The name is no image reference, so the kubelet asks no runtime to pull it.
    Invalid(ReferenceError),
    /// Could not find out.
    Unknown(Unknown),
}

impl Outcome {
    /// The name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Supported { .. } => "supported",
            Self::Missing(_) => "missing",
            Self::Mismatched { .. } => "mismatched",
            Self::Invalid(_) => "invalid",
            Self::Unknown(_) => "unknown",
        }
    }

    /// The reason, where the outcome is unknown.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Unknown(unknown) => Some(unknown.reason),
            _ => None,
        }
    }

    /// Digests from the index, itself excluded, to what would be pulled; empty for a plain
    /// manifest, and where nothing would be.
    pub fn picked(&self) -> &[Digest] {
        match self {
            Self::Supported { picked, .. } | Self::Mismatched { picked, .. } => picked,
            Self::Missing(_) | Self::Invalid(_) | Self::Unknown(_) => &[],
        }
    }

    /// Whether the image runs.
    pub fn value(&self) -> Ternary {
        match self {
            Self::Supported { .. } => Ternary::Yes,
            Self::Missing(_) | Self::Mismatched { .. } | Self::Invalid(_) => Ternary::No,
            Self::Unknown(_) => Ternary::Unknown,
        }
    }
}

impl From<ReferenceError> for Outcome {
    fn from(error: ReferenceError) -> Self {
        match error {
            ReferenceError::Invalid(_) => Self::Invalid(error),
            ReferenceError::NoRegistry(detail) => {
                Self::Unknown(Unknown::new(Reason::Malformed, detail))
            }
        }
    }
}

impl From<Pick> for Outcome {
    fn from(pick: Pick) -> Self {
        match pick {
            Pick::Supported { path, why } => Self::Supported { picked: path, why },
            Pick::Mismatched {
                path,
                made_for,
                why,
            } => Self::Mismatched {
                picked: path,
                made_for,
                why,
            },
            Pick::Missing(why) => Self::Missing(why),
            Pick::Unknown(unknown) => Self::Unknown(unknown),
            // Whoever looks up children stops when it has no more right to: that is a limit.
            Pick::Needs(_) => Self::Unknown(Unknown::new(
                Reason::TooLarge,
                "too many documents would have to be read",
            )),
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
    pub outdated: Option<Outdated>,
    /// One outcome for each candidate platform, in the order of the candidates.
    pub outcomes: Vec<Outcome>,
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
    /// Whether every image of the pod runs on the candidate platform at this position.
    pub fn platform_value(&self, position: usize) -> Ternary {
        let overlooked = self.overlooked.iter().map(|_| Ternary::Unknown);
        Ternary::all(overlooked.chain([value_at(&self.images, position)]))
    }

    /// One value for each candidate platform.
    pub fn platform_values(&self) -> impl Iterator<Item = Ternary> + '_ {
        (0..self.candidates.platforms.len()).map(|position| self.platform_value(position))
    }

    /// One value for each platform of cordoned nodes, where these were judged.
    pub fn cordoned_values(&self) -> impl Iterator<Item = Ternary> + '_ {
        let judged = !self.beyond_cordon.is_empty();
        let positions = 0..self.candidates.cordoned.len();
        let positions = positions.take_while(move |_| judged);
        positions.map(|position| value_at(&self.beyond_cordon, position))
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
        let values = self.candidates.cordoned.iter().zip(self.cordoned_values());
        values.filter(|(_, value)| *value != Ternary::No)
    }

    /// The reasons for what is not known, without repetition.
    pub fn unknown_reasons(&self) -> Vec<Reason> {
        let outcomes = self.images.iter().flat_map(|image| &image.outcomes);
        let reasons = outcomes.filter_map(Outcome::reason);
        distinct(reasons.chain(self.other_reasons()))
    }

    /// Those of them that a level may hang on. Where a known no settles a platform, nothing
    /// hangs on what is not known of the other images.
    pub fn open_reasons(&self) -> Vec<Reason> {
        let open = open_at(&self.images, self.platform_values());
        distinct(open.chain(self.other_reasons()))
    }

    /// Reasons that lie not in the images on candidates.
    fn other_reasons(&self) -> impl Iterator<Item = Reason> {
        let is_nowhere = self.candidates.is_empty() && self.candidates.undetermined.is_none();
        let none = is_nowhere.then_some(Reason::NoCandidates);
        let waits = self.waits_for_cordon().then_some(Reason::Cordoned);
        let cordoned = open_at(&self.beyond_cordon, self.cordoned_values());
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
    pub fn staleness(&self) -> impl Iterator<Item = Staleness> {
        let outdated = self.images.iter().filter_map(|image| image.outdated);
        outdated.map(|outdated| outdated.why)
    }

    /// Every gap: an image and the position of a candidate platform that cannot run it.
    pub fn gaps(&self) -> impl Iterator<Item = (&ImageVerdict, usize)> {
        self.images.iter().flat_map(|image| {
            let no = |(position, outcome): (usize, &Outcome)| {
                (outcome.value() == Ternary::No).then_some(position)
            };
            image
                .outcomes
                .iter()
                .enumerate()
                .filter_map(no)
                .map(move |position| (image, position))
        })
    }
}

fn value_at(images: &[ImageVerdict], position: usize) -> Ternary {
    Ternary::all(images.iter().map(|image| {
        let outcome = image.outcomes.get(position);
        outcome.map_or(Ternary::Unknown, Outcome::value)
    }))
}

/// The reasons on platforms whose value is not known.
fn open_at(
    images: &[ImageVerdict],
    values: impl Iterator<Item = Ternary>,
) -> impl Iterator<Item = Reason> {
    let open = values
        .enumerate()
        .filter(|(_, value)| *value == Ternary::Unknown);
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

    const VALUES: [Ternary; 3] = [Ternary::Yes, Ternary::No, Ternary::Unknown];

    #[test]
    fn a_known_no_decides_all_and_a_known_yes_decides_any() {
        for other in VALUES {
            assert_eq!(Ternary::all([Ternary::No, other]), Ternary::No);
            assert_eq!(Ternary::any([Ternary::Yes, other]), Ternary::Yes);
        }
        assert_eq!(
            Ternary::all([Ternary::Yes, Ternary::Unknown]),
            Ternary::Unknown
        );
        assert_eq!(
            Ternary::any([Ternary::No, Ternary::Unknown]),
            Ternary::Unknown
        );
    }

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
