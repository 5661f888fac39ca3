//! The cluster adapter against a small API server.

mod api;

use std::sync::Arc;
use std::time::Duration;

use archmatch::cluster::certificates::{
    Patched, StoredTls, TlsMaterial, TlsSecret, Written, patch_ca_bundle,
};
use archmatch::cluster::view::View;
use archmatch::cluster::{Settings, Watch, watch};
use archmatch::config::Configuration;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use self::api::{Api, Gone};

/// Runs a test that needs the network.
fn run<F: Future<Output = ()>>(test: F) {
    let limit = Duration::from_secs(60);
    Runtime::new()
        .unwrap()
        .block_on(async { tokio::time::timeout(limit, test).await.expect("in time") });
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
        let names: Vec<&str> = nodes.keys().map(String::as_str).collect();
        format!("{}: {}", key.platform.platform, names.join(" "))
    });
    groups.collect()
}

async fn start(api: &Api, settings: Settings) -> (Arc<Watch>, JoinHandle<()>) {
    let (watch, work) = watch(api.client(), settings);
    let work = tokio::spawn(work);
    watch.ready().await;
    (watch, work)
}

/// Waits until the view shows these platforms.
async fn shows(watch: &Watch, expected: &[&str]) {
    for _ in 0..1500 {
        if platforms(&watch.view()) == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!(
        "found {:?}, expected {expected:?}",
        platforms(&watch.view())
    );
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
        let (watch, _work) = start(&api, Settings::default()).await;
        let view = watch.view();
        assert_eq!(platforms(&view), ["linux/amd64: a1"]);
        assert_eq!(
            view.namespace("web").unwrap().enforce.as_deref(),
            Some("off")
        );
        let defaults = view.placement_defaults("web", Some("gvisor"));
        assert_eq!(
            defaults.runtime_class.unwrap().node_selector["sandbox"],
            "yes"
        );
        assert!(watch.is_ready() && watch.last_event().is_some());
        assert_eq!(watch.stale_for(), None);

        api.put("/api/v1/nodes/z1", node("s390x"));
        shows(&watch, &["linux/amd64: a1", "linux/s390x: z1"]).await;
        api.delete("/api/v1/nodes/a1");
        shows(&watch, &["linux/s390x: z1"]).await;
        // Whoever still holds the old view still sees the old cluster.
        assert_eq!(platforms(&view), ["linux/amd64: a1"]);
    });
}

#[test]
fn a_heartbeat_does_not_replace_the_view() {
    run(async {
        let api = Api::start().await;
        api.put("/api/v1/nodes/a1", node("amd64"));
        let (watch, _work) = start(&api, Settings::default()).await;
        let before = watch.view();
        for beat in 0..5 {
            let mut heartbeat = node("amd64");
            heartbeat["status"]["conditions"][0]["lastHeartbeatTime"] = json!(format!("t{beat}"));
            api.put("/api/v1/nodes/a1", heartbeat);
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        assert!(Arc::ptr_eq(&before, &watch.view()));
        // A change of something else keeps the nodes as they are.
        api.put("/api/v1/namespaces/web", json!({}));
        while watch.view().namespace("web").is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(Arc::ptr_eq(&before.nodes, &watch.view().nodes));
    });
}

#[test]
fn lists_come_in_pages() {
    run(async {
        let api = Api::start().await;
        for index in 0..250 {
            api.put(&format!("/api/v1/nodes/n{index}"), node("amd64"));
        }
        let (watch, _work) = start(&api, Settings::default()).await;
        assert_eq!(watch.view().nodes.len(), 250);
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
            let (watch, _work) = start(&api, Settings::default()).await;
            // The deletion is never watched: only a new list can tell.
            api.set_down(true);
            api.delete("/api/v1/nodes/a1");
            api.put("/api/v1/nodes/z1", node("s390x"));
            api.forget_history(gone);
            api.set_down(false);
            shows(&watch, &["linux/amd64: a2", "linux/s390x: z1"]).await;
            assert!(api.requests("GET /api/v1/nodes") >= 2, "{gone:?}");
        });
    }
}

#[test]
fn the_last_view_serves_while_the_api_server_is_away() {
    run(async {
        let api = Api::start().await;
        api.put("/api/v1/nodes/a1", node("amd64"));
        let (watch, _work) = start(&api, Settings::default()).await;
        api.set_down(true);
        while watch.stale_for().is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(platforms(&watch.view()), ["linux/amd64: a1"]);
        api.put("/api/v1/nodes/z1", node("s390x"));
        api.set_down(false);
        shows(&watch, &["linux/amd64: a1", "linux/s390x: z1"]).await;
    });
}

#[test]
fn nothing_is_ready_before_every_list_is_complete() {
    run(async {
        let api = Api::start().await;
        api.set_down(true);
        let (watch, work) = watch(api.client(), Settings::default());
        let _work = tokio::spawn(work);
        let early = tokio::time::timeout(Duration::from_millis(300), watch.ready()).await;
        assert!(early.is_err() && !watch.is_ready());
        api.set_down(false);
        watch.ready().await;
    });
}

#[test]
fn new_settings_change_the_view() {
    run(async {
        let api = Api::start().await;
        api.put("/api/v1/nodes/a1", node("arm"));
        let (watch, _work) = start(&api, Settings::default()).await;
        assert_eq!(platforms(&watch.view()), ["linux/arm/v7: a1"]);
        let text = "nodes: {overrides: [{variant: v6}]}\npools: [{name: z, platform: linux/s390x}]";
        watch.set_settings(Settings::from(&Configuration::parse(text).unwrap()));
        shows(&watch, &["linux/arm/v6: a1", "linux/s390x: z"]).await;
    });
}

fn material(text: &str) -> TlsMaterial {
    TlsMaterial {
        certificate: format!("{text} certificate"),
        private_key: format!("{text} key"),
        authority: format!("{text} authority"),
    }
}

const SECRET: &str = "/api/v1/namespaces/ns/secrets/tls";

#[test]
fn one_replica_fills_the_secret_and_the_others_read_it() {
    run(async {
        let api = Api::start().await;
        let secret = TlsSecret::new(api.client(), "ns", "tls");
        assert_eq!(secret.read().await.unwrap(), None);
        let Written::Ours(first) = secret.write(&material("first"), None).await.unwrap() else {
            panic!("nobody else writes");
        };
        assert_eq!(first.material, Some(material("first")));
        assert_eq!(api.get(SECRET).unwrap()["type"], "kubernetes.io/tls");
        assert_eq!(secret.read().await.unwrap(), Some(first.clone()));

        let late = secret.write(&material("late"), None).await.unwrap();
        assert_eq!(late, Written::Theirs(Some(first.clone())));

        let Written::Ours(second) = secret
            .write(&material("second"), Some(&first))
            .await
            .unwrap()
        else {
            panic!("nobody else writes");
        };
        let stale = secret
            .write(&material("stale"), Some(&first))
            .await
            .unwrap();
        assert_eq!(stale, Written::Theirs(Some(second.clone())));
        api.delete(SECRET);
        let gone = secret
            .write(&material("gone"), Some(&second))
            .await
            .unwrap();
        assert_eq!(gone, Written::Theirs(None));
    });
}

#[test]
fn a_secret_of_the_chart_is_filled_and_keeps_its_labels() {
    run(async {
        let api = Api::start().await;
        let empty = json!({
            "metadata": {"labels": {"app": "archmatch"}},
            "type": "kubernetes.io/tls",
            "data": {"tls.crt": "", "tls.key": ""},
        });
        api.put(SECRET, empty);
        let secret = TlsSecret::new(api.client(), "ns", "tls");
        let stored: StoredTls = secret.read().await.unwrap().unwrap();
        assert_eq!(stored.material, None);
        let written = secret.write(&material("own"), Some(&stored)).await.unwrap();
        assert!(matches!(written, Written::Ours(_)));
        assert_eq!(
            api.get(SECRET).unwrap()["metadata"]["labels"]["app"],
            "archmatch"
        );
        assert!(!format!("{written:?}").contains("own key"));
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
        // The first two attempts lose against others.
        api.lose_races(2);
        let patch = || patch_ca_bundle(api.client(), "archmatch", "new");
        assert_eq!(patch().await.unwrap(), Patched::Changed);
        let expected = [webhook("a", json!("bmV3")), webhook("b", json!("bmV3"))];
        assert_eq!(api.get(path).unwrap()["webhooks"], json!(expected));
        assert_eq!(patch().await.unwrap(), Patched::Unchanged);

        let absent = patch_ca_bundle(api.client(), "absent", "new")
            .await
            .unwrap_err();
        assert_eq!(
            absent.to_string(),
            "read ValidatingWebhookConfiguration absent"
        );
        api.put(path, json!({"webhooks": webhooks}));
        api.lose_races(99);
        assert!(
            patch()
                .await
                .unwrap_err()
                .to_string()
                .contains("lost the race")
        );
    });
}
