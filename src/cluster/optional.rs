//! Kinds of pools and admission plugins, which the API server may or may not have, and may
//! get while we run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIGroup;
use kube::Client;
use kube::runtime::watcher;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::events::{Events, Watched, events};
use super::state::{Kind, Record};
use crate::domain::node::Source;
use crate::domain::placement::AdmissionPlugin;
use crate::objects::json::ObjectError;
use crate::objects::pool::{self, CLUSTER_API_GROUP, KARPENTER_GROUP, OPENSHIFT_GROUP, PoolRecord};

/// How often the API server is asked which of the kinds it serves.
pub(super) const INTERVAL: Duration = Duration::from_secs(30);

/// How long until the API server is asked again when it did not answer.
const RETRY: Duration = Duration::from_secs(1);

/// How long the API server may take to tell.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// What the API server has of what it may lack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Installed {
    /// Kinds of pools, with the version to ask for.
    pub(super) pools: BTreeMap<Kind, String>,
    /// Admission plugins that its API groups give away.
    pub(super) plugins: BTreeSet<AdmissionPlugin>,
}

/// The API group that every OpenShift cluster has, and no other.
const OPENSHIFT_CONFIG_GROUP: &str = "config.openshift.io";

const KINDS: [(Kind, &str, &str); 5] = [
    (Kind::NodePool, NodePoolKind::GROUP, NodePoolKind::PLURAL),
    (
        Kind::MachineDeployment,
        MachineDeploymentKind::GROUP,
        MachineDeploymentKind::PLURAL,
    ),
    (
        Kind::MachineSet,
        MachineSetKind::GROUP,
        MachineSetKind::PLURAL,
    ),
    (
        Kind::MachinePool,
        MachinePoolKind::GROUP,
        MachinePoolKind::PLURAL,
    ),
    (
        Kind::OpenShiftMachineSet,
        OpenShiftMachineSetKind::GROUP,
        OpenShiftMachineSetKind::PLURAL,
    ),
];

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
            Some((None, (client, RETRY.min(every))))
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
    let ours = |group: &&APIGroup| KINDS.iter().any(|(_, name, _)| *name == group.name);
    for group in groups.iter().filter(ours) {
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
        let found = KINDS.iter().filter(|(_, name, plural)| {
            *name == group.name && resources.iter().any(|resource| resource.name == *plural)
        });
        installed
            .pools
            .extend(found.map(|(kind, _, _)| (*kind, version.version.clone())));
    }
    Ok(installed)
}

/// Whether an error says that the kind is no longer there: the next look finds out.
pub(super) fn is_gone(kind: Kind, error: &watcher::Error) -> bool {
    is_optional(kind) && code(error) == Some(404)
}

/// Whether an error says that the kind may not be read, where decisions can do without it.
pub(super) fn is_refused(kind: Kind, error: &watcher::Error) -> bool {
    (is_optional(kind) || kind == Kind::ServiceAccount) && code(error) == Some(403)
}

fn is_optional(kind: Kind) -> bool {
    KINDS.iter().any(|(optional, _, _)| *optional == kind)
}

fn code(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => Some(status.code),
        watcher::Error::WatchError(status) => Some(status.code),
        _ => None,
    }
}

/// The events of a kind of pools, for as long as it is there.
pub(super) fn stream(client: &Client, kind: Kind, version: &str) -> Events {
    match kind {
        Kind::MachineDeployment => events::<MachineDeploymentKind>(client, version),
        Kind::MachineSet => events::<MachineSetKind>(client, version),
        Kind::MachinePool => events::<MachinePoolKind>(client, version),
        Kind::OpenShiftMachineSet => events::<OpenShiftMachineSetKind>(client, version),
        Kind::NodePool
        | Kind::Node
        | Kind::Namespace
        | Kind::RuntimeClass
        | Kind::ServiceAccount => events::<NodePoolKind>(client, version),
    }
}

/// A pool; one that is broken grows nothing, which is what its own controller makes of it.
fn read(source: Source, group: &'static str, object: &Value) -> PoolRecord {
    pool::read(source, group, object).unwrap_or_else(|error| {
        tracing::warn!("pool is left out: {error}");
        PoolRecord {
            source,
            group,
            name: pool::name(object),
            pool: None,
        }
    })
}

macro_rules! pools {
    ($($type:ident: $kind:ident, $source:ident, $group:ident, $name:literal, $plural:literal;)+) => {
        $(struct $type;

        impl Watched for $type {
            const KIND: Kind = Kind::$kind;
            const GROUP: &'static str = $group;
            const NAME: &'static str = $name;
            const PLURAL: &'static str = $plural;

            fn read(object: &Value) -> Result<Record, ObjectError> {
                Ok(Record::Pool(read(Source::$source, $group, object)))
            }
        })+
    };
}

pools! {
    NodePoolKind: NodePool, NodePool, KARPENTER_GROUP, "NodePool", "nodepools";
    MachineDeploymentKind: MachineDeployment, MachineDeployment, CLUSTER_API_GROUP, "MachineDeployment", "machinedeployments";
    MachineSetKind: MachineSet, MachineSet, CLUSTER_API_GROUP, "MachineSet", "machinesets";
    MachinePoolKind: MachinePool, MachinePool, CLUSTER_API_GROUP, "MachinePool", "machinepools";
    OpenShiftMachineSetKind: OpenShiftMachineSet, MachineSet, OPENSHIFT_GROUP, "MachineSet", "machinesets";
}
