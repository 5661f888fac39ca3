//! What an object was before its update: an existing workload is never refused for what it
//! already was.

use crate::domain::candidates::Candidates;
use crate::domain::policy::Leniency;
use crate::domain::verdict::{ImageOutcome, LevelResult, Verdict};
use crate::domain::workload::PodTemplate;

/// The pod templates of the old object that count, and where each might go.
///
/// Those that gates held back were never denied, so they count as having had no gaps.
pub(super) struct Past {
    templates: Vec<PodTemplate>,
    candidates: Vec<Candidates>,
}

impl Past {
    /// The past of an object; `find` finds where its templates might have gone. No registry
    /// is asked: what an image lacks today it lacked then.
    pub(super) async fn of(
        old: Vec<PodTemplate>,
        find: impl AsyncFnOnce(&[PodTemplate]) -> Vec<Candidates>,
    ) -> Self {
        let mut templates = old;
        templates.retain(|template| !template.placement.gated);
        Self {
            candidates: find(&templates).await,
            templates,
        }
    }

    /// The old templates, to be judged as those of the new object are.
    pub(super) fn templates(&self) -> &[PodTemplate] {
        &self.templates
    }

    /// What the past says for a template of the new object, levels aside.
    pub(super) fn leniency(&self, template: &PodTemplate, verdict: &Verdict) -> Leniency {
        let is_same = |old: &PodTemplate| {
            old.images == template.images && old.placement == template.placement
        };
        if self.templates.iter().any(is_same) {
            Leniency::Unchanged
        } else if verdict
            .gaps()
            .all(|gap| self.with_gap(gap).next().is_some())
        {
            Leniency::NoNewGaps
        } else {
            Leniency::None
        }
    }

    /// Whether a template without new gaps runs nowhere and ran somewhere before: what had a
    /// gap was never portable. `old` has the verdicts on the old templates, in their order.
    /// Where there are several, the same one is known by a gap that it still has.
    pub(super) fn stops_running(&self, verdict: &Verdict, old: &[Verdict]) -> bool {
        let ran = |position: usize| {
            let old = old.get(position);
            old.is_none_or(|old| old.runnable() == LevelResult::Pass)
        };
        let mut same = verdict.gaps().flat_map(|gap| self.with_gap(gap));
        verdict.runnable() == LevelResult::Fail && same.all(ran)
    }

    /// Positions of the old templates that had a gap: they named the image, and might have
    /// gone to such a node.
    fn with_gap<'a>(&'a self, gap: ImageOutcome<'a>) -> impl Iterator<Item = usize> + 'a {
        let (image, at) = (&gap.image.image, gap.candidate);
        let named = |template: &PodTemplate| {
            template.images.iter().any(|old| {
                (&old.image, old.usage, old.preloaded)
                    == (&image.image, image.usage, image.preloaded)
            })
        };
        let reached = |candidates: &Candidates| {
            let mut platforms = candidates.platforms.iter();
            platforms.any(|old| old.platform == at.platform && (old.is_certain || !at.is_certain))
        };
        let templates = self.templates.iter().zip(&self.candidates).enumerate();
        templates.filter_map(move |(position, (template, candidates))| {
            (named(template) && reached(candidates)).then_some(position)
        })
    }
}
