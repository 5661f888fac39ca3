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

/// How many demands are kept at most, of however many workloads.
const MAX_DEMANDS: usize = 1_000;

/// What placements ask of a node beyond its platform.
#[derive(Debug, Default)]
pub struct TakenAsMet(BTreeSet<String>);

impl TakenAsMet {
    /// Adds what a placement asks.
    pub fn add(&mut self, placement: &Placement) {
        if self.0.len() >= MAX_DEMANDS {
            return;
        }
        let affinity = placement.required_affinity.as_ref();
        let selected = placement.node_selector.keys().map(String::as_str);
        let keys = selected.chain(affinity.into_iter().flat_map(NodeSelector::keys));
        let keys =
            keys.filter(|key| !matches!(canonical_label(key), ARCHITECTURE_LABEL | OS_LABEL));
        self.0.extend(keys.map(|key| format!("label {key}")));
        let resources = placement.extended_resources.iter();
        self.0
            .extend(resources.map(|name| format!("resource {name}")));
        if placement.node_name.is_some() {
            self.0.insert("spec.nodeName".to_owned());
        }
        if affinity.is_some_and(NodeSelector::reads_name) {
            self.0.insert("the node's name".to_owned());
        }
    }

    /// All of it in one line; none where there is nothing.
    pub fn note(&self) -> Option<String> {
        let demands = self.0.iter();
        let demands: Vec<String> = demands
            .map(|demand| printable(&shortened(demand, MAX_DEMAND_CHARACTERS)))
            .collect();
        let named = terminal::listed(&demands, MAX_NAMED, "more");
        (!named.is_empty())
            .then(|| format!("taken as met, since platforms of flags name no nodes: {named}"))
    }
}
