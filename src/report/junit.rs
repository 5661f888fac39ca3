//! JUnit: a test case a workload, which fails where the asked level does.
//! Source: <https://github.com/jenkinsci/xunit-plugin/blob/master/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd>

use std::fmt::{self, Write};

use super::escape::{printable, visible_escapes};
use super::model::{Report, ReportedWorkload};
use crate::domain::verdict::LevelResult;
use crate::findings::Finding;

/// The whole document.
///
/// # Errors
/// None: a text takes what is written.
pub(super) fn render(report: &Report) -> Result<String, fmt::Error> {
    let mut suites = vec![workloads(report)?];
    if !report.errors.is_empty() || !report.partial.is_empty() {
        suites.push(missing(report)?);
    }
    let total = |of: fn(&TestSuite) -> usize| suites.iter().map(of).sum::<usize>();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    writeln!(
        text,
        "<testsuites name=\"archmatch\" tests=\"{}\" failures=\"{}\" errors=\"{}\">",
        total(|suite| suite.tests),
        total(|suite| suite.failures),
        total(|suite| suite.errors),
    )?;
    let created = escaped(&printable(&report.created));
    for suite in &suites {
        writeln!(
            text,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" \
             timestamp=\"{created}\">\n{}  </testsuite>",
            suite.name, suite.tests, suite.failures, suite.errors, suite.skipped, suite.cases
        )?;
    }
    text.push_str("</testsuites>\n");
    Ok(text)
}

/// Test cases, and their counts.
#[derive(Default)]
struct TestSuite {
    name: String,
    cases: String,
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

fn workloads(report: &Report) -> Result<TestSuite, fmt::Error> {
    let mut suite = TestSuite {
        name: format!("archmatch, level {}", report.level),
        ..TestSuite::default()
    };
    let findings = report.by_workload(&report.findings);
    for (workload, findings) in report.workloads.iter().zip(findings) {
        suite.add(report, workload, &findings)?;
    }
    Ok(suite)
}

impl TestSuite {
    fn add(
        &mut self,
        report: &Report,
        workload: &ReportedWorkload,
        findings: &[&Finding],
    ) -> fmt::Result {
        let weights = findings.iter().map(|finding| report.weight(finding));
        let weight = LevelResult::all(weights);
        let class = workload.namespace.as_deref().unwrap_or(&workload.kind);
        self.tests += 1;
        let case = &mut self.cases;
        write!(
            case,
            "    <testcase classname=\"{}\" name=\"{}\"",
            escaped(&printable(class)),
            escaped(&workload.title())
        )?;
        let first = findings
            .iter()
            .find(|finding| report.weight(finding) == weight);
        let element = match weight {
            LevelResult::Fail => {
                self.failures += 1;
                "failure"
            }
            LevelResult::Undecided => {
                self.errors += 1;
                "error"
            }
            LevelResult::Pass if workload.is_without_images() => {
                self.skipped += 1;
                return writeln!(
                    case,
                    ">\n      <skipped message=\"no container names an image\"/>\n    </testcase>"
                );
            }
            LevelResult::Pass if findings.is_empty() => return writeln!(case, "/>"),
            LevelResult::Pass => {
                // What is accepted, and what is worth a look.
                let details = escaped(&details(workload, findings));
                return writeln!(
                    case,
                    ">\n      <system-out>{details}</system-out>\n    </testcase>"
                );
            }
        };
        if let Some(first) = first {
            let details = details(workload, findings);
            writeln!(
                case,
                ">\n      <{element} type=\"{}\" message=\"{}\">{}</{element}>\n    </testcase>",
                first.rule,
                escaped(&visible_escapes(&first.what)),
                escaped(&details)
            )?;
        }
        Ok(())
    }
}

/// What is found, a line a sentence.
fn details(workload: &ReportedWorkload, findings: &[&Finding]) -> String {
    let mut text = Vec::new();
    if let Some(source) = &workload.source {
        text.push(printable(source));
    }
    for finding in findings {
        let accepted = finding.accepted.as_ref();
        let accepted = accepted.map(|one| format!(" ({})", one.describe()));
        let [what, why, next] = finding.sentences();
        text.push(format!(
            "{} {}{}: {what}",
            finding.severity,
            finding.rule,
            accepted.unwrap_or_default()
        ));
        text.extend([why, next]);
    }
    text.join("\n")
}

/// What nobody looked at: such a report never looks whole.
fn missing(report: &Report) -> Result<TestSuite, fmt::Error> {
    let count = report.errors.len() + report.partial.len();
    let mut suite = TestSuite {
        name: "archmatch, what could not be read".to_owned(),
        tests: count,
        errors: count,
        ..TestSuite::default()
    };
    let errors = report.errors.iter();
    let errors = errors.map(|error| ("unread", printable(&error.source), &error.problem));
    let partial = report.partial.iter();
    let partial = partial.map(|text| ("partial", "the run".to_owned(), text));
    for (kind, name, problem) in errors.chain(partial) {
        writeln!(
            suite.cases,
            "    <testcase classname=\"{kind}\" name=\"{}\">\n      \
             <error type=\"{kind}\" message=\"{}\"/>\n    </testcase>",
            escaped(&name),
            escaped(&visible_escapes(problem))
        )?;
    }
    Ok(suite)
}

/// Text as XML has it, in elements and attributes.
/// Source: <https://www.w3.org/TR/xml/#charsets>
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            escaped.push('\n');
        }
        for character in visible_escapes(line).chars() {
            match character {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\'' => escaped.push_str("&apos;"),
                // No document may have them.
                '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
                _ => escaped.push(character),
            }
        }
    }
    escaped
}
