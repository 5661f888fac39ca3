//! The nodes that a pod may be scheduled on, and why the others are not.
//!
//! The filters are the scheduler's static ones (node affinity, taints, cordon), the
//! kubelet's for pods with a `nodeName`, and the DaemonSet controller's.
//! Sources: `pkg/scheduler/framework/plugins`, `pkg/kubelet/lifecycle/predicate.go` and
//! `pkg/controller/daemon` of <https://github.com/kubernetes/kubernetes>.

mod builder;
mod filter;
mod names;
mod possible;
mod steps;

use std::fmt;
use std::sync::Arc;

use self::builder::CandidateBuilder;
use self::filter::{Filter, Granularity};
pub use self::names::{NAMES, Names};
pub use self::steps::{MOST_STEPS, Steps};
use super::node::{NodePlatform, Nodes, PoolName, Source};
use super::placement::Placement;
use super::placement::toleration::ComparisonOperators;
use super::taint::Taint;
use super::unknown::{Reason, Unknown};

/// How candidates are counted, by the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CandidateRules {
    /// Whether a cordoned node still counts.
    pub cordoned: Cordoned,
    /// Whether the cluster compares toleration values.
    pub comparison: ComparisonOperators,
}

/// What a cordon means for a decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cordoned {
    /// The node is no candidate.
    #[default]
    Excluded,
    /// The node comes back, so it counts (`nodes.countCordoned`).
    Counted,
}

/// Where a pod may go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// One entry for each node platform, in a stable order.
    pub platforms: Vec<CandidatePlatform>,
    /// Node platforms that only a cordon keeps the pod away from, in the same order. They ask
    /// for nothing.
    pub cordoned: Vec<CandidatePlatform>,
    /// Why the other nodes are no candidates, the most frequent reason first.
    pub excluded: Vec<(Exclusion, usize)>,
    /// Why nobody knows where the pod may go, where that is so: then there is nothing else
    /// here.
    pub undetermined: Option<Unknown>,
}

/// A node platform that the pod may land on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CandidatePlatform {
    /// The platform, with its runtime.
    pub platform: Arc<NodePlatform>,
    /// Names of its nodes.
    pub nodes: Names,
    /// How many nodes have it; a pool without nodes counts none.
    pub node_count: usize,
    /// Where it came from, each once.
    pub sources: Vec<Source>,
    /// The first [`NAMES`] of the pools and flags it came from, in their order.
    pub pools: Vec<PoolName>,
    /// Whether a node of it exists or is sure to come when it is needed. A pool that leaves
    /// its architecture open is sure of none.
    pub is_certain: bool,
}

/// Why a node is no candidate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exclusion {
    /// The pod names another node.
    OtherNodeName,
    /// The node selector or the required affinity does not match.
    Selector,
    /// The node is cordoned.
    Cordoned,
    /// A taint is not tolerated.
    Taint(Taint),
    /// `spec.os.name` names another operating system.
    OperatingSystem,
    /// The node does not allocate an extended resource.
    Resource(String),
}

impl fmt::Display for Exclusion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherNodeName => formatter.write_str("other than spec.nodeName"),
            Self::Selector => formatter.write_str("didn't match the pod's node affinity/selector"),
            Self::Cordoned => formatter.write_str("cordoned"),
            Self::Taint(taint) => write!(formatter, "untolerated taint {taint}"),
            Self::OperatingSystem => formatter.write_str("of another operating system"),
            Self::Resource(name) => write!(formatter, "without {name}"),
        }
    }
}

impl Candidates {
    /// Whether the pod may go nowhere, as far as is known.
    pub fn is_empty(&self) -> bool {
        self.platforms.is_empty()
    }

    fn undetermined(why: &'static str) -> Self {
        Self {
            undetermined: Some(Unknown::new(Reason::TooLarge, why)),
            ..Self::default()
        }
    }
}

/// The candidates of a placement among the nodes.
pub fn candidates(nodes: &Nodes, placement: &Placement, rules: CandidateRules) -> Candidates {
    candidates_within(nodes, placement, rules, &Steps::default())
}

/// The candidates, as far as the steps suffice to find them all.
pub fn candidates_within(
    nodes: &Nodes,
    placement: &Placement,
    rules: CandidateRules,
    steps: &Steps,
) -> Candidates {
    if placement.is_cut {
        return Candidates::undetermined("the pod says more of where it may go than is looked at");
    }
    let filter = Filter::new(placement, rules, steps);
    let reach = filter.reach(nodes);
    let mut count = CandidateBuilder::new(&filter);
    for (group, members) in nodes.groups() {
        if steps.ran_out() {
            break;
        }
        match group.source {
            Source::Node => count.judge_nodes(&reach, group, members),
            _ => count.judge_pools(&reach, group, members),
        }
    }
    if steps.ran_out() {
        return Candidates::undetermined(
            "the pod asks more of this many nodes than is compared with them",
        );
    }
    count.into_candidates()
}

/// Whether finding the candidates may take longer than others should wait for it.
pub fn takes_long(nodes: &Nodes, placement: &Placement) -> bool {
    /// In steps: a few milliseconds.
    const LONG: usize = 50_000;
    let effort = placement.effort();
    if effort.saturating_mul(nodes.len()) <= LONG {
        return false;
    }
    let steps = Steps::default();
    let filter = Filter::new(placement, CandidateRules::default(), &steps);
    let tried = match filter.reach(nodes) {
        Granularity::Nodes => nodes.len(),
        Granularity::Groups => nodes.groups().count(),
        Granularity::Named { names, .. } => nodes.groups().count() + names.len(),
    };
    effort.saturating_mul(tried) > LONG
}

impl CandidatePlatform {
    /// The platform before any node of it was found.
    pub(crate) fn of(platform: &Arc<NodePlatform>) -> Self {
        Self {
            platform: Arc::clone(platform),
            nodes: Names::default(),
            node_count: 0,
            sources: Vec::new(),
            pools: Vec::new(),
            is_certain: false,
        }
    }

    fn add_source(&mut self, source: Source) {
        if let Err(position) = self.sources.binary_search(&source) {
            self.sources.insert(position, source);
        }
    }

    fn add_pool(&mut self, source: Source, name: &Arc<str>) {
        let pool = PoolName {
            source,
            name: Arc::clone(name),
        };
        if let Err(position) = self.pools.binary_search(&pool) {
            self.pools.insert(position, pool);
            self.pools.truncate(NAMES);
        }
    }
}

#[cfg(test)]
mod tests;
