//! Nodes as they are kept, and as decisions see them.

use std::collections::BTreeMap;

use super::lean::{Kept, Named};
use super::view::Settings;
use crate::domain::node::Nodes;
use crate::objects::node::{Interner, NodeObject, NodeRecord};

impl Kept for NodeRecord {
    const GROUP: &'static str = "";
    const VERSION: &'static str = "v1";
    const KIND: &'static str = "Node";
    const PLURAL: &'static str = "nodes";

    type Object<'a> = NodeObject<'a>;

    fn keep(object: &NodeObject<'_>) -> Named<Self> {
        let record = object.to_record();
        Named {
            name: record.name.to_string(),
            resource_version: object.resource_version().to_owned(),
            value: record,
        }
    }

    fn share(&mut self, interner: &mut Interner) {
        self.intern(interner);
    }
}

/// The domain's nodes, pools included, and warnings about what cannot be read.
pub(super) fn to_nodes(
    records: &BTreeMap<String, NodeRecord>,
    settings: &Settings,
) -> (Nodes, Vec<String>) {
    let mut warnings = Vec::new();
    let live = records.values().map(|record| {
        let (node, warning) = record.to_node(&settings.overrides);
        warnings.extend(warning);
        node
    });
    let nodes = live.chain(settings.pools.iter().cloned()).collect();
    (nodes, warnings)
}
