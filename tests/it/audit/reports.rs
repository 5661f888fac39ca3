//! Report objects are written as the report says, and only what differs.

use std::time::Duration;

use archmatch::audit::{ReportWriter, WriteCounts};
use archmatch::config::ReportObjects;
use archmatch::report::{Report, ReportGroup};
use serde_json::{Value, json};

use super::api::Api;

const OPENREPORTS: &str = "openreports.io/v1alpha1";
const POLICYREPORTS: &str = "wgpolicyk8s.io/v1alpha2";

/// A report on workloads `web/app-0`, `web/app-1` and so on, with as many findings each.
fn report(findings: &[usize]) -> Value {
    let text = include_str!("../../data/reports/mixed.json");
    let mut report: Value = serde_json::from_str(text).unwrap();
    report["partial"] = json!([]);
    report["errors"] = json!([]);
    let workload = report["workloads"][0].clone();
    let workloads = findings.iter().enumerate().map(|(position, _)| {
        let mut workload = workload.clone();
        workload["name"] = json!(format!("app-{position}"));
        workload["uid"] = json!(uid(position));
        workload
    });
    report["workloads"] = workloads.collect();
    let rows = findings.iter().enumerate();
    let findings = rows.flat_map(|(position, count)| {
        (0..*count).map(move |number| {
            json!({
                "id": format!("{position}-{number}"), "rule": "missing-platform",
                "severity": "warning", "workload": position, "containers": ["web"],
                "image": format!("app:{number}"), "platforms": ["linux/s390x"],
                "what": "what", "why": "why", "next": "next",
            })
        })
    });
    report["findings"] = findings.collect();
    report
}

fn uid(position: usize) -> String {
    format!("00000000-0000-4000-8000-{position:012}")
}

fn path(position: usize) -> String {
    let uid = uid(position);
    format!("/apis/{OPENREPORTS}/namespaces/web/reports/archmatch-{uid}")
}

fn read(report: &Value) -> Report {
    serde_json::from_value(report.clone()).unwrap()
}

fn writer(api: &Api) -> ReportWriter {
    ReportWriter::new(api.client(), ReportObjects::Auto)
}

async fn write(api: &Api, report: &Value) -> WriteCounts {
    writer(api).write(&read(report)).await.unwrap()
}

/// What a pass of the preferred group counts.
fn counts(change: impl FnOnce(&mut WriteCounts)) -> WriteCounts {
    let mut counts = WriteCounts {
        group: Some(ReportGroup::OpenReports),
        ..WriteCounts::default()
    };
    change(&mut counts);
    counts
}

#[tokio::test]
async fn an_unchanged_pass_writes_nothing() {
    let api = Api::serving(&[OPENREPORTS, POLICYREPORTS]);
    let mut first = report(&[1; 120]);
    first["created"] = json!("2026-11-28T10:00:00Z");
    assert_eq!(write(&api, &first).await, counts(|it| it.created = 120));
    assert_eq!(api.take_writes().len(), 120);
    let mut second = first.clone();
    second["created"] = json!("2026-11-28T11:00:00Z");
    for finding in second["findings"].as_array_mut().unwrap() {
        finding["what"] = json!("another reason, 3 nodes");
    }
    assert_eq!(write(&api, &second).await, counts(|it| it.unchanged = 120));
    assert_eq!(api.take_writes(), [""; 0]);
}

#[tokio::test]
async fn a_change_is_one_write_and_old_results_keep_their_time() {
    let api = Api::serving(&[OPENREPORTS]);
    let mut before = report(&[1, 1, 1]);
    before["created"] = json!("2026-11-28T10:00:00Z");
    write(&api, &before).await;
    // What others add to its metadata is theirs.
    let mut object = api.state().objects[&path(1)].clone();
    object["metadata"]["annotations"] = json!({"seen": "yes"});
    api.put(&path(1), object);
    api.take_writes();
    let mut after = report(&[1, 2, 1]);
    after["created"] = json!("2026-11-28T11:00:00Z");
    let expected = counts(|it| {
        it.updated = 1;
        it.unchanged = 2;
    });
    assert_eq!(write(&api, &after).await, expected);
    assert_eq!(api.take_writes(), [format!("PUT {}", path(1))]);
    let object = api.state().objects[&path(1)].clone();
    assert_eq!(object["metadata"]["annotations"]["seen"], "yes");
    let results = object["results"].as_array().unwrap();
    let seconds = |result: &Value| result["timestamp"]["seconds"].as_i64().unwrap();
    assert_eq!(seconds(&results[1]) - seconds(&results[0]), 3600);
    assert_eq!(object["summary"]["warn"], 2);
}

#[tokio::test]
async fn what_somebody_changed_by_hand_is_put_back() {
    let api = Api::serving(&[OPENREPORTS]);
    write(&api, &report(&[1])).await;
    for (pointer, value) in [
        ("/results/0/message", json!("fine")),
        ("/results/0/timestamp", json!("never")),
        ("/metadata/ownerReferences", Value::Null),
        ("/scope", json!({})),
        ("/results", json!([7])),
    ] {
        let mut object = api.state().objects[&path(0)].clone();
        *object.pointer_mut(pointer).unwrap() = value;
        api.put(&path(0), object);
        assert_eq!(
            write(&api, &report(&[1])).await,
            counts(|it| it.updated = 1),
            "{pointer}"
        );
    }
}

#[tokio::test]
async fn a_mended_workload_has_no_object_and_one_not_seen_keeps_it() {
    let api = Api::serving(&[OPENREPORTS]);
    write(&api, &report(&[1, 1, 1])).await;
    // The third one is not in it, since something could not be listed.
    let mut partial = report(&[1, 0]);
    partial["partial"] = json!(["jobs could not be listed"]);
    let expected = counts(|it| {
        it.unchanged = 1;
        it.deleted = 1;
        it.kept = 1;
    });
    assert_eq!(write(&api, &partial).await, expected);
    let expected = counts(|it| {
        it.unchanged = 1;
        it.deleted = 1;
    });
    assert_eq!(write(&api, &report(&[1, 0])).await, expected);
    assert_eq!(api.all("reports").len(), 1);
}

#[tokio::test]
async fn what_is_not_labelled_is_never_touched() {
    let api = Api::serving(&[OPENREPORTS, POLICYREPORTS]);
    let other = "/apis/wgpolicyk8s.io/v1alpha2/namespaces/web/policyreports/kyverno";
    let named =
        json!({"metadata": {"name": "x", "labels": {"app.kubernetes.io/managed-by": "kyverno"}}});
    api.put(&path(0), named.clone());
    api.put(other, named);
    let before = api.state().objects.clone();
    // The name is taken.
    assert_eq!(
        write(&api, &report(&[1])).await,
        counts(|it| it.overtaken = 1)
    );
    assert_eq!(writer(&api).delete_all().await, Ok(0));
    assert_eq!(api.state().objects, before);
}

#[tokio::test]
async fn the_group_is_what_the_api_server_has_at_each_pass() {
    let api = Api::serving(&[]);
    let only = |reports| ReportWriter::new(api.client(), reports);
    let report = read(&report(&[1]));
    let nothing = WriteCounts::default();
    assert_eq!(writer(&api).write(&report).await, Ok(nothing.clone()));
    let error = only(ReportObjects::Openreports).write(&report).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("config.audit.reports wants reports of openreports.io"),
        "{error}"
    );

    api.state().served.insert(POLICYREPORTS);
    let written = writer(&api).write(&report).await.unwrap();
    assert_eq!(
        (written.group, written.created),
        (Some(ReportGroup::PolicyReport), 1)
    );
    let object = &api.all("policyreports")[0];
    assert_eq!(object["kind"], "PolicyReport");
    assert_eq!(object["source"], Value::Null);
    assert_eq!(object["results"][0]["source"], "archmatch");

    // What was written before is not there twice.
    api.state().served.insert(OPENREPORTS);
    let expected = counts(|it| {
        it.created = 1;
        it.deleted = 1;
    });
    assert_eq!(writer(&api).write(&report).await, Ok(expected));
    assert!(api.all("policyreports").is_empty());
    assert_eq!(api.all("reports")[0]["source"], "archmatch");

    let written = only(ReportObjects::Policyreport)
        .write(&report)
        .await
        .unwrap();
    assert_eq!((written.created, written.deleted), (1, 1));
    api.take_writes();
    assert_eq!(only(ReportObjects::None).write(&report).await, Ok(nothing));
    assert_eq!(api.take_writes(), [""; 0]);
}

#[tokio::test]
async fn a_namespace_that_goes_is_no_failure() {
    let api = Api::serving(&[OPENREPORTS]);
    api.state().terminating.insert("web");
    assert_eq!(
        write(&api, &report(&[1, 1])).await,
        counts(|it| it.skipped = 2)
    );
    api.state().terminating.clear();
    api.state().gone.insert("web");
    assert_eq!(
        write(&api, &report(&[1, 1])).await,
        counts(|it| it.skipped = 2)
    );
    api.state().gone.clear();
    let mut nowhere = report(&[1]);
    nowhere["workloads"][0]["namespace"] = Value::Null;
    assert_eq!(write(&api, &nowhere).await, counts(|it| it.skipped = 1));
}

#[tokio::test]
async fn a_lost_race_is_for_the_next_pass() {
    let api = Api::serving(&[OPENREPORTS]);
    write(&api, &report(&[1, 1])).await;
    api.state().races.extend([path(0), path(1)]);
    // One is to change, the other one to go.
    let changed = report(&[2, 0]);
    assert_eq!(write(&api, &changed).await, counts(|it| it.overtaken = 2));
    let expected = counts(|it| {
        it.updated = 1;
        it.deleted = 1;
    });
    assert_eq!(write(&api, &changed).await, expected);
}

#[tokio::test]
async fn after_twenty_failures_the_rest_waits() {
    let api = Api::serving(&[OPENREPORTS]);
    api.state().refuse = Some(500);
    let written = write(&api, &report(&[1; 100])).await;
    assert_eq!((written.created, written.failed), (0, 20));
    let problem = written.problem.unwrap();
    assert!(
        problem.starts_with("create reports of openreports.io/v1alpha1: "),
        "{problem}"
    );
    assert!(api.take_writes().len() < 30);
    api.state().refuse = None;
    assert_eq!(
        write(&api, &report(&[1; 100])).await,
        counts(|it| it.created = 100)
    );
}

#[tokio::test(start_paused = true)]
async fn a_write_without_an_answer_ends() {
    let api = Api::serving(&[OPENREPORTS]);
    api.state().silent = true;
    let report = report(&[1; 3]);
    let written = tokio::time::timeout(Duration::from_secs(60), write(&api, &report));
    let written = written.await.unwrap();
    assert_eq!(written.failed, 3);
    assert!(written.problem.unwrap().contains("no answer within"));
}

#[tokio::test]
async fn a_list_that_expired_begins_again_and_counts_nothing_twice() {
    let api = Api::serving(&[OPENREPORTS]);
    write(&api, &report(&[1; 120])).await;
    api.state().expire = 2;
    assert_eq!(
        write(&api, &report(&[1; 120])).await,
        counts(|it| it.unchanged = 120)
    );
    api.state().expire = 100;
    let error = writer(&api).write(&read(&report(&[1; 120]))).await;
    assert!(error.unwrap_err().to_string().contains("expired"));
}

#[tokio::test(start_paused = true)]
async fn everything_of_ours_goes_until_none_is_left() {
    let api = Api::serving(&[POLICYREPORTS]);
    write(&api, &report(&[1; 3])).await;
    let old = api.state().objects.clone();
    api.state().served.insert(OPENREPORTS);
    write(&api, &report(&[1; 120])).await;
    api.state().objects.extend(old);
    let mut late = api.all("reports")[0].clone();
    late["metadata"]["name"] = json!(format!("archmatch-{}", uid(500)));
    // An audit that ends writes once more.
    api.state().late = Some((path(500), late));
    assert_eq!(writer(&api).delete_all().await, Ok(124));
    assert!(api.state().objects.is_empty());

    write(&api, &report(&[1; 3])).await;
    api.state().refuse = Some(403);
    let error = writer(&api).delete_all().await.unwrap_err().to_string();
    assert!(error.contains("3 do not go"), "{error}");
}
