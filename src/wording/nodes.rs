//! Lists of nodes and pools, and of the names of an image.

use std::collections::BTreeSet;

use crate::domain::candidates::{CandidatePlatform, Candidates};
use crate::domain::node::PoolName;
use crate::domain::text::printable;
use crate::domain::workload::{ContainerImage, Usage};

/// How many names of one sort a sentence shows.
pub(super) const MAX_NAMES: usize = 3;

/// The first names, and an ellipsis where there are more.
pub(super) fn first_names<N: AsRef<str>>(
    names: impl IntoIterator<Item = N>,
    most: usize,
) -> String {
    let mut names = names.into_iter();
    let shown = names.by_ref().take(most);
    let shown: Vec<String> = shown.map(|name| printable(name.as_ref())).collect();
    let more = if names.next().is_some() { ", …" } else { "" };
    shown.join(", ") + more
}

/// The first names, and how many more there are.
pub(super) fn counted(names: impl ExactSizeIterator<Item = String>, most: usize) -> String {
    let more = names.len().saturating_sub(most);
    let shown = names.take(most).collect::<Vec<_>>().join(", ");
    match more {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// What belongs together, in the order in which each key comes first.
pub(super) fn grouped<K: PartialEq, V>(
    pairs: impl IntoIterator<Item = (K, V)>,
) -> Vec<(K, Vec<V>)> {
    let mut groups: Vec<(K, Vec<V>)> = Vec::new();
    for (key, value) in pairs {
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, values)) => values.push(value),
            None => groups.push((key, vec![value])),
        }
    }
    groups
}

impl Candidates {
    /// Why the other nodes are no candidates, up to so many reasons:
    /// `2 cordoned, 3 untolerated taint dedicated=gpu:NoSchedule`.
    pub fn exclusions(&self, most: usize) -> Option<String> {
        let reasons = self.excluded.iter().take(most);
        let parts: Vec<String> = reasons
            .map(|(why, count)| printable(&format!("{count} {why}")))
            .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// `2 nodes (a1, a2)`; none where there is no node.
fn live_nodes(candidates: &[&CandidatePlatform]) -> Option<String> {
    let counts = candidates.iter().map(|candidate| candidate.node_count);
    let count: usize = counts.sum();
    let names = candidates.iter().flat_map(|candidate| &candidate.nodes);
    let names = first_names(names, MAX_NAMES);
    match count {
        0 => None,
        1 => Some(format!("1 node ({names})")),
        _ => Some(format!("{count} nodes ({names})")),
    }
}

/// The pools that could grow such nodes, such as `NodePool arm, the declared pool z`.
fn pools(candidates: &[&CandidatePlatform]) -> Option<String> {
    let pools = candidates.iter().flat_map(|candidate| &candidate.pools);
    let pools: BTreeSet<&PoolName> = pools.collect();
    let names = pools.iter().map(ToString::to_string);
    (!pools.is_empty()).then(|| first_names(names, MAX_NAMES))
}

/// `2 nodes (a1, a2) and NodePool arm`.
pub(crate) fn nodes_of(candidates: &[&CandidatePlatform]) -> String {
    let sources = live_nodes(candidates).into_iter().chain(pools(candidates));
    sources.collect::<Vec<_>>().join(" and ")
}

/// ` (containers a, b)`: who uses an image.
pub(super) fn in_containers(image: &ContainerImage) -> String {
    let what = match image.usage {
        Usage::Container => "container",
        Usage::Volume => "volume",
    };
    let plural = if image.containers.len() == 1 { "" } else { "s" };
    format!(
        " ({what}{plural} {})",
        first_names(&image.containers, MAX_NAMES)
    )
}

/// A name of an image, in quotes; long names lose their middle.
pub(super) fn quoted(image: &ContainerImage) -> String {
    const MAX_CHARACTERS: usize = 100;
    let text = printable(&image.image);
    format!("\"{}\"", without_middle(text, MAX_CHARACTERS))
}

/// The text, or so many characters of its head and tail, with an ellipsis between them.
pub(super) fn without_middle(text: String, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text;
    }
    let head: String = text.chars().take(most / 2).collect();
    let tail: String = text.chars().skip(length - most / 2).collect();
    format!("{head}…{tail}")
}
