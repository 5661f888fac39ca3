//! What decided an outcome, in one sentence.
//!
//! Every text that says why (the long table, the report, the denial, `inspect`) prints an
//! [`Explanation`]. It borrows what the engine returned and makes its words only when it is
//! printed.

use std::fmt::{self, Formatter};

use super::nodes::counted;
use crate::domain::inspection::{Content, Inspection};
use crate::domain::node::NodePlatform;
use crate::domain::outcome::{
    Compatibility, EntryPosition, IndexDepth, MatchReason, MissReason, Outcome,
};
use crate::domain::platform::{Platform, platform_part};
use crate::domain::text::printable;
use crate::domain::verdict::ImageOutcome;

/// How many platforms of an image a sentence lists.
const MAX_PLATFORMS: usize = 8;

/// Why an image has its outcome on a node platform. `Display` gives the sentence, without
/// capital and period, such as `entry 2 of its index is for linux/s390x`.
#[derive(Clone, Copy, Debug)]
pub struct Explanation<'a> {
    outcome: &'a Outcome,
    node: &'a NodePlatform,
    root: Option<&'a Inspection>,
}

impl<'a> ImageOutcome<'a> {
    /// Why it happens.
    pub fn explain(self) -> Explanation<'a> {
        Explanation {
            outcome: self.outcome,
            node: &self.candidate.platform,
            root: self.image.inspection.as_deref(),
        }
    }
}

impl Explanation<'_> {
    /// Whether the sentence tells more than that the platform is not among the image's.
    pub fn is_special(&self) -> bool {
        match self.outcome {
            Outcome::Supported { .. } | Outcome::Invalid(_) | Outcome::Unknown(_) => false,
            Outcome::Missing(miss_reason) => {
                !matches!(miss_reason, MissReason::NoEntry(IndexDepth::First))
            }
            Outcome::Mismatched { why, .. } => !matches!(why, MatchReason::Plain(_)),
        }
    }

    /// The platform of an entry, where the index is at hand: nested ones are not kept.
    fn platform_of(&self, place: EntryPosition) -> Option<&Platform> {
        match (&self.root?.content, place.depth) {
            (Content::Index(entries), IndexDepth::First) => {
                entries.get(place.position)?.platform.as_deref()
            }
            _ => None,
        }
    }

    fn is_for(&self, place: EntryPosition) -> String {
        match self.platform_of(place) {
            Some(platform) => format!("{place} is for {platform}"),
            None => format!("{place} is for another platform"),
        }
    }

    fn match_reason(&self, why: MatchReason) -> String {
        let node = &self.node.platform;
        let runtime = self.node.runtime;
        let with_config = |text: String, compatibility| {
            text + ", and its config says " + &self.config(compatibility)
        };
        match why {
            MatchReason::Plain(compatibility) => {
                let text = "it is one manifest without an index".to_owned();
                with_config(text, compatibility)
            }
            MatchReason::Exact(place) => format!("{place} is for {node}"),
            MatchReason::Fallback(place) => {
                format!("{}, which {runtime} takes on {node}", self.is_for(place))
            }
            MatchReason::Unstated(place, compatibility) => {
                with_config(format!("{place} names no platform"), compatibility)
            }
            MatchReason::Verified(place, compatibility) => {
                with_config(self.is_for(place), compatibility)
            }
            MatchReason::Artifact => "it is an artifact, which is mounted as it is".to_owned(),
        }
    }

    /// What the config of the manifest says.
    fn config(&self, compatibility: Compatibility) -> String {
        let node = &self.node.platform;
        let made_for = match (self.outcome, self.root.map(|root| &root.content)) {
            (Outcome::Mismatched { made_for, .. }, _) => Some(made_for),
            (_, Some(Content::Manifest(config))) => Some(config),
            _ => None,
        };
        let says = made_for.map_or_else(|| "another platform".to_owned(), Platform::to_string);
        match compatibility {
            Compatibility::Own => node.to_string(),
            Compatibility::Foreign => says,
            Compatibility::Related => format!("{says}, which {node} runs"),
            Compatibility::Emulated => format!("{says}, which the node emulates"),
        }
    }

    fn miss_reason(&self, miss_reason: &MissReason) -> String {
        let node = &self.node.platform;
        let runtime = self.node.runtime;
        let is_for = |place: &EntryPosition| self.is_for(*place);
        match miss_reason {
            MissReason::NoEntries(depth) => format!("its {depth} lists nothing"),
            MissReason::AttestationsOnly(depth) => format!("its {depth} lists attestations only"),
            MissReason::NoEntry(depth) => {
                format!("no entry of its {depth} is for {node}{}", self.has(*depth))
            }
            MissReason::Variant(place) => format!(
                "{}, a variant that {runtime} does not take on {node}",
                is_for(place)
            ),
            MissReason::Fallback(place) => format!(
                "{}, which containerd takes on {node} only before 2.1",
                is_for(place)
            ),
            MissReason::Features(place) => format!(
                "{}, but demands os.features that the node does not have",
                is_for(place)
            ),
            MissReason::Build(place) => {
                let build = self.platform_of(*place).map(|stated| &stated.os_version);
                let build = build.filter(|build| !build.is_empty());
                let build = build.map(|build| format!(" build {}", platform_part(build)));
                format!(
                    "{}{}, which the node's build {} does not run",
                    is_for(place),
                    build.unwrap_or_default(),
                    platform_part(&node.os_version)
                )
            }
            MissReason::Spelling(place) => format!(
                "{place} spells {node} in another way, and {runtime} compares letter by letter"
            ),
            MissReason::Unstated(place) => format!(
                "{place} names no platform, and {runtime} takes none such from a Docker list"
            ),
            MissReason::Hidden(place) => format!(
                "{}, an index that nobody looks into for {node}",
                is_for(place)
            ),
            MissReason::Config(place, config) => format!(
                "{place} names no platform, its config says {config}, and {runtime} tries no \
                 other"
            ),
            MissReason::IndexInIndex(place) => {
                format!("{place} is an index, which {runtime} does not follow")
            }
            MissReason::NoImage(place) => format!("{place} is no image manifest"),
        }
    }

    /// What the index has, where it is at hand.
    fn has(&self, depth: IndexDepth) -> String {
        let root = self.root.filter(|_| depth == IndexDepth::First);
        let platforms = root.map(Inspection::platforms).unwrap_or_default();
        let names = platforms.iter().map(ToString::to_string);
        match names.len() {
            0 => String::new(),
            _ => format!("; it has {}", counted(names, MAX_PLATFORMS)),
        }
    }
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&match self.outcome {
            Outcome::Supported { why, .. } | Outcome::Mismatched { why, .. } => {
                self.match_reason(*why)
            }
            Outcome::Missing(miss_reason) => self.miss_reason(miss_reason),
            Outcome::Invalid(error) => error.to_string(),
            Outcome::Unknown(unknown) => printable(&unknown.detail),
        })
    }
}

impl fmt::Display for EntryPosition {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        // People count from 1.
        write!(
            formatter,
            "entry {} of its {}",
            self.position + 1,
            self.depth
        )
    }
}

#[cfg(test)]
mod tests;
