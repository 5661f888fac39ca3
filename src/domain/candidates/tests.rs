//! Candidates against cases of the scheduler's and the DaemonSet controller's own tables
//! (`tests/data/node-affinity-vectors.json` says where each comes from), and our own rules.

use serde_json::Value;

use super::*;
use crate::domain::labels::Labels;
use crate::domain::node::Node;
use crate::domain::open_labels::OpenLabels;
use crate::domain::open_labels::values::Values;
use crate::domain::placement::Placer;
use crate::domain::placement::affinity::{NodeSelector, Operator, Requirement, Term};
use crate::domain::placement::toleration::{Toleration, TolerationOperator};
use crate::domain::platform::Platform;
use crate::domain::runtime::Runtime;
use crate::domain::taint::{Effect, Taint};

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn labels(value: &Value) -> Labels {
    value
        .as_object()
        .map(|map| {
            map.iter()
                .map(|(key, value)| (key.clone(), text(value)))
                .collect()
        })
        .unwrap_or_default()
}

fn requirements(value: &Value) -> Vec<Requirement> {
    list(value)
        .iter()
        .map(|item| Requirement {
            key: text(&item["key"]),
            operator: Operator::from_name(&text(&item["operator"])),
            values: list(&item["values"]).iter().map(text).collect(),
        })
        .collect()
}

fn node(value: &Value) -> Node {
    Node {
        name: text(&value["name"]),
        labels: labels(&value["labels"]),
        taints: list(&value["taints"])
            .iter()
            .map(|taint| Taint {
                key: text(&taint["key"]),
                value: text(&taint["value"]),
                effect: Effect::from_name(&text(&taint["effect"])),
            })
            .collect(),
        unschedulable: value["unschedulable"] == true,
        extended_resources: Default::default(),
        platform: NodePlatform {
            platform: Platform::new("linux", "amd64", ""),
            runtime: Runtime::default(),
            emulates: Vec::new(),
        },
        source: Source::Node,
        open_labels: None,
    }
}

fn placement(spec: &Value, workload: &str) -> Placement {
    let required =
        &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    Placement {
        node_name: spec["nodeName"]
            .as_str()
            .filter(|name| !name.is_empty())
            .map(str::to_owned),
        node_selector: labels(&spec["nodeSelector"]),
        required_affinity: (!required.is_null()).then(|| NodeSelector {
            terms: list(&required["nodeSelectorTerms"])
                .iter()
                .map(|term| Term {
                    expressions: requirements(&term["matchExpressions"]),
                    fields: requirements(&term["matchFields"]),
                })
                .collect(),
        }),
        tolerations: list(&spec["tolerations"])
            .iter()
            .map(|toleration| Toleration {
                key: text(&toleration["key"]),
                operator: TolerationOperator::from_name(&text(&toleration["operator"])),
                value: text(&toleration["value"]),
                effect: Effect::named(&text(&toleration["effect"])),
            })
            .collect(),
        // A wanted deviation: `spec.os.name` filters here, though it does not steer the
        // scheduler, so the tables are asked without it.
        os: None,
        placer: match workload {
            "DaemonSet" => Placer::DaemonSet,
            _ => Placer::Scheduler,
        },
        ..Placement::default()
    }
}

#[test]
fn agrees_with_upstream() {
    let file = include_str!("../../../tests/data/node-affinity-vectors.json");
    let vectors: Vec<Value> = serde_json::from_str(file).unwrap();
    assert!(vectors.len() > 50);
    for vector in vectors {
        let node = node(&vector["node"]);
        // A wanted deviation: temporary taints never exclude.
        let deviates = node.taints.iter().any(Taint::is_temporary);
        let nodes: Nodes = [node].into_iter().collect();
        let placement = placement(&vector["pod_spec"], vector["workload"].as_str().unwrap());
        let found = candidates(&nodes, &placement, CandidateRules::default());
        assert_eq!(
            !found.is_empty(),
            deviates || vector["match"] == true,
            "{} {}: {:?}",
            vector["id"],
            vector["name"],
            found.excluded
        );
    }
}

fn plain(name: &str, architecture: &str) -> Node {
    let mut node = node(&Value::Null);
    node.name = name.to_owned();
    node.platform.platform = Platform::new("linux", architecture, "");
    node.labels
        .insert("kubernetes.io/hostname".to_owned(), name.to_owned());
    node.labels
        .insert("kubernetes.io/arch".to_owned(), architecture.to_owned());
    node
}

fn names(found: &Candidates) -> Vec<&str> {
    found
        .platforms
        .iter()
        .flat_map(|platform| &platform.nodes)
        .map(AsRef::as_ref)
        .collect()
}

#[test]
fn cordoned_nodes_do_not_count_unless_configured() {
    let mut cordoned = plain("z1", "s390x");
    cordoned.unschedulable = true;
    let nodes: Nodes = [plain("a1", "amd64"), cordoned].into_iter().collect();
    let found = candidates(&nodes, &Placement::default(), CandidateRules::default());
    assert_eq!(names(&found), ["a1"]);
    assert_eq!(found.excluded, [(Exclusion::Cordoned, 1)]);
    let rules = CandidateRules {
        cordoned: Cordoned::Counted,
        ..CandidateRules::default()
    };
    assert_eq!(
        candidates(&nodes, &Placement::default(), rules)
            .platforms
            .len(),
        2
    );
    let daemon = Placement {
        placer: Placer::DaemonSet,
        ..Placement::default()
    };
    assert_eq!(
        candidates(&nodes, &daemon, CandidateRules::default())
            .platforms
            .len(),
        2
    );
}

#[test]
fn temporary_taints_keep_no_node_away_whatever_their_effect() {
    let temporary = [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
        "node.kubernetes.io/memory-pressure",
        "node.kubernetes.io/disk-pressure",
        "node.kubernetes.io/pid-pressure",
        "node.kubernetes.io/network-unavailable",
        "node.cloudprovider.kubernetes.io/uninitialized",
    ];
    let lasting = [
        "node.kubernetes.io/out-of-service",
        "node.kubernetes.io/unschedulable",
        "node-role.kubernetes.io/control-plane",
        "example.com/not-ready",
    ];
    for (key, stays) in temporary
        .map(|key| (key, true))
        .into_iter()
        .chain(lasting.map(|key| (key, false)))
    {
        for effect in [Effect::NoSchedule, Effect::NoExecute] {
            let taint = Taint {
                key: key.to_owned(),
                value: String::new(),
                effect,
            };
            let mut tainted = plain("a1", "amd64");
            tainted.taints = vec![taint.clone()];
            let nodes: Nodes = [tainted].into_iter().collect();
            let found = candidates(&nodes, &Placement::default(), CandidateRules::default());
            assert_eq!(!found.is_empty(), stays, "{taint}");
        }
    }
}

/// Only what nothing but the cordon keeps away may wait for it.
#[test]
fn cordoned_platforms_are_those_that_would_be_candidates_otherwise() {
    let cordoned = |name: &str, architecture: &str| Node {
        unschedulable: true,
        ..plain(name, architecture)
    };
    let tainted = Node {
        taints: vec![Taint {
            key: "dedicated".to_owned(),
            value: String::new(),
            effect: Effect::NoSchedule,
        }],
        ..cordoned("p1", "ppc64le")
    };
    let nodes: Nodes = [
        plain("a1", "amd64"),
        cordoned("a2", "amd64"),
        cordoned("z1", "s390x"),
        cordoned("z2", "s390x"),
        tainted,
    ]
    .into_iter()
    .collect();
    let found = candidates(&nodes, &Placement::default(), CandidateRules::default());
    assert_eq!(names(&found), ["a1"]);
    let [waiting] = found.cordoned.as_slice() else {
        panic!("{:?}", found.cordoned);
    };
    assert_eq!(waiting.platform.platform.architecture, "s390x");
    assert_eq!(waiting.node_count, 2);
    let counted = CandidateRules {
        cordoned: Cordoned::Counted,
        ..CandidateRules::default()
    };
    let found = candidates(&nodes, &Placement::default(), counted);
    assert!(found.cordoned.is_empty());
    assert_eq!(names(&found), ["a1", "a2", "z1", "z2"]);
}

#[test]
fn a_selector_on_the_host_name_is_judged_node_by_node() {
    let nodes: Nodes = (0..20)
        .map(|number| plain(&format!("a{number}"), "amd64"))
        .collect();
    let placement = Placement {
        node_selector: [("kubernetes.io/hostname".to_owned(), "a7".to_owned())].into(),
        ..Placement::default()
    };
    let found = candidates(&nodes, &placement, CandidateRules::default());
    assert_eq!(names(&found), ["a7"]);
    assert_eq!(found.excluded, [(Exclusion::Selector, 19)]);
}

#[test]
fn a_candidate_platform_keeps_ten_names_and_the_whole_count() {
    let nodes: Nodes = (0..25)
        .map(|number| plain(&format!("a{number}"), "amd64"))
        .collect();
    let found = candidates(&nodes, &Placement::default(), CandidateRules::default());
    assert_eq!(
        (
            found.platforms[0].nodes.iter().len(),
            found.platforms[0].node_count
        ),
        (10, 25)
    );
}

#[test]
fn nodes_without_an_extended_resource_are_dropped() {
    let mut gpu = plain("g1", "amd64");
    gpu.extended_resources.insert("nvidia.com/gpu".to_owned());
    let nodes: Nodes = [gpu, plain("z1", "s390x")].into_iter().collect();
    let placement = Placement {
        extended_resources: ["nvidia.com/gpu".to_owned()].into(),
        ..Placement::default()
    };
    assert_eq!(
        names(&candidates(&nodes, &placement, CandidateRules::default())),
        ["g1"]
    );
}

#[test]
fn what_a_pool_may_grow_is_certain_where_a_node_of_it_exists() {
    let mut pool = plain("any", "");
    pool.source = Source::NodePool;
    pool.labels.clear();
    let open = [("kubernetes.io/arch".to_owned(), Values::any())];
    pool.open_labels = Some(Arc::new(OpenLabels {
        labels: open.into(),
        ..OpenLabels::default()
    }));
    let nodes: Nodes = [plain("a1", "amd64"), plain("z1", "s390x"), pool]
        .into_iter()
        .collect();
    let shown = |placement: &Placement| -> Vec<(String, usize, bool, usize)> {
        let found = candidates(&nodes, placement, CandidateRules::default());
        let platforms = found.platforms.iter();
        assert!(platforms.clone().is_sorted_by_key(|found| &found.platform));
        platforms
            .map(|found| {
                let name = found.platform.platform.to_string();
                (name, found.node_count, found.is_certain, found.pools.len())
            })
            .collect()
    };
    let row = |name: &str, nodes, certain, pools| (name.to_owned(), nodes, certain, pools);
    assert_eq!(
        shown(&Placement::default()),
        [
            row("linux/unknown", 0, false, 1),
            row("linux/amd64", 1, true, 0),
            row("linux/s390x", 1, true, 0),
        ]
    );
    let requirement = |operator: &str, values: &[&str]| Requirement {
        key: "kubernetes.io/arch".to_owned(),
        operator: Operator::from_name(operator),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    let requiring = |requirement| Placement {
        required_affinity: Some(NodeSelector {
            terms: vec![Term {
                expressions: vec![requirement],
                fields: Vec::new(),
            }],
        }),
        ..Placement::default()
    };
    assert_eq!(
        shown(&requiring(requirement("In", &["s390x", "arm64"]))),
        [
            row("linux/arm64", 0, false, 1),
            row("linux/s390x", 1, true, 1),
        ]
    );
    assert_eq!(
        shown(&requiring(requirement("NotIn", &["s390x"]))),
        [
            row("linux/unknown", 0, false, 1),
            row("linux/amd64", 1, true, 0),
        ]
    );
}

#[test]
fn upstream_does_not_look_at_the_fields_of_a_node_without_a_name() {
    use serde_json::json;

    let spec = json!({"affinity": {"nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n0"]}]},
        ]},
    }}});
    for (name, expected) in [("", 1), ("n0", 1), ("n1", 0)] {
        let nodes: Nodes = [node(&json!({"name": name}))].into_iter().collect();
        let placement = placement(&spec, "Pod");
        let found = candidates(&nodes, &placement, CandidateRules::default());
        let count: usize = found.platforms.iter().map(|one| one.node_count).sum();
        assert_eq!(count, expected, "{name:?}");
    }
}

/// What is found with so many steps left: nothing where they do not suffice.
fn with_steps(nodes: &Nodes, placement: &Placement, left: u64) -> bool {
    let steps = Steps::default();
    assert!(steps.take(usize::try_from(MOST_STEPS - left).unwrap()));
    let found = candidates_within(nodes, placement, CandidateRules::default(), &steps);
    found.undetermined.is_none()
}

#[test]
fn whatever_is_asked_of_a_node_or_a_pool_takes_steps() {
    let one: Nodes = [plain("a1", "amd64")].into_iter().collect();
    let resources = (0..100).map(|number| format!("x.example/r{number}"));
    let greedy = Placement {
        extended_resources: resources.collect(),
        ..Placement::default()
    };
    let named = |number| Term {
        expressions: Vec::new(),
        fields: vec![Requirement {
            key: "metadata.name".to_owned(),
            operator: Operator::In,
            values: vec![format!("n{number}")],
        }],
    };
    let naming = Placement {
        required_affinity: Some(NodeSelector {
            terms: (0..100).map(named).collect(),
        }),
        ..Placement::default()
    };
    let mut pool = plain("any", "amd64");
    pool.source = Source::NodePool;
    pool.open_labels = Some(Arc::default());
    let pool: Nodes = [pool].into_iter().collect();
    let toleration = |number| Toleration::exists(&format!("k{number}"), None);
    let tolerant = Placement {
        tolerations: (0..100).map(toleration).collect(),
        ..Placement::default()
    };
    for (nodes, placement) in [(&one, &greedy), (&one, &naming), (&pool, &tolerant)] {
        assert!(!with_steps(nodes, placement, 90), "{placement:?}");
        assert!(with_steps(nodes, placement, 120), "{placement:?}");
    }
}

#[test]
fn so_many_architectures_of_an_open_pool_are_told_apart() {
    let mut pool = plain("any", "");
    pool.source = Source::NodePool;
    pool.labels.clear();
    let open = [("kubernetes.io/arch".to_owned(), Values::any())];
    pool.open_labels = Some(Arc::new(OpenLabels {
        labels: open.into(),
        ..OpenLabels::default()
    }));
    let nodes: Nodes = [pool].into_iter().collect();
    for (count, told_apart) in [(16, 16), (100, 17)] {
        let term = Term {
            expressions: vec![Requirement {
                key: "kubernetes.io/arch".to_owned(),
                operator: Operator::In,
                values: (0..count).map(|number| format!("a{number}")).collect(),
            }],
            fields: Vec::new(),
        };
        let placement = Placement {
            required_affinity: Some(NodeSelector { terms: vec![term] }),
            ..Placement::default()
        };
        let found = candidates(&nodes, &placement, CandidateRules::default());
        // All others are one, whose architecture is not known.
        assert_eq!(found.platforms.len(), told_apart, "{count}");
    }
}
