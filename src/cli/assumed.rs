//! What `--platform` takes as met: a platform has no labels, taints, names and devices.

use std::collections::BTreeSet;

use super::terminal;
use crate::domain::open_labels::{ARCHITECTURE_LABEL, OS_LABEL, canonical_label};
use crate::domain::placement::Placement;
use crate::domain::placement::affinity::NodeSelector;
use crate::domain::text::{printable, shortened};

/// How many demands are named.
const MAX_NAMED: usize = 5;

/// Longest demand, in characters.
const MAX_DEMAND_CHARACTERS: usize = 80;

/// What the placements ask of a node beyond its platform, in one line; none where nothing.
pub fn taken_as_met<'a>(placements: impl IntoIterator<Item = &'a Placement>) -> Option<String> {
    let mut demands: BTreeSet<String> = BTreeSet::new();
    for placement in placements {
        let affinity = placement.required_affinity.as_ref();
        let selected = placement.node_selector.keys().map(String::as_str);
        let keys = selected.chain(affinity.into_iter().flat_map(NodeSelector::keys));
        let keys =
            keys.filter(|key| !matches!(canonical_label(key), ARCHITECTURE_LABEL | OS_LABEL));
        demands.extend(keys.map(|key| format!("label {key}")));
        let resources = placement.extended_resources.iter();
        demands.extend(resources.map(|name| format!("resource {name}")));
        if placement.node_name.is_some() {
            demands.insert("spec.nodeName".to_owned());
        }
        if affinity.is_some_and(NodeSelector::reads_name) {
            demands.insert("the node's name".to_owned());
        }
    }
    let demands = demands.iter();
    let demands: Vec<String> = demands
        .map(|demand| printable(&shortened(demand, MAX_DEMAND_CHARACTERS)))
        .collect();
    let named = terminal::listed(&demands, MAX_NAMED, "more");
    (!named.is_empty()).then(|| format!("taken as met, since --platform names no nodes: {named}"))
}
