//! SARIF 2.1.0, as GitHub's code scanning and editors read it.
//! Source: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>

use serde_json::{Value, json};

use super::escape::visible_escapes;
use super::location::{SourceLine, page_of};
use super::model::Report;
use crate::findings::{Acceptance, Finding, Rule, Severity};

/// Where the schema is.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// How many results GitHub takes of one run.
/// Source: <https://docs.github.com/en/code-security/reference/code-scanning/sarif-files/sarif-support-for-code-scanning#validating-your-sarif-file>
const MAX_RESULTS: usize = 25_000;

/// How much text of results there may be, in bytes. GitHub takes 10 MB of gzip, which packs
/// such sentences to less than an eighth.
const MAX_BYTES: usize = 64 << 20;

/// How many problems of the run itself are listed.
const MAX_NOTIFICATIONS: usize = 100;

/// The whole log: one run.
pub(super) fn render(report: &Report) -> serde_json::Result<String> {
    render_within(report, MAX_RESULTS, MAX_BYTES)
}

fn render_within(
    report: &Report,
    max_results: usize,
    max_bytes: usize,
) -> serde_json::Result<String> {
    let rules: Vec<Rule> = Rule::all().collect();
    let mut results = Vec::new();
    let mut bytes = 0;
    for finding in report.findings.iter().take(max_results) {
        let result = result(report, finding, &rules);
        bytes += serde_json::to_string(&result)?.len();
        if bytes > max_bytes {
            break;
        }
        results.push(result);
    }
    let cut = report.findings.len() - results.len();
    super::json::json(&json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "archmatch",
                "version": visible_escapes(&report.tool.version),
                "rules": rules.iter().map(|rule| describe(*rule)).collect::<Vec<_>>(),
            }},
            // GitHub takes what is before the last slash for the category of the run.
            "automationDetails": {"id": format!("archmatch/{}/", report.level)},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": report.errors.is_empty() && report.partial.is_empty(),
                "toolExecutionNotifications": notifications(report, cut),
            }],
            "results": results,
        }],
    }))
}

fn describe(rule: Rule) -> Value {
    let text = rule.text();
    let severity = rule.usual_severity();
    let problem = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "recommendation",
    };
    json!({
        "id": rule,
        "name": rule,
        "shortDescription": {"text": text.title},
        "fullDescription": {"text": text.explanation},
        "help": {"text": text.help, "markdown": text.help},
        "helpUri": page_of(rule),
        "defaultConfiguration": {"level": level(severity)},
        "properties": {"problem.severity": problem, "tags": ["kubernetes", "multi-platform"]},
    })
}

fn result(report: &Report, finding: &Finding, rules: &[Rule]) -> Value {
    let position = rules.iter().position(|rule| *rule == finding.rule);
    let title = report.title_of(finding);
    let mut result = json!({
        "ruleId": finding.rule,
        "ruleIndex": position,
        "level": level(finding.severity),
        "message": {"text": message(&finding.sentences().join(" "))},
        "partialFingerprints": {"primaryLocationLineHash": visible_escapes(&finding.id)},
        "properties": {
            "workload": title,
            "containers": escaped(&finding.containers),
            "image": finding.image.as_deref().map(visible_escapes),
            "platforms": escaped(&finding.platforms),
        },
    });
    if let Some(source) = SourceLine::of(finding) {
        set(
            &mut result,
            "locations",
            json!([{
                "physicalLocation": {
                    "artifactLocation": {"uri": source.uri()},
                    "region": {"startLine": source.line},
                },
                "logicalLocations": [{"fullyQualifiedName": title, "kind": "resource"}],
            }]),
        );
    }
    if let Some(accepted) = &finding.accepted {
        set(&mut result, "suppressions", json!([suppression(accepted)]));
    }
    result
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

fn suppression(accepted: &Acceptance) -> Value {
    json!({
        "kind": "external",
        "status": "accepted",
        "justification": accepted.describe(),
    })
}

fn escaped(texts: &[String]) -> Vec<String> {
    let texts = texts.iter().map(|text| visible_escapes(text).into_owned());
    texts.collect()
}

/// A text without the beginning of an embedded link's target, which readers would follow.
/// Source: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/sarif-v2.1.0-errata01-os-complete.html#_Toc141790718>
fn message(text: &str) -> String {
    text.replace("](", "\\](")
}

/// What is wrong with the run, and what is missing of its results.
fn notifications(report: &Report, cut: usize) -> Vec<Value> {
    let notification = |level: &str, text: &str| json!({"level": level, "message": {"text": message(&visible_escapes(text))}});
    let mut found = Vec::new();
    if cut > 0 {
        let text = format!(
            "{cut} of {} findings are left out, the least serious: GitHub takes {MAX_RESULTS} \
             results and 10 MB; -o json, csv or html has all",
            report.findings.len()
        );
        found.push(notification("warning", &text));
    }
    for unread in report.errors.iter().take(MAX_NOTIFICATIONS) {
        let text = format!("{}: {}", unread.source, unread.problem);
        found.push(notification("error", &text));
    }
    for missing in report.partial.iter().take(MAX_NOTIFICATIONS) {
        found.push(notification("warning", missing));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_is_the_least_serious_and_is_said() {
        let text = include_str!("../../tests/data/reports/mixed.json");
        let report = Report::parse(text).unwrap();
        let log = |results, bytes| -> Value {
            serde_json::from_str(&render_within(&report, results, bytes).unwrap()).unwrap()
        };
        for log in [log(2, MAX_BYTES), log(MAX_RESULTS, 3000)] {
            let run = &log["runs"][0];
            let left = run["results"].as_array().unwrap().len();
            assert!((1..6).contains(&left), "{left}");
            assert_eq!(run["results"][0]["level"], "error");
            let said = &run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"];
            let said = said.as_str().unwrap();
            assert!(
                said.starts_with(&format!("{} of 6 findings are left out", 6 - left)),
                "{said}"
            );
        }
        let whole = log(MAX_RESULTS, MAX_BYTES);
        assert_eq!(
            whole["runs"][0]["invocations"][0]["toolExecutionNotifications"],
            json!([])
        );
    }

    #[test]
    fn descriptions_of_rules_are_as_short_as_github_wants_them() {
        for rule in Rule::all() {
            let text = rule.text();
            assert!(
                text.title.len() <= 1024 && text.explanation.len() <= 1024,
                "{rule}"
            );
        }
    }
}
