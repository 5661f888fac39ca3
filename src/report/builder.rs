//! Puts a report together, one judged workload at a time.

use std::collections::HashSet;

use super::baseline::Baseline;
use super::lost::{KnownToRun, lost_platforms};
use super::model::*;
use super::observed::Observed;
use super::order::{make_unique, put_in_order, sort};
use super::parts::Parts;
use super::pins::Pins;
use super::readiness::readiness;
use super::siblings::is_split_by_architecture;
use crate::checker::ImageInspector;
use crate::domain::node::Nodes;
use crate::domain::policy::{ForeignImages, Level};
use crate::domain::verdict::LevelResult;
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
#[derive(Clone, Default)]
pub struct Circumstances<'a> {
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
    pub known: Option<&'a KnownToRun>,
    /// What became of pods, where that was asked for.
    pub observed: Option<Observed>,
    /// Who knows the images of the run.
    pub inspector: Option<&'a dyn ImageInspector>,
}

/// A report while workloads are added.
pub struct ReportBuilder {
    request: ReportRequest,
    /// Where each workload belongs, however late its images were known.
    positions: Vec<usize>,
    workloads: Vec<ReportedWorkload>,
    findings: Vec<Finding>,
    parts: Parts,
    pins: Pins,
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
            pins: Pins::default(),
        }
    }

    /// Adds a workload with its position in the input. In a cluster they come in the order
    /// of their names, whatever that is.
    pub fn add(&mut self, place: usize, judged: &JudgedWorkload) {
        let position = self.workloads.len();
        self.positions.push(place);
        self.workloads.push(self.parts.workload(judged));
        self.pins.add(position, judged);
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
    pub fn finish(self, nodes: &Nodes, circumstances: Circumstances<'_>) -> Report {
        let Self {
            request,
            positions,
            mut workloads,
            mut findings,
            mut parts,
            pins,
        } = self;
        if let Some(inspector) = circumstances.inspector {
            findings.extend(pins.findings(&workloads, &findings, inspector));
        }
        put_in_order(request.scope, &positions, &mut workloads, &mut findings);
        let Circumstances {
            errors,
            partial,
            skipped,
            created,
            baseline,
            known,
            observed,
            ..
        } = circumstances;
        let of_baseline = baseline.as_ref().and_then(Baseline::known);
        if let Some(known) = known.or(of_baseline) {
            findings.extend(lost_platforms(known, &workloads));
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
            observed,
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

impl Summary {
    fn of(workloads: &[ReportedWorkload]) -> Self {
        let with_images = || workloads.iter().filter(|one| !one.is_without_images());
        let count = |level, wanted| with_images().filter(|one| one.at(level) == wanted).count();
        let images = workloads.iter().flat_map(|workload| &workload.images);
        let images: HashSet<&str> = images.map(|image| image.key()).collect();
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
