//! Nodes that exist as objects only; kwok keeps them alive and runs nothing.

use serde_json::{Value, json};

use crate::cluster::{Cluster, eventually};

/// A node of a test. It is removed at the end.
pub struct FakeNode<'a> {
    cluster: &'a Cluster,
    name: String,
}

/// A node object; whoever needs another one changes it before it is made.
pub fn object(name: &str, architecture: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake", "node.alpha.kubernetes.io/ttl": "0"},
            "labels": {
                "kubernetes.io/arch": architecture, "kubernetes.io/os": "linux",
                "kubernetes.io/hostname": name, "type": "kwok",
            },
        },
        "spec": {},
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
    })
}

/// Adds a node and waits until it is ready and may be scheduled on.
pub fn add<'a>(cluster: &'a Cluster, name: &str, architecture: &str, spec: Value) -> FakeNode<'a> {
    let mut object = object(name, architecture);
    object["spec"] = spec;
    add_all(cluster, &[object]).remove(0)
}

/// The same for several nodes at once.
pub fn add_all<'a>(cluster: &'a Cluster, objects: &[Value]) -> Vec<FakeNode<'a>> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    cluster
        .inside_with(&["kubectl", "create", "-f", "-"], &list.to_string())
        .expect_ok();
    let names = objects.iter().map(|object| &object["metadata"]["name"]);
    let added: Vec<FakeNode<'a>> = names
        .map(|name| FakeNode {
            cluster,
            name: name.as_str().unwrap().to_owned(),
        })
        .collect();
    let names: Vec<&str> = added.iter().map(|node| node.name.as_str()).collect();
    let wait = ["kubectl", "wait", "--for=condition=Ready", "--timeout=60s"];
    cluster
        .inside(&[&wait[..], &["node"], &names].concat())
        .expect_ok();
    eventually("the condition's taint goes", || {
        let taints = ["kubectl", "get", "-o", "jsonpath={..spec.taints[*].key}"];
        let taints = [&taints[..], &["node"], &names].concat();
        let taints = cluster.inside(&taints).expect_ok();
        if taints.contains("not-ready") {
            Err(taints)
        } else {
            Ok(())
        }
    });
    added
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
