//! MachineDeployments, MachineSets and MachinePools of the Cluster API, and MachineSets of
//! OpenShift, as the cluster autoscaler reads them when there is no node to look at.
//!
//! Source: `cluster-autoscaler/cloudprovider/clusterapi` of
//! <https://github.com/kubernetes/autoscaler>

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::{PoolKind, name, taints};
use crate::domain::labels::Labels;
use crate::domain::open_labels::values::Values;
use crate::domain::open_labels::{ARCHITECTURE_LABEL, OS_LABEL, OpenLabels, canonical_label};
use crate::domain::pool::Pool;
use crate::domain::taint::{Effect, Taint};
use crate::objects::json::{Input, Nested, ObjectError, objects};
use crate::objects::metadata::Metadata;
use crate::objects::node::TaintObject;

const LABELS_ANNOTATION: &str = "capacity.cluster-autoscaler.kubernetes.io/labels";
const TAINTS_ANNOTATION: &str = "capacity.cluster-autoscaler.kubernetes.io/taints";
const GPU_TYPE_ANNOTATION: &str = "capacity.cluster-autoscaler.kubernetes.io/gpu-type";
const GPU_COUNT_ANNOTATION: &str = "capacity.cluster-autoscaler.kubernetes.io/gpu-count";

/// Domains, with those below them, whose labels go from a machine to its node.
/// Source: <https://cluster-api.sigs.k8s.io/reference/api/metadata-propagation#machine>
const PROPAGATED_DOMAINS: [&str; 2] = ["node-restriction.kubernetes.io", "node.cluster.x-k8s.io"];

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct MachineGroupObject<'a> {
    metadata: Nested<Metadata<'a>>,
    spec: Nested<MachineGroupSpec<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct MachineGroupSpec<'a> {
    template: Nested<MachineTemplate<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct MachineTemplate<'a> {
    metadata: Nested<Metadata<'a>>,
    spec: Nested<MachineSpec<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct MachineSpec<'a> {
    metadata: Nested<Metadata<'a>>,
    #[serde(deserialize_with = "objects")]
    taints: Vec<TaintObject<'a>>,
}

/// What the autoscaler may grow; nothing where it is told no sizes, or a largest of zero.
///
/// The autoscaler takes a pool that does not say its architecture for amd64, or what its own
/// environment says. That is not known here, so such an architecture is open.
pub(super) fn read(kind: PoolKind, value: &Value) -> Result<Option<Pool>, ObjectError> {
    let (group, named, source) = kind.names();
    let name = name(value);
    let named = format!("{named} {name}");
    let object: MachineGroupObject<'_> = Input::Tree(value).object(&named)?;
    let metadata = &object.metadata;
    let size = |which: &str| {
        let key = format!("{group}/cluster-api-autoscaler-node-group-{which}-size");
        let Some(text) = metadata.annotations.value(&key) else {
            return Ok(None);
        };
        let size: Option<u64> = text.parse().ok();
        let path = format!("metadata.annotations.{key}");
        let wrong = || ObjectError::new(&named, &path, "expected a number of nodes");
        size.ok_or_else(wrong).map(Some)
    };
    let (Some(smallest), Some(largest)) = (size("min")?, size("max")?) else {
        return Ok(None);
    };
    // What a MachineDeployment owns is the MachineDeployment's to scale.
    let mut owners = metadata.owner_references.iter();
    let is_owned = owners.any(|owner| &*owner.kind == "MachineDeployment");
    if largest == 0 || largest < smallest || is_owned || !metadata.deletion_timestamp.is_empty() {
        return Ok(None);
    }
    let template = &object.spec.template;
    let mut labels = Labels::new();
    let machine = template.metadata.labels.to_labels().into_iter();
    labels.extend(machine.filter(|(key, _)| is_propagated(key)));
    let is_openshift = kind == PoolKind::OpenShiftMachineSet;
    if is_openshift {
        labels.extend(template.spec.metadata.labels.to_labels());
    }
    let annotation = |key| metadata.annotations.value(key).unwrap_or_default();
    for part in annotation(LABELS_ANNOTATION).split(',') {
        if let Some((key, value)) = part.split_once('=') {
            labels.insert(key.to_owned(), value.to_owned());
        }
    }
    let mut labels: Labels = labels
        .into_iter()
        .map(|(key, value)| (canonical_label(&key).to_owned(), value))
        .collect();
    labels
        .entry(OS_LABEL.to_owned())
        .or_insert_with(|| "linux".to_owned());
    let mut open_labels = OpenLabels::default();
    if !labels.contains_key(ARCHITECTURE_LABEL) {
        let open = (ARCHITECTURE_LABEL.to_owned(), Values::any());
        open_labels.labels.extend([open]);
    }
    let gpu = Some(annotation(GPU_TYPE_ANNOTATION)).filter(|gpu| !gpu.is_empty());
    let count = annotation(GPU_COUNT_ANNOTATION).parse::<u64>();
    let gpu = gpu.filter(|_| count.is_ok_and(|count| count > 0));
    Ok(Some(Pool {
        name,
        source,
        labels,
        open_labels,
        taints: merged(taints(&template.spec.taints), annotation(TAINTS_ANNOTATION)),
        extended_resources: gpu.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(),
        // OpenShift's nodes have no other.
        container_runtime_version: if is_openshift { "cri-o://" } else { "" }.to_owned(),
    }))
}

fn is_propagated(key: &str) -> bool {
    let domain = key.split('/').next().unwrap_or_default();
    domain == "node-role.kubernetes.io"
        || PROPAGATED_DOMAINS.iter().any(|propagated| {
            let below = domain.strip_suffix(propagated);
            below.is_some_and(|below| below.is_empty() || below.ends_with('.'))
        })
}

/// The taints of the machines, and over them those of the annotation, such as
/// `key=value:NoSchedule,other:NoExecute`. The autoscaler passes over what it cannot read.
fn merged(mut taints: Vec<Taint>, annotation: &str) -> Vec<Taint> {
    for part in annotation.split(',') {
        let (taint, effect) = part.split_once(':').unwrap_or((part, ""));
        let (key, value) = taint.split_once('=').unwrap_or((taint, ""));
        if key.is_empty() || value.contains('=') || effect.contains(':') {
            continue;
        }
        let taint = Taint {
            key: key.to_owned(),
            value: value.to_owned(),
            effect: Effect::from_name(effect),
        };
        let same = |known: &&mut Taint| known.key == taint.key && known.effect == taint.effect;
        match taints.iter_mut().find(same) {
            Some(known) => *known = taint,
            None => taints.push(taint),
        }
    }
    taints
}
