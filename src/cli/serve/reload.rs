//! The configuration file, followed while the webhook serves.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use arc_swap::ArcSwap;
use prometheus_client::metrics::counter::Counter;

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
    failures: Counter,
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
        let loaded = setup::configuration(Some(&path));
        let applied = loaded.and_then(|configuration| -> Result<Configuration> {
            match &cluster {
                Some(cluster) => cluster.set_settings(setup::node_settings(&configuration)),
                None => view.store(Arc::new(snapshot::load(&sources, &configuration)?.view)),
            }
            settings.store(Arc::new(setup::admission_settings(&configuration)));
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
                failures.inc();
                let error = format!("{error:#}");
                tracing::error!(error, "kept the old configuration");
            }
        }
    }
}

/// Follows the contents of a file that something was made of. Contents that cannot be used,
/// half of a file above all, leave the old ones in place.
pub(super) async fn follow_contents(
    path: PathBuf,
    failures: Counter,
    apply: impl Fn(&[u8]) -> Result<()>,
) {
    // What was read at start may have changed since: the first look applies it again.
    let mut known = None;
    let mut timer = tokio::time::interval(CHECK_EVERY);
    loop {
        timer.tick().await;
        let found = std::fs::read(&path).map_err(|error| error.to_string());
        if known.as_ref() == Some(&found) {
            continue;
        }
        let applied = match &found {
            Ok(contents) => apply(contents).map_err(|error| format!("{error:#}")),
            Err(error) => Err(error.clone()),
        };
        let file = path.display();
        match applied {
            Ok(()) if known.is_none() => {}
            Ok(()) => tracing::info!(%file, "the file changed and counts from now on"),
            Err(error) => {
                failures.inc();
                tracing::error!(%file, error, "kept the old contents");
            }
        }
        known = Some(found);
    }
}

fn needs_restart(old: &Configuration, new: &Configuration) -> bool {
    old.registries != new.registries
        || old.credentials != new.credentials
        || old.client_auth != new.client_auth
        || old.cache != new.cache
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn contents_that_cannot_be_used_leave_the_old_ones_and_are_counted_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        write("one");
        let applied = Arc::new(Mutex::new(Vec::new()));
        let failures = Counter::default();
        let seen = Arc::clone(&applied);
        let apply = move |text: &[u8]| {
            anyhow::ensure!(text != b"half", "half of a file");
            seen.lock().unwrap().push(text.to_vec());
            Ok(())
        };
        let follow = tokio::spawn(follow_contents(path.clone(), failures.clone(), apply));
        let later = || sleep(3 * CHECK_EVERY);
        later().await;
        write("half");
        later().await;
        assert_eq!(failures.get(), 1);
        std::fs::remove_file(&path).unwrap();
        later().await;
        assert_eq!(failures.get(), 2);
        write("two");
        later().await;
        assert_eq!(*applied.lock().unwrap(), [b"one", b"two"]);
        assert_eq!(failures.get(), 2);
        follow.abort();
    }
}
