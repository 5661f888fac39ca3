//! The registries of the cluster beside the open one, and what a node makes of their images.
//! `cluster/services.sh` starts them, `tools/cmd/registry` is what they are.

use serde_json::{Value, json};

use crate::cluster::{Cluster, eventually};
use crate::kubectl::{Namespace, on_real_node, pod};

/// Wants a user and a password.
pub const HTPASSWD: &str = "10.99.0.1:5001";
/// Wants tokens.
pub const TOKEN: &str = "10.99.0.1:5002";
/// Asked through a mirror first.
pub const MIRRORED: &str = "10.99.0.1:5004";
/// No such host; there is only a mirror of it.
pub const ELSEWHERE: &str = "elsewhere.example";
/// Accepts, and answers when it is told to.
pub const SILENT: &str = "10.99.0.1:5005";

/// The product's settings for them; the node's own are in `cluster/up.sh`.
pub fn settings() -> Value {
    let mirrors = ["10.99.0.1:5003"];
    json!([
        {"host": MIRRORED, "plainHttp": true, "mirrors": mirrors},
        {"host": ELSEWHERE, "mirrors": mirrors},
        {"host": "10.99.0.1:*", "plainHttp": true},
    ])
}

/// A Pod for the node that really runs pods. What a node has already may spare it the
/// registry, so it is told to ask.
pub fn puller(name: &str, image: &str) -> Value {
    let container = json!({"name": "web", "image": image, "imagePullPolicy": "Always"});
    let spec = json!({"containers": [container], "terminationGracePeriodSeconds": 0});
    let mut pod = pod(on_real_node(spec));
    pod["metadata"]["name"] = json!(name);
    pod
}

/// Who asks a registry, as its log has it.
#[derive(Clone, Copy, Debug)]
pub enum Client {
    /// We.
    Product,
    /// The runtime of the node that really runs pods.
    Node,
}

/// How often a client asked a registry for a manifest.
pub fn manifests_asked(cluster: &Cluster, service: &str, client: Client, tag: &str) -> usize {
    let read = format!("cat \"$RUN/log/{service}.log\"");
    let log = cluster.inside(&["bash", "-c", &read]).expect_ok();
    let agent = match client {
        Client::Product => "archmatch/",
        Client::Node => "containerd/",
    };
    let (repository, tag) = tag.split_once(':').expect("repository:tag");
    let asked = format!("/v2/{repository}/manifests/{tag}");
    let is_counted = |line: &&str| {
        // Method, path with its query, client; other lines are what the registry says itself.
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        let path = words.get(1).and_then(|path| path.split('?').next());
        path == Some(&asked) && words.get(2).is_some_and(|client| client.starts_with(agent))
    };
    log.lines().filter(is_counted).count()
}

/// A service that is stopped for as long as this lives.
pub struct Stopped<'a> {
    cluster: &'a Cluster,
    service: &'static str,
}

impl<'a> Stopped<'a> {
    pub fn new(cluster: &'a Cluster, service: &'static str) -> Self {
        cluster.control("stop", service);
        Self { cluster, service }
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.cluster.control("start", self.service);
    }
}

/// The node pulls the image and runs it.
#[track_caller]
pub fn runs(namespace: &Namespace<'_>, name: &str) {
    eventually("the pod runs", || {
        let status = status(namespace, name);
        let log = namespace.kubectl(&["logs", name]).stdout;
        let runs = status["containerStatuses"][0]["ready"] == true && log.contains("running");
        if runs {
            Ok(())
        } else {
            Err(format!("{status}\n{log}"))
        }
    });
}

/// The node cannot pull the image.
#[track_caller]
pub fn is_not_pulled(namespace: &Namespace<'_>, name: &str) {
    eventually("the image is not pulled", || {
        let status = status(namespace, name);
        let reason = &status["containerStatuses"][0]["state"]["waiting"]["reason"];
        if reason == "ErrImagePull" || reason == "ImagePullBackOff" {
            Ok(())
        } else {
            Err(status.to_string())
        }
    });
}

fn status(namespace: &Namespace<'_>, name: &str) -> Value {
    let words = ["get", "pod", name, "-o", "jsonpath={.status}"];
    let status = namespace.kubectl(&words).expect_ok();
    serde_json::from_str(&status).unwrap_or_default()
}
