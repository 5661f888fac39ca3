//! What must go on while we do not answer, and what must not wait for a node that is away
//! for a while.

use serde_json::{Value, json};

use crate::Test;
use crate::cluster::{Cluster, eventually};
use crate::kubectl::{Namespace, deployment, image, on, on_real_node, pod, spec, templated};
use crate::nodes;
use crate::product::{self, Values};

pub const TESTS: &[(&str, Test)] = &[
    (
        "without_replicas_under_fail_nodes_drain_and_only_users_are_refused",
        no_replicas,
    ),
    (
        "an_operators_pod_for_a_cordoned_node_is_warned_and_waits",
        cordoned,
    ),
    (
        "a_namespace_is_deleted_whatever_its_pods_lack",
        namespace_deleted,
    ),
];

fn on_fake_nodes(mut spec: Value) -> Value {
    spec["nodeSelector"] = json!({"type": "kwok"});
    spec
}

fn no_replicas(cluster: &Cluster) {
    product::restore(cluster);
    let add = |name| nodes::add(cluster, name, "amd64", json!({}));
    let mut fakes = vec![add("outage-1"), add("outage-2")];
    let namespace = Namespace::new(cluster, &[]);
    let mut web = deployment(on_fake_nodes(spec("app:multi")));
    web["spec"]["replicas"] = json!(6);
    namespace.accepts(&web);
    let mut agent = templated("apps/v1", "DaemonSet", on_fake_nodes(spec("app:multi")));
    agent["metadata"]["name"] = json!("agent");
    agent["spec"]["selector"] = json!({"matchLabels": {"app": "agent"}});
    agent["spec"]["template"]["metadata"]["labels"] = json!({"app": "agent"});
    namespace.accepts(&agent);
    let mut real = pod(on_real_node(spec("app:plain-amd64")));
    real["metadata"]["name"] = json!("real");
    namespace.accepts(&real);
    let rolled_out = |what: &str| {
        let words = ["rollout", "status", "--timeout=60s", what];
        namespace.kubectl(&words).expect_ok();
    };
    rolled_out("deployment/web");
    rolled_out("daemonset/agent");
    let ready = ["wait", "--for=condition=Ready", "pod/real", "--timeout=60s"];
    namespace.kubectl(&ready).expect_ok();

    let _highly_available =
        Values::change(cluster, &["charts/archmatch/values-ha.yaml"], &json!({}));
    product::scale(cluster, 0);
    let mut other = web.clone();
    other["metadata"]["name"] = json!("other");
    eventually("a user is refused", || {
        let said = namespace.apply(&other, &["--dry-run=server"]);
        let failed = "failed calling webhook \"validate.archmatch.io\"";
        if said.stderr.contains(failed) {
            Ok(())
        } else {
            Err(said.stderr)
        }
    });

    let drain = [
        "kubectl",
        "drain",
        "outage-1",
        "--ignore-daemonsets",
        "--timeout=60s",
    ];
    cluster.inside(&drain).expect_ok();
    rolled_out("deployment/web");
    let path = "jsonpath={.items[*].spec.nodeName}";
    let places = namespace.kubectl(&["get", "pods", "-l", "app=web", "-o", path]);
    let places = places.expect_ok();
    assert_eq!(
        places.split_whitespace().collect::<Vec<_>>(),
        ["outage-2"; 6]
    );

    fakes.push(add("outage-3"));
    eventually("the new node has its pod", || {
        let path = "jsonpath={.status.numberReady}";
        let ready = namespace.kubectl(&["get", "daemonset", "agent", "-o", path]);
        if ready.stdout == "3" {
            Ok(())
        } else {
            Err(ready.stdout)
        }
    });

    let image = format!("--image={}", image("app:multi"));
    let debug = [
        "debug",
        "real",
        &image,
        "--profile=general",
        "-q",
        "-c",
        "debugger",
    ];
    namespace.kubectl(&debug).expect_ok();
    eventually("the debug container runs", || {
        let path = "jsonpath={.status.ephemeralContainerStatuses[0].state}";
        let state = namespace
            .kubectl(&["get", "pod", "real", "-o", path])
            .stdout;
        if state.contains("running") {
            Ok(())
        } else {
            Err(state)
        }
    });
}

/// The node may be scheduled on again when this goes.
struct Cordon<'a>(&'a Cluster);

impl<'a> Cordon<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        cluster
            .inside(&["kubectl", "cordon", "real-amd64"])
            .expect_ok();
        Self(cluster)
    }
}

impl Drop for Cordon<'_> {
    fn drop(&mut self) {
        self.0.inside(&["kubectl", "uncordon", "real-amd64"]);
    }
}

fn cordoned(cluster: &Cluster) {
    product::restore(cluster);
    let _arm = nodes::add(cluster, "arm-left", "arm64", json!({}));
    let namespace = Namespace::new(cluster, &[("archmatch.io/enforce", "portable")]);
    let user = format!("system:serviceaccount:{}:operator", namespace.name);
    namespace
        .kubectl(&["create", "serviceaccount", "operator"])
        .expect_ok();
    let account = format!("--serviceaccount={}:operator", namespace.name);
    let grant = [
        "create",
        "rolebinding",
        "operator",
        "--clusterrole=edit",
        &account,
    ];
    namespace.kubectl(&grant).expect_ok();
    let cordon = Cordon::new(cluster);
    let object = pod(on("amd64", spec("app:plain-amd64")));
    let said = eventually("the cordon counts", || {
        let create = ["create", "-f", "-", "--dry-run=server", "--as", &user];
        let said = namespace.kubectl_with(&create, &object.to_string());
        if said.ok && !said.stderr.contains("archmatch") {
            Err(said.stderr)
        } else {
            Ok(said)
        }
    });
    assert!(said.ok, "an operator's pod is not denied: {}", said.stderr);
    let create = ["create", "-f", "-", "--as", &user];
    let said = namespace.kubectl_with(&create, &object.to_string());
    assert!(said.ok, "{}", said.stderr);
    assert!(
        said.stderr.contains("Warning: archmatch: "),
        "{}",
        said.stderr
    );
    assert!(said.stderr.contains("cordoned"), "{}", said.stderr);
    eventually("it waits for a node", || {
        let path = "jsonpath={.status.phase} {.status.conditions[0].reason}";
        let status = namespace.kubectl(&["get", "pod", "web", "-o", path]).stdout;
        if status == "Pending Unschedulable" {
            Ok(())
        } else {
            Err(status)
        }
    });
    // What could go elsewhere, where nothing runs it, is not denied either.
    let free = Namespace::new(cluster, &[]);
    let anywhere = pod(spec("app:plain-amd64")).to_string();
    let said = free.kubectl_with(&["create", "-f", "-", "--dry-run=server"], &anywhere);
    assert!(said.ok, "{}", said.stderr);
    assert!(said.stderr.contains("cordoned"), "{}", said.stderr);
    drop(cordon);
    let ready = ["wait", "--for=condition=Ready", "pod/web", "--timeout=60s"];
    namespace.kubectl(&ready).expect_ok();
}

fn namespace_deleted(cluster: &Cluster) {
    product::restore(cluster);
    let _nodes = nodes::mixed(cluster);
    let levels = [
        ("archmatch.io/enforce", "off"),
        ("archmatch.io/warn", "off"),
    ];
    let namespace = Namespace::new(cluster, &levels);
    let mut held = pod(on("s390x", spec("node:22")));
    held["metadata"]["finalizers"] = json!(["e2e/held"]);
    // On no node: kwok would take the finalizer off.
    held["spec"]["schedulerName"] = json!("nobody");
    eventually("the labels count", || {
        let said = namespace.apply(&held, &[]);
        if said.ok { Ok(()) } else { Err(said.stderr) }
    });
    let strict = ["archmatch.io/enforce=portable", "--overwrite"];
    let label = ["kubectl", "label", "namespace", &namespace.name];
    cluster.inside(&[&label[..], &strict].concat()).expect_ok();
    eventually("the label counts", || {
        let mut other = held.clone();
        other["metadata"]["name"] = json!("other");
        let said = namespace.apply(&other, &["--dry-run=server"]);
        if said.ok { Err(said.stderr) } else { Ok(()) }
    });
    let delete = ["kubectl", "delete", "namespace", &namespace.name];
    cluster
        .inside(&[&delete[..], &["--wait=false"]].concat())
        .expect_ok();
    eventually("the pod is to go", || {
        let path = "jsonpath={.metadata.deletionTimestamp}";
        let pod = namespace.kubectl(&["get", "pod", "web", "-o", path]);
        if pod.stdout.is_empty() {
            Err(pod.stderr)
        } else {
            Ok(())
        }
    });
    let release = [
        "patch",
        "pod",
        "web",
        "-p",
        r#"{"metadata":{"finalizers":null}}"#,
    ];
    namespace.kubectl(&release).expect_ok();
    cluster
        .inside(&[&delete[..], &["--timeout=60s", "--ignore-not-found"]].concat())
        .expect_ok();
}
