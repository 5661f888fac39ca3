//! The configuration file: every key optional, unknown keys refused with their path.
//!
//! Each part has the type of its settings, with their defaults; here they are put together.
//! `docs/configuration.md` and the schemas are generated from these types (`make render`).

mod document;
mod problem;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use self::document::YamlDocument;
use crate::domain::node::NodeOverride;
use crate::domain::placement::AdmissionPlugin;
use crate::domain::policy::{ForeignImages, Level, Levels, OnUnknown, OwnedPods};
use crate::domain::pool::DeclaredPool;
use crate::domain::text::printable;
use crate::go::parse_duration;
use crate::objects::kinds::KindRule;
use crate::registry::{CacheSettings, HostSettings};

/// Why a configuration is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    file: Option<PathBuf>,
    line: u64,
    path: String,
    problem: String,
}

impl fmt::Display for ConfigError {
    /// Begins as editors and terminals link it: `config.yaml:12: `.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (None, 0) => {}
            (None, line) => write!(formatter, "line {line}: ")?,
            (Some(file), 0) => write!(formatter, "{}: ", file.display())?,
            (Some(file), line) => write!(formatter, "{}:{line}: ", file.display())?,
        }
        if !self.path.is_empty() {
            write!(formatter, "{}: ", self.path)?;
        }
        formatter.write_str(&self.problem)
    }
}

impl ConfigError {
    fn new(line: u64, path: &str, problem: &str) -> Self {
        Self {
            file: None,
            line,
            path: printable(path),
            problem: printable(problem),
        }
    }

    /// The path of the key, such as `registries[0].host`; empty for the file itself.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// The configuration file of archmatch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Configuration {
    api_version: Option<ApiVersion>,
    kind: Option<FileKind>,
    /// What to do about a verdict.
    pub policy: PolicySettings,
    /// How nodes are read.
    pub nodes: NodeSettings,
    /// Nodes that do not exist yet.
    pub pools: Vec<DeclaredPool>,
    /// How to talk to registries, by host: the first entry that matches counts.
    pub registries: Vec<HostSettings>,
    /// Where look-ups get credentials.
    pub credentials: CredentialSettings,
    /// Only clients with such a certificate may ask the webhook; everybody where absent.
    pub client_auth: Option<ClientAuth>,
    /// Workload kinds that are not built in.
    pub kinds: Vec<KindRule>,
    /// What is kept of look-ups.
    pub cache: CacheSettings,
    /// How the cluster is audited, where the chart's `audit.enabled` is set.
    pub audit: AuditSettings,
}

/// The version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
enum ApiVersion {
    #[serde(rename = "archmatch.io/v1alpha1")]
    V1Alpha1,
}

/// What the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
enum FileKind {
    Configuration,
}

/// What to do about a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicySettings {
    /// A workload below this level is denied.
    pub enforce: Level,
    /// A workload below this level is admitted with a warning.
    pub warn: Level,
    /// A workload below this level is recorded.
    pub audit: Level,
    /// What an undecided level does.
    pub on_unknown: OnUnknown,
    /// What happens to pods and objects that a controller of the cluster creates.
    pub owned_pods: OwnedPods,
    /// Further users that count as workload controllers; `*` spans anything but a colon.
    #[cfg_attr(test, schemars(inner(regex(pattern = r"^[^\x00-\x1f\x7f]+$"))))]
    pub controllers: Vec<String>,
    /// Images that nobody here builds, as globs against `registry/repository`: no build
    /// command is proposed for them.
    #[cfg_attr(test, schemars(inner(regex(pattern = r"^[^\x00-\x1f\x7f]+$"))))]
    pub foreign_images: ForeignImages,
    /// Whether the configs of index entries are read, too.
    pub verify_children: bool,
}

impl Default for PolicySettings {
    fn default() -> Self {
        let levels = Levels::default();
        Self {
            enforce: levels.enforce,
            warn: levels.warn,
            audit: levels.audit,
            on_unknown: OnUnknown::default(),
            owned_pods: OwnedPods::default(),
            controllers: Vec::new(),
            foreign_images: ForeignImages::default(),
            verify_children: false,
        }
    }
}

impl PolicySettings {
    /// The cluster's levels.
    pub fn levels(&self) -> Levels {
        Levels {
            enforce: self.enforce,
            warn: self.warn,
            audit: self.audit,
        }
    }
}

/// How nodes are read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeSettings {
    /// Whether cordoned nodes are candidates.
    pub count_cordoned: bool,
    /// Whether the operators `Lt` and `Gt` of tolerations count: the cluster's feature gate
    /// `TaintTolerationComparisonOperators`.
    pub toleration_comparison: bool,
    /// What the cluster's admission adds to pods.
    pub admission_plugins: BTreeSet<AdmissionPlugin>,
    /// What nodes do not say of themselves: the first entry that matches counts.
    pub overrides: Vec<NodeOverride>,
}

/// Where look-ups get credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct CredentialSettings {
    /// Which pull secrets of a live cluster may be read.
    pub secrets: SecretAccess,
    /// The operator's own docker `config.json`.
    pub docker_config: Option<PathBuf>,
    /// The kubelet's credential providers.
    pub providers: Option<CredentialProviders>,
}

/// Which pull secrets of a live cluster may be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub enum SecretAccess {
    /// None at all.
    #[default]
    None,
    /// Those of every namespace.
    Cluster,
    /// Those of these namespaces.
    Namespaces(BTreeSet<String>),
}

/// The kubelet's credential providers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CredentialProviders {
    /// A `CredentialProviderConfig`.
    pub config: PathBuf,
    /// The folder of the plugins.
    pub bin_dir: PathBuf,
}

/// Which clients may ask the webhook.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClientAuth {
    /// A PEM file with the CA of their certificates.
    pub ca: PathBuf,
    /// Common or alternative names; every name of the CA's where empty.
    #[serde(default)]
    pub names: BTreeSet<String>,
}

/// How the cluster is audited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditSettings {
    /// From one pass to the next, such as `30m`; `1h` by default, 10 s at least.
    #[serde(deserialize_with = "interval")]
    #[cfg_attr(
        test,
        schemars(with = "Option<String>", regex(pattern = "^([0-9]+[hms])+$"))
    )]
    pub interval: Option<Duration>,
    /// Which report objects are written.
    pub reports: ReportObjects,
    /// Whether a workload gets an event of type `Warning` when drift appears: `PlatformLost`,
    /// `VersionSkew` or `ChildMissing`, one for each new finding.
    pub events: bool,
    /// Whether passes look for other tags of images that lack a platform.
    pub suggest: bool,
}

/// Which report objects are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub enum ReportObjects {
    /// `openreports.io/v1alpha1`
    Openreports,
    /// `wgpolicyk8s.io/v1alpha2`
    Policyreport,
    /// Whichever the API server has, the first of these where it has both.
    #[default]
    Auto,
    /// None.
    None,
}

/// The shortest interval of passes.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(10);

/// A duration as Go writes it.
fn interval<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Duration>, D::Error> {
    match parse_duration(&String::deserialize(source)?) {
        Some(duration) if duration >= SHORTEST_INTERVAL => Ok(Some(duration)),
        _ => Err(D::Error::custom(
            "expected a duration of 10s or more, such as 30s, 15m or 1h30m",
        )),
    }
}

impl Configuration {
    /// Parses a configuration; an empty text is the default one.
    ///
    /// # Errors
    /// The first thing that is wrong, with its path and line.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let document = YamlDocument::parse(text)?;
        let read: Self = document.read()?;
        let mut names = BTreeSet::new();
        for (position, pool) in read.pools.iter().enumerate() {
            if !names.insert(&pool.name) {
                let line = document.line_of_item("pools", position);
                let problem = format!("a second pool named {:?}", pool.name);
                return Err(ConfigError::new(
                    line,
                    &format!("pools[{position}]"),
                    &problem,
                ));
            }
        }
        Ok(read)
    }

    /// Reads and parses a file.
    ///
    /// # Errors
    /// As [`Configuration::parse`], with the file; or that it cannot be read.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::new(0, "", &error.to_string()));
        let parsed = text.and_then(|text| Self::parse(&text));
        parsed.map_err(|error| ConfigError {
            file: Some(path.to_owned()),
            ..error
        })
    }
}

#[cfg(test)]
mod tests;
