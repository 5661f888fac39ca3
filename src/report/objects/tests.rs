use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::findings::Rule;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn mixed() -> Value {
    let path = root().join("tests/data/reports/mixed.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn report(value: &Value) -> Report {
    serde_json::from_value(value.clone()).unwrap()
}

/// The example with these findings, each a change of a finding of its first workload.
fn with_findings(findings: &[Value]) -> Report {
    let mut value = mixed();
    let usual = json!({
        "id": "1", "rule": "missing-platform", "severity": "warning", "workload": 0,
        "containers": ["web"], "image": "node:22", "platforms": ["linux/s390x"],
        "what": "what", "why": "why", "next": "next",
    });
    let findings = findings.iter().enumerate().map(|(position, change)| {
        let mut finding = usual.clone();
        finding["id"] = json!(format!("{position:032x}"));
        for (key, value) in change.as_object().unwrap() {
            finding[key] = value.clone();
        }
        finding
    });
    value["findings"] = findings.collect();
    report(&value)
}

fn objects(report: &Report, group: ReportGroup) -> Vec<Value> {
    let plan = ObjectPlan::of(report, group);
    let objects = plan
        .places()
        .filter_map(|place| plan.object(place.position));
    objects
        .map(|object| serde_json::to_value(object).unwrap())
        .collect()
}

fn object(findings: &[Value]) -> Value {
    let mut objects = objects(&with_findings(findings), ReportGroup::OpenReports);
    assert_eq!(objects.len(), 1);
    objects.remove(0)
}

/// As Policy Reporter does where a result has no id of its own.
/// Source: <https://github.com/kyverno/policy-reporter/blob/main/pkg/report/result/id_generator.go>
fn upstream_id(object: &Value, result: &Value) -> u64 {
    let scope = &object["scope"];
    let parts = [
        &scope["name"],
        &scope["uid"],
        &result["policy"],
        &result["rule"],
        &result["result"],
        &result["category"],
        &result["message"],
    ];
    let bytes = parts
        .iter()
        .flat_map(|part| part.as_str().unwrap_or_default().bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn expect_distinct(objects: &[Value]) {
    let mut hashes = HashSet::new();
    let mut ids = HashSet::new();
    for object in objects {
        for result in object["results"].as_array().unwrap() {
            assert!(hashes.insert(upstream_id(object, result)), "{result}");
            let id = result["properties"]["resultID"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{result}");
        }
    }
}

#[test]
fn a_document_is_one_workload_and_reads_as_the_object() {
    for group in ReportGroup::ALL {
        let report = report(&mixed());
        let text = render(&report, group).unwrap();
        let read: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        assert_eq!(read, objects(&report, group));
        let names = read.iter().map(|object| &object["scope"]["name"]);
        assert_eq!(names.collect::<Vec<_>>(), ["shop", "bad", "db"]);
        expect_distinct(&read);
    }
    let without = render(
        &with_findings(&[json!({"severity": "note"})]),
        ReportGroup::OpenReports,
    );
    assert_eq!(without.unwrap(), "");
}

#[test]
fn what_to_use_instead_is_a_property() {
    let fixes = |kind: &str| json!([{"type": kind, "path": "image", "old": "a:1", "new": "a:2"}]);
    for (fixes, expected) in [
        (fixes("retag"), json!("a:2")),
        (fixes("repin"), json!("a:2")),
        (fixes("unpin"), Value::Null),
        (json!([]), Value::Null),
    ] {
        let report = with_findings(&[json!({"severity": "error", "fixes": fixes})]);
        let object = &objects(&report, ReportGroup::OpenReports)[0];
        let properties = &object["results"][0]["properties"];
        assert_eq!(properties["suggestion"], expected, "{object}");
    }
}

#[test]
fn a_result_follows_from_rule_and_severity() {
    for (rule, severity, expected) in [
        (
            "missing-platform",
            "error",
            ("fail", "high", "missing-platform/linux-s390x"),
        ),
        (
            "missing-platform",
            "warning",
            ("warn", "medium", "missing-platform/linux-s390x"),
        ),
        (
            "wrong-platform",
            "warning",
            ("warn", "medium", "wrong-platform"),
        ),
        ("empty-index", "error", ("fail", "high", "empty-index")),
        (
            "could-not-check",
            "warning",
            ("error", "info", "could-not-check"),
        ),
        (
            "pinned-to-one-platform",
            "warning",
            ("warn", "low", "pinned-to-one-platform"),
        ),
    ] {
        let object = object(&[json!({"rule": rule, "severity": severity})]);
        let result = &object["results"][0];
        let found = ["result", "severity", "rule"].map(|key| result[key].as_str().unwrap());
        assert_eq!(found, <[&str; 3]>::from(expected), "{rule} {severity}");
        let count = |kind: &str| object["summary"][kind].as_u64().unwrap();
        assert_eq!(count(expected.0), 1);
        let all = ["pass", "fail", "warn", "error", "skip"].map(count);
        assert_eq!(all.iter().sum::<u64>(), 1);
    }
}

#[test]
fn the_policy_is_the_level_that_fails() {
    for (runnable, policy) in [
        ("fail", "runnable"),
        ("undecided", "portable"),
        ("pass", "portable"),
    ] {
        let mut value = mixed();
        value["workloads"][0]["levels"]["runnable"] = json!(runnable);
        let objects = objects(&report(&value), ReportGroup::PolicyReport);
        assert_eq!(objects[0]["results"][0]["policy"], policy);
    }
}

#[test]
fn every_message_names_the_image_and_the_containers() {
    for rule in Rule::all() {
        let containers = json!(["web", "side"]);
        let finding = json!({"rule": rule, "severity": "warning", "containers": containers});
        let message = object(&[finding])["results"][0]["message"].clone();
        let message = message.as_str().unwrap();
        let of_image = !matches!(rule, Rule::NowhereToRun | Rule::NoImages);
        assert!(!of_image || message.starts_with("node:22 ") || message.contains(" node:22 "));
        assert!(message.ends_with(" (containers web, side)"), "{message}");
    }
}

#[test]
fn what_alternates_is_no_change() {
    let unchecked = |reason: &str| {
        let mut value = mixed();
        let findings = value["findings"].as_array_mut().unwrap();
        for finding in findings {
            finding["what"] = json!(format!("{} ({reason})", finding["what"]));
            finding["why"] = json!(format!("{reason}: 5 nodes"));
            finding["next"] = json!(reason);
        }
        objects(&report(&value), ReportGroup::OpenReports)
    };
    assert_eq!(unchecked("timeout"), unchecked("unreachable"));
}

#[test]
fn two_tags_of_one_repository_are_two_results() {
    let tag = |tag: &str, container: &str| json!({"image": tag, "containers": [container]});
    let same = json!({"rule": "could-not-check", "image": null, "platforms": [], "containers": []});
    let object = object(&[tag("app:1", "a"), tag("app:2", "b"), same.clone(), same]);
    expect_distinct(std::slice::from_ref(&object));
    let messages = object["results"].as_array().unwrap().iter();
    let messages: Vec<&str> = messages
        .map(|one| one["message"].as_str().unwrap())
        .collect();
    assert_eq!(
        messages,
        [
            "app:1 has no linux/s390x manifest (container a)",
            "app:2 has no linux/s390x manifest (container b)",
            "not everything of it could be checked",
            "not everything of it could be checked (2)",
        ]
    );
}

#[test]
fn an_accepted_finding_is_left_out() {
    let accepted = json!({"accepted": {"reason": "known"}});
    let object = object(&[accepted.clone(), json!({})]);
    assert_eq!(object["results"].as_array().unwrap().len(), 1);
    assert!(objects(&with_findings(&[accepted]), ReportGroup::OpenReports).is_empty());
}

#[test]
fn an_object_has_an_end() {
    // The API server's store takes 1.5 MiB.
    let hostile = "\u{202e}".repeat(2_000);
    let many = vec![hostile.as_str(); 10];
    let finding = json!({"image": hostile, "containers": many, "platforms": many});
    let object = object(&vec![finding; 130]);
    let results = object["results"].as_array().unwrap();
    assert_eq!(results.len(), MAX_RESULTS + 1);
    assert_eq!(
        results[MAX_RESULTS]["message"],
        "30 more findings; archmatch audit lists them all"
    );
    expect_distinct(std::slice::from_ref(&object));
    let text = object.to_string();
    assert!(text.len() < 1 << 20, "{}", text.len());
    assert!(!text.contains('\u{202e}') && text.contains("\\\\u{202e}"));
}

#[test]
fn names_and_owners_follow_from_the_uid() {
    let uid = "0b7f6c52-6f0e-4b6d-9c55-8d3e7c2f1a10";
    for (given, is_known) in [
        (json!(uid), true),
        (Value::Null, false),
        (json!(""), false),
        (json!("../x"), false),
        (json!("a".repeat(65)), false),
        (json!("-"), false),
    ] {
        let mut value = mixed();
        value["workloads"][0]["uid"] = given.clone();
        let object = objects(&report(&value), ReportGroup::OpenReports).remove(0);
        let name = object["metadata"]["name"].as_str().unwrap();
        let owner =
            json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop", "uid": uid}]);
        if is_known {
            assert_eq!(name, format!("archmatch-{uid}"));
            assert_eq!(object["metadata"]["ownerReferences"], owner);
            assert_eq!(object["scope"]["uid"], uid);
        } else {
            assert_eq!(name.len(), "archmatch-".len() + 32, "{given}");
            assert_eq!(object["metadata"]["ownerReferences"], Value::Null);
            assert_eq!(object["scope"]["uid"], Value::Null);
        }
    }
}

#[test]
fn a_workload_that_is_there_twice_has_two_names() {
    let mut value = mixed();
    value["workloads"][3] = value["workloads"][0].clone();
    let objects = objects(&report(&value), ReportGroup::OpenReports);
    let names: Vec<&str> = objects
        .iter()
        .map(|object| object["metadata"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names[1], format!("{}-2", names[0]));
}

#[test]
fn a_result_keeps_the_time_when_it_was_found_first() {
    let report = with_findings(&[json!({"id": "old"}), json!({"id": "new"})]);
    let plan = ObjectPlan::of(&report, ReportGroup::OpenReports);
    let mut object = plan.object(0).unwrap();
    let first = ResultTime {
        seconds: 1,
        nanos: 2,
    };
    object.keep_times(&HashMap::from([("old".to_owned(), first)]));
    let object = serde_json::to_value(object).unwrap();
    let time = |position: usize| object["results"][position]["timestamp"].clone();
    assert_eq!(time(0), json!({"seconds": 1, "nanos": 2}));
    let created: jiff::Timestamp = report.created.parse().unwrap();
    assert_eq!(time(1), json!({"seconds": created.as_second(), "nanos": 0}));
}

#[test]
fn text_stays_text_for_every_reader_of_yaml() {
    // Names that a reader of YAML 1.1, such as kubectl, takes for something else.
    for name in [
        "no",
        "on",
        "y",
        "null",
        "~",
        "1",
        "0777",
        "0x1f",
        "1e3",
        "1_000",
        "1:20",
        "a: b",
        "# a",
        "2026-11-28",
        "=",
        "<<",
    ] {
        let report = with_findings(&[json!({"containers": [name]})]);
        let printed = render(&report, ReportGroup::OpenReports).unwrap();
        let quoted = [
            format!("containers: '{name}'"),
            format!("containers: \"{name}\""),
        ];
        assert!(
            quoted.iter().any(|quoted| printed.contains(quoted)),
            "{printed}"
        );
        let read: Vec<Value> = serde_saphyr::from_multiple(&printed).unwrap();
        assert_eq!(read, objects(&report, ReportGroup::OpenReports));
    }
}
