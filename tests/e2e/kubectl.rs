//! The vocabulary of the tests: `accepts`, `rejects`, `warns`, and builders that name only
//! what matters.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::cluster::{Cluster, Said};

/// The registry inside the cluster's network.
pub const REGISTRY: &str = "10.99.0.1:5000";

/// A namespace of one test. It is removed at the end, without waiting for its pods.
pub struct Namespace<'a> {
    pub cluster: &'a Cluster,
    pub name: String,
}

impl<'a> Namespace<'a> {
    /// A namespace with labels such as `archmatch.io/enforce=portable`.
    pub fn new(cluster: &'a Cluster, labels: &[(&str, &str)]) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let labels: serde_json::Map<String, Value> = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(value)))
            .collect();
        let object = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": labels}});
        cluster
            .inside_with(&["kubectl", "create", "-f", "-"], &object.to_string())
            .expect_ok();
        let namespace = Self { cluster, name };
        // Pods are refused until the controller made the service account.
        crate::cluster::eventually("service account", || {
            let said = namespace.kubectl(&["get", "serviceaccount", "default"]);
            if said.ok { Ok(()) } else { Err(said.stderr) }
        });
        namespace
    }

    /// kubectl in this namespace.
    pub fn kubectl(&self, words: &[&str]) -> Said {
        self.kubectl_with(words, "")
    }

    /// The same, with an object on standard input.
    pub fn kubectl_with(&self, words: &[&str], input: &str) -> Said {
        let all = [&["kubectl", "--namespace", &self.name], words].concat();
        self.cluster.inside_with(&all, input)
    }

    /// Applies an object, for real or as a server-side dry run.
    pub fn apply(&self, object: &Value, more: &[&str]) -> Said {
        self.kubectl_with(&[&["apply", "-f", "-"], more].concat(), &object.to_string())
    }

    /// The object is admitted without a word.
    #[track_caller]
    pub fn accepts(&self, object: &Value) {
        let said = self.apply(object, &[]);
        assert!(said.ok, "accepted: {object}\n{}", said.stderr);
        assert!(
            !said.stderr.contains("archmatch"),
            "without a warning: {}",
            said.stderr
        );
    }

    /// The object is admitted with warnings, which are returned.
    #[track_caller]
    pub fn warns(&self, object: &Value) -> String {
        let said = self.apply(object, &[]);
        assert!(
            said.ok,
            "accepted with a warning: {object}\n{}",
            said.stderr
        );
        assert!(
            said.stderr.contains("Warning: archmatch: "),
            "a warning: {}",
            said.stderr
        );
        said.stderr
    }

    /// The object is refused by us; the message is returned.
    #[track_caller]
    pub fn rejects(&self, object: &Value) -> String {
        let said = self.apply(object, &[]);
        assert!(!said.ok, "refused: {object}\n{}", said.stdout);
        let denied = "admission webhook \"validate.archmatch.io\" denied the request";
        assert!(
            said.stderr.contains(denied),
            "refused by us: {}",
            said.stderr
        );
        said.stderr
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        let words = ["kubectl", "delete", "namespace", &self.name, "--wait=false"];
        self.cluster.inside(&words);
    }
}

/// An image of the cluster's registry.
pub fn image(name: &str) -> String {
    format!("{REGISTRY}/{name}")
}

/// A pod specification with one container.
pub fn spec(name: &str) -> Value {
    json!({"containers": [{"name": "web", "image": image(name)}], "terminationGracePeriodSeconds": 0})
}

/// The same, on nodes of one architecture.
pub fn on(architecture: &str, mut spec: Value) -> Value {
    spec["nodeSelector"] = json!({"kubernetes.io/arch": architecture});
    spec
}

/// The same, on the node that really runs pods.
pub fn on_real_node(mut spec: Value) -> Value {
    spec["nodeSelector"] = json!({"kubernetes.io/hostname": "real-amd64"});
    spec
}

/// A bare Pod.
pub fn pod(spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec})
}

/// A workload of a kind that keeps its pod template at `spec.template`.
pub fn templated(api_version: &str, kind: &str, spec: Value) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind, "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": spec},
        },
    })
}

/// A Deployment.
pub fn deployment(spec: Value) -> Value {
    templated("apps/v1", "Deployment", spec)
}

/// Puts fields into an object, deep inside, too.
pub fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more.clone(),
    }
}
