//! `cache.file` of the configuration.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use archmatch::registry::CacheFile;
use serde_json::{Value, json};

use super::World;
use crate::support::cache::make_older;
use crate::support::command::command;
use crate::support::registry::Fault;

/// A world whose configuration names a file.
async fn with_file() -> (World, CacheFile) {
    let world = World::new().await;
    let file = CacheFile::new(world.folder.path().join("cache"), 20_000);
    let path = file.path().display();
    let host = world.registry.host();
    let config = format!(
        "registries: [{{host: '{host}', plainHttp: true, addresses: any}}]\ncache: {{file: '{path}'}}\n"
    );
    world.write("config.yaml", &config);
    (world, file)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_file_answers_while_the_registry_is_down_and_says_how_old_that_is() {
    let (world, file) = with_file().await;
    let host = world.registry.host();
    let image = world.image("node:21");
    let check = ["check", &image, "--platform", "linux/s390x"];
    assert_eq!(world.run(&check).await.code, Some(0));

    world.registry.misbehave("/v2/", Fault::Status(503));
    let soon = world.run(&[&check[..], &["-o", "json"]].concat()).await;
    assert_eq!((soon.code, soon.stderr.as_str()), (Some(0), ""));
    assert!(!soon.stdout.contains("stale"), "{}", soon.stdout);

    make_older(&file, Duration::from_secs(7200));
    let late = world.run(&[&check[..], &["-o", "json"]].concat()).await;
    assert_eq!(late.code, Some(0), "{}", late.stderr);
    let report: Value = serde_json::from_str(&late.stdout).unwrap();
    let seconds = &report["workloads"][0]["images"][0]["staleSeconds"];
    assert!(seconds.as_u64().unwrap() >= 7200, "{seconds}");
    let doubt = format!("was judged by what {host} said 2h ago; it is unreachable now");
    for arguments in [
        &check[..],
        &["check", &image, "-o", "wide", "--platform", "linux/s390x"],
        &["inspect", &image],
    ] {
        let run = world.run(arguments).await;
        assert!(run.stdout.contains(&doubt), "{}", run.stdout);
    }

    std::fs::write(file.path(), "nothing of ours").unwrap();
    let without = world.run(&check).await;
    assert_eq!(without.code, Some(3), "nothing is believed");
    let lines = without
        .stderr
        .lines()
        .filter(|line| line.contains("cache file"));
    assert_eq!(lines.count(), 1, "{}", without.stderr);
}

/// The webhook as a process of its own. It ends with this value.
struct Webhook {
    process: Child,
    /// Kept open, for it to go on writing.
    _log: BufReader<ChildStderr>,
    url: String,
}

impl Webhook {
    /// Starts it and waits until it serves.
    fn start(world: &World) -> Self {
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
        let serving = log.by_ref().lines().map(Result::unwrap).find_map(|line| {
            let line: Value = serde_json::from_str(&line).unwrap();
            let fields = &line["fields"];
            (fields["message"] == "serving").then(|| fields["webhook"].as_str().map(str::to_owned))
        });
        let address = serving.flatten().expect("it serves");
        Self {
            process,
            _log: log,
            url: format!("https://{address}/validate?timeout=5s"),
        }
    }

    /// Whether a pod with the image is allowed, without a warning.
    async fn admits(&self, image: &str) -> bool {
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
            .post(&self.url)
            .header("content-type", "application/json")
            .body(review.to_string());
        let body = request.send().await.unwrap().bytes().await.unwrap();
        let answer: Value = serde_json::from_slice(&body).unwrap();
        let response = &answer["response"];
        response["allowed"] == true && response.get("warnings").is_none()
    }

    /// Ends it as a kubelet does.
    fn terminate(mut self) {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_writes_the_file_when_it_is_stopped_and_reads_it_when_it_starts() {
    let (world, file) = with_file().await;
    let image = world.image("node:21");
    let webhook = Webhook::start(&world);
    assert!(webhook.admits(&image).await);
    webhook.terminate();
    assert_eq!(file.read().unwrap().answers.len(), 2);

    world.registry.misbehave("/v2/", Fault::Status(503));
    let webhook = Webhook::start(&world);
    assert!(webhook.admits(&image).await);
}
