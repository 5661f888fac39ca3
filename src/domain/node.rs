//! Nodes, and groups of nodes that are equal for every decision.

mod groups;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::groups::{FIRST_NAMES, GroupKey, IndividualLabel, Members, Nodes};
use super::labels::Labels;
use super::open_labels::{ARCHITECTURE_LABEL, OS_LABEL, OpenLabels};
use super::platform::Platform;
use super::runtime::Runtime;
use super::taint::Taint;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A live node.
    Node,
    /// A pool declared in the configuration, which has no node yet.
    Pool,
    /// A NodePool of Karpenter.
    NodePool,
    /// A MachineDeployment of the Cluster API.
    MachineDeployment,
    /// A MachineSet of the Cluster API, or of OpenShift.
    MachineSet,
    /// A MachinePool of the Cluster API.
    MachinePool,
    /// A platform asked for on the command line.
    Flag,
}

impl Source {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        self.names().0
    }

    /// The names in reports and in sentences.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Node => ("node", "node"),
            Self::Pool => ("pool", "the declared pool"),
            Self::NodePool => ("nodepool", "NodePool"),
            Self::MachineDeployment => ("machinedeployment", "MachineDeployment"),
            Self::MachineSet => ("machineset", "MachineSet"),
            Self::MachinePool => ("machinepool", "MachinePool"),
            Self::Flag => ("flag", "--platform"),
        }
    }
}

/// A pool as sentences name it, such as `NodePool arm` or `the declared pool z`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PoolName {
    /// What it is.
    pub source: Source,
    /// Its name, with its namespace where it has one.
    pub name: Arc<str>,
}

impl fmt::Display for PoolName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.source.names().1, self.name)
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
    /// What a pool leaves open of the nodes that this one stands for.
    pub open_labels: Option<Arc<OpenLabels>>,
}

impl Node {
    /// A node that stands for a platform: of a pool that has none yet, or of the command
    /// line. It has the labels that the kubelet puts on every node.
    ///
    /// Source: <https://kubernetes.io/docs/reference/node/node-labels/>
    pub fn of_platform(
        name: String,
        mut platform: Platform,
        runtime: Runtime,
        source: Source,
    ) -> Self {
        if platform.variant.is_empty() {
            platform.variant = default_variant(&platform.architecture).to_owned();
        }
        let labels = [
            (OS_LABEL, &platform.os),
            (ARCHITECTURE_LABEL, &platform.architecture),
            ("beta.kubernetes.io/os", &platform.os),
            ("beta.kubernetes.io/arch", &platform.architecture),
        ];
        Self {
            name,
            labels: labels
                .map(|(key, value)| (key.to_owned(), value.clone()))
                .into(),
            taints: Vec::new(),
            unschedulable: false,
            extended_resources: BTreeSet::new(),
            platform: NodePlatform {
                platform,
                runtime,
                emulates: Vec::new(),
            },
            source,
            open_labels: None,
        }
    }
}

/// What the operator knows of nodes that they do not say themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeOverride {
    /// Labels that a node must have for the override to apply.
    pub selector: Labels,
    /// What a pool may grow that leaves its architecture open. Nodes say theirs.
    pub architectures: Vec<Architecture>,
    /// The rule set, whatever version the node reports.
    pub runtime: Option<Runtime>,
    /// The architecture variant; empty means none.
    pub variant: Option<String>,
    /// Features of the operating system that images may demand, such as `erofs`.
    pub os_features: BTreeSet<String>,
    /// Platforms whose programs these nodes also run.
    pub emulates: Vec<Platform>,
}

/// An architecture as nodes and labels spell it: without alias, without variant.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(with = "String", extend("pattern" = "^[a-z0-9_.-]{1,32}$")))]
#[serde(try_from = "String")]
pub struct Architecture(String);

impl TryFrom<String> for Architecture {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let platform = format!("linux/{text}").parse::<Platform>();
        match platform.map(|platform| platform.normalized()) {
            Ok(platform) if platform.architecture == text => Ok(Self(text)),
            _ => Err("expected an architecture such as amd64 or s390x"),
        }
    }
}

impl AsRef<str> for Architecture {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl NodeOverride {
    /// The first that applies to a node with these labels.
    pub fn find<'a>(overrides: &'a [Self], labels: &Labels) -> Option<&'a Self> {
        overrides.iter().find(|candidate| {
            let mut wanted = candidate.selector.iter();
            wanted.all(|(key, value)| labels.get(key) == Some(value))
        })
    }
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
        let matching = NodeOverride::find(overrides, labels);
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
            platform.os_features = found.os_features.iter().cloned().collect();
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
