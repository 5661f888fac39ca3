//! The long view: for each workload where it may go, why not elsewhere, and what every node
//! platform would pick.

use std::fmt::Write;

use comfy_table::Cell;

use super::conclusion::conclusion;
use super::table::{Style, columns};
use super::{ReportInput, WorkloadReport};
use crate::domain::policy::Level;
use crate::domain::text::{printable, visible};
use crate::domain::verdict::Verdict;
use crate::wording;

/// The whole view.
pub fn render(run: &ReportInput, style: Style) -> String {
    let mut text = super::table::body(run, style);
    for judged in &run.workloads {
        text.push_str(&workload(judged, style));
        text.push('\n');
    }
    text + &conclusion(run)
}

fn workload(judged: &WorkloadReport, style: Style) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "Name:        {}", judged.title());
    if let Some(source) = &judged.source {
        let _ = writeln!(text, "Source:      {}", printable(source));
    }
    for (label, level) in [
        ("Runnable:", Level::Runnable),
        ("Portable:", Level::Portable),
    ] {
        let mark = style.mark(judged.at(level).name());
        let _ = writeln!(text, "{label:<13}{mark}");
    }
    for (position, verdict) in judged.verdicts.iter().enumerate() {
        if judged.verdicts.len() > 1 {
            let _ = writeln!(text, "Template {}:", position + 1);
        }
        text.push_str(&template(verdict, judged.everywhere.get(position), style));
    }
    text
}

fn template(verdict: &Verdict, everywhere: Option<&Verdict>, style: Style) -> String {
    let mut text = String::new();
    let mut label = "Candidates:";
    for (candidate, value) in verdict.platforms() {
        let _ = writeln!(
            text,
            "{label:<13}{} {}, {}: {}",
            candidate.platform.platform,
            candidate.platform.runtime,
            wording::nodes_or_pools(candidate),
            style.mark(value.name())
        );
        label = "";
    }
    if !label.is_empty() {
        let _ = writeln!(text, "{label:<13}none");
    }
    if let Some(excluded) = verdict.candidates.exclusions(usize::MAX) {
        let _ = writeln!(text, "Excluded:    {excluded}");
    }
    // Where every platform was asked for, show all; candidates are among them.
    let shown = everywhere.unwrap_or(verdict);
    for image in &shown.images {
        let mut name = visible(&image.image.image);
        if !image.image.containers.is_empty() {
            let containers = printable(&image.image.containers.join(", "));
            name = format!("{name} ({containers})");
        }
        let _ = writeln!(text, "Image:       {name}");
        if let Ok(reference) = &image.image.reference {
            let _ = writeln!(text, "  Reference: {reference}");
        }
        if let Some(inspection) = &image.inspection {
            let _ = writeln!(text, "  Digest:    {}", inspection.digest);
        }
        for caveat in image.caveats(&shown.candidates.platforms) {
            let _ = writeln!(text, "  Doubt:     it {caveat}");
        }
        let rows = image.on(&shown.candidates.platforms);
        let rows: Vec<[Cell; 5]> = rows
            .map(|at| {
                [
                    Cell::new(format!("  {}", at.candidate.platform.platform)),
                    Cell::new(at.candidate.platform.runtime),
                    style.cell(at.outcome.name()),
                    Cell::new(at.explain()),
                    Cell::new(wording::consequence(at)),
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
