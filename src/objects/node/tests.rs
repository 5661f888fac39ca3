use serde_json::json;

use super::*;
use crate::domain::platform::Platform;
use crate::domain::runtime::Runtime;

fn node() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": "z1",
            "labels": {"kubernetes.io/arch": "s390x", "pool": "z"},
            "annotations": {"archmatch.io/emulates": "linux/amd64, linux/arm64"},
            "resourceVersion": "12",
        },
        "spec": {
            "podCIDR": "10.0.0.0/24",
            "unschedulable": true,
            "taints": [{"key": "z", "effect": "NoSchedule", "timeAdded": "2026-01-01T00:00:00Z"}],
        },
        "status": {
            "allocatable": {"cpu": "4", "nvidia.com/gpu": "2", "example.com/gone": "0"},
            "conditions": [{"type": "Ready", "lastHeartbeatTime": "2026-01-01T00:00:00Z"}],
            "nodeInfo": {
                "architecture": "s390x", "operatingSystem": "linux",
                "containerRuntimeVersion": "cri-o://1.33.1", "kubeletVersion": "v1.34.0",
            },
        },
    })
}

#[test]
fn a_node_is_read_in_full() {
    let (node, warning) = read(&node()).unwrap().to_node(&[]);
    assert_eq!(warning, None);
    assert_eq!(node.name, "z1");
    assert_eq!(node.labels["pool"], "z");
    assert_eq!(node.taints[0].to_string(), "z:NoSchedule");
    assert!(node.unschedulable);
    assert_eq!(
        node.extended_resources,
        ["nvidia.com/gpu".to_owned()].into()
    );
    assert_eq!(node.platform.platform, Platform::new("linux", "s390x", ""));
    assert_eq!(node.platform.runtime, Runtime::CriO);
    let emulates: Vec<String> = node
        .platform
        .emulates
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(emulates, ["linux/amd64", "linux/arm64"]);
    assert_eq!(node.source, Source::Node);
}

#[test]
fn a_heartbeat_changes_nothing() {
    let before = read(&node()).unwrap();
    let mut heartbeat = node();
    heartbeat["metadata"]["resourceVersion"] = json!("13");
    heartbeat["status"]["conditions"][0]["lastHeartbeatTime"] = json!("2026-01-01T00:05:00Z");
    heartbeat["status"]["images"] = json!([{"names": ["a"], "sizeBytes": 1}]);
    heartbeat["status"]["allocatable"]["cpu"] = json!("3920m");
    assert_eq!(read(&heartbeat).unwrap(), before);
    for (pointer, value) in [
        ("/metadata/labels/pool", json!("y")),
        ("/metadata/annotations/archmatch.io~1emulates", json!("")),
        ("/spec/unschedulable", json!(false)),
        ("/spec/taints", json!(null)),
        ("/status/allocatable/nvidia.com~1gpu", json!("0")),
        (
            "/status/nodeInfo/containerRuntimeVersion",
            json!("cri-o://1.34.0"),
        ),
    ] {
        let mut changed = node();
        *changed.pointer_mut(pointer).expect(pointer) = value;
        assert_ne!(read(&changed).unwrap(), before, "{pointer}");
    }
}

#[test]
fn a_bad_annotation_warns_and_has_no_effect() {
    let mut bad = node();
    bad["metadata"]["annotations"]["archmatch.io/emulates"] = json!("arm64");
    let (node, warning) = read(&bad).unwrap().to_node(&[]);
    assert_eq!(node.platform.emulates, []);
    let warning = warning.expect("a warning");
    assert!(
        warning.starts_with("node z1: annotation archmatch.io/emulates has no effect"),
        "{warning}"
    );
}

#[test]
fn overrides_and_the_windows_build_reach_the_platform() {
    let windows = json!({
        "metadata": {"name": "w", "labels": {"node.kubernetes.io/windows-build": "10.0.20348", "pool": "w"}},
        "status": {"nodeInfo": {"architecture": "amd64", "operatingSystem": "windows"}},
    });
    let overrides = [NodeOverride {
        selector: [("pool".to_owned(), "w".to_owned())].into(),
        runtime: Some(Runtime::Docker),
        ..NodeOverride::default()
    }];
    let (node, _) = read(&windows).unwrap().to_node(&overrides);
    assert_eq!(node.platform.platform.os_version, "10.0.20348");
    assert_eq!(node.platform.runtime, Runtime::Docker);
}

#[test]
fn shared_strings_are_kept_once() {
    let mut interner = Interner::default();
    let mut records: Vec<NodeRecord> = (0..3).map(|_| read(&node()).unwrap()).collect();
    for record in &mut records {
        record.intern(&mut interner);
    }
    assert_eq!(records[0], records[2]);
    let shared = |one: &NodeRecord, other: &NodeRecord| {
        let labels = one.labels.iter().zip(&other.labels);
        labels
            .filter(|(one, other)| Arc::ptr_eq(one, other))
            .count()
    };
    assert_eq!(shared(&records[0], &records[2]), 2);
    let mut other = node();
    other["metadata"]["labels"]["pool"] = json!("other");
    let mut other = read(&other).unwrap();
    other.intern(&mut interner);
    assert_eq!(shared(&records[0], &other), 1);
}

#[test]
fn what_no_node_uses_is_forgotten() {
    let mut interner = Interner::default();
    for number in 0..5000 {
        let mut fleeting = node();
        fleeting["metadata"]["labels"]["serial"] = json!(number.to_string());
        read(&fleeting).unwrap().intern(&mut interner);
    }
    assert!(
        interner.labels.len() <= MIN_PRUNED_ENTRIES,
        "{}",
        interner.labels.len()
    );
}

#[test]
fn wrong_types_name_the_path() {
    for (object, path) in [
        (json!({"spec": {"taints": {}}}), "spec.taints"),
        (
            json!({"metadata": {"labels": {"a": 1}}}),
            "metadata.labels.a",
        ),
        (
            json!({"status": {"allocatable": {"a": []}}}),
            "status.allocatable.a",
        ),
        (json!("node"), ""),
    ] {
        assert_eq!(read(&object).expect_err(path).path(), path);
    }
}
