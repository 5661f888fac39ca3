//! The webhook's router, called in process with reviews, against a registry on loopback.

mod bounds;
mod cordon;
mod counted;
mod defaults;
mod evidence;
mod judged;
mod malformed;
mod remedies;
mod room;
mod turned_away;
mod unknown;
mod updates;

use std::sync::Arc;

use arc_swap::ArcSwap;
use archmatch::admission::{Limits, Metrics, Reviewer, Settings, router};
use archmatch::checker::Checker;
use archmatch::cluster::DeclaredNodes;
use archmatch::cluster::view::View;
use archmatch::domain::placement::AdmissionPlugin;
use archmatch::registry::{self, Inspector};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use tower_service::Service;

use crate::support::install_crypto_provider;
use crate::support::registry::{FakeRegistry, index, manifest};

/// A webhook over a cluster of two amd64 and two s390x nodes.
struct Webhook {
    router: Router,
    registry: FakeRegistry,
    inspector: Inspector,
    settings: Arc<ArcSwap<Settings>>,
    view: Arc<ArcSwap<View>>,
    metrics: prometheus_client::registry::Registry,
}

impl Webhook {
    async fn start() -> Self {
        Self::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Self {
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
        let settings = registry::LookUpSettings {
            hosts: vec![registry.settings()],
            ..registry::LookUpSettings::default()
        };
        let inspector =
            registry::open(settings, Arc::new(archmatch::credentials::NoSecrets)).unwrap();
        let view = Arc::new(ArcSwap::from_pointee(view(&cluster())));
        let settings = Arc::new(ArcSwap::from_pointee(Settings::default()));
        let mut metrics = prometheus_client::registry::Registry::default();
        let reviewer = Reviewer::new(
            Checker::new(Arc::new(inspector.clone())),
            Arc::clone(&view),
            Arc::clone(&settings),
            Metrics::register(&mut metrics),
        );
        Self {
            router: router(reviewer, limits),
            registry,
            inspector,
            settings,
            view,
            metrics,
        }
    }

    /// The same cluster with some nodes cordoned, as `kubectl cordon` and the node controller
    /// do it.
    fn cordon(&self, names: &[&str]) {
        let mut objects = cluster();
        for object in &mut objects {
            let name = object["metadata"]["name"].as_str().unwrap();
            if names.contains(&name) {
                object["spec"] = json!({"unschedulable": true, "taints": [
                    {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"},
                ]});
            }
        }
        self.view.store(Arc::new(view(&objects)));
    }

    /// The same cluster with further objects and with admission plugins.
    fn extend(&self, further: &[Value], admission_plugins: &[AdmissionPlugin]) {
        let objects = [&cluster(), further].concat();
        let settings = DeclaredNodes {
            admission_plugins: admission_plugins.iter().copied().collect(),
            ..DeclaredNodes::default()
        };
        let (view, errors) = View::from_objects(&objects, &settings);
        assert!(errors.is_empty(), "{errors:?}");
        self.view.store(Arc::new(view));
    }

    fn set(&self, change: impl FnOnce(&mut Settings)) {
        let mut settings = Settings::clone(&self.settings.load());
        change(&mut settings);
        self.settings.store(Arc::new(settings));
    }

    /// A sample of the metrics, by name and labels.
    fn metric(&self, name: &str) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.metrics).unwrap();
        let mut samples = text.lines().filter_map(|line| line.rsplit_once(' '));
        let sample = samples.find(|(sample, _)| *sample == name);
        sample.expect(name).1.parse().unwrap()
    }

    fn turned_away(&self, cause: &str) -> u64 {
        self.metric(&format!("admission_turned_away_total{{cause=\"{cause}\"}}"))
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

fn view(objects: &[Value]) -> View {
    let (view, errors) = View::from_objects(objects, &DeclaredNodes::default());
    assert!(errors.is_empty(), "{errors:?}");
    view
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
