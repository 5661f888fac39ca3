//! What the API server writes into its audit log of a review.

use super::answer::Answer;
use crate::domain::inspection::Staleness;
use crate::domain::policy::{Action, LevelResults, Levels};
use crate::domain::unknown::Reason;
use crate::domain::verdict::Verdict;
use crate::wording::message;

/// Adds what machines read of a judged review.
pub(super) fn annotate(
    answer: &mut Answer,
    results: &LevelResults,
    levels: &Levels,
    verdicts: &[Verdict],
    action: Action,
    staleness: &[Staleness],
) {
    let strictest = results.at(levels.strictest());
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
    if !results.unknown.is_empty() {
        let names: Vec<&str> = results.unknown.iter().copied().map(Reason::name).collect();
        answer
            .annotations
            .insert("undecided", names.join(",").into());
    }
    if !staleness.is_empty() {
        let names: Vec<&str> = staleness.iter().copied().map(Staleness::name).collect();
        answer.annotations.insert("stale", names.join(",").into());
    }
}

/// Why there are no younger answers, where the verdicts rest on old ones; each reason once.
pub(super) fn staleness(verdicts: &[Verdict]) -> Vec<Staleness> {
    let mut reasons: Vec<Staleness> = verdicts.iter().flat_map(Verdict::staleness).collect();
    reasons.sort();
    reasons.dedup();
    reasons
}
