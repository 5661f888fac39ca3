//! The last line of the tables: whether it passes, at which level, how much, and where.

use super::{ReportInput, Scope, WorkloadReport};
use crate::domain::outcome::Ternary;
use crate::domain::verdict::{LevelResult, Verdict};

/// `PASS at level portable: 2 of 2 workloads run on linux/amd64, linux/s390x`.
pub(super) fn conclusion(run: &ReportInput) -> String {
    let judged: Vec<&WorkloadReport> = run.with_images().collect();
    let with = |wanted| {
        let judged = judged.iter().copied();
        let such = judged.filter(|one| one.at(run.level) == wanted);
        such.collect::<Vec<_>>()
    };
    let (failing, undecided) = (with(LevelResult::Fail), with(LevelResult::Undecided));
    let noun = match run.scope {
        Scope::Files => "workload",
        Scope::Images => "image",
    };
    let all = format!("of {}", plural(judged.len(), noun));
    let mut parts = Vec::new();
    if !failing.is_empty() {
        let (count, platforms) = (failing.len(), platforms(&failing, Ternary::No));
        let verb = if count == 1 { "fails" } else { "fail" };
        parts.push(format!("{count} {all} {verb} on {platforms}"));
    }
    if !undecided.is_empty() {
        let platforms = match platforms(&undecided, Ternary::Unknown) {
            names if names.is_empty() => "no node is known that may run it".to_owned(),
            names => format!("on {names}"),
        };
        parts.push(format!("{} {all} undecided, {platforms}", undecided.len()));
    }
    if parts.is_empty() {
        let names = match platforms(&judged, Ternary::Yes) {
            names if names.is_empty() => names,
            names => format!(", on {names}"),
        };
        parts.push(format!("{} {all}{names}", judged.len()));
    }
    let without = run.workloads.len() - judged.len();
    if without > 0 {
        parts.push(format!("{without} without images"));
    }
    if !run.errors.is_empty() {
        parts.push(format!("{} not read", plural(run.errors.len(), "document")));
    }
    parts.extend(run.partial.iter().cloned());
    let word = if run.is_passed() { "PASS" } else { "FAIL" };
    format!("{word} at level {}: {}\n", run.level, parts.join("; "))
}

/// The platforms on which the workloads have such a value, each once.
fn platforms(judged: &[&WorkloadReport], wanted: Ternary) -> String {
    let mut names: Vec<String> = Vec::new();
    let verdicts = judged.iter().flat_map(|judged| &judged.verdicts);
    let platforms = verdicts.flat_map(Verdict::platforms);
    for (candidate, _) in platforms.filter(|(_, value)| *value == wanted) {
        let name = candidate.platform.platform.to_string();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

/// `1 image`, `2 images`.
pub(super) fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}
