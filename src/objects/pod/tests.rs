use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

#[track_caller]
fn read(origin: SpecOrigin, spec: &Value) -> PodTemplate {
    let text = spec.to_string();
    let from_tree = PodSpec::deserialize(spec)
        .expect("tree")
        .into_template(origin);
    let from_bytes: PodSpec<'_> = serde_json::from_slice(text.as_bytes()).expect("bytes");
    assert_eq!(from_bytes.into_template(origin), from_tree, "{text}");
    from_tree
}

fn images(template: &PodTemplate) -> Vec<(&str, Vec<&str>, Usage, bool)> {
    let rows = template.images.iter().map(|image| {
        let containers = image.containers.iter().map(String::as_str).collect();
        (
            image.image.as_str(),
            containers,
            image.usage,
            image.preloaded,
        )
    });
    rows.collect()
}

#[test]
fn every_place_of_an_image_is_read() {
    let template = read(
        SpecOrigin::Pod,
        &json!({
            "containers": [
                {"name": "web", "image": "a:1", "ports": [{"containerPort": 80}]},
                {"name": "side", "image": "a:1", "imagePullPolicy": "Always"},
                {"name": "local", "image": "a:1", "imagePullPolicy": "Never"},
            ],
            "initContainers": [{"name": "init", "image": "b"}],
            "ephemeralContainers": [{"name": "debug", "image": "c"}],
            "volumes": [
                {"name": "data", "emptyDir": {}},
                {"name": "model", "image": {"reference": "d", "pullPolicy": "Never"}},
                {"name": "more", "image": {"reference": "b"}},
            ],
        }),
    );
    assert_eq!(
        images(&template),
        [
            ("a:1", vec!["web", "side"], Usage::Container, false),
            ("a:1", vec!["local"], Usage::Container, true),
            ("b", vec!["init"], Usage::Container, false),
            ("c", vec!["debug"], Usage::Container, false),
            ("d", vec!["model"], Usage::Volume, true),
            ("b", vec!["more"], Usage::Volume, false),
        ]
    );
}

#[test]
fn an_empty_image_counts_in_a_pod_only() {
    let spec = json!({
        "containers": [{"name": "a", "image": ""}, {"name": "b"}, {"name": "c", "image": null}],
        "volumes": [{"name": "v", "image": {}}],
    });
    let pod = read(SpecOrigin::Pod, &spec);
    assert_eq!(
        images(&pod),
        [
            ("", vec!["a", "b", "c"], Usage::Container, false),
            ("", vec!["v"], Usage::Volume, false),
        ]
    );
    assert!(pod.images.iter().all(|image| image.reference.is_err()));
    assert_eq!(images(&read(SpecOrigin::Template, &spec)), []);
    assert_eq!(images(&read(SpecOrigin::DaemonSet, &spec)), []);
}

#[test]
fn placement_is_read_in_full() {
    let template = read(
        SpecOrigin::DaemonSet,
        &json!({
            "containers": [
                {"name": "a", "image": "a", "resources": {
                    "requests": {"cpu": "1", "nvidia.com/gpu": 1, "example.com/none": "0"},
                    "limits": {"nvidia.com/gpu": "1", "amd.com/gpu": "2", "hugepages-2Mi": "4Mi"},
                }},
            ],
            "initContainers": [{"resources": {"limits": {"example.com/init": "1k"}}}],
            "nodeName": "n1",
            "nodeSelector": {"disk": "ssd", "empty": null},
            "affinity": {"nodeAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}],
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{
                    "matchExpressions": [
                        {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64", "s390x"]},
                        {"key": "x", "operator": "Exists"},
                    ],
                    "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}],
                }]},
            }},
            "tolerations": [
                {"key": "z", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 3},
                {"operator": "Exists"},
            ],
            "os": {"name": "linux"},
            "runtimeClassName": "gvisor",
            "schedulingGates": [{"name": "example.com/gate"}],
            "serviceAccountName": "robot",
            "imagePullSecrets": [{"name": "one"}, {}, {"name": "two"}],
        }),
    );
    let text = |text: &str| text.to_owned();
    let requirement = |key: &str, operator: &str, values: &[&str]| Requirement {
        key: text(key),
        operator: Operator::from_name(operator),
        values: values.iter().map(|value| text(value)).collect(),
    };
    let placement = Placement {
        node_name: Some(text("n1")),
        node_selector: [("disk", "ssd"), ("empty", "")]
            .map(|(key, value)| (text(key), text(value)))
            .into(),
        required_affinity: Some(NodeSelector {
            terms: vec![Term {
                expressions: vec![
                    requirement("kubernetes.io/arch", "In", &["amd64", "s390x"]),
                    requirement("x", "Exists", &[]),
                ],
                fields: vec![requirement("metadata.name", "In", &["n1"])],
            }],
        }),
        is_cut: false,
        tolerations: vec![
            Toleration::exists("z", Effect::NoSchedule),
            Toleration::exists("", None),
        ],
        os: Some(text("linux")),
        extended_resources: BTreeSet::from(
            ["amd.com/gpu", "example.com/init", "nvidia.com/gpu"].map(text),
        ),
        runtime_class: Some(text("gvisor")),
        gated: true,
        placer: Placer::DaemonSet,
    };
    assert_eq!(template.placement, placement);
    assert_eq!(template.service_account, "robot");
    assert_eq!(template.pull_secrets, ["one", "two"]);
}

#[test]
fn null_is_as_good_as_absent() {
    let nothing = read(SpecOrigin::Template, &json!({}));
    assert_eq!(nothing, PodTemplate::default());
    for field in [
        "containers",
        "initContainers",
        "ephemeralContainers",
        "volumes",
        "nodeName",
        "nodeSelector",
        "affinity",
        "tolerations",
        "os",
        "runtimeClassName",
        "schedulingGates",
        "serviceAccountName",
        "imagePullSecrets",
    ] {
        assert_eq!(
            read(SpecOrigin::Template, &json!({field: null})),
            nothing,
            "{field}"
        );
    }
    let nested = json!({
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": null}},
        "schedulingGates": [],
    });
    assert_eq!(read(SpecOrigin::Template, &nested), nothing);
}

#[test]
fn a_required_affinity_without_terms_is_kept() {
    for terms in [
        json!({}),
        json!({"nodeSelectorTerms": null}),
        json!({"nodeSelectorTerms": []}),
    ] {
        let spec = json!({"affinity": {"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": terms,
        }}});
        let placement = read(SpecOrigin::Pod, &spec).placement;
        assert_eq!(
            placement.required_affinity,
            Some(NodeSelector::default()),
            "{spec}"
        );
    }
}

#[test]
fn only_known_operating_systems_count() {
    for (os, expected) in [
        (json!({"name": "linux"}), Some("linux")),
        (json!({"name": "windows"}), Some("windows")),
        (json!({"name": "Linux"}), None),
        (json!({"name": "plan9"}), None),
        (json!({}), None),
    ] {
        let placement = read(SpecOrigin::Pod, &json!({"os": os})).placement;
        assert_eq!(placement.os.as_deref(), expected, "{os}");
    }
}

#[test]
fn a_template_that_selects_arm64_tolerates_what_gke_taints_arm_nodes_with() {
    let selector = json!({"nodeSelector": {"kubernetes.io/arch": "arm64"}});
    let affinity = |values: Value| {
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/arch", "operator": "In", "values": values},
            ]}],
        }}}})
    };
    for (origin, spec, expected) in [
        (SpecOrigin::Template, &selector, true),
        (SpecOrigin::Template, &affinity(json!(["arm64"])), true),
        (
            SpecOrigin::Template,
            &affinity(json!(["amd64", "arm64"])),
            false,
        ),
        (SpecOrigin::Template, &json!({}), false),
        // A pod has it by the time that it is judged; the DaemonSet controller goes by the
        // template as it is.
        (SpecOrigin::Pod, &selector, false),
        (SpecOrigin::DaemonSet, &selector, false),
    ] {
        let tolerations = read(origin, spec).placement.tolerations;
        assert_eq!(!tolerations.is_empty(), expected, "{origin:?} {spec}");
    }
}
