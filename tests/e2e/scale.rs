//! Many pods at once: every one is answered, and nobody waits for us.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::Test;
use crate::cluster::{Cluster, eventually};
use crate::kubectl::{Namespace, deployment, spec};
use crate::nodes;

pub const TESTS: &[(&str, Test)] = &[("three_hundred_replicas_are_all_answered", replicas)];

/// Time until all replicas of a Deployment are ready.
fn roll_out(cluster: &Cluster, labels: &[(&str, &str)]) -> Duration {
    let namespace = Namespace::new(cluster, labels);
    let mut spec = spec("node:22");
    spec["nodeSelector"] = json!({"type": "kwok", "kubernetes.io/arch": "amd64"});
    let mut object = deployment(spec);
    object["spec"]["replicas"] = json!(300);
    let began = Instant::now();
    namespace.apply(&object, &[]).expect_ok();
    let words = ["rollout", "status", "deployment/web", "--timeout=90s"];
    namespace.kubectl(&words).expect_ok();
    began.elapsed()
}

/// Reviews that the API server gave up on, by its own count.
fn unanswered(cluster: &Cluster) -> f64 {
    let metrics = cluster
        .inside(&["kubectl", "get", "--raw", "/metrics"])
        .expect_ok();
    let lines = metrics.lines().filter(|line| {
        line.starts_with("apiserver_admission_webhook_fail_open_count{")
            && line.contains("validate.archmatch.io")
    });
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

fn replicas(cluster: &Cluster) {
    crate::product::restore(cluster);
    let _node = nodes::add(cluster, "kwok-amd", "amd64", json!({}));
    let before = unanswered(cluster);
    // Once for the caches of everybody, then in turns.
    roll_out(cluster, &[]);
    let (mut with, mut without) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..2 {
        with += roll_out(cluster, &[]);
        without += without_webhook(cluster, || roll_out(cluster, &[]));
    }
    println!(
        "300 replicas, mean of 2: {:.2} s with the webhook, {:.2} s without, ratio {:.3}",
        with.as_secs_f64() / 2.0,
        without.as_secs_f64() / 2.0,
        with.as_secs_f64() / without.as_secs_f64()
    );
    assert_eq!(unanswered(cluster), before, "reviews without an answer");
}

/// Does something while the API server asks nobody: the rules match no namespace.
fn without_webhook<T>(cluster: &Cluster, work: impl FnOnce() -> T) -> T {
    let saved = cluster
        .inside(&[
            "kubectl",
            "get",
            "validatingwebhookconfiguration",
            "archmatch",
            "-o",
            "json",
        ])
        .expect_ok();
    cluster
        .inside(&[
            "kubectl",
            "delete",
            "validatingwebhookconfiguration",
            "archmatch",
        ])
        .expect_ok();
    let done = work();
    let mut object: serde_json::Value = serde_json::from_str(&saved).unwrap();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|key, _| matches!(key.as_str(), "name" | "labels" | "annotations"));
    }
    eventually("the webhook is back", || {
        let said = cluster.inside_with(&["kubectl", "create", "-f", "-"], &object.to_string());
        if said.ok { Ok(()) } else { Err(said.stderr) }
    });
    crate::product::settle(cluster);
    done
}
