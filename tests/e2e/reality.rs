//! What we say is what happens: the same images on a node that really runs pods.

use serde_json::Value;

use crate::Test;
use crate::cluster::{Cluster, eventually};
use crate::kubectl::{Namespace, image, on_real_node, pod, spec};

pub const TESTS: &[(&str, Test)] = &[
    ("what_we_call_missing_cannot_be_pulled", missing),
    ("what_we_call_mismatched_cannot_be_executed", mismatched),
    ("what_we_call_supported_runs", supported),
];

/// Nobody stops what this namespace does.
const UNWATCHED: [(&str, &str); 3] = [
    ("archmatch.io/enforce", "off"),
    ("archmatch.io/warn", "off"),
    ("archmatch.io/audit", "off"),
];

/// Runs a pod on the real node, whatever we would say of it.
fn run<'a>(cluster: &'a Cluster, name: &str) -> Namespace<'a> {
    let namespace = Namespace::new(cluster, &UNWATCHED);
    let object = pod(on_real_node(spec(name)));
    eventually("the namespace's labels count", || {
        let said = namespace.apply(&object, &[]);
        if said.ok { Ok(()) } else { Err(said.stderr) }
    });
    namespace
}

/// What the command line says of an image on that node.
fn outcome(cluster: &Cluster, name: &str) -> String {
    let node = cluster
        .inside(&["kubectl", "get", "node", "real-amd64", "-o", "json"])
        .expect_ok();
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/target");
    let folder = tempfile::tempdir_in(target).expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let snapshot = write("node.json", &node);
    let config = write(
        "config.yaml",
        "registries: [{host: '10.99.0.1:5000', plainHttp: true}]\n",
    );
    let said = cluster.inside(&[
        env!("CARGO_BIN_EXE_archmatch"),
        "check",
        "--config",
        &config,
        "--snapshot",
        &snapshot,
        "-o",
        "json",
        &image(name),
    ]);
    let report: Value = serde_json::from_str(&said.stdout).expect(&said.stderr);
    let outcome = &report["workloads"][0]["images"][0]["outcomes"][0]["outcome"];
    outcome.as_str().unwrap_or_default().to_owned()
}

fn status(namespace: &Namespace<'_>) -> String {
    namespace
        .kubectl(&["get", "pod", "web", "-o", "jsonpath={.status}"])
        .expect_ok()
}

fn missing(cluster: &Cluster) {
    let namespace = run(cluster, "app:noamd64");
    eventually("the pull fails", || {
        let status = status(&namespace);
        let failed = status.contains("ErrImagePull") || status.contains("ImagePullBackOff");
        if failed && status.contains("no match for platform in manifest") {
            Ok(())
        } else {
            Err(status)
        }
    });
    assert_eq!(outcome(cluster, "app:noamd64"), "missing");
}

fn mismatched(cluster: &Cluster) {
    let namespace = run(cluster, "app:plain-arm64");
    eventually("the program cannot be executed", || {
        let logs = namespace.kubectl(&["logs", "web"]);
        if logs.stdout.contains("exec format error") {
            Ok(())
        } else {
            Err(logs.stderr)
        }
    });
    assert_eq!(outcome(cluster, "app:plain-arm64"), "mismatched");
}

fn supported(cluster: &Cluster) {
    for name in ["app:plain-amd64", "app:multi", "app:list", "node:22"] {
        let namespace = run(cluster, name);
        let wait = ["wait", "--for=condition=Ready", "pod/web", "--timeout=60s"];
        namespace.kubectl(&wait).expect_ok();
        assert_eq!(outcome(cluster, name), "supported", "{name}");
    }
}
