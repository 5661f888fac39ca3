//! The report: what was found about workloads, for people and for programs.
//!
//! [`Report`] is the published JSON (`docs/report.schema.json`). Every format is rendered
//! from it alone, so that a saved report gives the same bytes as the run that saved it.

mod baseline;
mod builder;
mod comparison;
mod conclusion;
mod csv;
mod diff;
mod escape;
mod format;
mod github;
mod gitlab;
mod html;
mod image;
mod json;
mod junit;
mod location;
mod lost;
mod markdown;
mod matrix;
mod model;
mod objects;
mod observed;
mod order;
mod parts;
mod pins;
mod rdjson;
mod readiness;
mod sarif;
mod saved;
mod sentence;
mod siblings;
mod style;
mod table;
mod weight;
mod wide;
mod yaml;

pub use self::baseline::Baseline;
pub use self::builder::{Circumstances, ReportBuilder, ReportRequest};
pub use self::diff::{NamedFinding, ReportDiff};
pub use self::format::{Format, RenderError};
pub use self::image::{ImageFailure, ImageReport};
pub use self::json::json;
pub use self::lost::KnownToRun;
pub use self::model::{
    Blocker, PlatformReadiness, Report, ReportedCandidate, ReportedImage, ReportedLevels,
    ReportedOutcome, ReportedPlatform, ReportedSearch, ReportedSuggestion, ReportedWorkload, Scope,
    SkippedKind, StateCounts, Summary, Unread,
};
pub use self::objects::{
    MANAGED_BY, ObjectPlace, ObjectPlan, RESULT_ID, ReportGroup, ReportObject, ResultTime,
};
pub use self::observed::{Difference, Observed};
pub use self::saved::SavedError;
pub use self::style::{Rows, Style};
pub use self::yaml::yaml;

impl Report {
    /// The default view without its last line.
    pub fn body(&self, style: Style) -> String {
        escape::without_commands(table::body(self, style, table::Detail::Short))
    }
}

#[cfg(test)]
mod tests;
