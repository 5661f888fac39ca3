//! Pieces of sentences that the tables share.

use crate::domain::candidates::CandidatePlatform;
use crate::domain::outcome::Outcome;
use crate::domain::text::{printable, visible};
use crate::domain::verdict::Verdict;

/// How many node names a line shows.
const NAMES: usize = 3;

/// `2 nodes (a1, a2)`, or where a platform without nodes came from.
pub(crate) fn nodes(candidate: &CandidatePlatform) -> String {
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

/// What an outcome means for a pod, in a few words.
pub(crate) fn consequence(outcome: &Outcome, candidate: &CandidatePlatform) -> String {
    match outcome {
        Outcome::Supported { picked, .. } => match picked.last() {
            Some(digest) => format!("pulls {}", short_digest(&digest.to_string())),
            None => "pulls it as it is".to_owned(),
        },
        Outcome::Missing(_) => candidate.platform.runtime.pull_failure().to_owned(),
        Outcome::Mismatched { .. } => "exec format error".to_owned(),
        Outcome::Invalid(_) => "InvalidImageName".to_owned(),
        Outcome::Unknown(unknown) => format!("not known ({})", unknown.reason),
    }
}

/// A digest as people tell it from others; `-o json` has all of it.
pub fn short_digest(digest: &str) -> &str {
    const LETTERS: usize = 12;
    let start = digest.find(':').map_or(0, |colon| colon + 1);
    digest.get(..start + LETTERS).unwrap_or(digest)
}

/// Why a workload does not pass, one line a cause.
pub(crate) fn causes(verdicts: &[Verdict]) -> Vec<String> {
    let mut lines = Vec::new();
    for verdict in verdicts {
        let not_looked_at = verdict.not_looked_at();
        lines.extend(
            not_looked_at.map(|why| format!("not all of it was checked: {why} ({})", why.reason)),
        );
        if verdict.candidates.is_empty() && verdict.candidates.undetermined.is_none() {
            lines.push(match verdict.candidates.exclusions(usize::MAX) {
                Some(why) => format!("no node may run it: {why}"),
                None => "no node may run it: none is known".to_owned(),
            });
        }
        for image in &verdict.images {
            let name = visible(&image.image.image);
            for finding in image.findings(&verdict.candidates.platforms) {
                lines.push(format!("{name} {finding}"));
                lines.extend(finding.why.map(|why| format!("  {why}")));
            }
        }
        for (cordoned, _) in verdict.cordoned().filter(|_| verdict.waits_for_cordon()) {
            let platform = &cordoned.platform.platform;
            lines.push(format!(
                "only cordoned nodes may run it: {platform}, {}",
                nodes(cordoned)
            ));
        }
    }
    lines
}

/// What speaks against what is said of the images, one line each.
pub(crate) fn caveats<'a>(verdicts: impl Iterator<Item = &'a Verdict>) -> String {
    let mut lines: Vec<String> = Vec::new();
    for verdict in verdicts {
        for (image, caveat) in verdict.caveats() {
            let line = format!("{} {caveat}\n", printable(&image.image.image));
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines.concat()
}
