//! Puts a report together, one judged workload at a time: what is kept of each is what is
//! published, and equal parts are kept once.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use super::baseline::Baseline;
use super::lost::{KnownToRun, lost_platforms};
use super::model::*;
use super::readiness::readiness;
use super::siblings::is_split_by_architecture;
use crate::domain::candidates::CandidatePlatform;
use crate::domain::node::{NodePlatform, Nodes, Source};
use crate::domain::outcome::Ternary;
use crate::domain::policy::{ForeignImages, Level};
use crate::domain::verdict::{ImageOutcome, ImageVerdict, LevelResult, Verdict};
use crate::findings::{self, Finding, JudgedWorkload, Rule};

/// What a report is asked for.
#[derive(Clone, Debug)]
pub struct ReportRequest {
    /// Where the workloads are from.
    pub scope: Scope,
    /// The level that is to hold.
    pub level: Level,
    /// Rules of which any finding counts as a failure.
    pub fail_on: Vec<Rule>,
    /// Whether judging nothing at all passes.
    pub may_be_empty: bool,
    /// Images that nobody here builds.
    pub foreign: ForeignImages,
}

impl Default for ReportRequest {
    fn default() -> Self {
        Self {
            scope: Scope::Images,
            level: Level::Portable,
            fail_on: Vec::new(),
            may_be_empty: false,
            foreign: ForeignImages::default(),
        }
    }
}

/// What a run is about beyond its workloads.
#[derive(Clone, Debug, Default)]
pub struct Circumstances {
    /// What could not be read.
    pub errors: Vec<Unread>,
    /// What is missing of the run.
    pub partial: Vec<String>,
    /// Objects of kinds that are not known.
    pub skipped: Vec<SkippedKind>,
    /// When it is, in UTC, such as `2026-11-28T10:00:00Z`.
    pub created: String,
    /// What was accepted before.
    pub baseline: Option<Baseline>,
    /// What images were known to run on; that of the baseline where nothing else is known.
    pub known: Option<KnownToRun>,
}

/// A report while workloads are added.
pub struct ReportBuilder {
    request: ReportRequest,
    /// Where each workload belongs, however late its images were known.
    positions: Vec<usize>,
    workloads: Vec<ReportedWorkload>,
    findings: Vec<Finding>,
    parts: Parts,
}

impl ReportBuilder {
    /// A report without workloads.
    pub fn new(request: ReportRequest) -> Self {
        Self {
            request,
            positions: Vec::new(),
            workloads: Vec::new(),
            findings: Vec::new(),
            parts: Parts::default(),
        }
    }

    /// Adds a workload with its position in the input. In a cluster they come in the order
    /// of their names, whatever that is.
    pub fn add(&mut self, place: usize, judged: &JudgedWorkload) {
        let position = self.workloads.len();
        self.positions.push(place);
        self.workloads.push(self.parts.workload(judged));
        let found = findings::find(judged, &self.request.foreign).into_iter();
        self.findings.extend(found.map(|finding| Finding {
            workload: position,
            ..finding
        }));
    }

    /// How many workloads were added.
    pub fn len(&self) -> usize {
        self.workloads.len()
    }

    /// Whether none was added.
    pub fn is_empty(&self) -> bool {
        self.workloads.is_empty()
    }

    /// The report on what was added, judged against these nodes.
    pub fn finish(self, nodes: &Nodes, circumstances: Circumstances) -> Report {
        let Self {
            request,
            positions,
            mut workloads,
            mut findings,
            mut parts,
        } = self;
        put_in_order(request.scope, positions, &mut workloads, &mut findings);
        let Circumstances {
            errors,
            partial,
            skipped,
            created,
            baseline,
            known,
        } = circumstances;
        let of_baseline = || {
            baseline
                .as_ref()
                .and_then(Baseline::report)
                .map(KnownToRun::of)
        };
        if let Some(known) = known.or_else(of_baseline) {
            findings.extend(lost_platforms(&known, &workloads));
        }
        findings.retain(|finding| {
            finding.rule != Rule::NeedlessPin
                || !is_split_by_architecture(finding.workload, &workloads)
        });
        sort(&mut findings, &workloads);
        make_unique(&mut findings);
        if let Some(baseline) = &baseline {
            baseline.accept(&mut findings, created.get(..10).unwrap_or_default());
        }
        let platforms = parts.platforms(nodes);
        let mut report = Report {
            api_version: ReportVersion::V1Alpha1,
            kind: ReportKind::Report,
            created,
            tool: Tool {
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            scope: request.scope,
            level: request.level,
            fail_on: request.fail_on,
            passed: false,
            summary: Summary::of(&workloads),
            errors,
            partial,
            skipped,
            readiness: readiness(&platforms, &workloads),
            findings,
            platforms,
            workloads,
        };
        report.passed = report.errors.is_empty()
            && report.partial.is_empty()
            && (request.may_be_empty || !report.is_empty())
            && report.result() == LevelResult::Pass;
        report
    }
}

/// Puts workloads in order, and with them what their findings point to.
fn put_in_order(
    scope: Scope,
    positions: Vec<usize>,
    workloads: &mut Vec<ReportedWorkload>,
    findings: &mut [Finding],
) {
    let mut rows: Vec<_> = std::mem::take(workloads)
        .into_iter()
        .zip(positions)
        .enumerate()
        .collect();
    rows.sort_by(|(_, (one, first)), (_, (other, second))| {
        let name = |workload: &ReportedWorkload| match scope {
            Scope::Cluster => (
                workload.namespace.clone(),
                workload.kind.clone(),
                workload.name.clone(),
            ),
            Scope::Files | Scope::Images => Default::default(),
        };
        name(one).cmp(&name(other)).then(first.cmp(second))
    });
    let mut places = vec![0; rows.len()];
    for (place, (added, _)) in rows.iter().enumerate() {
        if let Some(known) = places.get_mut(*added) {
            *known = place;
        }
    }
    for finding in findings {
        finding.workload = places.get(finding.workload).copied().unwrap_or_default();
    }
    workloads.extend(rows.into_iter().map(|(_, (workload, _))| workload));
}

/// By severity, namespace, kind, name, rule, image and platform; never by the input.
fn sort(findings: &mut [Finding], workloads: &[ReportedWorkload]) {
    findings.sort_by(|one, other| {
        let key = |finding: &Finding| {
            let workload = workloads.get(finding.workload);
            let names = workload.map(|workload| {
                let namespace = workload.namespace.clone().unwrap_or_default();
                (namespace, workload.kind.clone(), workload.name.clone())
            });
            (finding.severity, names, finding.rule.name())
        };
        let rest = |finding: &Finding| {
            let Finding {
                image,
                platforms,
                containers,
                source,
                ..
            } = finding.clone();
            (image, platforms, containers, source)
        };
        let order = key(one).cmp(&key(other));
        order.then_with(|| rest(one).cmp(&rest(other)))
    });
}

/// Findings that would have one id, such as of two tags of one repository, are numbered.
fn make_unique(findings: &mut [Finding]) {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for finding in findings {
        let count = counts.entry(finding.id.clone()).or_default();
        *count += 1;
        if *count > 1 {
            finding.id = format!("{}-{count}", finding.id);
        }
    }
}

impl Report {
    /// Whether nothing in it has an image.
    pub fn is_empty(&self) -> bool {
        self.workloads
            .iter()
            .all(ReportedWorkload::is_without_images)
    }

    /// How what has images stands, as the exit code says it, whatever could not be read:
    /// findings that are accepted count for nothing.
    pub fn result(&self) -> LevelResult {
        LevelResult::all(self.findings.iter().map(|finding| self.weight(finding)))
    }

    /// What a finding makes of the asked level.
    pub(super) fn weight(&self, finding: &Finding) -> LevelResult {
        if finding.accepted.is_some() {
            return LevelResult::Pass;
        }
        if self.fail_on.contains(&finding.rule) {
            return LevelResult::Fail;
        }
        let workload = self.workloads.get(finding.workload);
        let level = workload.map_or(LevelResult::Undecided, |one| one.at(self.level));
        match (level, finding.rule) {
            (LevelResult::Fail, rule) if rule.is_gap() => LevelResult::Fail,
            (LevelResult::Fail | LevelResult::Undecided, rule) if rule.is_open() => {
                LevelResult::Undecided
            }
            _ => LevelResult::Pass,
        }
    }
}

impl ReportedWorkload {
    /// Whether no container names an image, so that nothing was judged.
    pub(super) fn is_without_images(&self) -> bool {
        self.images.is_empty() && self.unchecked.is_empty()
    }

    /// How it stands at a level.
    pub(super) fn at(&self, level: Level) -> LevelResult {
        match level {
            Level::Off => LevelResult::Pass,
            Level::Runnable => self.levels.runnable,
            Level::Portable => self.levels.portable,
        }
    }
}

impl Summary {
    fn of(workloads: &[ReportedWorkload]) -> Self {
        let with_images = || workloads.iter().filter(|one| !one.is_without_images());
        let count = |level, wanted| with_images().filter(|one| one.at(level) == wanted).count();
        let images = workloads.iter().flat_map(|workload| &workload.images);
        let images: HashSet<&str> = images.map(ReportedImage::key).collect();
        Self {
            workloads: workloads.len(),
            portable: count(Level::Portable, LevelResult::Pass),
            runnable: count(Level::Runnable, LevelResult::Pass),
            failing: count(Level::Runnable, LevelResult::Fail),
            undecided: count(Level::Runnable, LevelResult::Undecided),
            images: images.len(),
            without_images: workloads.len() - with_images().count(),
        }
    }
}

/// What many workloads have in common: names, candidates, outcomes.
#[derive(Default)]
struct Parts {
    names: HashSet<Arc<str>>,
    candidates: HashSet<Arc<[ReportedCandidate]>>,
    outcomes: HashSet<Arc<[ReportedOutcome]>>,
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

    fn workload(&mut self, judged: &JudgedWorkload) -> ReportedWorkload {
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
        ReportedOutcome {
            platform: self.platform(&at.candidate.platform),
            ..ReportedOutcome::of(at)
        }
    }

    /// Node platforms of the whole cluster. Nodes that differ in emulation share a row.
    fn platforms(&mut self, nodes: &Nodes) -> Vec<ReportedPlatform> {
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
            why: at.explain().to_string(),
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
                stale_seconds: image.outdated.map(|outdated| outdated.age.as_secs()),
                doubts: Vec::new(),
                outcomes: Arc::default(),
                elsewhere: Arc::default(),
            },
            outcomes: Vec::new(),
            elsewhere: Vec::new(),
        }
    }

    fn finish(self, parts: &mut Parts) -> ReportedImage {
        ReportedImage {
            outcomes: shared(&mut parts.outcomes, self.outcomes.into()),
            elsewhere: shared(&mut parts.outcomes, self.elsewhere.into()),
            ..self.image
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
