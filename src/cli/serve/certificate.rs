//! Which certificate the webhook serves: files, a Secret that the replicas share, or one
//! made for this process alone.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use tokio::task::JoinSet;

use super::Arguments;
use crate::cluster::certificates::{CertificateStore, SharedPair, trust};
use crate::process::certificates::{CHECK_EVERY, PairFiles, SelfSigned};
use crate::process::tls::ServingCertificate;

/// How often the Secret and the caBundle are looked at. Somebody may wipe either.
const RECONCILE_EVERY: Duration = Duration::from_secs(60);

/// How long a first try may take before the process gives up and is started again.
const FIRST_TRIES: usize = 30;

/// The serving certificate, with a task that keeps it up to date.
pub(super) async fn open(
    arguments: &Arguments,
    client: Option<&kube::Client>,
    tasks: &mut JoinSet<()>,
) -> Result<Arc<ServingCertificate>> {
    if let (Some(certificate), Some(key)) = (&arguments.tls_cert, &arguments.tls_key) {
        let files = PairFiles {
            certificate: certificate.clone(),
            key: key.clone(),
        };
        let serving = ServingCertificate::new(files.load()?);
        let follow = files.follow(Arc::clone(&serving), CHECK_EVERY);
        tasks.spawn(follow);
        return Ok(serving);
    }
    let names = service_names(arguments);
    if let (Some(secret), Some(client)) = (&arguments.tls_secret, client) {
        let shared = Shared {
            store: CertificateStore::new(client.clone(), &arguments.namespace, secret),
            client: client.clone(),
            names,
            webhook_configuration: arguments.webhook_configuration.clone(),
        };
        let pair = shared.first().await?;
        let serving = ServingCertificate::new(pair.pair()?);
        tasks.spawn(shared.follow(Arc::clone(&serving), pair));
        return Ok(serving);
    }
    tracing::info!("serving a self-signed certificate that ends with this process");
    Ok(ServingCertificate::new(SelfSigned::make(&names)?.pair()?))
}

/// The names by which the API server calls a Service, and this machine's own.
fn service_names(arguments: &Arguments) -> Vec<String> {
    let (service, namespace) = (&arguments.tls_service, &arguments.namespace);
    vec![
        service.clone(),
        format!("{service}.{namespace}"),
        format!("{service}.{namespace}.svc"),
        format!("{service}.{namespace}.svc.cluster.local"),
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ]
}

struct Shared {
    store: CertificateStore,
    client: kube::Client,
    names: Vec<String>,
    webhook_configuration: Option<String>,
}

impl Shared {
    /// The pair that all replicas serve, and an API server that trusts it. The API server
    /// may be a moment behind at the start of a cluster, so this tries for a while.
    async fn first(&self) -> Result<SelfSigned> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.reconcile().await {
                Ok(pair) => return Ok(pair),
                Err(error) if tries == FIRST_TRIES => return Err(error),
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "share the certificate");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// Reads the pair, renews it when it is due, and has the API server trust it.
    async fn reconcile(&self) -> Result<SelfSigned> {
        let stored = self.store.read().await?;
        let usable =
            |pair: &SelfSigned| pair.pair().is_ok() && !pair.needs_renewal(SystemTime::now());
        let pair = match stored.clone().map(SelfSigned::from).filter(usable) {
            Some(pair) => pair,
            None => {
                let made = SelfSigned::make(&self.names).context("make a certificate")?;
                self.store.offer(made.into(), stored.as_ref()).await?.into()
            }
        };
        if let Some(configuration) = &self.webhook_configuration {
            let changed = trust(self.client.clone(), configuration, &pair.ca).await?;
            if changed {
                tracing::info!("the API server trusts the certificate now");
            }
        }
        Ok(pair)
    }

    async fn follow(self, serving: Arc<ServingCertificate>, mut served: SelfSigned) {
        let mut timer = tokio::time::interval(RECONCILE_EVERY);
        loop {
            timer.tick().await;
            match self.reconcile().await {
                Ok(pair) if pair != served => match pair.pair() {
                    Ok(usable) => {
                        serving.swap(usable);
                        served = pair;
                        tracing::info!("serving a new certificate");
                    }
                    Err(error) => tracing::warn!(%error, "kept the old certificate"),
                },
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "share the certificate");
                }
            }
        }
    }
}

impl From<SharedPair> for SelfSigned {
    fn from(pair: SharedPair) -> Self {
        Self {
            ca: pair.ca,
            certificate: pair.certificate,
            key: pair.key,
        }
    }
}

impl From<SelfSigned> for SharedPair {
    fn from(pair: SelfSigned) -> Self {
        Self {
            ca: pair.ca,
            certificate: pair.certificate,
            key: pair.key,
        }
    }
}
