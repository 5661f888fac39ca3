//! What a decision needs of the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::Configuration;
use crate::domain::node::{Node, NodeOverride, Nodes};
use crate::domain::placement::{PlacementDefaults, RuntimeClass};
use crate::objects::context::{Namespace, Secret, ServiceAccount};

/// Namespace and name of an object.
pub type Address = (String, String);

/// The cluster at one moment. Cloning it copies no contents.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Live nodes and declared pools.
    pub nodes: Arc<Nodes>,
    /// Namespaces by name.
    pub namespaces: Arc<BTreeMap<String, Namespace>>,
    /// RuntimeClasses by name.
    pub runtime_classes: Arc<BTreeMap<String, RuntimeClass>>,
    /// Service accounts; of a snapshot only.
    pub service_accounts: Arc<BTreeMap<Address, ServiceAccount>>,
    /// Secrets; of a snapshot only.
    pub secrets: Arc<BTreeMap<Address, Secret>>,
    /// What in the cluster's objects could not be read and has no effect.
    pub warnings: Arc<Vec<String>>,
}

impl View {
    /// The namespace of a name, where it is known.
    pub fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.namespaces.get(name)
    }

    /// What admission will add to pods of this namespace and RuntimeClass.
    pub fn placement_defaults(
        &self,
        namespace: &str,
        runtime_class: Option<&str>,
    ) -> PlacementDefaults {
        let class = runtime_class.and_then(|name| self.runtime_classes.get(name));
        let namespace = self.namespace(namespace);
        PlacementDefaults {
            node_selector: namespace
                .map(|namespace| namespace.node_selector.clone())
                .unwrap_or_default(),
            tolerations: namespace
                .map(|namespace| namespace.tolerations.clone())
                .unwrap_or_default(),
            runtime_class: class.cloned(),
        }
    }
}

/// What the configuration adds to the cluster's own objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// What nodes do not say of themselves.
    pub overrides: Vec<NodeOverride>,
    /// Pools without a node yet.
    pub pools: Vec<Node>,
}

impl From<&Configuration> for Settings {
    fn from(configuration: &Configuration) -> Self {
        Self {
            overrides: configuration.nodes.overrides.clone(),
            pools: configuration.pools.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::placement::toleration::Toleration;

    #[test]
    fn placement_defaults_come_from_namespace_and_runtime_class() {
        let labels = |key: &str| [(key.to_owned(), "x".to_owned())].into();
        let namespace = Namespace {
            node_selector: labels("namespace"),
            tolerations: vec![Toleration::exists("z", "")],
            ..Namespace::default()
        };
        let class = RuntimeClass {
            node_selector: labels("class"),
            tolerations: Vec::new(),
        };
        let view = View {
            namespaces: Arc::new([("web".to_owned(), namespace.clone())].into()),
            runtime_classes: Arc::new([("gvisor".to_owned(), class.clone())].into()),
            ..View::default()
        };
        for (name, runtime_class, expected) in [
            ("other", None, PlacementDefaults::default()),
            ("other", Some("absent"), PlacementDefaults::default()),
            (
                "web",
                Some("gvisor"),
                PlacementDefaults {
                    node_selector: namespace.node_selector,
                    tolerations: namespace.tolerations,
                    runtime_class: Some(class),
                },
            ),
        ] {
            assert_eq!(
                view.placement_defaults(name, runtime_class),
                expected,
                "{name}"
            );
        }
    }
}
