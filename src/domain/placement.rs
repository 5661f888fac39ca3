//! Where a pod may go: what the scheduler's static filters, the kubelet and the DaemonSet
//! controller read of a pod.

pub mod affinity;
pub mod toleration;

use std::collections::BTreeSet;

use serde::Deserialize;

use self::affinity::{NodeSelector, Operator, Term};
use self::toleration::{Toleration, TolerationOperator};
use super::labels::{ARCHITECTURE_LABEL, Labels};
use super::taint::Effect;

/// The part of a pod that decides where it may go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// `spec.nodeName`; the scheduler is bypassed when it is set.
    pub node_name: Option<String>,
    /// `spec.nodeSelector`.
    pub node_selector: Labels,
    /// `spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution`.
    pub required_affinity: Option<NodeSelector>,
    /// `spec.tolerations`.
    pub tolerations: Vec<Toleration>,
    /// `spec.os.name`.
    pub os: Option<String>,
    /// Extended resources that the pod requests.
    pub extended_resources: BTreeSet<String>,
    /// `spec.runtimeClassName`.
    pub runtime_class: Option<String>,
    /// Whether scheduling gates hold the pod back.
    pub gated: bool,
    /// Whether the pod says more than is kept here: then nobody knows where it may go.
    pub is_cut: bool,
    /// Who places the pod.
    pub placer: Placer,
}

/// Who decides where a pod goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Placer {
    /// The scheduler, or the author by `nodeName`.
    #[default]
    Scheduler,
    /// The DaemonSet controller, which adds tolerations of its own.
    DaemonSet,
}

/// An admission plugin that adds a namespace's defaults to pods. Kubernetes has them off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
pub enum AdmissionPlugin {
    /// The default node selector of a namespace's annotation.
    /// Source: <https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#podnodeselector>
    PodNodeSelector,
    /// The default tolerations of a namespace's annotation.
    /// Source: <https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#podtolerationrestriction>
    PodTolerationRestriction,
    /// The default node selector of an OpenShift project.
    OpenShift,
}

/// What admission adds to pods and templates do not carry yet. A pod carries it already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlacementDefaults {
    /// The namespace's default node selector (PodNodeSelector, OpenShift projects).
    pub node_selector: Labels,
    /// The namespace's default tolerations (PodTolerationRestriction).
    pub tolerations: Vec<Toleration>,
    /// The RuntimeClass's scheduling rules, where the pod names one.
    pub runtime_class: Option<RuntimeClass>,
}

/// The scheduling part of a RuntimeClass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuntimeClass {
    /// `scheduling.nodeSelector`
    pub node_selector: Labels,
    /// `scheduling.tolerations`
    pub tolerations: Vec<Toleration>,
}

impl Placement {
    /// How much there is to try on a node.
    pub(super) fn effort(&self) -> usize {
        let affinity = self.required_affinity.iter();
        let terms = affinity.flat_map(|affinity| &affinity.terms);
        let others = self.node_selector.len() + self.tolerations.len();
        others + self.extended_resources.len() + terms.map(Term::effort).sum::<usize>()
    }

    /// What GKE adds to a pod that selects arm64: its Arm nodes carry a taint of their own.
    /// Elsewhere the toleration meets no taint.
    /// Source: <https://cloud.google.com/kubernetes-engine/docs/how-to/prepare-arm-workloads-for-deployment>
    pub fn add_arm64_toleration(&mut self) {
        let selected = self.node_selector.get(ARCHITECTURE_LABEL);
        let affinity = self.required_affinity.iter();
        let requirements = affinity.flat_map(|affinity| &affinity.terms);
        let mut requirements = requirements.flat_map(|term| &term.expressions);
        let required = requirements.any(|requirement| {
            requirement.key == ARCHITECTURE_LABEL
                && requirement.operator == Operator::In
                && requirement.values == ["arm64"]
        });
        if required || selected.is_some_and(|architecture| architecture == "arm64") {
            self.tolerations.push(Toleration {
                key: ARCHITECTURE_LABEL.to_owned(),
                operator: TolerationOperator::Equal,
                value: "arm64".to_owned(),
                effect: Some(Effect::NoSchedule),
            });
        }
    }

    /// The placement with what admission will add.
    ///
    /// Where a default contradicts the pod, the API server refuses the pod; the pod's own
    /// value is kept here, since that refusal is not ours to make.
    pub fn add_defaults(&mut self, defaults: &PlacementDefaults) {
        let class = defaults.runtime_class.as_ref();
        let selectors = class.map(|class| &class.node_selector).into_iter();
        for (key, value) in selectors.chain([&defaults.node_selector]).flatten() {
            self.node_selector
                .entry(key.clone())
                .or_insert_with(|| value.clone());
        }
        let tolerations = class.map(|class| &class.tolerations).into_iter();
        for toleration in tolerations.chain([&defaults.tolerations]).flatten() {
            if !self.tolerations.contains(toleration) {
                self.tolerations.push(toleration.clone());
            }
        }
    }
}
