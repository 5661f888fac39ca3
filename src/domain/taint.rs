//! Taints: what keeps pods away from nodes unless they tolerate it.

use std::fmt;

use serde::Deserialize;

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, strum::Display, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(with = "EffectName"))]
#[serde(from = "EffectName")]
pub enum Effect {
    /// Keeps new pods away.
    NoSchedule,
    /// Keeps new pods away and evicts running ones.
    NoExecute,
    /// Any other effect, `PreferNoSchedule` above all: it never excludes.
    #[strum(to_string = "{0}")]
    Other(String),
}

/// The effects that Kubernetes knows.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
enum EffectName {
    NoSchedule,
    NoExecute,
    PreferNoSchedule,
}

impl From<EffectName> for Effect {
    fn from(name: EffectName) -> Self {
        Self::from_name(&format!("{name:?}"))
    }
}

impl Effect {
    /// The effect of a name in a taint or a toleration.
    pub fn from_name(name: &str) -> Self {
        match name {
            "NoSchedule" => Self::NoSchedule,
            "NoExecute" => Self::NoExecute,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The effect of a name that may be empty, and then is none.
    pub fn named(name: &str) -> Option<Self> {
        (!name.is_empty()).then(|| Self::from_name(name))
    }
}

/// A taint of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Taint {
    /// Qualified name.
    pub key: String,
    /// Value, often empty.
    #[serde(default)]
    pub value: String,
    /// What it does.
    pub effect: Effect,
}

impl fmt::Display for Taint {
    /// As `kubectl describe` prints taints: `key=value:Effect`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.key)?;
        if !self.value.is_empty() {
            write!(formatter, "={}", self.value)?;
        }
        write!(formatter, ":{}", self.effect)
    }
}

/// Taints that node conditions cause and that go by themselves. A node that has one is a
/// candidate again in a moment, so they never exclude. `unschedulable` is the cordon and
/// is judged as such.
/// Source: <https://kubernetes.io/docs/reference/labels-annotations-taints/>
const TEMPORARY_TAINTS: [&str; 7] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/network-unavailable",
    "node.cloudprovider.kubernetes.io/uninitialized",
];

/// The taint that the node controller puts on a cordoned node.
pub const CORDON_TAINT: &str = "node.kubernetes.io/unschedulable";

impl Taint {
    /// Whether the taint says something about the node that soon passes.
    pub fn is_temporary(&self) -> bool {
        TEMPORARY_TAINTS.contains(&self.key.as_str())
    }
}
