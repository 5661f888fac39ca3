//! Workflow commands of GitHub: annotations on lines of files.
//! Source: <https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions>

use std::fmt::Write;

use super::conclusion::{conclusion, plural};
use super::location::SourceLine;
use super::model::Report;
use crate::findings::{Finding, Severity};

/// How many annotations of a kind GitHub shows of one step.
/// Source: <https://github.com/actions/toolkit/blob/main/docs/problem-matchers.md#limitations>
const MAX_OF_KIND: usize = 10;

/// The worst findings as commands, and the conclusion.
pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    for (severity, command) in [
        (Severity::Error, "error"),
        (Severity::Warning, "warning"),
        (Severity::Note, "notice"),
    ] {
        let such = || report.standing().filter(|one| one.severity == severity);
        for finding in such().take(MAX_OF_KIND) {
            let _ = writeln!(text, "::{command} {}", annotation(report, finding));
        }
        let all = such().count();
        if all > MAX_OF_KIND {
            let more = plural(all - MAX_OF_KIND, &format!("further {command}"));
            let _ = writeln!(
                text,
                "{more} beyond the {MAX_OF_KIND} that GitHub shows; -o markdown, table or json has all"
            );
        }
    }
    text.push_str(&conclusion(report));
    // The runner still takes commands of its first version, anywhere in a line.
    // Source: https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
    text.replace("##[", "#\\u{23}[")
}

/// What follows the command's name.
fn annotation(report: &Report, finding: &Finding) -> String {
    let mut properties = Vec::new();
    if let Some(source) = SourceLine::of(finding) {
        properties.push(format!("file={}", property(&source.file())));
        properties.push(format!("line={}", source.line));
    }
    properties.push(format!("title={}", finding.rule));
    let [what, why, next] = finding.sentences();
    let message = format!("{}: {what}\n{why}\n{next}", report.title_of(finding));
    format!("{}::{}", properties.join(","), data(&message))
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
