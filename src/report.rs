//! The report: what was found about workloads, for people and for programs.
//!
//! [`Report`] is the published JSON (`docs/report.schema.json`); the tables are rendered
//! from the same verdicts.

mod explain;
mod model;
mod table;
mod wide;

pub use self::model::{Report, ReportedOutcome};
pub use self::table::{Style, columns, render as render_table};
pub use self::wide::render as render_wide;

use crate::domain::node::Nodes;
use crate::domain::policy::{Findings, Level};
use crate::domain::text::printable;
use crate::domain::verdict::{Passing, Verdict};

/// One workload, judged.
#[derive(Clone, Debug)]
pub struct Judged {
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

impl Judged {
    /// How the workload stands at a level.
    pub fn at(&self, level: Level) -> Passing {
        Findings::of(&self.verdicts).at(level)
    }

    /// `Deployment web/shop`, as kubectl names things.
    pub fn title(&self) -> String {
        let name = printable(&self.name);
        match &self.namespace {
            Some(namespace) => format!("{} {}/{name}", self.kind, printable(namespace)),
            None if self.kind == "Image" => name,
            None => format!("{} {name}", self.kind),
        }
    }
}

/// Everything that was judged in one run, and the nodes it was judged against.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// The workloads, in the order of the input.
    pub workloads: Vec<Judged>,
    /// The nodes.
    pub nodes: Nodes,
}
