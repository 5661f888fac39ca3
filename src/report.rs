//! The report: what was found about workloads, for people and for programs.
//!
//! [`Report`] is the published JSON (`docs/report.schema.json`); the tables are rendered
//! from the same verdicts.

mod conclusion;
mod format;
mod image;
mod model;
mod table;
mod wide;

pub use self::format::{Format, json};
pub use self::image::{ImageFailure, ImageReport};
pub use self::model::{Report, ReportedOutcome};
pub use self::table::{Style, body as render_body};

use serde::Serialize;

use crate::domain::node::Nodes;
use crate::domain::policy::{Level, LevelResults};
use crate::domain::text::{printable, visible};
use crate::domain::verdict::{LevelResult, Verdict};
use crate::domain::workload::Workload;

/// One workload, judged.
#[derive(Clone, Debug)]
pub struct WorkloadReport {
    /// `apiVersion`, as written.
    pub api_version: String,
    /// `kind`, as written; `Image` for an image given by name.
    pub kind: String,
    /// Namespace; none for an image given by name.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Where it was read, as `file:line`.
    pub source: Option<String>,
    /// One verdict for each pod template.
    pub verdicts: Vec<Verdict>,
    /// The same images on every node platform of the cluster, where that was asked for.
    pub everywhere: Vec<Verdict>,
}

/// The kind of an image given by name.
pub const IMAGE_KIND: &str = "Image";

impl WorkloadReport {
    /// A workload with the verdicts on its templates.
    pub fn of(workload: Workload, source: Option<String>, verdicts: Vec<Verdict>) -> Self {
        Self {
            api_version: workload.api_version,
            namespace: (workload.kind != IMAGE_KIND).then_some(workload.namespace),
            kind: workload.kind,
            name: workload.name,
            source,
            verdicts,
            everywhere: Vec::new(),
        }
    }

    /// How the workload stands at a level. One without images neither passes nor fails.
    pub fn at(&self, level: Level) -> LevelResult {
        if self.is_without_images() {
            return LevelResult::Undecided;
        }
        LevelResults::of(&self.verdicts).at(level)
    }

    /// Whether no container names an image, so that nothing was judged.
    pub fn is_without_images(&self) -> bool {
        let mut verdicts = self.verdicts.iter();
        verdicts.all(|verdict| verdict.images.is_empty() && verdict.overlooked.is_none())
    }

    /// `Deployment web/shop`, as kubectl names things.
    pub fn title(&self) -> String {
        let (kind, name) = (printable(&self.kind), visible(&self.name));
        match &self.namespace {
            Some(namespace) => format!("{kind} {}/{name}", printable(namespace)),
            None if self.kind == IMAGE_KIND => name,
            None => format!("{kind} {name}"),
        }
    }
}

/// Everything that was judged in one run, and the nodes it was judged against.
#[derive(Clone, Debug)]
pub struct ReportInput {
    /// The workloads, in the order of the input.
    pub workloads: Vec<WorkloadReport>,
    /// The nodes.
    pub nodes: Nodes,
    /// The level that was asked for.
    pub level: Level,
    /// Where the workloads are from.
    pub scope: Scope,
    /// What could not be read.
    pub errors: Vec<Unread>,
    /// What is missing of the run.
    pub partial: Vec<String>,
    /// Objects of kinds that are not known.
    pub skipped: Vec<SkippedKind>,
    /// Whether judging nothing at all passes.
    pub may_be_empty: bool,
}

/// Where workloads are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Files, and images beside them.
    Files,
    /// Images by name alone.
    Images,
}

/// A document that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// The file, with the line where it is known.
    pub source: String,
    /// What is wrong.
    pub problem: String,
}

/// Objects of a kind of which nobody knows whether it has pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkippedKind {
    /// The kind, as written.
    pub kind: String,
    /// Its API group; empty for the core group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// How many there are.
    pub count: usize,
}

impl ReportInput {
    /// A run over images by name, of which nothing is left out.
    pub fn of_images(workloads: Vec<WorkloadReport>, nodes: Nodes) -> Self {
        Self {
            workloads,
            nodes,
            level: Level::Portable,
            scope: Scope::Images,
            errors: Vec::new(),
            partial: Vec::new(),
            skipped: Vec::new(),
            may_be_empty: false,
        }
    }

    /// The workloads that have an image.
    fn with_images(&self) -> impl Iterator<Item = &WorkloadReport> {
        let workloads = self.workloads.iter();
        workloads.filter(|judged| !judged.is_without_images())
    }

    /// Whether there is no image at all.
    pub fn is_empty(&self) -> bool {
        self.with_images().next().is_none()
    }

    /// How what has images stands at the asked level.
    pub fn passing(&self) -> LevelResult {
        LevelResult::all(self.with_images().map(|judged| judged.at(self.level)))
    }

    /// Whether all is well, as the exit code says it.
    pub fn is_passed(&self) -> bool {
        self.errors.is_empty()
            && self.partial.is_empty()
            && (self.may_be_empty || !self.is_empty())
            && self.passing() == LevelResult::Pass
    }
}
