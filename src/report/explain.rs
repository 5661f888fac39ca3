//! Pieces of sentences that the tables share.

use crate::domain::candidates::{CandidatePlatform, Candidates};
use crate::domain::pick::NESTED_INDEXES;
use crate::domain::text::printable;
use crate::domain::verdict::{ImageVerdict, Outcome, Verdict};

/// How many node names a line shows.
const NAMES: usize = 3;

/// `2 nodes (a1, a2)`, or where a platform without nodes came from.
pub(super) fn nodes(candidate: &CandidatePlatform) -> String {
    let names = candidate.nodes.iter().take(NAMES).map(AsRef::as_ref);
    let names = printable(&names.collect::<Vec<_>>().join(", "));
    let more = if candidate.node_count > NAMES {
        ", …"
    } else {
        ""
    };
    match candidate.node_count {
        0 => {
            let pools = candidate.pools.iter().take(NAMES).map(ToString::to_string);
            let pools = printable(&pools.collect::<Vec<_>>().join(", "));
            format!("no node yet ({pools})")
        }
        1 => format!("1 node ({names})"),
        count => format!("{count} nodes ({names}{more})"),
    }
}

/// `2 cordoned, 3 untolerated taint dedicated=gpu:NoSchedule`
pub(super) fn excluded(candidates: &Candidates) -> Option<String> {
    let parts: Vec<String> = candidates
        .excluded
        .iter()
        .map(|(why, count)| printable(&format!("{count} {why}")))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// What an outcome means for a pod, in a few words.
pub(super) fn outcome(outcome: &Outcome, candidate: &CandidatePlatform) -> String {
    match outcome {
        Outcome::Supported { picked } => match picked.last() {
            Some(digest) if picked.len() <= NESTED_INDEXES + 1 => format!("pulls {digest}"),
            _ => "pulls the one manifest there is".to_owned(),
        },
        Outcome::Missing => candidate.platform.runtime.pull_failure().to_owned(),
        Outcome::Mismatched { made_for, .. } => format!("exec format error: it is for {made_for}"),
        Outcome::Unknown(unknown) => printable(&unknown.detail),
    }
}

/// Why a workload does not pass, one line a cause.
pub(super) fn causes(verdicts: &[Verdict]) -> Vec<String> {
    let mut lines = Vec::new();
    for verdict in verdicts {
        if verdict.candidates.is_empty() {
            lines.push(match excluded(&verdict.candidates) {
                Some(why) => format!("no node may run it: {why}"),
                None => "no node may run it: none is known".to_owned(),
            });
        }
        for image in &verdict.images {
            lines.extend(image_causes(image, &verdict.candidates.platforms));
        }
    }
    lines
}

fn image_causes(image: &ImageVerdict, candidates: &[CandidatePlatform]) -> Vec<String> {
    let name = printable(&image.image.image);
    let on = |wanted: fn(&Outcome) -> bool| {
        let outcomes = image.outcomes.iter().zip(candidates);
        let mut names: Vec<String> = outcomes
            .filter(|(outcome, _)| wanted(outcome))
            .map(|(_, candidate)| candidate.platform.platform.to_string())
            .collect();
        names.dedup();
        names.join(", ")
    };
    let mut lines = Vec::new();
    let missing = on(|outcome| matches!(outcome, Outcome::Missing));
    if !missing.is_empty() {
        lines.push(format!("{name} has no {missing} manifest"));
    }
    let mismatched = on(|outcome| matches!(outcome, Outcome::Mismatched { .. }));
    if !mismatched.is_empty() {
        lines.push(format!("{name} is not built for {mismatched}"));
    }
    if let Some(unknown) = image.unknown() {
        let detail = printable(&unknown.detail);
        lines.push(format!(
            "{name} could not be checked: {detail} ({})",
            unknown.reason
        ));
    }
    lines
}
