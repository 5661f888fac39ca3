//! Every workload, by namespace, with its images and what was found of it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use maud::{Markup, html};

use super::super::conclusion::plural;
use super::super::escape::MAX_NAME_CHARACTERS;
use super::super::model::{Report, ReportedImage, ReportedWorkload};
use super::super::style::Style;
use super::body::PageBody;
use super::found::SharedExplanations;
use super::images::class;
use super::row_id::RowIds;
use crate::domain::outcome::OutcomeKind;
use crate::domain::policy::Level;
use crate::domain::text::shortened;
use crate::domain::verdict::LevelResult;
use crate::findings::Finding;

/// Namespaces are open at first while they have no more workloads than this in all.
const MAX_OPEN_ROWS: usize = 100;

/// Outcomes, the worst first, each with its letter in `data-o`.
const OUTCOMES: [(OutcomeKind, &str); 5] = [
    (OutcomeKind::Missing, "m"),
    (OutcomeKind::Mismatched, "x"),
    (OutcomeKind::Invalid, "i"),
    (OutcomeKind::Unknown, "u"),
    (OutcomeKind::Supported, "s"),
];

/// What rows need to know of the whole report.
struct RowContext<'a> {
    level: Level,
    platforms: HashMap<&'a str, usize>,
    findings: Vec<Vec<&'a Finding>>,
}

/// Adds the filters and a table for each namespace.
pub(super) fn write(report: &Report, body: &mut PageBody) {
    if report.workloads.is_empty() {
        return;
    }
    let names = platforms(report);
    let context = RowContext {
        level: report.level,
        platforms: names.iter().copied().zip(0..).collect(),
        findings: report.by_workload(&report.findings),
    };
    let mut groups: BTreeMap<Option<&str>, Vec<usize>> = BTreeMap::new();
    for (position, workload) in report.workloads.iter().enumerate() {
        let namespace = workload.namespace.as_deref();
        groups.entry(namespace).or_default().push(position);
    }
    body.open("<section aria-labelledby=\"workloads\">");
    body.push(&html! { h2 #workloads { "Workloads" } });
    body.push(&filters(groups.keys().copied(), &names));
    // Without a script, everything is shown.
    body.push(&html! {
        p #shown role="status" { (plural(report.workloads.len(), "workload")) }
    });
    let mut ids = RowIds::default();
    let mut explanations = SharedExplanations::of(report.findings.len());
    let mut open_rows = 0;
    for (namespace, mut positions) in groups {
        positions.sort_by_key(|position| {
            let workload = report.workloads.get(*position);
            workload.map(|one| (Reverse(rank(one, report.level)), &one.name, &one.kind))
        });
        open_rows += positions.len();
        body.open(match open_rows <= MAX_OPEN_ROWS {
            true => "<details class=\"group\" open>",
            false => "<details class=\"group\">",
        });
        let title = title(namespace);
        body.push(&html! {
            summary {
                b { (title) } " " span.count { (plural(positions.len(), "workload")) }
            }
        });
        body.open("<table class=\"workloads\">");
        body.push(&heading(&title));
        body.open("<tbody>");
        for position in positions {
            if let Some(workload) = report.workloads.get(position) {
                let found = context.findings.get(position);
                let found = explanations.list(found.map_or(&[], Vec::as_slice));
                body.push(&row(workload, &context, &mut ids, &found));
            }
        }
        body.open("</tbody>");
        body.open("</table>");
        body.open("</details>");
    }
    body.open("</section>");
    explanations.write(body);
}

/// Every platform that a filter may name, each once.
fn platforms(report: &Report) -> Vec<&str> {
    let readiness = report.readiness.iter().map(|row| &*row.platform);
    let columns = report.platforms.iter().map(|one| &*one.platform);
    let images = report.workloads.iter().flat_map(|one| &one.images);
    let outcomes = images.flat_map(|image| image.outcomes.iter());
    let outcomes = outcomes.map(|outcome| &*outcome.platform);
    let mut names: Vec<&str> = Vec::new();
    for name in readiness.chain(columns).chain(outcomes) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn title(namespace: Option<&str>) -> String {
    match namespace {
        None => "no namespace".to_owned(),
        Some("") => "\"\"".to_owned(),
        Some(name) => shortened(name, MAX_NAME_CHARACTERS).into_owned(),
    }
}

/// Shown by the script, which answers them.
fn filters<'a>(namespaces: impl Iterator<Item = Option<&'a str>>, platforms: &[&str]) -> Markup {
    html! {
        form #filters hidden {
            label { "Search" input #search type="search" autocomplete="off" spellcheck="false"; }
            label {
                "Namespace"
                select #namespace {
                    option value="" { "All namespaces" }
                    @for (position, name) in namespaces.enumerate() {
                        option value=(position) { (title(name)) }
                    }
                }
            }
            label {
                "Platform"
                select #platform {
                    option value="" { "All platforms" }
                    @for (position, name) in platforms.iter().enumerate() {
                        option value=(position) { (name) }
                    }
                }
            }
            label {
                "Outcome"
                select #outcome {
                    option value="" { "All outcomes" }
                    @for (outcome, letter) in OUTCOMES {
                        option value=(letter) { (outcome.name()) }
                    }
                }
            }
        }
    }
}

fn heading(namespace: &str) -> Markup {
    let columns = ["Workload", "Kind", "Result", "Images", "Findings"];
    html! {
        caption { "Workloads of " (namespace) }
        thead {
            tr {
                @for column in columns {
                    th scope="col" aria-sort="none" {
                        button type="button" disabled { (column) }
                    }
                }
            }
        }
    }
}

/// How much a workload wants to be looked at.
fn rank(workload: &ReportedWorkload, level: Level) -> usize {
    match workload.at(level) {
        _ if workload.is_without_images() => 0,
        LevelResult::Pass => 1,
        LevelResult::Undecided => 2,
        LevelResult::Fail => 3,
    }
}

fn row(
    workload: &ReportedWorkload,
    context: &RowContext<'_>,
    ids: &mut RowIds,
    found: &Markup,
) -> Markup {
    let id = ids.of(workload);
    html! {
        tr id=(id) data-o=[outcomes(workload, context)] data-r=(rank(workload, context.level)) {
            th scope="row" {
                a href={ "#" (id) } { (name(workload)) }
                @if let Some(source) = &workload.source { small { (source) } }
            }
            td { (workload.kind) }
            td { (levels(workload, context.level)) }
            td {
                @if workload.images.is_empty() { "no images" }
                @for one in &workload.images { (image(one)) }
                @for one in &workload.unchecked { small { "Not looked at: " (one) } }
            }
            td { (found) }
        }
    }
}

fn name(workload: &ReportedWorkload) -> &str {
    match workload.name.is_empty() {
        true => "\"\"",
        false => &workload.name,
    }
}

/// The asked level, and the other one where it says something else.
fn levels(workload: &ReportedWorkload, asked: Level) -> Markup {
    if workload.is_without_images() {
        return html! { span.rest { (Style::PLAIN.mark("not judged")) } };
    }
    let other = match asked {
        Level::Portable => Level::Runnable,
        Level::Runnable | Level::Off => Level::Portable,
    };
    let mark = |level: Level| {
        let result = workload.at(level);
        let class = match result {
            LevelResult::Pass => "yes",
            LevelResult::Undecided => "open",
            LevelResult::Fail => "no",
        };
        html! { span class=(class) { (Style::PLAIN.mark(result.name())) } }
    };
    html! {
        (mark(asked))
        @if workload.at(other) != workload.at(asked) { small { (other) " " (mark(other)) } }
    }
}

/// An image, with its outcomes; platforms that agree stand together.
fn image(image: &ReportedImage) -> Markup {
    let mut groups: Vec<(OutcomeKind, String, Vec<String>)> = Vec::new();
    for outcome in image.outcomes.iter() {
        let cell = outcome.cell();
        let same = image.outcomes.iter();
        let mut same = same.filter(|other| other.platform == outcome.platform);
        let name = match same.all(|other| other.cell() == cell) {
            true => outcome.platform.to_string(),
            false => format!("{} {}", outcome.platform, outcome.runtime),
        };
        match groups.iter_mut().find(|(_, known, _)| *known == cell) {
            Some((_, _, names)) if names.contains(&name) => {}
            Some((_, _, names)) => names.push(name),
            None => groups.push((outcome.outcome, cell, vec![name])),
        }
    }
    groups.sort_by_key(|(outcome, ..)| Reverse(outcome.value()));
    html! {
        div {
            code { (shortened(&image.image, MAX_NAME_CHARACTERS)) }
            @if groups.is_empty() { br; span.rest { "· compared with no platform" } }
            @for (outcome, cell, names) in &groups {
                br; span class=(class(*outcome)) { (Style::PLAIN.mark(cell)) } " " (names.join(", "))
            }
            @for doubt in &image.doubts { small { "Doubt: it " (doubt) } }
        }
    }
}

/// What filters compare: the platforms of its images by number, with the letter of each
/// outcome. None where there is nothing to compare.
fn outcomes(workload: &ReportedWorkload, context: &RowContext<'_>) -> Option<String> {
    let mut tokens: Vec<String> = Vec::new();
    for outcome in workload.images.iter().flat_map(|one| one.outcomes.iter()) {
        let letter = OUTCOMES.iter().find(|(kind, _)| *kind == outcome.outcome);
        let platform = context.platforms.get(&*outcome.platform);
        if let (Some((_, letter)), Some(platform)) = (letter, platform) {
            let token = format!("{platform}{letter}");
            if !tokens.contains(&token) {
                tokens.push(token);
            }
        }
    }
    (!tokens.is_empty()).then(|| tokens.join(" "))
}
