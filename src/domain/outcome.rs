//! What happens when an image is started on a node platform, and why.
//!
//! The reasons are small and hold no text, since every review carries one for each image and
//! node platform and most are never read. `wording` makes sentences of them.

use serde::{Deserialize, Serialize};

use super::platform::Platform;
use super::reference::{Digest, ReferenceError};
use super::unknown::{Reason, Unknown};

/// Yes, no, or not known, the best first: the values of Kleene's logic.
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
pub enum Ternary {
    /// Known to be so.
    Yes,
    /// Not known.
    Unknown,
    /// Known not to be so.
    No,
}

impl Ternary {
    /// No, if any is no; else unknown, if any is; else yes.
    pub fn all(values: impl IntoIterator<Item = Self>) -> Self {
        values.into_iter().max().unwrap_or(Self::Yes)
    }

    /// Yes, if any is yes; else unknown, if any is; else no.
    pub fn any(values: impl IntoIterator<Item = Self>) -> Self {
        values.into_iter().min().unwrap_or(Self::No)
    }

    /// The name in reports.
    pub fn name(self) -> &'static str {
        self.into()
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

/// An outcome without its reasons, the most serious first.
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
pub enum OutcomeKind {
    /// The name is no image reference: InvalidImageName.
    Invalid,
    /// An index without a match: the pull fails.
    Missing,
    /// What would be pulled is for another architecture: `exec format error`.
    Mismatched,
    /// Could not find out.
    Unknown,
    /// The runtime picks a manifest, and it is for that platform.
    Supported,
}

impl OutcomeKind {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl Outcome {
    /// What it is, whatever the reason.
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::Supported { .. } => OutcomeKind::Supported,
            Self::Missing(_) => OutcomeKind::Missing,
            Self::Mismatched { .. } => OutcomeKind::Mismatched,
            Self::Invalid(_) => OutcomeKind::Invalid,
            Self::Unknown(_) => OutcomeKind::Unknown,
        }
    }

    /// The name in reports.
    pub fn name(&self) -> &'static str {
        self.kind().name()
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

impl From<Unknown> for Outcome {
    fn from(unknown: Unknown) -> Self {
        Self::Unknown(unknown)
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

/// An entry of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryPosition {
    /// Which index.
    pub depth: IndexDepth,
    /// The position in its list, from 0.
    pub position: usize,
}

/// Which index of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display)]
pub enum IndexDepth {
    /// The one that the name leads to.
    #[strum(serialize = "index")]
    First,
    /// One that another index lists.
    #[strum(serialize = "nested index")]
    Nested,
}

/// How the platform of a config suits a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compatibility {
    /// It is the node's own.
    Own,
    /// The node's processor runs it as well: 386 on amd64, arm on arm64.
    Related,
    /// The node declares that it emulates it.
    Emulated,
    /// It does not run there.
    Foreign,
}

/// Why a manifest would be pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchReason {
    /// The name leads to one manifest, which is pulled whatever it is for.
    Plain(Compatibility),
    /// The entry names the node's platform.
    Exact(EntryPosition),
    /// The entry names a platform that the runtime takes in its stead.
    Fallback(EntryPosition),
    /// The entry names no platform, so the config of its manifest tells.
    Unstated(EntryPosition, Compatibility),
    /// The entry names a platform, and the config was read, too (`policy.verifyChildren`).
    Verified(EntryPosition, Compatibility),
    /// An image volume mounts an artifact, which has no platform.
    Artifact,
}

/// Why a pull finds nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MissReason {
    /// The index lists nothing.
    NoEntries(IndexDepth),
    /// The index lists attestations, which are never platforms.
    AttestationsOnly(IndexDepth),
    /// No entry comes near the node's platform.
    NoEntry(IndexDepth),
    /// An entry is for a variant that the runtime does not take.
    Variant(EntryPosition),
    /// An entry would do for containerd up to 2.0; later versions fetch the exact platform.
    Fallback(EntryPosition),
    /// An entry demands `os.features` that nodes do not have.
    Features(EntryPosition),
    /// A Windows entry is of a build that the node cannot run.
    Build(EntryPosition),
    /// An entry means the platform and spells it otherwise, which CRI-O does not forgive.
    Spelling(EntryPosition),
    /// An entry names no platform, which matches nothing in a Docker list on CRI-O.
    Unstated(EntryPosition),
    /// An entry is an index of which the outer one says another platform, so what is in it
    /// is not looked at.
    Hidden(EntryPosition),
    /// The chosen entry names no platform, and its config does not suit the node. The
    /// runtime tries no other one.
    Config(EntryPosition, Box<Platform>),
    /// The chosen entry is an index, which CRI-O does not follow.
    /// Source: containers/image `copy/single.go`.
    IndexInIndex(EntryPosition),
    /// The entry is no image manifest.
    NoImage(EntryPosition),
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
}
