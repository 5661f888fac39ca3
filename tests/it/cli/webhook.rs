//! `archmatch serve`, run as in a pod.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};

use serde_json::{Value, json};

use super::World;
use crate::support::command::command;

/// The webhook as a process of its own. It ends with this value.
pub(super) struct Webhook {
    process: Child,
    /// Kept open, for it to go on writing.
    _log: BufReader<ChildStderr>,
    /// `host:port` of the webhook, and of probes and metrics.
    address: String,
    status_address: String,
    /// The messages that it logged before it served.
    pub(super) said: Vec<String>,
}

impl Webhook {
    /// Starts it and waits until it serves.
    pub(super) fn start(world: &World) -> Self {
        let (config, nodes) = (world.path("config.yaml"), world.path("nodes.yaml"));
        let any_port = "127.0.0.1:0";
        let arguments = [
            "serve",
            "--config",
            &config,
            "--snapshot",
            &nodes,
            "--listen",
            any_port,
            "--status-listen",
            any_port,
            "--drain-delay",
            "0s",
        ];
        let mut process = command(&arguments)
            .env("ARCHMATCH_LOG_FORMAT", "json")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut lines = log.by_ref().lines().map(|line| {
            let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
            line["fields"].clone()
        });
        let mut said = Vec::new();
        let serving = lines.find(|fields| {
            said.push(fields["message"].as_str().unwrap().to_owned());
            fields["message"] == "serving"
        });
        let serving = serving.expect("it serves");
        let address = |key: &str| serving[key].as_str().unwrap().to_owned();
        Self {
            process,
            address: address("webhook"),
            status_address: address("status"),
            said,
            _log: log,
        }
    }

    /// Whether a pod with the image is allowed, without a warning.
    pub(super) async fn admits(&self, image: &str) -> bool {
        let spec = json!({"nodeSelector": {"kubernetes.io/arch": "s390x"}, "containers": [{"name": "a", "image": image}]});
        let review = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "u", "operation": "CREATE", "namespace": "web", "name": "web",
                "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "resource": {"group": "", "version": "v1", "resource": "pods"},
                "userInfo": {"username": "ann"}, "object": {"spec": spec},
            },
        });
        let client = reqwest::Client::builder()
            .tls_danger_accept_invalid_certs(true)
            .no_proxy()
            .build()
            .unwrap();
        let request = client
            .post(format!("https://{}/validate?timeout=5s", self.address))
            .header("content-type", "application/json")
            .body(review.to_string());
        let body = request.send().await.unwrap().bytes().await.unwrap();
        let answer: Value = serde_json::from_slice(&body).unwrap();
        let response = &answer["response"];
        response["allowed"] == true && response.get("warnings").is_none()
    }

    /// What it says to whoever asks for a probe or for metrics.
    pub(super) async fn status(&self, path: &str) -> (u16, String) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}{path}", self.status_address);
        let response = client.get(url).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.text().await.unwrap())
    }

    pub(super) fn status_port(&self) -> u16 {
        let (_, port) = self.status_address.rsplit_once(':').unwrap();
        port.parse().unwrap()
    }

    /// Ends it as a kubelet does.
    pub(super) fn terminate(mut self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
