//! Pools: objects from which an autoscaler grows nodes that do not exist yet.
//!
//! Read are NodePools of Karpenter, and MachineDeployments, MachineSets and MachinePools of
//! the Cluster API and of OpenShift that are autoscaled. Node groups of clouds are no
//! objects of the cluster: the configuration declares them.
//!
//! Absent on purpose: NodeClaims, whose NodePool stands for them, and the infrastructure
//! templates of the Cluster API, which are of as many kinds as there are providers.

mod cluster_api;
mod karpenter;

use serde::Deserialize;
use serde_json::Value;

use super::json::{ObjectError, Pairs, Text, or_default};
use super::node::TaintObject;
use crate::domain::node::Source;
use crate::domain::pool::Pool;
use crate::domain::taint::Taint;

/// API groups whose pools are read.
pub const KARPENTER_GROUP: &str = "karpenter.sh";
/// Source: <https://cluster-api.sigs.k8s.io/developer/core/controllers/machine-deployment>
pub const CLUSTER_API_GROUP: &str = "cluster.x-k8s.io";
/// Source: <https://docs.openshift.com/container-platform/latest/rest_api/machine_apis/machineset-machine-openshift-io-v1beta1.html>
pub const OPENSHIFT_GROUP: &str = "machine.openshift.io";

/// A pool object: what it is called, and what it can grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolRecord {
    /// The kind of object.
    pub source: Source,
    /// Its API group; OpenShift's MachineSets are not the Cluster API's.
    pub group: &'static str,
    /// Its name, with its namespace where it has one.
    pub name: String,
    /// None where no autoscaler grows nodes from it.
    pub pool: Option<Pool>,
}

/// The kind of pool that a group and a kind name, in any version.
pub fn kind(group: &str, kind: &str) -> Option<(Source, &'static str)> {
    Some(match (group, kind) {
        (KARPENTER_GROUP, "NodePool") => (Source::NodePool, KARPENTER_GROUP),
        (CLUSTER_API_GROUP, "MachineDeployment") => (Source::MachineDeployment, CLUSTER_API_GROUP),
        (CLUSTER_API_GROUP, "MachineSet") => (Source::MachineSet, CLUSTER_API_GROUP),
        (CLUSTER_API_GROUP, "MachinePool") => (Source::MachinePool, CLUSTER_API_GROUP),
        (OPENSHIFT_GROUP, "MachineSet") => (Source::MachineSet, OPENSHIFT_GROUP),
        _ => return None,
    })
}

/// Reads a pool object of a kind that [`kind`] knows.
///
/// # Errors
/// A field of a wrong type, or one that its controller refuses; the text names the object.
pub fn read(source: Source, group: &'static str, value: &Value) -> Result<PoolRecord, ObjectError> {
    let pool = match group {
        KARPENTER_GROUP => karpenter::read(value)?,
        _ => cluster_api::read(source, group, value)?,
    };
    Ok(PoolRecord {
        source,
        group,
        name: name(value),
        pool,
    })
}

/// The name of a pool object, with its namespace where it has one.
pub fn name(value: &Value) -> String {
    let text = |key: &str| value["metadata"][key].as_str().unwrap_or_default();
    match text("namespace") {
        "" => text("name").to_owned(),
        namespace => format!("{namespace}/{}", text("name")),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    labels: Pairs<'a>,
    #[serde(borrow, deserialize_with = "or_default")]
    annotations: Pairs<'a>,
    #[serde(borrow)]
    deletion_timestamp: Text<'a>,
    #[serde(borrow, deserialize_with = "super::json::objects")]
    owner_references: Vec<Owner<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Owner<'a> {
    #[serde(borrow)]
    kind: Text<'a>,
}

fn taints(objects: &[TaintObject<'_>]) -> Vec<Taint> {
    objects.iter().map(TaintObject::to_taint).collect()
}

#[cfg(test)]
mod tests;
