//! What a decision needs of the cluster, as one value that is replaced whole.

use std::sync::Arc;

use rpds::HashTrieMapSync;

use crate::domain::access::SecretName;
use crate::domain::node::Nodes;
use crate::domain::placement::{PlacementDefaults, RuntimeClass};
use crate::domain::workload::PodTemplate;
use crate::objects::context::Namespace;

/// The cluster at one moment. A review uses one view from its first look to its answer. A
/// clone is cheap: views share what they have in common.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Nodes, and pools that have none yet.
    pub nodes: Nodes,
    pub(super) namespaces: HashTrieMapSync<String, Namespace>,
    pub(super) runtime_classes: HashTrieMapSync<String, RuntimeClass>,
    /// The pull secrets of service accounts that have some, by `namespace/name`.
    pub(super) service_accounts: HashTrieMapSync<String, Arc<[SecretName]>>,
}

/// Who gives a pod without pull secrets of its own those of its service account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceAccounts {
    /// Admission did so already: the object is a pod that the API server has admitted so far.
    /// Source: Kubernetes `plugin/pkg/admission/serviceaccount/admission.go`
    Applied,
    /// Admission will, when pods are made of the object.
    ToApply,
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

    /// The pull secrets with which a pod's images are looked up: its own, else those of its
    /// service account.
    pub fn pull_secrets(
        &self,
        namespace: &str,
        template: &PodTemplate,
        service_accounts: ServiceAccounts,
    ) -> Arc<[SecretName]> {
        if !template.pull_secrets.is_empty() {
            let names = template.pull_secrets.iter().map(String::as_str);
            return SecretName::list(namespace, names);
        }
        if service_accounts == ServiceAccounts::Applied || self.service_accounts.is_empty() {
            return Arc::default();
        }
        let account = match template.service_account.as_str() {
            "" => "default",
            account => account,
        };
        let found = self.service_accounts.get(&format!("{namespace}/{account}"));
        found.cloned().unwrap_or_default()
    }

    /// A namespace, with its level labels as written.
    pub fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.namespaces.get(name)
    }
}
