//! Image references, as the kubelet reads them.

use serde_json::{Value, json};

use super::{Files, vectors};

#[test]
fn references_are_read_as_the_kubelet_reads_them() {
    let vectors = vectors(include_str!("../../data/reference-vectors.json"));
    assert!(vectors.len() > 100);
    let pods: Vec<Value> = vectors
        .iter()
        .enumerate()
        .map(|(number, vector)| {
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("v{number}")},
                   "spec": {"containers": [{"name": "c", "image": vector["input"]}]}})
        })
        .collect();
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a1"},
                      "status": {"nodeInfo": {"operatingSystem": "linux", "architecture": "amd64"}}});
    // No registry is asked: this is about names.
    let config = json!({"registries": [{"host": "*", "blocked": true}]});
    let report = Files::new().check(&[node], &pods, &config);
    let mut wrong = Vec::new();
    for (vector, workload) in vectors.iter().zip(report["workloads"].as_array().unwrap()) {
        let image = &workload["images"][0];
        let expected = expected(vector);
        let (outcome, reason) = if expected.is_null() {
            ("invalid", Value::Null)
        } else {
            ("unknown", json!("blocked"))
        };
        let found = &image["outcomes"][0];
        if image["reference"] != expected
            || found["outcome"] != outcome
            || found["reason"] != reason
        {
            wrong.push(format!("{vector}\n  expected {expected}, found {image}"));
        }
    }
    assert_eq!(report["workloads"].as_array().unwrap().len(), vectors.len());
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// The normalised name with its tag, its digest, or both; null where it is none.
fn expected(vector: &Value) -> Value {
    if vector["valid"] != true {
        return Value::Null;
    }
    let text = |key: &str| vector[key].as_str();
    let mut reference = format!(
        "{}/{}",
        text("registry").unwrap(),
        text("repository").unwrap()
    );
    if let Some(tag) = text("tag") {
        reference.push_str(&format!(":{tag}"));
    }
    if let Some(digest) = text("digest") {
        reference.push_str(&format!("@{digest}"));
    }
    reference.into()
}
