//! What the log tells of a review.

use crate::domain::text::printable;
use crate::domain::unknown::Reason;
use crate::domain::verdict::Verdict;

/// How the decision came about: a line an image and platform.
pub(super) fn judged(verdicts: &[Verdict]) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    for verdict in verdicts {
        let candidates = &verdict.candidates.platforms;
        for image in &verdict.images {
            for (candidate, outcome) in candidates.iter().zip(&image.outcomes) {
                tracing::debug!(
                    image = %printable(&image.image.image),
                    platform = %candidate.platform.platform,
                    nodes = candidate.node_count,
                    outcome = outcome.name(),
                    reason = outcome.reason().map(Reason::name),
                    "judged"
                );
            }
        }
    }
}
