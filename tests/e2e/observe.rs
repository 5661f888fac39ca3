//! What is said beside what happens: pods on the real node, and drift that is told by events.

use serde_json::{Value, json};

use crate::Test;
use crate::audit::{audited_with, copy};
use crate::cluster::{Cluster, eventually};
use crate::kubectl::{Namespace, deployment, image, on_real_node, pod, spec};
use crate::nodes;
use crate::product::UNASKED;
use crate::reality;
use crate::reports::Definition;

pub const TESTS: &[(&str, Test)] = &[
    (
        "what_is_said_of_pods_is_always_what_became_of_them",
        observe,
    ),
    (
        "a_workload_gets_one_event_when_its_image_loses_a_platform",
        events,
    ),
];

/// What containerd says of it (`content digest sha256:…: not found`) it also says where content
/// got lost, so that the state of its pod proves nothing.
const UNTOLD: &str = "shape:386-only";

/// Pods of every sort of image, until the state of each tells what became of it.
fn observe(cluster: &Cluster) {
    let namespace = Namespace::new(cluster, &[UNASKED]);
    let mut pods: Vec<Value> = reality::agreed_images()
        .filter(|tag| *tag != UNTOLD)
        .map(|tag| {
            let mut pod = pod(on_real_node(spec(tag)));
            pod["metadata"]["name"] = json!(tag.replace(':', "-"));
            // So that the state shows what else only the log does.
            let policy = &mut pod["spec"]["containers"][0]["terminationMessagePolicy"];
            *policy = json!("FallbackToLogsOnError");
            pod
        })
        .collect();
    let mut nameless = pod(on_real_node(spec("app:multi")));
    nameless["metadata"]["name"] = json!("nameless");
    nameless["spec"]["containers"][0]["image"] = json!("web/UPPER");
    pods.push(nameless);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": pods});
    namespace
        .kubectl_with(&["create", "-f", "-"], &list.to_string())
        .expect_ok();

    let config = json!({"registries": crate::registries::settings(),
        "policy": {"verifyChildren": true}});
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, config.to_string()).expect("a file");
    let program = env!("CARGO_BIN_EXE_archmatch");
    let config = file.to_str().unwrap();
    let words = [
        program,
        "audit",
        "--observe",
        "-n",
        &namespace.name,
        "--config",
        config,
    ];
    let observed = eventually("every pod tells what became of it", || {
        let said = cluster.inside(&[&words[..], &["-o", "json"]].concat());
        let report: Value = serde_json::from_str(&said.stdout).expect(&said.stderr);
        let observed = report["observed"].clone();
        // Right from the first moment on, however little there is to tell.
        assert_eq!(observed["wrong"], 0, "{observed}");
        match observed["silent"] == 0 && observed["right"] == pods.len() {
            true => Ok(observed),
            false => Err(observed.to_string()),
        }
    });
    assert_eq!(observed["undecided"], 0, "{observed}");
    let table = cluster.inside(&words);
    let line = format!(
        "Observed: {0} of {0} containers became what is said",
        pods.len()
    );
    assert!(table.stdout.contains(&line), "{}", table.stdout);
}

/// A tag that is moved from one image to another.
const MOVING: &str = "drift:moving";

/// What events say, with this reason.
fn notes(namespace: &Namespace<'_>, reason: &str) -> Vec<Value> {
    let selector = format!("reason={reason}");
    let words = [
        "get",
        "events.events.k8s.io",
        "-o",
        "json",
        "--field-selector",
        &selector,
    ];
    let list = namespace.kubectl(&words).expect_ok();
    let list: Value = serde_json::from_str(&list).unwrap();
    list["items"].as_array().cloned().unwrap_or_default()
}

fn events(cluster: &Cluster) {
    copy(cluster, "node:21", MOVING);
    let _z = nodes::add(cluster, "z-1", "s390x", json!({}));
    let namespace = Namespace::new(cluster, &[UNASKED]);
    for (name, tag) in [("shop", MOVING), ("lacking", "node:22")] {
        let mut deployment = deployment(spec(tag));
        deployment["metadata"]["name"] = json!(name);
        deployment["spec"]["replicas"] = json!(0);
        namespace.apply(&deployment, &[]).expect_ok();
    }
    let definition = Definition::openreports(cluster);
    let reported = |count: usize| {
        eventually("a pass has written its reports", || {
            let objects = definition.objects().into_iter();
            let own = objects.filter(|one| one["metadata"]["namespace"] == namespace.name.as_str());
            match own.count() {
                found if found == count => Ok(()),
                found => Err(format!("{found} reports")),
            }
        });
    };
    let release = audited_with(cluster, "eventful", json!({"events": true}));
    reported(1);
    assert_eq!(notes(&namespace, "PlatformLost"), [] as [Value; 0]);
    copy(cluster, "node:22", MOVING);
    let told = eventually("an event tells it", || {
        let told = notes(&namespace, "PlatformLost");
        if told.is_empty() {
            Err("there is none".to_owned())
        } else {
            Ok(told)
        }
    });
    let regarding = &told[0]["regarding"];
    assert_eq!(
        (&regarding["kind"], &regarding["name"]),
        (&json!("Deployment"), &json!("shop"))
    );
    assert_eq!(told[0]["type"], "Warning");
    let note = told[0]["note"].as_str().unwrap();
    let expected = format!("{} has lost linux/s390x", image(MOVING));
    assert!(note.starts_with(&expected), "{note}");
    // Further passes say nothing more of it.
    namespace
        .kubectl(&["delete", "deployment", "lacking"])
        .expect_ok();
    reported(1);
    assert_eq!(notes(&namespace, "PlatformLost").len(), 1);
    drop(release);
}
