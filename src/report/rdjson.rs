//! The diagnostic format of reviewdog, which comments on pull requests of many forges.
//! Source: <https://github.com/reviewdog/reviewdog/tree/master/proto/rdf>

use serde_json::json;

use super::location::{NO_FILE, SourceLine, page_of};
use super::model::Report;
use crate::findings::Severity;

/// A diagnostic for each finding that nobody accepted.
pub(super) fn render(report: &Report) -> serde_json::Result<String> {
    let diagnostics = report.standing().map(|finding| {
        let source = SourceLine::of(finding);
        let (path, line) = source.map_or_else(
            || (NO_FILE.to_owned(), 1),
            |found| (found.file(), found.line),
        );
        let sentences = finding.sentences().join(" ");
        json!({
            "message": format!("{}: {sentences}", report.title_of(finding)),
            "location": {"path": path, "range": {"start": {"line": line}}},
            "severity": severity(finding.severity),
            "code": {"value": finding.rule, "url": page_of(finding.rule)},
        })
    });
    super::json::json(&json!({
        "source": {"name": "archmatch"},
        "diagnostics": diagnostics.collect::<Vec<_>>(),
    }))
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "ERROR",
        Severity::Warning => "WARNING",
        Severity::Note => "INFO",
    }
}
