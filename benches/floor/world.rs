//! What both servers are given: a certificate, a cluster of 5,000 nodes in 12 groups, a
//! registry, and reviews of 18 KiB.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde_json::{Value, json};

/// Files and documents of one run; the folder goes with the value.
pub(crate) struct World {
    folder: tempfile::TempDir,
    certificate: String,
    /// A Deployment's creation.
    pub(crate) deployment: String,
    /// A Pod's creation.
    pub(crate) pod: String,
}

/// Size of a review's object; the rest is envelope.
const OBJECT_BYTES: usize = 17 * 1024;

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a pair");
        let certificate = pair.cert.pem();
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("write a file");
        };
        write("tls.crt", &certificate);
        write("tls.key", &pair.signing_key.serialize_pem());
        let registry = start_registry().await;
        write(
            "config.yaml",
            &format!("registries: [{{host: '{registry}', plainHttp: true, addresses: any}}]\n"),
        );
        write("nodes.json", &nodes().to_string());
        let pod = json!({"containers": [
            {"name": "web", "image": format!("{registry}/app:1"), "args": ["x".repeat(OBJECT_BYTES)]},
        ]});
        Self {
            certificate,
            deployment: review(
                "apps",
                "Deployment",
                "deployments",
                &json!({
                    "selector": {"matchLabels": {"app": "web"}},
                    "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod},
                }),
            ),
            pod: review("", "Pod", "pods", &pod),
            folder,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn tls_files(&self) -> [String; 2] {
        ["tls.crt", "tls.key"].map(|name| self.path(name).display().to_string())
    }

    pub(crate) fn snapshot(&self) -> String {
        self.path("nodes.json").display().to_string()
    }

    pub(crate) fn configuration(&self) -> String {
        self.path("config.yaml").display().to_string()
    }

    pub(crate) fn ca(&self) -> reqwest::Certificate {
        reqwest::Certificate::from_pem(self.certificate.as_bytes()).expect("a certificate")
    }
}

pub(crate) fn review(group: &str, kind: &str, resource: &str, spec: &Value) -> String {
    let api_version = if group.is_empty() {
        "v1".to_owned()
    } else {
        format!("{group}/v1")
    };
    json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": group, "version": "v1", "kind": kind},
            "resource": {"group": group, "version": "v1", "resource": resource},
            "name": "web", "namespace": "shop", "operation": "CREATE",
            "userInfo": {"username": "ann", "groups": ["system:authenticated"]},
            "object": {"apiVersion": api_version, "kind": kind,
                "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
                "spec": spec},
            "oldObject": null, "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    })
    .to_string()
}

/// 5,000 nodes of three architectures in four zones.
fn nodes() -> Value {
    let items: Vec<Value> = (0..5000)
        .map(|number| {
            let architecture = ["amd64", "arm64", "s390x"][number % 3];
            json!({
                "apiVersion": "v1", "kind": "Node",
                "metadata": {"name": format!("node-{number}"), "labels": {
                    "kubernetes.io/arch": architecture,
                    "kubernetes.io/hostname": format!("node-{number}"),
                    "topology.kubernetes.io/zone": format!("zone-{}", number % 4),
                }},
                "spec": {},
                "status": {"nodeInfo": {"operatingSystem": "linux", "architecture": architecture,
                    "containerRuntimeVersion": "containerd://2.1.4"}},
            })
        })
        .collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

/// A registry with one image for all three architectures.
async fn start_registry() -> String {
    let entry = |architecture: &str, number: u8| {
        json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 500,
            "digest": format!("sha256:{number:064x}"),
            "platform": {"os": "linux", "architecture": architecture}})
    };
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry("amd64", 1), entry("arm64", 2), entry("s390x", 3)],
    })
    .to_string();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let router = Router::new().fallback(move || async move {
        (
            [(CONTENT_TYPE, "application/vnd.oci.image.index.v1+json")],
            index,
        )
            .into_response()
    });
    tokio::spawn(async move {
        let _ = axum::serve(listener, router).await;
    });
    address
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Waits until somebody listens.
pub(crate) fn wait_for(port: u16) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "nobody listens on port {port}");
        std::thread::yield_now();
    }
}
