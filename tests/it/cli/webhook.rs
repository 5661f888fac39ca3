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
    log: BufReader<ChildStderr>,
    /// `host:port` of the webhook, and of probes and metrics.
    address: String,
    status_address: String,
    /// The messages that it logged before it served.
    pub(super) said: Vec<String>,
}

impl Webhook {
    /// Starts it, its log in JSON, and waits until it serves.
    pub(super) fn start(world: &World) -> Self {
        Self::start_logging(world, "json")
    }

    /// Starts it with a log in this format, and waits until it serves.
    pub(super) fn start_logging(world: &World, format: &str) -> Self {
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
            .env("ARCHMATCH_LOG_FORMAT", format)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut said = Vec::new();
        let serving = log.by_ref().lines().find_map(|line| {
            let line = line.unwrap();
            if format != "json" {
                return line
                    .contains(": serving webhook=")
                    .then(|| from_text(&line));
            }
            let line: Value = serde_json::from_str(&line).unwrap();
            let fields = line["fields"].clone();
            said.push(fields["message"].as_str().unwrap().to_owned());
            (fields["message"] == "serving").then_some(fields)
        });
        let serving = serving.expect("it serves");
        let address = |key: &str| serving[key].as_str().unwrap().to_owned();
        Self {
            process,
            address: address("webhook"),
            status_address: address("status"),
            said,
            log,
        }
    }

    /// Whether a pod with the image is allowed, without a warning.
    pub(super) async fn admits(&self, image: &str) -> bool {
        let response = self.review(image).await;
        response["allowed"] == true && response.get("warnings").is_none()
    }

    /// What it answers for a pod with the image on s390x.
    pub(super) async fn review(&self, image: &str) -> Value {
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
        answer["response"].clone()
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

    /// Ends it as a kubelet does; what it logged since it served.
    pub(super) fn terminate(mut self) -> String {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        assert!(self.process.wait().unwrap().success());
        rest
    }
}

/// The fields of a line of the text format: `key=value`, without blanks in values.
fn from_text(line: &str) -> Value {
    let words = line.split(' ').filter_map(|word| word.split_once('='));
    words
        .map(|(key, value)| (key.to_owned(), Value::from(value)))
        .collect()
}

impl Drop for Webhook {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
