//! Why a runtime picks what it picks, or nothing: the rule, and the entry it decided on.
//!
//! These values are small and hold no text, since every review carries one for each image
//! and node platform and most are never read. `wording` makes sentences of them.

use super::Rules;
use super::containerd::Acceptable;
use crate::domain::inspection::{Entry, EntryKind};
use crate::domain::node::NodePlatform;
use crate::domain::platform::{Normalized, Platform};
use crate::domain::runtime::Runtime;

/// An entry of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryPosition {
    /// Which index.
    pub depth: IndexDepth,
    /// The position in its list, from 0.
    pub position: usize,
}

/// Which index of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexDepth {
    /// The one that the name leads to.
    First,
    /// One that another index lists.
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

/// Why an entry with a platform was chosen.
pub(super) fn match_reason(
    node: &NodePlatform,
    entry: &Entry,
    place: EntryPosition,
) -> MatchReason {
    let own = node.platform.normalize();
    let is_own = entry.platform.as_deref().is_some_and(|platform| {
        let stated = platform.normalize();
        (&stated.architecture, &stated.variant) == (&own.architecture, &own.variant)
    });
    if is_own {
        MatchReason::Exact(place)
    } else {
        MatchReason::Fallback(place)
    }
}

/// Why none of the entries was chosen: the nearest miss.
pub(super) fn miss_reason(node: &NodePlatform, entries: &[Entry], depth: IndexDepth) -> MissReason {
    if entries.is_empty() {
        return MissReason::NoEntries(depth);
    }
    let is_attestation = |entry: &Entry| {
        let platform = entry.platform.as_deref();
        platform.is_some_and(Platform::is_attestation)
    };
    if entries.iter().all(is_attestation) {
        return MissReason::AttestationsOnly(depth);
    }
    let own = node.platform.normalize();
    let misses = entries.iter().enumerate().filter_map(|(position, entry)| {
        let miss = miss(node, &own, entry)?;
        Some((miss, EntryPosition { depth, position }))
    });
    match misses.min_by_key(|(miss, _)| *miss) {
        None => MissReason::NoEntry(depth),
        Some((miss, place)) => match miss {
            NearMiss::Features => MissReason::Features(place),
            NearMiss::Build => MissReason::Build(place),
            NearMiss::Spelling => MissReason::Spelling(place),
            NearMiss::NoImage => MissReason::NoImage(place),
            NearMiss::Fallback => MissReason::Fallback(place),
            NearMiss::Variant => MissReason::Variant(place),
            NearMiss::Unstated => MissReason::Unstated(place),
            NearMiss::Hidden => MissReason::Hidden(place),
        },
    }
}

/// How near an entry comes to the node's platform, the nearest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum NearMiss {
    Features,
    Build,
    Spelling,
    NoImage,
    Fallback,
    Variant,
    Unstated,
    Hidden,
}

fn miss(node: &NodePlatform, own: &Normalized<'_>, entry: &Entry) -> Option<NearMiss> {
    let Some(platform) = &entry.platform else {
        return (entry.kind != EntryKind::Other).then_some(NearMiss::Unstated);
    };
    let stated = platform.normalize();
    let is_own_os = stated.os.is_empty() || stated.os == own.os;
    let is_own_architecture = is_own_os && stated.architecture == own.architecture;
    let rules = node.platform_rules();
    if is_own_architecture && stated.variant == own.variant {
        return Some(match rules {
            Rules::CriO => NearMiss::Spelling,
            _ if !Acceptable::of(&node.platform).has_features(platform) => NearMiss::Features,
            Rules::Docker if entry.kind == EntryKind::Other => NearMiss::NoImage,
            _ => NearMiss::Build,
        });
    }
    let is_fallback = || {
        let acceptable = Acceptable::of(&node.platform);
        acceptable.rank(platform).is_some()
    };
    if is_own_os && node.runtime == Runtime::ContainerdTransfer && is_fallback() {
        return Some(NearMiss::Fallback);
    }
    if is_own_architecture {
        return Some(NearMiss::Variant);
    }
    (entry.kind == EntryKind::Index).then_some(NearMiss::Hidden)
}
