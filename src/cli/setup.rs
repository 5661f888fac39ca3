//! Puts the parts together, the same way for every command.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::JoinHandle;

use crate::admission;
use crate::checker::{Checker, Rules};
use crate::cluster;
use crate::config::{Configuration, SecretAccess};
use crate::credentials::SecretReader;
use crate::credentials::client_files;
use crate::credentials::provider::Providers;
use crate::domain::candidates::{CandidateRules, Cordoned};
use crate::domain::pick::Entries;
use crate::domain::placement::toleration::ComparisonOperators;
use crate::registry::{
    self, CacheFile, CacheWriter, Discretion, Inspector, LookUpSettings, Registry,
};
use crate::suggest::{Advisor, Maintainers};

/// The configuration in a file, or the default one without a file.
pub fn configuration(path: Option<&Path>) -> Result<Configuration> {
    let Some(path) = path else {
        return Ok(Configuration::default());
    };
    Ok(Configuration::load(path)?)
}

/// For whom registries are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunsFor {
    /// The person who runs us, with what docker and podman have for them.
    Person,
    /// Everybody whose reviews wait.
    Reviews,
    /// A pass over the cluster, for which nobody waits.
    Audit,
}

/// How long one look-up may wait for its turn where no review waits: the end of the run ends
/// it.
const PATIENT_LOOKUP: Duration = Duration::from_secs(24 * 60 * 60);

/// A checker over real registries, and what its look-ups count.
pub struct Registries {
    /// Judges pod templates.
    pub checker: Checker,
    /// The registries, with the cache in front of them.
    pub inspector: Arc<Inspector>,
    /// Writes the cache file, where one is configured.
    writer: Option<CacheWriter<Registry>>,
}

impl Registries {
    /// The registries as configured, with the pull secrets that the reader can read, and
    /// with what the cache file has.
    pub async fn open(
        configuration: &Configuration,
        secrets: Arc<dyn SecretReader>,
        runs_for: RunsFor,
    ) -> Result<Self> {
        let mut settings = registry_settings(configuration)?;
        if runs_for == RunsFor::Person {
            settings.client_files = client_files::usual_places();
            settings.discretion = Discretion::Open;
        }
        if runs_for != RunsFor::Reviews {
            settings.limits.lookup = PATIENT_LOOKUP;
        }
        let inspector = Arc::new(registry::open(settings, secrets)?);
        let checker = Checker::new(Arc::clone(&inspector) as _);
        let cache = &configuration.cache;
        let writer = match &cache.file {
            Some(path) => {
                let file = CacheFile::new(path.clone(), cache.digests);
                Some(inspector.keep_in(file).await)
            }
            None => None,
        };
        Ok(Self {
            checker,
            inspector,
            writer,
        })
    }

    /// Finds out what to use instead of images that lack something.
    pub fn advisor(&self, maintainers: Option<Arc<dyn Maintainers>>) -> Advisor {
        advisor(&self.inspector, maintainers)
    }

    /// Writes the cache file, if there is one and anything to write.
    pub async fn close(self) {
        if let Some(mut writer) = self.writer {
            writer.write().await;
        }
    }

    /// Keeps the cache file up to date, until the end and once more then.
    pub fn keep(&mut self, end: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        let writer = self.writer.take();
        tokio::spawn(async move {
            if let Some(writer) = writer {
                writer.keep(end).await;
            }
        })
    }
}

/// Finds out what to use instead of images that lack something, as of now.
pub fn advisor(inspector: &Arc<Inspector>, maintainers: Option<Arc<dyn Maintainers>>) -> Advisor {
    let now = jiff::Timestamp::now().as_second();
    let now = u64::try_from(now).unwrap_or_default();
    Advisor::new(Arc::clone(inspector) as _, maintainers, now)
}

/// How workloads are judged.
pub fn rules(configuration: &Configuration) -> Rules {
    Rules {
        candidates: CandidateRules {
            cordoned: if configuration.nodes.count_cordoned {
                Cordoned::Counted
            } else {
                Cordoned::Excluded
            },
            comparison: if configuration.nodes.toleration_comparison {
                ComparisonOperators::Enabled
            } else {
                ComparisonOperators::Disabled
            },
        },
        entries: if configuration.policy.verify_children {
            Entries::Verified
        } else {
            Entries::Believed
        },
    }
}

/// What the operator knows of nodes.
pub fn node_settings(configuration: &Configuration) -> cluster::DeclaredNodes {
    cluster::DeclaredNodes {
        overrides: configuration.nodes.overrides.clone(),
        pools: configuration.pools.clone(),
        admission_plugins: configuration.nodes.admission_plugins.clone(),
    }
}

/// Whether it matters which pull secrets service accounts give to pods.
pub fn accounts(configuration: &Configuration) -> cluster::Accounts {
    if configuration.credentials.secrets == SecretAccess::None {
        cluster::Accounts::Ignored
    } else {
        cluster::Accounts::Watched
    }
}

/// What the webhook is to do.
pub fn admission_settings(configuration: &Configuration) -> admission::Settings {
    let policy = &configuration.policy;
    admission::Settings {
        levels: policy.levels(),
        on_unknown: policy.on_unknown,
        owned_pods: policy.owned_pods,
        controllers: policy.controllers.clone(),
        foreign_images: policy.foreign_images.clone(),
        rules: rules(configuration),
        kinds: configuration.kinds.clone(),
    }
}

fn registry_settings(configuration: &Configuration) -> Result<LookUpSettings> {
    let docker_config = configuration.credentials.docker_config.as_ref();
    Ok(LookUpSettings {
        hosts: configuration.registries.clone(),
        cache: configuration.cache.clone(),
        docker_config: docker_config.map(read).transpose()?,
        providers: providers(configuration)?,
        ..LookUpSettings::default()
    })
}

fn providers(configuration: &Configuration) -> Result<Option<Providers>> {
    let Some(settings) = &configuration.credentials.providers else {
        return Ok(None);
    };
    let path = settings.config.display();
    let text = fs::read_to_string(&settings.config).with_context(|| format!("read {path}"))?;
    let providers = Providers::new(&text, &settings.bin_dir);
    Ok(Some(providers.with_context(|| format!("use {path}"))?))
}

fn read(path: &PathBuf) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_accounts_are_watched_where_pull_secrets_may_be_read_and_only_there() {
        for (secrets, expected) in [
            ("none", cluster::Accounts::Ignored),
            ("{namespaces: [web]}", cluster::Accounts::Watched),
            ("cluster", cluster::Accounts::Watched),
        ] {
            let text = format!("credentials: {{secrets: {secrets}}}");
            let configuration = Configuration::parse(&text).unwrap();
            assert_eq!(accounts(&configuration), expected, "{secrets}");
        }
    }
}
