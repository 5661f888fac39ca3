//! Which gaps an update brings: an existing workload is never refused for what it already
//! was.

use std::collections::BTreeSet;

use crate::domain::node::NodePlatform;
use crate::domain::verdict::Verdict;
use crate::domain::workload::{PodTemplate, Workload};

/// A gap: an image, as the pod names it, and a node platform that cannot run it.
type Gap<'a> = (&'a str, &'a NodePlatform);

/// Whether the new verdicts hold a gap that the old ones do not.
pub(super) fn brings_gaps(new: &[Verdict], old: &[Verdict]) -> bool {
    let known: BTreeSet<Gap<'_>> = gaps(old).collect();
    gaps(new).any(|gap| !known.contains(&gap))
}

fn gaps(verdicts: &[Verdict]) -> impl Iterator<Item = Gap<'_>> {
    verdicts.iter().flat_map(|verdict| {
        verdict.gaps().filter_map(|(image, position)| {
            let candidate = verdict.candidates.platforms.get(position)?;
            Some((image.image.image.as_str(), &*candidate.platform))
        })
    })
}

/// Whether an update leaves images and placement as they were.
pub(super) fn is_unchanged(new: &Workload, old: &Workload) -> bool {
    let decides = |template: &PodTemplate| (template.images.clone(), template.placement.clone());
    new.templates.len() == old.templates.len()
        && new
            .templates
            .iter()
            .zip(&old.templates)
            .all(|(new, old)| decides(new) == decides(old))
}
