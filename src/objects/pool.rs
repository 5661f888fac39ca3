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

use serde_json::Value;

use super::json::ObjectError;
use super::node::TaintObject;
use crate::domain::node::Source;
use crate::domain::pool::Pool;
use crate::domain::taint::Taint;

const KARPENTER: &str = "karpenter.sh";
/// Source: <https://cluster-api.sigs.k8s.io/developer/core/controllers/machine-deployment>
const CLUSTER_API: &str = "cluster.x-k8s.io";
/// Source: <https://docs.openshift.com/container-platform/latest/rest_api/machine_apis/machineset-machine-openshift-io-v1beta1.html>
const OPENSHIFT: &str = "machine.openshift.io";

/// A kind of pool objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::Display)]
pub enum PoolKind {
    /// Of Karpenter.
    NodePool,
    /// Of the Cluster API.
    MachineDeployment,
    /// Of the Cluster API.
    MachineSet,
    /// Of the Cluster API.
    MachinePool,
    /// Of OpenShift, whose MachineSets are not the Cluster API's.
    OpenShiftMachineSet,
}

impl PoolKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::NodePool,
        Self::MachineDeployment,
        Self::MachineSet,
        Self::MachinePool,
        Self::OpenShiftMachineSet,
    ];

    /// Its API group and kind, in any version, and where its nodes come from.
    pub fn names(self) -> (&'static str, &'static str, Source) {
        match self {
            Self::NodePool => (KARPENTER, "NodePool", Source::NodePool),
            Self::MachineDeployment => {
                (CLUSTER_API, "MachineDeployment", Source::MachineDeployment)
            }
            Self::MachineSet => (CLUSTER_API, "MachineSet", Source::MachineSet),
            Self::MachinePool => (CLUSTER_API, "MachinePool", Source::MachinePool),
            Self::OpenShiftMachineSet => (OPENSHIFT, "MachineSet", Source::MachineSet),
        }
    }

    /// The kind that a group and a kind name, in any version.
    pub fn named(group: &str, kind: &str) -> Option<Self> {
        let mut kinds = Self::ALL.into_iter();
        kinds.find(|pool| matches!(pool.names(), (of, named, _) if (of, named) == (group, kind)))
    }
}

/// A pool object: what it is called, and what it can grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolRecord {
    /// The kind of object.
    pub kind: PoolKind,
    /// Its name, with its namespace where it has one.
    pub name: String,
    /// None where no autoscaler grows nodes from it.
    pub pool: Option<Pool>,
}

/// Reads a pool object.
///
/// # Errors
/// A field of a wrong type, or one that its controller refuses; the text names the object.
pub fn read(kind: PoolKind, value: &Value) -> Result<PoolRecord, ObjectError> {
    let pool = match kind {
        PoolKind::NodePool => karpenter::read(value)?,
        PoolKind::MachineDeployment
        | PoolKind::MachineSet
        | PoolKind::MachinePool
        | PoolKind::OpenShiftMachineSet => cluster_api::read(kind, value)?,
    };
    Ok(PoolRecord {
        kind,
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

fn taints(objects: &[TaintObject<'_>]) -> Vec<Taint> {
    objects.iter().map(TaintObject::to_taint).collect()
}

#[cfg(test)]
mod tests;
