//! The chart's dashboard and alerts ask for metrics that we export, and for no other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use archmatch::audit::AuditMetrics;
use archmatch::process::telemetry::metrics_registry;
use archmatch::report::Report;
use prometheus_client::encoding::text::encode;
use serde_json::{Value, json};

use super::api::Api;
use super::start::{CONFIGURATION, Replica};
use super::{node, run};

fn chart(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/archmatch");
    fs::read_to_string(folder.join(file)).unwrap()
}

/// What a scrape of a webhook shows that was asked once, for an image that it may not look up.
async fn scrape_of_the_webhook() -> String {
    let api = Api::start().await;
    api.put("/api/v1/nodes/a1", node("amd64"));
    let entry = json!({
        "name": "validate.archmatch.io", "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"name": "archmatch", "namespace": "web"}},
    });
    api.put(CONFIGURATION, json!({"webhooks": [entry]}));
    let folder = tempfile::tempdir().unwrap();
    let replica = Replica::start(&api, folder.path()).await;
    replica
        .shows("/metrics", "archmatch_cabundle_trusted 1")
        .await;
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u", "operation": "CREATE", "namespace": "web", "name": "web",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "userInfo": {"username": "ann"},
            "object": {"spec": {"containers": [{"name": "a", "image": "127.0.0.1:1/a:1"}]}},
        },
    });
    let client = reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .no_proxy()
        .build()
        .unwrap();
    let request = client
        .post(format!("https://{}/validate?timeout=5s", replica.webhook))
        .header("content-type", "application/json")
        .body(review.to_string());
    assert_eq!(request.send().await.unwrap().status().as_u16(), 200);
    replica
        .shows("/metrics", "archmatch_admission_undecided_total")
        .await
}

/// The same of an audit after a pass.
fn scrape_of_the_audit() -> String {
    let mut registry = metrics_registry("0");
    let metrics = AuditMetrics::register(&mut registry);
    let report = include_str!("../../data/reports/mixed.json");
    let report = Report::parse(report).expect("a report");
    metrics.show(&report, Duration::from_secs(1));
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text
}

/// The names that a query may ask for, with the labels of their samples.
fn exported(scrapes: &[String]) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in scrapes.iter().flat_map(|scrape| scrape.lines()) {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').unwrap();
            let suffixes: &[&str] = match kind {
                "counter" => &["_total"],
                "histogram" => &["_bucket", "_count", "_sum"],
                _ => &[""],
            };
            for suffix in suffixes {
                found.entry(format!("{name}{suffix}")).or_default();
            }
        } else if let Some((name, rest)) = line.split_once('{') {
            found
                .entry(name.to_owned())
                .or_default()
                .extend(matched_labels(rest));
        }
    }
    found
}

/// The labels before a closing brace: of a sample, or of a selector.
fn matched_labels(after_the_brace: &str) -> impl Iterator<Item = String> {
    let inside = after_the_brace.split('}').next().unwrap();
    let labels = inside.split(',').filter_map(|label| label.split_once('='));
    labels.map(|(name, _)| name.to_owned())
}

/// Our metrics that a text names, with the labels that it selects by. Those of the target,
/// such as its namespace, are Prometheus's.
fn asked(text: &str) -> Vec<(String, Vec<String>)> {
    // Expressions in JSON have their quotes escaped.
    let text = text.replace('\\', "");
    let mut found = Vec::new();
    for (position, _) in text.match_indices("archmatch_") {
        let rest = &text[position..];
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let end = rest.find(|letter| !is_part(letter)).unwrap();
        let labels = rest[end..].strip_prefix('{').map(matched_labels);
        let labels = labels.into_iter().flatten();
        let labels = labels.filter(|label| !matches!(label.as_str(), "namespace" | "pod"));
        found.push((rest[..end].to_owned(), labels.collect()));
    }
    found
}

#[test]
fn dashboard_and_alerts_ask_for_what_we_export() {
    crate::support::install_crypto_provider();
    run(async {
        let known = exported(&[scrape_of_the_webhook().await, scrape_of_the_audit()]);
        let mut wrong = Vec::new();
        for file in ["alerts.yaml", "dashboards/archmatch.json"] {
            let asked = asked(&chart(file));
            assert!(asked.len() > 25, "the test has to see the names of {file}");
            for (name, labels) in asked {
                match known.get(&name) {
                    None => wrong.push(format!("{file}: {name}")),
                    Some(shown) => wrong.extend(
                        labels
                            .iter()
                            .filter(|label| !shown.contains(*label))
                            .map(|label| format!("{file}: {name} has no label {label}")),
                    ),
                }
            }
        }
        assert!(wrong.is_empty(), "not exported: {wrong:#?}");
    });
}

#[test]
fn every_metric_of_the_audit_is_on_the_dashboard() {
    let asked = asked(&chart("dashboards/archmatch.json"));
    let asked: BTreeSet<String> = asked.into_iter().map(|(name, _)| name).collect();
    let known = exported(&[scrape_of_the_audit()]);
    let missing: Vec<&String> = known.keys().filter(|name| !asked.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_alert_says_what_it_means_and_waits_before_it_does() {
    let alerts: Value = serde_saphyr::from_str(&chart("alerts.yaml")).unwrap();
    let groups = alerts["groups"].as_array().unwrap();
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap());
    let mut names = BTreeSet::new();
    for rule in rules {
        let name = rule["alert"].as_str().unwrap();
        assert!(
            name.starts_with("Archmatch") && names.insert(name),
            "{name}"
        );
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let waits = text(&rule["for"]);
        assert!(
            waits.ends_with('m') || waits.ends_with('h'),
            "{name} waits {waits:?}"
        );
        let severity = text(&rule["labels"]["severity"]);
        assert!(["warning", "critical"].contains(&&*severity), "{name}");
        let query = text(&rule["expr"]);
        assert!(query.contains("archmatch_"), "{name}");
        let selectors = query.matches("archmatch_").count();
        let of_release = query.matches("{namespace=\"$namespace\"").count();
        assert_eq!(selectors, of_release, "{name} asks for other releases");
        for annotation in ["summary", "description"] {
            let said = text(&rule["annotations"][annotation]);
            assert!(said.ends_with('.') && said.len() > 20, "{name}: {said:?}");
            // A label that the query drops would be an empty word.
            for label in said.split("$labels.").skip(1) {
                let label = label.split(' ').next().unwrap();
                assert!(label == "pod" || query.contains(label), "{name}: {label}");
            }
        }
    }
    assert!(names.len() > 10, "{names:?}");
}

/// Panels are on no other panel's place, and each has a query and a sentence.
#[test]
fn the_dashboard_begins_with_what_is_ready_and_has_no_holes() {
    let dashboard: Value = serde_json::from_str(&chart("dashboards/archmatch.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let charts: Vec<&Value> = panels
        .iter()
        .filter(|panel| panel["type"] != "row")
        .collect();
    let first = charts[0]["targets"][0]["expr"].as_str().unwrap();
    let (ready, asked) = first.split_once(" / ").unwrap();
    assert!(ready.contains("state=\"ready\""), "{first}");
    assert!(
        asked.contains("state=~\"ready|blocked|undecided\""),
        "{first}"
    );
    let mut taken = BTreeSet::new();
    let mut numbers = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(numbers.insert(panel["id"].as_u64().unwrap()), "{title}");
        let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24, "{title}");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{title} covers another panel");
            }
        }
    }
    for panel in charts {
        let title = panel["title"].as_str().unwrap();
        assert!(
            panel["description"].as_str().unwrap().ends_with('.'),
            "{title}"
        );
        for target in panel["targets"].as_array().unwrap() {
            let query = target["expr"].as_str().unwrap();
            let selectors = query.matches("archmatch_").count();
            let chosen = query.matches("{namespace=~\"$namespace\"").count();
            assert!(selectors > 0 && selectors == chosen, "{title}: {query}");
        }
    }
}
