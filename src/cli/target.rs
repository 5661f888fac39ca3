//! What a command judges against: platforms of flags, a snapshot, or the live cluster.

use std::collections::BTreeSet;

use anyhow::Result;
use clap::Args;
use tokio::time::Instant;

use super::live::KubeContext;
use super::origin::Target;
use super::platform::FlagPlatform;
use super::snapshot;
use crate::config::Configuration;
use crate::domain::node::{NodePlatform, Nodes};
use crate::report::Unread;

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
    /// What if there were such nodes, too? Spelled as --platform (repeatable)
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "[OS/]ARCH[/VARIANT][=RUNTIME]"
    )]
    pub add_platform: Vec<FlagPlatform>,
    /// What if there were no such nodes any more? Spelled as --platform (repeatable)
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "[OS/]ARCH[/VARIANT][=RUNTIME]"
    )]
    pub drop_platform: Vec<FlagPlatform>,
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
        !self.platform.is_empty() || !self.add_platform.is_empty()
    }

    /// The nodes, and what else counts of the cluster, its pull secrets included. Platforms of
    /// flags replace the nodes, also those of a snapshot.
    pub async fn view(&self, configuration: &Configuration, deadline: Instant) -> Result<Target> {
        let target = if !self.snapshot.is_empty() {
            snapshot::load(&self.snapshot, configuration)?
        } else if !self.platform.is_empty() {
            Target::nothing()
        } else {
            self.cluster.target(configuration, deadline).await?
        };
        Ok(self.with_flags(target))
    }

    /// The same with the workloads of the cluster, and what of a snapshot cannot be read.
    pub async fn cluster(
        &self,
        configuration: &Configuration,
        deadline: Instant,
    ) -> Result<(Target, Vec<Unread>)> {
        let (target, errors) = if self.snapshot.is_empty() {
            let target = self.cluster.target(configuration, deadline).await?;
            (target, Vec::new())
        } else {
            snapshot::load_all(&self.snapshot, configuration)?
        };
        Ok((self.with_flags(target), errors))
    }

    fn with_flags(&self, mut target: Target) -> Target {
        target.view.nodes = self.nodes(target.view.nodes);
        target
    }

    /// The nodes as the flags have them.
    fn nodes(&self, nodes: Nodes) -> Nodes {
        let of_flags = |flags: &[FlagPlatform]| {
            let distinct: BTreeSet<FlagPlatform> = flags.iter().cloned().collect();
            distinct.into_iter().map(|flag| flag.to_node())
        };
        let mut nodes = match self.platform.is_empty() {
            true => nodes,
            false => of_flags(&self.platform).collect(),
        };
        let is_among = |flags: &[FlagPlatform], platform: &NodePlatform| {
            flags.iter().any(|flag| flag.is_of(platform))
        };
        if !self.drop_platform.is_empty() {
            nodes = nodes.without(|platform| is_among(&self.drop_platform, platform));
        }
        for node in of_flags(&self.add_platform) {
            // One that --platform names, too, is there already.
            if !is_among(&self.platform, &node.platform) {
                nodes.insert(node);
            }
        }
        nodes
    }
}
