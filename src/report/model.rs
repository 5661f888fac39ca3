//! The published JSON.

use std::collections::BTreeSet;

use serde::{Serialize, Serializer};

use super::{ReportInput, Scope, SkippedKind, Unread, WorkloadReport};
use crate::domain::candidates::CandidatePlatform;
use crate::domain::node::{NodePlatform, Nodes, Source};
use crate::domain::outcome::Ternary;
use crate::domain::policy::Level;
use crate::domain::unknown::Reason;
use crate::domain::verdict::{ImageVerdict, LevelResult, Verdict};
use crate::domain::workload::ContainerImage;

/// A report, as `check -o json` prints it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    api_version: &'static str,
    kind: &'static str,
    tool: Tool,
    scope: &'static str,
    level: &'static str,
    passed: bool,
    summary: Summary,
    errors: Vec<Unread>,
    partial: Vec<String>,
    skipped: Vec<SkippedKind>,
    platforms: Vec<ReportedPlatform>,
    workloads: Vec<ReportedWorkload>,
}

#[derive(Clone, Debug, Serialize)]
struct Tool {
    version: &'static str,
}

/// Counts of workloads, and of distinct image references.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    pub(super) workloads: usize,
    pub(super) portable: usize,
    pub(super) runnable: usize,
    pub(super) failing: usize,
    pub(super) undecided: usize,
    pub(super) images: usize,
    pub(super) without_images: usize,
}

/// A node platform of the cluster.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ReportedPlatform {
    pub(super) platform: String,
    pub(super) runtime: &'static str,
    /// How many live nodes have it.
    pub(super) nodes: usize,
    sources: Vec<&'static str>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ReportedWorkload {
    api_version: String,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    levels: ReportedLevels,
    candidates: Vec<ReportedCandidate>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cordoned: Vec<ReportedCandidate>,
    images: Vec<ReportedImage>,
}

#[derive(Clone, Debug, Serialize)]
struct ReportedLevels {
    runnable: &'static str,
    portable: &'static str,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ReportedCandidate {
    platform: String,
    runtime: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nodes: Vec<String>,
    node_count: usize,
    sources: Vec<&'static str>,
    #[serde(serialize_with = "name")]
    value: Ternary,
}

fn name<S: Serializer>(value: &Ternary, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.name())
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ReportedImage {
    image: String,
    reference: Option<String>,
    containers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    doubts: Vec<String>,
    outcomes: Vec<ReportedOutcome>,
}

/// An outcome of an image on a node platform, as every JSON of ours has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReportedOutcome {
    /// The platform, normalised.
    pub platform: String,
    /// The runtime's name.
    pub runtime: &'static str,
    /// The outcome's name.
    pub outcome: &'static str,
    /// The reason, where the outcome is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Digests from the index to what would be pulled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub picked: Vec<String>,
    /// What decided, in one sentence.
    pub why: String,
}

impl ReportedOutcome {
    /// The outcomes of an image, one for each candidate platform.
    pub fn of<'a>(
        image: &'a ImageVerdict,
        candidates: &'a [CandidatePlatform],
    ) -> impl Iterator<Item = Self> + 'a {
        image.on(candidates).map(|at| {
            let (platform, runtime) = names(&at.candidate.platform);
            let outcome = at.outcome;
            Self {
                platform,
                runtime,
                outcome: outcome.name(),
                reason: outcome.reason().map(Reason::name),
                picked: outcome.picked().iter().map(ToString::to_string).collect(),
                why: at.explain().to_string(),
            }
        })
    }
}

impl Report {
    /// The report of a run.
    pub fn of(run: &ReportInput) -> Self {
        Self {
            api_version: "archmatch.io/v1alpha1",
            kind: "Report",
            tool: Tool {
                version: env!("CARGO_PKG_VERSION"),
            },
            scope: match run.scope {
                Scope::Files => "files",
                Scope::Images => "images",
            },
            level: run.level.name(),
            passed: run.is_passed(),
            summary: Summary::of(&run.workloads),
            errors: run.errors.clone(),
            partial: run.partial.clone(),
            skipped: run.skipped.clone(),
            platforms: platforms(&run.nodes),
            workloads: run.workloads.iter().map(ReportedWorkload::of).collect(),
        }
    }
}

impl Summary {
    pub(super) fn of(workloads: &[WorkloadReport]) -> Self {
        let count = |level, wanted| {
            workloads
                .iter()
                .filter(|one| !one.is_without_images() && one.at(level) == wanted)
                .count()
        };
        let images: BTreeSet<String> = workloads
            .iter()
            .flat_map(|judged| &judged.verdicts)
            .flat_map(|verdict| &verdict.images)
            .map(reference_or_text)
            .collect();
        Self {
            workloads: workloads.len(),
            portable: count(Level::Portable, LevelResult::Pass),
            runnable: count(Level::Runnable, LevelResult::Pass),
            failing: count(Level::Runnable, LevelResult::Fail),
            undecided: count(Level::Runnable, LevelResult::Undecided),
            images: images.len(),
            without_images: workloads
                .iter()
                .filter(|one| one.is_without_images())
                .count(),
        }
    }
}

/// What tells images apart, however they are spelled.
pub(super) fn reference_or_text(image: &ImageVerdict) -> String {
    match &image.image.reference {
        Ok(reference) => reference.to_string(),
        Err(_) => image.image.image.clone(),
    }
}

/// Node platforms of the whole cluster. Nodes that differ in emulation share a row.
pub(super) fn platforms(nodes: &Nodes) -> Vec<ReportedPlatform> {
    let mut platforms: Vec<ReportedPlatform> = Vec::new();
    for (group, members) in nodes.groups() {
        let (platform, runtime) = names(&group.platform);
        let position = platforms
            .iter()
            .position(|known| known.is(&platform, runtime));
        let position = position.unwrap_or_else(|| {
            platforms.push(ReportedPlatform {
                platform,
                runtime,
                nodes: 0,
                sources: Vec::new(),
            });
            platforms.len() - 1
        });
        if let Some(row) = platforms.get_mut(position) {
            if group.source == Source::Node {
                row.nodes += members.len();
            }
            let source = group.source.name();
            if !row.sources.contains(&source) {
                row.sources.push(source);
            }
        }
    }
    platforms
}

impl ReportedPlatform {
    pub(super) fn is(&self, platform: &str, runtime: &str) -> bool {
        self.platform == platform && self.runtime == runtime
    }
}

pub(super) fn names(platform: &NodePlatform) -> (String, &'static str) {
    (platform.platform.to_string(), platform.runtime.name())
}

impl ReportedWorkload {
    fn of(judged: &WorkloadReport) -> Self {
        let mut workload = Self {
            api_version: judged.api_version.clone(),
            kind: judged.kind.clone(),
            namespace: judged.namespace.clone(),
            name: judged.name.clone(),
            source: judged.source.clone(),
            levels: ReportedLevels {
                runnable: judged.at(Level::Runnable).name(),
                portable: judged.at(Level::Portable).name(),
            },
            candidates: Vec::new(),
            cordoned: Vec::new(),
            images: Vec::new(),
        };
        for verdict in &judged.verdicts {
            workload.add(verdict);
        }
        workload
    }

    /// Most kinds have one pod template. What several have in common shares a row.
    fn add(&mut self, verdict: &Verdict) {
        for (candidate, value) in verdict.platforms() {
            add_candidate(&mut self.candidates, candidate, value);
        }
        for (candidate, value) in verdict.cordoned() {
            add_candidate(&mut self.cordoned, candidate, value);
        }
        for image in &verdict.images {
            self.add_image(image, &verdict.candidates.platforms);
        }
    }

    fn add_image(&mut self, image: &ImageVerdict, platforms: &[CandidatePlatform]) {
        let ContainerImage {
            image: name,
            reference,
            containers,
            ..
        } = &image.image;
        let position = self.images.iter().position(|known| known.image == *name);
        let position = position.unwrap_or_else(|| {
            let inspection = image.inspection.as_ref();
            self.images.push(ReportedImage {
                image: name.clone(),
                reference: reference.as_ref().ok().map(ToString::to_string),
                containers: Vec::new(),
                digest: inspection.map(|found| found.digest.to_string()),
                stale_seconds: image.outdated.map(|outdated| outdated.age.as_secs()),
                doubts: Vec::new(),
                outcomes: Vec::new(),
            });
            self.images.len() - 1
        });
        if let Some(row) = self.images.get_mut(position) {
            row.containers.extend(containers.iter().cloned());
            let caveats = image.caveats(platforms).map(|caveat| caveat.to_string());
            add_new(&mut row.doubts, caveats);
            add_new(&mut row.outcomes, ReportedOutcome::of(image, platforms));
        }
    }
}

fn add_new<T: PartialEq>(known: &mut Vec<T>, all: impl Iterator<Item = T>) {
    for one in all {
        if !known.contains(&one) {
            known.push(one);
        }
    }
}

fn add_candidate(
    known: &mut Vec<ReportedCandidate>,
    candidate: &CandidatePlatform,
    value: Ternary,
) {
    let (platform, runtime) = names(&candidate.platform);
    let mut rows = known.iter_mut();
    if let Some(same) = rows.find(|row| row.platform == platform && row.runtime == runtime) {
        // The worse of two values is what holds for the workload.
        same.value = same.value.max(value);
        return;
    }
    let sources = candidate.sources.iter().map(|source| source.name());
    known.push(ReportedCandidate {
        platform,
        runtime,
        nodes: candidate.nodes.iter().map(ToString::to_string).collect(),
        node_count: candidate.node_count,
        sources: sources.collect(),
        value,
    });
}
