//! The top of the page: whether it passes, how ready each platform is, and what is missing of
//! the report.

use maud::{Markup, html};

use super::super::conclusion::{conclusion, plural};
use super::super::model::{PlatformReadiness, Report, Scope, StateCounts};
use super::super::style::Style;
use super::body::PageBody;
use crate::domain::text::shortened;

/// How much of the conclusion is shown, in characters: readiness follows on the first screen.
const MAX_CONCLUSION: usize = 300;

/// The width of a bar, in its own units.
const BAR: usize = 1000;

/// Adds the top.
pub(super) fn write(report: &Report, body: &mut PageBody) {
    let scope = match report.scope {
        Scope::Cluster => "A cluster",
        Scope::Files => "Files",
        Scope::Images => "Images by name",
    };
    let conclusion = conclusion(report);
    let conclusion = shortened(conclusion.trim_end(), MAX_CONCLUSION);
    let (class, symbol) = if report.passed {
        ("verdict yes", "✓")
    } else {
        ("verdict no", "✗")
    };
    body.push(&html! {
        h1 { "Platforms of images" }
        p.about {
            (scope) ", " time datetime=(report.created) { (date(&report.created)) }
            ", archmatch " (report.tool.version)
        }
        p class=(class) { (symbol) " " (conclusion) }
    });
    if report.is_empty() {
        body.push(&html! {
            p.notice { "Nothing was checked: there is no workload with an image in this report." }
        });
    }
    if let Some(notice) = incomplete_notice(report) {
        body.push(&notice);
    }
    body.push(&readiness(report));
    if incomplete_notice(report).is_some() {
        body.push(&incomplete(report));
    }
}

/// `2026-11-28 10:00 UTC`, where it is written as we write it.
fn date(created: &str) -> String {
    match created.split_once('T') {
        Some((day, time)) if time.ends_with('Z') && time.is_char_boundary(5) => {
            format!("{day} {} UTC", time.split_at(5).0)
        }
        _ => created.to_owned(),
    }
}

fn readiness(report: &Report) -> Markup {
    let rows = &report.readiness;
    html! {
        section aria-labelledby="readiness" {
            h2 #readiness { "Readiness" }
            @if rows.is_empty() {
                p { "No node platform is known." }
            } @else {
                ul.cards { @for row in rows { (card(report, row)) } }
                p.hint {
                    "A workload is ready where every image of it publishes a manifest for the \
                     platform, blocked where one is known not to, and undecided where nobody \
                     could find out. Nothing was run."
                }
                (numbers(rows))
            }
        }
    }
}

/// One platform, with what everybody looks for first.
fn card(report: &Report, row: &PlatformReadiness) -> Markup {
    let same = report.platforms.iter();
    let same = same.filter(|one| one.platform == row.platform);
    let nodes: usize = same.map(|one| one.nodes).sum();
    html! {
        li {
            h3 { (row.platform) }
            " "
            span.nodes { @if nodes > 0 { (plural(nodes, "node")) } @else { "no node yet" } }
            (bar(row))
            p {
                span.yes { "✓ " b { (row.ready) } " ready" } ", "
                span class=(if row.blocked > 0 { "no" } else { "rest" }) {
                    "✗ " b { (row.blocked) } " blocked"
                }
                ", "
                span class=(if row.undecided > 0 { "open" } else { "rest" }) {
                    "? " b { (row.undecided) } " undecided"
                }
            }
        }
    }
}

/// The same as shares; the words beside it say it to everybody.
fn bar(row: &PlatformReadiness) -> Markup {
    let all = (row.ready + row.blocked + row.undecided).max(1);
    let share = |count: usize| count.saturating_mul(BAR) / all;
    let (ready, blocked) = (share(row.ready), share(row.blocked));
    let undecided = share(row.undecided);
    let view = format!("0 0 {BAR} 8");
    html! {
        svg viewBox=(view) preserveAspectRatio="none" aria-hidden="true" {
            rect.rest width=(BAR) height="8" {}
            rect.yes width=(ready) height="8" {}
            rect.no x=(ready) width=(blocked) height="8" {}
            rect.open x=(ready + blocked) width=(undecided) height="8" {}
        }
    }
}

fn numbers(rows: &[PlatformReadiness]) -> Markup {
    html! {
        details {
            summary { "DaemonSets and images of each platform" }
            table.stack {
                caption { "Of workloads that may be scheduled there" }
                thead {
                    tr {
                        th scope="col" { "Platform" }
                        th scope="col" { "DaemonSets" }
                        th scope="col" { "Images" }
                        th scope="col" { "Workloads elsewhere" }
                    }
                }
                tbody {
                    @for row in rows {
                        tr {
                            th scope="row" { (row.platform) }
                            td data-label="DaemonSets" { (counts(row.daemon_sets)) }
                            td data-label="Images" { (counts(row.images)) }
                            td data-label="Workloads elsewhere" { (row.elsewhere) }
                        }
                    }
                }
            }
        }
    }
}

fn counts(counts: StateCounts) -> String {
    let StateCounts {
        ready,
        blocked,
        undecided,
    } = counts;
    match ready + blocked + undecided {
        0 => "none".to_owned(),
        _ => format!("{ready} ready, {blocked} blocked, {undecided} undecided"),
    }
}

/// That the report is not whole; none where it is.
fn incomplete_notice(report: &Report) -> Option<Markup> {
    let mut parts = Vec::new();
    if !report.errors.is_empty() {
        parts.push(format!(
            "{} not read",
            plural(report.errors.len(), "document")
        ));
    }
    if !report.partial.is_empty() {
        parts.push(format!("{} missing", plural(report.partial.len(), "part")));
    }
    if !report.skipped.is_empty() {
        let count = report.skipped.iter().map(|skipped| skipped.count).sum();
        parts.push(format!("{} skipped", plural(count, "object")));
    }
    (!parts.is_empty()).then(|| {
        html! {
            p.notice {
                "! This report is not whole: " (parts.join(", ")) ". "
                a href="#incomplete" { "What is missing" }
            }
        }
    })
}

fn incomplete(report: &Report) -> Markup {
    html! {
        section aria-labelledby="incomplete" {
            h2 #incomplete { "What is missing" }
            @if !report.errors.is_empty() {
                h3 { (Style::PLAIN.mark("fail")) ": could not be read" }
                ul { @for one in &report.errors { li { code { (one.source) } ": " (one.problem) } } }
            }
            @if !report.partial.is_empty() {
                h3 { "Left out of the run" }
                ul { @for one in &report.partial { li { (one) } } }
            }
            @if !report.skipped.is_empty() {
                h3 { "Kinds of which nobody knows whether they have pods" }
                ul {
                    @for one in &report.skipped {
                        li {
                            code { (one.kind) @if !one.group.is_empty() { "." (one.group) } }
                            ": " (plural(one.count, "object"))
                        }
                    }
                }
            }
        }
    }
}
