//! Docker Engine's choice from an index, behind cri-dockerd.
//!
//! Source: <https://github.com/moby/moby> (`daemon/internal/distribution/pull_v2.go`,
//! `pull_v2_unix.go`, `pull_v2_windows.go`).

use super::Choice;
use super::containerd::{self, Acceptable};
use crate::domain::inspection::{Entry, EntryKind};
use crate::domain::platform::Platform;

/// containerd's matcher over the host platform. Entries of unknown types are skipped, those
/// without platform come last.
pub(super) fn choose<'a>(node: &Platform, entries: &'a [Entry]) -> Choice<'a> {
    let known = || {
        entries
            .iter()
            .filter(|entry| entry.kind != EntryKind::Other)
    };
    let best = if node.os == "windows" {
        if node.os_version.is_empty() {
            return choose_for_unknown_windows(node, entries);
        }
        known()
            .filter_map(|entry| Some((windows_rank(node, entry.platform.as_ref()?)?, entry)))
            .min_by_key(|(rank, _)| *rank)
            .map(|(_, entry)| entry)
    } else {
        let acceptable = Acceptable::of(node);
        known()
            .filter_map(|entry| {
                let platform = entry.platform.as_ref()?;
                Some((acceptable.position(platform)?, entry))
            })
            .min_by_key(|(position, _)| *position)
            .map(|(_, entry)| entry)
    };
    best.or_else(|| known().find(|entry| entry.platform.is_none()))
        .map_or(Choice::Nothing, Choice::Entry)
}

/// Builds newer than the host are dropped; the host's own build comes first.
fn windows_rank(node: &Platform, platform: &Platform) -> Option<u8> {
    let stated = platform.normalize();
    if stated.os != "windows" || stated.architecture != node.architecture {
        return None;
    }
    let host = containerd::windows_version(&node.os_version);
    let image = containerd::windows_version(&platform.os_version);
    match image.cmp(&host) {
        std::cmp::Ordering::Equal => Some(0),
        std::cmp::Ordering::Less => Some(1),
        std::cmp::Ordering::Greater => None,
    }
}

fn choose_for_unknown_windows<'a>(node: &Platform, entries: &'a [Entry]) -> Choice<'a> {
    match containerd::choose(node, entries) {
        Choice::Entry(entry) if entry.kind == EntryKind::Other => Choice::Nothing,
        other => other,
    }
}
