//! The last line of the tables: whether it passes, at which level, how much, and where.

use super::{ReportInput, Scope, WorkloadReport};
use crate::domain::outcome::Ternary;
use crate::domain::verdict::LevelResult;

/// `PASS at level portable: 2 of 2 workloads run on linux/amd64, linux/s390x`.
pub(super) fn conclusion(run: &ReportInput) -> String {
    let judged: Vec<&WorkloadReport> = run.with_images().collect();
    let count = |wanted| {
        let judged = judged.iter();
        judged.filter(|one| one.at(run.level) == wanted).count()
    };
    let (failing, undecided) = (count(LevelResult::Fail), count(LevelResult::Undecided));
    let noun = match run.scope {
        Scope::Files => "workload",
        Scope::Images => "image",
    };
    let all = format!("of {}", plural(judged.len(), noun));
    let mut parts = Vec::new();
    if failing > 0 {
        let value = |value| value == Ternary::No;
        let failed = judged
            .iter()
            .filter(|one| one.at(run.level) == LevelResult::Fail);
        let platforms = platforms(failed.copied(), value);
        let verb = if failing == 1 { "fails" } else { "fail" };
        parts.push(format!("{failing} {all} {verb} on {platforms}"));
    }
    if undecided > 0 {
        let value = |value| value == Ternary::Unknown;
        let open = judged
            .iter()
            .filter(|one| one.at(run.level) == LevelResult::Undecided);
        let platforms = match platforms(open.copied(), value) {
            names if names.is_empty() => "no node is known that may run it".to_owned(),
            names => format!("on {names}"),
        };
        parts.push(format!("{undecided} {all} undecided, {platforms}"));
    }
    if parts.is_empty() {
        let names = platforms(judged.iter().copied(), |value| value == Ternary::Yes);
        let names = match names.is_empty() {
            true => String::new(),
            false => format!(", on {names}"),
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
fn platforms<'a>(
    judged: impl Iterator<Item = &'a WorkloadReport>,
    wanted: impl Fn(Ternary) -> bool,
) -> String {
    let mut names: Vec<String> = Vec::new();
    for verdict in judged.flat_map(|judged| &judged.verdicts) {
        for (candidate, value) in verdict.platforms() {
            if wanted(value) {
                let name = candidate.platform.platform.to_string();
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
    }
    names.join(", ")
}

/// `1 image`, `2 images`.
pub(super) fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}
