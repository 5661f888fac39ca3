//! What speaks against a verdict that stands: said wherever the verdict is shown.

use std::fmt::{self, Formatter};

use crate::domain::candidates::CandidatePlatform;
use crate::domain::inspection::{Content, Entry, StaleCause, Staleness};
use crate::domain::outcome::{EntryPosition, IndexDepth, Outcome, OutcomeKind, Ternary};
use crate::domain::pick::RuntimeRules;
use crate::domain::text::printable;
use crate::domain::unknown::Reason;
use crate::domain::verdict::{ImageOutcome, ImageVerdict, Verdict};
use crate::domain::workload::ContainerImage;

/// Something that speaks against what is said of an image.
///
/// `Display` completes a sentence that begins with the image:
/// `was judged by what docker.io said 40m ago; it is unreachable now`.
#[derive(Clone, Copy, Debug)]
pub enum Caveat<'a> {
    /// The answer of the registry is old.
    Old {
        /// The registry.
        registry: &'a str,
        /// How old it is, and why.
        outdated: Staleness,
    },
    /// containerd pulls an entry that names no platform, and its Kubernetes side then cannot
    /// use the image: where other entries name one, it adds up the size of those, which were
    /// not fetched. Seen with containerd 2.3; what chooses the entry is content with it.
    /// Source: `internal/cri/store/image/image.go`, `getImage`.
    Unnamed {
        /// The entry that is chosen.
        place: EntryPosition,
        /// The first candidate on which it is so.
        candidate: &'a CandidatePlatform,
    },
}

impl ImageVerdict {
    /// What speaks against the verdict, on these candidates.
    pub fn caveats<'a>(
        &'a self,
        candidates: &'a [CandidatePlatform],
    ) -> impl Iterator<Item = Caveat<'a>> {
        self.old().into_iter().chain(self.unnamed(candidates))
    }

    /// That a registry is being asked again is worth a word where something is wrong: what
    /// was wrong may be mended by now.
    fn old(&self) -> Option<Caveat<'_>> {
        let outdated = self.outdated?;
        let runs = |outcome: &Outcome| outcome.value() == Ternary::Yes;
        if outdated.why == StaleCause::Refreshing && self.outcomes.iter().all(runs) {
            return None;
        }
        Some(Caveat::Old {
            outdated,
            registry: self.image.reference.as_ref().ok()?.registry(),
        })
    }

    fn unnamed<'a>(&'a self, candidates: &'a [CandidatePlatform]) -> Option<Caveat<'a>> {
        let Content::Index(entries) = &self.inspection.as_deref()?.content else {
            return None;
        };
        let is_named = |entry: &Entry| entry.platform.is_some();
        if entries.iter().all(is_named) || !entries.iter().any(is_named) {
            return None;
        }
        let supported = |at: &ImageOutcome<'_>| at.outcome.kind() == OutcomeKind::Supported;
        self.on(candidates).filter(supported).find_map(|at| {
            let candidate = at.candidate;
            let is_containerd = candidate.platform.platform_rules() == RuntimeRules::Containerd;
            let first = at.outcome.picked().first().filter(|_| is_containerd)?;
            let position = entries.iter().position(|entry| entry.digest == *first)?;
            let place = EntryPosition {
                depth: IndexDepth::First,
                position,
            };
            (!is_named(&entries[position])).then_some(Caveat::Unnamed { place, candidate })
        })
    }
}

impl Verdict {
    /// What speaks against the verdict, by image.
    pub fn caveats(&self) -> impl Iterator<Item = (&ImageVerdict, Caveat<'_>)> {
        self.images.iter().flat_map(|image| {
            let caveats = image.caveats(&self.candidates.platforms);
            caveats.map(move |caveat| (image, caveat))
        })
    }
}

/// What speaks against verdicts, one line each and each once, with the images as `name` names
/// them.
pub(crate) fn caveats<'a>(
    verdicts: impl IntoIterator<Item = &'a Verdict>,
    name: impl Fn(&ContainerImage) -> String,
) -> Vec<String> {
    let mut lines = Vec::new();
    for (image, caveat) in verdicts.into_iter().flat_map(Verdict::caveats) {
        let line = format!("{} {caveat}", name(&image.image));
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

impl fmt::Display for Caveat<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Old { registry, outdated } => {
                let seconds = outdated.age.as_secs();
                let (age, unit) = match seconds {
                    ..120 => (seconds, "s"),
                    120..7200 => (seconds / 60, "m"),
                    _ => (seconds / 3600, "h"),
                };
                let now = match outdated.why {
                    StaleCause::Refreshing => "it is being asked again",
                    StaleCause::Failed(Reason::Timeout) => "it does not answer in time now",
                    StaleCause::Failed(Reason::Unreachable) => "it is unreachable now",
                    StaleCause::Failed(Reason::Tls) => "its TLS fails now",
                    StaleCause::Failed(Reason::RateLimited) => "it takes no more requests now",
                    StaleCause::Failed(_) => "it could not be asked again",
                };
                write!(
                    formatter,
                    "was judged by what {} said {age}{unit} ago; {now}",
                    printable(registry)
                )
            }
            Self::Unnamed { place, candidate } => write!(
                formatter,
                "may not start on {}: {place} names no platform beside others that do, which \
                 containerd pulls and its Kubernetes side may then refuse",
                candidate.platform.platform
            ),
        }
    }
}
