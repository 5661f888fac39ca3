//! What a decision needs of the cluster, as one value that is replaced whole.

use std::collections::BTreeSet;
use std::sync::Arc;

use rpds::HashTrieMapSync;

use crate::domain::access::{Access, SecretName, Tenant};
use crate::domain::node::Nodes;
use crate::domain::placement::{AdmissionPlugin, PlacementDefaults, RuntimeClass};
use crate::domain::workload::{PodTemplate, Workload};
use crate::objects::context::Namespace;

/// The cluster at one moment. A review uses one view from its first look to its answer. A
/// clone is cheap: views share what they have in common.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Nodes, and pools that have none yet.
    pub nodes: Nodes,
    /// The plugins that add what namespaces say.
    pub(super) admission_plugins: BTreeSet<AdmissionPlugin>,
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

    /// Adds to a workload of a namespace what its pods get there when they are made, and whose
    /// pull secrets count.
    pub fn complete(
        &self,
        workload: &mut Workload,
        namespace: &str,
        tenant: &Tenant,
        service_accounts: ServiceAccounts,
    ) {
        // A pod carries all of it already.
        let is_pod = workload.is_pod();
        for template in &mut workload.templates {
            if !is_pod {
                let class = template.placement.runtime_class.as_deref();
                let defaults = self.placement_defaults(namespace, class);
                template.placement.add_defaults(&defaults);
            }
            template.access = Access {
                tenant: tenant.clone(),
                secrets: self.pull_secrets(namespace, template, service_accounts),
            };
        }
    }

    /// What admission adds to pods of a namespace and a RuntimeClass, which templates do not
    /// carry yet. A namespace or class that is not known adds nothing, and neither does a
    /// plugin that is off.
    pub fn placement_defaults(
        &self,
        namespace: &str,
        runtime_class: Option<&str>,
    ) -> PlacementDefaults {
        let class = runtime_class.and_then(|name| self.runtime_classes.get(name));
        let mut defaults = PlacementDefaults {
            runtime_class: class.cloned(),
            ..PlacementDefaults::default()
        };
        let Some(namespace) = self.namespaces.get(namespace) else {
            return defaults;
        };
        for plugin in &self.admission_plugins {
            match plugin {
                AdmissionPlugin::PodNodeSelector => {
                    defaults
                        .node_selector
                        .extend(namespace.node_selector.clone());
                }
                AdmissionPlugin::PodTolerationRestriction => {
                    defaults.tolerations.clone_from(&namespace.tolerations);
                }
                AdmissionPlugin::OpenShift => {
                    for (key, value) in &namespace.project_node_selector {
                        let label = defaults.node_selector.entry(key.clone());
                        label.or_insert_with(|| value.clone());
                    }
                }
            }
        }
        defaults
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

    /// A namespace.
    pub fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.namespaces.get(name)
    }
}
