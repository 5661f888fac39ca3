//! Nodes that exist as objects only; kwok keeps them alive and runs nothing.

use serde_json::{Value, json};

use crate::cluster::{Cluster, eventually};

/// A node of a test. It is removed at the end.
pub struct FakeNode<'a> {
    cluster: &'a Cluster,
    name: String,
}

/// Adds a node and waits until it is ready and may be scheduled on.
pub fn add<'a>(cluster: &'a Cluster, name: &str, architecture: &str, spec: Value) -> FakeNode<'a> {
    let node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake", "node.alpha.kubernetes.io/ttl": "0"},
            "labels": {
                "kubernetes.io/arch": architecture, "kubernetes.io/os": "linux",
                "kubernetes.io/hostname": name, "type": "kwok",
            },
        },
        "spec": spec,
        "status": {
            "capacity": {"cpu": "64", "memory": "256Gi", "pods": "1000"},
            "allocatable": {"cpu": "64", "memory": "256Gi", "pods": "1000"},
            "nodeInfo": {
                "architecture": architecture, "operatingSystem": "linux",
                "containerRuntimeVersion": "containerd://2.1.4", "kubeletVersion": "v1.36.3",
                "kernelVersion": "", "osImage": "", "machineID": "", "systemUUID": "",
                "bootID": "", "kubeProxyVersion": "",
            },
        },
    });
    cluster
        .inside_with(&["kubectl", "create", "-f", "-"], &node.to_string())
        .expect_ok();
    let wait = ["kubectl", "wait", "--for=condition=Ready", "--timeout=60s"];
    cluster
        .inside(&[&wait[..], &[&format!("node/{name}")]].concat())
        .expect_ok();
    eventually("the condition's taint goes", || {
        let path = "jsonpath={.spec.taints[*].key}";
        let taints = cluster
            .inside(&["kubectl", "get", "node", name, "-o", path])
            .expect_ok();
        if taints.contains("not-ready") {
            Err(taints)
        } else {
            Ok(())
        }
    });
    FakeNode {
        cluster,
        name: name.to_owned(),
    }
}

impl Drop for FakeNode<'_> {
    fn drop(&mut self) {
        self.cluster
            .inside(&["kubectl", "delete", "node", &self.name, "--wait=false"]);
    }
}

/// The nodes of most tests: two each of arm64 and s390x beside the real amd64 one.
pub fn mixed(cluster: &Cluster) -> Vec<FakeNode<'_>> {
    [
        ("arm-1", "arm64"),
        ("arm-2", "arm64"),
        ("z-1", "s390x"),
        ("z-2", "s390x"),
    ]
    .into_iter()
    .map(|(name, architecture)| add(cluster, name, architecture, json!({})))
    .collect()
}
