//! NodePools of Karpenter: `karpenter.sh/v1`, and `v1beta1`, which spells these fields alike.
//!
//! Sources: `pkg/apis/v1/nodepool.go`, `pkg/apis/v1/labels.go` and `pkg/scheduling` of
//! <https://github.com/kubernetes-sigs/karpenter>

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::{name, taints};
use crate::domain::labels::Labels;
use crate::domain::node::Source;
use crate::domain::open_labels::values::Values;
use crate::domain::open_labels::{ARCHITECTURE_LABEL, OS_LABEL, OpenLabels, canonical_label};
use crate::domain::placement::affinity::Operator;
use crate::domain::pool::Pool;
use crate::objects::json::{Input, Nested, ObjectError, Quantities, Text, objects, or_default};
use crate::objects::metadata::Metadata;
use crate::objects::node::{TaintObject, WINDOWS_BUILD_LABEL};

const NODE_POOL_LABEL: &str = "karpenter.sh/nodepool";

/// Labels that every node of Karpenter has, so that a pool that does not speak of them
/// allows any value.
const WELL_KNOWN_LABELS: [&str; 6] = [
    ARCHITECTURE_LABEL,
    OS_LABEL,
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "node.kubernetes.io/instance-type",
    "karpenter.sh/capacity-type",
];

/// Every instance has some of each: with a limit of zero for one, none may come.
const INDISPENSABLE_RESOURCES: [&str; 5] = ["cpu", "memory", "nodes", "pods", "ephemeral-storage"];

/// Most architectures that are read of one NodePool; honest ones name a handful.
const MAX_ARCHITECTURES: usize = 32;

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct NodePoolObject<'a> {
    metadata: Nested<Metadata<'a>>,
    spec: Nested<NodePoolSpec<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct NodePoolSpec<'a> {
    template: Nested<NodeTemplate<'a>>,
    limits: Quantities<'a>,
    replicas: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct NodeTemplate<'a> {
    metadata: Nested<Metadata<'a>>,
    spec: Nested<NodeTemplateSpec<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct NodeTemplateSpec<'a> {
    #[serde(deserialize_with = "objects")]
    requirements: Vec<NodePoolRequirement<'a>>,
    #[serde(deserialize_with = "objects")]
    taints: Vec<TaintObject<'a>>,
    node_class_ref: Nested<NodeClassRef<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct NodePoolRequirement<'a> {
    key: Text<'a>,
    operator: Text<'a>,
    #[serde(deserialize_with = "or_default")]
    values: Vec<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct NodeClassRef<'a> {
    group: Text<'a>,
    /// In place of the group, in `v1beta1`.
    api_version: Text<'a>,
}

/// What the NodePool may grow; nothing when it is going, or holds itself at zero. Its weight
/// is a preference, its startup taints go before pods come, and a limit that is reached may
/// be free again in a moment.
pub(super) fn read(value: &Value) -> Result<Option<Pool>, ObjectError> {
    let name = name(value);
    let kind = format!("NodePool {name}");
    let object: NodePoolObject<'_> = Input::Tree(value).object(&kind)?;
    let wrong = |path: &str, problem: &str| ObjectError::new(&kind, path, problem);
    let spec = &object.spec.template.spec;
    let mut values: BTreeMap<&str, Values> = BTreeMap::new();
    let mut narrow = |key, wanted: Values| {
        let known = values.entry(key).or_insert_with(Values::any_or_absent);
        *known = known.intersect(&wanted);
        !known.is_impossible()
    };
    for (position, requirement) in spec.requirements.iter().enumerate() {
        let path = |field: &str| format!("spec.template.spec.requirements[{position}]{field}");
        if requirement.key.is_empty() {
            return Err(wrong(&path(".key"), "expected a label"));
        }
        let listed = requirement.values.iter().map(|value| &**value);
        let wanted = Values::of_requirement(Operator::from_name(&requirement.operator), listed)
            .map_err(|error| wrong(&path(error.field()), &error.to_string()))?;
        if !narrow(canonical_label(&requirement.key), wanted) {
            let problem = format!("leaves no value for {}", &*requirement.key);
            return Err(wrong(&path(""), &problem));
        }
    }
    let own = object.spec.template.metadata.labels.to_labels();
    let own = own
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .chain([(NODE_POOL_LABEL, name.as_str())]);
    for (key, value) in own {
        if !narrow(canonical_label(key), Values::only([value])) {
            let path = format!("spec.template.metadata.labels.{key}");
            return Err(wrong(&path, "contradicts the requirements"));
        }
    }
    for key in WELL_KNOWN_LABELS {
        values.entry(key).or_insert_with(Values::any);
    }
    // On Windows alone.
    values
        .entry(WINDOWS_BUILD_LABEL)
        .or_insert_with(Values::any_or_absent);
    let architectures = values.get(ARCHITECTURE_LABEL).and_then(Values::listed);
    if architectures.is_some_and(|listed| listed.len() > MAX_ARCHITECTURES) {
        let problem = "names more architectures than there are";
        return Err(wrong("spec.template.spec.requirements", problem));
    }
    if !object.metadata.deletion_timestamp.is_empty()
        || object.spec.replicas == Some(0)
        || object
            .spec
            .limits
            .zeros()
            .any(|name| INDISPENSABLE_RESOURCES.contains(&name))
    {
        return Ok(None);
    }
    let mut labels = Labels::new();
    let mut open = BTreeMap::new();
    for (key, values) in values {
        match values.settled() {
            Some(None) => {}
            Some(Some(value)) => {
                labels.insert(key.to_owned(), value.to_owned());
            }
            None => {
                open.insert(key.to_owned(), values);
            }
        }
    }
    Ok(Some(Pool {
        name,
        source: Source::NodePool,
        labels,
        open_labels: OpenLabels {
            labels: open,
            domains: provider_domains(&spec.node_class_ref),
            resources: true,
            ..OpenLabels::default()
        },
        taints: taints(&spec.taints),
        extended_resources: BTreeSet::new(),
        container_runtime_version: String::new(),
    }))
}

/// A provider adds labels of its own to the well-known ones, in the domain of its node class.
/// Source: <https://github.com/aws/karpenter-provider-aws/blob/main/pkg/apis/v1/labels.go>
fn provider_domains(class: &NodeClassRef<'_>) -> BTreeSet<String> {
    let group = match class.api_version.split_once('/') {
        Some((group, _)) if class.group.is_empty() => group,
        _ => &class.group,
    };
    let mut domains = BTreeSet::new();
    if !group.is_empty() {
        domains.insert(group.to_owned());
    }
    if matches!(group, "karpenter.k8s.aws" | "eks.amazonaws.com") {
        domains.insert("topology.k8s.aws".to_owned());
    }
    domains
}
