//! The kubelet's credential providers: programs that make credentials for clouds.
//!
//! The kubelet's own configuration file and protocol, so that what runs on the nodes runs
//! here. Source: <https://kubernetes.io/docs/tasks/administer-cluster/kubelet-credential-provider/>
//! and Kubernetes `pkg/credentialprovider/plugin`.
//!
//! Absent on purpose: `tokenAttributes`, for which a program would get a pod's token.

mod response;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use serde::Deserialize;
use serde_json::json;
use thiserror::Error;
use tokio::time::{Instant, timeout};

use super::Credential;
use super::keyring::{self, Keyring};
use super::program;
use crate::domain::access::Tenant;
use crate::domain::reference::RepositoryName;
use crate::domain::unknown::Unknown;
use crate::go::parse_duration;
use crate::work::flight::Flights;
use crate::work::turns::Turns;
use response::{CacheKeyType, read};

const CONFIG_VERSION: &str = "kubelet.config.k8s.io/v1";
const CONFIG_KIND: &str = "CredentialProviderConfig";
const PROTOCOL_VERSION: &str = "credentialprovider.kubelet.k8s.io/v1";
/// How long a program that failed is not run again for the same image.
const FAILURE_PAUSE: Duration = Duration::from_secs(10);
/// Longest time that an answer is kept, whatever the program says.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// How much of one program's answers is kept, in bytes, and what one takes beside its texts.
const MAX_KEPT_BYTES: u64 = 4 * 1024 * 1024;
const ENTRY_OVERHEAD_BYTES: usize = 512;
/// How many programs run at once: some take as much memory as we do.
const MAX_PROGRAMS: usize = 4;
/// How many runs of one tenant may wait, and how long each.
const MAX_RUNS_WAITING: usize = 64;
const MAX_WAIT: Duration = Duration::from_secs(15);

/// Why a provider configuration cannot be used.
#[derive(Debug, Error)]
pub enum ProviderError {
    /// The file is no provider configuration.
    #[error("the credential provider configuration cannot be read: {0}")]
    Shape(String),
    /// A provider cannot be used.
    #[error("credential provider {name:?}: {problem}")]
    Provider {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: &'static str,
    },
}

/// The configured providers. Tenants take turns at running their programs.
pub struct Providers {
    all: Vec<Arc<Provider>>,
}

struct Provider {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    patterns: Vec<String>,
    lifetime: Duration,
    kept: Cache<String, KeptKeyring>,
    /// Those of all providers.
    turns: Turns<Tenant>,
    flights: Flights<String, Option<Given>>,
}

#[derive(Clone)]
struct KeptKeyring {
    keyring: Arc<Keyring>,
    until: Instant,
    bytes: usize,
}

/// What a program gave when it was run for an image.
#[derive(Clone, Default)]
struct Given {
    keyring: Arc<Keyring>,
    /// Whether it is for this image alone.
    only_for: Option<RepositoryName>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ConfigFile {
    api_version: String,
    kind: String,
    providers: Vec<ProviderEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProviderEntry {
    name: String,
    match_images: Vec<String>,
    default_cache_duration: String,
    api_version: String,
    #[serde(default)]
    args: Option<Vec<String>>,
    #[serde(default)]
    env: Option<Vec<Variable>>,
    #[serde(default)]
    token_attributes: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Variable {
    name: String,
    #[serde(default)]
    value: String,
}

impl Providers {
    /// The providers of a kubelet's `CredentialProviderConfig`, whose programs are in a
    /// folder.
    ///
    /// # Errors
    /// [`ProviderError`] with the first thing that is wrong; a missing program is one.
    pub fn new(config: &str, folder: &Path) -> Result<Self, ProviderError> {
        let file: ConfigFile = serde_saphyr::from_str(config)
            .map_err(|error| ProviderError::Shape(error.to_string()))?;
        if file.api_version != CONFIG_VERSION || file.kind != CONFIG_KIND {
            let expected = format!("expected kind {CONFIG_KIND} of {CONFIG_VERSION}");
            return Err(ProviderError::Shape(expected));
        }
        if file.providers.is_empty() {
            return Err(ProviderError::Shape("it has no providers".to_owned()));
        }
        let turns = Turns::new(MAX_PROGRAMS, MAX_RUNS_WAITING);
        let providers = file.providers.into_iter();
        let all = providers.map(|entry| Provider::new(entry, folder, turns.clone()).map(Arc::new));
        let all = all.collect::<Result<_, _>>()?;
        Ok(Self { all })
    }

    /// Whether a provider is for the repository.
    pub(crate) fn may_know(&self, repository: &RepositoryName) -> bool {
        self.all.iter().any(|provider| provider.is_for(repository))
    }

    /// The credentials for the repository, on the tenant's account.
    pub(crate) async fn find(
        &self,
        repository: &RepositoryName,
        tenant: &Tenant,
    ) -> Result<Vec<Arc<Credential>>, Unknown> {
        let providers = self.all.iter();
        let fitting = providers.filter(|provider| provider.is_for(repository));
        let keyrings = fitting.map(|provider| provider.keyring(repository, tenant));
        let keyrings: Option<Vec<_>> = join_all(keyrings).await.into_iter().collect();
        let keyrings = keyrings.ok_or_else(|| {
            Unknown::over_budget("too many credential programs are waiting to be run")
        })?;
        let all = keyrings.iter().map(AsRef::as_ref).enumerate();
        let found = keyring::find(all, repository);
        Ok(found
            .into_iter()
            .map(|(_, credential)| credential)
            .collect())
    }
}

impl Provider {
    fn new(
        entry: ProviderEntry,
        folder: &Path,
        turns: Turns<Tenant>,
    ) -> Result<Self, ProviderError> {
        let refuse = |problem| ProviderError::Provider {
            name: entry.name.clone(),
            problem,
        };
        let is_plain = !entry.name.is_empty()
            && !matches!(entry.name.as_str(), "." | "..")
            && !entry.name.contains(['/', '\\', ' ', '\0']);
        if !is_plain {
            return Err(refuse("the name must be that of a program, without a path"));
        }
        if entry.api_version != PROTOCOL_VERSION {
            return Err(refuse(
                "apiVersion must be credentialprovider.kubelet.k8s.io/v1",
            ));
        }
        if entry.match_images.is_empty() {
            return Err(refuse("matchImages is empty, so it would never be asked"));
        }
        if entry.token_attributes.is_some() {
            return Err(refuse("tokenAttributes are not supported"));
        }
        let lifetime = parse_duration(&entry.default_cache_duration)
            .ok_or_else(|| refuse("defaultCacheDuration must be a duration such as 12h"))?;
        let program = folder.join(&entry.name);
        if !program.is_file() {
            return Err(refuse("binDir has no such program"));
        }
        let variables = entry.env.unwrap_or_default().into_iter();
        Ok(Self {
            program,
            arguments: entry.args.unwrap_or_default(),
            environment: variables
                .map(|variable| (variable.name, variable.value))
                .collect(),
            patterns: entry.match_images,
            lifetime,
            name: entry.name,
            kept: Cache::builder()
                .weigher(|key: &String, kept: &KeptKeyring| {
                    u32::try_from(ENTRY_OVERHEAD_BYTES + key.len() + kept.bytes).unwrap_or(u32::MAX)
                })
                .max_capacity(MAX_KEPT_BYTES)
                // What was just paid for with a process is always kept.
                .eviction_policy(EvictionPolicy::lru())
                .build(),
            turns,
            flights: Flights::default(),
        })
    }

    fn is_for(&self, repository: &RepositoryName) -> bool {
        let mut patterns = self.patterns.iter();
        patterns.any(|pattern| keyring::matches(pattern, repository))
    }

    /// What the program gives for the image; nothing if it may not be run now. It says only
    /// afterwards for how many images its answer is, so those of one registry wait for the
    /// first.
    async fn keyring(
        self: &Arc<Self>,
        repository: &RepositoryName,
        tenant: &Tenant,
    ) -> Option<Arc<Keyring>> {
        for key in [repository.registry().to_string(), repository.to_string()] {
            if let Some(kept) = self.kept(repository) {
                return Some(kept);
            }
            let start = || {
                let (provider, repository) = (Arc::clone(self), repository.clone());
                let tenant = tenant.clone();
                async move { provider.run(repository, tenant).await }.boxed()
            };
            // Work that ended without a value gave nothing.
            let given = self.flights.join(key, || None, start).await;
            let given = given.unwrap_or_else(|| Some(Given::default()))?;
            let fits = |only: &RepositoryName| only == repository;
            if given.only_for.as_ref().is_none_or(fits) {
                return Some(given.keyring);
            }
        }
        Some(Arc::default())
    }

    fn kept(&self, repository: &RepositoryName) -> Option<Arc<Keyring>> {
        let whole = repository.to_string();
        let keys = [&*whole, repository.registry(), ""];
        let kept = keys.into_iter().find_map(|key| {
            let kept = self.kept.get(key)?;
            (Instant::now() < kept.until).then_some(kept)
        });
        kept.map(|kept| kept.keyring)
    }

    /// Runs the program for an image, on the tenant's account, and keeps what it gives.
    async fn run(&self, repository: RepositoryName, tenant: Tenant) -> Option<Given> {
        let turn = timeout(MAX_WAIT, self.turns.enter(tenant)).await;
        let _place = turn.ok().flatten()?;
        let request = json!({
            "apiVersion": PROTOCOL_VERSION,
            "kind": "CredentialProviderRequest",
            "image": repository.to_string(),
        });
        let input = request.to_string();
        let (program, arguments) = (&self.program, &self.arguments);
        let output = program::run(program, arguments, &self.environment, input.as_bytes()).await;
        let bytes = output.as_ref().map_or(0, |output| output.len());
        let answer = output
            .map_err(|error| error.to_string())
            .and_then(|output| read(&output).map_err(str::to_owned));
        let (keyring, key_type, lifetime) = match answer {
            Ok((keyring, key_type, stated)) => (keyring, key_type, stated.unwrap_or(self.lifetime)),
            // As for the kubelet, it has then no credentials.
            Err(error) => {
                tracing::warn!(provider = self.name, "credential provider: {error}");
                (Keyring::default(), CacheKeyType::Image, FAILURE_PAUSE)
            }
        };
        let key = match key_type {
            CacheKeyType::Image => repository.to_string(),
            CacheKeyType::Registry => repository.registry().to_string(),
            CacheKeyType::Global => String::new(),
        };
        let keyring = Arc::new(keyring);
        if !lifetime.is_zero() {
            let entry = KeptKeyring {
                keyring: Arc::clone(&keyring),
                until: Instant::now() + lifetime.min(MAX_LIFETIME),
                // Parsed, an answer takes a few times its size.
                bytes: bytes * 3,
            };
            self.kept.insert(key, entry);
        }
        Some(Given {
            keyring,
            only_for: (key_type == CacheKeyType::Image).then_some(repository),
        })
    }
}

impl fmt::Debug for Providers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.all.iter().map(|provider| &provider.name);
        formatter.debug_list().entries(names).finish()
    }
}

#[cfg(test)]
mod tests;
