//! Nodes: labels, taints, and what their container runtime looks for.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::json::{Input, Nested, ObjectError, Quantities, Text, objects, or_default};
use super::metadata::Metadata;
use crate::domain::labels::Labels;
use crate::domain::node::{Node, NodeFacts, NodeOverride, NodePlatform, Source, parse_emulates};
use crate::domain::taint::{Effect, Taint};

/// The annotation by which a node declares emulation.
pub const EMULATES_ANNOTATION: &str = "archmatch.io/emulates";

/// Source: <https://kubernetes.io/docs/reference/labels-annotations-taints/#nodekubernetesiowindows-build>
pub(super) const WINDOWS_BUILD_LABEL: &str = "node.kubernetes.io/windows-build";

/// The part of a Node object that matters.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct NodeObject<'a> {
    metadata: Nested<Metadata<'a>>,
    spec: Nested<NodeSpec<'a>>,
    status: Nested<NodeStatus<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct NodeSpec<'a> {
    #[serde(deserialize_with = "objects")]
    taints: Vec<TaintObject<'a>>,
    #[serde(deserialize_with = "or_default")]
    unschedulable: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct TaintObject<'a> {
    key: Text<'a>,
    value: Text<'a>,
    effect: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct NodeStatus<'a> {
    allocatable: Quantities<'a>,
    node_info: Nested<NodeInfo<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct NodeInfo<'a> {
    operating_system: Text<'a>,
    architecture: Text<'a>,
    container_runtime_version: Text<'a>,
}

impl TaintObject<'_> {
    pub(super) fn to_taint(&self) -> Taint {
        Taint {
            key: self.key.to_string(),
            value: self.value.to_string(),
            effect: Effect::from_name(&self.effect),
        }
    }
}

/// A label with its value, kept once for all nodes that have it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Label {
    key: Arc<str>,
    value: Box<str>,
}

/// A node as it is kept between events: all that a decision may need, and nothing of what
/// changes with every heartbeat. Two equal records mean the same to every decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeRecord {
    /// Object name.
    pub name: Arc<str>,
    labels: Box<[Arc<Label>]>,
    taints: Box<[Taint]>,
    unschedulable: bool,
    extended_resources: Box<[Arc<str>]>,
    os: Arc<str>,
    architecture: Arc<str>,
    container_runtime_version: Arc<str>,
    emulates: Option<Arc<str>>,
}

/// What many nodes share, kept once.
#[derive(Debug, Default)]
pub struct Interner {
    labels: HashSet<Arc<Label>>,
    strings: HashSet<Arc<str>>,
    /// How many there were after the last look at what is used no more.
    in_use: usize,
}

/// With fewer entries, what is used no more is not worth a look.
const MIN_PRUNED_ENTRIES: usize = 1024;

impl Interner {
    /// Drops what no node uses any more, each time the table has doubled: the cost for one
    /// change of a node stays constant on average.
    fn prune(&mut self) {
        if self.labels.len() + self.strings.len() <= MIN_PRUNED_ENTRIES.max(2 * self.in_use) {
            return;
        }
        self.labels.retain(|label| Arc::strong_count(label) > 1);
        self.strings.retain(|text| Arc::strong_count(text) > 1);
        self.in_use = self.labels.len() + self.strings.len();
    }
}

fn share<T: ?Sized + Eq + Hash>(value: &mut Arc<T>, known: &mut HashSet<Arc<T>>) {
    match known.get(value) {
        Some(known) => *value = Arc::clone(known),
        None => {
            known.insert(Arc::clone(value));
        }
    }
}

impl NodeObject<'_> {
    fn to_record(&self) -> NodeRecord {
        let shared = |text: &str| Arc::<str>::from(text);
        let labels = self.metadata.labels.0.iter().map(|(key, value)| {
            Arc::new(Label {
                key: (**key).into(),
                value: (**value).into(),
            })
        });
        let taints = self.spec.taints.iter().map(TaintObject::to_taint);
        let emulates = self.metadata.annotations.value(EMULATES_ANNOTATION);
        NodeRecord {
            name: shared(&self.metadata.name),
            labels: labels.collect(),
            taints: taints.collect(),
            unschedulable: self.spec.unschedulable,
            extended_resources: self.status.allocatable.extended().map(shared).collect(),
            os: shared(&self.status.node_info.operating_system),
            architecture: shared(&self.status.node_info.architecture),
            container_runtime_version: shared(&self.status.node_info.container_runtime_version),
            emulates: emulates.map(shared),
        }
    }
}

impl NodeRecord {
    /// Shares the record's strings with those of other nodes.
    pub fn intern(&mut self, interner: &mut Interner) {
        for label in &mut self.labels {
            if let Some(new) = Arc::get_mut(label) {
                share(&mut new.key, &mut interner.strings);
            }
            share(label, &mut interner.labels);
        }
        let others = [
            &mut self.os,
            &mut self.architecture,
            &mut self.container_runtime_version,
        ];
        for text in self.extended_resources.iter_mut().chain(others) {
            share(text, &mut interner.strings);
        }
        interner.prune();
    }

    /// The domain's node, and a warning where its annotation cannot be read.
    pub fn to_node(&self, overrides: &[NodeOverride]) -> (Node, Option<String>) {
        let labels: Labels = self
            .labels
            .iter()
            .map(|label| (label.key.to_string(), label.value.to_string()))
            .collect();
        let mut warning = None;
        let emulates = self.emulates.as_deref().unwrap_or("");
        let emulates = parse_emulates(emulates).unwrap_or_else(|error| {
            warning = Some(format!(
                "node {}: annotation {EMULATES_ANNOTATION} has no effect: {error}",
                self.name
            ));
            Vec::new()
        });
        let facts = NodeFacts {
            os: &self.os,
            architecture: &self.architecture,
            container_runtime_version: &self.container_runtime_version,
            windows_build: labels.get(WINDOWS_BUILD_LABEL).map(String::as_str),
            emulates,
        };
        let platform = NodePlatform::from_facts(facts, &labels, overrides);
        let node = Node {
            name: self.name.to_string(),
            labels,
            taints: self.taints.to_vec(),
            unschedulable: self.unschedulable,
            extended_resources: self
                .extended_resources
                .iter()
                .map(ToString::to_string)
                .collect(),
            platform,
            source: Source::Node,
            open_labels: None,
        };
        (node, warning)
    }
}

/// Reads a Node object.
///
/// # Errors
/// A field of a wrong type.
pub fn read(value: &Value) -> Result<NodeRecord, ObjectError> {
    Input::Tree(value)
        .object::<NodeObject<'_>>("Node")
        .map(|object| object.to_record())
}

#[cfg(test)]
mod tests;
