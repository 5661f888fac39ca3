//! Code quality of GitLab.
//! Source: <https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format>

use serde::Serialize;

use super::escape::visible_escapes;
use super::json::json;
use super::location::{NO_FILE, SourceLine};
use super::model::Report;
use crate::findings::{Finding, Rule, Severity};

/// One entry of the report.
#[derive(Serialize)]
struct CodeQualityEntry {
    description: String,
    check_name: &'static str,
    fingerprint: String,
    severity: &'static str,
    location: CodeQualityLocation,
}

#[derive(Serialize)]
struct CodeQualityLocation {
    path: String,
    lines: CodeQualityLines,
}

#[derive(Serialize)]
struct CodeQualityLines {
    begin: u64,
}

/// An entry for each finding that nobody accepted.
pub(super) fn render(report: &Report) -> serde_json::Result<String> {
    let entries = report.standing().map(|finding| {
        let source = SourceLine::of(finding);
        let (path, begin) = source.map_or_else(
            || (NO_FILE.to_owned(), 1),
            |found| (found.path(), found.line),
        );
        let [what, _, next] = finding.sentences();
        CodeQualityEntry {
            // The name of the check is not shown.
            description: format!(
                "{}: {}: {what} {next}",
                finding.rule,
                report.title_of(finding)
            ),
            check_name: finding.rule.name(),
            fingerprint: visible_escapes(&finding.id).into_owned(),
            severity: severity(finding),
            location: CodeQualityLocation {
                path,
                lines: CodeQualityLines { begin },
            },
        }
    });
    json(&entries.collect::<Vec<_>>())
}

/// What is not known is apart from what is.
fn severity(finding: &Finding) -> &'static str {
    match (finding.rule, finding.severity) {
        (Rule::CouldNotCheck, _) => "info",
        (_, Severity::Error) => "critical",
        (_, Severity::Warning) => "major",
        (_, Severity::Note) => "minor",
    }
}
