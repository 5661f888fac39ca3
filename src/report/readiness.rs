//! How the workloads stand on each node platform, and which images keep them off it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::model::{
    Blocker, PlatformReadiness, ReportedImage, ReportedPlatform, ReportedWorkload, StateCounts,
};
use crate::domain::outcome::{OutcomeKind, Ternary};

/// One entry for each platform, in their order.
pub(super) fn readiness(
    platforms: &[ReportedPlatform],
    workloads: &[ReportedWorkload],
) -> Vec<PlatformReadiness> {
    let mut found: Vec<PlatformReadiness> = Vec::new();
    for row in platforms {
        if !found.iter().any(|known| known.platform == row.platform) {
            found.push(on(&row.platform, workloads));
        }
    }
    found
}

fn on(platform: &Arc<str>, workloads: &[ReportedWorkload]) -> PlatformReadiness {
    let mut all = StateCounts::default();
    let mut daemon_sets = StateCounts::default();
    let mut images: HashMap<&str, Ternary> = HashMap::new();
    let mut elsewhere = 0;
    let mut blocked = Blocked::default();
    for workload in workloads {
        if workload.is_without_images() {
            continue;
        }
        let Some(value) = workload.on(platform) else {
            elsewhere += 1;
            continue;
        };
        all.count(value);
        if workload.kind == "DaemonSet" {
            daemon_sets.count(value);
        }
        for image in &workload.images {
            if let Some(value) = image.on(platform) {
                let known = images.entry(image.key()).or_insert(value);
                *known = (*known).max(value);
            }
        }
        if value == Ternary::No {
            blocked.add(workload, platform);
        }
    }
    let mut image_counts = StateCounts::default();
    images
        .into_values()
        .for_each(|value| image_counts.count(value));
    PlatformReadiness {
        platform: Arc::clone(platform),
        ready: all.ready,
        blocked: all.blocked,
        undecided: all.undecided,
        elsewhere,
        daemon_sets,
        images: image_counts,
        blockers: blocked.in_order(),
    }
}

impl StateCounts {
    fn count(&mut self, value: Ternary) {
        match value {
            Ternary::Yes => self.ready += 1,
            Ternary::No => self.blocked += 1,
            Ternary::Unknown => self.undecided += 1,
        }
    }
}

impl ReportedWorkload {
    /// Whether it runs on a platform, under any of its runtimes; none where it may not go
    /// there.
    pub(super) fn on(&self, platform: &str) -> Option<Ternary> {
        let candidates = self.candidates.iter();
        let such = candidates.filter(|candidate| &*candidate.platform == platform);
        such.map(|candidate| candidate.value).max()
    }
}

impl ReportedImage {
    /// Whether it runs on a platform; none where it was not compared with it.
    pub(super) fn on(&self, platform: &str) -> Option<Ternary> {
        let outcomes = self.outcomes.iter();
        let such = outcomes.filter(|outcome| &*outcome.platform == platform);
        such.map(|outcome| outcome.outcome.value()).max()
    }

    /// What tells images apart, however they are spelled.
    pub(super) fn key(&self) -> &str {
        self.reference.as_deref().unwrap_or(&self.image)
    }
}

impl OutcomeKind {
    /// Whether the image runs.
    pub(super) fn value(self) -> Ternary {
        match self {
            Self::Supported => Ternary::Yes,
            Self::Unknown => Ternary::Unknown,
            Self::Missing | Self::Mismatched | Self::Invalid => Ternary::No,
        }
    }
}

/// Blocked workloads, each with the images that still keep it off a platform.
#[derive(Default)]
struct Blocked<'a> {
    workloads: Vec<BTreeSet<&'a str>>,
    /// The workloads of each image, and its name as written.
    images: BTreeMap<&'a str, (&'a str, Vec<usize>)>,
}

impl<'a> Blocked<'a> {
    /// Adds a workload, unless something of it is not known: then nobody can say what makes
    /// it ready.
    fn add(&mut self, workload: &'a ReportedWorkload, platform: &str) {
        let values = workload.images.iter().map(|image| image.on(platform));
        if values
            .into_iter()
            .any(|value| value == Some(Ternary::Unknown))
        {
            return;
        }
        let position = self.workloads.len();
        let images = workload.images.iter();
        let lacking = images.filter(|image| image.on(platform) == Some(Ternary::No));
        let mut keys = BTreeSet::new();
        for image in lacking {
            if keys.insert(image.key()) {
                let known = self.images.entry(image.key());
                let (name, workloads) = known.or_insert((&image.image, Vec::new()));
                *name = (*name).min(&image.image);
                workloads.push(position);
            }
        }
        self.workloads.push(keys);
    }

    /// The images in the order in which publishing them helps most. Greedy: the next one is
    /// that which makes the most workloads ready at once; ties go by name.
    fn in_order(mut self) -> Vec<Blocker> {
        // An image helps at once where it is the last one that a workload waits for.
        let mut gains: HashMap<&str, usize> = HashMap::new();
        for waiting in &self.workloads {
            if let (1, Some(last)) = (waiting.len(), waiting.first()) {
                *gains.entry(last).or_default() += 1;
            }
        }
        let rank = |gain: usize, name: &'a str, key: &'a str| (usize::MAX - gain, name, key);
        let gain_of =
            |gains: &HashMap<&str, usize>, key: &str| gains.get(key).copied().unwrap_or(0);
        let mut queue: BTreeSet<(usize, &str, &str)> = BTreeSet::new();
        for (key, (name, _)) in &self.images {
            queue.insert(rank(gain_of(&gains, key), name, key));
        }
        let mut blockers = Vec::with_capacity(queue.len());
        while let Some((_, name, key)) = queue.pop_first() {
            blockers.push(Blocker {
                image: name.to_owned(),
                unblocks: gain_of(&gains, key),
            });
            let workloads = self
                .images
                .get(key)
                .map(|(_, workloads)| workloads.as_slice());
            for position in workloads.unwrap_or_default() {
                let Some(waiting) = self.workloads.get_mut(*position) else {
                    continue;
                };
                waiting.remove(key);
                if let (1, Some(last)) = (waiting.len(), waiting.first())
                    && let Some((name, _)) = self.images.get(last)
                {
                    let gain = gains.entry(last).or_default();
                    queue.remove(&rank(*gain, name, last));
                    *gain += 1;
                    queue.insert(rank(*gain, name, last));
                }
            }
        }
        blockers
    }
}
