//! The webhook in a process of its own, on a cluster of any size.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::cluster;

/// A webhook that is killed at the end.
pub(crate) struct Product {
    child: Child,
    url: String,
    certificate: String,
    _folder: tempfile::TempDir,
}

impl Product {
    /// A webhook that has listed so many nodes, with this configuration.
    pub(crate) async fn start(nodes: usize, configuration: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("write a file");
            path
        };
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a pair");
        let certificate = pair.cert.pem();
        let certificate_file = file("tls.crt", &certificate);
        let key = file("tls.key", &pair.signing_key.serialize_pem());
        let server = cluster::serve(nodes).await;
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "bench",
            "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
            "clusters": [{"name": "bench", "cluster": {"server": format!("http://{server}")}}],
            "users": [{"name": "bench", "user": {}}],
        });
        let kubeconfig = file("kubeconfig", &kubeconfig.to_string());
        let configuration = file("config.yaml", configuration);
        let (listen, status) = (free_address(), free_address());
        let child = Command::new(env!("CARGO_BIN_EXE_archmatch"))
            .args(["serve", "--listen", &listen, "--status-listen", &status])
            .arg("--tls-cert")
            .arg(certificate_file)
            .arg("--tls-key")
            .arg(key)
            .arg("--config")
            .arg(configuration)
            .env("KUBECONFIG", kubeconfig)
            .env("ARCHMATCH_LOG", "warn")
            .stdout(Stdio::null())
            .spawn()
            .expect("start the webhook");
        let product = Self {
            child,
            url: format!(
                "https://{}/validate",
                listen.replace("127.0.0.1", "localhost")
            ),
            certificate,
            _folder: folder,
        };
        let deadline = Instant::now() + Duration::from_secs(120);
        let url = format!("http://{status}/readyz");
        while !is_ready(&url).await {
            assert!(Instant::now() < deadline, "the webhook is ready in time");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        product
    }

    /// A client that trusts the webhook, and connections of its own.
    pub(crate) fn client(&self) -> reqwest::Client {
        let ca = reqwest::Certificate::from_pem(self.certificate.as_bytes());
        reqwest::Client::builder()
            .tls_certs_only([ca.expect("a certificate")])
            .http1_only()
            .no_proxy()
            .build()
            .expect("a client")
    }

    /// Sends a review of which the webhook hears that it may take so long. How long it took,
    /// and whether its images were found to fit: else there is a warning.
    pub(crate) async fn send(
        &self,
        client: &reqwest::Client,
        review: &str,
        timeout: &str,
    ) -> (Duration, bool) {
        let request = client
            .post(format!("{}?timeout={timeout}", self.url))
            .header("content-type", "application/json")
            .body(review.to_owned());
        let start = Instant::now();
        let answer = request.send().await.expect("an answer");
        assert!(answer.status().is_success(), "the review is answered");
        let body = answer.text().await.expect("an answer");
        (start.elapsed(), !body.contains("\"warnings\""))
    }

    pub(crate) fn resident(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(path).expect("the webhook runs");
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let figure = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        figure.expect("a figure")
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The review of an 18 KiB pod with these images.
pub(crate) fn review(images: &[String]) -> String {
    let names = (0..images.len()).map(|number| format!("c{number}"));
    let mut containers: Vec<_> = names
        .zip(images)
        .map(|(name, image)| json!({"name": name, "image": image}))
        .collect();
    containers[0]["args"] = json!(["x".repeat(17 * 1024)]);
    json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "name": "web", "namespace": "shop", "operation": "CREATE",
            "userInfo": {"username": "ann"},
            "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
                "spec": {"containers": containers}},
        },
    })
    .to_string()
}

async fn is_ready(url: &str) -> bool {
    let answer = reqwest::get(url).await;
    answer.is_ok_and(|answer| answer.status().is_success())
}

/// An address that was free a moment ago.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}
