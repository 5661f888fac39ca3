//! What we say is what happens: the same images on a node that really runs pods.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Test;
use crate::cluster::{Cluster, eventually};
use crate::kubectl::{Namespace, image, on_real_node, pod, spec};
use crate::product::{UNASKED, check};

pub const TESTS: &[(&str, Test)] = &[("what_we_say_of_an_image_is_what_the_node_does", reality)];

/// Images, and what becomes of them on a node with containerd's transfer service. What each
/// tag points at stands in `tools/cmd/images/fixtures.go`.
const IMAGES: &[(&str, &str)] = &[
    // As they are built every day.
    ("app:plain-amd64", "supported"),
    ("app:multi", "supported"),
    ("app:list", "supported"),
    ("node:22", "supported"),
    ("app:noamd64", "missing"),
    ("app:plain-arm64", "mismatched"),
    ("shape:docker-amd64", "supported"),
    ("shape:docker-arm64", "mismatched"),
    ("shape:plain-s390x", "mismatched"),
    ("shape:plain-386", "supported"),
    ("shape:list-without", "missing"),
    // Order, spelling and variants of the entries.
    ("shape:amd64-last", "supported"),
    ("shape:alias", "supported"),
    ("shape:386-only", "missing"),
    ("shape:v2-only", "missing"),
    ("shape:v3-and-base", "supported"),
    ("shape:windows-only", "missing"),
    ("shape:features", "missing"),
    // Entries without a platform: the config of the first one decides.
    ("shape:unnamed-right", "supported"),
    ("shape:unnamed-wrong", "missing"),
    ("shape:unnamed-wrong-first", "supported"),
    ("shape:unnamed-wrong-then-right", "missing"),
    ("shape:unnamed-right-then-wrong", "supported"),
    ("shape:list-unnamed", "supported"),
    // Entries that do not say the truth are believed.
    ("shape:lying", "mismatched"),
    ("shape:lying-away", "missing"),
    ("shape:duplicate-right-first", "supported"),
    ("shape:duplicate-wrong-first", "mismatched"),
    // Indexes within indexes.
    ("shape:nested", "supported"),
    ("shape:nested-unnamed", "supported"),
    ("shape:nested-lying", "missing"),
    ("shape:nested-without", "missing"),
    // Attestations are no images.
    ("shape:attestation-first", "supported"),
    ("shape:attestations-only", "missing"),
];

/// Images that containerd's own choice takes, so that we say supported, and that its Kubernetes
/// side cannot use all the same: adding up the size of the image it takes any entry that names
/// a platform, whose content was not fetched. Source: `internal/cri/store/image/image.go`,
/// `getImage`. We say that we doubt it. They stand here so that a change of containerd does not
/// go unnoticed.
const PULLED_BUT_UNUSABLE: &[&str] = &[
    "shape:unnamed-right-last",
    "shape:unnamed-right-first",
    "shape:unnamed-after-attestation",
    "shape:nested-last",
];

/// Each image with what we are to say and what the node is to show.
fn expectations() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let agreed = IMAGES
        .iter()
        .map(|(tag, outcome)| (*tag, *outcome, *outcome));
    let unusable = PULLED_BUT_UNUSABLE.iter();
    agreed.chain(unusable.map(|tag| (*tag, "supported, doubted", "missing")))
}

/// The images of which the node shows what we say.
pub fn agreed_images() -> impl Iterator<Item = &'static str> {
    IMAGES.iter().map(|(tag, _)| *tag)
}

fn pod_name(tag: &str) -> String {
    tag.replace(':', "-")
}

fn reality(cluster: &Cluster) {
    let namespace = Namespace::new(cluster, &[UNASKED]);
    let pods: Vec<Value> = expectations()
        .map(|(tag, _, _)| {
            let mut pod = pod(on_real_node(spec(tag)));
            pod["metadata"]["name"] = json!(pod_name(tag));
            pod
        })
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": pods});
    namespace
        .kubectl_with(&["create", "-f", "-"], &list.to_string())
        .expect_ok();
    let said = outcomes(cluster);
    let mut wrong = Vec::new();
    for (tag, to_say, to_happen) in expectations() {
        let happened = eventually(tag, || happened(&namespace, tag));
        let said = said.get(&image(tag)).map_or("nothing", String::as_str);
        if happened != to_happen || said != to_say {
            wrong.push(format!(
                "{tag}: we say {said} instead of {to_say}, the node shows {happened} instead of {to_happen}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the command line says of the images, by their names.
fn outcomes(cluster: &Cluster) -> BTreeMap<String, String> {
    let node = ["kubectl", "get", "node", "real-amd64", "-o", "json"];
    let node = cluster.inside(&node).expect_ok();
    let names: Vec<String> = expectations().map(|(tag, _, _)| image(tag)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let report = check(cluster, &node, &names, "");
    let workloads = report["workloads"].as_array().into_iter().flatten();
    workloads
        .map(|workload| {
            let image = &workload["images"][0];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let doubted = image.get("doubts").map_or("", |_| ", doubted");
            let outcome = text(&image["outcomes"][0]["outcome"]);
            (text(&image["image"]), outcome + doubted)
        })
        .collect()
}

/// What became of the pod, in our words; or the reason why that cannot be told yet.
fn happened(namespace: &Namespace<'_>, tag: &str) -> Result<&'static str, String> {
    let name = pod_name(tag);
    let status = ["get", "pod", &name, "-o", "jsonpath={.status}"];
    let status = namespace.kubectl(&status).expect_ok();
    let parsed: Value = serde_json::from_str(&status).unwrap_or_default();
    let log = namespace.kubectl(&["logs", &name]).stdout;
    // A container is ready for a moment before it turns out that it cannot be executed.
    if parsed["containerStatuses"][0]["ready"] == true && log.contains("running") {
        return Ok("supported");
    }
    let not_pulled = status.contains("ErrImagePull") || status.contains("ImagePullBackOff");
    // Either nothing in the index fits, or what fits was not fetched.
    let nothing_fits = status.contains("no match for platform in manifest")
        || status.contains(": content digest sha256:");
    if not_pulled && nothing_fits {
        return Ok("missing");
    }
    if log.contains("exec format error") || status.contains("exec format error") {
        return Ok("mismatched");
    }
    Err(format!("{tag}: {status}\n{log}"))
}
