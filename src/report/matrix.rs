//! The matrix: what is asked of each row, on each node platform.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use comfy_table::Cell;

use super::conclusion::plural;
use super::escape::{printable, visible};
use super::model::{Report, ReportedOutcome, ReportedPlatform};
use super::style::{Rows, Style, columns};
use crate::domain::outcome::{OutcomeKind, Ternary};

/// With more rows than these, only those with a problem are shown.
const MAX_ROWS: usize = 60;

/// One row: its heading, a cell for each column, and whether something is wrong in it.
pub(super) struct MatrixRow {
    pub name: String,
    pub cells: Vec<String>,
    pub has_problem: bool,
}

/// All rows, with their headings.
pub(super) struct Grid {
    pub first: &'static str,
    pub titles: Vec<String>,
    pub rows: Vec<MatrixRow>,
}

/// Everything that the matrix may show.
pub(super) fn grid(report: &Report, rows: Rows) -> Grid {
    let (first, titles, rows) = match rows {
        Rows::Image => ("IMAGE", platform_titles(report), images(report)),
        Rows::Workload => ("WORKLOAD", platform_titles(report), workloads(report)),
        Rows::Namespace => ("NAMESPACE", readiness_titles(report), namespaces(report)),
        Rows::Platform => ("PLATFORM", state_titles(), platforms(report)),
    };
    Grid {
        first,
        titles,
        rows,
    }
}

/// The matrix, with its headings.
pub(super) fn matrix(report: &Report, style: Style) -> String {
    let Grid {
        first,
        titles,
        rows,
    } = grid(report, style.rows);
    let header = std::iter::once(first.to_owned()).chain(titles);
    let all = rows.len();
    let shown: Vec<MatrixRow> = match all > MAX_ROWS {
        true => rows.into_iter().filter(|row| row.has_problem).collect(),
        false => rows,
    };
    let hidden = all - shown.len();
    let rows = shown.into_iter().map(|row| {
        let cells = row.cells.iter().map(|cell| match style.rows {
            // Numbers, which are neither good nor bad.
            Rows::Platform => Cell::new(cell),
            Rows::Image | Rows::Workload | Rows::Namespace => style.cell(cell),
        });
        std::iter::once(Cell::new(row.name))
            .chain(cells)
            .collect::<Vec<_>>()
    });
    let mut text = columns(style, header.collect::<Vec<_>>(), rows);
    if hidden > 0 {
        let _ = writeln!(
            text,
            "{hidden} further rows without problems; -o csv, json or html has all"
        );
    }
    text
}

/// Whether a platform alone does not tell its columns apart.
pub(super) fn has_several_runtimes(columns: &[ReportedPlatform]) -> bool {
    let mut runtimes = columns.iter().map(|column| column.runtime);
    let first = runtimes.next();
    runtimes.any(|one| Some(one) != first)
}

fn platform_titles(report: &Report) -> Vec<String> {
    let columns = &report.platforms;
    let several_runtimes = has_several_runtimes(columns);
    let title = |column: &ReportedPlatform| {
        let mut title = printable(&column.platform);
        if several_runtimes {
            let _ = write!(title, " {}", column.runtime);
        }
        // What is declared has no node yet.
        if column.nodes > 0 {
            let _ = write!(title, " ({})", plural(column.nodes, "node"));
        }
        title
    };
    columns.iter().map(title).collect()
}

fn readiness_titles(report: &Report) -> Vec<String> {
    let rows = report.readiness.iter();
    rows.map(|row| printable(&row.platform)).collect()
}

fn state_titles() -> Vec<String> {
    let titles = [
        "READY",
        "BLOCKED",
        "UNDECIDED",
        "ELSEWHERE",
        "DAEMONSETS",
        "FIRST BLOCKER",
    ];
    titles.map(str::to_owned).to_vec()
}

/// One image is one row, however it is spelled.
fn images(report: &Report) -> Vec<MatrixRow> {
    let columns = &report.platforms;
    let mut known: HashMap<&str, usize> = HashMap::new();
    let mut rows: Vec<MatrixRow> = Vec::new();
    for image in report
        .workloads
        .iter()
        .flat_map(|workload| &workload.images)
    {
        let position = *known.entry(image.key()).or_insert_with(|| {
            rows.push(MatrixRow {
                name: visible(&image.image),
                cells: vec!["not checked".to_owned(); columns.len()],
                has_problem: false,
            });
            rows.len() - 1
        });
        let Some(row) = rows.get_mut(position) else {
            continue;
        };
        for outcome in image.outcomes.iter() {
            let column = columns.iter().position(|column| outcome.is_on(column));
            if let Some(cell) = column.and_then(|column| row.cells.get_mut(column)) {
                *cell = outcome.cell();
            }
            row.has_problem |= outcome.outcome != OutcomeKind::Supported;
        }
    }
    rows
}

fn workloads(report: &Report) -> Vec<MatrixRow> {
    let rows = report.workloads.iter().map(|workload| {
        let values = report.platforms.iter().map(|column| {
            let mut candidates = workload.candidates.iter();
            let such = candidates.find(|candidate| {
                candidate.platform == column.platform && candidate.runtime == column.runtime
            });
            such.map(|candidate| candidate.value)
        });
        let values: Vec<Option<Ternary>> = values.collect();
        MatrixRow {
            name: workload.title(),
            has_problem: values
                .iter()
                .any(|value| matches!(value, Some(Ternary::No | Ternary::Unknown))),
            cells: values
                .into_iter()
                .map(|value| state(value).to_owned())
                .collect(),
        }
    });
    rows.collect()
}

/// What a value is called in a table; none where the workload may not go.
pub(super) fn state(value: Option<Ternary>) -> &'static str {
    match value {
        Some(Ternary::Yes) => "ready",
        Some(Ternary::No) => "blocked",
        Some(Ternary::Unknown) => "undecided",
        None => "elsewhere",
    }
}

fn namespaces(report: &Report) -> Vec<MatrixRow> {
    let platforms: Vec<&str> = report.readiness.iter().map(|row| &*row.platform).collect();
    let mut counts: BTreeMap<&str, Vec<[usize; 3]>> = BTreeMap::new();
    for workload in &report.workloads {
        let namespace = workload.namespace.as_deref().unwrap_or_default();
        let counts = counts
            .entry(namespace)
            .or_insert_with(|| vec![[0; 3]; platforms.len()]);
        for (platform, [ready, blocked, undecided]) in platforms.iter().zip(counts) {
            match workload.on(platform) {
                Some(Ternary::Yes) => *ready += 1,
                Some(Ternary::No) => *blocked += 1,
                Some(Ternary::Unknown) => *undecided += 1,
                None => {}
            }
        }
    }
    let rows = counts.into_iter().map(|(namespace, counts)| MatrixRow {
        name: visible(namespace),
        has_problem: counts
            .iter()
            .any(|[_, blocked, undecided]| blocked + undecided > 0),
        cells: counts
            .iter()
            .map(|[ready, blocked, undecided]| {
                let counts = format!("{ready} ready, {blocked} blocked, {undecided} undecided");
                // The first word decides on the symbol.
                match (ready, blocked, undecided) {
                    (0, 0, 0) => state(None).to_owned(),
                    (_, 0, 0) => format!("ready: {ready}"),
                    (_, 0, _) => format!("undecided: {counts}"),
                    _ => format!("blocked: {counts}"),
                }
            })
            .collect(),
    });
    rows.collect()
}

fn platforms(report: &Report) -> Vec<MatrixRow> {
    let rows = report.readiness.iter().map(|row| {
        let daemon_sets = row.daemon_sets;
        let blocker = row.blockers.first();
        let blocker = blocker.map_or_else(|| "none".to_owned(), |first| visible(&first.image));
        MatrixRow {
            name: printable(&row.platform),
            has_problem: true,
            cells: vec![
                row.ready.to_string(),
                row.blocked.to_string(),
                row.undecided.to_string(),
                row.elsewhere.to_string(),
                format!(
                    "{} ready, {} blocked, {} undecided",
                    daemon_sets.ready, daemon_sets.blocked, daemon_sets.undecided
                ),
                blocker,
            ],
        }
    });
    rows.collect()
}

impl ReportedOutcome {
    pub(super) fn is_on(&self, column: &ReportedPlatform) -> bool {
        self.platform == column.platform && self.runtime == column.runtime
    }

    /// The outcome in few words, with the reason where it is not known.
    pub(super) fn cell(&self) -> String {
        match self.reason {
            Some(reason) => format!("{} ({reason})", self.outcome.name()),
            None => self.outcome.name().to_owned(),
        }
    }
}
