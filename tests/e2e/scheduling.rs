//! Our candidates are the nodes on which the real scheduler is willing to place a pod.
//!
//! It says so of one node at a time: for each pod and each node there is a copy of the pod
//! that may go to this node only, and the scheduler binds it or calls it unschedulable.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Test;
use crate::cluster::{Cluster, eventually};
use crate::kubectl::{Namespace, image, merge};
use crate::nodes;
use crate::product::{UNASKED, check};

pub const TESTS: &[(&str, Test)] = &[("our_candidates_are_the_schedulers", candidates)];

/// A node: its labels, taints and further fields merged into the object.
fn node(name: &str, architecture: &str, more: Value) -> Value {
    let mut node = nodes::object(name, architecture);
    merge(&mut node, &more);
    node
}

fn labels(labels: Value) -> Value {
    json!({"metadata": {"labels": labels}})
}

fn twelve_nodes() -> Vec<Value> {
    let with = |labels: Value, spec: Value| json!({"metadata": {"labels": labels}, "spec": spec});
    let taint = |key: &str, value: &str, effect: &str| json!({"key": key, "value": value, "effect": effect});
    let gpus = |count: &str| {
        let resources = json!({"cpu": "64", "memory": "256Gi", "pods": "1000",
            "example.com/gpu": count});
        json!({"capacity": resources, "allocatable": resources})
    };
    let mut gpu = labels(json!({"zone": "b", "generation": "7"}));
    gpu["status"] = gpus("100");
    let mut no_gpu = labels(json!({"zone": "c", "disk": "ssd", "generation": "3"}));
    no_gpu["status"] = gpus("0");
    let mut tainted_gpu = with(
        json!({"zone": "c", "disk": "nvme"}),
        json!({"taints": [taint("example.com/gpu", "present", "NoSchedule")]}),
    );
    tainted_gpu["status"] = gpus("100");
    let windows = json!({
        "metadata": {"labels": {"zone": "a", "kubernetes.io/os": "windows"}},
        "status": {"nodeInfo": {"operatingSystem": "windows"}},
    });
    let dedicated = taint("dedicated", "z", "NoSchedule");
    let special = taint("special", "", "NoExecute");
    vec![
        node(
            "ssd",
            "amd64",
            labels(json!({"zone": "a", "disk": "ssd", "generation": "3"})),
        ),
        node(
            "soft-taint",
            "amd64",
            with(
                json!({"zone": "a", "disk": "hdd", "generation": "12"}),
                json!({"taints": [taint("dedicated", "soft", "PreferNoSchedule")]}),
            ),
        ),
        node("gpu", "amd64", gpu),
        node("no-gpu", "amd64", no_gpu),
        node("tainted-gpu", "arm64", tainted_gpu),
        node(
            "arm-tainted",
            "arm64",
            with(
                json!({"zone": "b", "disk": "ssd", "generation": "007"}),
                json!({"taints": [taint("arch", "arm64", "NoSchedule")]}),
            ),
        ),
        node(
            "executing-taint",
            "arm64",
            with(
                json!({"zone": "c", "disk": ""}),
                json!({"taints": [taint("dedicated", "batch", "NoExecute")]}),
            ),
        ),
        node(
            "dedicated",
            "s390x",
            with(
                json!({"zone": "a", "generation": "new"}),
                json!({"taints": [dedicated]}),
            ),
        ),
        node(
            "two-taints",
            "s390x",
            with(
                json!({"generation": "20"}),
                json!({"taints": [dedicated, special]}),
            ),
        ),
        node(
            "cordoned",
            "s390x",
            with(json!({"zone": "b"}), json!({"unschedulable": true})),
        ),
        node(
            "cordoned-tainted",
            "ppc64le",
            with(
                json!({"zone": "c"}),
                json!({"unschedulable": true, "taints": [taint("dedicated", "p", "NoSchedule")]}),
            ),
        ),
        node("windows", "amd64", windows),
    ]
}

/// Where a pod wants to go: selectors and affinity.
fn places() -> Vec<(&'static str, Value)> {
    let selector = |labels: Value| json!({"nodeSelector": labels});
    let required = |terms: Value| {
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
            {"nodeSelectorTerms": terms}}}})
    };
    let term = |expressions: Value| json!({"matchExpressions": expressions});
    let is = |key: &str, operator: &str, values: &[&str]| json!({"key": key, "operator": operator, "values": values});
    let one = |key: &str, operator: &str, values: &[&str]| {
        required(json!([term(json!([is(key, operator, values)]))]))
    };
    let field = |operator: &str, name: &str| json!({"matchFields": [is("metadata.name", operator, &[name])]});
    let mut field_and_label = field("NotIn", "arm-tainted");
    field_and_label["matchExpressions"] = json!([is("zone", "In", &["b"])]);
    let mut selector_and_affinity = one("kubernetes.io/arch", "NotIn", &["amd64"]);
    selector_and_affinity["nodeSelector"] = json!({"zone": "a"});
    let preferred = json!({"affinity": {"nodeAffinity":
        {"preferredDuringSchedulingIgnoredDuringExecution":
            [{"weight": 1, "preference": term(json!([is("zone", "In", &["b"])]))}]}}});
    vec![
        ("anywhere", json!({})),
        ("selector", selector(json!({"kubernetes.io/arch": "s390x"}))),
        (
            "two-selectors",
            selector(json!({"zone": "a", "disk": "ssd"})),
        ),
        ("empty-value", selector(json!({"disk": ""}))),
        ("nowhere", selector(json!({"zone": "nowhere"}))),
        ("in", one("zone", "In", &["a", "c"])),
        ("not-in", one("disk", "NotIn", &["ssd", "nvme"])),
        ("exists", one("disk", "Exists", &[])),
        ("does-not-exist", one("zone", "DoesNotExist", &[])),
        ("greater", one("generation", "Gt", &["6"])),
        ("less", one("generation", "Lt", &["10"])),
        (
            "between",
            required(json!([term(json!([
                is("generation", "Gt", &["3"]),
                is("generation", "Lt", &["20"]),
            ]))])),
        ),
        (
            "either",
            required(json!([
                term(json!([is("zone", "In", &["b"])])),
                term(json!([is("kubernetes.io/arch", "In", &["ppc64le"])])),
            ])),
        ),
        (
            "empty-term",
            required(json!([{}, term(json!([is("zone", "In", &["a"])]))])),
        ),
        ("field", required(json!([field("In", "ssd")]))),
        ("not-field", required(json!([field("NotIn", "dedicated")]))),
        ("field-and-label", required(json!([field_and_label]))),
        (
            "field-or-label",
            required(json!([
                field("In", "windows"),
                term(json!([is("zone", "In", &["c"])])),
            ])),
        ),
        ("selector-and-affinity", selector_and_affinity),
        ("preferred", preferred),
    ]
}

/// What a pod tolerates.
fn tolerations() -> Vec<(&'static str, Value)> {
    let unschedulable = "node.kubernetes.io/unschedulable";
    let exists = |key: &str, effect: &str| json!({"key": format!("node.kubernetes.io/{key}"), "operator": "Exists", "effect": effect});
    let of_daemon_sets = json!([
        exists("not-ready", "NoExecute"),
        exists("unreachable", "NoExecute"),
        exists("disk-pressure", "NoSchedule"),
        exists("memory-pressure", "NoSchedule"),
        exists("pid-pressure", "NoSchedule"),
        exists("unschedulable", "NoSchedule"),
    ]);
    vec![
        ("nothing", json!([])),
        ("everything", json!([{"operator": "Exists"}])),
        (
            "no-schedule",
            json!([{"operator": "Exists", "effect": "NoSchedule"}]),
        ),
        (
            "value",
            json!([{"key": "dedicated", "value": "z", "effect": "NoSchedule"}]),
        ),
        ("key", json!([{"key": "dedicated", "operator": "Exists"}])),
        (
            "other-effect",
            json!([{"key": "dedicated", "value": "z", "effect": "NoExecute"}]),
        ),
        (
            "other-value",
            json!([{"key": "dedicated", "operator": "Equal", "value": "batch"}]),
        ),
        (
            "two",
            json!([
                {"key": "dedicated", "operator": "Exists"},
                {"key": "special", "operator": "Equal"},
            ]),
        ),
        (
            "for-a-time",
            json!([{"key": "dedicated", "operator": "Exists",
            "effect": "NoExecute", "tolerationSeconds": 3600}]),
        ),
        (
            "cordon",
            json!([{"key": unschedulable, "operator": "Exists", "effect": "NoSchedule"}]),
        ),
        (
            "cordon-and-key",
            json!([
                {"key": unschedulable, "operator": "Exists"},
                {"key": "dedicated", "operator": "Exists"},
            ]),
        ),
        ("daemon-set", of_daemon_sets),
    ]
}

/// What else a pod wants.
fn wishes() -> Vec<(&'static str, Value)> {
    let gpu = json!({"containers": [{"name": "web", "image": image("app:multi"),
        "resources": {"limits": {"example.com/gpu": "1"}}}]});
    vec![
        ("gpu", gpu),
        ("linux", json!({"os": {"name": "linux"}})),
        ("windows", json!({"os": {"name": "windows"}})),
    ]
}

/// Every place with no and with all tolerations; every other toleration anywhere and in
/// some zones; every wish with some tolerations.
fn pods() -> Vec<(String, Value)> {
    let (places, tolerations) = (places(), tolerations());
    let mut pods = Vec::new();
    let mut add = |name: String, parts: &[&Value]| {
        let mut spec = json!({"containers": [{"name": "web", "image": image("app:multi")}],
            "terminationGracePeriodSeconds": 0});
        for part in parts {
            merge(&mut spec, part);
        }
        pods.push((name, spec));
    };
    for (index, (tolerated, list)) in tolerations.iter().enumerate() {
        let list = json!({"tolerations": list});
        for (place, constraint) in &places {
            if index < 2 || ["anywhere", "in"].contains(place) {
                add(format!("{place}.{tolerated}"), &[constraint, &list]);
            }
        }
        if ["nothing", "everything", "daemon-set"].contains(tolerated) {
            for (wish, change) in wishes() {
                add(format!("{wish}.{tolerated}"), &[&change, &list]);
            }
        }
    }
    pods
}

/// The pod, on this node only: the requirement is added to each term, since terms are
/// alternatives. An empty term matches nothing and has to stay as it is.
fn pin(spec: &Value, node: &str) -> Value {
    let pin = json!({"key": "metadata.name", "operator": "In", "values": [node]});
    let mut spec = spec.clone();
    let required =
        &mut spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    match required["nodeSelectorTerms"].as_array_mut() {
        None => *required = json!({"nodeSelectorTerms": [{"matchFields": [pin]}]}),
        Some(terms) => {
            for term in terms.iter_mut().filter(|term| **term != json!({})) {
                match term["matchFields"].as_array_mut() {
                    None => term["matchFields"] = json!([pin]),
                    Some(fields) => fields.push(pin.clone()),
                }
            }
        }
    }
    spec
}

fn candidates(cluster: &Cluster) {
    let objects = twelve_nodes();
    let _nodes = nodes::add_all(cluster, &objects);
    let pods = pods();
    assert!(pods.len() >= 60, "{} pods", pods.len());
    let mut pinned = Vec::new();
    // Each with the pod's os and the node's.
    let mut systems = BTreeMap::new();
    for (name, spec) in &pods {
        for object in &objects {
            let node = object["metadata"]["name"].as_str().unwrap();
            let name = format!("{name}.{node}");
            pinned.push(json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": name}, "spec": pin(spec, node)}));
            let system = object["status"]["nodeInfo"]["operatingSystem"].clone();
            systems.insert(name, (spec["os"]["name"].clone(), system));
        }
    }
    let snapshot = ["kubectl", "get", "nodes", "-o", "json"];
    let snapshot = cluster.inside(&snapshot).expect_ok();
    let namespace = Namespace::new(cluster, &[UNASKED]);
    // kubectl sends fifty a second.
    std::thread::scope(|scope| {
        for part in pinned.chunks(pinned.len().div_ceil(6)) {
            let list = json!({"apiVersion": "v1", "kind": "List", "items": part}).to_string();
            let namespace = &namespace;
            scope.spawn(move || {
                let words = ["create", "-f", "-"];
                namespace.kubectl_with(&words, &list).expect_ok();
            });
        }
    });
    let ours = ours(cluster, &snapshot, &pinned);
    let placed = placed(&namespace, pinned.len());
    let mut wrong = Vec::new();
    for (name, placed) in &placed {
        // The scheduler does not look at spec.os; the kubelet refuses what it placed wrongly.
        let (wanted, system) = &systems[name];
        let expected = *placed && (wanted.is_null() || wanted == system);
        if ours.get(name) != Some(&expected) {
            wrong.push(format!(
                "{name}: the scheduler {placed}, expected {expected}, we {:?}",
                ours.get(name)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let yes = placed.values().filter(|placed| **placed).count();
    let no = placed.len() - yes;
    println!("{} pods on 12 nodes: {yes} placed, {no} not", pods.len());
    assert!(yes > 150 && no > 150, "the cases tell something apart");
}

/// Whether we count the one node as a candidate, by the name of the pinned pod.
fn ours(cluster: &Cluster, snapshot: &str, pinned: &[Value]) -> BTreeMap<String, bool> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": pinned});
    let report = check(cluster, snapshot, &["-f", "-"], &list.to_string());
    let workloads = report["workloads"].as_array().into_iter().flatten();
    workloads
        .map(|workload| {
            let name = workload["name"].as_str().unwrap();
            let node = name.rsplit('.').next().unwrap();
            let candidates = workload["candidates"].as_array().unwrap();
            let nodes = candidates
                .iter()
                .filter_map(|candidate| candidate["nodes"].as_array());
            let nodes: Vec<&Value> = nodes.flatten().collect();
            assert!(nodes.is_empty() || nodes == [node], "{name}: {nodes:?}");
            (name.to_owned(), !nodes.is_empty())
        })
        .collect()
}

/// Whether the scheduler placed each pod; waits until it said so of every one.
fn placed(namespace: &Namespace<'_>, count: usize) -> BTreeMap<String, bool> {
    let path = "jsonpath={range .items[*]}{.metadata.name} \
                {.status.conditions[?(@.type=='PodScheduled')].status} \
                {.status.conditions[?(@.type=='PodScheduled')].reason}{'\\n'}{end}";
    eventually("the scheduler judged every pod", || {
        let said = namespace.kubectl(&["get", "pods", "-o", path]).expect_ok();
        let mut placed = BTreeMap::new();
        for line in said.lines() {
            match *line.split(' ').collect::<Vec<_>>() {
                [name, "True", _] => placed.insert(name.to_owned(), true),
                [name, "False", "Unschedulable"] => placed.insert(name.to_owned(), false),
                _ => None,
            };
        }
        if placed.len() == count {
            Ok(placed)
        } else {
            Err(format!("{} of {count}", placed.len()))
        }
    })
}
