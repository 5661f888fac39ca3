//! `archmatch serve` while the API server does not have what it needs yet.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::api::Api;
use super::{node, run};
use crate::support::command::command;

pub(super) const CONFIGURATION: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/archmatch";
const LIMIT: Duration = Duration::from_secs(60);

/// It ends with this value.
pub(super) struct Replica {
    process: Child,
    log: tempfile::NamedTempFile,
    pub(super) webhook: String,
    status: String,
}

impl Replica {
    /// Starts it with a kube config for the server, and waits for its listeners.
    pub(super) async fn start(api: &Api, folder: &std::path::Path) -> Self {
        let config = folder.join("kubeconfig");
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{}", api.address)}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {}}],
        });
        std::fs::write(&config, text.to_string()).unwrap();
        let log = tempfile::NamedTempFile::new().unwrap();
        let arguments = [
            "serve",
            "--listen=127.0.0.1:0",
            "--status-listen=127.0.0.1:0",
            "--tls-secret=tls",
            "--namespace=web",
            "--webhook-configuration=archmatch",
        ];
        let process = command(&arguments)
            .env("KUBECONFIG", &config)
            .env("ARCHMATCH_LOG_FORMAT", "json")
            .stderr(Stdio::from(log.reopen().unwrap()))
            .spawn()
            .unwrap();
        let mut replica = Self {
            process,
            log,
            webhook: String::new(),
            status: String::new(),
        };
        let serving = replica.said("serving").await;
        let address = |key: &str| serving[key].as_str().unwrap().to_owned();
        (replica.webhook, replica.status) = (address("webhook"), address("status"));
        replica
    }

    fn lines(&self) -> Vec<Value> {
        let log = BufReader::new(self.log.reopen().unwrap());
        let lines = log
            .lines()
            .map(|line| serde_json::from_str::<Value>(&line.unwrap()));
        lines.flatten().map(|line| line["fields"].clone()).collect()
    }

    /// The line with this message.
    async fn said(&self, message: &str) -> Value {
        let began = Instant::now();
        loop {
            let mut lines = self.lines().into_iter();
            if let Some(line) = lines.find(|fields| fields["message"] == message) {
                return line;
            }
            assert!(began.elapsed() < LIMIT, "never said: {message}");
            tokio::task::yield_now().await;
        }
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}{path}", self.status);
        let response = client.get(url).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// Asks until the answer has this line.
    pub(super) async fn shows(&self, path: &str, line: &str) -> String {
        let began = Instant::now();
        loop {
            let (_, text) = self.get(path).await;
            if text.lines().any(|found| found.starts_with(line)) {
                return text;
            }
            assert!(began.elapsed() < LIMIT, "never {line} in {text}");
        }
    }

    async fn shakes_hands(&self) -> bool {
        let client = reqwest::Client::builder()
            .tls_danger_accept_invalid_certs(true)
            .no_proxy()
            .build()
            .unwrap();
        let request = client.get(format!("https://{}/", self.webhook));
        request.send().await.is_ok()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_replica_listens_first_and_says_what_it_waits_for() {
    crate::support::install_crypto_provider();
    run(async {
        let api = Api::start().await;
        api.put("/api/v1/nodes/a1", node("amd64"));
        api.set_down(true);
        let folder = tempfile::tempdir().unwrap();
        let replica = Replica::start(&api, folder.path()).await;
        assert_eq!(replica.get("/livez").await, (200, "ok\n".to_owned()));
        let waiting = "waiting for: certificate, nodes\n".to_owned();
        assert_eq!(replica.get("/readyz").await, (503, waiting));
        let read = "[-]certificate failed: read validatingwebhookconfiguration archmatch";
        let text = replica.shows("/readyz?verbose", read).await;
        for line in ["[+]socket ok", "[+]cache ok", "[-]nodes failed: not yet"] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert!(text.ends_with("readyz check failed\n"), "{text}");
        assert!(!replica.shakes_hands().await);

        // Without a configuration it is ready all the same, and says so once.
        api.set_down(false);
        let text = replica
            .shows("/readyz?verbose", "readyz check passed")
            .await;
        let missing = "[-]webhook-configuration failed, ready all the same";
        assert!(text.contains(missing), "{text}");
        assert!(replica.shakes_hands().await);
        replica
            .shows("/metrics", "archmatch_webhook_configuration_present 0")
            .await;
        let text = replica
            .shows("/metrics", "archmatch_view_age_seconds")
            .await;
        for line in [
            "archmatch_cabundle_trusted 0",
            "archmatch_reload_failures_total{file=\"client-ca\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }

        let entry = json!({
            "name": "validate.archmatch.io", "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"service": {"name": "archmatch", "namespace": "web"}},
        });
        api.put(CONFIGURATION, json!({"webhooks": [entry]}));
        replica
            .shows("/metrics", "archmatch_cabundle_trusted 1")
            .await;
        // As the API server's proxy to a pod writes it.
        replica
            .shows("/readyz?verbose=", "[+]webhook-configuration ok")
            .await;
        // As configured, no pull secret is read, so whose they are does not matter.
        assert_eq!(api.requests("GET /api/v1/serviceaccounts"), 0);
        let lines = replica.lines();
        let missing = "the webhook configuration is missing: nobody asks";
        let said = lines.iter().filter(|fields| fields["message"] == missing);
        assert_eq!(said.count(), 1);
    });
}
