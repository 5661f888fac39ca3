//! Markdown for comments, wikis and step summaries.

use std::fmt::Write;

use super::conclusion::{conclusion, plural};
use super::escape::{printable, visible_escapes};
use super::matrix::{Grid, grid};
use super::model::{PlatformReadiness, Report};
use super::style::Style;
use super::table::first_blockers;
use crate::domain::text::shortened;
use crate::findings::{Finding, Severity};

/// How much GitHub takes of a step's summary, in bytes.
/// Source: <https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions#step-isolation-and-limits>
const MAX_SUMMARY_BYTES: usize = 1 << 20;

/// How many rows of the matrix are shown.
const MAX_ROWS: usize = 60;

/// How many documents that could not be read are listed.
const MAX_UNREAD: usize = 60;

/// How much is said of the whole, in characters.
const MAX_CONCLUSION: usize = 4096;

/// The whole report.
pub(super) fn render(report: &Report, style: Style) -> String {
    render_within(report, style, usize::MAX)
}

/// The report in so many bytes: what is left out of it is said.
fn render_within(report: &Report, style: Style, bytes: usize) -> String {
    /// What the last sentence and the end of a list take.
    const RESERVE: usize = 256;
    let conclusion = conclusion(report);
    let conclusion = shortened(conclusion.trim_end(), MAX_CONCLUSION);
    let mut text = format!("## archmatch\n\n{}\n\n", inline(&conclusion));
    let limit = bytes.saturating_sub(RESERVE);
    let blocks = [readiness(report), matrix(report, style), not_read(report)];
    let mut is_whole = blocks.iter().all(|block| add(&mut text, block, limit));
    for (severity, noun) in [
        (Severity::Error, "error"),
        (Severity::Warning, "warning"),
        (Severity::Note, "note"),
    ] {
        let such = || {
            let findings = report.findings.iter();
            findings.filter(|one| one.severity == severity)
        };
        let count = such().count();
        if count == 0 {
            continue;
        }
        // No name may stand here: between tags nothing is Markdown.
        let summary = plural(count, noun);
        let heading = format!("<details>\n<summary>{summary}</summary>\n\n");
        is_whole = is_whole && add(&mut text, &heading, limit);
        if !is_whole {
            break;
        }
        is_whole = such().all(|finding| add(&mut text, &item(report, finding), limit));
        text.push_str("\n</details>\n\n");
    }
    if !is_whole {
        text.push_str("There is more than fits in here: -o json, csv or html has all.\n");
    }
    text
}

/// Adds a block where it fits.
fn add(text: &mut String, block: &str, limit: usize) -> bool {
    let fits = text.len() + block.len() <= limit;
    if fits {
        text.push_str(block);
    }
    fits
}

fn readiness(report: &Report) -> String {
    let header = ["Platform", "Ready", "Blocked", "Undecided", "Blocked by"];
    let rows = report.readiness.iter().map(|row| {
        vec![
            printable(&row.platform),
            row.ready.to_string(),
            row.blocked.to_string(),
            row.undecided.to_string(),
            blockers(row),
        ]
    });
    table(&header.map(str::to_owned), rows)
}

fn blockers(row: &PlatformReadiness) -> String {
    let (mut names, more) = first_blockers(row);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

/// The rows of the matrix in which something is wrong.
fn matrix(report: &Report, style: Style) -> String {
    let Grid {
        first,
        titles,
        rows,
    } = grid(report, style.rows);
    let rows: Vec<_> = rows.into_iter().filter(|row| row.has_problem).collect();
    if rows.is_empty() {
        return String::new();
    }
    // Colours are for terminals.
    let style = Style {
        colour: false,
        ..style
    };
    let hidden = rows.len().saturating_sub(MAX_ROWS);
    let header: Vec<String> = std::iter::once(first.to_owned()).chain(titles).collect();
    let rows = rows.into_iter().take(MAX_ROWS).map(|row| {
        let cells = row.cells.iter().map(|cell| style.mark(cell));
        std::iter::once(row.name).chain(cells).collect()
    });
    let mut text = table(&header, rows);
    if hidden > 0 {
        let _ = writeln!(
            text,
            "{} with problems: -o csv, json or html has all.\n",
            plural(hidden, "further row")
        );
    }
    text
}

fn not_read(report: &Report) -> String {
    let mut text = String::new();
    for unread in report.errors.iter().take(MAX_UNREAD) {
        let (source, problem) = (printable(&unread.source), printable(&unread.problem));
        let _ = writeln!(
            text,
            "- Not read: {}: {}",
            inline(&source),
            inline(&problem)
        );
    }
    let more = report.errors.len().saturating_sub(MAX_UNREAD);
    if more > 0 {
        let _ = writeln!(text, "- Not read: {more} more");
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn item(report: &Report, finding: &Finding) -> String {
    let mut place = report.title_of(finding);
    if let Some(source) = &finding.source {
        let _ = write!(place, " ({source})");
    }
    if let Some(accepted) = &finding.accepted {
        let _ = write!(place, ", {}", accepted.describe());
    }
    if let Some(date) = &finding.expired {
        let _ = write!(place, ", was accepted, expired {date}");
    }
    let sentences = finding.sentences().map(|sentence| inline(&sentence));
    format!(
        "- **{}** {}<br>{}\n",
        finding.rule,
        inline(&place),
        sentences.join("<br>")
    )
}

/// A table, with a blank line behind it.
fn table(header: &[String], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| inline(cell)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = line(header);
    text.push_str(&format!("|{}\n", " --- |".repeat(header.len())));
    for row in rows {
        text.push_str(&line(&row));
    }
    text.push('\n');
    text
}

/// Text that stands for itself in a line or a cell: no markup, HTML, link or mention.
fn inline(text: &str) -> String {
    let text = visible_escapes(text);
    let mut safe = String::with_capacity(text.len() + 8);
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        let next = rest.as_str();
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            // Before a letter it is no escape.
            '\\' if next.starts_with(char::is_alphanumeric) => safe.push('\\'),
            '\\' => safe.push_str("&#92;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '~' | '^' | '$' => {
                safe.push('\\');
                safe.push(character);
            }
            // Forges link what begins like an address, escaped or not.
            ':' if next.starts_with("//") => safe.push_str("\\:"),
            '.' if safe.ends_with(['w', 'W']) => safe.push_str("\\."),
            '@' if next.starts_with("sha256:") || next.starts_with("sha512:") => safe.push('@'),
            '@' => {
                // One span for all of them: two would be none.
                let signs = 1 + next.len() - next.trim_start_matches('@').len();
                rest = next.trim_start_matches('@').chars();
                safe.push_str(&format!("`{}`", "@".repeat(signs)));
            }
            _ => safe.push(character),
        }
    }
    safe
}

impl Report {
    /// The report for the summary of a step of GitHub's workflows, in as many bytes as it
    /// takes.
    pub fn step_summary(&self) -> String {
        render_within(self, Style::PLAIN, MAX_SUMMARY_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_markup() {
        for (text, safe) in [
            (
                "node:22 has no linux/s390x manifest",
                "node:22 has no linux/s390x manifest",
            ),
            ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
            ("a|b`c*d_e", "a\\|b\\`c\\*d\\_e"),
            ("[x](https://a)", "\\[x\\](https\\://a)"),
            ("\\|\u{1b}", "&#92;\\|\\u{1b}"),
            ("@@a", "`@@`a"),
            ("www.a.b @team a@sha256:1", "www\\.a.b `@`team a@sha256:1"),
        ] {
            assert_eq!(inline(text), safe);
        }
    }

    #[test]
    fn a_summary_is_as_long_as_it_may_be_and_says_what_is_missing() {
        let text = include_str!("../../tests/data/reports/mixed.json");
        let report = Report::parse(text).unwrap();
        let whole = report.step_summary();
        assert_eq!(whole, render(&report, Style::PLAIN));
        for bytes in (400..whole.len()).step_by(97) {
            let short = render_within(&report, Style::PLAIN, bytes);
            assert!(short.len() <= bytes, "{bytes}: {}", short.len());
            assert!(
                short.ends_with("-o json, csv or html has all.\n"),
                "{short}"
            );
            let count = |tag: &str| short.matches(tag).count();
            assert_eq!(count("<details>"), count("</details>"), "{short}");
        }
    }
}
