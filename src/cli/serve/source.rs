//! Where the webhook has the cluster from: the API server, or a snapshot.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use tokio::task::JoinSet;

use crate::cli::secrets::LiveSecrets;
use crate::cli::{setup, snapshot};
use crate::cluster::view::View;
use crate::cluster::{self, Cluster};
use crate::config::Configuration;
use crate::credentials::SecretReader;
use crate::process::readiness::Waiting;

/// How long the API server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may say nothing: above the time of any watch, which is the longest silence.
const READ_TIMEOUT: Duration = Duration::from_secs(75);

/// The cluster as reviews see it.
pub(in crate::cli) struct ClusterSource {
    pub(in crate::cli) view: Arc<ArcSwap<View>>,
    pub(in crate::cli) secrets: Arc<dyn SecretReader>,
    /// None of a snapshot.
    pub(in crate::cli) cluster: Option<Cluster>,
}

impl ClusterSource {
    /// Watches the cluster, where there is one, else reads the files of a snapshot, which stays
    /// as it is. Nodes are waited for until they are listed.
    pub(in crate::cli) fn open(
        client: Option<&kube::Client>,
        files: &[String],
        configuration: &Configuration,
        nodes_listed: Waiting,
        tasks: &mut JoinSet<()>,
    ) -> Result<Self> {
        let Some(client) = client else {
            let snapshot = snapshot::load(files, configuration)?;
            return Ok(Self {
                view: Arc::new(ArcSwap::from_pointee(snapshot.view)),
                secrets: snapshot.secrets,
                cluster: None,
            });
        };
        let settings = setup::node_settings(configuration);
        let accounts = setup::accounts(configuration);
        let (cluster, watching) = cluster::watch(client.clone(), settings, accounts);
        tasks.spawn(watching);
        let (synced, view) = (cluster.clone(), cluster.view());
        tasks.spawn(async move {
            synced.synced().await;
            drop(nodes_listed);
            std::future::pending::<()>().await;
        });
        Ok(Self {
            secrets: Arc::new(LiveSecrets {
                client: client.clone(),
                access: configuration.credentials.secrets.clone(),
                view: Arc::clone(&view),
            }),
            view,
            cluster: Some(cluster),
        })
    }
}

/// Calls to the API server of the pod that this is, or of the kube config.
pub(in crate::cli) async fn kube_client() -> Result<kube::Client> {
    let config = kube::Config::infer().await.context(
        "find the cluster: neither a service account nor a kube config; or use --snapshot",
    )?;
    limited_client(config)
}

/// A client that waits for the API server no longer than we do.
fn limited_client(mut config: kube::Config) -> Result<kube::Client> {
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    config.reset_reader_on_write = true;
    kube::Client::try_from(config).context("prepare calls to the API server")
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_falls_silent_is_given_up_soon_after_the_longest_watch() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let client = limited_client(kube::Config::new(url.parse().unwrap())).unwrap();
        let said = timeout(2 * READ_TIMEOUT, client.apiserver_version()).await;
        assert!(said.expect("in time").is_err());
        assert!(READ_TIMEOUT > Duration::from_secs(60));
    }
}
