//! What to use instead of an image.

use crate::domain::advice::Suggestion;
use crate::domain::tag::{Candidate, DistributionChange, TagChange};
use crate::domain::text::{printable, visible};

/// In what a suggestion differs from the image that was asked for.
pub(crate) fn difference(candidate: &Candidate) -> String {
    let Candidate {
        change,
        changes_libc,
        is_less_pinned,
        distribution,
        ..
    } = candidate;
    let version = match (change, is_less_pinned) {
        (TagChange::PerArch, _) => {
            return "the same image from the repository of one architecture: a stop-gap until the \
                    tag has it"
                .to_owned();
        }
        (TagChange::Older, _) => "an older version",
        (_, true) => "less pinned: it moves on to other versions",
        (TagChange::Spelling | TagChange::Flavour, false) => "the same version",
    };
    let on = distribution
        .as_ref()
        .map(|DistributionChange { from, to }| {
            let from = match from.as_str() {
                "default" => "the default distribution".to_owned(),
                from => printable(from),
            };
            match to.as_str() {
                "default" => format!(", on the default distribution instead of {from}"),
                to => format!(", on {} instead of {from}", printable(to)),
            }
        });
    let libc = match changes_libc {
        true => "; another libc: glibc instead of musl",
        false => "",
    };
    format!("{version}{}{libc}", on.unwrap_or_default())
}

/// `node:22-trixie (the same version, on trixie instead of bookworm)`.
pub(crate) fn suggestion(suggestion: &Suggestion) -> String {
    format!(
        "{} ({})",
        visible(&suggestion.image),
        difference(&suggestion.candidate)
    )
}
