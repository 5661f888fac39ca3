//! What decided an outcome, in one sentence.
//!
//! Every text that says why (the long table, the report, the denial, `inspect`) prints an
//! [`Explanation`]. It borrows what the engine returned and makes its words only when it is
//! printed.

use std::fmt::{self, Formatter};

use crate::domain::inspection::{Content, Entry, Inspection};
use crate::domain::node::NodePlatform;
use crate::domain::outcome::{
    Compatibility, EntryPosition, IndexDepth, MatchReason, MissReason, Outcome,
};
use crate::domain::platform::{Platform, write_part};
use crate::domain::text::printable;
use crate::domain::verdict::ImageOutcome;

/// How many platforms of an image a sentence lists.
const PLATFORMS: usize = 8;

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

    /// The entry at a place, where the index is at hand: nested ones are not kept.
    fn entry(&self, place: EntryPosition) -> Option<&Entry> {
        match (&self.root?.content, place.depth) {
            (Content::Index(entries), IndexDepth::First) => entries.get(place.position),
            _ => None,
        }
    }

    fn platform_of(&self, place: EntryPosition) -> Option<&Platform> {
        self.entry(place)?.platform.as_deref()
    }

    fn is_for(&self, formatter: &mut Formatter<'_>, place: EntryPosition) -> fmt::Result {
        match self.platform_of(place) {
            Some(platform) => write!(formatter, "{place} is for {platform}"),
            None => write!(formatter, "{place} is for another platform"),
        }
    }

    fn match_reason(&self, formatter: &mut Formatter<'_>, why: MatchReason) -> fmt::Result {
        let node = &self.node.platform;
        let runtime = self.node.runtime;
        match why {
            MatchReason::Plain(compatibility) => {
                formatter.write_str("it is one manifest without an index")?;
                self.config(formatter, compatibility)
            }
            MatchReason::Exact(place) => write!(formatter, "{place} is for {node}"),
            MatchReason::Fallback(place) => {
                self.is_for(formatter, place)?;
                write!(formatter, ", which {runtime} takes on {node}")
            }
            MatchReason::Unstated(place, compatibility) => {
                write!(formatter, "{place} names no platform")?;
                self.config(formatter, compatibility)
            }
            MatchReason::Verified(place, compatibility) => {
                self.is_for(formatter, place)?;
                self.config(formatter, compatibility)
            }
            MatchReason::Artifact => {
                formatter.write_str("it is an artifact, which is mounted as it is")
            }
        }
    }

    /// What the config of the manifest says.
    fn config(&self, formatter: &mut Formatter<'_>, compatibility: Compatibility) -> fmt::Result {
        let node = &self.node.platform;
        let made_for = match (self.outcome, self.root.map(|root| &root.content)) {
            (Outcome::Mismatched { made_for, .. }, _) => Some(made_for),
            (_, Some(Content::Manifest(config))) => Some(config),
            _ => None,
        };
        match made_for {
            _ if compatibility == Compatibility::Own => {
                write!(formatter, ", and its config says {node}")?;
            }
            Some(made_for) => write!(formatter, ", and its config says {made_for}")?,
            None => formatter.write_str(", and its config says another platform")?,
        }
        match compatibility {
            Compatibility::Own | Compatibility::Foreign => Ok(()),
            Compatibility::Related => write!(formatter, ", which {node} runs"),
            Compatibility::Emulated => formatter.write_str(", which the node emulates"),
        }
    }

    fn miss_reason(&self, formatter: &mut Formatter<'_>, miss_reason: &MissReason) -> fmt::Result {
        let node = &self.node.platform;
        let runtime = self.node.runtime;
        match miss_reason {
            MissReason::NoEntries(depth) => write!(formatter, "its {depth} lists nothing"),
            MissReason::AttestationsOnly(depth) => {
                write!(formatter, "its {depth} lists attestations only")
            }
            MissReason::NoEntry(depth) => {
                write!(formatter, "no entry of its {depth} is for {node}")?;
                self.has(formatter, *depth)
            }
            MissReason::Variant(place) => {
                self.is_for(formatter, *place)?;
                write!(
                    formatter,
                    ", a variant that {runtime} does not take on {node}"
                )
            }
            MissReason::Fallback(place) => {
                self.is_for(formatter, *place)?;
                write!(
                    formatter,
                    ", which containerd takes on {node} only before 2.1"
                )
            }
            MissReason::Features(place) => {
                self.is_for(formatter, *place)?;
                formatter.write_str(", but demands os.features that the node does not have")
            }
            MissReason::Build(place) => {
                self.is_for(formatter, *place)?;
                let stated = self.platform_of(*place);
                if let Some(stated) = stated.filter(|stated| !stated.os_version.is_empty()) {
                    formatter.write_str(" build ")?;
                    write_part(formatter, &stated.os_version)?;
                }
                formatter.write_str(", which the node's build ")?;
                write_part(formatter, &node.os_version)?;
                formatter.write_str(" does not run")
            }
            MissReason::Spelling(place) => write!(
                formatter,
                "{place} spells {node} in another way, and {runtime} compares letter by letter"
            ),
            MissReason::Unstated(place) => write!(
                formatter,
                "{place} names no platform, and {runtime} takes none such from a Docker list"
            ),
            MissReason::Hidden(place) => {
                self.is_for(formatter, *place)?;
                write!(formatter, ", an index that nobody looks into for {node}")
            }
            MissReason::Config(place, config) => write!(
                formatter,
                "{place} names no platform, its config says {config}, and {runtime} tries no \
                 other"
            ),
            MissReason::IndexInIndex(place) => {
                write!(
                    formatter,
                    "{place} is an index, which {runtime} does not follow"
                )
            }
            MissReason::NoImage(place) => write!(formatter, "{place} is no image manifest"),
        }
    }

    /// What the index has, where it is at hand.
    fn has(&self, formatter: &mut Formatter<'_>, depth: IndexDepth) -> fmt::Result {
        let platforms = match (self.root, depth) {
            (Some(root), IndexDepth::First) => root.platforms(),
            _ => Vec::new(),
        };
        for (position, platform) in platforms.iter().take(PLATFORMS).enumerate() {
            let before = if position == 0 { "; it has " } else { ", " };
            write!(formatter, "{before}{platform}")?;
        }
        if platforms.len() > PLATFORMS {
            write!(formatter, " and {} more", platforms.len() - PLATFORMS)?;
        }
        Ok(())
    }
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self.outcome {
            Outcome::Supported { why, .. } | Outcome::Mismatched { why, .. } => {
                self.match_reason(formatter, *why)
            }
            Outcome::Missing(miss_reason) => self.miss_reason(formatter, miss_reason),
            Outcome::Invalid(error) => write!(formatter, "{error}"),
            Outcome::Unknown(unknown) => formatter.write_str(&printable(&unknown.detail)),
        }
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

impl fmt::Display for IndexDepth {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::First => "index",
            Self::Nested => "nested index",
        })
    }
}

#[cfg(test)]
mod tests;
