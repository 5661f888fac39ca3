//! The default view: how ready each platform is, the matrix, and what is found.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::conclusion::{conclusion, plural};
use super::escape::{printable, visible, visible_escapes, without_commands};
use super::matrix::matrix;
use super::model::{Blocker, PlatformReadiness, Report, ReportedWorkload, StateCounts};
use super::style::Style;
use crate::domain::policy::Level;
use crate::findings::{Finding, IMAGE_KIND};

/// How many platforms have a line of readiness: the first lines are what is read.
const MAX_READINESS_LINES: usize = 7;

/// How much is said of each finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// What is so.
    Short,
    /// And why it matters, and what to do next.
    Full,
}

/// The whole view.
pub(super) fn render(report: &Report, style: Style) -> String {
    without_commands(body(report, style, Detail::Short) + &conclusion(report))
}

/// The view without its last line, in which a name may still be a command.
pub(super) fn body(report: &Report, style: Style, detail: Detail) -> String {
    let mut text = readiness(report);
    text.push_str(&summary(report));
    // Without a row the headings say nothing.
    if !report.is_empty() {
        text.push('\n');
        text.push_str(&matrix(report, style));
    }
    let doubts = doubts(report);
    if !doubts.is_empty() {
        text.push('\n');
        text.extend(doubts);
    }
    let found = findings(report, style, detail);
    if !found.is_empty() {
        text.push('\n');
        text.push_str(&found);
    }
    if let Some(observed) = &report.observed {
        text.push('\n');
        text.push_str(&observed.render());
    }
    text.push('\n');
    text
}

fn readiness(report: &Report) -> String {
    let mut text = String::new();
    let rows = &report.readiness;
    // Where one line is over, what is left is said in the last.
    let shown = if rows.len() > MAX_READINESS_LINES {
        MAX_READINESS_LINES - 1
    } else {
        rows.len()
    };
    for row in rows.iter().take(shown) {
        let _ = writeln!(text, "{}", readiness_line(row));
    }
    if rows.len() > shown {
        let rest = rows.iter().skip(shown).map(|row| printable(&row.platform));
        let rest: Vec<String> = rest.collect();
        let _ = writeln!(
            text,
            "and {} more platforms: {}",
            rest.len(),
            rest.join(", ")
        );
    }
    text
}

/// `linux/s390x: 4 workloads ready, 1 blocked, 0 undecided; blocked by node:22 (unblocks 1)`.
fn readiness_line(row: &PlatformReadiness) -> String {
    let mut line = format!(
        "{}: {} ready, {} blocked, {} undecided",
        printable(&row.platform),
        plural(row.ready, "workload"),
        row.blocked,
        row.undecided,
    );
    let StateCounts {
        ready,
        blocked,
        undecided,
    } = row.daemon_sets;
    if blocked + undecided > 0 {
        let _ = write!(
            line,
            " (DaemonSets: {ready} ready, {blocked} blocked, {undecided} undecided)"
        );
    }
    let (blockers, more) = first_blockers(row);
    if !blockers.is_empty() {
        let more = match more {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let _ = write!(line, "; blocked by {}{more}", blockers.join(", "));
    }
    line
}

/// The first blockers, each with what it unblocks, and how many more there are.
pub(super) fn first_blockers(row: &PlatformReadiness) -> (Vec<String>, usize) {
    /// How many are named.
    const MAX_BLOCKERS: usize = 3;
    let named = row.blockers.iter().take(MAX_BLOCKERS);
    let named: Vec<String> = named
        .map(|Blocker { image, unblocks }| format!("{} (unblocks {unblocks})", visible(image)))
        .collect();
    let more = row.blockers.len() - named.len();
    (named, more)
}

fn summary(report: &Report) -> String {
    let summary = &report.summary;
    let without = match summary.without_images {
        0 => String::new(),
        count => format!(", {count} without images"),
    };
    format!(
        "{}, {}: {} on every platform of their nodes, {} on some, {} on none, {} undecided{without}\n",
        plural(summary.workloads, "workload"),
        plural(summary.images, "image"),
        summary.portable,
        summary.runnable.saturating_sub(summary.portable),
        summary.failing,
        summary.undecided,
    )
}

/// What speaks against outcomes, a line each.
pub(super) fn doubts(report: &Report) -> BTreeSet<String> {
    let images = report
        .workloads
        .iter()
        .flat_map(|workload| &workload.images);
    let doubts = images.flat_map(|image| {
        let doubts = image.doubts.iter();
        doubts.map(|doubt| format!("{} {}\n", printable(&image.image), printable(doubt)))
    });
    doubts.collect()
}

fn findings(report: &Report, style: Style, detail: Detail) -> String {
    let mut text = String::new();
    let by_workload = report.by_workload(&report.findings);
    let mut sections: Vec<_> = report.workloads.iter().zip(by_workload).collect();
    sections.retain(|(_, findings)| !findings.is_empty());
    // A DaemonSet has a pod on every node, so it is the first to break.
    sections.sort_by_key(|(workload, _)| workload.kind != "DaemonSet");
    for (workload, findings) in sections {
        text.push_str(&heading(workload, style));
        let mut said = BTreeSet::new();
        for finding in findings {
            text.push_str(&lines(finding, detail));
            if let Some(image) = finding.image.as_deref().filter(|_| finding.rule.is_gap())
                && said.insert(image)
            {
                text.extend(instead(workload, image));
            }
        }
    }
    text
}

/// What to use in place of an image, where something was found.
fn instead(workload: &ReportedWorkload, image: &str) -> Option<String> {
    let mut images = workload.images.iter();
    let known = images.find(|known| known.image == image)?;
    let first = known.suggestions.as_ref()?.first()?;
    let built = first.created.as_deref().and_then(|time| time.get(..10));
    let built = built.map(|day| format!("; built {}", printable(day)));
    Some(format!(
        "    use instead: {} ({}{})\n",
        visible(&first.image),
        visible_escapes(&first.what),
        built.unwrap_or_default()
    ))
}

/// The workload, where it is from, and its levels.
fn heading(workload: &ReportedWorkload, style: Style) -> String {
    let source = workload.source.as_deref();
    let source = source.map(|source| format!(" ({})", printable(source)));
    let title = workload.title() + &source.unwrap_or_default();
    if workload.is_without_images() {
        return format!("{title}:\n");
    }
    let mark = |level| style.mark(workload.at(level).name());
    let (runnable, portable) = (mark(Level::Runnable), mark(Level::Portable));
    format!("{title}: runnable {runnable}, portable {portable}\n")
}

/// What a finding says, with its rule, and whether it was accepted.
fn lines(finding: &Finding, detail: Detail) -> String {
    let accepted = match (&finding.accepted, &finding.expired) {
        (Some(accepted), _) => {
            let reason = accepted.reason.as_deref();
            let reason = reason.map(|text| format!(": {}", printable(text)));
            let until = accepted.expires.as_deref();
            let until = until.map(|date| format!(", until {}", printable(date)));
            format!(
                " (accepted{}{})",
                until.unwrap_or_default(),
                reason.unwrap_or_default()
            )
        }
        (None, Some(date)) => format!(" (was accepted, expired {})", printable(date)),
        (None, None) => String::new(),
    };
    let Finding { severity, rule, .. } = finding;
    let mut text = format!(
        "  {severity} {rule}: {}{accepted}\n",
        visible_escapes(&finding.what)
    );
    if detail == Detail::Full {
        for (label, sentence) in [("why: ", &finding.why), ("next:", &finding.next)] {
            let _ = writeln!(text, "    {label} {}", visible_escapes(sentence));
        }
    }
    text
}

impl ReportedWorkload {
    /// `Deployment web/shop`, as kubectl names things.
    pub fn title(&self) -> String {
        let (kind, name) = (printable(&self.kind), visible(&self.name));
        match &self.namespace {
            Some(namespace) => format!("{kind} {}/{name}", printable(namespace)),
            None if self.kind == IMAGE_KIND => name,
            None => format!("{kind} {name}"),
        }
    }
}
