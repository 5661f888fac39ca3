//! The cluster adapter against a small API server.

mod api;

use std::sync::Arc;
use std::time::Duration;

use archmatch::cluster::certificates::{CertificateStore, SharedPair, trust};
use archmatch::cluster::view::View;
use archmatch::cluster::{Cluster, NodeSettings, watch};
use archmatch::config::Configuration;
use futures::FutureExt;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use self::api::{Api, Gone};

/// How long anything may take that should happen soon.
const LIMIT: Duration = Duration::from_secs(30);

/// Runs a test that needs the network.
fn run<F: Future<Output = ()>>(test: F) {
    let limited = async {
        tokio::time::timeout(2 * LIMIT, test)
            .await
            .expect("in time");
    };
    Runtime::new().unwrap().block_on(limited);
}

fn node(architecture: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"labels": {"kubernetes.io/arch": architecture}},
        "status": {
            "conditions": [{"type": "Ready", "lastHeartbeatTime": "2026-01-01T00:00:00Z"}],
            "nodeInfo": {
                "architecture": architecture, "operatingSystem": "linux",
                "containerRuntimeVersion": "containerd://2.1.4",
            },
        },
    })
}

/// Platforms and their nodes, such as `linux/amd64: a1 a2`.
fn platforms(view: &View) -> Vec<String> {
    let groups = view.nodes.groups().map(|(key, nodes)| {
        let names: Vec<&str> = nodes.keys().map(AsRef::as_ref).collect();
        format!("{}: {}", key.platform.platform, names.join(" "))
    });
    groups.collect()
}

/// A watched cluster; the task ends with its runtime.
async fn start(api: &Api, settings: NodeSettings) -> Cluster {
    let (cluster, work) = watch(api.client(), settings);
    tokio::spawn(work);
    cluster.synced().await;
    cluster
}

fn view(cluster: &Cluster) -> Arc<View> {
    cluster.view().load_full()
}

/// Waits until the view shows these platforms.
async fn shows(cluster: &Cluster, expected: &[&str]) {
    let mut views = cluster.views();
    let shown = views.wait_for(|_| platforms(&view(cluster)) == expected);
    if tokio::time::timeout(LIMIT, shown).await.is_err() {
        let found = platforms(&view(cluster));
        panic!("found {found:?}, expected {expected:?}");
    }
}

#[test]
fn the_view_follows_the_cluster() {
    run(async {
        let api = Api::start().await;
        api.put("/api/v1/nodes/a1", node("amd64"));
        let labels = json!({"metadata": {"labels": {"archmatch.io/enforce": "off"}}});
        api.put("/api/v1/namespaces/web", labels);
        let class = json!({"scheduling": {"nodeSelector": {"sandbox": "yes"}}});
        api.put("/apis/node.k8s.io/v1/runtimeclasses/gvisor", class);
        let cluster = start(&api, NodeSettings::default()).await;
        let before = view(&cluster);
        assert_eq!(platforms(&before), ["linux/amd64: a1"]);
        assert_eq!(
            before.namespace("web").unwrap().enforce.as_deref(),
            Some("off")
        );
        let defaults = before.placement_defaults("web", Some("gvisor"));
        assert_eq!(
            defaults.runtime_class.unwrap().node_selector["sandbox"],
            "yes"
        );

        api.put("/api/v1/nodes/z1", node("s390x"));
        shows(&cluster, &["linux/amd64: a1", "linux/s390x: z1"]).await;
        api.delete("/api/v1/nodes/a1");
        shows(&cluster, &["linux/s390x: z1"]).await;
        // Whoever still holds the old view still sees the old cluster.
        assert_eq!(platforms(&before), ["linux/amd64: a1"]);
    });
}

#[test]
fn lists_come_in_pages() {
    run(async {
        let api = Api::start().await;
        for index in 0..250 {
            api.put(&format!("/api/v1/nodes/n{index}"), node("amd64"));
        }
        let cluster = start(&api, NodeSettings::default()).await;
        assert_eq!(view(&cluster).nodes.len(), 250);
        assert_eq!(api.requests("GET /api/v1/nodes"), 3);
    });
}

#[test]
fn a_version_that_is_gone_is_listed_anew() {
    for gone in [Gone::Event, Gone::Status] {
        run(async {
            let api = Api::start().await;
            api.put("/api/v1/nodes/a1", node("amd64"));
            api.put("/api/v1/nodes/a2", node("amd64"));
            let cluster = start(&api, NodeSettings::default()).await;
            // The deletion is never watched: only a new list can tell.
            api.set_down(true);
            api.delete("/api/v1/nodes/a1");
            api.put("/api/v1/nodes/z1", node("s390x"));
            api.forget_history(gone);
            api.set_down(false);
            shows(&cluster, &["linux/amd64: a2", "linux/s390x: z1"]).await;
            assert!(api.requests("GET /api/v1/nodes") >= 2, "{gone:?}");
        });
    }
}

#[test]
fn the_last_view_serves_while_the_api_server_is_away() {
    run(async {
        let api = Api::start().await;
        api.put("/api/v1/nodes/a1", node("amd64"));
        let cluster = start(&api, NodeSettings::default()).await;
        let asked = api.requests("WATCH /api/v1/nodes");
        api.set_down(true);
        // Whoever asks a second time has seen the first refusal.
        api.asked("WATCH /api/v1/nodes", asked + 2).await;
        assert_eq!(platforms(&view(&cluster)), ["linux/amd64: a1"]);
        api.put("/api/v1/nodes/z1", node("s390x"));
        api.set_down(false);
        shows(&cluster, &["linux/amd64: a1", "linux/s390x: z1"]).await;
    });
}

#[test]
fn nothing_is_ready_before_every_list_is_complete() {
    run(async {
        let api = Api::start().await;
        api.set_down(true);
        let (cluster, work) = watch(api.client(), NodeSettings::default());
        tokio::spawn(work);
        api.asked("GET /api/v1/nodes", 2).await;
        assert!(cluster.synced().now_or_never().is_none() && view(&cluster).nodes.is_empty());
        api.set_down(false);
        cluster.synced().await;
    });
}

#[test]
fn new_settings_change_the_view() {
    run(async {
        let api = Api::start().await;
        api.put("/api/v1/nodes/a1", node("arm"));
        let cluster = start(&api, NodeSettings::default()).await;
        assert_eq!(platforms(&view(&cluster)), ["linux/arm/v7: a1"]);
        let text = "nodes: {overrides: [{variant: v6}]}\npools: [{name: z, platform: linux/s390x}]";
        let configuration = Configuration::parse(text).unwrap();
        cluster.set_settings(NodeSettings {
            overrides: configuration.nodes.overrides,
            pools: configuration.pools,
        });
        shows(&cluster, &["linux/arm/v6: a1", "linux/s390x: z"]).await;
    });
}

fn pair(text: &str) -> SharedPair {
    SharedPair {
        ca: format!("{text} ca"),
        certificate: format!("{text} certificate"),
        key: format!("{text} key"),
    }
}

const SECRET: &str = "/api/v1/namespaces/ns/secrets/tls";

#[test]
fn one_replica_fills_the_secret_and_the_others_serve_the_same() {
    run(async {
        let api = Api::start().await;
        let store = CertificateStore::new(api.client(), "ns", "tls");
        assert!(store.read().await.unwrap().is_none());
        // Both read before either wrote.
        let first = store.offer(pair("first"), None).await.unwrap();
        let late = store.offer(pair("late"), None).await.unwrap();
        assert!(first == pair("first") && late == first);
        assert_eq!(api.get(SECRET).unwrap()["type"], "kubernetes.io/tls");
        // Both find it due for renewal.
        let second = store.offer(pair("second"), Some(&first)).await.unwrap();
        let late = store.offer(pair("late"), Some(&first)).await.unwrap();
        assert!(second == pair("second") && late == second);
        assert!(store.read().await.unwrap() == Some(second));
    });
}

#[test]
fn a_lost_race_is_won_by_the_other() {
    run(async {
        let api = Api::start().await;
        let store = CertificateStore::new(api.client(), "ns", "tls");
        let first = store.offer(pair("first"), None).await.unwrap();
        // Somebody writes between our reading and our writing.
        api.lose_races(1);
        let kept = store.offer(pair("second"), Some(&first)).await.unwrap();
        assert!(kept == first);
    });
}

#[test]
fn a_secret_that_is_not_filled_yet_is_filled() {
    run(async {
        let api = Api::start().await;
        let empty = json!({"type": "kubernetes.io/tls", "data": {"tls.crt": "", "tls.key": ""}});
        api.put(SECRET, empty);
        let store = CertificateStore::new(api.client(), "ns", "tls");
        assert!(store.read().await.unwrap().is_none());
        assert!(store.offer(pair("own"), None).await.unwrap() == pair("own"));
        assert!(store.read().await.unwrap() == Some(pair("own")));
    });
}

#[test]
fn the_authority_goes_into_every_webhook_and_nowhere_else() {
    run(async {
        let api = Api::start().await;
        let path =
            "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/archmatch";
        let webhook = |name: &str, bundle: Value| {
            json!({
                "name": name, "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "clientConfig": {"service": {"name": "s", "namespace": "ns"}, "caBundle": bundle},
            })
        };
        let webhooks = [webhook("a", Value::Null), webhook("b", json!("b2xk"))];
        api.put(path, json!({"webhooks": webhooks}));
        assert!(trust(api.client(), "archmatch", "new").await.unwrap());
        let expected = [webhook("a", json!("bmV3")), webhook("b", json!("bmV3"))];
        assert_eq!(api.get(path).unwrap()["webhooks"], json!(expected));
        assert!(!trust(api.client(), "archmatch", "new").await.unwrap());
        assert!(trust(api.client(), "absent", "new").await.is_err());
    });
}
