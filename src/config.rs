//! The configuration file: every key optional, unknown keys refused with their path.
//!
//! README has a sample with each key. What comes out of [`Configuration::parse`] is checked.

mod sections;
mod tree;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use crate::domain::node::{Node, NodeOverride};
use crate::domain::placement::AdmissionPlugin;
use crate::domain::placement::toleration::ComparisonOperators;
use crate::domain::policy::{ForeignImages, Levels, OnUnknown, OwnedPods};
use crate::domain::text::is_hidden;

/// Why a configuration is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}{}{problem}", Place(file.as_deref(), *line), Colon(path))]
pub struct ConfigError {
    file: Option<PathBuf>,
    line: u64,
    path: String,
    problem: String,
}

/// Where in which file: `config.yaml:12: `, as editors and terminals link it.
struct Place<'a>(Option<&'a Path>, u64);

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0, self.1) {
            (None, 0) => Ok(()),
            (None, line) => write!(formatter, "line {line}: "),
            (Some(file), 0) => write!(formatter, "{}: ", file.display()),
            (Some(file), line) => write!(formatter, "{}:{line}: ", file.display()),
        }
    }
}

struct Colon<'a>(&'a str);

impl std::fmt::Display for Colon<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(formatter, "{}: ", self.0)
    }
}

impl ConfigError {
    fn new(line: u64, path: &str, problem: &str) -> Self {
        let printable = |text: &str| {
            let characters = text.chars().map(
                |character| {
                    if is_hidden(character) { '?' } else { character }
                },
            );
            characters.collect()
        };
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

/// The whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// `policy`
    pub policy: PolicySettings,
    /// `nodes`
    pub nodes: NodeSettings,
    /// `pools`: nodes that do not exist yet.
    pub pools: Vec<Node>,
    /// `registries`: by host, the first match wins.
    pub registries: Vec<RegistrySettings>,
    /// `credentials`
    pub credentials: CredentialSettings,
    /// `clientAuth`: who may ask the webhook; everybody where absent.
    pub client_auth: Option<ClientAuth>,
    /// `kinds`: further workload kinds.
    pub kinds: Vec<KindSettings>,
    /// `cache`
    pub cache: CacheSettings,
    /// `audit`
    pub audit: AuditSettings,
}

/// `policy`: what to do about a verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicySettings {
    /// `enforce`, `warn`, `audit`: the cluster's defaults.
    pub levels: Levels,
    /// `onUnknown`
    pub on_unknown: OnUnknown,
    /// `ownedPods`
    pub owned_pods: OwnedPods,
    /// `controllers`: users that count as workload controllers.
    pub controllers: BTreeSet<String>,
    /// `foreignImages`: images that nobody here builds.
    pub foreign_images: ForeignImages,
    /// `verifyChildren`: whether the configs of index entries are read, too.
    pub verify_children: bool,
}

/// `nodes`: how nodes are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSettings {
    /// `countCordoned`: whether cordoned nodes are candidates.
    pub count_cordoned: bool,
    /// `tolerationComparison`: the cluster's feature gate of the operators `Lt` and `Gt`.
    pub toleration_comparison: ComparisonOperators,
    /// `admissionPlugins`: what the cluster's admission adds to pods.
    pub admission_plugins: BTreeSet<AdmissionPlugin>,
    /// `overrides`: what nodes do not say of themselves; the first match wins.
    pub overrides: Vec<NodeOverride>,
}

/// `registries[]`: how to talk to the registries whose host matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrySettings {
    /// `host`: a glob against `host[:port]` as the reference has it.
    pub host: String,
    /// `plainHttp`
    pub plain_http: bool,
    /// `ca`: a PEM file of certificates to trust besides the public ones.
    pub ca: Option<PathBuf>,
    /// `addresses`: which addresses may be contacted.
    pub addresses: AllowedAddresses,
    /// `mirrors`: `host/prefix`, tried in order before the registry itself.
    pub mirrors: Vec<String>,
    /// `blocked`: whether the host is never contacted.
    pub blocked: bool,
    /// `concurrency`: requests at once.
    pub concurrency: u32,
    /// `requestsPerSecond`, with bursts of as many.
    pub requests_per_second: u32,
}

impl Default for RegistrySettings {
    /// The settings of a host that none of the entries matches.
    fn default() -> Self {
        Self {
            host: String::new(),
            plain_http: false,
            ca: None,
            addresses: AllowedAddresses::default(),
            mirrors: Vec::new(),
            blocked: false,
            concurrency: 8,
            requests_per_second: 50,
        }
    }
}

/// `registries[].addresses`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AllowedAddresses {
    /// Public ranges only.
    Public,
    /// Public and private ranges.
    #[default]
    Private,
    /// Loopback and link-local ranges, too.
    Any,
}

/// `credentials`: where look-ups get theirs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CredentialSettings {
    /// `secrets`: which pull secrets of a live cluster may be read.
    pub secrets: SecretAccess,
    /// `dockerConfig`: the operator's own file.
    pub docker_config: Option<PathBuf>,
    /// `providers`: kubelet credential providers.
    pub providers: Option<CredentialProviders>,
}

/// `credentials.secrets`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SecretAccess {
    /// None at all.
    #[default]
    None,
    /// Those of these namespaces.
    Namespaces(BTreeSet<String>),
    /// Those of every namespace.
    Cluster,
}

/// `credentials.providers`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialProviders {
    /// `config`: the kubelet's CredentialProviderConfig.
    pub config: PathBuf,
    /// `binDir`: the folder of the plugins.
    pub bin_dir: PathBuf,
}

/// `clientAuth`: only clients with such a certificate may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuth {
    /// `ca`: a PEM file.
    pub ca: PathBuf,
    /// `names`: common or alternative names; every name of the CA's where empty.
    pub names: BTreeSet<String>,
}

/// `kinds[]`: a workload kind that is not built in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindSettings {
    /// API group.
    pub group: String,
    /// Version in the group, or `*`.
    pub version: String,
    /// Resource, in the plural.
    pub resource: String,
    /// Paths of its pod templates, well formed.
    pub templates: Vec<String>,
}

/// `cache`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheSettings {
    /// `file`: where it outlives the process.
    pub file: Option<PathBuf>,
    /// `digests`: how many documents are kept.
    pub digests: u64,
    /// `tagSeconds`: how long a tag is believed.
    pub tag_lifetime: Duration,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            file: None,
            digests: 20_000,
            tag_lifetime: Duration::from_secs(300),
        }
    }
}

/// `audit`: none where the key is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditSettings {
    /// `interval`: from one pass to the next.
    pub interval: Option<Duration>,
    /// `reports`: which report objects are written.
    pub reports: Option<Reports>,
}

/// `audit.reports`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reports {
    /// `openreports.io/v1alpha1`
    Openreports,
    /// `wgpolicyk8s.io/v1alpha2`
    Policyreport,
    /// Whichever the API server has.
    #[default]
    Auto,
    /// None.
    None,
}

impl Configuration {
    /// Parses a configuration; an empty text is the default one.
    ///
    /// # Errors
    /// The first thing that is wrong, with its path and line.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let document = tree::Document::parse(text)?;
        sections::configuration(&document.root())
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

    /// Reserved keys that are set: accepted, without effect in this version.
    pub fn without_effect(&self) -> Vec<String> {
        let rows = [
            ("audit.interval", self.audit.interval.is_some()),
            ("audit.reports", self.audit.reports.is_some()),
        ];
        let without = rows.into_iter().filter(|(_, set)| *set);
        without.map(|(key, _)| key.to_owned()).collect()
    }
}

#[cfg(test)]
mod tests;
