use serde_json::json;

use super::*;
use crate::domain::candidates::{CandidateRules, Candidates, candidates};
use crate::domain::node::Nodes;
use crate::domain::placement::Placement;
use crate::domain::placement::affinity::{NodeSelector, Operator, Requirement, Term};
use crate::domain::placement::toleration::Toleration;
use crate::domain::taint::Effect;

fn node_pool(spec: Value) -> Value {
    json!({
        "apiVersion": "karpenter.sh/v1", "kind": "NodePool",
        "metadata": {"name": "arm"},
        "spec": {"template": {"spec": spec}},
    })
}

fn requirements(list: Value) -> Value {
    node_pool(json!({"requirements": list}))
}

fn machines(kind: &str, annotations: Value) -> Value {
    let mut object = json!({
        "apiVersion": "cluster.x-k8s.io/v1beta2", "kind": kind,
        "metadata": {"name": "workers", "namespace": "capi", "annotations": {
            "cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size": "0",
            "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size": "5",
        }},
        "spec": {"template": {}},
    });
    for (key, value) in annotations.as_object().unwrap() {
        object["metadata"]["annotations"][key] = value.clone();
    }
    object
}

fn record(object: &Value) -> Result<PoolRecord, ObjectError> {
    let api_version = object["apiVersion"].as_str().unwrap();
    let (group, _) = api_version.split_once('/').unwrap();
    let kind = PoolKind::named(group, object["kind"].as_str().unwrap());
    read(kind.expect("a pool"), object)
}

fn found(object: &Value, placement: &Placement) -> Candidates {
    let pool = record(object).unwrap().pool.expect("a pool that grows");
    let nodes: Nodes = pool.to_nodes(&[]).into_iter().collect();
    candidates(&nodes, placement, CandidateRules::default())
}

/// The platforms on which a pod may land, `?` behind those that are merely possible.
fn platforms(object: &Value, placement: &Placement) -> Vec<String> {
    let platforms = found(object, placement).platforms.into_iter();
    let name = |candidate: crate::domain::candidates::CandidatePlatform| {
        assert_eq!((candidate.node_count, candidate.nodes.iter().len()), (0, 0));
        let mark = if candidate.is_certain { "" } else { "?" };
        format!("{}{mark}", candidate.platform.platform)
    };
    platforms.map(name).collect()
}

fn selecting(pairs: &[(&str, &str)]) -> Placement {
    let pairs = pairs.iter();
    Placement {
        node_selector: pairs
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        ..Placement::default()
    }
}

fn requiring(requirements: &[(&str, &str, &[&str])]) -> Placement {
    let requirements = requirements.iter();
    let expressions = requirements.map(|(key, operator, values)| Requirement {
        key: (*key).to_owned(),
        operator: Operator::from_name(operator),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    });
    Placement {
        required_affinity: Some(NodeSelector {
            terms: vec![Term {
                expressions: expressions.collect(),
                fields: Vec::new(),
            }],
        }),
        ..Placement::default()
    }
}

#[test]
fn a_node_pool_offers_its_architectures_and_its_labels() {
    let mut pool = requirements(json!([
        {"key": "beta.kubernetes.io/arch", "operator": "In", "values": ["arm64", "s390x"]},
        {"key": "team", "operator": "In", "values": ["a"]},
        {"key": "size", "operator": "In", "values": ["s", "m"]},
    ]));
    pool["spec"]["template"]["metadata"] = json!({"labels": {"tier": "web"}});
    let both: &[&str] = &["linux/arm64", "linux/s390x"];
    for (placement, expected) in [
        (Placement::default(), both),
        (
            selecting(&[("kubernetes.io/arch", "s390x")]),
            &["linux/s390x"],
        ),
        (
            selecting(&[("beta.kubernetes.io/arch", "s390x")]),
            &["linux/s390x"],
        ),
        (selecting(&[("kubernetes.io/arch", "amd64")]), &[]),
        (
            selecting(&[
                ("karpenter.sh/nodepool", "arm"),
                ("team", "a"),
                ("tier", "web"),
            ]),
            both,
        ),
        (selecting(&[("karpenter.sh/nodepool", "other")]), &[]),
        (selecting(&[("size", "m")]), both),
        (selecting(&[("size", "l")]), &[]),
        (requiring(&[("size", "NotIn", &["s"])]), both),
        (requiring(&[("size", "NotIn", &["s", "m"])]), &[]),
        (
            requiring(&[("size", "In", &["s"]), ("size", "NotIn", &["s"])]),
            &[],
        ),
        // Well-known, and not mentioned.
        (selecting(&[("topology.kubernetes.io/zone", "z1")]), both),
        (selecting(&[("karpenter.sh/capacity-type", "spot")]), both),
        (
            requiring(&[("topology.kubernetes.io/zone", "DoesNotExist", &[])]),
            &[],
        ),
        // Not well-known, and not mentioned.
        (selecting(&[("disk", "ssd")]), &[]),
        (requiring(&[("disk", "Exists", &[])]), &[]),
        (requiring(&[("disk", "NotIn", &["ssd"])]), both),
        (requiring(&[("disk", "DoesNotExist", &[])]), both),
    ] {
        assert_eq!(platforms(&pool, &placement), expected, "{placement:?}");
    }
}

#[test]
fn every_operator_of_a_requirement_counts() {
    let arch = json!({"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]});
    for (operator, values, matching, other) in [
        ("In", json!(["5", "7"]), "5", "6"),
        ("NotIn", json!(["5"]), "6", "5"),
        ("Gt", json!(["5"]), "6", "5"),
        ("Lt", json!(["5"]), "4", "5"),
        ("Gte", json!(["5"]), "5", "4"),
        ("Lte", json!(["5"]), "5", "6"),
    ] {
        let wanted = json!({"key": "cpu", "operator": operator, "values": values});
        let pool = requirements(json!([arch, wanted]));
        let on = |value| platforms(&pool, &selecting(&[("cpu", value)])).len();
        assert_eq!((on(matching), on(other)), (1, 0), "{operator}");
    }
    let with = |operator| {
        let wanted = json!({"key": "cpu", "operator": operator, "values": null});
        let pool = requirements(json!([arch, wanted]));
        let on = |operator| platforms(&pool, &requiring(&[("cpu", operator, &[])])).len();
        (on("Exists"), on("DoesNotExist"))
    };
    assert_eq!(with("Exists"), (1, 0));
    assert_eq!(with("DoesNotExist"), (0, 1));
}

#[test]
fn an_open_architecture_is_what_the_pod_names_and_proves_nothing() {
    let pool = requirements(json!([]));
    let arch = "kubernetes.io/arch";
    for (placement, expected) in [
        (Placement::default(), vec!["linux/unknown?"]),
        (selecting(&[(arch, "arm64")]), vec!["linux/arm64?"]),
        (
            requiring(&[(arch, "In", &["s390x", "amd64"])]),
            vec!["linux/amd64?", "linux/s390x?"],
        ),
        (
            requiring(&[(arch, "NotIn", &["arm64"])]),
            vec!["linux/unknown?"],
        ),
        (requiring(&[(arch, "Exists", &[])]), vec!["linux/unknown?"]),
        (requiring(&[(arch, "DoesNotExist", &[])]), vec![]),
    ] {
        assert_eq!(platforms(&pool, &placement), expected, "{placement:?}");
    }
    let not_arm = json!([{"key": arch, "operator": "NotIn", "values": ["arm64"]}]);
    let pool = requirements(not_arm);
    assert!(platforms(&pool, &selecting(&[(arch, "arm64")])).is_empty());
}

#[test]
fn taints_count_and_startup_taints_do_not() {
    let pool = node_pool(json!({
        "requirements": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"]}],
        "taints": [{"key": "arm", "effect": "NoSchedule"}],
        "startupTaints": [{"key": "agent", "effect": "NoSchedule"}],
    }));
    assert!(platforms(&pool, &Placement::default()).is_empty());
    let tolerating = Placement {
        tolerations: vec![Toleration::exists("arm", Effect::NoSchedule)],
        ..Placement::default()
    };
    assert_eq!(platforms(&pool, &tolerating), ["linux/arm64"]);
}

#[test]
fn labels_of_the_provider_and_devices_may_be_anything() {
    for class in [
        json!({"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "default"}),
        json!({"apiVersion": "karpenter.k8s.aws/v1beta1", "kind": "EC2NodeClass"}),
    ] {
        let pool = node_pool(json!({
            "requirements": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"]}],
            "nodeClassRef": class,
        }));
        let family = "karpenter.k8s.aws/instance-family";
        assert_eq!(
            platforms(&pool, &selecting(&[(family, "c7g")])),
            ["linux/arm64"]
        );
        let other = "karpenter.azure.com/sku-family";
        assert!(platforms(&pool, &selecting(&[(other, "D")])).is_empty());
        let gpu = Placement {
            extended_resources: ["nvidia.com/gpu".to_owned()].into(),
            ..Placement::default()
        };
        assert_eq!(platforms(&pool, &gpu), ["linux/arm64"]);
    }
}

#[test]
fn nobody_can_name_a_node_that_does_not_exist_yet() {
    let pool = requirements(json!([
        {"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"]},
    ]));
    let named = Placement {
        node_name: Some("arm".to_owned()),
        ..Placement::default()
    };
    assert!(platforms(&pool, &named).is_empty());
    let field = |operator: &str| {
        let mut placement = requiring(&[("metadata.name", operator, &["arm"])]);
        let term = &mut placement.required_affinity.as_mut().unwrap().terms[0];
        term.fields = std::mem::take(&mut term.expressions);
        platforms(&pool, &placement)
    };
    assert!(field("In").is_empty());
    assert_eq!(field("NotIn"), ["linux/arm64"]);
}

#[test]
fn a_node_pool_that_is_held_at_zero_grows_nothing() {
    for (pointer, value, grows) in [
        ("/spec/limits", json!({"cpu": "0"}), false),
        ("/spec/limits", json!({"memory": 0}), false),
        ("/spec/limits", json!({"nodes": "0"}), false),
        ("/spec/limits", json!({"cpu": "100", "memory": "1Gi"}), true),
        ("/spec/limits", json!({"nvidia.com/gpu": "0"}), true),
        ("/spec/limits", json!(null), true),
        ("/spec/replicas", json!(0), false),
        ("/spec/replicas", json!(3), true),
        ("/spec/weight", json!(100), true),
        (
            "/metadata/deletionTimestamp",
            json!("2026-01-01T00:00:00Z"),
            false,
        ),
    ] {
        let mut pool = requirements(json!([]));
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        pool.pointer_mut(parent).unwrap()[key] = value.clone();
        let found = record(&pool).unwrap().pool.is_some();
        assert_eq!(found, grows, "{pointer} {value}");
    }
}

#[test]
fn broken_node_pools_name_the_object_and_the_field() {
    for (list, expected) in [
        (
            json!([{"key": "a", "operator": "Near", "values": ["x"]}]),
            "read NodePool arm spec.template.spec.requirements[0].operator: expected In",
        ),
        (
            json!([null]),
            "read NodePool arm spec.template.spec.requirements[0].key: expected a label",
        ),
        (
            json!([{"key": "a", "operator": "In", "values": null}]),
            "read NodePool arm spec.template.spec.requirements[0].values: expected at least one",
        ),
        (
            json!([{"key": "a", "operator": "Gt", "values": ["99999999999999999999"]}]),
            "read NodePool arm spec.template.spec.requirements[0].values: expected one integer",
        ),
        (
            json!([{"key": "a", "operator": "In", "values": [1]}]),
            "read NodePool arm spec.template.spec.requirements[0].values[0]: ",
        ),
        (
            json!([{"key": "a", "operator": "Exists"}, {"key": "a", "operator": "DoesNotExist"}]),
            "read NodePool arm spec.template.spec.requirements[1]: leaves no value for a",
        ),
        (
            json!({}),
            "read NodePool arm spec.template.spec.requirements: ",
        ),
    ] {
        let error = record(&requirements(list.clone()))
            .expect_err("broken")
            .to_string();
        assert!(error.starts_with(expected), "{list}: {error}");
    }
    let many: Vec<String> = (0..33).map(|number| format!("a{number}")).collect();
    let list = json!([{"key": "kubernetes.io/arch", "operator": "In", "values": many}]);
    assert!(record(&requirements(list)).is_err());
    let mut contradiction = requirements(json!([{"key": "a", "operator": "DoesNotExist"}]));
    contradiction["spec"]["template"]["metadata"] = json!({"labels": {"a": "b"}});
    let error = record(&contradiction).expect_err("contradiction");
    assert_eq!(error.path(), "spec.template.metadata.labels.a");
    for spec in [
        json!(null),
        json!({}),
        json!({"requirements": null, "taints": null}),
    ] {
        assert!(record(&node_pool(spec)).unwrap().pool.is_some());
    }
    let mut replicas = requirements(json!([]));
    replicas["spec"]["replicas"] = json!(1e300);
    assert_eq!(
        record(&replicas).expect_err("range").path(),
        "spec.replicas"
    );
}

#[test]
fn duplicated_keys_are_one_field() {
    let text = r#"{"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "a"},
        "spec": {"replicas": 0, "replicas": 1}}"#;
    let object: Value = serde_json::from_str(text).unwrap();
    assert!(record(&object).unwrap().pool.is_some());
}

#[test]
fn the_cluster_api_is_read_as_the_autoscaler_reads_it() {
    let labels = "capacity.cluster-autoscaler.kubernetes.io/labels";
    let taints = "capacity.cluster-autoscaler.kubernetes.io/taints";
    for kind in ["MachineDeployment", "MachineSet", "MachinePool"] {
        let mut object = machines(
            kind,
            json!({
                labels: "kubernetes.io/arch=s390x,pool=z,broken",
                taints: "z=2:NoSchedule,other=x:NoExecute,a:b:c",
            }),
        );
        object["spec"]["template"] = json!({
            "metadata": {"labels": {"node-role.kubernetes.io/z": "", "internal": "x"}},
            "spec": {"taints": [
                {"key": "z", "value": "1", "effect": "NoSchedule", "propagation": "Always"},
                {"key": "kept", "effect": "NoSchedule"},
            ]},
        });
        let pool = record(&object).unwrap().pool.expect(kind);
        assert_eq!(pool.source.name(), kind.to_lowercase());
        assert_eq!(
            pool.display_name().to_string(),
            format!("{kind} capi/workers")
        );
        let shown: Vec<String> = pool.taints.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            ["z=2:NoSchedule", "kept:NoSchedule", "other=x:NoExecute"]
        );
        let keys: Vec<&str> = pool.labels.keys().map(String::as_str).collect();
        let expected = [
            "kubernetes.io/arch",
            "kubernetes.io/os",
            "node-role.kubernetes.io/z",
            "pool",
        ];
        assert_eq!(keys, expected);
        assert_eq!(
            pool.to_nodes(&[])[0].platform.platform.to_string(),
            "linux/s390x"
        );
    }
}

#[test]
fn an_unstated_architecture_of_the_cluster_api_is_open() {
    let object = machines("MachineDeployment", json!({}));
    assert_eq!(
        platforms(&object, &Placement::default()),
        ["linux/unknown?"]
    );
}

#[test]
fn what_is_not_autoscaled_grows_nothing() {
    let min = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size";
    let max = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size";
    for (annotations, grows) in [
        (json!({}), true),
        (json!({min: "5"}), true),
        (json!({max: "0"}), false),
        (json!({min: "6"}), false),
    ] {
        let object = machines("MachineSet", annotations.clone());
        assert_eq!(
            record(&object).unwrap().pool.is_some(),
            grows,
            "{annotations}"
        );
    }
    for key in [min, max] {
        let mut object = machines("MachineSet", json!({}));
        let annotations = object["metadata"]["annotations"].as_object_mut().unwrap();
        annotations.remove(key);
        assert!(record(&object).unwrap().pool.is_none(), "{key}");
        for text in ["many", "-1", "99999999999999999999", ""] {
            let object = machines("MachineSet", json!({key: text}));
            let error = record(&object).expect_err(text).to_string();
            let expected = format!("read MachineSet capi/workers metadata.annotations.{key}: ");
            assert!(error.starts_with(&expected), "{error}");
        }
    }
    let mut owned = machines("MachineSet", json!({}));
    owned["metadata"]["ownerReferences"] = json!([{"kind": "MachineDeployment", "name": "d"}]);
    assert!(record(&owned).unwrap().pool.is_none());
}

#[test]
fn machine_sets_of_openshift_run_cri_o() {
    let object = json!({
        "apiVersion": "machine.openshift.io/v1beta1", "kind": "MachineSet",
        "metadata": {"name": "z", "namespace": "openshift-machine-api", "annotations": {
            "machine.openshift.io/cluster-api-autoscaler-node-group-min-size": "0",
            "machine.openshift.io/cluster-api-autoscaler-node-group-max-size": "3",
            "capacity.cluster-autoscaler.kubernetes.io/labels": "kubernetes.io/arch=s390x",
        }},
        "spec": {"template": {"spec": {"metadata": {"labels": {"role": "z"}}}}},
    });
    let candidates = found(&object, &selecting(&[("role", "z")]));
    assert_eq!(candidates.platforms[0].platform.runtime.name(), "cri-o");
    assert_eq!(
        candidates.platforms[0].platform.platform.to_string(),
        "linux/s390x"
    );
}

/// Every place of a tree, as JSON pointers.
fn pointers(value: &Value, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, child)| (key.replace('~', "~0").replace('/', "~1"), child))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, child)| (index.to_string(), child))
            .collect(),
        _ => Vec::new(),
    };
    for (key, child) in children {
        pointers(child, &format!("{here}/{key}"), found);
    }
}

#[test]
fn whatever_stands_in_a_field_is_read_or_refused_by_name() {
    let mut full = node_pool(json!({
        "requirements": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"]}],
        "taints": [{"key": "arm", "value": "x", "effect": "NoSchedule"}],
        "nodeClassRef": {"group": "karpenter.k8s.aws"},
    }));
    full["spec"]["limits"] = json!({"cpu": 5});
    full["spec"]["template"]["metadata"] = json!({"labels": {"a": "b"}});
    let mut machines = machines("MachineSet", json!({"other": "x"}));
    machines["metadata"]["ownerReferences"] = json!([{"kind": "Cluster"}]);
    machines["spec"]["template"]["spec"] = json!({"taints": [{"key": "a", "effect": "x"}]});
    let intruders = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!([]),
        json!({}),
        json!([[]]),
        json!({"a": {}}),
        json!("\u{0}\u{1b}[31m"),
        json!("x".repeat(10_000)),
    ];
    let mut refused = 0;
    for object in [full, machines] {
        let mut places = Vec::new();
        pointers(&object, "", &mut places);
        let metadata = ["", "/metadata", "/metadata/name", "/metadata/namespace"];
        let fixed = ["/apiVersion", "/kind"];
        for place in places
            .iter()
            .filter(|place| !fixed.contains(&place.as_str()))
        {
            for intruder in &intruders {
                let mut broken = object.clone();
                *broken.pointer_mut(place).unwrap() = intruder.clone();
                let kind = match object["kind"].as_str() {
                    Some("NodePool") => PoolKind::NodePool,
                    _ => PoolKind::MachineSet,
                };
                let Err(error) = read(kind, &broken) else {
                    continue;
                };
                refused += 1;
                let error = error.to_string();
                let text = object["metadata"]["name"].as_str().unwrap();
                let is_named = metadata.contains(&place.as_str()) || error.contains(text);
                assert!(is_named && !error.contains('\u{1b}'), "{place}: {error}");
            }
        }
    }
    assert!(refused > 100, "{refused}");
}
