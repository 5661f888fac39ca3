//! What a command judges against: platforms of flags, a snapshot, or the live cluster.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use tokio::time::Instant;

use super::live::KubeContext;
use super::platform::FlagPlatform;
use super::snapshot::{self, Snapshot};
use crate::cluster::view::View;
use crate::config::Configuration;
use crate::credentials::NoSecrets;

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
    #[command(flatten)]
    pub cluster: KubeContext,
}

impl TargetArguments {
    /// Whether platforms stand for nodes.
    pub fn is_by_flags(&self) -> bool {
        !self.platform.is_empty()
    }

    /// The nodes, and what else counts of the cluster, its pull secrets included. Platforms of
    /// flags replace the nodes, also those of a snapshot.
    pub async fn view(&self, configuration: &Configuration, deadline: Instant) -> Result<Snapshot> {
        let mut target = if !self.snapshot.is_empty() {
            snapshot::load(&self.snapshot, configuration)?
        } else if !self.platform.is_empty() {
            Snapshot {
                view: View::default(),
                secrets: Arc::new(NoSecrets),
            }
        } else {
            self.cluster.view(configuration, deadline).await?
        };
        if !self.platform.is_empty() {
            let distinct: BTreeSet<&FlagPlatform> = self.platform.iter().collect();
            target.view.nodes = distinct.into_iter().map(FlagPlatform::to_node).collect();
        }
        Ok(target)
    }
}
