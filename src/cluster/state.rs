//! The objects that count, reduced, and the view that they amount to.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::view::View;
use crate::domain::node::{Node, NodeOverride, Nodes};
use crate::domain::placement::RuntimeClass;
use crate::objects::context::Namespace;
use crate::objects::node::{Interner, NodeRecord};

/// What the operator knows of nodes beyond what the cluster says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSettings {
    /// Facts that nodes do not publish; the first match wins.
    pub overrides: Vec<NodeOverride>,
    /// Pools that have no node yet.
    pub pools: Vec<Node>,
}

/// An object that counts.
#[derive(Clone, Debug)]
pub(super) enum Record {
    Node(NodeRecord),
    Namespace(String, Namespace),
    RuntimeClass(String, RuntimeClass),
}

/// All objects that count.
#[derive(Debug, Default)]
pub(super) struct State {
    nodes: BTreeMap<Arc<str>, NodeRecord>,
    namespaces: HashMap<String, Namespace>,
    runtime_classes: HashMap<String, RuntimeClass>,
    interner: Interner,
}

impl State {
    /// Adds or replaces an object; tells whether anything changed that a decision reads.
    pub(super) fn apply(&mut self, record: Record) -> bool {
        match record {
            Record::Node(mut node) => {
                if self.nodes.get(&node.name) == Some(&node) {
                    // A heartbeat: the record holds nothing that it changes.
                    return false;
                }
                node.intern(&mut self.interner);
                self.nodes.insert(Arc::clone(&node.name), node);
                true
            }
            Record::Namespace(name, namespace) => {
                let changed = self.namespaces.get(&name) != Some(&namespace);
                self.namespaces.insert(name, namespace);
                changed
            }
            Record::RuntimeClass(name, class) => {
                let changed = self.runtime_classes.get(&name) != Some(&class);
                self.runtime_classes.insert(name, class);
                changed
            }
        }
    }

    /// Removes an object; tells whether it was there.
    pub(super) fn remove(&mut self, record: &Record) -> bool {
        match record {
            Record::Node(node) => {
                let removed = self.nodes.remove(&node.name).is_some();
                self.interner.prune();
                removed
            }
            Record::Namespace(name, _) => self.namespaces.remove(name).is_some(),
            Record::RuntimeClass(name, _) => self.runtime_classes.remove(name).is_some(),
        }
    }

    /// Keeps of one kind only what a new complete list names.
    pub(super) fn retain(&mut self, kind: Kind, names: &std::collections::HashSet<String>) {
        match kind {
            Kind::Node => self.nodes.retain(|name, _| names.contains(name.as_ref())),
            Kind::Namespace => self.namespaces.retain(|name, _| names.contains(name)),
            Kind::RuntimeClass => self.runtime_classes.retain(|name, _| names.contains(name)),
        }
        self.interner.prune();
    }

    /// The view that all this amounts to, and what about it deserves a warning.
    pub(super) fn view(&self, settings: &NodeSettings) -> (View, Vec<String>) {
        let mut nodes = Nodes::default();
        let mut warnings = Vec::new();
        for record in self.nodes.values() {
            let (node, warning) = record.to_node(&settings.overrides);
            warnings.extend(warning);
            nodes.insert(node);
        }
        for pool in &settings.pools {
            nodes.insert(pool.clone());
        }
        let view = View {
            nodes,
            namespaces: self.namespaces.clone(),
            runtime_classes: self.runtime_classes.clone(),
        };
        (view, warnings)
    }
}

/// The kinds that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Node,
    Namespace,
    RuntimeClass,
}

impl Record {
    /// The object's name.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Node(node) => &node.name,
            Self::Namespace(name, _) | Self::RuntimeClass(name, _) => name,
        }
    }
}
