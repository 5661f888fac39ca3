//! CRI-O's choice from an index, which is containers/image's.
//!
//! Source: <https://github.com/containers/container-libs> (`image/internal/pkg/platform`,
//! `image/internal/manifest/oci_index.go`, `docker_schema2_list.go`).

use super::Choice;
use crate::domain::inspection::{Entry, MediaType};
use crate::domain::platform::Platform;

/// The first match in wanted order. Equality is plain: no aliases, no case folding, no
/// `os.version`. An OCI entry without platform matches every node, as the last resort.
pub(super) fn choose<'a>(
    node: &Platform,
    media_type: MediaType,
    entries: &'a [Entry],
) -> Choice<'a> {
    let variants = wanted_variants(&node.architecture, &node.variant);
    let rank = |entry: &Entry| match &entry.platform {
        Some(platform) => variants.iter().position(|variant| {
            platform.os == node.os
                && platform.architecture == node.architecture
                && platform.variant == *variant
        }),
        None if media_type == MediaType::OciIndex => Some(variants.len()),
        None => None,
    };
    // zstd is preferred among equals of an OCI index; else the order of the document counts.
    let is_preferred = |entry: &Entry| media_type == MediaType::OciIndex && entry.zstd;
    let matching = entries.iter().enumerate().filter_map(|(position, entry)| {
        let order = (rank(entry)?, !is_preferred(entry));
        Some((order, position, entry))
    });
    let first = matching.min_by_key(|(order, ..)| *order);
    first.map_or(Choice::Nothing, |(_, position, entry)| {
        Choice::Entry(position, entry)
    })
}

/// Variants that the node accepts, best first. One that its architecture has no list for is
/// wanted first, and none second.
/// Source: `WantedPlatforms` in `image/internal/pkg/platform/platform_matcher.go`
fn wanted_variants<'a>(architecture: &str, variant: &'a str) -> Vec<&'a str> {
    let listed: &[&'static str] = match architecture {
        "arm" => &["v8", "v7", "v6", "v5"],
        "arm64" => &["v8"],
        _ => &[],
    };
    if variant.is_empty() {
        return [""].into_iter().chain(listed.iter().copied()).collect();
    }
    match listed.iter().position(|known| *known == variant) {
        Some(position) => listed[position..].iter().copied().chain([""]).collect(),
        None => vec![variant, ""],
    }
}
