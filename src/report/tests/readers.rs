//! Reports, read by readers that are not ours.

use std::borrow::Cow;
use std::process::Command;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

use super::super::escape::visible_escapes;
use super::super::{Format, Report};
use super::made::data;
use super::markdown;
use crate::domain::text::is_hidden;
use crate::findings::{Finding, Severity};

/// That a reader finds in the text what is in the report.
pub fn assert_read_back(format: Format, report: &Report, text: &str) {
    let obeyed = text.chars().find(|one| is_hidden(*one) && *one != '\n');
    assert_eq!(obeyed, None, "{format:?}: {text}");
    match format {
        Format::Table | Format::Wide => table(text),
        Format::Json => assert_eq!(&Report::parse(text).unwrap(), report),
        Format::Html => html(text),
        Format::Yaml => yaml(report, text),
        Format::Csv => csv(report, text),
        Format::Markdown => markdown::assert_read_back(report, text),
        Format::Junit => junit(report, text),
        Format::Sarif => sarif(report, text),
        Format::Gitlab => gitlab(report, text),
        Format::Github => github(report, text),
        Format::Rdjson => rdjson(report, text),
        Format::Openreports | Format::Policyreport => objects(report, text),
    }
}

fn html(text: &str) {
    assert!(text.starts_with("<!DOCTYPE html>"), "{text}");
    assert_eq!(text.matches("<main").count(), 1, "{text}");
}

/// As kubectl reads them: a document a workload, a result a finding.
fn objects(report: &Report, text: &str) {
    let read: Vec<Value> =
        serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let counting = report.findings.iter();
    let counting =
        counting.filter(|finding| finding.severity != Severity::Note && finding.accepted.is_none());
    let counting: Vec<&Finding> = counting.collect();
    let workloads = counting.iter().map(|finding| finding.workload);
    let workloads: std::collections::BTreeSet<usize> = workloads.collect();
    assert_eq!(read.len(), workloads.len(), "{text}");
    let results = read
        .iter()
        .flat_map(|object| object["results"].as_array().unwrap());
    let ids = results.map(|result| result["properties"]["resultID"].as_str().unwrap());
    let mut ids: Vec<&str> = ids.collect();
    let expected = counting.iter();
    let expected = expected.map(|finding| visible_escapes(&finding.id));
    let mut expected: Vec<Cow<'_, str>> = expected.collect();
    ids.sort_unstable();
    expected.sort_unstable();
    assert_eq!(ids, expected, "{text}");
}

fn table(text: &str) {
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("FAIL at level portable: "), "{last}");
    let is_command = |line: &str| line.trim_start().starts_with("::") || line.contains("##[");
    assert!(!text.lines().any(is_command), "{text}");
}

fn yaml(report: &Report, text: &str) {
    let read: Value =
        serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(read, serde_json::to_value(report).unwrap(), "{text}");
    assert_eq!(&Report::parse(text).unwrap(), report);
}

fn csv(report: &Report, text: &str) {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header: Vec<String> = reader
        .headers()
        .unwrap()
        .iter()
        .map(str::to_owned)
        .collect();
    assert_eq!(
        header.join(","),
        "severity,rule,namespace,kind,name,containers,image,platforms,what,next,id"
    );
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), report.findings.len());
    for (record, finding) in records.iter().zip(&report.findings) {
        assert!(
            record
                .iter()
                .all(|cell| !cell.starts_with(['=', '+', '-', '@'])),
            "{record:?}"
        );
        let workload = &report.workloads[finding.workload];
        let wanted = [
            finding.severity.to_string(),
            finding.rule.to_string(),
            workload.namespace.clone().unwrap_or_default(),
            workload.kind.clone(),
            workload.name.clone(),
            finding.containers.join(", "),
            finding.image.clone().unwrap_or_default(),
            finding.platforms.join(", "),
            finding.what.clone(),
            finding.next.clone(),
            finding.id.clone(),
        ];
        for (cell, wanted) in record.iter().zip(wanted) {
            let wanted = visible_escapes(&wanted);
            let is_kept = cell == wanted || cell.strip_prefix('\'') == Some(&*wanted);
            assert!(is_kept, "{cell:?} {wanted:?}");
        }
    }
}

fn junit(report: &Report, text: &str) {
    let document =
        roxmltree::Document::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let root = document.root_element();
    let count = |node: roxmltree::Node<'_, '_>, name: &str| {
        node.descendants()
            .filter(|one| one.has_tag_name(name))
            .count()
    };
    let total = |node: roxmltree::Node<'_, '_>, name: &str| -> usize {
        node.attribute(name).unwrap().parse().unwrap()
    };
    let suites: Vec<_> = root
        .children()
        .filter(roxmltree::Node::is_element)
        .collect();
    for node in suites.iter().copied().chain([root]) {
        assert_eq!(count(node, "testcase"), total(node, "tests"));
        assert_eq!(count(node, "failure"), total(node, "failures"));
        assert_eq!(count(node, "error"), total(node, "errors"));
    }
    let cases = suites[0].children().filter(roxmltree::Node::is_element);
    let names: Vec<&str> = cases.map(|case| case.attribute("name").unwrap()).collect();
    let wanted: Vec<String> = report
        .workloads
        .iter()
        .map(|one| for_xml(&one.title()))
        .collect();
    assert_eq!(names, wanted);
    let failing = report.weighing(crate::domain::verdict::LevelResult::Fail);
    assert_eq!(count(suites[0], "failure"), failing.len());
    let missing = report.errors.len() + report.partial.len();
    let such = suites.get(1).map_or(0, |suite| count(*suite, "testcase"));
    assert_eq!(such, missing);
}

/// No document of XML may have these.
fn for_xml(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

fn sarif(report: &Report, text: &str) {
    let log: Value = serde_json::from_str(text).unwrap();
    assert_no_hidden(&log);
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), report.findings.len());
    for (result, finding) in results.iter().zip(&report.findings) {
        assert_eq!(result["level"], finding.severity.to_string());
        let message = result["message"]["text"].as_str().unwrap();
        assert!(!message.replace("\\](", "").contains("]("), "{message}");
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(
            place["artifactLocation"]["uri"].is_null(),
            result["locations"].is_null()
        );
        if let Some(uri) = place["artifactLocation"]["uri"].as_str() {
            assert!(!uri.is_empty() && !uri.starts_with('/'), "{uri}");
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte);
            assert!(uri.bytes().all(is_plain), "{uri}");
            assert!(place["region"]["startLine"].as_u64().unwrap() > 0);
        }
        assert_eq!(
            result["suppressions"].is_array(),
            finding.accepted.is_some()
        );
        let id = visible_escapes(&finding.id);
        assert_eq!(
            result["partialFingerprints"]["primaryLocationLineHash"],
            *id
        );
        let rule = &log["runs"][0]["tool"]["driver"]["rules"]
            [result["ruleIndex"].as_u64().unwrap() as usize];
        assert_eq!(rule["id"], finding.rule.name());
    }
}

/// The fields of GitLab's documentation, each with what it may have.
fn gitlab(report: &Report, text: &str) {
    let read: Value = serde_json::from_str(text).unwrap();
    assert_no_hidden(&read);
    let entries = read.as_array().unwrap();
    assert_eq!(entries.len(), report.standing().count());
    for (entry, finding) in entries.iter().zip(report.standing()) {
        let text = |key: &str| entry[key].as_str().unwrap();
        assert!(text("description").starts_with(&format!("{}: ", finding.rule)));
        assert!(text("description").contains(visible_escapes(finding.what.trim_end()).as_ref()));
        assert_eq!(text("check_name"), finding.rule.name());
        assert_eq!(text("fingerprint"), visible_escapes(&finding.id));
        let severity = match finding.severity {
            _ if finding.rule.name() == "could-not-check" => "info",
            Severity::Error => "critical",
            Severity::Warning => "major",
            Severity::Note => "minor",
        };
        assert_eq!(text("severity"), severity);
        let path = entry["location"]["path"].as_str().unwrap();
        assert!(!path.is_empty() && !path.starts_with('/'), "{path}");
        assert!(entry["location"]["lines"]["begin"].as_u64().unwrap() > 0);
    }
}

fn rdjson(report: &Report, text: &str) {
    let read: Value = serde_json::from_str(text).unwrap();
    assert_no_hidden(&read);
    assert_eq!(read["source"]["name"], "archmatch");
    let entries = read["diagnostics"].as_array().unwrap();
    assert_eq!(entries.len(), report.standing().count());
    for (entry, finding) in entries.iter().zip(report.standing()) {
        assert_eq!(entry["code"]["value"], finding.rule.name());
        assert!(!entry["location"]["path"].as_str().unwrap().is_empty());
    }
}

/// Strings that are read back are shown to people.
fn assert_no_hidden(value: &Value) {
    match value {
        Value::String(text) => assert!(!text.contains(is_hidden), "{text:?}"),
        Value::Array(values) => values.iter().for_each(assert_no_hidden),
        Value::Object(fields) => fields.values().for_each(assert_no_hidden),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn github(report: &Report, text: &str) {
    assert!(!text.contains("##["), "{text}");
    let commands: Vec<WorkflowCommand> = text.lines().filter_map(command).collect();
    let of = |severity, name: &str| {
        let such = |finding: &&Finding| finding.severity == severity;
        let all = report.standing().filter(such).count();
        let found = commands
            .iter()
            .filter(|command| command.name == name)
            .count();
        assert_eq!(found, all.min(10), "{name}: {text}");
        found
    };
    let all = of(Severity::Error, "error")
        + of(Severity::Warning, "warning")
        + of(Severity::Note, "notice");
    assert_eq!(commands.len(), all, "{text}");
    for command in &commands {
        let keys: Vec<&str> = command
            .properties
            .iter()
            .map(|(key, _)| key.as_str())
            .collect();
        assert!(
            keys == ["file", "line", "title"] || keys == ["title"],
            "{keys:?}"
        );
        assert_eq!(
            command.message.matches('\n').count(),
            2,
            "{}",
            command.message
        );
    }
    for finding in report.standing().take(1) {
        let what = visible_escapes(finding.what.trim_end()).replace("##[", "#\\u{23}[");
        assert!(
            commands
                .iter()
                .any(|command| command.message.contains(&what)),
            "{text}"
        );
    }
}

/// A command as the runner takes it from a line.
pub struct WorkflowCommand {
    pub name: String,
    pub properties: Vec<(String, String)>,
    pub message: String,
}

/// Source: <https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs>
pub fn command(line: &str) -> Option<WorkflowCommand> {
    let (head, message) = line.trim_start().strip_prefix("::")?.split_once("::")?;
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    let unescape = |text: &str| {
        text.replace("%0D", "\r")
            .replace("%0A", "\n")
            .replace("%25", "%")
    };
    let properties = properties.split(',').filter_map(|one| one.split_once('='));
    let properties = properties.map(|(key, value)| {
        let value = value.replace("%3A", ":").replace("%2C", ",");
        (key.to_owned(), unescape(&value))
    });
    Some(WorkflowCommand {
        name: name.to_owned(),
        properties: properties.collect(),
        message: unescape(message),
    })
}

static SARIF: LazyLock<Validator> = LazyLock::new(|| schema("sarif-2.1.0.json"));
static RDJSON: LazyLock<Validator> = LazyLock::new(|| schema("rdjson.json"));

fn schema(name: &str) -> Validator {
    let text = std::fs::read_to_string(data("schemas").join(name)).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

/// That the text is what the schema of the format's makers says.
pub fn assert_schema(format: Format, text: &str) {
    let validator = match format {
        Format::Sarif => &SARIF,
        Format::Rdjson => &RDJSON,
        Format::Junit => return assert_xsd(text),
        _ => return,
    };
    let value: Value = serde_json::from_str(text).unwrap();
    let problems: Vec<String> = validator
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(problems, [""; 0], "{format:?}");
}

fn assert_xsd(text: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.xml");
    std::fs::write(&path, text).unwrap();
    let mut command = Command::new("xmllint");
    command.args(["--noout", "--nonet", "--schema"]);
    command.arg(data("schemas/junit-10.xsd")).arg(&path);
    let output = match command.output() {
        Ok(output) => output,
        // A machine with nothing but cargo checks the rest.
        Err(_) if std::env::var_os("CI").is_none() => {
            eprintln!("the schema of JUnit is left out: it needs xmllint, of libxml2-utils");
            return;
        }
        Err(error) => panic!("xmllint, of the Debian package libxml2-utils: {error}"),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{text}");
}

#[test]
fn the_schemas_refuse_what_is_wrong() {
    assert!(!SARIF.is_valid(&serde_json::json!({"version": "2.1.0", "runs": [{"results": []}]})));
    assert!(!RDJSON.is_valid(&serde_json::json!({"diagnostics": [{"severity": "FATAL"}]})));
}
