//! What the API server writes into its audit log of a review.

use std::collections::BTreeSet;

use super::answer::Answer;
use crate::domain::inspection::StaleCause;
use crate::domain::policy::{Action, LevelResults, Levels};
use crate::domain::unknown::Reason;
use crate::domain::verdict::Verdict;

/// Adds what machines read of a judged review.
pub(super) fn annotate(
    answer: &mut Answer,
    results: &LevelResults,
    levels: &Levels,
    verdicts: &[Verdict],
    action: Action,
    staleness: &[StaleCause],
) {
    let strictest = results.at(levels.strictest());
    answer
        .annotations
        .insert("verdict", strictest.name().into());
    answer.annotations.insert("mode", action.name().into());
    let missing = missing_platforms(verdicts);
    let undecided = results.unknown.iter().copied().map(Reason::name);
    let stale = staleness.iter().copied().map(StaleCause::name);
    let lists = [
        ("missing", missing.into_iter().collect::<Vec<_>>().join(",")),
        ("undecided", undecided.collect::<Vec<_>>().join(",")),
        ("stale", stale.collect::<Vec<_>>().join(",")),
    ];
    for (key, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        answer.annotations.insert(key, list.into());
    }
}

/// The platforms that lack something, for the audit log.
fn missing_platforms(verdicts: &[Verdict]) -> BTreeSet<String> {
    let gaps = verdicts.iter().flat_map(Verdict::gaps);
    gaps.map(|gap| gap.candidate.platform.platform.to_string())
        .collect()
}

/// Why there are no younger answers, where the verdicts rest on old ones; each reason once.
pub(super) fn staleness(verdicts: &[Verdict]) -> Vec<StaleCause> {
    let mut reasons: Vec<StaleCause> = verdicts.iter().flat_map(Verdict::staleness).collect();
    reasons.sort();
    reasons.dedup();
    reasons
}
