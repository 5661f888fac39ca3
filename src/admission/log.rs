//! What the log tells of a review.

use crate::domain::text::printable;
use crate::domain::unknown::Reason;
use crate::domain::verdict::Verdict;

/// How the decision came about: a line an image and platform.
pub(super) fn judged(verdicts: &[Verdict]) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    for at in verdicts.iter().flat_map(Verdict::outcomes) {
        tracing::debug!(
            image = %printable(&at.image.image.image),
            platform = %at.candidate.platform.platform,
            nodes = at.candidate.node_count,
            outcome = at.outcome.name(),
            reason = at.outcome.reason().map(Reason::name),
            "judged"
        );
    }
}
