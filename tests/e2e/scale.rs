//! Many pods at once: every one is answered, and nobody waits for us.
//!
//! How long a Deployment takes is measured with the controller manager's own limits (20
//! requests a second), as clusters have them. Without limits, what counts is how fast the API
//! server can ask: beyond 25 connections it opens one for each pod.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::Test;
use crate::cluster::{Cluster, eventually};
use crate::kubectl::{Namespace, deployment, pod, spec};
use crate::product::{ENTRIES, UNASKED};
use crate::{nodes, product};

pub const TESTS: &[(&str, Test)] = &[
    ("three_hundred_replicas_are_all_answered", replicas),
    ("a_hundred_pods_at_once_are_all_answered", burst),
];

/// How many pairs of measurements, one with and one without the webhook.
const PAIRS: usize = 2;

/// A Deployment may take this much longer with the webhook. The target is 1.05, which a
/// machine that does something else beside may miss.
const LIMIT: f64 = 1.15;

/// A controller manager with its own limits from [`UsualLimits::renew`] on, until this is
/// dropped.
struct UsualLimits<'a>(&'a Cluster);

impl UsualLimits<'_> {
    /// It may send 30 requests at once, which fill up again slowly: who is measured first
    /// would have a second less to wait than the others.
    fn renew(&self) {
        self.0.control("stop", "controller-manager");
        self.0.control("start", "usual-controller-manager");
    }
}

impl Drop for UsualLimits<'_> {
    fn drop(&mut self) {
        self.0.control("restart", "controller-manager");
    }
}

/// A pod that we are asked about, but that nobody places: what happens to it later would
/// disturb the measurement.
fn unplaced() -> Value {
    let mut spec = spec("node:22");
    spec["nodeSelector"] = json!({"type": "kwok", "kubernetes.io/arch": "amd64"});
    spec["schedulerName"] = json!("nobody");
    spec
}

/// Seconds from the arrival of the first request for a pod at the API server until the last
/// one is answered, by its audit log: what the controller does with time of its own before
/// and after does not count.
fn roll_out(cluster: &Cluster, labels: &[(&str, &str)]) -> f64 {
    let namespace = Namespace::new(cluster, labels);
    let mut object = deployment(unplaced());
    object["spec"]["replicas"] = json!(300);
    namespace.apply(&object, &[]).expect_ok();
    let path = "jsonpath={.items[0].status.replicas}";
    eventually("all pods exist", || {
        let count = namespace.kubectl(&["get", "replicasets", "-o", path]);
        if count.stdout == "300" {
            Ok(())
        } else {
            Err(count.stdout)
        }
    });
    let created = created(cluster, &namespace.name);
    assert_eq!(created.len(), 300, "pods in the audit log");
    // The rest of the work must not fall into the next measurement.
    let words = ["kubectl", "delete", "namespace", &namespace.name];
    cluster.inside(&words).expect_ok();
    let first = created.iter().map(|(arrived, _)| arrived);
    let last = created.iter().map(|(_, answered)| answered);
    let time = |text: &String| text.parse::<Timestamp>().unwrap();
    let taken = time(last.max().unwrap()).duration_since(time(first.min().unwrap()));
    taken.as_secs_f64()
}

/// When each request that made a pod arrived and was answered. The texts have the same
/// length, so that they sort as times.
fn created(cluster: &Cluster, namespace: &str) -> Vec<(String, String)> {
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let search = format!("grep -F '\"requestURI\":\"{path}\"' $RUN/log/audit*.log || true");
    let lines = cluster.inside(&["bash", "-c", &search]).expect_ok();
    let events = lines
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line.get(line.find('{')?..)?).ok());
    let made =
        events.filter(|event| event["verb"] == "create" && event["responseStatus"]["code"] == 201);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    made.map(|event| {
        let arrived = text(&event["requestReceivedTimestamp"]);
        (arrived, text(&event["stageTimestamp"]))
    })
    .collect()
}

/// Reviews that the API server gave up on, by its own count.
fn unanswered(cluster: &Cluster) -> f64 {
    let metrics = cluster
        .inside(&["kubectl", "get", "--raw", "/metrics"])
        .expect_ok();
    let lines = metrics.lines().filter(|line| {
        line.starts_with("apiserver_admission_webhook_fail_open_count{")
            && ENTRIES.iter().any(|entry| line.contains(entry))
    });
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

fn replicas(cluster: &Cluster) {
    product::restore(cluster);
    let _node = nodes::add(cluster, "kwok-amd", "amd64", json!({}));
    let before = unanswered(cluster);
    // As many at once as the controller makes.
    roll_out(cluster, &[]);
    assert_eq!(unanswered(cluster), before, "reviews without an answer");

    let usual = UsualLimits(cluster);
    // The shortest of each counts: what disturbs a measurement makes it longer.
    let (mut with, mut without) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..PAIRS {
        usual.renew();
        without = without.min(roll_out(cluster, &[UNASKED]));
        usual.renew();
        with = with.min(roll_out(cluster, &[]));
    }
    let ratio = with / without;
    println!(
        "300 replicas, shortest of {PAIRS}: {with:.2} s with the webhook, {without:.2} s \
         without, ratio {ratio:.3}"
    );
    assert_eq!(unanswered(cluster), before, "reviews without an answer");
    assert!(ratio <= LIMIT, "ratio {ratio:.3}");
}

fn burst(cluster: &Cluster) {
    product::restore(cluster);
    let _node = nodes::add(cluster, "kwok-amd", "amd64", json!({}));
    let namespace = Namespace::new(cluster, &[]);
    let before = unanswered(cluster);
    let mut object = pod(unplaced());
    object["metadata"] = json!({"generateName": "web-"});
    let file = tempfile::NamedTempFile::new_in(concat!(env!("CARGO_MANIFEST_DIR"), "/target"));
    let file = file.expect("a file");
    std::fs::write(file.path(), object.to_string()).unwrap();
    // A process for each would take longer to start than the API server takes to answer.
    let post = format!(
        "curl --silent --parallel --parallel-immediate --parallel-max 100 \
           --cacert $RUN/pki/ca.crt --cert $RUN/pki/admin.crt --key $RUN/pki/admin.key \
           --header 'Content-Type: application/json' --data-binary @{} \
           --output /dev/null --write-out '%{{http_code}}\n' \
           'https://10.99.0.1:6443/api/v1/namespaces/{}/pods?number=[1-100]'",
        file.path().display(),
        namespace.name,
    );
    let said = cluster.inside(&["bash", "-c", &post]);
    let created = said.stdout.lines().filter(|code| *code == "201").count();
    assert_eq!(created, 100, "{}{}", said.stdout, said.stderr);
    assert_eq!(unanswered(cluster), before, "reviews without an answer");
}
