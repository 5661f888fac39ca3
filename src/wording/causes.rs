//! What the tables say of a workload, and of an image on one platform.

use super::nodes::nodes_or_pools;
use crate::domain::outcome::Outcome;
use crate::domain::text::visible;
use crate::domain::verdict::{ImageOutcome, Verdict};

/// What an outcome means for a pod, in a few words.
pub(crate) fn consequence(at: ImageOutcome<'_>) -> String {
    match at.outcome {
        Outcome::Supported { picked, .. } => match picked.last() {
            Some(digest) => format!("pulls {}", short_digest(&digest.to_string())),
            None => "pulls it as it is".to_owned(),
        },
        Outcome::Unknown(unknown) => format!("not known ({})", unknown.reason),
        Outcome::Missing(_) | Outcome::Mismatched { .. } | Outcome::Invalid(_) => {
            at.failure().unwrap_or_default().to_owned()
        }
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
        lines.extend(verdict.unchecked());
        if verdict.candidates.is_empty() && verdict.candidates.undetermined.is_none() {
            let why = verdict.candidates.exclusions(usize::MAX);
            let why = why.unwrap_or_else(|| "none is known".to_owned());
            lines.push(format!("no node may run it: {why}"));
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
            let nodes = nodes_or_pools(cordoned);
            lines.push(format!(
                "only cordoned nodes may run it: {platform}, {nodes}"
            ));
        }
    }
    lines
}
