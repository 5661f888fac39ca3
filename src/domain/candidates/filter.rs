//! Whether one node may run a pod: the scheduler's static filters, the kubelet's and the
//! DaemonSet controller's.

use std::collections::BTreeSet;

use super::steps::Steps;
use super::{CandidateRules, Cordoned, Exclusion};
use crate::domain::node::{GroupKey, IndividualLabel, Nodes};
use crate::domain::placement::affinity::{NodeSelector, Term};
use crate::domain::placement::toleration::Toleration;
use crate::domain::placement::{Placement, Placer};
use crate::domain::taint::{CORDON_TAINT, Effect, Taint};

/// How finely nodes have to be checked.
pub(super) enum Granularity<'a> {
    /// By group: all nodes of one get the same answer.
    Groups,
    /// By name: these nodes alone, and all others at once.
    Named {
        names: BTreeSet<&'a str>,
        /// Why the others are no candidates.
        others: Exclusion,
    },
    /// One by one.
    Nodes,
}

/// The DaemonSet controller's own tolerations. Those of temporary taints need no entry,
/// since such taints never exclude.
/// Source: `pkg/controller/daemon/util/daemonset_util.go`, `AddOrUpdateDaemonPodTolerations`.
fn added_tolerations(placer: Placer) -> Vec<Toleration> {
    match placer {
        Placer::Scheduler => Vec::new(),
        Placer::DaemonSet => vec![Toleration::exists(CORDON_TAINT, Effect::NoSchedule)],
    }
}

impl GroupKey {
    /// Whether the group stands for nodes of every name.
    pub(super) fn may_have_any_name(&self) -> bool {
        let open = self.open_labels.as_ref();
        open.is_some_and(|open_labels| open_labels.anything_else)
    }

    fn allocates(&self, resource: &String) -> bool {
        let open = self.open_labels.as_ref();
        self.extended_resources.contains(resource)
            || open.is_some_and(|open_labels| open_labels.resources)
    }
}

/// A node as filters see it. Where a group is judged as one, it has no name.
#[derive(Clone, Copy)]
pub(super) struct NodeView<'a> {
    pub(super) group: &'a GroupKey,
    pub(super) name: &'a str,
    pub(super) individual: &'a [IndividualLabel],
}

impl<'a> NodeView<'a> {
    pub(super) fn of(group: &'a GroupKey) -> Self {
        Self {
            group,
            name: "",
            individual: &[],
        }
    }

    fn label(&self, key: &str) -> Option<&'a str> {
        let own = self.individual.iter().find(|(own, _)| **own == *key);
        own.map(|(_, value)| &**value)
            .or_else(|| self.group.labels.get(key).map(String::as_str))
    }
}

/// What keeps a pod away from nodes.
pub(super) struct Filter<'a> {
    pub(super) placement: &'a Placement,
    /// The terms of its required affinity that can match at all.
    terms: Option<Vec<(&'a Term, usize)>>,
    /// Tolerations that come on top of the pod's own.
    added: Vec<Toleration>,
    rules: CandidateRules,
    pub(super) steps: &'a Steps,
    /// What the placement takes, in steps, on one node.
    pub(super) effort: usize,
}

impl<'a> Filter<'a> {
    pub(super) fn new(placement: &'a Placement, rules: CandidateRules, steps: &'a Steps) -> Self {
        let affinity = placement.required_affinity.as_ref();
        let terms = affinity.map(|affinity| {
            let valid = affinity.terms.iter().filter(|term| term.is_valid());
            valid.map(|term| (term, term.effort())).collect()
        });
        Self {
            placement,
            terms,
            steps,
            effort: placement.effort(),
            added: added_tolerations(placement.placer),
            rules,
        }
    }

    /// Which nodes the placement tells apart, so that the others are judged by group.
    pub(super) fn reach(&self, nodes: &Nodes) -> Granularity<'_> {
        let placement = self.placement;
        if let Some(name) = &placement.node_name {
            return Granularity::Named {
                names: [name.as_str()].into(),
                others: Exclusion::OtherNodeName,
            };
        }
        let affinity = placement.required_affinity.as_ref();
        if let Some(names) = affinity.and_then(NodeSelector::names) {
            return Granularity::Named {
                names,
                others: Exclusion::Selector,
            };
        }
        let selected = placement.node_selector.keys().map(String::as_str);
        let mut keys = selected.chain(affinity.into_iter().flat_map(NodeSelector::keys));
        if affinity.is_some_and(NodeSelector::reads_name)
            || keys.any(|key| nodes.is_individual(key))
        {
            return Granularity::Nodes;
        }
        Granularity::Groups
    }

    /// Why a node is no candidate; none where it is one.
    pub(super) fn exclusion(&self, node: NodeView<'_>) -> Option<Exclusion> {
        self.exclusion_where(self.rules.cordoned, node)
    }

    /// Whether a node is excluded for nothing but a cordon.
    pub(super) fn waits(&self, why: &Exclusion, node: NodeView<'_>) -> bool {
        *why == Exclusion::Cordoned && self.exclusion_where(Cordoned::Counted, node).is_none()
    }

    fn exclusion_where(&self, cordoned: Cordoned, node: NodeView<'_>) -> Option<Exclusion> {
        let group = node.group;
        let placement = self.placement;
        if !self.steps.take(1) {
            // Whatever is answered is thrown away.
            return Some(Exclusion::Selector);
        }
        let is_other = |wanted: &str| wanted != node.name && !group.may_have_any_name();
        if placement.node_name.as_deref().is_some_and(is_other) {
            return Some(Exclusion::OtherNodeName);
        }
        let label = |key: &str| node.label(key);
        let selector = &placement.node_selector;
        let selected = match &group.open_labels {
            // Nobody can name a node that does not exist yet.
            Some(open_labels) => self.some_term(|term, cost| {
                self.steps
                    .take(STEPS_OF_OPEN_LABEL * (selector.len() + cost))
                    && open_labels.admits(selector, term, label)
            }),
            None => {
                self.steps.take(selector.len())
                    && selector
                        .iter()
                        .all(|(key, value)| label(key) == Some(value))
                    && self.some_term(|term, cost| {
                        self.steps.take(cost) && term.is_none_or(|term| term.fits(node.name, label))
                    })
            }
        };
        if !selected {
            return Some(Exclusion::Selector);
        }
        let os = placement.os.as_deref();
        if os.is_some_and(|os| os != group.platform.platform.os) {
            return Some(Exclusion::OperatingSystem);
        }
        let is_excluded = group.unschedulable && cordoned == Cordoned::Excluded;
        if is_excluded && !self.bypasses_scheduler() && !self.tolerates_cordon() {
            return Some(Exclusion::Cordoned);
        }
        if let Some(taint) = self.untolerated(&group.taints, cordoned) {
            return Some(match taint.key.as_str() {
                CORDON_TAINT => Exclusion::Cordoned,
                _ => Exclusion::Taint(taint.clone()),
            });
        }
        if self.bypasses_scheduler() || placement.placer != Placer::Scheduler {
            // The DaemonSet controller does not look at resources, and the kubelet passes
            // over those that its node does not have.
            return None;
        }
        self.steps.take(placement.extended_resources.len());
        let missing = placement
            .extended_resources
            .iter()
            .find(|resource| !group.allocates(resource));
        missing.map(|resource| Exclusion::Resource(resource.clone()))
    }

    /// Whether a term of the required affinity does, or without one the absence of any.
    fn some_term(&self, does: impl Fn(Option<&Term>, usize) -> bool) -> bool {
        match &self.terms {
            None => does(None, 0),
            Some(terms) => terms.iter().any(|(term, cost)| does(Some(term), *cost)),
        }
    }

    /// A pod with a node name meets the kubelet only. A DaemonSet's template with one still
    /// passes the controller's own taint check.
    fn bypasses_scheduler(&self) -> bool {
        self.placement.node_name.is_some() && self.placement.placer == Placer::Scheduler
    }

    fn tolerates_cordon(&self) -> bool {
        let taint = Taint {
            key: CORDON_TAINT.to_owned(),
            value: String::new(),
            effect: Effect::NoSchedule,
        };
        self.tolerates(&taint)
    }

    fn tolerates(&self, taint: &Taint) -> bool {
        let comparison = self.rules.comparison;
        let mut tried = 0;
        let tolerated = self.tolerations().any(|toleration| {
            tried += 1;
            toleration.tolerates(taint, comparison)
        });
        self.steps.take(tried);
        tolerated
    }

    fn tolerations(&self) -> impl Iterator<Item = &Toleration> + Clone {
        self.placement.tolerations.iter().chain(&self.added)
    }

    fn untolerated<'t>(&self, taints: &'t [Taint], cordoned: Cordoned) -> Option<&'t Taint> {
        let kubelet_only = self.bypasses_scheduler();
        let considered = |taint: &&Taint| match taint.effect {
            _ if taint.key == CORDON_TAINT && cordoned == Cordoned::Counted => false,
            Effect::NoExecute => true,
            Effect::NoSchedule => !kubelet_only,
            Effect::Other(_) => false,
        };
        let mut taints = taints.iter().filter(considered);
        taints.find(|taint| !self.tolerates(taint))
    }
}

/// What a requirement on labels that a pool leaves open takes, in steps.
const STEPS_OF_OPEN_LABEL: usize = 8;
