//! What each runtime picks: the images of all vectors in one registry, one node for each
//! platform and runtime, one pod for each vector.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Files, vectors};
use crate::support::registry::{Document, FakeRegistry, image, index, list};

/// The label that leads the pod of a vector to its node.
const LABEL: &str = "node-of-vector";

/// The node of a vector: its platform as the vector writes it, and a runtime's version.
type NodeKey = (String, &'static str);

/// The version by which a node has the vector's rules; none where no node has them.
fn runtime_version(vector: &Value) -> Option<&'static str> {
    Some(
        match (vector["runtime"].as_str()?, vector["mode"].as_str()?) {
            // No runtime asks for an operating system on any architecture.
            ("containerd", "only-os") => return None,
            // The transfer service accepts what this matcher accepts.
            ("containerd", "transfer" | "strict") => "containerd://2.1.4",
            ("containerd", "local" | "default" | "only") => "containerd://1.7.28",
            ("cri-o", "choose-instance") => "cri-o://1.33.1",
            ("docker", "only") => "docker://27.0.2",
            (runtime, mode) => panic!("a vector of a new kind: {runtime} {mode}"),
        },
    )
}

/// `windows(10.0.20348)/amd64`, `linux/arm/v7`: system, build, architecture, variant.
fn parts(text: &str) -> (&str, &str, &str, &str) {
    let (os, rest) = text.split_once('/').unwrap();
    let (os, version) = os.split_once('(').unwrap_or((os, ""));
    let build = version.split(['+', ')']).next().unwrap();
    let (architecture, variant) = rest.split_once('/').unwrap_or((rest, ""));
    (os, build, architecture, variant)
}

/// `f1` and `f2` of `linux(7.2+f1+f2)/amd64`.
fn os_features(text: &str) -> Vec<&str> {
    let version = text.split(')').next().unwrap();
    let features = version.split_once('(').map_or("", |(_, version)| version);
    features.split('+').skip(1).collect()
}

fn platform_of(text: &str) -> Value {
    let (os, build, architecture, variant) = parts(text);
    let mut platform = json!({"os": os, "architecture": architecture});
    for (key, value) in [("os.version", build), ("variant", variant)] {
        if !value.is_empty() {
            platform[key] = value.into();
        }
    }
    platform
}

fn node(name: &str, (platform, version): &NodeKey) -> Value {
    let (os, build, architecture, _) = parts(platform);
    let mut labels = json!({LABEL: name});
    if !build.is_empty() {
        labels["node.kubernetes.io/windows-build"] = build.into();
    }
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels},
           "status": {"nodeInfo": {"operatingSystem": os, "architecture": architecture,
                                   "containerRuntimeVersion": version}}})
}

/// An image of a vector, with the platform that the config of each manifest states.
#[derive(Default)]
struct Builder {
    count: usize,
    configs: BTreeMap<String, Value>,
}

impl Builder {
    /// A manifest that differs from all others, since picks are told by digest.
    fn manifest(&mut self, config: &Value) -> Document {
        self.count += 1;
        let mut whole = config.clone();
        whole["author"] = self.count.into();
        let document = image(&whole);
        self.configs.insert(document.digest(), config.clone());
        document
    }

    fn entry(&mut self, platform: &Value, config: &Value) -> Document {
        let config = if config.is_null() { platform } else { config };
        let config = if config.is_null() {
            json!({})
        } else {
            config.clone()
        };
        let mut document = self.manifest(&config);
        document.platform = (!platform.is_null()).then(|| platform.clone());
        document
    }

    /// Entries of nested vectors: `"linux/amd64"` or `{"platform": …, "index": […]}`.
    fn nested(&mut self, entries: &Value) -> Vec<Document> {
        let mut documents = Vec::new();
        for entry in entries.as_array().unwrap() {
            if let Some(text) = entry.as_str() {
                documents.push(self.entry(&platform_of(text), &Value::Null));
                continue;
            }
            let mut inner = index(self.nested(&entry["index"]));
            inner.platform = entry["platform"].as_str().map(platform_of);
            documents.push(inner);
        }
        documents
    }

    fn root(&mut self, vector: &Value) -> Document {
        if vector["document"] == "manifest" {
            return self.manifest(&vector["configs"][0]);
        }
        let mut entries = match vector["platforms"].as_array() {
            None => self.nested(&vector["image_platforms"]),
            Some(platforms) => {
                let platforms = platforms.iter().enumerate();
                let config = |position: usize| &vector["configs"][position];
                platforms
                    .map(|(position, platform)| self.entry(platform, config(position)))
                    .collect()
            }
        };
        for position in zstd(vector) {
            entries[position].zstd = true;
        }
        if vector["document"] == "docker-manifest-list" {
            list(entries)
        } else {
            index(entries)
        }
    }
}

/// Positions of the entries that are marked as compressed with zstd, as the note has them.
fn zstd(vector: &Value) -> Vec<usize> {
    let note = vector["note"].as_str().unwrap_or_default();
    let positions = note.strip_prefix("entries with the zstd annotation: ");
    let positions = positions.and_then(|rest| rest.split(" (").next());
    positions.map_or_else(Vec::new, |text| serde_json::from_str(text).unwrap())
}

/// What the report should say: the outcome, and the way to what is picked.
fn expected(vector: &Value, root: &Document, configs: &BTreeMap<String, Value>) -> Value {
    if vector["match"] != true {
        return json!({"outcome": "missing"});
    }
    // The matcher alone takes any version then; a node has one that its object does not say.
    if vector["node"].as_str().unwrap().starts_with("windows/") {
        return json!({"outcome": "unknown", "reason": "unsupported"});
    }
    let steps: Vec<usize> = match &vector["picked"] {
        Value::Null => Vec::new(),
        Value::Array(steps) => steps
            .iter()
            .map(|step| step.as_u64().unwrap() as usize)
            .collect(),
        one => vec![one.as_u64().unwrap() as usize],
    };
    let (mut document, mut picked) = (root, Vec::new());
    for step in steps {
        document = &document.children()[step];
        picked.push(document.digest());
    }
    // What an index says is believed, and containerd has read the config to choose; else it
    // is pulled unread, and runs or does not.
    let is_unread = document.platform.is_none()
        && (vector["document"] == "manifest" || vector["runtime"] == "cri-o");
    let outcome = match is_unread.then(|| &configs[&document.digest()]) {
        Some(config) if config["architecture"].is_null() => {
            return json!({"outcome": "unknown", "reason": "unsupported"});
        }
        Some(config) if !runs(vector, config) => "mismatched",
        _ => "supported",
    };
    let mut expected = json!({"outcome": outcome});
    if !picked.is_empty() {
        expected["picked"] = picked.into();
    }
    expected
}

fn runs(vector: &Value, config: &Value) -> bool {
    let (os, _, architecture, _) = parts(vector["node"].as_str().unwrap());
    let related = [("amd64", "386"), ("arm64", "arm")];
    let made_for = config["architecture"].as_str().unwrap();
    config["os"] == os && (made_for == architecture || related.contains(&(architecture, made_for)))
}

#[tokio::test(flavor = "multi_thread")]
async fn picks_are_those_of_each_runtime() {
    let registry = FakeRegistry::start().await;
    let mut nodes: BTreeMap<NodeKey, String> = BTreeMap::new();
    let (mut pods, mut cases) = (Vec::new(), Vec::new());
    let all = vectors(include_str!("../../data/platform-vectors.json"));
    for vector in &all {
        let Some(version) = runtime_version(vector) else {
            continue;
        };
        let count = nodes.len();
        let key = (vector["node"].as_str().unwrap().to_owned(), version);
        let node = nodes.entry(key).or_insert_with(|| format!("n{count}"));
        let mut builder = Builder::default();
        let root = builder.root(vector);
        let name = format!("v{}", vector["id"]);
        registry.push(&format!("{name}:1"), &root);
        pods.push(
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"nodeSelector": {LABEL: node}, "containers":
                [{"name": "c", "image": format!("{}/{name}:1", registry.host())}]}}),
        );
        cases.push((vector, expected(vector, &root, &builder.configs)));
    }
    assert!(cases.len() > 420, "{} of {}", cases.len(), all.len());
    // What nodes do not publish, the configuration says of them.
    let settings = |((platform, _), name): (&NodeKey, &String)| {
        json!({"selector": {LABEL: name}, "variant": parts(platform).3,
               "osFeatures": os_features(platform)})
    };
    let overrides: Vec<Value> = nodes.iter().map(settings).collect();
    let config = json!({
        "nodes": {"overrides": overrides},
        "registries": [{"host": registry.host(), "plainHttp": true, "addresses": "any",
                        "requestsPerSecond": 100_000}],
    });
    let nodes: Vec<Value> = nodes.iter().map(|(key, name)| node(name, key)).collect();
    // Off the runtime's thread, which serves the registry.
    let report = tokio::task::spawn_blocking(move || Files::new().check(&nodes, &pods, &config));
    let report = report.await.unwrap();
    let workloads = report["workloads"].as_array().unwrap();
    assert_eq!(workloads.len(), cases.len());
    let mut wrong = Vec::new();
    for ((vector, expected), workload) in cases.iter().zip(workloads) {
        let outcomes = workload["images"][0]["outcomes"].as_array().unwrap();
        assert_eq!(outcomes.len(), 1, "{workload}");
        let mut found = json!({});
        for key in ["outcome", "reason", "picked"] {
            if let Some(value) = outcomes[0].get(key) {
                found[key] = value.clone();
            }
        }
        if found != *expected {
            wrong.push(format!(
                "{vector}\n  expected {expected}, found {}",
                outcomes[0]
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
