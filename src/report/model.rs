//! The published JSON: everything that any rendering needs, and nothing else. What is saved
//! can be read again, and renders to the same bytes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::observed::Observed;
use crate::domain::advice::SearchEnd;
use crate::domain::node::Source;
use crate::domain::outcome::{OutcomeKind, Ternary};
use crate::domain::policy::Level;
use crate::domain::runtime::Runtime;
use crate::domain::tag::TagChange;
use crate::domain::unknown::Reason;
use crate::domain::verdict::LevelResult;
use crate::files::FileError;
use crate::findings::{Finding, Rule};

/// A report, as `check` and `audit` print it with `-o json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The version of this format.
    pub api_version: ReportVersion,
    /// What the document is.
    pub kind: ReportKind,
    /// When it was made, in UTC.
    pub created: String,
    /// What made it.
    pub tool: Tool,
    /// Where the workloads are from.
    pub scope: Scope,
    /// The level that was asked for.
    pub level: Level,
    /// Rules of which any finding counts as a failure, beyond what the level says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fail_on: Vec<Rule>,
    /// Whether the exit code is 0: the level passes, nothing is undecided, everything could
    /// be read, and no pod became what it was not said to become.
    pub passed: bool,
    /// Counts of workloads, and of distinct images.
    pub summary: Summary,
    /// What could not be read: a report with errors is not whole.
    pub errors: Vec<Unread>,
    /// What is missing of the run, such as what was left after Ctrl-C. A partial report does
    /// not pass.
    pub partial: Vec<String>,
    /// Objects of kinds that are neither built in nor configured under `kinds`, so that nobody
    /// knows whether they have pods. Kinds of Kubernetes that never have any, such as
    /// ConfigMap, are not counted.
    pub skipped: Vec<SkippedKind>,
    /// What is worth saying, the most serious first.
    pub findings: Vec<Finding>,
    /// How the workloads stand on each node platform.
    pub readiness: Vec<PlatformReadiness>,
    /// What became of pods beside what is said, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Observed>,
    /// Node platforms of the whole cluster.
    pub platforms: Vec<ReportedPlatform>,
    /// What was judged.
    pub workloads: Vec<ReportedWorkload>,
}

/// The version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum ReportVersion {
    /// The one that this version reads and writes.
    #[serde(rename = "archmatch.io/v1alpha1")]
    V1Alpha1,
}

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum ReportKind {
    /// A report.
    Report,
}

/// What made a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Tool {
    /// The version of archmatch.
    pub version: String,
}

/// Where workloads are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// A cluster, or a snapshot of one.
    Cluster,
    /// Files, and images beside them.
    Files,
    /// Images by name alone.
    Images,
}

/// Counts of workloads, and of distinct image references.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// All of them.
    pub workloads: usize,
    /// Those that run on every platform they may be scheduled on.
    pub portable: usize,
    /// Those that run on one of them at least.
    pub runnable: usize,
    /// Those that are known to run on none.
    pub failing: usize,
    /// Those of which nobody knows whether they run on any.
    pub undecided: usize,
    /// Distinct images, names that are none among them.
    pub images: usize,
    /// Workloads in which no container names an image: they count for no level.
    pub without_images: usize,
}

/// A document that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Unread {
    /// The file, with the line where it is known; or the object.
    pub source: String,
    /// What is wrong.
    pub problem: String,
}

impl From<&FileError> for Unread {
    fn from(error: &FileError) -> Self {
        Self {
            source: error.source_name().to_owned(),
            problem: error.problem().to_owned(),
        }
    }
}

/// Objects of a kind of which nobody knows whether it has pods: neither built in nor
/// configured under `kinds`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SkippedKind {
    /// The kind, as written.
    pub kind: String,
    /// Its API group; absent for the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// How many there are.
    pub count: usize,
}

/// How the workloads stand on one node platform: whether all their images have something for
/// it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PlatformReadiness {
    /// `os/architecture[/variant]`, normalised. The architecture is `unknown` where a pool
    /// leaves it open.
    pub platform: Arc<str>,
    /// Workloads that may be scheduled on it, and every image of theirs has something for it.
    pub ready: usize,
    /// Workloads that may be scheduled on it, and an image of theirs is known to have nothing
    /// for it.
    pub blocked: usize,
    /// Workloads that may be scheduled on it, and nobody knows whether every image of theirs
    /// has something for it.
    pub undecided: usize,
    /// The other workloads that have images: they may not be scheduled on it.
    pub elsewhere: usize,
    /// The DaemonSets among them, which have a pod on every node.
    pub daemon_sets: StateCounts,
    /// The images of the workloads that may be scheduled on it.
    pub images: StateCounts,
    /// The images that keep workloads off the platform, in the order in which publishing them
    /// helps most: each with how many workloads become ready once it and those before it
    /// publish a manifest for the platform.
    pub blockers: Vec<Blocker>,
}

/// How many are ready, blocked and undecided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StateCounts {
    /// Everything is published for the platform.
    pub ready: usize,
    /// Something is known to be lacking.
    pub blocked: usize,
    /// Not known.
    pub undecided: usize,
}

/// An image that keeps workloads off a platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Blocker {
    /// The image as written; the first spelling in the alphabet where there are several.
    pub image: String,
    /// How many workloads become ready with it.
    pub unblocks: usize,
}

/// A node platform of the cluster. Nodes that differ in emulation alone share a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReportedPlatform {
    /// `os/architecture[/variant]`, normalised. The architecture is `unknown` where a pool
    /// leaves it open.
    pub platform: Arc<str>,
    /// The rules by which its runtime matches.
    pub runtime: Runtime,
    /// How many live nodes have it.
    pub nodes: usize,
    /// Where it comes from.
    pub sources: Vec<Source>,
}

/// A workload, judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReportedWorkload {
    /// `apiVersion`, as written.
    pub api_version: String,
    /// `kind`, as written; `Image` for an image given by name.
    pub kind: String,
    /// Absent for an image given by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
    /// The object's uid, where the cluster gave it one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Where it was read, as `file:line`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// How it stands at each level.
    pub levels: ReportedLevels,
    /// The node platforms that its pods may be scheduled on.
    pub candidates: Arc<[ReportedCandidate]>,
    /// Node platforms that only a cordon keeps its pods away from, where no candidate runs
    /// every image and these would or might: then `runnable` is undecided, with reason
    /// `cordoned`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cordoned: Vec<ReportedCandidate>,
    /// Why the other nodes are no candidates, each reason with a count of nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<String>,
    /// What of it was not looked at, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unchecked: Vec<String>,
    /// Its images.
    pub images: Vec<Arc<ReportedImage>>,
}

/// How a workload stands at each level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReportedLevels {
    /// Some candidate platform runs every image.
    pub runnable: LevelResult,
    /// Every candidate platform runs every image.
    pub portable: LevelResult,
}

/// A node platform that pods may be scheduled on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReportedCandidate {
    /// `os/architecture[/variant]`, normalised. The architecture is `unknown` where a pool
    /// leaves it open.
    pub platform: Arc<str>,
    /// The rules by which its runtime matches.
    pub runtime: Runtime,
    /// Up to ten of its nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<Arc<str>>,
    /// How many nodes it has; 0 where there is none yet.
    pub node_count: usize,
    /// Where it comes from.
    pub sources: Vec<Source>,
    /// The pools that could grow such a node, as sentences name them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<String>,
    /// Whether every image of the workload runs there.
    pub value: Ternary,
}

/// An image of a workload.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReportedImage {
    /// The name as written.
    pub image: String,
    /// The normalised name with its tag, its digest, or both; null where the name is no image
    /// reference. The outcome is `invalid` where the kubelet would say InvalidImageName.
    pub reference: Option<String>,
    /// The containers or volumes that name it.
    pub containers: Vec<String>,
    /// The digest that the name leads to, where the registry could be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// How long ago the registry last confirmed its answer, in seconds. Only where that is
    /// longer than `cache.tagSeconds`, or the registry could not be asked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_seconds: Option<u32>,
    /// What speaks against the outcomes, each completing a sentence that begins with the
    /// image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<String>,
    /// What to use instead, the best first; where that was asked for (`--suggest`) and something
    /// is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestions: Option<Arc<Vec<ReportedSuggestion>>>,
    /// What the search for suggestions took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<ReportedSearch>,
    /// What happens on each candidate platform.
    pub outcomes: Arc<[ReportedOutcome]>,
    /// What would happen on the other node platforms, where that was asked for.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub elsewhere: Arc<[ReportedOutcome]>,
}

/// An image to use instead: it was inspected, and has every platform that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReportedSuggestion {
    /// The name, spelled as the one that was asked for.
    pub image: String,
    /// The digest that it leads to.
    pub digest: String,
    /// The platforms that it has.
    pub platforms: Vec<String>,
    /// In what it differs.
    pub change: TagChange,
    /// When it was built, in UTC, where the image says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// In what it differs, in one sentence for people. Its words may change.
    pub what: String,
}

/// What a search for suggestions took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReportedSearch {
    /// How many requests were made beyond the look-up of the image; tokens are not counted.
    pub requests: u8,
    /// How many may be made.
    pub limit: u8,
    /// What ended it.
    pub ended: SearchEnd,
}

/// What happens when an image is started on a node platform.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReportedOutcome {
    /// `os/architecture[/variant]`, normalised. The architecture is `unknown` where a pool
    /// leaves it open.
    pub platform: Arc<str>,
    /// The rules by which its runtime matches.
    pub runtime: Runtime,
    /// What happens.
    pub outcome: OutcomeKind,
    /// The reason, where the outcome is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The way of digests from the index, itself excluded, to what would be pulled; absent
    /// for a plain manifest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub picked: Vec<String>,
    /// What decided, in one sentence for people: the rule and the entry of the index. Its
    /// words may change.
    pub why: Arc<str>,
}
