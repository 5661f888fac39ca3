//! The webhook's router, called in process with reviews, against a registry on loopback.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use archmatch::admission::{Metrics, Reviewer, Settings, router};
use archmatch::checker::Checker;
use archmatch::cluster::NodeSettings;
use archmatch::cluster::view::View;
use archmatch::domain::policy::{Level, OnUnknown, OwnedPods};
use archmatch::registry::{self, Inspector};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use tower_service::Service;

use crate::support::cache::known_since;
use crate::support::install_crypto_provider;
use crate::support::registry::{FakeRegistry, Fault, index, manifest};

/// A webhook over a cluster of two amd64 and two s390x nodes.
struct Webhook {
    router: Router,
    registry: FakeRegistry,
    inspector: Inspector,
    settings: Arc<ArcSwap<Settings>>,
}

impl Webhook {
    async fn start() -> Self {
        install_crypto_provider();
        let registry = FakeRegistry::start().await;
        registry.push(
            "node:22",
            &index([manifest("linux/amd64"), manifest("linux/arm64")]),
        );
        registry.push("node:20", &index([manifest("linux/amd64")]));
        let all = index([manifest("linux/amd64"), manifest("linux/s390x")]);
        registry.push("node:21", &all);
        registry.push("app:laptop", &manifest("linux/arm64"));
        let settings = registry::Settings {
            hosts: vec![registry.settings()],
            ..registry::Settings::default()
        };
        let inspector = registry::open(settings, Arc::new(registry::NoSecrets)).unwrap();
        let (view, errors) = View::from_objects(&cluster(), &NodeSettings::default());
        assert!(errors.is_empty(), "{errors:?}");
        let settings = Arc::new(ArcSwap::from_pointee(Settings::default()));
        let reviewer = Reviewer::new(
            Checker::new(Arc::new(inspector.clone())),
            Arc::new(ArcSwap::from_pointee(view)),
            Arc::clone(&settings),
            Metrics::register(&mut prometheus_client::registry::Registry::default()),
        );
        Self {
            router: router(reviewer),
            registry,
            inspector,
            settings,
        }
    }

    fn set(&self, change: impl FnOnce(&mut Settings)) {
        let mut settings = Settings::clone(&self.settings.load());
        change(&mut settings);
        self.settings.store(Arc::new(settings));
    }

    fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.registry.host())
    }

    /// A pod specification that may go to nodes of one architecture.
    fn spec(&self, image: &str, architecture: &str) -> Value {
        json!({
            "nodeSelector": {"kubernetes.io/arch": architecture},
            "containers": [{"name": "web", "image": self.image(image)}],
        })
    }

    async fn post(&self, body: impl Into<Body>) -> (StatusCode, String) {
        self.send(
            Request::post("/validate?timeout=10s")
                .header("content-type", "application/json")
                .body(body.into())
                .unwrap(),
        )
        .await
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, String) {
        let response = self.router.clone().call(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// The response to a review.
    async fn ask(&self, review: &Review) -> Value {
        let (status, body) = self.post(review.json()).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(answer["response"]["uid"], "u-1");
        assert!(answer["response"].get("patch").is_none());
        answer["response"].clone()
    }

    #[track_caller]
    fn denied(response: &Value) -> String {
        assert_eq!(response["allowed"], false, "{response}");
        assert_eq!(response["status"]["code"], 403);
        assert_eq!(response["status"]["reason"], "Forbidden");
        response["status"]["message"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    fn warned(response: &Value) -> String {
        assert_eq!(response["allowed"], true, "{response}");
        let warnings = response["warnings"].as_array().expect("warnings");
        warnings
            .iter()
            .map(|line| line.as_str().unwrap())
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[track_caller]
    fn admitted(response: &Value) {
        assert_eq!(response["allowed"], true, "{response}");
        assert!(response.get("warnings").is_none(), "{response}");
    }
}

fn cluster() -> Vec<Value> {
    let node = |name: &str, architecture: &str| {
        json!({"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/arch": architecture}},
            "status": {"nodeInfo": {"operatingSystem": "linux", "architecture": architecture,
                "containerRuntimeVersion": "containerd://2.1.4"}}})
    };
    let namespace = |name: &str, labels: Value| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    vec![
        node("a1", "amd64"),
        node("a2", "amd64"),
        node("z1", "s390x"),
        node("z2", "s390x"),
        namespace("web", json!({})),
        namespace("strict", json!({"archmatch.io/enforce": "portable"})),
        namespace(
            "off",
            json!({"archmatch.io/enforce": "off", "archmatch.io/warn": "off", "archmatch.io/audit": "off"}),
        ),
        namespace("typo", json!({"archmatch.io/enforce": "portabel"})),
    ]
}

/// A review, as the API server writes it.
struct Review(Value);

impl Review {
    fn pod(spec: &Value) -> Self {
        Self::of("", "Pod", "pods", json!({"spec": spec}))
    }

    fn deployment(spec: &Value) -> Self {
        Self::of(
            "apps",
            "Deployment",
            "deployments",
            json!({"spec": {"template": {"spec": spec}}}),
        )
    }

    fn of(group: &str, kind: &str, resource: &str, object: Value) -> Self {
        Self(json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "u-1", "operation": "CREATE", "namespace": "web", "name": "web",
                "kind": {"group": group, "version": "v1", "kind": kind},
                "resource": {"group": group, "version": "v1", "resource": resource},
                "userInfo": {"username": "ann"}, "object": object, "oldObject": null,
            },
        }))
    }

    fn with(mut self, field: &str, value: Value) -> Self {
        self.0["request"][field] = value;
        self
    }

    fn updating(self, old: Self) -> Self {
        let object = old.0["request"]["object"].clone();
        self.with("operation", json!("UPDATE"))
            .with("oldObject", object)
    }

    fn by(self, user: &str) -> Self {
        self.with("userInfo", json!({"username": user}))
    }

    fn json(&self) -> String {
        self.0.to_string()
    }
}

#[tokio::test]
async fn what_nowhere_runs_is_denied_and_what_lacks_a_platform_is_warned_of() {
    let webhook = Webhook::start().await;
    let pinned = webhook.spec("node:22", "s390x");
    let message = Webhook::denied(&webhook.ask(&Review::deployment(&pinned)).await);
    assert!(
        message.contains("has no linux/s390x manifest, required by 2 nodes (z1, z2)"),
        "{message}"
    );
    let mut anywhere = pinned;
    anywhere["nodeSelector"] = json!({});
    let response = webhook.ask(&Review::deployment(&anywhere)).await;
    let warning = Webhook::warned(&response);
    assert!(warning.contains("linux/s390x"), "{warning}");
    assert_eq!(
        response["auditAnnotations"],
        json!({"verdict": "fail", "mode": "warn", "missing": "linux/s390x"})
    );
    Webhook::admitted(
        &webhook
            .ask(&Review::pod(&webhook.spec("node:21", "s390x")))
            .await,
    );
}

#[tokio::test]
async fn causes_name_each_image_and_platform() {
    let webhook = Webhook::start().await;
    let response = webhook
        .ask(&Review::pod(&webhook.spec("app:laptop", "amd64")))
        .await;
    let message = Webhook::denied(&response);
    assert!(message.contains("exec format error"), "{message}");
    let cause = &response["status"]["details"]["causes"][0];
    assert_eq!(cause["reason"], "mismatched");
    assert_eq!(cause["field"], "containers[web].image");
}

#[tokio::test]
async fn namespace_labels_set_levels_and_a_wrong_one_says_so() {
    let webhook = Webhook::start().await;
    let mut anywhere = webhook.spec("node:22", "");
    anywhere["nodeSelector"] = json!({});
    let ask = |namespace: &'static str| {
        webhook_ask(
            &webhook,
            Review::pod(&anywhere).with("namespace", json!(namespace)),
        )
    };
    Webhook::denied(&ask("strict").await);
    Webhook::admitted(&ask("off").await);
    let warning = Webhook::warned(&ask("typo").await);
    assert!(
        warning.contains("archmatch.io/enforce of namespace typo"),
        "{warning}"
    );
}

async fn webhook_ask(webhook: &Webhook, review: Review) -> Value {
    webhook.ask(&review).await
}

#[tokio::test]
async fn an_update_is_denied_only_for_new_gaps() {
    let webhook = Webhook::start().await;
    let old = webhook.spec("node:22", "s390x");
    let mut restarted = old.clone();
    restarted["terminationGracePeriodSeconds"] = json!(1);
    let update = Review::deployment(&restarted).updating(Review::deployment(&old));
    Webhook::warned(&webhook.ask(&update).await);
    let deleting = update.with(
        "object",
        json!({
            "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"template": {"spec": webhook.spec("node:20", "s390x")}},
        }),
    );
    // A deletionTimestamp, which a finalizer keeps for ever, is no way around.
    Webhook::denied(&webhook.ask(&deleting).await);
    let other = Review::deployment(&webhook.spec("node:20", "s390x"));
    let other = other.updating(Review::deployment(&old));
    Webhook::denied(&webhook.ask(&other).await);
}

#[tokio::test]
async fn who_asks_decides_what_counts_as_owned() {
    let webhook = Webhook::start().await;
    let spec = webhook.spec("node:22", "s390x");
    let controller = "system:serviceaccount:kube-system:replicaset-controller";
    Webhook::warned(&webhook.ask(&Review::pod(&spec).by(controller)).await);
    let owned = json!({"metadata": {"ownerReferences": [{"kind": "ReplicaSet", "controller": true}]}, "spec": spec});
    Webhook::denied(&webhook.ask(&Review::of("", "Pod", "pods", owned)).await);
    webhook.set(|settings| settings.controllers = vec!["argo".to_owned()]);
    Webhook::warned(&webhook.ask(&Review::pod(&spec).by("argo")).await);
    webhook.set(|settings| settings.owned_pods = OwnedPods::Enforce);
    Webhook::denied(&webhook.ask(&Review::pod(&spec).by(controller)).await);
}

#[tokio::test]
async fn a_gated_pod_is_warned_and_judged_when_the_gate_goes() {
    let webhook = Webhook::start().await;
    let open = webhook.spec("node:22", "s390x");
    let mut gated = open.clone();
    gated["schedulingGates"] = json!([{"name": "example.com/gate"}]);
    Webhook::warned(&webhook.ask(&Review::pod(&gated)).await);
    let ungated = Review::pod(&open).updating(Review::pod(&gated));
    Webhook::denied(&webhook.ask(&ungated).await);
}

#[tokio::test]
async fn a_mirror_pod_passes_only_from_its_own_node() {
    let webhook = Webhook::start().await;
    let mut spec = webhook.spec("node:22", "s390x");
    spec["nodeName"] = json!("z1");
    let object =
        json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}, "spec": spec});
    let mirror = || Review::of("", "Pod", "pods", object.clone());
    Webhook::admitted(&webhook.ask(&mirror().by("system:node:z1")).await);
    Webhook::denied(&webhook.ask(&mirror().by("system:node:z2")).await);
    Webhook::denied(&webhook.ask(&mirror().by("ann")).await);
}

#[tokio::test]
async fn ephemeral_containers_are_judged_and_other_sub_resources_are_not() {
    let webhook = Webhook::start().await;
    let old = webhook.spec("node:21", "s390x");
    let mut new = old.clone();
    new["ephemeralContainers"] = json!([{"name": "debug", "image": webhook.image("node:22")}]);
    let update = || Review::pod(&new).updating(Review::pod(&old));
    let response = webhook
        .ask(&update().with("subResource", json!("ephemeralcontainers")))
        .await;
    assert!(Webhook::denied(&response).contains("container debug"));
    Webhook::admitted(
        &webhook
            .ask(&update().with("subResource", json!("status")))
            .await,
    );
}

#[tokio::test]
async fn unknown_is_warned_of_by_default_and_denied_only_when_asked() {
    let webhook = Webhook::start().await;
    webhook
        .registry
        .misbehave("GET /v2/node", Fault::Status(503));
    let review = Review::pod(&webhook.spec("node:22", "s390x"));
    let response = webhook.ask(&review).await;
    let warning = Webhook::warned(&response);
    assert!(warning.contains("could not be checked"), "{warning}");
    assert_eq!(response["auditAnnotations"]["undecided"], "unreachable");
    webhook.set(|settings| settings.on_unknown = OnUnknown::Allow);
    Webhook::admitted(&webhook.ask(&review).await);
    webhook.set(|settings| settings.on_unknown = OnUnknown::Deny);
    Webhook::denied(&webhook.ask(&review).await);
    let unchanged = Review::pod(&webhook.spec("node:22", "s390x"));
    let unchanged = unchanged.updating(Review::pod(&webhook.spec("node:22", "s390x")));
    Webhook::warned(&webhook.ask(&unchanged).await);
    let nowhere = Review::pod(&webhook.spec("node:22", "riscv64"));
    let warning = Webhook::warned(&webhook.ask(&nowhere).await);
    assert!(warning.contains("no node may run this pod"), "{warning}");
}

#[tokio::test]
async fn an_answer_that_outlives_its_registry_is_said_to_be_old() {
    let webhook = Webhook::start().await;
    let whole = Review::pod(&webhook.spec("node:21", "s390x"));
    let lacking = Review::pod(&webhook.spec("node:22", "s390x"));
    Webhook::admitted(&webhook.ask(&whole).await);
    Webhook::denied(&webhook.ask(&lacking).await);
    let folder = tempfile::tempdir().unwrap();
    known_since(&webhook.inspector, folder.path(), Duration::from_secs(7300)).await;
    webhook.registry.misbehave("/v2/node", Fault::Status(503));

    let doubt = format!(
        "was judged by what {} said 2h ago; it is unreachable now",
        webhook.registry.host()
    );
    let response = webhook.ask(&whole).await;
    let image = webhook.image("node:21");
    assert_eq!(
        Webhook::warned(&response),
        format!("archmatch: image \"{image}\" {doubt}")
    );
    assert_eq!(
        response["auditAnnotations"],
        json!({"verdict": "pass", "mode": "allow", "stale": "unreachable"})
    );
    let response = webhook.ask(&lacking).await;
    let message = Webhook::denied(&response);
    assert!(message.contains(&format!("  it {doubt}")), "{message}");
    assert_eq!(response["auditAnnotations"]["stale"], "unreachable");

    webhook.registry.recover();
    known_since(&webhook.inspector, folder.path(), Duration::from_secs(7300)).await;
    Webhook::admitted(&webhook.ask(&whole).await);
}

#[tokio::test]
async fn a_silent_registry_is_answered_for_in_time() {
    let webhook = Webhook::start().await;
    webhook.registry.misbehave("GET /v2/node", Fault::Silence);
    let body = Review::pod(&webhook.spec("node:22", "s390x")).json();
    let request = Request::post("/validate?timeout=1s").header("content-type", "application/json");
    let (status, body) = webhook.send(request.body(body.into()).unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        answer["response"]["auditAnnotations"]["undecided"],
        "timeout"
    );
}

#[tokio::test]
async fn several_images_are_one_answer_and_an_image_volume_counts() {
    let webhook = Webhook::start().await;
    let mut spec = webhook.spec("node:21", "s390x");
    spec["volumes"] = json!([{"name": "data", "image": {"reference": webhook.image("node:20")}}]);
    let message = Webhook::denied(&webhook.ask(&Review::pod(&spec)).await);
    assert!(
        message.contains("(volume data) has no linux/s390x manifest"),
        "{message}"
    );
}

#[tokio::test]
async fn the_levels_off_ask_no_registry() {
    let webhook = Webhook::start().await;
    webhook.set(|settings| {
        settings.levels.enforce = Level::Off;
        settings.levels.warn = Level::Off;
        settings.levels.audit = Level::Off;
    });
    Webhook::admitted(
        &webhook
            .ask(&Review::pod(&webhook.spec("node:22", "s390x")))
            .await,
    );
    assert!(webhook.registry.requests().is_empty());
}

#[tokio::test]
async fn malformed_reviews_get_a_well_formed_answer() {
    let webhook = Webhook::start().await;
    let spec = webhook.spec("node:22", "s390x");
    let wrong_type = Review::pod(&json!({"containers": 7}));
    let response = webhook.ask(&wrong_type).await;
    assert_eq!(response["allowed"], false);
    assert_eq!(response["status"]["code"], 400);
    assert_eq!(response["status"]["reason"], "BadRequest");
    let message = response["status"]["message"].as_str().unwrap();
    assert!(message.contains("spec.containers"), "{message}");
    let mut beta = Review::pod(&spec);
    beta.0["apiVersion"] = json!("admission.k8s.io/v1beta1");
    assert_eq!(webhook.ask(&beta).await["status"]["code"], 400);
    let without = Review::pod(&spec).with("object", Value::Null);
    assert_eq!(webhook.ask(&without).await["status"]["code"], 400);
}

#[tokio::test]
async fn what_is_no_review_gets_one_line_and_never_a_redirect() {
    let webhook = Webhook::start().await;
    let json = "application/json";
    let huge = vec![b' '; 7 * 1024 * 1024 + 1];
    let cases = [
        ("POST", "/validate", Some(json), Vec::new(), 400),
        ("POST", "/validate", Some(json), b"{".to_vec(), 400),
        ("POST", "/validate", Some(json), b"\xff\xfe".to_vec(), 400),
        ("POST", "/validate", Some(json), b"[[[[".repeat(30_000), 400),
        ("POST", "/validate", Some(json), huge, 413),
        ("POST", "/validate", Some("text/plain"), b"{}".to_vec(), 415),
        ("POST", "/validate", None, b"{}".to_vec(), 415),
        ("GET", "/validate", None, Vec::new(), 405),
        ("POST", "/", Some(json), b"{}".to_vec(), 404),
        ("POST", "/validate/", Some(json), b"{}".to_vec(), 404),
    ];
    for (method, path, content_type, body, expected) in cases {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let (status, text) = webhook.send(request.body(body.into()).unwrap()).await;
        assert_eq!(status.as_u16(), expected, "{method} {path}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}
