//! The live cluster, as a person reaches it.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::time::{Instant, timeout_at};

use super::origin::{Target, WorkloadOrigin};
use super::secrets::LiveSecrets;
use super::setup;
use super::terminal;
use crate::cluster::access::{AccessError, look, words};
use crate::cluster::{self, Accounts};
use crate::config::Configuration;

/// How long a connection may take, so that a dead address is known soon.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What to do without a cluster.
const WITHOUT_CLUSTER: &str = "\
  judge against platforms:  archmatch check --platform linux/amd64,linux/arm64 node:22
  or against a snapshot:    archmatch check --snapshot cluster.json node:22";

/// Which cluster of which kube config.
#[derive(Args, Clone, Debug)]
pub struct KubeContext {
    /// Kube config of the live cluster
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context in the kube config
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

impl KubeContext {
    /// The nodes of the cluster, and what else counts of it. An error has the server's address
    /// and its own words, at once where they are final, else at the deadline.
    pub async fn target(&self, configuration: &Configuration, deadline: Instant) -> Result<Target> {
        let (client, server) = self.connect().await?;
        let refused = |refusal: AccessError| {
            anyhow!(
                "the cluster at {server} cannot be judged against: {refusal}\n{WITHOUT_CLUSTER}"
            )
        };
        let accounts = setup::accounts(configuration) == Accounts::Watched;
        let listable = look(&client, accounts, deadline).await.map_err(refused)?;
        if !listable.refused.is_empty() {
            terminal::note(format_args!(
                "the cluster does not let you list {}: what these add to pods does not count",
                listable.refused.join(", ")
            ));
        }
        let settings = setup::node_settings(configuration);
        let (cluster, watching) = cluster::watch(client.clone(), settings, listable.left_out);
        let secrets = Arc::new(LiveSecrets {
            client: client.clone(),
            access: configuration.credentials.secrets.clone(),
            view: cluster.view(),
        });
        let listed = async {
            tokio::select! {
                () = watching => bail!("the cluster's watch ended"),
                () = cluster.synced() => Ok(Target {
                    view: cluster.view().load().as_ref().clone(),
                    secrets,
                    origin: WorkloadOrigin::Live(client),
                }),
            }
        };
        let late =
            || anyhow!("the cluster at {server} did not list its nodes in time\n{WITHOUT_CLUSTER}");
        timeout_at(deadline, listed).await.map_err(|_| late())?
    }

    /// Calls to the cluster.
    ///
    /// # Errors
    /// What the kube config has wrong.
    pub async fn client(&self) -> Result<Client> {
        Ok(self.connect().await?.0)
    }

    /// Calls to the cluster, and the address of its API server.
    async fn connect(&self) -> Result<(Client, String)> {
        let mut config = self.config().await?;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        // It would wait where the server's words should be said.
        config.default_retry = false;
        let server = config.cluster_url.to_string();
        let server = server.trim_end_matches('/').to_owned();
        let program = config.auth_info.exec.as_ref();
        let program = program.and_then(|exec| exec.command.clone());
        let client = Client::try_from(config).map_err(|error| match program {
            Some(program) => anyhow!(
                "get credentials from {program:?}, which the kube config names: {}",
                words(&error)
            ),
            None => anyhow!("use the kube config: {}", words(&error)),
        })?;
        Ok((client, server))
    }

    async fn config(&self) -> Result<Config> {
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..Default::default()
        };
        if let Some(path) = &self.kubeconfig {
            let kubeconfig = Kubeconfig::read_from(path)?;
            return Ok(Config::from_custom_kubeconfig(kubeconfig, &options).await?);
        }
        if self.context.is_some() {
            let config = Config::from_kubeconfig(&options).await;
            return config.with_context(|| "use the kube config".to_owned());
        }
        let files = usual_files();
        if !files.iter().any(|file| file.exists()) && Config::incluster().is_err() {
            let files: Vec<String> = files
                .iter()
                .map(|file| file.display().to_string())
                .collect();
            bail!(
                "no cluster: no kube config at {}\n{WITHOUT_CLUSTER}",
                files.join(", ")
            );
        }
        Config::infer().await.context("use the kube config")
    }

    /// The namespace of the context, where a kube config can be read.
    pub fn namespace(&self) -> Option<String> {
        let config = match &self.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        };
        let config = config.ok()?;
        let wanted = self.context.clone().or(config.current_context)?;
        let mut contexts = config.contexts.into_iter();
        let context = contexts.find(|context| context.name == wanted)?.context?;
        context.namespace.filter(|name| !name.is_empty())
    }
}

/// Where a kube config is looked for.
fn usual_files() -> Vec<PathBuf> {
    match env::var_os("KUBECONFIG").filter(|text| !text.is_empty()) {
        Some(list) => env::split_paths(&list).collect(),
        None => {
            let home = env::home_dir().unwrap_or_default();
            vec![home.join(".kube/config")]
        }
    }
}
