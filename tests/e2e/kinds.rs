//! Every kind that has pods is judged, and what is pinned to working nodes passes.

use serde_json::{Value, json};

use crate::Test;
use crate::cluster::{Cluster, eventually};
use crate::kubectl::{Namespace, deployment, image, on, on_real_node, pod, spec, templated};
use crate::nodes;

pub const TESTS: &[(&str, Test)] = &[
    ("every_kind_with_pods_is_judged", every_kind),
    ("a_workload_pinned_to_working_nodes_passes", pinned),
    ("an_ephemeral_container_is_judged", ephemeral_container),
    ("an_existing_workload_may_always_be_restarted", restart),
];

fn job(spec: Value) -> Value {
    let mut spec = spec;
    spec["restartPolicy"] = json!("Never");
    json!({"template": {"spec": spec}})
}

fn kinds(spec: Value) -> Vec<Value> {
    vec![
        pod(spec.clone()),
        deployment(spec.clone()),
        templated("apps/v1", "StatefulSet", spec.clone()),
        templated("apps/v1", "DaemonSet", spec.clone()),
        templated("apps/v1", "ReplicaSet", spec.clone()),
        json!({"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "web"},
            "spec": {"selector": {"app": "web"},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": spec}}}),
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "web"},
            "spec": job(spec.clone())}),
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "web"},
            "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": job(spec.clone())}}}),
        json!({"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "web"},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": spec}}),
    ]
}

fn every_kind(cluster: &Cluster) {
    let _nodes = nodes::mixed(cluster);
    let namespace = Namespace::new(cluster, &[]);
    for object in kinds(on("s390x", spec("node:22"))) {
        let denial = namespace.rejects(&object);
        assert!(denial.contains("linux/s390x"), "{denial}");
    }
    for object in kinds(on("s390x", spec("node:21"))) {
        namespace.accepts(&object);
    }
}

fn pinned(cluster: &Cluster) {
    let _nodes = nodes::mixed(cluster);
    let namespace = Namespace::new(cluster, &[]);
    namespace.accepts(&deployment(on("amd64", spec("node:22"))));
    // An init container counts like any other.
    let mut with_init = on("s390x", spec("node:21"));
    with_init["initContainers"] = json!([{"name": "init", "image": image("node:22")}]);
    namespace.rejects(&pod(with_init));
}

fn ephemeral_container(cluster: &Cluster) {
    let _nodes = nodes::mixed(cluster);
    let namespace = Namespace::new(cluster, &[]);
    namespace.accepts(&pod(on_real_node(spec("app:plain-amd64"))));
    let running = ["wait", "--for=condition=Ready", "pod/web", "--timeout=60s"];
    namespace.kubectl(&running).expect_ok();
    let debug = |name: &str| {
        let image = format!("--image={}", image(name));
        namespace.kubectl(&["debug", "web", &image, "--profile=general", "-q"])
    };
    let refused = debug("app:noamd64");
    assert!(
        refused.stderr.contains("denied the request"),
        "{}{}",
        refused.stdout,
        refused.stderr
    );
    let allowed = debug("app:multi");
    assert!(!allowed.stderr.contains("denied"), "{}", allowed.stderr);
}

fn restart(cluster: &Cluster) {
    let namespace = Namespace::new(cluster, &[]);
    let node = nodes::add(cluster, "only-z", "s390x", json!({}));
    // Made while nobody asked us about this namespace.
    let off = [
        "label",
        "namespace",
        &namespace.name,
        "archmatch.io/enforce=off",
        "archmatch.io/warn=off",
    ];
    namespace.kubectl(&off).expect_ok();
    let object = deployment(on("s390x", spec("node:22")));
    eventually("the label counts", || {
        let said = namespace.apply(&object, &[]);
        if said.ok { Ok(()) } else { Err(said.stderr) }
    });
    let on = [
        "label",
        "namespace",
        &namespace.name,
        "archmatch.io/enforce-",
        "archmatch.io/warn-",
    ];
    namespace.kubectl(&on).expect_ok();
    eventually("the label is gone", || {
        let mut other = object.clone();
        other["metadata"]["name"] = json!("other");
        let said = namespace.apply(&other, &["--dry-run=server"]);
        if said.ok { Err(said.stderr) } else { Ok(()) }
    });
    namespace
        .kubectl(&["rollout", "restart", "deployment/web"])
        .expect_ok();
    namespace
        .kubectl(&["scale", "deployment/web", "--replicas=3"])
        .expect_ok();
    namespace
        .kubectl(&["label", "deployment/web", "team=shop"])
        .expect_ok();
    let image = format!("web={}", crate::kubectl::image("node:20"));
    let worse = namespace.kubectl(&["set", "image", "deployment/web", &image]);
    assert!(
        !worse.ok,
        "another image brings another gap: {}",
        worse.stdout
    );
    drop(node);
}
