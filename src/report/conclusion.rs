//! The last line of the tables: whether it passes, at which level, how much, and where.

use std::collections::{BTreeSet, HashSet};

use super::escape::printable;
use super::model::{Report, ReportedWorkload, Scope};
use crate::domain::outcome::Ternary;
use crate::domain::verdict::LevelResult;
use crate::findings::Finding;

/// `PASS at level portable: 2 of 2 workloads, on linux/amd64, linux/s390x`.
pub(super) fn conclusion(report: &Report) -> String {
    let workloads = report.workloads.iter();
    let judged: Vec<&ReportedWorkload> = workloads.filter(|one| !one.is_without_images()).collect();
    let failing = report.weighing(LevelResult::Fail);
    let undecided = report.weighing(LevelResult::Undecided);
    let undecided: HashSet<usize> = undecided.difference(&failing).copied().collect();
    let noun = match report.scope {
        Scope::Files | Scope::Cluster => "workload",
        Scope::Images => "image",
    };
    let all = format!("of {}", plural(judged.len(), noun));
    let mut parts = Vec::new();
    if !failing.is_empty() {
        let count = failing.len();
        let verb = if count == 1 { "fails" } else { "fail" };
        let on = match report.platforms_with(&failing, Ternary::No).as_slice() {
            [] => String::new(),
            [(name, _)] => format!(" on {name}"),
            // They need not be the same on each.
            several => {
                let several = several.iter();
                let several = several.map(|(name, count)| format!("{count} on {name}"));
                format!(": {}", several.collect::<Vec<_>>().join(", "))
            }
        };
        parts.push(format!("{count} {all} {verb}{on}"));
    }
    if !undecided.is_empty() {
        let platforms = match listed(report.platforms_with(&undecided, Ternary::Unknown)) {
            names if names.is_empty() => "no node is known that may run it".to_owned(),
            names => format!("on {names}"),
        };
        parts.push(format!("{} {all} undecided, {platforms}", undecided.len()));
    }
    if parts.is_empty() {
        let every: HashSet<usize> = (0..report.workloads.len()).collect();
        let names = match listed(report.platforms_with(&every, Ternary::Yes)) {
            names if names.is_empty() => names,
            names => format!(", on {names}"),
        };
        parts.push(format!("{} {all}{names}", judged.len()));
    }
    let wrong = report.not_as_said();
    if wrong > 0 {
        let wrong = plural(wrong, "container");
        parts.push(format!("{wrong} did not become what is said"));
    }
    let accepted = report.findings.iter();
    let accepted = accepted
        .filter(|finding| finding.accepted.is_some())
        .count();
    if accepted > 0 {
        parts.push(format!("{} accepted", plural(accepted, "finding")));
    }
    let without = report.workloads.len() - judged.len();
    if without > 0 {
        parts.push(format!("{without} without images"));
    }
    if !report.errors.is_empty() {
        parts.push(format!(
            "{} not read",
            plural(report.errors.len(), "document")
        ));
    }
    parts.extend(report.partial.iter().map(|text| printable(text)));
    let word = if report.passed { "PASS" } else { "FAIL" };
    format!("{word} at level {}: {}\n", report.level, parts.join("; "))
}

impl Report {
    /// The workloads with a finding that makes this of the asked level.
    pub(super) fn weighing(&self, wanted: LevelResult) -> HashSet<usize> {
        let findings = self.findings.iter();
        let such = findings.filter(|finding| self.weight(finding) == wanted);
        such.map(|Finding { workload, .. }| *workload).collect()
    }

    /// The platforms on which such workloads have such a value, each with how many of them.
    fn platforms_with(&self, workloads: &HashSet<usize>, wanted: Ternary) -> Vec<(String, usize)> {
        let numbered = self.workloads.iter().enumerate();
        let such = numbered.filter(|(position, _)| workloads.contains(position));
        let mut counts: Vec<(String, usize)> = Vec::new();
        for (_, workload) in such {
            let candidates = workload.candidates.iter();
            let with = candidates.filter(|candidate| candidate.value == wanted);
            // Runtimes of one platform count once.
            let names: BTreeSet<&str> = with.map(|candidate| &*candidate.platform).collect();
            for name in names {
                let name = printable(name);
                match counts.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, count)) => *count += 1,
                    None => counts.push((name, 1)),
                }
            }
        }
        counts.sort();
        counts
    }
}

fn listed(platforms: Vec<(String, usize)>) -> String {
    let names: Vec<String> = platforms.into_iter().map(|(name, _)| name).collect();
    names.join(", ")
}

/// `1 image`, `2 images`.
pub(super) fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}
