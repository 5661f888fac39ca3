//! Kinds of pools and admission plugins, which the API server may or may not have, and may
//! get while we run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use kube::Client;
use kube::runtime::watcher;
use tokio::time::{sleep, timeout};

use super::events::pool_resource;
use super::state::WatchedKind;
use crate::domain::placement::AdmissionPlugin;
use crate::objects::pool::PoolKind;

/// How often the API server is asked which of the kinds it serves.
pub(super) const DISCOVERY_INTERVAL: Duration = Duration::from_secs(30);

/// How long until the API server is asked again when it did not answer.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How long the API server may take to tell.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// What the API server has of what it may lack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Installed {
    /// Kinds of pools, with the version to ask for.
    pub(super) pools: BTreeMap<PoolKind, String>,
    /// Admission plugins that its API groups give away.
    pub(super) plugins: BTreeSet<AdmissionPlugin>,
}

/// The API group that every OpenShift cluster has, and no other.
const OPENSHIFT_CONFIG_GROUP: &str = "config.openshift.io";

/// Which kinds of pools are there, now and again.
pub(super) fn discoveries(client: Client, every: Duration) -> BoxStream<'static, Installed> {
    let looks = stream::unfold(
        (client, Duration::ZERO),
        move |(client, pause)| async move {
            sleep(pause).await;
            match timeout(CALL_LIMIT, discover(&client)).await {
                Ok(Ok(installed)) => return Some((Some(installed), (client, every))),
                Ok(Err(error)) => tracing::debug!(%error, "look for kinds of pools"),
                Err(_) => tracing::debug!("look for kinds of pools: no answer in time"),
            }
            Some((None, (client, RETRY_PAUSE.min(every))))
        },
    );
    looks.filter_map(std::future::ready).boxed()
}

async fn discover(client: &Client) -> Result<Installed, kube::Error> {
    let groups = match client.list_api_groups().await {
        Ok(list) => list.groups,
        // Whoever may not look finds nothing.
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => Vec::new(),
        Err(error) => return Err(error),
    };
    let mut installed = Installed::default();
    if groups
        .iter()
        .any(|group| group.name == OPENSHIFT_CONFIG_GROUP)
    {
        installed.plugins.insert(AdmissionPlugin::OpenShift);
    }
    for group in &groups {
        let in_group = |kind: &PoolKind| kind.names().0 == group.name;
        let kinds: Vec<PoolKind> = PoolKind::ALL.into_iter().filter(in_group).collect();
        if kinds.is_empty() {
            continue;
        }
        let preferred = group.preferred_version.as_ref().or(group.versions.first());
        let Some(version) = preferred else { continue };
        let resources = match client
            .list_api_group_resources(&version.group_version)
            .await
        {
            Ok(list) => list.resources,
            // It went in this moment.
            Err(kube::Error::Api(status)) if status.code == 404 => continue,
            Err(error) => return Err(error),
        };
        let found = kinds.into_iter().filter(|kind| {
            let wanted = pool_resource(*kind, &version.version);
            resources.iter().any(|found| found.name == wanted.plural)
        });
        let found = found.map(|kind| (kind, version.version.clone()));
        installed.pools.extend(found);
    }
    Ok(installed)
}

/// Whether an error says that the kind is no longer there: the next look finds out.
pub(super) fn is_gone(kind: WatchedKind, error: &watcher::Error) -> bool {
    is_optional(kind) && code(error) == Some(404)
}

/// Whether an error says that the kind may not be read, where decisions can do without it.
pub(super) fn is_refused(kind: WatchedKind, error: &watcher::Error) -> bool {
    (is_optional(kind) || kind == WatchedKind::ServiceAccount) && code(error) == Some(403)
}

fn is_optional(kind: WatchedKind) -> bool {
    matches!(kind, WatchedKind::Pool(_))
}

fn code(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => Some(status.code),
        watcher::Error::WatchError(status) => Some(status.code),
        _ => None,
    }
}
