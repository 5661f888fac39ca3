//! Alerts and the dashboard. That they ask for metrics that we export is tested beside the
//! program (`tests/it/cluster/observability.rs`).

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::Test;
use crate::helm::{CHART, NAMESPACE, Rendered, render};

pub const TESTS: &[(&str, Test)] = &[
    ("alerts_are_about_the_release_and_what_it_runs", alerts),
    ("alerts_know_the_times_that_were_set", times),
    ("the_dashboard_is_the_file_and_found_by_grafana", dashboard),
];

fn rules(rendered: &Rendered) -> Vec<&Value> {
    let groups = rendered.one("PrometheusRule")["spec"]["groups"]
        .as_array()
        .unwrap();
    let rules = groups
        .iter()
        .map(|group| group["rules"].as_array().unwrap());
    rules.flatten().collect()
}

fn query<'a>(rendered: &'a Rendered, alert: &str) -> &'a str {
    let mut rules = rules(rendered).into_iter();
    let rule = rules.find(|rule| rule["alert"] == alert);
    rule.expect(alert)["expr"].as_str().unwrap()
}

fn alerts() {
    assert!(render("a", &json!({})).all("PrometheusRule").is_empty());
    let on = json!({"enabled": true, "labels": {"release": "prometheus"}});
    let webhook = render("a", &json!({"prometheusRule": on}));
    let both = render(
        "a",
        &json!({"prometheusRule": on, "audit": {"enabled": true}}),
    );
    let labels = &webhook.one("PrometheusRule")["metadata"]["labels"];
    assert_eq!(labels["release"], "prometheus");
    // An audit that is off is not missed.
    let about_the_audit =
        |rule: &&Value| rule["expr"].as_str().unwrap().contains("archmatch_audit");
    assert!(!rules(&webhook).iter().any(about_the_audit));
    assert!(rules(&both).iter().any(about_the_audit));
    assert!(rules(&both).len() > rules(&webhook).len());
    for rule in rules(&both) {
        let (name, text) = (&rule["alert"], rule.to_string());
        let own = format!("namespace=\\\"{NAMESPACE}\\\"");
        assert!(text.contains(&own), "{name}");
        for word in ["$namespace", "$timeout", "$overdue"] {
            assert!(!text.contains(word), "{name}: {word}");
        }
    }
    // What Prometheus fills in passes through Helm as it is.
    let cause = rules(&both)
        .into_iter()
        .filter(|rule| rule["alert"] == "ArchmatchReviewsTurnedAway");
    let cause = cause.map(|rule| rule["annotations"]["summary"].as_str().unwrap());
    assert!(cause.collect::<String>().contains("{{ $labels.cause }}"));
}

fn times() {
    let with = |timeout: u64, interval: &str| {
        render(
            "a",
            &json!({
                "prometheusRule": {"enabled": true}, "audit": {"enabled": true},
                "webhook": {"timeoutSeconds": timeout}, "config": {"audit": {"interval": interval}},
            }),
        )
    };
    for (interval, overdue) in [("1h", 8100), ("10s", 920), ("1h1m1s", 8222), ("010m", 2100)] {
        let rendered = with(5, interval);
        let query = query(&rendered, "ArchmatchAuditPassOld");
        assert!(
            query.ends_with(&format!("> {overdue}")),
            "{interval}: {query}"
        );
    }
    for (timeout, half) in [(5, "2.5"), (30, "15"), (1, "0.5")] {
        let rendered = with(timeout, "1h");
        let query = query(&rendered, "ArchmatchReviewsSlow");
        assert!(query.ends_with(&format!("> {half}")), "{timeout}: {query}");
    }
}

fn dashboard() {
    assert!(render("a", &json!({})).all("ConfigMap").is_empty());
    let plain = render("a", &json!({"dashboard": {"enabled": true}}));
    let found = plain.one("ConfigMap");
    assert_eq!(found["metadata"]["name"], "a-dashboard");
    assert_eq!(found["metadata"]["namespace"], NAMESPACE);
    assert_eq!(found["metadata"]["labels"]["grafana_dashboard"], "1");
    let file = Path::new(CHART).join("dashboards/archmatch.json");
    let file = fs::read_to_string(file).unwrap();
    assert_eq!(found["data"]["archmatch.json"], file.trim_end());
    let other = json!({"dashboard": {
        "enabled": true, "namespace": "monitoring",
        "labels": {"grafana_dashboard": null, "grafana": "yes"},
        "annotations": {"grafana_folder": "Platform"},
    }});
    let other = render("a", &other);
    let metadata = &other.one("ConfigMap")["metadata"];
    assert_eq!(metadata["namespace"], "monitoring");
    assert_eq!(metadata["labels"]["grafana"], "yes");
    assert!(metadata["labels"].get("grafana_dashboard").is_none());
    assert_eq!(
        metadata["annotations"],
        json!({"grafana_folder": "Platform"})
    );
}
