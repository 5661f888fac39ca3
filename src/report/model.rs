//! The published JSON.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{ReportInput, Scope, SkippedKind, Unread, WorkloadReport};
use crate::domain::candidates::CandidatePlatform;
use crate::domain::node::{NodePlatform, Nodes, Source};
use crate::domain::outcome::Ternary;
use crate::domain::policy::Level;
use crate::domain::unknown::Reason;
use crate::domain::verdict::{ImageVerdict, LevelResult, Verdict};

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
    platforms: Vec<Platform>,
    workloads: Vec<Workload>,
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

#[derive(Clone, Debug, Serialize)]
struct Platform {
    platform: String,
    runtime: &'static str,
    nodes: usize,
    sources: Vec<&'static str>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Workload {
    api_version: String,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    levels: Levels,
    candidates: Vec<Candidate>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cordoned: Vec<Candidate>,
    images: Vec<Image>,
}

#[derive(Clone, Debug, Serialize)]
struct Levels {
    runnable: &'static str,
    portable: &'static str,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    platform: String,
    runtime: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nodes: Vec<String>,
    node_count: usize,
    sources: Vec<&'static str>,
    value: &'static str,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Image {
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
            workloads: run.workloads.iter().map(Workload::of).collect(),
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
fn platforms(nodes: &Nodes) -> Vec<Platform> {
    let mut platforms: Vec<Platform> = Vec::new();
    for (group, members) in nodes.groups() {
        let (name, runtime) = names(&group.platform);
        let count = if group.source == Source::Node {
            members.len()
        } else {
            0
        };
        let source = group.source.name();
        let known = platforms
            .iter_mut()
            .find(|known| known.platform == name && known.runtime == runtime);
        match known {
            Some(known) => {
                known.nodes += count;
                if !known.sources.contains(&source) {
                    known.sources.push(source);
                }
            }
            None => platforms.push(Platform {
                platform: name,
                runtime,
                nodes: count,
                sources: vec![source],
            }),
        }
    }
    platforms
}

fn names(platform: &NodePlatform) -> (String, &'static str) {
    (platform.platform.to_string(), platform.runtime.name())
}

impl Workload {
    fn of(judged: &WorkloadReport) -> Self {
        let mut workload = Self {
            api_version: judged.api_version.clone(),
            kind: judged.kind.clone(),
            namespace: judged.namespace.clone(),
            name: judged.name.clone(),
            source: judged.source.clone(),
            levels: Levels {
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
        let outcomes = ReportedOutcome::of(image, platforms);
        let caveats = image.caveats(platforms).map(|caveat| caveat.to_string());
        let known = self
            .images
            .iter_mut()
            .find(|known| known.image == image.image.image);
        if let Some(known) = known {
            known
                .containers
                .extend(image.image.containers.iter().cloned());
            for outcome in outcomes {
                if !known.outcomes.contains(&outcome) {
                    known.outcomes.push(outcome);
                }
            }
            for caveat in caveats {
                if !known.doubts.contains(&caveat) {
                    known.doubts.push(caveat);
                }
            }
            return;
        }
        self.images.push(Image {
            image: image.image.image.clone(),
            reference: image.image.reference.as_ref().ok().map(ToString::to_string),
            containers: image.image.containers.clone(),
            digest: image
                .inspection
                .as_ref()
                .map(|inspection| inspection.digest.to_string()),
            stale_seconds: image.outdated.map(|outdated| outdated.age.as_secs()),
            doubts: caveats.collect(),
            outcomes: outcomes.collect(),
        });
    }
}

fn add_candidate(known: &mut Vec<Candidate>, candidate: &CandidatePlatform, value: Ternary) {
    let (platform, runtime) = names(&candidate.platform);
    let same = known
        .iter_mut()
        .find(|known| known.platform == platform && known.runtime == runtime);
    match same {
        // The worse of two values is what holds for the workload.
        Some(same) if value == Ternary::No || same.value == Ternary::Yes.name() => {
            same.value = value.name();
        }
        Some(_) => {}
        None => known.push(Candidate {
            platform,
            runtime,
            nodes: candidate.nodes.iter().map(ToString::to_string).collect(),
            node_count: candidate.node_count,
            sources: candidate
                .sources
                .iter()
                .map(|source| source.name())
                .collect(),
            value: value.name(),
        }),
    }
}
