//! What is wrong with an image, as every text puts it: the tables, the warnings, the denial.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Formatter};

use super::explanation::Explanation;
use super::nodes::nodes_of;
use crate::domain::candidates::CandidatePlatform;
use crate::domain::outcome::{MatchReason, Outcome, OutcomeKind};
use crate::domain::text::printable;
use crate::domain::verdict::{ImageOutcome, ImageVerdict, Verdict};

/// One thing that is wrong with an image, on all candidate platforms where it is.
///
/// `Display` completes a sentence that begins with the image:
/// `has no linux/s390x manifest`.
#[derive(Clone, Debug)]
pub struct ImageProblem<'a> {
    /// What it is on the first of the candidates; on the others it is of the same kind.
    pub first: ImageOutcome<'a>,
    /// Where it is so, in the order of the candidates.
    pub candidates: Vec<&'a CandidatePlatform>,
    /// What decided, where the list of the image's platforms does not show it.
    pub why: Option<Explanation<'a>>,
}

impl ImageVerdict {
    /// What is wrong with the image: its name, missing platforms, then mismatched ones, then
    /// what is not known.
    pub fn problems<'a>(&'a self, candidates: &'a [CandidatePlatform]) -> Vec<ImageProblem<'a>> {
        let mut problems: BTreeMap<OutcomeKind, ImageProblem<'a>> = BTreeMap::new();
        for at in self.on(candidates) {
            let kind = at.outcome.kind();
            if kind == OutcomeKind::Supported {
                continue;
            }
            let problem = problems.entry(kind).or_insert_with(|| ImageProblem {
                first: at,
                candidates: Vec::new(),
                why: None,
            });
            problem.candidates.push(at.candidate);
            let why = Some(at.explain()).filter(Explanation::is_special);
            problem.why = problem.why.or(why);
        }
        problems.into_values().collect()
    }
}

impl ImageOutcome<'_> {
    /// How the pod would end, as `kubectl describe` shows it; none where it runs, and where
    /// nobody knows.
    pub fn failure(self) -> Option<&'static str> {
        match self.outcome {
            Outcome::Missing(_) => Some(self.candidate.platform.runtime.pull_failure()),
            Outcome::Mismatched { .. } => Some("exec format error"),
            Outcome::Invalid(_) => Some("InvalidImageName"),
            Outcome::Supported { .. } | Outcome::Unknown(_) => None,
        }
    }
}

impl Verdict {
    /// What is not known of the pod as a whole.
    pub fn unchecked(&self) -> impl Iterator<Item = String> {
        let why = self.not_looked_at();
        why.map(|why| format!("not all of it was checked: {why} ({})", why.reason))
    }
}

impl ImageProblem<'_> {
    /// The same with the nodes that ask for it.
    pub(super) fn required(&self) -> String {
        match self.first.outcome {
            // Whatever the nodes are.
            Outcome::Invalid(_) => self.to_string(),
            _ => format!("{self}, required by {}", nodes_of(&self.candidates)),
        }
    }

    /// Platform names without repetition: one may be there with several runtimes.
    fn platforms(&self) -> String {
        let names: BTreeSet<String> = self
            .candidates
            .iter()
            .map(|candidate| candidate.platform.platform.to_string())
            .collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for ImageProblem<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let platforms = self.platforms();
        match self.first.outcome {
            Outcome::Supported { .. } => write!(formatter, "runs on {platforms}"),
            Outcome::Missing(_) => write!(formatter, "has no {platforms} manifest"),
            Outcome::Mismatched {
                made_for,
                why: MatchReason::Verified(..),
                ..
            } => write!(
                formatter,
                "has an index entry for {platforms} that points to a {made_for} config"
            ),
            Outcome::Mismatched { made_for, .. } => {
                write!(formatter, "is built for {made_for}, not for {platforms}")
            }
            Outcome::Invalid(error) => {
                write!(
                    formatter,
                    "is refused by the kubelet, InvalidImageName: {error}"
                )
            }
            Outcome::Unknown(unknown) => write!(
                formatter,
                "could not be checked: {} ({})",
                printable(&unknown.detail),
                unknown.reason
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::candidates::Names;
    use crate::domain::node::{NodePlatform, Source};
    use crate::domain::outcome::{Compatibility, EntryPosition, IndexDepth, MissReason};
    use crate::domain::platform::Platform;
    use crate::domain::reference::ImageReference;
    use crate::domain::runtime::Runtime;
    use crate::domain::unknown::{Reason, Unknown};
    use crate::domain::workload::{ContainerImage, Usage};

    #[test]
    fn problems_are_told_by_outcome_the_most_serious_first() {
        let candidate = |architecture: &str| CandidatePlatform {
            platform: NodePlatform {
                platform: Platform::new("linux", architecture, ""),
                runtime: Runtime::CriO,
                emulates: Vec::new(),
            }
            .into(),
            nodes: Names::default(),
            node_count: 0,
            sources: vec![Source::Node],
            pools: Vec::new(),
            is_certain: true,
        };
        let mismatched = |why| Outcome::Mismatched {
            picked: Vec::new(),
            made_for: Platform::new("linux", "amd64", ""),
            why,
        };
        let place = EntryPosition {
            depth: IndexDepth::First,
            position: 0,
        };
        let unknown = Unknown::new(Reason::Timeout, "r.example did not answer in time");
        let miss_reason = || Outcome::Missing(MissReason::NoEntry(IndexDepth::First));
        let verified = || mismatched(MatchReason::Verified(place, Compatibility::Foreign));
        let plain = || mismatched(MatchReason::Plain(Compatibility::Foreign));
        let invalid = || Outcome::from("-".parse::<ImageReference>().unwrap_err());
        let none: [&str; 0] = [];
        let rows: [(Vec<Outcome>, &[&str]); 5] = [
            (
                vec![invalid(), invalid(), invalid()],
                &[
                    "is refused by the kubelet, InvalidImageName: the repository has characters \
                    or separators that repositories may not have",
                ],
            ),
            (
                vec![Outcome::Unknown(unknown), miss_reason(), miss_reason()],
                &[
                    "has no linux/arm64, linux/s390x manifest",
                    "could not be checked: r.example did not answer in time (timeout)",
                ],
            ),
            (
                vec![plain(), miss_reason()],
                &[
                    "has no linux/s390x manifest",
                    "is built for linux/amd64, not for linux/ppc64le",
                ],
            ),
            (
                vec![verified()],
                &["has an index entry for linux/ppc64le that points to a linux/amd64 config"],
            ),
            (Vec::new(), &none),
        ];
        let candidates = ["ppc64le", "s390x", "arm64"].map(candidate);
        for (outcomes, expected) in rows {
            let image = ImageVerdict {
                image: ContainerImage {
                    image: "app".to_owned(),
                    reference: "app".parse(),
                    containers: Vec::new(),
                    usage: Usage::Container,
                    preloaded: false,
                },
                inspection: None,
                outdated: None,
                advice: None,
                outcomes,
            };
            let problems = image.problems(&candidates);
            let found: Vec<String> = problems.iter().map(ToString::to_string).collect();
            assert_eq!(found, expected);
        }
    }
}
