//! The long view: for each workload where it may go, why not elsewhere, and what every node
//! platform would pick.

use std::fmt::Write;

use comfy_table::Cell;

use super::conclusion::{conclusion, plural};
use super::escape::{printable, visible, visible_escapes, without_commands};
use super::model::{Report, ReportedCandidate, ReportedOutcome, ReportedWorkload};
use super::style::{Style, columns};
use super::table::Detail;
use crate::domain::outcome::OutcomeKind;
use crate::domain::policy::Level;

/// The whole view.
pub(super) fn render(report: &Report, style: Style) -> String {
    let mut text = super::table::body(report, style, Detail::Full);
    for workload in &report.workloads {
        text.push_str(&of_workload(workload, style));
        text.push('\n');
    }
    without_commands(text + &conclusion(report))
}

fn of_workload(workload: &ReportedWorkload, style: Style) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "Name:        {}", workload.title());
    if let Some(source) = &workload.source {
        let _ = writeln!(text, "Source:      {}", printable(source));
    }
    for (label, level) in [
        ("Runnable:", Level::Runnable),
        ("Portable:", Level::Portable),
    ] {
        let mark = style.mark(workload.at(level).name());
        let _ = writeln!(text, "{label:<13}{mark}");
    }
    let mut label = "Candidates:";
    for candidate in workload.candidates.iter() {
        let _ = writeln!(
            text,
            "{label:<13}{} {}, {}: {}",
            printable(&candidate.platform),
            candidate.runtime,
            nodes(candidate),
            style.mark(candidate.value.name())
        );
        label = "";
    }
    if !label.is_empty() {
        let _ = writeln!(text, "{label:<13}none");
    }
    if let Some(excluded) = &workload.excluded {
        let _ = writeln!(text, "Excluded:    {}", visible_escapes(excluded));
    }
    for image in &workload.images {
        let mut name = visible(&image.image);
        if !image.containers.is_empty() {
            let containers = printable(&image.containers.join(", "));
            name = format!("{name} ({containers})");
        }
        let _ = writeln!(text, "Image:       {name}");
        if let Some(reference) = &image.reference {
            let _ = writeln!(text, "  Reference: {}", printable(reference));
        }
        if let Some(digest) = &image.digest {
            let _ = writeln!(text, "  Digest:    {}", printable(digest));
        }
        for doubt in &image.doubts {
            let _ = writeln!(text, "  Doubt:     it {}", visible_escapes(doubt));
        }
        let rows = image.outcomes.iter().chain(image.elsewhere.iter());
        let rows: Vec<[Cell; 5]> = rows
            .map(|outcome| {
                [
                    Cell::new(format!("  {}", printable(&outcome.platform))),
                    Cell::new(outcome.runtime),
                    style.cell(outcome.outcome.name()),
                    Cell::new(visible_escapes(&outcome.why)),
                    Cell::new(outcome.consequence()),
                ]
            })
            .collect();
        if !rows.is_empty() {
            let header = ["  PLATFORM", "RUNTIME", "OUTCOME", "WHY", "WHAT HAPPENS"];
            text.push_str(&columns(style, header, rows));
        }
    }
    text
}

/// `2 nodes (a1, a2)`, or where a platform without nodes came from.
fn nodes(candidate: &ReportedCandidate) -> String {
    /// How many names a line shows.
    const MAX_NAMES: usize = 3;
    let first = |names: Vec<&str>| {
        let shown: Vec<String> = names
            .iter()
            .take(MAX_NAMES)
            .map(|name| printable(name))
            .collect();
        let more = if names.len() > MAX_NAMES { ", …" } else { "" };
        shown.join(", ") + more
    };
    match candidate.node_count {
        0 => {
            let pools = first(candidate.pools.iter().map(String::as_str).collect());
            format!("no node yet ({pools})")
        }
        count => {
            let names = first(candidate.nodes.iter().map(AsRef::as_ref).collect());
            format!("{} ({names})", plural(count, "node"))
        }
    }
}

impl ReportedOutcome {
    /// What it means for a pod, in a few words.
    pub(super) fn consequence(&self) -> String {
        match self.outcome {
            OutcomeKind::Supported => match self.picked.last() {
                Some(digest) => format!("pulls {}", short_digest(digest)),
                None => "pulls it as it is".to_owned(),
            },
            OutcomeKind::Unknown => match self.reason {
                Some(reason) => format!("not known ({reason})"),
                None => "not known".to_owned(),
            },
            OutcomeKind::Missing => self.runtime.pull_failure().to_owned(),
            OutcomeKind::Mismatched => "exec format error".to_owned(),
            OutcomeKind::Invalid => "InvalidImageName".to_owned(),
        }
    }
}

/// A digest as people tell it from others; `-o json` has all of it.
pub(super) fn short_digest(digest: &str) -> &str {
    const LETTERS: usize = 12;
    let start = digest.find(':').map_or(0, |colon| colon + 1);
    digest.get(..start + LETTERS).unwrap_or(digest)
}
