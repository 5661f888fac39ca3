//! Nodes, and groups of nodes that are equal for every decision.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::platform::Platform;
use super::runtime::Runtime;

/// Labels of a node.
pub type Labels = BTreeMap<String, String>;

/// Labels that differ on every node by design. Nodes are grouped without them; a pod that
/// names one is judged node by node.
pub const INDIVIDUAL_LABELS: [&str; 2] = ["kubernetes.io/hostname", "alpha.eksctl.io/instance-id"];

/// What a node's container runtime looks for in an index.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodePlatform {
    /// Operating system, architecture and variant. The variant is as the runtime detects
    /// it (`v8` on arm64), since CRI-O tells `v8` from none.
    pub platform: Platform,
    /// The rules by which the runtime matches.
    pub runtime: Runtime,
    /// Platforms whose programs the node also runs, by emulation.
    pub emulates: Vec<Platform>,
}

/// Where a node came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// A live node.
    Node,
    /// A pool declared in the configuration, which has no node yet.
    Pool,
    /// A platform asked for on the command line.
    Flag,
}

impl Source {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Pool => "pool",
            Self::Flag => "flag",
        }
    }
}

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// Keeps new pods away.
    NoSchedule,
    /// Keeps new pods away and evicts running ones.
    NoExecute,
    /// Any other effect, `PreferNoSchedule` above all: it never excludes.
    Other(String),
}

impl Effect {
    /// The effect of a name in a taint or a toleration.
    pub fn from_name(name: &str) -> Self {
        match name {
            "NoSchedule" => Self::NoSchedule,
            "NoExecute" => Self::NoExecute,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoSchedule => "NoSchedule",
            Self::NoExecute => "NoExecute",
            Self::Other(name) => name,
        })
    }
}

/// A taint of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Taint {
    /// Qualified name.
    pub key: String,
    /// Value, often empty.
    pub value: String,
    /// What it does.
    pub effect: Effect,
}

impl fmt::Display for Taint {
    /// As `kubectl describe` prints taints: `key=value:Effect`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.key)?;
        if !self.value.is_empty() {
            write!(formatter, "={}", self.value)?;
        }
        write!(formatter, ":{}", self.effect)
    }
}

/// Taints that node conditions cause and that go by themselves. A node that has one is a
/// candidate again in a moment, so they never exclude. `unschedulable` is the cordon and
/// is judged as such.
/// Source: <https://kubernetes.io/docs/reference/labels-annotations-taints/>
const TEMPORARY_TAINTS: [&str; 7] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/network-unavailable",
    "node.cloudprovider.kubernetes.io/uninitialized",
];

/// The taint that the node controller puts on a cordoned node.
pub const CORDON_TAINT: &str = "node.kubernetes.io/unschedulable";

impl Taint {
    /// Whether the taint says something about the node that soon passes.
    pub fn is_temporary(&self) -> bool {
        TEMPORARY_TAINTS.contains(&self.key.as_str())
    }
}

/// A node, reduced to what decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Object name; a pool's or flag's name where there is no node.
    pub name: String,
    /// Labels as they stand on the object.
    pub labels: Labels,
    /// Taints as they stand on the object.
    pub taints: Vec<Taint>,
    /// Whether the node is cordoned.
    pub unschedulable: bool,
    /// Extended resources that the node allocates, such as `nvidia.com/gpu`.
    pub extended_resources: BTreeSet<String>,
    /// What its runtime looks for.
    pub platform: NodePlatform,
    /// Where it came from.
    pub source: Source,
}

/// What all nodes of a group have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupKey {
    /// What their runtimes look for.
    pub platform: NodePlatform,
    /// Where they came from.
    pub source: Source,
    /// Whether they are cordoned.
    pub unschedulable: bool,
    /// Their taints, temporary ones left out.
    pub taints: Vec<Taint>,
    /// Extended resources that they allocate.
    pub extended_resources: BTreeSet<String>,
    /// Their labels, individual ones left out.
    pub labels: Labels,
}

/// Names of the nodes of a group, each with its individual labels. Names are shared with
/// the answers that show them.
pub type Members = BTreeMap<Arc<str>, Labels>;

/// The nodes of a cluster, in groups that are equal for every decision that names no
/// individual label.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nodes {
    groups: BTreeMap<GroupKey, Members>,
}

impl Nodes {
    /// Adds a node. Names are the caller's to keep unique.
    pub fn insert(&mut self, node: Node) {
        let Node {
            name,
            labels,
            mut taints,
            unschedulable,
            extended_resources,
            platform,
            source,
        } = node;
        let (individual, labels): (Labels, Labels) = labels
            .into_iter()
            .partition(|(key, _)| INDIVIDUAL_LABELS.contains(&key.as_str()));
        // Temporary taints never exclude.
        taints.retain(|taint| !taint.is_temporary());
        taints.sort();
        let key = GroupKey {
            platform,
            source,
            unschedulable,
            taints,
            extended_resources,
            labels,
        };
        self.groups
            .entry(key)
            .or_default()
            .insert(name.into(), individual);
    }

    /// The groups, in a stable order.
    pub fn groups(&self) -> impl Iterator<Item = (&GroupKey, &Members)> {
        self.groups.iter()
    }

    /// The same nodes without taints and cordons: what each would pull, were a pod there.
    #[must_use]
    pub fn without_obstacles(&self) -> Self {
        let mut open = Self::default();
        for (group, members) in &self.groups {
            let key = GroupKey {
                taints: Vec::new(),
                unschedulable: false,
                ..group.clone()
            };
            let merged = open.groups.entry(key).or_default();
            merged.extend(members.clone());
        }
        open
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.groups.values().map(BTreeMap::len).sum()
    }

    /// Whether there is no node at all.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}

impl FromIterator<Node> for Nodes {
    fn from_iter<I: IntoIterator<Item = Node>>(nodes: I) -> Self {
        let mut all = Self::default();
        for node in nodes {
            all.insert(node);
        }
        all
    }
}

/// What the operator knows of nodes that they do not say themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeOverride {
    /// Labels that a node must have for the override to apply.
    pub selector: Labels,
    /// The rule set, whatever version the node reports.
    pub runtime: Option<Runtime>,
    /// The architecture variant; empty means none.
    pub variant: Option<String>,
    /// Platforms whose programs these nodes also run.
    pub emulates: Vec<Platform>,
}

/// What a node object says of its platform.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts<'a> {
    /// `status.nodeInfo.operatingSystem`
    pub os: &'a str,
    /// `status.nodeInfo.architecture`
    pub architecture: &'a str,
    /// `status.nodeInfo.containerRuntimeVersion`
    pub container_runtime_version: &'a str,
    /// Label `node.kubernetes.io/windows-build`, where known.
    pub windows_build: Option<&'a str>,
    /// Annotation `archmatch.io/emulates`, parsed.
    pub emulates: Vec<Platform>,
}

impl NodePlatform {
    /// The node platform that facts and the first matching override amount to.
    pub fn from_facts(facts: NodeFacts<'_>, labels: &Labels, overrides: &[NodeOverride]) -> Self {
        let matching = overrides.iter().find(|candidate| {
            candidate
                .selector
                .iter()
                .all(|(key, value)| labels.get(key) == Some(value))
        });
        let variant = matching
            .and_then(|found| found.variant.as_deref())
            .unwrap_or_else(|| default_variant(facts.architecture));
        let mut platform = Platform::new(facts.os, facts.architecture, variant);
        if facts.os == "windows" {
            platform.os_version = facts.windows_build.unwrap_or("").to_owned();
        }
        let mut emulates = facts.emulates;
        if let Some(found) = matching {
            emulates.extend(found.emulates.iter().cloned());
        }
        emulates = emulates.iter().map(Platform::normalized).collect();
        emulates.sort();
        emulates.dedup();
        Self {
            platform,
            runtime: matching
                .and_then(|found| found.runtime)
                .unwrap_or_else(|| Runtime::from_version(facts.container_runtime_version)),
            emulates,
        }
    }
}

/// Nodes publish no variant. The hardware of today is v7 and v8.
pub fn default_variant(architecture: &str) -> &'static str {
    match architecture {
        "arm" => "v7",
        "arm64" => "v8",
        _ => "",
    }
}

/// Parses the value of the annotation `archmatch.io/emulates`: platforms, comma-separated.
///
/// # Errors
/// The first part that is no platform.
pub fn parse_emulates(value: &str) -> Result<Vec<Platform>, super::platform::PlatformError> {
    value
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::parse)
        .collect()
}
