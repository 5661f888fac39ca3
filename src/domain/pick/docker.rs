//! Docker Engine's choice from an index, behind cri-dockerd.
//!
//! Source: <https://github.com/moby/moby> (`daemon/internal/distribution/pull_v2.go`,
//! `pull_v2_unix.go`, `pull_v2_windows.go`).

use super::Choice;
use super::containerd::{Acceptable, Rank, windows_version};
use crate::domain::inspection::{Entry, EntryKind};
use crate::domain::platform::Platform;

/// The platform of an entry. Docker knows no difference between one that says nothing and
/// none.
pub(super) fn stated(entry: &Entry) -> Option<&Platform> {
    let platform = entry.platform.as_deref();
    platform.filter(|platform| **platform != Platform::default())
}

/// containerd's matcher over the host platform. Entries of unknown types are skipped, those
/// without platform come last.
pub(super) fn choose<'a>(node: &Platform, entries: &'a [Entry]) -> Choice<'a> {
    if node.normalize().os == "windows" {
        return choose_on_windows(node, entries);
    }
    let acceptable = Acceptable::of(node);
    known(entries)
        .filter_map(|(position, entry)| {
            let rank = match stated(entry) {
                Some(platform) => acceptable.rank(platform)?,
                None => Rank::LAST,
            };
            Some((rank, position, entry))
        })
        .min_by_key(|(rank, ..)| *rank)
        .map_or(Choice::Nothing, |(_, position, entry)| {
            Choice::Entry(position, entry)
        })
}

fn known(entries: &[Entry]) -> impl Iterator<Item = (usize, &Entry)> {
    let numbered = entries.iter().enumerate();
    numbered.filter(|(_, entry)| entry.kind != EntryKind::Other)
}

/// Go's own architecture, by its letters. Builds newer than the host are dropped; the
/// host's own build, with its revision, comes first. Entries without platform never match.
fn choose_on_windows<'a>(node: &Platform, entries: &'a [Entry]) -> Choice<'a> {
    let fitting = known(entries).filter_map(|(position, entry)| {
        let platform = entry.platform.as_deref()?;
        let fits = platform.os.eq_ignore_ascii_case("windows")
            && platform.architecture == node.architecture;
        fits.then_some((Choice::Entry(position, entry), platform.os_version.as_str()))
    });
    let Some(host) = windows_version(&node.os_version) else {
        let mut fitting = fitting.peekable();
        let depends = fitting.peek().is_some();
        return match fitting.find(|(_, version)| version.is_empty()) {
            Some((choice, _)) => choice,
            None if depends => Choice::WindowsBuild,
            None => Choice::Nothing,
        };
    };
    fitting
        .filter(|(_, version)| build(version).is_none_or(|build| build <= i64::from(host.build)))
        .min_by_key(|(_, version)| !is_revision_of(version, &node.os_version))
        .map_or(Choice::Nothing, |(choice, _)| choice)
}

/// The third number of a version; what says none fits every host.
fn build(version: &str) -> Option<i64> {
    version.split('.').nth(2)?.parse().ok()
}

fn is_revision_of(version: &str, host: &str) -> bool {
    version
        .strip_prefix(host)
        .is_some_and(|revision| revision.starts_with('.'))
}
