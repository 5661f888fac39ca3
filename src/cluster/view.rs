//! What a decision needs of the cluster, as one value that is replaced whole.

use rpds::HashTrieMapSync;

use crate::domain::node::Nodes;
use crate::domain::placement::{PlacementDefaults, RuntimeClass};
use crate::objects::context::Namespace;

/// The cluster at one moment. A review uses one view from its first look to its answer. A
/// clone is cheap: views share what they have in common.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Nodes, and pools that have none yet.
    pub nodes: Nodes,
    pub(super) namespaces: HashTrieMapSync<String, Namespace>,
    pub(super) runtime_classes: HashTrieMapSync<String, RuntimeClass>,
}

impl View {
    /// A view of nodes alone.
    pub fn of_nodes(nodes: Nodes) -> Self {
        Self {
            nodes,
            ..Self::default()
        }
    }

    /// What admission adds to pods of a namespace and a RuntimeClass. A namespace or class
    /// that is not known adds nothing.
    pub fn placement_defaults(
        &self,
        namespace: &str,
        runtime_class: Option<&str>,
    ) -> PlacementDefaults {
        let class = runtime_class.and_then(|name| self.runtime_classes.get(name));
        let namespace = self.namespaces.get(namespace);
        PlacementDefaults {
            node_selector: namespace
                .map(|found| found.node_selector.clone())
                .unwrap_or_default(),
            tolerations: namespace
                .map(|found| found.tolerations.clone())
                .unwrap_or_default(),
            runtime_class: class.cloned(),
        }
    }

    /// A namespace, with its level labels as written.
    pub fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.namespaces.get(name)
    }
}
