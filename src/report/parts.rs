//! What is kept of a judged workload: what is published, and equal parts once.

use std::collections::{BTreeSet, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use super::model::*;
use crate::domain::advice::{Advice, Suggestion};
use crate::domain::candidates::CandidatePlatform;
use crate::domain::node::{NodePlatform, Nodes, Source};
use crate::domain::outcome::Ternary;
use crate::domain::policy::Level;
use crate::domain::verdict::{ImageOutcome, ImageVerdict, Verdict};
use crate::findings::JudgedWorkload;
use crate::suggest::MAX_REQUESTS;
use crate::wording::suggestion::difference;

/// What many workloads have in common: names, candidates, outcomes.
#[derive(Default)]
pub(super) struct Parts {
    names: HashSet<Arc<str>>,
    candidates: HashSet<Arc<[ReportedCandidate]>>,
    outcomes: HashSet<Arc<[ReportedOutcome]>>,
    images: HashSet<Arc<ReportedImage>>,
}

/// The one that is known, or this one from now on.
fn shared<T: ?Sized + Eq + Hash>(known: &mut HashSet<Arc<T>>, new: Arc<T>) -> Arc<T> {
    match known.get(&new) {
        Some(known) => Arc::clone(known),
        None => {
            known.insert(Arc::clone(&new));
            new
        }
    }
}

impl Parts {
    fn name(&mut self, name: &str) -> Arc<str> {
        match self.names.get(name) {
            Some(known) => Arc::clone(known),
            None => shared(&mut self.names, name.into()),
        }
    }

    fn platform(&mut self, platform: &NodePlatform) -> Arc<str> {
        self.name(&platform.platform.to_string())
    }

    pub(super) fn workload(&mut self, judged: &JudgedWorkload) -> ReportedWorkload {
        let mut candidates = Vec::new();
        let mut cordoned = Vec::new();
        let mut images = Vec::new();
        for (position, verdict) in judged.verdicts.iter().enumerate() {
            for (candidate, value) in verdict.platforms() {
                self.add_candidate(&mut candidates, candidate, value);
            }
            for (candidate, value) in verdict.cordoned() {
                self.add_candidate(&mut cordoned, candidate, value);
            }
            for image in &verdict.images {
                self.add_image(&mut images, image, &verdict.candidates.platforms);
            }
            if let Some(everywhere) = judged.everywhere.get(position) {
                for image in &everywhere.images {
                    self.add_elsewhere(&mut images, image, &everywhere.candidates.platforms);
                }
            }
        }
        let verdicts = judged.verdicts.iter();
        let excluded: BTreeSet<String> = verdicts
            .clone()
            .filter_map(|verdict| verdict.candidates.exclusions(usize::MAX))
            .collect();
        let unchecked: BTreeSet<String> = verdicts.flat_map(Verdict::unchecked).collect();
        let excluded: Vec<String> = excluded.into_iter().collect();
        ReportedWorkload {
            api_version: judged.api_version.clone(),
            kind: judged.kind.clone(),
            namespace: judged.namespace.clone(),
            name: judged.name.clone(),
            uid: (!judged.uid.is_empty()).then(|| judged.uid.clone()),
            source: judged.source.clone(),
            levels: ReportedLevels {
                runnable: judged.at(Level::Runnable),
                portable: judged.at(Level::Portable),
            },
            candidates: shared(&mut self.candidates, candidates.into()),
            cordoned,
            excluded: (!excluded.is_empty()).then(|| excluded.join("; ")),
            unchecked: unchecked.into_iter().collect(),
            images: images.into_iter().map(|image| image.finish(self)).collect(),
        }
    }

    fn add_candidate(
        &mut self,
        known: &mut Vec<ReportedCandidate>,
        candidate: &CandidatePlatform,
        value: Ternary,
    ) {
        let platform = self.platform(&candidate.platform);
        let runtime = candidate.platform.runtime;
        let mut rows = known.iter_mut();
        if let Some(same) = rows.find(|row| row.platform == platform && row.runtime == runtime) {
            // The worse of two values is what holds for the workload.
            same.value = same.value.max(value);
            return;
        }
        let nodes = candidate.nodes.iter();
        known.push(ReportedCandidate {
            platform,
            runtime,
            nodes: nodes.map(Arc::clone).collect(),
            node_count: candidate.node_count,
            sources: candidate.sources.clone(),
            pools: candidate.pools.iter().map(ToString::to_string).collect(),
            value,
        });
    }

    fn add_image(
        &mut self,
        known: &mut Vec<ImageParts>,
        image: &ImageVerdict,
        platforms: &[CandidatePlatform],
    ) {
        let name = &image.image.image;
        let position = known.iter().position(|row| row.image.image == *name);
        let position = position.unwrap_or_else(|| {
            known.push(ImageParts::of(image));
            known.len() - 1
        });
        let Some(row) = known.get_mut(position) else {
            return;
        };
        add_new(
            &mut row.image.containers,
            image.image.containers.iter().cloned(),
        );
        if let Some(advice) = &image.advice
            && row.image.suggestions.is_none()
        {
            row.image.search = Some(ReportedSearch::of(advice));
            let suggestions = advice.suggestions.iter();
            let suggestions = suggestions.map(ReportedSuggestion::of).collect();
            row.image.suggestions = Some(Arc::new(suggestions));
        }
        let caveats = image.caveats(platforms).map(|caveat| caveat.to_string());
        add_new(&mut row.image.doubts, caveats);
        add_new(
            &mut row.outcomes,
            image.on(platforms).map(|at| self.outcome(at)),
        );
    }

    /// What would happen where the pod may not go.
    fn add_elsewhere(
        &mut self,
        known: &mut [ImageParts],
        image: &ImageVerdict,
        platforms: &[CandidatePlatform],
    ) {
        let mut rows = known.iter_mut();
        let Some(row) = rows.find(|row| row.image.image == image.image.image) else {
            return;
        };
        for at in image.on(platforms) {
            let outcome = self.outcome(at);
            let is_same = |known: &ReportedOutcome| {
                known.platform == outcome.platform && known.runtime == outcome.runtime
            };
            if !row.outcomes.iter().any(is_same) && !row.elsewhere.iter().any(is_same) {
                row.elsewhere.push(outcome);
            }
        }
    }

    fn outcome(&mut self, at: ImageOutcome<'_>) -> ReportedOutcome {
        let outcome = ReportedOutcome::of(at);
        ReportedOutcome {
            platform: self.name(&outcome.platform),
            why: self.name(&outcome.why),
            ..outcome
        }
    }

    /// Node platforms of the whole cluster. Nodes that differ in emulation share a row.
    pub(super) fn platforms(&mut self, nodes: &Nodes) -> Vec<ReportedPlatform> {
        let mut rows: Vec<ReportedPlatform> = Vec::new();
        for (group, members) in nodes.groups() {
            let platform = self.platform(&group.platform);
            let runtime = group.platform.runtime;
            let is_same =
                |row: &ReportedPlatform| row.platform == platform && row.runtime == runtime;
            let position = rows.iter().position(is_same).unwrap_or_else(|| {
                rows.push(ReportedPlatform {
                    platform: Arc::clone(&platform),
                    runtime,
                    nodes: 0,
                    sources: Vec::new(),
                });
                rows.len() - 1
            });
            let Some(row) = rows.get_mut(position) else {
                continue;
            };
            if group.source == Source::Node {
                row.nodes += members.len();
            }
            add_new(&mut row.sources, [group.source].into_iter());
        }
        rows
    }
}

impl ReportedOutcome {
    /// What happens to an image on a candidate.
    pub(super) fn of(at: ImageOutcome<'_>) -> Self {
        let platform = &at.candidate.platform;
        Self {
            platform: platform.platform.to_string().into(),
            runtime: platform.runtime,
            outcome: at.outcome.kind(),
            reason: at.outcome.reason(),
            picked: at
                .outcome
                .picked()
                .iter()
                .map(ToString::to_string)
                .collect(),
            why: at.explain().to_string().into(),
        }
    }
}

impl ReportedSuggestion {
    pub(super) fn of(suggestion: &Suggestion) -> Self {
        let created = suggestion.created.and_then(|seconds| {
            let time = jiff::Timestamp::from_second(i64::try_from(seconds).ok()?);
            Some(time.ok()?.to_string())
        });
        let platforms = suggestion.platforms.iter();
        Self {
            image: suggestion.image.clone(),
            digest: suggestion.digest.to_string(),
            platforms: platforms.map(ToString::to_string).collect(),
            change: suggestion.candidate.change,
            created,
            what: difference(&suggestion.candidate),
        }
    }
}

impl ReportedSearch {
    pub(super) fn of(advice: &Advice) -> Self {
        let few = |count: usize| u8::try_from(count).unwrap_or(u8::MAX);
        Self {
            requests: few(advice.requests),
            limit: few(MAX_REQUESTS),
            ended: advice.ended,
        }
    }
}

/// An image of a workload while its templates are gone through.
struct ImageParts {
    image: ReportedImage,
    outcomes: Vec<ReportedOutcome>,
    elsewhere: Vec<ReportedOutcome>,
}

impl ImageParts {
    fn of(image: &ImageVerdict) -> Self {
        let reference = image.image.reference.as_ref();
        let inspection = image.inspection.as_ref();
        Self {
            image: ReportedImage {
                image: image.image.image.clone(),
                reference: reference.ok().map(ToString::to_string),
                containers: Vec::new(),
                digest: inspection.map(|found| found.digest.to_string()),
                stale_seconds: image
                    .outdated
                    .map(|outdated| u32::try_from(outdated.age.as_secs()).unwrap_or(u32::MAX)),
                doubts: Vec::new(),
                suggestions: None,
                search: None,
                outcomes: Arc::default(),
                elsewhere: Arc::default(),
            },
            outcomes: Vec::new(),
            elsewhere: Vec::new(),
        }
    }

    fn finish(self, parts: &mut Parts) -> Arc<ReportedImage> {
        let image = ReportedImage {
            outcomes: shared(&mut parts.outcomes, self.outcomes.into()),
            elsewhere: shared(&mut parts.outcomes, self.elsewhere.into()),
            ..self.image
        };
        shared(&mut parts.images, Arc::new(image))
    }
}

fn add_new<T: PartialEq>(known: &mut Vec<T>, all: impl Iterator<Item = T>) {
    for one in all {
        if !known.contains(&one) {
            known.push(one);
        }
    }
}
