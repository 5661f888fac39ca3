//! The webhook in a process of its own, on clusters of different sizes.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::cluster;

/// How often each size is started.
const STARTS: usize = 3;

/// How long reviews are sent. The allocator gives back what the lists of nodes left to it
/// after a second, when it is at work.
const WORK: Duration = Duration::from_secs(3);

/// What 5,000 nodes add to the resident memory of a webhook at work.
pub(crate) async fn memory(target: f64) {
    let mut resident: [Vec<u64>; 2] = Default::default();
    for _ in 0..STARTS {
        for (count, figures) in [12, 5000].into_iter().zip(&mut resident) {
            let product = Product::start(count).await;
            product.work().await;
            figures.push(product.resident());
        }
    }
    let [small, large] = resident.map(|mut figures| {
        figures.sort_unstable();
        figures[STARTS / 2]
    });
    let added = large.saturating_sub(small) as f64 / 1024.0;
    let mark = if added <= target { "ok" } else { "OVER" };
    println!(
        "resident at work: 12 nodes {small} KiB, 5,000 nodes {large} KiB, added {added:.1} MiB (target {target:.1}: {mark})"
    );
}

struct Product {
    child: Child,
    url: String,
    certificate: String,
    _folder: tempfile::TempDir,
}

impl Product {
    /// A webhook that has listed so many nodes.
    async fn start(nodes: usize) -> Self {
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
        let (listen, status) = (free_address(), free_address());
        let child = Command::new(env!("CARGO_BIN_EXE_archmatch"))
            .args(["serve", "--listen", &listen, "--status-listen", &status])
            .arg("--tls-cert")
            .arg(certificate_file)
            .arg("--tls-key")
            .arg(key)
            .env("KUBECONFIG", kubeconfig)
            .env("ARCHMATCH_LOG", "warn")
            .stdout(Stdio::null())
            .spawn()
            .expect("start the webhook");
        let product = Self {
            child,
            url: format!(
                "https://{}/validate?timeout=5s",
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

    /// Sends reviews of a pod whose registry may not be asked.
    async fn work(&self) {
        let ca = reqwest::Certificate::from_pem(self.certificate.as_bytes());
        let client = reqwest::Client::builder()
            .tls_certs_only([ca.expect("a certificate")])
            .build()
            .expect("a client");
        let review = json!({
            "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
            "request": {
                "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
                "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "resource": {"group": "", "version": "v1", "resource": "pods"},
                "name": "web", "namespace": "shop", "operation": "CREATE",
                "userInfo": {"username": "ann"},
                "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
                    "spec": {"containers": [{"name": "web", "image": "127.0.0.1:1/web:1",
                        "args": ["x".repeat(17 * 1024)]}]}},
            },
        })
        .to_string();
        let start = Instant::now();
        while start.elapsed() < WORK {
            let request = client
                .post(&self.url)
                .header("content-type", "application/json")
                .body(review.clone());
            let answer = request.send().await.expect("an answer");
            assert!(answer.status().is_success(), "the review is answered");
        }
    }

    fn resident(&self) -> u64 {
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

async fn is_ready(url: &str) -> bool {
    let answer = reqwest::get(url).await;
    answer.is_ok_and(|answer| answer.status().is_success())
}

/// An address that was free a moment ago.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}
