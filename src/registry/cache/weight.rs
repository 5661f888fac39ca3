//! How much of a cache's room an entry takes, so that what anybody may name or serve is
//! bounded in bytes and not in number alone.

use crate::domain::inspection::{Build, Content, Entry, Inspection};
use crate::registry::document;

/// What takes this many bytes counts as one entry, what is larger as several. An index of
/// 16 entries takes about half of it.
const USUAL_ENTRY_BYTES: usize = 2 * 1024;
/// What the cache itself keeps of each entry, roughly, key and value included.
const ENTRY_OVERHEAD_BYTES: usize = 400;

/// How many entries of the usual size something of that many bytes counts as.
pub(super) fn units(size: usize) -> u32 {
    u32::try_from(1 + (ENTRY_OVERHEAD_BYTES + size) / USUAL_ENTRY_BYTES).unwrap_or(u32::MAX)
}

/// Bytes of a document.
pub(super) fn size(inspection: &Inspection) -> usize {
    let content = match &inspection.content {
        Content::Index(entries) => entries.iter().map(entry_size).sum(),
        Content::Manifest(platform) => document::size(platform),
        Content::Artifact => 0,
    };
    size_of::<Inspection>() + content + build_size(inspection.build.as_deref())
}

/// Only a platform that nobody shares takes room of its own.
fn entry_size(entry: &Entry) -> usize {
    let platform = entry.platform.as_deref();
    let own = platform.map_or(0, document::size);
    let is_shared = own <= document::MAX_SHARED_PLATFORM_BYTES;
    size_of::<Entry>() + build_size(entry.build.as_deref()) + if is_shared { 0 } else { own }
}

/// Few indexes have texts of more than one; what one of many takes is counted with each.
fn build_size(build: Option<&Build>) -> usize {
    build.map_or(0, |build| {
        let texts = build.revision.iter().chain(&build.base);
        size_of::<Build>() + texts.map(|text| text.len()).sum::<usize>()
    })
}
