//! Events are written on the workloads in which drift appeared.

use archmatch::audit::{EventCounts, EventWriter};
use archmatch::findings::Finding;
use archmatch::report::Report;
use serde_json::{Value, json};

use super::api::Api;

const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/web/events";

/// A report on a workload with so many findings of a rule.
fn report(rule: &str, count: usize) -> Value {
    let text = include_str!("../../data/reports/mixed.json");
    let mut report: Value = serde_json::from_str(text).unwrap();
    let mut workload = report["workloads"][0].clone();
    let fields = json!({"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "web",
        "name": "shop", "uid": "uid-1"});
    let fields = fields.as_object().unwrap().clone();
    workload.as_object_mut().unwrap().extend(fields);
    report["workloads"] = json!([workload]);
    let findings = (0..count).map(|number| {
        json!({"id": format!("{number}"), "rule": rule, "severity": "warning", "workload": 0,
            "containers": ["web"], "image": format!("app:{number}"),
            "platforms": ["linux/s390x"], "what": format!("app:{number} has lost linux/s390x"),
            "why": "why", "next": "pin the index"})
    });
    report["findings"] = findings.collect();
    report
}

async fn write(api: &Api, report: &Value) -> EventCounts {
    let report: Report = serde_json::from_value(report.clone()).unwrap();
    let findings: Vec<&Finding> = report.findings.iter().collect();
    let writer = EventWriter::new(api.client(), "archmatch-audit-1".to_owned());
    writer.write(&report, &findings).await
}

#[tokio::test]
async fn each_finding_of_drift_is_an_event_on_its_workload() {
    for (rule, reason) in [
        ("platform-lost", "PlatformLost"),
        ("version-skew", "VersionSkew"),
        ("child-missing", "ChildMissing"),
    ] {
        let api = Api::serving(&[]);
        let counts = write(&api, &report(rule, 2)).await;
        let expected = EventCounts {
            written: 2,
            ..EventCounts::default()
        };
        assert_eq!(counts, expected);
        assert_eq!(
            api.take_writes(),
            [format!("POST {EVENTS}"), format!("POST {EVENTS}")]
        );
        // Two images of one workload are two events.
        let events = api.all("events");
        let mut notes: Vec<&str> = events
            .iter()
            .map(|one| one["note"].as_str().unwrap())
            .collect();
        notes.sort_unstable();
        assert_eq!(
            notes,
            [
                "app:0 has lost linux/s390x; pin the index",
                "app:1 has lost linux/s390x; pin the index"
            ]
        );
        let event = &events[0];
        assert_eq!(event["type"], "Warning");
        assert_eq!(event["reason"], reason);
        assert_eq!(event["reportingController"], "archmatch.io/audit");
        assert_eq!(event["reportingInstance"], "archmatch-audit-1");
        assert!(event["eventTime"].is_string() && event["action"].is_string());
        let regarding = json!({"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "web",
            "name": "shop", "uid": "uid-1"});
        assert_eq!(event["regarding"], regarding);
    }
}

#[tokio::test]
async fn what_is_no_drift_and_what_has_no_namespace_is_no_event() {
    let api = Api::serving(&[]);
    assert_eq!(
        write(&api, &report("missing-platform", 3)).await,
        EventCounts::default()
    );
    let mut image = report("platform-lost", 1);
    image["workloads"][0]["namespace"] = json!(null);
    assert_eq!(write(&api, &image).await, EventCounts::default());
    assert!(api.take_writes().is_empty());
}

#[tokio::test]
async fn a_pass_writes_so_many_events_and_says_how_many_it_left_out() {
    let api = Api::serving(&[]);
    let counts = write(&api, &report("version-skew", 130)).await;
    assert_eq!(
        (counts.written, counts.left_out, counts.failed),
        (100, 30, 0)
    );
    assert_eq!(api.take_writes().len(), 100);
}

#[tokio::test]
async fn a_cluster_that_refuses_is_not_asked_for_ever() {
    let api = Api::serving(&[]);
    api.state().refuse = Some(403);
    let counts = write(&api, &report("version-skew", 50)).await;
    assert_eq!((counts.written, counts.left_out, counts.failed), (0, 45, 5));
    assert!(counts.problem.unwrap().contains("Refused"));
    assert_eq!(api.take_writes().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_does_not_answer_holds_up_a_pass_for_so_long() {
    let api = Api::serving(&[]);
    api.state().silent = true;
    let started = tokio::time::Instant::now();
    let counts = write(&api, &report("version-skew", 50)).await;
    assert_eq!((counts.failed, counts.left_out), (5, 45));
    assert_eq!(started.elapsed().as_secs(), 50);
}

#[tokio::test]
async fn a_note_is_as_long_as_notes_may_be() {
    let api = Api::serving(&[]);
    let mut long = report("platform-lost", 1);
    long["findings"][0]["what"] = json!("ä".repeat(2000));
    assert_eq!(write(&api, &long).await.written, 1);
    let note = api.all("events")[0]["note"].as_str().unwrap().to_owned();
    assert!(
        note.len() <= 1024 && note.len() > 1000 && note.ends_with('…'),
        "{}",
        note.len()
    );
}
