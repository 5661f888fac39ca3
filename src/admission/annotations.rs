//! What the API server writes into its audit log of a review.

use super::answer::Answer;
use super::message;
use crate::domain::policy::{Action, Findings, Levels};
use crate::domain::unknown::Reason;
use crate::domain::verdict::Verdict;

/// Adds what machines read of a judged review.
pub(super) fn annotate(
    answer: &mut Answer,
    findings: &Findings,
    levels: &Levels,
    verdicts: &[Verdict],
    action: Action,
    outdated: &[Reason],
) {
    let strictest = findings.at(levels.strictest());
    answer
        .annotations
        .insert("verdict", strictest.name().into());
    answer.annotations.insert("mode", action.name().into());
    let missing = message::missing_platforms(verdicts);
    if !missing.is_empty() {
        answer
            .annotations
            .insert("missing", missing.join(",").into());
    }
    if !findings.unknown.is_empty() {
        answer
            .annotations
            .insert("undecided", names(&findings.unknown).into());
    }
    if !outdated.is_empty() {
        answer.annotations.insert("stale", names(outdated).into());
    }
}

/// Why registries could not be asked again, where answers are old; each reason once.
pub(super) fn outdated_reasons(verdicts: &[Verdict]) -> Vec<Reason> {
    let mut reasons: Vec<Reason> = verdicts
        .iter()
        .flat_map(Verdict::outdated_reasons)
        .collect();
    reasons.sort();
    reasons.dedup();
    reasons
}

fn names(reasons: &[Reason]) -> String {
    let names: Vec<&str> = reasons.iter().map(|reason| reason.name()).collect();
    names.join(",")
}
