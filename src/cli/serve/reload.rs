//! The configuration file, followed while the webhook serves.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use arc_swap::ArcSwap;

use crate::admission::Settings;
use crate::cli::{setup, snapshot};
use crate::cluster::Cluster;
use crate::cluster::view::View;
use crate::config::Configuration;

/// How often the file is compared with what counts now.
const CHECK_EVERY: Duration = Duration::from_secs(10);

/// Follows the file: policy, nodes, pools and kinds change at once. Registries, credentials,
/// client authentication and the cache are read at start only, which is said.
pub(super) async fn follow(
    path: PathBuf,
    settings: Arc<ArcSwap<Settings>>,
    cluster: Option<Cluster>,
    sources: Vec<String>,
    view: Arc<ArcSwap<View>>,
) {
    let mut known = std::fs::read(&path).ok();
    let mut counts = Configuration::load(&path).unwrap_or_default();
    let mut timer = tokio::time::interval(CHECK_EVERY);
    loop {
        timer.tick().await;
        let found = std::fs::read(&path).ok();
        if found == known {
            continue;
        }
        known = found;
        let loaded = setup::configuration(Some(&path)).and_then(|configuration| {
            let new = setup::admission_settings(&configuration)?;
            Ok((configuration, new))
        });
        let applied = loaded.and_then(|(configuration, new)| -> Result<Configuration> {
            match &cluster {
                Some(cluster) => cluster.set_settings(setup::node_settings(&configuration)),
                None => view.store(Arc::new(snapshot::load(&sources, &configuration)?.view)),
            }
            settings.store(Arc::new(new));
            Ok(configuration)
        });
        match applied {
            Ok(configuration) => {
                tracing::info!("the configuration changed and counts from now on");
                if needs_restart(&counts, &configuration) {
                    tracing::warn!(
                        "registries, credentials, clientAuth and cache count after a restart"
                    );
                }
                counts = configuration;
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "kept the old configuration");
            }
        }
    }
}

fn needs_restart(old: &Configuration, new: &Configuration) -> bool {
    old.registries != new.registries
        || old.credentials != new.credentials
        || old.client_auth != new.client_auth
        || old.cache != new.cache
}
