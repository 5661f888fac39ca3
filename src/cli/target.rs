//! What a command judges against: platforms of flags, a snapshot, or the live cluster.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use tokio::time::timeout;

use super::platform::FlagPlatform;
use super::secrets::LiveSecrets;
use super::snapshot::Snapshot;
use super::{setup, snapshot};
use crate::cluster::{self, view::View};
use crate::config::Configuration;
use crate::domain::node::Nodes;
use crate::registry::NoSecrets;

/// How long the live cluster may take to list its nodes.
const LISTING: Duration = Duration::from_secs(30);

/// Arguments that say what to judge against.
#[derive(Args, Clone, Debug)]
pub struct TargetArguments {
    /// Judge against these platforms instead of nodes, such as linux/amd64,linux/s390x,
    /// s390x for short, or linux/arm64=cri-o (repeatable)
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "[OS/]ARCH[/VARIANT][=RUNTIME]"
    )]
    pub platform: Vec<FlagPlatform>,
    /// The cluster as files instead of a live one: what `kubectl get
    /// nodes,ns,sa,secrets,runtimeclasses -A -o json` prints (repeatable)
    #[arg(long, value_name = "FILE|DIR|-")]
    pub snapshot: Vec<String>,
    /// Kube config of the live cluster
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context in the kube config
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

impl TargetArguments {
    /// The nodes, and what else counts of the cluster, its pull secrets included. Platforms of flags replace the nodes,
    /// also those of a snapshot.
    ///
    /// # Errors
    /// When a snapshot is broken or the cluster cannot be asked.
    pub async fn view(&self, configuration: &Configuration) -> Result<Snapshot> {
        let mut target = if !self.snapshot.is_empty() {
            snapshot::load(&self.snapshot, configuration)?
        } else if !self.platform.is_empty() {
            Snapshot {
                view: View::default(),
                secrets: Arc::new(NoSecrets),
            }
        } else {
            self.live(configuration).await?
        };
        if !self.platform.is_empty() {
            target.view.nodes = self.flag_nodes();
        }
        Ok(target)
    }

    fn flag_nodes(&self) -> Nodes {
        let distinct: BTreeSet<&FlagPlatform> = self.platform.iter().collect();
        distinct.into_iter().map(FlagPlatform::to_node).collect()
    }

    async fn live(&self, configuration: &Configuration) -> Result<Snapshot> {
        let hint = "find the cluster; or name --platform or --snapshot";
        let options = kube::config::KubeConfigOptions {
            context: self.context.clone(),
            ..Default::default()
        };
        let config = match &self.kubeconfig {
            Some(path) => {
                let kubeconfig = kube::config::Kubeconfig::read_from(path)?;
                kube::Config::from_custom_kubeconfig(kubeconfig, &options).await?
            }
            None if self.context.is_some() => kube::Config::from_kubeconfig(&options)
                .await
                .context(hint)?,
            None => kube::Config::infer().await.context(hint)?,
        };
        let client = kube::Client::try_from(config)?;
        let (cluster, watching) = cluster::watch(
            client.clone(),
            setup::node_settings(configuration),
            setup::accounts(configuration),
        );
        let secrets = Arc::new(LiveSecrets {
            client,
            access: configuration.credentials.secrets.clone(),
            view: cluster.view(),
        });
        let listed = async {
            tokio::select! {
                () = watching => bail!("the cluster's watch ended"),
                () = cluster.synced() => Ok(Snapshot {
                    view: cluster.view().load().as_ref().clone(),
                    secrets,
                }),
            }
        };
        timeout(LISTING, listed).await.context(
            "list nodes, namespaces and runtimeclasses of the cluster: no answer in 30 s",
        )?
    }
}
