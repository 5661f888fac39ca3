//! The audit as operators install it: workloads of every kind, a node that comes, an image that
//! changes, and what of it shows in report objects.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Test;
use crate::cluster::{Cluster, eventually};
use crate::installs::Release;
use crate::kubectl::{Namespace, image, merge};
use crate::nodes;
use crate::product::UNASKED;
use crate::reports::Definition;

pub const TESTS: &[(&str, Test)] = &[
    (
        "the_audit_follows_a_node_and_an_image_and_leaves_nothing_behind",
        follow,
    ),
    (
        "the_audit_of_the_command_line_says_what_nodes_would_change",
        what_if,
    ),
];

/// A tag that is moved from one image to another.
const MOVING: &str = "audit:moving";

/// The images of the workloads, in turn.
const IMAGES: [&str; 4] = ["node:21", "node:22", "app:plain-amd64", MOVING];

/// How many workloads of each kind.
const OF_EACH_KIND: usize = 24;

/// Every kind that has pods. None of them starts any on the node that runs them.
const KINDS: [&str; 9] = [
    "CronJob",
    "DaemonSet",
    "Deployment",
    "Job",
    "Pod",
    "PodTemplate",
    "ReplicaSet",
    "ReplicationController",
    "StatefulSet",
];

fn name(kind: &str, number: usize) -> String {
    format!("{}-{number}", kind.to_lowercase())
}

fn workload(kind: &str, number: usize) -> Value {
    let labels = json!({"app": name(kind, number)});
    let image = image(IMAGES[number % IMAGES.len()]);
    let mut pod = json!({"containers": [{"name": "web", "image": image}], "terminationGracePeriodSeconds": 0});
    let template = || json!({"metadata": {"labels": labels}, "spec": pod.clone()});
    let (api_version, fields) = match kind {
        "CronJob" => {
            pod["restartPolicy"] = json!("Never");
            let job = json!({"spec": {"template": {"spec": pod}}});
            (
                "batch/v1",
                json!({"spec": {"suspend": true, "schedule": "0 0 1 1 *", "jobTemplate": job}}),
            )
        }
        "Job" => {
            pod["restartPolicy"] = json!("Never");
            (
                "batch/v1",
                json!({"spec": {"suspend": true, "template": {"spec": pod}}}),
            )
        }
        "Pod" => {
            pod["schedulingGates"] = json!([{"name": "e2e.example/held"}]);
            ("v1", json!({"spec": pod}))
        }
        "PodTemplate" => ("v1", json!({"template": template()})),
        "ReplicationController" => {
            let spec = json!({"replicas": 0, "selector": labels, "template": template()});
            ("v1", json!({"spec": spec}))
        }
        "DaemonSet" => {
            pod["nodeSelector"] = json!({"type": "kwok"});
            let template = json!({"metadata": {"labels": labels}, "spec": pod});
            let selector = json!({"matchLabels": labels});
            (
                "apps/v1",
                json!({"spec": {"selector": selector, "template": template}}),
            )
        }
        _ => {
            let selector = json!({"matchLabels": labels});
            let spec = json!({"replicas": 0, "selector": selector, "template": template()});
            ("apps/v1", json!({"spec": spec}))
        }
    };
    let mut object = fields;
    object["apiVersion"] = json!(api_version);
    object["kind"] = json!(kind);
    object["metadata"] = json!({"name": name(kind, number)});
    object
}

/// The names of the workloads with one of these images.
fn with(images: &[&str]) -> Vec<String> {
    let numbers =
        (0..OF_EACH_KIND).filter(|number| images.contains(&IMAGES[number % IMAGES.len()]));
    let mut names: Vec<String> = KINDS
        .iter()
        .flat_map(|kind| numbers.clone().map(|number| name(kind, number)))
        .collect();
    names.sort();
    names
}

/// What the reports of a namespace are of, each with the version of its object.
type Versions = BTreeMap<String, String>;

fn versions(definition: &Definition<'_>, namespace: &str) -> Versions {
    let objects = definition.objects().into_iter();
    let objects = objects.filter(|object| object["metadata"]["namespace"] == namespace);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    objects
        .map(|object| {
            (
                text(&object["scope"]["name"]),
                text(&object["metadata"]["resourceVersion"]),
            )
        })
        .collect()
}

/// Waits until there are reports of these workloads, and of no others.
fn reports_of(definition: &Definition<'_>, namespace: &str, expected: &[String]) -> Versions {
    eventually("the reports are those of the pass", || {
        let found = versions(definition, namespace);
        let names: Vec<&String> = found.keys().collect();
        if names.iter().copied().eq(expected) {
            return Ok(found);
        }
        let missing: Vec<&String> = expected
            .iter()
            .filter(|name| !found.contains_key(*name))
            .collect();
        let extra: Vec<&&String> = names
            .iter()
            .filter(|name| !expected.contains(**name))
            .collect();
        Err(format!("missing {missing:?}, extra {extra:?}"))
    })
}

/// Those of before whose version is another one now.
fn changed(before: &Versions, after: &Versions) -> Vec<String> {
    let same = |(name, version): &(&String, &String)| after.get(*name) == Some(*version);
    let changed = before.iter().filter(|row| !same(row));
    changed.map(|(name, _)| name.clone()).collect()
}

pub fn copy(cluster: &Cluster, from: &str, to: &str) {
    let words = ["crane", "copy", "--insecure", &image(from), &image(to)];
    cluster.inside(&words).expect_ok();
}

/// A release that audits, of which nobody asks for reviews.
fn audited<'a>(cluster: &'a Cluster, name: &'a str) -> Release<'a> {
    audited_with(cluster, name, json!({}))
}

/// The same with further settings of the audit.
pub fn audited_with<'a>(cluster: &'a Cluster, name: &'a str, more: Value) -> Release<'a> {
    let release = Release::new(cluster, name);
    let mut audit = json!({"interval": "10s"});
    merge(&mut audit, &more);
    let values = json!({
        "replicas": 1,
        "audit": {"enabled": true},
        "config": {"audit": audit, "cache": {"tagSeconds": 1}},
    });
    release.install(&values, &[]);
    release
}

fn follow(cluster: &Cluster) {
    let _arm = nodes::add(cluster, "arm-1", "arm64", json!({}));
    copy(cluster, "node:21", MOVING);
    let namespace = Namespace::new(cluster, &[UNASKED]);
    let all = KINDS
        .iter()
        .flat_map(|kind| (0..OF_EACH_KIND).map(|number| workload(kind, number)));
    let list = json!({"apiVersion": "v1", "kind": "List", "items": all.collect::<Vec<_>>()});
    namespace
        .kubectl_with(&["create", "-f", "-"], &list.to_string())
        .expect_ok();

    let definition = Definition::openreports(cluster);
    let release = audited_with(cluster, "audited", json!({"suggest": true}));
    let first = reports_of(&definition, &namespace.name, &with(&["app:plain-amd64"]));

    // A node of another platform: whoever lacks it has a report, and those that had one say so.
    let z = nodes::add(cluster, "z-1", "s390x", json!({}));
    let lacking = with(&["app:plain-amd64", "node:22"]);
    let second = eventually("what had a report says so", || {
        let found = reports_of(&definition, &namespace.name, &lacking);
        match changed(&first, &found).len() == first.len() {
            true => Ok(found),
            false => Err(format!("{:?}", changed(&first, &found))),
        }
    });

    // What to use instead goes with it.
    let suggested = definition.objects().into_iter().any(|object| {
        let results = object["results"].as_array().into_iter().flatten();
        let mut suggestions = results.map(|result| &result["properties"]["suggestion"]);
        suggestions.any(|suggestion| *suggestion == image("node:21"))
    });
    assert!(suggested, "node:21 has what node:22 lacks");

    // An image loses a platform under its tag: only its workloads change.
    copy(cluster, "node:22", MOVING);
    let lacking = with(&["app:plain-amd64", "node:22", MOVING]);
    let third = reports_of(&definition, &namespace.name, &lacking);
    assert_eq!(changed(&second, &third), Vec::<String>::new());

    // A workload that is mended, and one that goes.
    let mended = format!("web={}", image("node:21"));
    namespace
        .kubectl(&["set", "image", "deployment/deployment-1", &mended])
        .expect_ok();
    namespace
        .kubectl(&["delete", "statefulset", "statefulset-1"])
        .expect_ok();
    let gone = ["deployment-1", "statefulset-1"];
    let left: Vec<String> = lacking
        .into_iter()
        .filter(|name| !gone.contains(&name.as_str()))
        .collect();
    let fourth = reports_of(&definition, &namespace.name, &left);
    assert_eq!(changed(&third, &fourth), gone);
    let text = definition
        .objects()
        .iter()
        .map(Value::to_string)
        .collect::<String>();
    assert!(text.contains("platform-lost"), "{text}");

    drop(release);
    none_left(&definition);
    drop((definition, z));

    let definition = Definition::policy_reports(cluster);
    let release = audited(cluster, "audited-again");
    let lacking = with(&["app:plain-amd64"]);
    reports_of(&definition, &namespace.name, &lacking);
    drop(release);
    none_left(&definition);
}

fn none_left(definition: &Definition<'_>) {
    eventually("no report is left", || match definition.objects().len() {
        0 => Ok(()),
        count => Err(format!("{count} are")),
    });
}

/// The program of the tests' machine against the cluster, as a person runs it.
fn what_if(cluster: &Cluster) {
    let namespace = Namespace::new(cluster, &[UNASKED]);
    let objects = [
        workload("Deployment", 0),
        workload("Deployment", 1),
        workload("DaemonSet", 1),
    ];
    let mut objects = objects;
    objects[2]["spec"]["template"]["spec"]["nodeSelector"] = json!({"e2e/none": "yet"});
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    namespace
        .kubectl_with(&["create", "-f", "-"], &list.to_string())
        .expect_ok();
    let audit = |more: &[&str]| {
        let config = json!({"registries": crate::registries::settings()}).to_string();
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config.yaml");
        std::fs::write(&file, config).expect("a file");
        let words = [
            env!("CARGO_BIN_EXE_archmatch"),
            "audit",
            "-o",
            "json",
            "-n",
            &namespace.name,
            "--config",
            file.to_str().unwrap(),
        ];
        let said = cluster.inside(&[&words[..], more].concat());
        serde_json::from_str::<Value>(&said.stdout).expect(&said.stderr)
    };
    let on = |report: &Value, platform: &str| {
        let rows = report["readiness"].as_array().unwrap();
        let row = rows.iter().find(|row| row["platform"] == platform);
        row.cloned().unwrap_or_default()
    };
    let now = audit(&[]);
    assert_eq!(now["partial"], json!([]), "{now}");
    assert_eq!(on(&now, "linux/s390x"), Value::Null);
    assert_eq!(on(&now, "linux/amd64")["ready"], 2);

    let more = audit(&["--add-platform", "linux/s390x"]);
    let s390x = on(&more, "linux/s390x");
    assert_eq!((&s390x["ready"], &s390x["blocked"]), (&json!(1), &json!(2)));
    assert_eq!(s390x["daemonSets"]["blocked"], 1);
    let blockers = json!([{"image": image("node:22"), "unblocks": 2}]);
    assert_eq!(s390x["blockers"], blockers);

    let less = audit(&["--drop-platform", "linux/amd64"]);
    assert_eq!(on(&less, "linux/amd64"), Value::Null);
    let rules = less["findings"].as_array().unwrap().iter();
    let nowhere = rules.filter(|finding| finding["rule"] == "nowhere-to-run");
    assert_eq!(nowhere.count(), 3, "{less}");
}
