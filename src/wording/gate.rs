//! What a gate says of an image: one line, for update bots and pipelines.

use std::collections::BTreeSet;

use super::nodes::without_middle;
use super::problem::ImageProblem;
use crate::domain::candidates::CandidatePlatform;
use crate::domain::inspection::Inspection;
use crate::domain::outcome::Outcome;
use crate::domain::text::{printable, shortened, visible};
use crate::domain::verdict::{ImageVerdict, LevelResult, Verdict};

/// The longest line, in characters.
const MAX_LINE: usize = 400;

/// How many characters of an image's name are shown; long names lose their middle.
const MAX_NAME: usize = 140;

/// How many characters the platforms of one sort take.
const MAX_PLATFORMS: usize = 200;

/// How many characters of a reason are shown.
const MAX_REASON: usize = 180;

impl Verdict {
    /// Whether an image is published for every candidate platform, in one line without a line
    /// end: `FAIL node:22 has no manifest for linux/s390x: it has linux/amd64`.
    pub fn gate_line(&self, image: &str) -> String {
        let result = self.portable();
        let word = result.name().to_uppercase();
        let name = without_middle(visible(image), MAX_NAME);
        let said = match result {
            LevelResult::Pass => format!("is published for {}", self.wanted()),
            LevelResult::Undecided | LevelResult::Fail => self.objections(),
        };
        let line = format!("{word} {name} {said}");
        shortened(&line, MAX_LINE - 1).into_owned()
    }

    /// What is wrong: platforms first, then reasons, since the end of a line may be cut.
    fn objections(&self) -> String {
        let candidates = &self.candidates.platforms;
        let images = self.images.iter();
        let problems = images.flat_map(|image| image.problems(candidates));
        let problems: Vec<ImageProblem<'_>> = problems.collect();
        let said = problems.iter().map(ImageProblem::objection);
        let said: Vec<String> = said.collect();
        if said.is_empty() {
            // Of such a name nothing is kept.
            let wanted = self.wanted();
            return format!("could not be checked for {wanted}: its name is too long");
        }
        let reasons = problems.iter().filter_map(ImageProblem::reason);
        let had = self.images.iter().filter_map(has);
        let more: Vec<String> = reasons.chain(had).collect();
        match more.is_empty() {
            true => said.join("; "),
            false => format!("{}: {}", said.join("; "), more.join("; ")),
        }
    }

    /// What is asked for.
    fn wanted(&self) -> String {
        platforms(&self.candidates.platforms.iter().collect::<Vec<_>>())
    }
}

impl ImageProblem<'_> {
    /// What is wrong, always with the platforms where it is.
    fn objection(&self) -> String {
        let wanted = platforms(&self.candidates);
        match self.first.outcome {
            Outcome::Supported { .. } => format!("is published for {wanted}"),
            Outcome::Missing(_) => format!("has no manifest for {wanted}"),
            Outcome::Mismatched { made_for, .. } => {
                format!("is built for {made_for}, not for {wanted}")
            }
            Outcome::Invalid(_) => format!("is no image for {wanted} (InvalidImageName)"),
            Outcome::Unknown(unknown) => {
                format!("could not be checked for {wanted} ({})", unknown.reason)
            }
        }
    }

    /// Why it is so, where the platforms do not show it.
    fn reason(&self) -> Option<String> {
        let reason = match self.first.outcome {
            Outcome::Invalid(error) => Some(error.to_string()),
            Outcome::Unknown(unknown) => Some(printable(&unknown.detail)),
            _ => self.why.map(|why| why.to_string()),
        };
        reason.map(|reason| shortened(&reason, MAX_REASON).into_owned())
    }
}

/// Platform names, each once, as many as there is room for.
fn platforms(candidates: &[&CandidatePlatform]) -> String {
    let names = candidates
        .iter()
        .map(|candidate| candidate.platform.platform.to_string());
    fitting(&names.collect())
}

/// The platforms that an image has, where it has any.
fn has(image: &ImageVerdict) -> Option<String> {
    let had = image.inspection.as_deref().map(Inspection::platforms)?;
    let had: BTreeSet<String> = had.iter().map(ToString::to_string).collect();
    (!had.is_empty()).then(|| format!("it has {}", fitting(&had)))
}

fn fitting(names: &BTreeSet<String>) -> String {
    let mut text = String::new();
    for (shown, name) in names.iter().enumerate() {
        let separator = if shown == 0 { "" } else { ", " };
        if text.len() + separator.len() + name.len() > MAX_PLATFORMS {
            return format!("{text} and {} more", names.len() - shown);
        }
        text += separator;
        text += name;
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::candidates::{Candidates, Names};
    use crate::domain::inspection::{Content, Entry, EntryKind, MediaType};
    use crate::domain::node::{NodePlatform, Source};
    use crate::domain::outcome::{
        Compatibility, EntryPosition, IndexDepth, MatchReason, MissReason,
    };
    use crate::domain::platform::Platform;
    use crate::domain::reference::ImageReference;
    use crate::domain::runtime::Runtime;
    use crate::domain::unknown::{Reason, Unknown};
    use crate::domain::workload::{ContainerImage, Usage};

    fn candidate(platform: &str) -> CandidatePlatform {
        CandidatePlatform {
            platform: Arc::new(NodePlatform {
                platform: platform.parse().unwrap(),
                runtime: Runtime::ContainerdTransfer,
                emulates: Vec::new(),
            }),
            nodes: Names::default(),
            node_count: 1,
            sources: vec![Source::Node],
            pools: Vec::new(),
            is_certain: true,
        }
    }

    /// The line for an image that has these platforms, and these outcomes on those.
    fn line(name: &str, has: &[&str], outcomes: Vec<(&str, Outcome)>) -> String {
        let entry = |platform: &&str| Entry {
            digest: format!("sha256:{:064x}", 1).parse().unwrap(),
            kind: EntryKind::Manifest,
            platform: Some(Arc::new(platform.parse().unwrap())),
            zstd: false,
            build: None,
        };
        let inspection = Inspection {
            build: None,
            digest: format!("sha256:{:064x}", 9).parse().unwrap(),
            media_type: MediaType::OciIndex,
            content: Content::Index(has.iter().map(entry).collect()),
        };
        let platforms = outcomes.iter().map(|(platform, _)| candidate(platform));
        let verdict = Verdict {
            candidates: Candidates {
                platforms: platforms.collect(),
                ..Candidates::default()
            },
            images: vec![ImageVerdict {
                image: ContainerImage {
                    image: name.to_owned(),
                    reference: name.parse(),
                    containers: Vec::new(),
                    usage: Usage::Container,
                    preloaded: false,
                },
                inspection: Some(Arc::new(inspection)),
                outdated: None,
                advice: None,
                outcomes: outcomes.into_iter().map(|(_, outcome)| outcome).collect(),
            }],
            beyond_cordon: Vec::new(),
            overlooked: None,
        };
        verdict.gate_line(name)
    }

    fn place() -> EntryPosition {
        EntryPosition {
            depth: IndexDepth::First,
            position: 0,
        }
    }

    fn supported() -> Outcome {
        Outcome::Supported {
            picked: Vec::new(),
            why: MatchReason::Exact(place()),
        }
    }

    fn missing() -> Outcome {
        Outcome::Missing(MissReason::NoEntry(IndexDepth::First))
    }

    fn mismatched() -> Outcome {
        Outcome::Mismatched {
            picked: Vec::new(),
            made_for: Platform::new("linux", "amd64", ""),
            why: MatchReason::Plain(Compatibility::Foreign),
        }
    }

    fn late() -> Outcome {
        Unknown::new(Reason::Timeout, "r.example did not answer in time").into()
    }

    #[test]
    fn a_line_names_image_and_platforms_whatever_the_result() {
        let (amd, arm, z) = ("linux/amd64", "linux/arm64", "linux/s390x");
        let invalid = || Outcome::from("A b".parse::<ImageReference>().unwrap_err());
        let empty = || Outcome::Missing(MissReason::NoEntries(IndexDepth::First));
        for (name, has, outcomes, expected) in [
            (
                "node:21",
                [amd, z].as_slice(),
                vec![(amd, supported()), (z, supported())],
                "PASS node:21 is published for linux/amd64, linux/s390x",
            ),
            (
                "node:22",
                &[amd],
                vec![(amd, supported()), (z, missing())],
                "FAIL node:22 has no manifest for linux/s390x: it has linux/amd64",
            ),
            (
                "app",
                &[],
                vec![(amd, supported()), (z, mismatched()), (arm, mismatched())],
                "FAIL app is built for linux/amd64, not for linux/arm64, linux/s390x",
            ),
            (
                "app",
                &[amd],
                vec![(z, late()), (arm, missing())],
                "FAIL app has no manifest for linux/arm64; could not be checked for linux/s390x \
                 (timeout): r.example did not answer in time; it has linux/amd64",
            ),
            (
                "app",
                &[],
                vec![(z, empty())],
                "FAIL app has no manifest for linux/s390x: its index lists nothing",
            ),
            (
                "app",
                &[],
                vec![(z, late())],
                "UNDECIDED app could not be checked for linux/s390x (timeout): r.example did \
                 not answer in time",
            ),
            (
                "A b",
                &[],
                vec![(amd, invalid()), (z, invalid())],
                "FAIL \"A b\" is no image for linux/amd64, linux/s390x (InvalidImageName): the \
                 repository is not lower-case",
            ),
        ] {
            assert_eq!(line(name, has, outcomes), expected);
        }
    }

    #[test]
    fn a_line_has_an_end_and_the_missing_platforms_before_it() {
        let long = format!("{}/{}:{}", "r".repeat(200), "n".repeat(200), "t".repeat(60));
        let architectures = [
            "386", "amd64", "arm", "arm64", "loong64", "mips64le", "ppc64le", "riscv64", "s390x",
        ];
        let platforms = architectures.map(|architecture| format!("linux/{architecture}"));
        let (head, tail) = (&long[..60], &long[long.len() - 60..]);
        let outcomes = |outcome: fn() -> Outcome| {
            let outcomes = platforms
                .iter()
                .map(|platform| (platform.as_str(), outcome()));
            outcomes.collect::<Vec<_>>()
        };
        let detail = || Unknown::new(Reason::Blocked, "ä\u{1b}[2J".repeat(100)).into();
        for outcome in [missing, mismatched, detail] {
            let line = line(&long, &["linux/amd64"], outcomes(outcome));
            assert!(line.chars().count() <= MAX_LINE, "{line}");
            assert!(line.contains(head) && line.contains(tail), "{line}");
            assert!(!line.contains(char::is_control), "{line}");
            for platform in &platforms {
                let platform = platform.parse::<Platform>().unwrap().to_string();
                assert!(line.contains(&platform), "{platform}: {line}");
            }
        }
    }
}
