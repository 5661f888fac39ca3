//! One thing worth saying of one workload.

use serde::{Deserialize, Serialize};

use super::{Rule, Severity};

/// One thing worth saying of one image of one workload: a rule's name, where, what, why, what
/// next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The same for as long as rule, workload, containers, repository and platform are: no
    /// tag, digest, time or words. Unique in a report.
    pub id: String,
    /// What it is about.
    pub rule: Rule,
    /// How much it matters.
    pub severity: Severity,
    /// Its workload, as a position in the report's `workloads`.
    pub workload: usize,
    /// The containers or volumes that name the image.
    #[serde(default)]
    pub containers: Vec<String>,
    /// The image as written; absent where it is of the workload as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The platforms concerned.
    pub platforms: Vec<String>,
    /// What is so, in one sentence.
    pub what: String,
    /// Why it matters here.
    pub why: String,
    /// What to do about it.
    pub next: String,
    /// What decided it, beyond the image itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// Changes of the workload that mend it, as data.
    #[serde(default)]
    pub fixes: Vec<Fix>,
    /// The file and line of the workload's document, where it is from a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// That a baseline accepts it: then it counts for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Acceptance>,
    /// The last day on which a baseline accepted it, where that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired: Option<String>,
}

/// Why a finding is accepted, and until when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Acceptance {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The last day on which it holds, as YYYY-MM-DD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// A change that mends a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Fix {
    /// What sort of change it is.
    #[serde(rename = "type")]
    pub kind: FixKind,
    /// The field of the object, such as `spec.template.spec.nodeSelector`.
    pub path: String,
    /// What is there.
    pub old: String,
    /// What is to be there; empty where it is to go.
    pub new: String,
}

/// The sorts of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::Display, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum FixKind {
    /// Another tag.
    Retag,
    /// The digest of the index.
    Repin,
    /// A narrower placement.
    Constrain,
    /// A wider placement.
    Unpin,
    /// Nothing but time.
    Wait,
    /// A build for the platform.
    Build,
}
