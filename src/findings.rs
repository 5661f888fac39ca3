//! Findings: the one list that every rendering is made of.
//!
//! [`find`] reads them off the verdicts on one workload. Each names its [`Rule`], which
//! stands once in a catalogue that the documentation, SARIF and `archmatch explain` print.

mod advice;
mod find;
mod finding;
mod identity;
mod judged;
mod rule;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

pub(crate) use self::advice::{PinnedImage, pinned_to_one_platform, publications};
pub use self::find::find;
pub use self::finding::{Acceptance, Finding, Fix, FixKind};
pub use self::identity::{ImageIdentity, WorkloadIdentity, platform_lost, stable_hash};
pub use self::judged::{IMAGE_KIND, JudgedTemplate, JudgedWorkload, Unpinned};
pub use self::rule::{Rule, RuleText, Severity};
