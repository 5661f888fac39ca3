//! Pools: what could grow nodes that do not exist yet, as an autoscaler describes it.
//!
//! A pool becomes one node for each platform that it lists, so that all rules for nodes hold
//! for pools as well. What its nodes do not have in common is their [`OpenLabels`].

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;

use super::labels::Labels;
use super::node::{Node, NodeFacts, NodeOverride, NodePlatform, PoolName, Source};
use super::open_labels::values::Values;
use super::open_labels::{ARCHITECTURE_LABEL, OS_LABEL, OpenLabels};
use super::platform::Platform;
use super::runtime::Runtime;
use super::taint::Taint;

/// A pool of the configuration: nodes that do not exist yet.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeclaredPool {
    /// What messages call it. No two pools have the same.
    pub name: String,
    /// The platform of its nodes.
    pub platform: Platform,
    /// The rules by which their runtime matches.
    #[serde(default)]
    pub runtime: Runtime,
    /// Labels that they have beside those of os and architecture.
    #[serde(default)]
    pub labels: Labels,
    /// Taints that they keep.
    #[serde(default)]
    pub taints: Vec<Taint>,
}

impl DeclaredPool {
    /// A node that stands for those of the pool.
    pub fn to_node(&self) -> Node {
        let (name, platform) = (self.name.clone(), self.platform.clone());
        let mut node = Node::of_platform(name, platform, self.runtime, Source::Pool);
        node.labels.extend(self.labels.clone());
        node.taints.clone_from(&self.taints);
        node
    }
}

/// A pool, reduced to what decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Object name, with its namespace where it has one.
    pub name: String,
    /// The kind of object.
    pub source: Source,
    /// Labels that all its nodes have.
    pub labels: Labels,
    /// What its nodes may differ in.
    pub open_labels: OpenLabels,
    /// Taints that all its nodes keep.
    pub taints: Vec<Taint>,
    /// Extended resources that all its nodes allocate.
    pub extended_resources: BTreeSet<String>,
    /// The runtime, as `status.nodeInfo.containerRuntimeVersion` spells it; empty where the
    /// pool does not say.
    pub container_runtime_version: String,
}

impl Pool {
    /// The pool as sentences name it.
    pub fn display_name(&self) -> PoolName {
        PoolName {
            source: self.source,
            name: self.name.as_str().into(),
        }
    }

    /// One node for each platform that the pool may grow. An architecture that neither the
    /// pool nor an override settles stays empty, and what it means for images is unknown.
    ///
    /// An operating system that the pool leaves open is Linux: what an image is built for
    /// unless somebody says otherwise, and what a Windows pool has to say.
    pub fn to_nodes(&self, overrides: &[NodeOverride]) -> Vec<Node> {
        let systems = self.choices(OS_LABEL, |values| match values.allows("linux") {
            true => vec!["linux".to_owned()],
            false => vec!["windows".to_owned()],
        });
        let systems = systems.unwrap_or_else(|| vec!["linux".to_owned()]);
        let nodes = systems.iter().flat_map(|os| {
            let mut labels = self.labels.clone();
            labels.insert(OS_LABEL.to_owned(), os.clone());
            self.nodes_of_system(os, labels, overrides)
        });
        nodes.collect()
    }

    /// The values that a label may have on the pool's nodes: the fixed one, those that are
    /// listed, or what `open` makes of all others. None where nothing is said of the label.
    fn choices(&self, key: &str, open: impl FnOnce(&Values) -> Vec<String>) -> Option<Vec<String>> {
        if let Some(fixed) = self.labels.get(key) {
            return Some(vec![fixed.clone()]);
        }
        let values = self.open_labels.values(key)?;
        Some(match values.listed() {
            Some(listed) => listed.iter().cloned().collect(),
            None => open(&values),
        })
    }

    fn nodes_of_system(&self, os: &str, labels: Labels, overrides: &[NodeOverride]) -> Vec<Node> {
        let architectures = self.choices(ARCHITECTURE_LABEL, |values| {
            let settled = NodeOverride::find(overrides, &labels);
            let settled = settled.map_or(&[][..], |found| &found.architectures);
            let settled = settled.iter().map(AsRef::as_ref);
            let allowed = settled.filter(|name| values.allows(name));
            allowed.map(str::to_owned).collect()
        });
        let architectures = architectures.unwrap_or_default();
        let node = |architecture: Option<&str>| {
            let mut open_labels = self.open_labels.clone();
            open_labels.labels.remove(OS_LABEL);
            let mut labels = labels.clone();
            if let Some(architecture) = architecture {
                open_labels.labels.remove(ARCHITECTURE_LABEL);
                labels.insert(ARCHITECTURE_LABEL.to_owned(), architecture.to_owned());
            } else {
                let any = || Values::any();
                let key = ARCHITECTURE_LABEL.to_owned();
                open_labels.labels.entry(key).or_insert_with(any);
            }
            let facts = NodeFacts {
                os,
                architecture: architecture.unwrap_or(""),
                container_runtime_version: &self.container_runtime_version,
                ..NodeFacts::default()
            };
            Node {
                name: self.name.clone(),
                platform: NodePlatform::from_facts(facts, &labels, overrides),
                labels,
                taints: self.taints.clone(),
                unschedulable: false,
                extended_resources: self.extended_resources.clone(),
                source: self.source,
                open_labels: Some(Arc::new(open_labels)),
            }
        };
        if architectures.is_empty() {
            return vec![node(None)];
        }
        architectures.iter().map(|name| node(Some(name))).collect()
    }
}

#[cfg(test)]
mod tests;
