//! The two known stories, with the text that a user sees; and what changes an answer.

use std::fs;

use serde_json::json;

use crate::Test;
use crate::cluster::{Cluster, eventually};
use crate::kubectl::{Namespace, deployment, image, on, pod, spec};
use crate::nodes;

pub const TESTS: &[(&str, Test)] = &[
    (
        "an_image_that_lacks_a_platform_is_warned_of",
        lacking_is_warned,
    ),
    (
        "an_image_that_no_candidate_runs_is_refused",
        unrunnable_is_refused,
    ),
    ("a_slim_tag_without_arm64_is_refused_there", slim_is_refused),
    ("helm_shows_the_refusal_and_the_warning", helm),
    (
        "cordoned_and_tainted_nodes_do_not_count",
        cordoned_and_tainted,
    ),
    ("a_new_node_turns_the_next_answer", new_node),
    ("a_namespace_label_changes_the_level", namespace_label),
    ("a_dry_run_answers_the_same", dry_run),
    ("every_object_of_manifests_is_valid", manifests),
];

fn lacking_is_warned(cluster: &Cluster) {
    let _nodes = nodes::mixed(cluster);
    let namespace = Namespace::new(cluster, &[]);
    let warning = namespace.warns(&deployment(spec("node:22")));
    let expected = format!(
        "Warning: archmatch: image \"{}\" (container web) has no linux/s390x manifest, \
         required by 2 nodes (z-1, z-2)",
        image("node:22")
    );
    assert!(warning.contains(&expected), "{warning}");
}

fn unrunnable_is_refused(cluster: &Cluster) {
    let _nodes = nodes::mixed(cluster);
    let namespace = Namespace::new(cluster, &[]);
    let denial = namespace.rejects(&deployment(on("s390x", spec("node:22"))));
    for part in [
        "Error from server (Forbidden)",
        "has no linux/s390x manifest, required by 2 nodes (z-1, z-2)",
        "the image has: linux/amd64, linux/arm64, linux/ppc64le",
        "such a pod ends in: ErrImagePull: no match for platform in manifest",
        "docker buildx build --platform",
    ] {
        assert!(denial.contains(part), "{part} in {denial}");
    }
    namespace.accepts(&deployment(on("s390x", spec("node:21"))));
}

fn slim_is_refused(cluster: &Cluster) {
    let _nodes = nodes::mixed(cluster);
    let namespace = Namespace::new(cluster, &[]);
    let denial = namespace.rejects(&pod(on("arm64", spec("node:22.15-bullseye-slim"))));
    assert!(
        denial.contains("has no linux/arm64 manifest, required by 2 nodes"),
        "{denial}"
    );
    namespace.accepts(&pod(on("arm64", spec("node:bullseye-slim"))));
}

fn helm(cluster: &Cluster) {
    let _nodes = nodes::mixed(cluster);
    let namespace = Namespace::new(cluster, &[]);
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/target");
    let chart = tempfile::tempdir_in(target).expect("a folder");
    fs::create_dir(chart.path().join("templates")).unwrap();
    fs::write(
        chart.path().join("Chart.yaml"),
        "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
    )
    .unwrap();
    let install = |helm: &str, name: &str, object: serde_json::Value| {
        fs::write(chart.path().join("templates/web.yaml"), object.to_string()).unwrap();
        let chart = chart.path().to_str().unwrap();
        let words = [helm, "install", name, chart, "--namespace", &namespace.name];
        cluster.inside(&words)
    };
    for helm in ["helm", "helm3"] {
        let refused = install(helm, "refused", deployment(on("s390x", spec("node:22"))));
        assert!(!refused.ok, "{}", refused.stdout);
        let failed = refused.stderr.contains("INSTALLATION FAILED");
        assert!(failed, "{}", refused.stderr);
        let explained = refused.stderr.contains("has no linux/s390x manifest");
        assert!(explained, "{}", refused.stderr);
        let warned = install(helm, "warned", deployment(spec("node:22")));
        assert!(warned.ok, "{}", warned.stderr);
        let text = format!("{}{}", warned.stdout, warned.stderr);
        assert!(text.contains("has no linux/s390x manifest"), "{text}");
        let words = [helm, "uninstall", "warned", "--namespace", &namespace.name];
        cluster.inside(&words).expect_ok();
        // The refused release is kept as failed; its name is free again after this.
        let words = [helm, "uninstall", "refused", "--namespace", &namespace.name];
        cluster.inside(&words);
    }
}

fn cordoned_and_tainted(cluster: &Cluster) {
    let taint = json!({"taints": [{"key": "dedicated", "value": "z", "effect": "NoSchedule"}]});
    let _cordoned = nodes::add(
        cluster,
        "cordoned-z",
        "s390x",
        json!({"unschedulable": true}),
    );
    let _tainted = nodes::add(cluster, "tainted-z", "s390x", taint);
    let namespace = Namespace::new(cluster, &[]);
    namespace.accepts(&deployment(spec("node:22")));
    let mut tolerating = spec("node:20");
    tolerating["tolerations"] = json!([{"key": "dedicated", "operator": "Exists"}]);
    let warning = namespace.warns(&pod(tolerating));
    assert!(
        warning.contains("required by 1 node (tainted-z)"),
        "{warning}"
    );
}

fn new_node(cluster: &Cluster) {
    let namespace = Namespace::new(cluster, &[]);
    let object = deployment(spec("node:20"));
    namespace.accepts(&object);
    let _node = nodes::add(cluster, "late-z", "s390x", json!({}));
    eventually("the answer turns", || {
        let said = namespace.apply(&deployment(spec("node:18")), &["--dry-run=server"]);
        if said.stderr.contains("linux/s390x") {
            Ok(())
        } else {
            Err(said.stderr)
        }
    });
}

fn namespace_label(cluster: &Cluster) {
    let _nodes = nodes::mixed(cluster);
    let namespace = Namespace::new(cluster, &[]);
    let object = deployment(spec("node:22"));
    namespace.warns(&object);
    let label = [
        "label",
        "namespace",
        &namespace.name,
        "archmatch.io/enforce=portable",
    ];
    namespace.kubectl(&label).expect_ok();
    let other = deployment(spec("node:20"));
    eventually("the label counts", || {
        let said = namespace.apply(&other, &["--dry-run=server"]);
        if said.stderr.contains("denied the request") {
            Ok(())
        } else {
            Err(said.stderr)
        }
    });
}

fn dry_run(cluster: &Cluster) {
    let _nodes = nodes::mixed(cluster);
    let namespace = Namespace::new(cluster, &[]);
    let refused = deployment(on("s390x", spec("node:22")));
    let said = namespace.apply(&refused, &["--dry-run=server"]);
    assert!(
        said.stderr.contains("has no linux/s390x manifest"),
        "{}",
        said.stderr
    );
    assert_eq!(said.stderr.trim(), namespace.rejects(&refused).trim());
    let warned = namespace.apply(&deployment(spec("node:22")), &["--dry-run=server"]);
    assert!(
        warned.ok && warned.stderr.contains("Warning: archmatch"),
        "{}",
        warned.stderr
    );
    let left = namespace
        .kubectl(&["get", "deployments", "-o", "name"])
        .expect_ok();
    assert_eq!(left, "", "a dry run creates nothing");
}

fn manifests(cluster: &Cluster) {
    let text = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/manifests/archmatch.yaml"
    ));
    let text = text.unwrap();
    let words = [
        "kubectl",
        "apply",
        "--dry-run=server",
        "--validate=strict",
        "-f",
        "-",
    ];
    let said = cluster.inside_with(&words, &text);
    assert!(said.ok, "{}", said.stderr);
    let objects = text.matches("\nkind: ").count();
    assert!(said.stdout.lines().count() >= objects, "{}", said.stdout);
}
