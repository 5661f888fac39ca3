//! Where pods may go: the scheduler's, the kubelet's and the DaemonSet controller's rules,
//! through our own reading of Pods, DaemonSets and Nodes.

use archmatch::domain::candidates::{CandidateRules, Cordoned, candidates as find};
use archmatch::domain::node::Nodes;
use archmatch::domain::placement::toleration::ComparisonOperators;
use archmatch::domain::taint::{CORDON_TAINT, Taint};
use archmatch::objects::{kinds, node};
use libtest_mimic::Failed;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::compare::Run;

pub fn affinity(run: &Run) -> Result<(), Failed> {
    let spec = (selector(), required_affinity()).prop_map(|(selector, affinity)| {
        let mut spec = Map::new();
        set(&mut spec, "nodeSelector", selector);
        set(&mut spec, "affinity", affinity);
        spec
    });
    let node = (labels(), any_os()).prop_map(|(labels, os)| CaseNode {
        labels,
        os,
        ..CaseNode::default()
    });
    table(run, "affinity", "Pod", spec, node)
}

pub fn toleration(run: &Run) -> Result<(), Failed> {
    let spec = tolerations().prop_map(|tolerations| {
        let mut spec = Map::new();
        set(&mut spec, "tolerations", Some(tolerations));
        spec
    });
    let node = taints().prop_map(|taints| CaseNode {
        taints,
        ..CaseNode::default()
    });
    table(run, "toleration", "Pod", spec, node)
}

pub fn candidates(run: &Run) -> Result<(), Failed> {
    table(run, "candidates", "Pod", spec(), any_node())
}

pub fn daemon_set(run: &Run) -> Result<(), Failed> {
    table(run, "daemonset", "DaemonSet", spec(), any_node())
}

#[derive(Clone, Debug, Default)]
struct CaseNode {
    labels: Value,
    taints: Vec<Value>,
    unschedulable: bool,
    allocatable: Value,
    os: &'static str,
}

#[derive(Clone, Debug)]
struct Case {
    spec: Map<String, Value>,
    nodes: Vec<CaseNode>,
    /// The first node's name is empty, as of nodes that do not exist yet.
    nameless: bool,
    comparison: bool,
    count_cordoned: bool,
}

fn table(
    run: &Run,
    name: &'static str,
    kind: &'static str,
    spec: impl Strategy<Value = Map<String, Value>>,
    node: impl Strategy<Value = CaseNode>,
) -> Result<(), Failed> {
    let case = (
        spec,
        vec(node, 1..5),
        prop::bool::weighted(0.1),
        any::<bool>(),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(spec, nodes, nameless, comparison, count_cordoned)| Case {
            spec,
            nodes,
            nameless,
            comparison,
            count_cordoned,
        });
    run.agree(
        name,
        case,
        |case| vec![case.question(name)],
        |_, answers| {
            let matches = answers[0]["matches"].as_array().unwrap();
            matches.iter().map(|value| value == true).collect()
        },
        |case| case.ours(kind),
    )
}

impl Case {
    fn name(&self, position: usize) -> String {
        if self.nameless && position == 0 {
            return String::new();
        }
        format!("n{position}")
    }

    fn node(&self, position: usize, node: &CaseNode) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name(position), "labels": node.labels},
            "spec": {"taints": node.taints, "unschedulable": node.unschedulable},
            "status": {
                "allocatable": node.allocatable,
                "nodeInfo": {"operatingSystem": node.os, "architecture": "amd64"},
            },
        })
    }

    /// The case in upstream's terms: wanted deviations are facts of the
    /// question.
    fn question(&self, table: &str) -> Value {
        let mut spec = self.spec.clone();
        let mut nodes = Vec::new();
        for (position, node) in self.nodes.iter().enumerate() {
            let mut node = node.clone();
            // Temporary taints are as good as gone; so is a cordon that counts.
            node.taints.retain(|taint| {
                let key = taint["key"].as_str().unwrap_or_default();
                !is_temporary(key) && (!self.count_cordoned || key != CORDON_TAINT)
            });
            node.unschedulable &= !self.count_cordoned;
            // `spec.os.name` filters by the node's operating system, as a selector would.
            if let Some(labels) = node.labels.as_object_mut() {
                labels.insert("oracle/os".to_owned(), node.os.into());
            }
            nodes.push(self.node(position, &node));
        }
        if let Some(os) = spec.remove("os")
            && matches!(os["name"].as_str(), Some("linux" | "windows"))
        {
            let mut selector = match spec.remove("nodeSelector") {
                Some(Value::Object(selector)) => selector,
                _ => Map::new(),
            };
            selector.insert("oracle/os".to_owned(), os["name"].clone());
            spec.insert("nodeSelector".to_owned(), selector.into());
        }
        json!({"table": table, "spec": spec, "nodes": nodes, "comparison": self.comparison})
    }

    fn ours(&self, kind: &str) -> Vec<bool> {
        let object = match kind {
            "DaemonSet" => json!({
                "apiVersion": "apps/v1", "kind": kind, "spec": {"template": {"spec": self.spec}},
            }),
            _ => json!({"apiVersion": "v1", "kind": kind, "spec": self.spec}),
        };
        let workload = kinds::read(&object, &[]).unwrap().unwrap();
        let nodes: Nodes = self
            .nodes
            .iter()
            .enumerate()
            .map(|(position, each)| {
                let record = node::read(&self.node(position, each)).unwrap();
                record.to_node(&[]).0
            })
            .collect();
        let rules = CandidateRules {
            cordoned: if self.count_cordoned {
                Cordoned::Counted
            } else {
                Cordoned::Excluded
            },
            comparison: if self.comparison {
                ComparisonOperators::Enabled
            } else {
                ComparisonOperators::Disabled
            },
        };
        let found = find(&nodes, &workload.templates[0].placement, rules);
        let found: Vec<&str> = found
            .platforms
            .iter()
            .flat_map(|platform| &platform.nodes)
            .map(AsRef::as_ref)
            .collect();
        (0..self.nodes.len())
            .map(|position| found.contains(&self.name(position).as_str()))
            .collect()
    }
}

fn is_temporary(key: &str) -> bool {
    let taint = Taint {
        key: key.to_owned(),
        value: String::new(),
        effect: archmatch::domain::taint::Effect::NoSchedule,
    };
    taint.is_temporary()
}

fn set(spec: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        spec.insert(key.to_owned(), value);
    }
}

/// Few keys, few values: what is asked for and what is there should meet often.
fn label_key() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        8 => select(vec!["a", "b", "kubernetes.io/hostname", "kubernetes.io/arch"]),
        1 => select(vec![
            "", "-a", "a-", "a b", "x.y/a", "X.y/a", "x.y/", "/a", "x/y/a", "x..y/a", "é",
            "a_b.c-d", "metadata.name",
        ]),
        1 => Just(LONG_KEY),
    ]
}

const LONG_KEY: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn label_value() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        8 => select(vec!["", "1", "2", "10", "x", "y", "arm64"]),
        2 => select(vec![
            "01", "+1", "-1", "1.0", "1_0", "0x1", "9223372036854775807", "9223372036854775808",
            " 1", "X", "-x", "a b", "é", "n0",
        ]),
        1 => Just(LONG_KEY),
    ]
}

fn labels() -> impl Strategy<Value = Value> {
    btree_map(label_key(), label_value(), 0..4).prop_map(|labels| json!(labels))
}

fn selector() -> impl Strategy<Value = Option<Value>> {
    proptest::option::weighted(
        0.3,
        btree_map(label_key(), label_value(), 0..3).prop_map(|labels| json!(labels)),
    )
}

fn required_affinity() -> impl Strategy<Value = Option<Value>> {
    proptest::option::weighted(
        0.7,
        vec(term(), 0..4).prop_map(|terms| {
            json!({"nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms},
            }})
        }),
    )
}

fn term() -> impl Strategy<Value = Value> {
    (
        vec(requirement(label_key(), label_value()), 0..3),
        prop_oneof![
            3 => Just(Vec::new()),
            1 => vec(requirement(field(), node_name()), 0..3),
        ],
    )
        .prop_map(
            |(expressions, fields)| json!({"matchExpressions": expressions, "matchFields": fields}),
        )
}

fn field() -> impl Strategy<Value = &'static str> {
    prop_oneof![8 => Just("metadata.name"), 1 => select(vec!["spec.unschedulable", "", "a"])]
}

fn node_name() -> impl Strategy<Value = &'static str> {
    prop_oneof![8 => select(vec!["n0", "n1", "n2"]), 1 => select(vec!["", "N0", "zz"])]
}

fn requirement(
    key: impl Strategy<Value = &'static str>,
    value: impl Strategy<Value = &'static str>,
) -> impl Strategy<Value = Value> {
    let operator = prop_oneof![
        12 => select(vec!["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]),
        1 => select(vec!["", "in", "Equals", "Bogus"]),
    ];
    // Mostly as many values as the operator takes.
    (key, operator, vec(value, 0..4), prop::bool::weighted(0.85)).prop_map(
        |(key, operator, mut values, fitting)| {
            if fitting {
                match operator {
                    "Exists" | "DoesNotExist" => values.clear(),
                    "Gt" | "Lt" => values.truncate(1),
                    _ => {}
                }
            }
            json!({"key": key, "operator": operator, "values": values})
        },
    )
}

fn taint_key() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        6 => select(vec!["a", "b", "kubernetes.io/arch"]),
        2 => Just(CORDON_TAINT),
        2 => select(vec![
            "node.kubernetes.io/not-ready",
            "node.kubernetes.io/unreachable",
            "node.kubernetes.io/memory-pressure",
            "node.kubernetes.io/disk-pressure",
            "node.kubernetes.io/pid-pressure",
            "node.kubernetes.io/network-unavailable",
            "node.cloudprovider.kubernetes.io/uninitialized",
            "node.kubernetes.io/out-of-service",
        ]),
    ]
}

fn effect() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        8 => select(vec!["NoSchedule", "NoExecute"]),
        2 => select(vec!["PreferNoSchedule", "", "noschedule"]),
    ]
}

fn taint_value() -> impl Strategy<Value = &'static str> {
    select(vec![
        "",
        "",
        "1",
        "2",
        "10",
        "x",
        "arm64",
        "01",
        "-0",
        "+1",
        "-5",
        "0",
        "--1",
        "9223372036854775808",
    ])
}

fn taints() -> impl Strategy<Value = Vec<Value>> {
    vec(
        (taint_key(), taint_value(), effect())
            .prop_map(|(key, value, effect)| json!({"key": key, "value": value, "effect": effect})),
        0..3,
    )
}

fn tolerations() -> impl Strategy<Value = Value> {
    let operator = prop_oneof![
        10 => select(vec!["", "Equal", "Exists", "Exists", "Lt", "Gt"]),
        1 => select(vec!["exists", "In"]),
    ];
    let key = prop_oneof![5 => taint_key(), 1 => Just("")];
    let effect = prop_oneof![2 => effect(), 1 => Just("")];
    vec(
        (key, operator, taint_value(), effect).prop_map(|(key, operator, value, effect)| {
            json!({"key": key, "operator": operator, "value": value, "effect": effect})
        }),
        0..4,
    )
    .prop_map(Value::from)
}

fn any_os() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just("linux"), 1 => Just("windows")]
}

fn any_node() -> impl Strategy<Value = CaseNode> {
    (
        labels(),
        prop_oneof![1 => Just(Vec::new()), 1 => taints()],
        prop::bool::weighted(0.2),
        resources("8"),
        any_os(),
    )
        .prop_map(
            |(labels, taints, unschedulable, allocatable, os)| CaseNode {
                labels,
                taints,
                unschedulable,
                allocatable,
                os,
            },
        )
}

/// Resources that nodes allocate, and that pods ask for.
fn resources(most: &'static str) -> impl Strategy<Value = Value> {
    let name = select(vec![
        "nvidia.com/gpu",
        "example.com/a",
        "cpu",
        "hugepages-2Mi",
        "kubernetes.io/batch-cpu",
    ]);
    let quantity = prop_oneof![4 => Just(most), 1 => Just("0")];
    prop_oneof![
        2 => Just(json!({})),
        1 => btree_map(name, quantity, 0..3).prop_map(|map| json!(map)),
    ]
}

fn spec() -> impl Strategy<Value = Map<String, Value>> {
    let name = proptest::option::weighted(0.15, prop_oneof![4 => node_name(), 1 => Just("n0")]);
    let os = proptest::option::weighted(0.15, select(vec!["linux", "windows", "plan9", ""]));
    (
        (selector(), required_affinity(), tolerations()),
        (name, os, any::<bool>(), resources("1"), resources("1")),
        // Most of the filters should be passed, so that each decides sometimes.
        any::<[bool; 2]>(),
    )
        .prop_map(|((selector, affinity, tolerations), (name, os, host, first, second), keep)| {
            let mut spec = Map::new();
            set(&mut spec, "nodeSelector", selector);
            set(&mut spec, "affinity", affinity.filter(|_| keep[0]));
            set(&mut spec, "tolerations", Some(tolerations).filter(|_| keep[1]));
            set(&mut spec, "nodeName", name.map(Value::from));
            set(&mut spec, "os", os.map(|name| json!({"name": name})));
            set(&mut spec, "hostNetwork", Some(host.into()));
            let containers = json!([{"name": "c", "image": "i", "resources": {"requests": first, "limits": first}}]);
            let init = json!([{"name": "i", "image": "i", "resources": {"requests": second}}]);
            set(&mut spec, "containers", Some(containers));
            set(&mut spec, "initContainers", Some(init));
            spec
        })
}
