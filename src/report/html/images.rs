//! The matrix of images and node platforms, and the images that keep workloads off them.

use std::collections::HashMap;

use maud::{Markup, html};

use super::super::conclusion::plural;
use super::super::escape::MAX_NAME_CHARACTERS;
use super::super::matrix::has_several_runtimes;
use super::super::model::{Blocker, PlatformReadiness, Report, ReportedOutcome};
use super::super::style::Style;
use super::body::PageBody;
use crate::domain::outcome::{OutcomeKind, Ternary};
use crate::domain::text::shortened;

/// How many images with problems are shown at first.
const MAX_SHOWN_ROWS: usize = 40;

/// How many blockers of a platform are shown at first.
const MAX_SHOWN_BLOCKERS: usize = 8;

/// An image on each node platform, however it is spelled.
struct ImageRow<'a> {
    name: &'a str,
    cells: Vec<Option<&'a ReportedOutcome>>,
    workloads: usize,
    last: Option<usize>,
    worst: Ternary,
}

/// Adds matrix and blockers.
pub(super) fn write(report: &Report, body: &mut PageBody) {
    let mut rows = rows(report);
    if rows.is_empty() {
        return;
    }
    // What keeps the most workloads from running stands first.
    rows.sort_by(|one, other| {
        let place = |row: &ImageRow<'_>| (row.worst, row.workloads);
        place(other).cmp(&place(one)).then(one.name.cmp(other.name))
    });
    let count = rows.partition_point(|row| row.worst != Ternary::Yes);
    let (problems, fine) = rows.split_at(count);
    let (shown, more) = problems.split_at(problems.len().min(MAX_SHOWN_ROWS));
    body.open("<section aria-labelledby=\"matrix\">");
    body.push(&html! { h2 #matrix { "Images by platform" } });
    match shown.is_empty() {
        true => body.push(
            &html! { p { (Style::PLAIN.mark("supported")) " wherever they are asked for." } },
        ),
        false => table(
            report,
            shown,
            "Images with problems, those of most workloads first",
            body,
        ),
    }
    for (rows, what) in [(more, "with problems"), (fine, "without problems")] {
        if !rows.is_empty() {
            let title = format!("{} {what}", plural(rows.len(), "image"));
            body.open("<details>");
            body.push(&html! { summary { (title) } });
            table(report, rows, &title, body);
            body.open("</details>");
        }
    }
    body.open("</section>");
    if report.readiness.iter().any(|row| !row.blockers.is_empty()) {
        body.push(&blockers(&report.readiness));
    }
}

fn rows(report: &Report) -> Vec<ImageRow<'_>> {
    let columns = &report.platforms;
    let mut known: HashMap<&str, usize> = HashMap::new();
    let mut rows: Vec<ImageRow<'_>> = Vec::new();
    for (position, workload) in report.workloads.iter().enumerate() {
        for image in &workload.images {
            let row = *known.entry(image.key()).or_insert_with(|| {
                rows.push(ImageRow {
                    name: &image.image,
                    cells: vec![None; columns.len()],
                    workloads: 0,
                    last: None,
                    worst: Ternary::Yes,
                });
                rows.len() - 1
            });
            let Some(row) = rows.get_mut(row) else {
                continue;
            };
            row.workloads += usize::from(row.last != Some(position));
            row.last = Some(position);
            for outcome in image.outcomes.iter() {
                row.worst = row.worst.max(outcome.outcome.value());
                let column = columns.iter().position(|column| outcome.is_on(column));
                if let Some(cell) = column.and_then(|column| row.cells.get_mut(column)) {
                    // Workloads differ where one may have the image on its nodes already.
                    let known = cell.map(|known| known.outcome.value());
                    if known < Some(outcome.outcome.value()) {
                        *cell = Some(outcome);
                    }
                }
            }
        }
    }
    rows
}

fn table(report: &Report, rows: &[ImageRow<'_>], caption: &str, body: &mut PageBody) {
    let columns = &report.platforms;
    let several = has_several_runtimes(columns);
    let titles: Vec<String> = columns
        .iter()
        .map(|column| match several {
            true => format!("{} {}", column.platform, column.runtime),
            false => column.platform.to_string(),
        })
        .collect();
    body.open("<table class=\"stack\">");
    body.push(&html! {
        caption { (caption) }
        thead {
            tr {
                th scope="col" { "Image" }
                th scope="col" { "Workloads" }
                @for (title, column) in titles.iter().zip(columns) {
                    th scope="col" {
                        (title)
                        @if column.nodes > 0 { " " span.nodes { (plural(column.nodes, "node")) } }
                    }
                }
            }
        }
    });
    body.open("<tbody>");
    for row in rows {
        body.push(&html! {
            tr {
                th scope="row" { code { (shortened(row.name, MAX_NAME_CHARACTERS)) } }
                td data-label="Workloads" { (row.workloads) }
                @for (title, cell) in titles.iter().zip(&row.cells) {
                    td data-label=(title) {
                        @match cell {
                            Some(outcome) => span class=(class(outcome.outcome)) title=(outcome.why) {
                                (Style::PLAIN.mark(&outcome.cell()))
                            },
                            None => span.rest { (Style::PLAIN.mark("not checked")) },
                        }
                    }
                }
            }
        });
    }
    body.open("</tbody>");
    body.open("</table>");
}

/// The colour of an outcome, which has a symbol and a word as well.
pub(super) fn class(outcome: OutcomeKind) -> &'static str {
    match outcome.value() {
        Ternary::Yes => "yes",
        Ternary::No => "no",
        Ternary::Unknown => "open",
    }
}

fn blockers(rows: &[PlatformReadiness]) -> Markup {
    html! {
        section aria-labelledby="blockers" {
            h2 #blockers { "What blocks" }
            p.hint {
                "How many more workloads are ready once an image, and those above it, publishes \
                 a manifest for the platform."
            }
            div.cards.wide {
                @for row in rows.iter().filter(|row| !row.blockers.is_empty()) {
                    (blockers_of(row))
                }
            }
        }
    }
}

fn blockers_of(row: &PlatformReadiness) -> Markup {
    let shown = row.blockers.len().min(MAX_SHOWN_BLOCKERS);
    let (shown, more) = row.blockers.split_at(shown);
    let list = |start: usize, blockers: &[Blocker]| {
        html! {
            ol start=(start) {
                @for one in blockers {
                    li {
                        code { (shortened(&one.image, MAX_NAME_CHARACTERS)) } " "
                        span.count { "unblocks " b { (one.unblocks) } }
                    }
                }
            }
        }
    };
    html! {
        div {
            h3 { (row.platform) }
            (list(1, shown))
            @if !more.is_empty() {
                details {
                    summary { "and " (more.len()) " more" }
                    (list(shown.len() + 1, more))
                }
            }
        }
    }
}
