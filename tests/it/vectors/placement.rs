//! Node affinity, eligibility and tolerations: is the one node a candidate?

use std::sync::Mutex;
use std::thread;

use serde_json::{Value, json};

use super::{Files, vectors};

/// Taints that pass by themselves never exclude here, which is a wanted deviation.
const TEMPORARY: [&str; 7] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/network-unavailable",
    "node.cloudprovider.kubernetes.io/uninitialized",
];

/// One run: a node, a workload, and whether the node should be a candidate.
struct Case {
    title: String,
    node: Value,
    workload: Value,
    comparison: bool,
    matches: bool,
}

#[test]
fn candidates_are_those_of_the_scheduler_and_the_daemon_set_controller() {
    let vectors = vectors(include_str!("../../data/node-affinity-vectors.json"));
    assert!(vectors.len() > 50);
    check_all(vectors.iter().map(eligibility).collect());
}

fn eligibility(vector: &Value) -> Case {
    let mut spec = vector["pod_spec"].clone();
    let mut matches = vector["match"] == true;
    // A wanted deviation: a pod for another operating system is no candidate's.
    if let Some(os) = spec["os"]["name"].as_str() {
        matches &= os == "linux";
    }
    let node = &vector["node"];
    let only_temporary = list(&node["taints"]).iter().any(is_temporary)
        && list(&node["taints"]).iter().all(is_temporary);
    spec["containers"] = json!([{"name": "c", "image": "app"}]);
    let workload = match vector["workload"].as_str() {
        Some("DaemonSet") => json!({"apiVersion": "apps/v1", "kind": "DaemonSet",
            "metadata": {"name": "w"}, "spec": {"template": {"spec": spec}}}),
        _ => json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "w"}, "spec": spec}),
    };
    Case {
        title: vector.to_string(),
        node: node_of(
            &node["name"],
            &node["labels"],
            &node["taints"],
            &node["unschedulable"],
        ),
        workload,
        comparison: false,
        matches: matches || only_temporary,
    }
}

#[test]
fn tolerations_are_those_of_the_scheduler() {
    let vectors = vectors(include_str!("../../data/toleration-vectors.json"));
    let cases: Vec<Case> = vectors.iter().filter_map(toleration).collect();
    assert_eq!(cases.len(), vectors.len(), "each can happen in a cluster");
    check_all(cases);
}

/// The case of a vector. A pod meets the scheduler, which considers two effects, or with a
/// node name the kubelet, which considers one; vectors of which the taints differ under
/// both from what the vector considers cannot happen in a cluster.
fn toleration(vector: &Value) -> Option<Case> {
    let taints = list(&vector["taints"]);
    if taints.iter().any(is_temporary) {
        return None;
    }
    let considered: Vec<&Value> = vector["considered_effects"].as_array()?.iter().collect();
    let agrees = |effects: &[&str]| {
        taints.iter().all(|taint| {
            let effect = &taint["effect"];
            considered.contains(&effect) == effects.iter().any(|considered| effect == considered)
        })
    };
    let mut spec = json!({"tolerations": vector["tolerations"],
                          "containers": [{"name": "c", "image": "app"}]});
    if !agrees(&["NoSchedule", "NoExecute"]) {
        if !agrees(&["NoExecute"]) {
            return None;
        }
        spec["nodeName"] = "n".into();
    }
    Some(Case {
        title: vector.to_string(),
        node: node_of(&"n".into(), &json!({}), &vector["taints"], &false.into()),
        workload: json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "w"}, "spec": spec}),
        comparison: vector["comparison_operators"] == true,
        matches: vector["tolerated"] == true,
    })
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn is_temporary(taint: &Value) -> bool {
    TEMPORARY.iter().any(|key| taint["key"] == *key)
}

fn node_of(name: &Value, labels: &Value, taints: &Value, unschedulable: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels},
           "spec": {"taints": taints, "unschedulable": unschedulable},
           "status": {"nodeInfo": {"operatingSystem": "linux", "architecture": "amd64"}}})
}

/// Each case has a cluster of its own, hence a run of its own; a few run side by side.
fn check_all(cases: Vec<Case>) {
    let queue = Mutex::new(cases.iter());
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let files = Files::new();
                loop {
                    let Some(case) = queue.lock().unwrap().next() else {
                        return;
                    };
                    let config = json!({"nodes": {"tolerationComparison": case.comparison},
                                        "registries": [{"host": "*", "blocked": true}]});
                    let report = files.check(
                        std::slice::from_ref(&case.node),
                        std::slice::from_ref(&case.workload),
                        &config,
                    );
                    let workload = &report["workloads"][0];
                    let found = !workload["candidates"].as_array().unwrap().is_empty();
                    if found != case.matches {
                        wrong
                            .lock()
                            .unwrap()
                            .push(format!("{}\n  {workload}", case.title));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
