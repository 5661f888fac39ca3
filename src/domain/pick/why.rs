//! Why a runtime picks what it picks, or nothing: the rule, and the entry it decided on.

use super::RuntimeRules;
use super::containerd::Acceptable;
use crate::domain::inspection::{Entry, EntryKind};
use crate::domain::node::NodePlatform;
use crate::domain::outcome::{EntryPosition, IndexDepth, MatchReason, MissReason};
use crate::domain::platform::{Normalized, Platform};
use crate::domain::runtime::Runtime;

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
            RuntimeRules::CriO => NearMiss::Spelling,
            _ if !Acceptable::of(&node.platform).has_features(platform) => NearMiss::Features,
            RuntimeRules::Docker if entry.kind == EntryKind::Other => NearMiss::NoImage,
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
