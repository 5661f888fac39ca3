//! Which certificate the webhook serves: files, a Secret that the replicas share, or one
//! made for this process alone.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use futures::{FutureExt, Stream, StreamExt};
use kube::Client;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::Arguments;
use super::conditions::{Conditions, Reloads};
use crate::cluster::certificates::{CaBundleStore, CertificateStore, Stored, Written};
use crate::process::certificates::{
    Bundles, CHECK_EVERY, Material, PairFiles, Rotation, SelfSigned, Situation,
};
use crate::process::tls::ServingCertificate;

/// How often the Secret and the caBundle are looked at while a change waits for its time.
const PENDING_CHECK: Duration = Duration::from_secs(1);
/// Between two writes: where somebody else keeps writing too, both go on at this pace.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);
/// Clocks that differ by more are worth a line in the log.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);
/// Rounds of reading and writing before others get time to write.
const MAX_ROUNDS: usize = 4;

/// What the replicas of a release share, by names.
#[derive(Clone, Debug)]
pub struct ReleaseNames {
    /// Of the release.
    pub namespace: String,
    /// The Secret with the certificate.
    pub secret: String,
    /// The Service that the API server calls.
    pub service: String,
    /// The webhook configuration whose caBundles are kept up to date.
    pub webhook_configuration: Option<String>,
}

impl ReleaseNames {
    /// The name by which the API server calls the Service.
    /// Source: Kubernetes `staging/src/k8s.io/apiserver/pkg/util/webhook/serviceresolver.go`
    fn called(&self) -> String {
        format!("{}.{}.svc", self.service, self.namespace)
    }

    /// Every name of the Service, and this machine's own.
    pub(super) fn all(&self) -> Vec<String> {
        let called = self.called();
        vec![
            called.clone(),
            format!("{called}.cluster.local"),
            format!("{}.{}", self.service, self.namespace),
            self.service.clone(),
            "localhost".to_owned(),
            "127.0.0.1".to_owned(),
            "::1".to_owned(),
        ]
    }
}

/// The serving certificate, with a task that keeps it up to date.
pub(super) fn open(
    arguments: &Arguments,
    client: Option<&Client>,
    conditions: Conditions,
    reloads: &Reloads,
    tasks: &mut JoinSet<()>,
) -> Result<Arc<ServingCertificate>> {
    if let (Some(certificate), Some(key)) = (&arguments.tls_cert, &arguments.tls_key) {
        let files = PairFiles {
            certificate: certificate.clone(),
            key: key.clone(),
        };
        let serving = ServingCertificate::new(files.load()?);
        conditions.loaded();
        tasks.spawn(files.follow(Arc::clone(&serving), CHECK_EVERY, reloads.of("certificate")));
        return Ok(serving);
    }
    let names = ReleaseNames {
        namespace: arguments.namespace.clone(),
        service: arguments.tls_service.clone(),
        webhook_configuration: arguments.webhook_configuration.clone(),
        secret: arguments.tls_secret.clone().unwrap_or_default(),
    };
    if let (Some(_), Some(client)) = (&arguments.tls_secret, client) {
        let serving = Arc::new(ServingCertificate::default());
        let replica = Replica::new(client.clone(), names, Arc::clone(&serving), conditions)?;
        tasks.spawn(replica.run());
        return Ok(serving);
    }
    tracing::info!("serving a self-signed certificate that ends with this process");
    conditions.loaded();
    let made = SelfSigned::make(&names.all())?;
    Ok(ServingCertificate::new(made.pair()?))
}

/// One replica that shares a certificate with others.
pub struct Replica {
    store: CertificateStore,
    trust: Option<CaBundleStore>,
    rotation: Rotation,
    serving: Arc<ServingCertificate>,
    conditions: Conditions,
    /// Of the Secret, and of the configuration.
    last_writes: [Option<Instant>; 2],
    warned: Option<&'static str>,
}

impl Replica {
    /// A replica that serves nothing yet.
    ///
    /// # Errors
    /// When the Service cannot be called by its name.
    pub fn new(
        client: Client,
        names: ReleaseNames,
        serving: Arc<ServingCertificate>,
        conditions: Conditions,
    ) -> Result<Self> {
        let configuration = names.webhook_configuration.as_deref();
        Ok(Self {
            trust: configuration.map(|name| CaBundleStore::new(client.clone(), name)),
            store: CertificateStore::new(client, &names.namespace, &names.secret),
            rotation: Rotation::new(&names.called(), names.all())?,
            serving,
            conditions,
            last_writes: [None; 2],
            warned: None,
        })
    }

    /// Keeps what is served, the Secret and the caBundles in step, for ever.
    pub async fn run(mut self) {
        let mut changes = Box::pin(self.changes());
        let mut refused = false;
        loop {
            let pending = match self.reconcile().await {
                Ok(pending) => {
                    self.conditions.reconciled();
                    pending
                }
                Err(error) => {
                    self.conditions.failed(&error);
                    true
                }
            };
            let limit = if pending {
                PENDING_CHECK
            } else {
                Duration::MAX
            };
            let mut change = timeout(limit, changes.next()).await.ok().flatten();
            // What was watched says when to read: several events are read once.
            while let Some(event) = change {
                if let Err(error) = &event
                    && !refused
                {
                    tracing::warn!(%error, "watch the certificate");
                }
                refused = event.is_err();
                change = changes.next().now_or_never().flatten();
            }
        }
    }

    fn changes(&self) -> impl Stream<Item = Result<(), kube::Error>> + Send + use<> {
        let configuration = self.trust.as_ref().map(|trust| trust.changes().boxed());
        let configuration = configuration.unwrap_or_else(|| futures::stream::pending().boxed());
        futures::stream::select(self.store.changes(), configuration)
    }

    /// Reads, and does what is to be done; tells whether more is to be done soon.
    async fn reconcile(&mut self) -> Result<bool> {
        for _ in 0..MAX_ROUNDS {
            // In this order: whoever changes the Secret goes on to the configuration, and then
            // what is written on the ground of an older Secret is refused.
            let configuration = match &self.trust {
                Some(trust) => trust.read().await?,
                None => None,
            };
            let stored = self.store.read().await?;
            let bundles = match (&self.trust, &configuration) {
                (None, _) => Bundles::Unwatched,
                (Some(_), None) => Bundles::Missing,
                (Some(_), Some(entries)) => Bundles::Entries(entries.bundles()),
            };
            let material = material(&stored);
            let now = self.now(&stored);
            let step = self.rotation.step(&Situation {
                stored: &material,
                all_watch: stored.all_watch,
                bundles: &bundles,
                now,
                at: Instant::now(),
            })?;
            if let Some(pair) = step.serve {
                self.serving.swap(pair);
                self.conditions.loaded();
                tracing::info!("serving a new certificate");
            }
            self.warn(step.warning);
            self.conditions.trusted(&bundles, &self.rotation);
            if let Some((material, why)) = step.store {
                pace(&mut self.last_writes[0]).await;
                let data = data(material);
                let all_watch = step.is_settled || stored.all_watch;
                let written = self.store.write(&stored, data, all_watch).await?;
                if written == Written::Done {
                    tracing::info!(why, "stored a certificate");
                }
                continue;
            }
            if let (Some(trust), Some(entries)) = (&self.trust, &configuration)
                && entries
                    .bundles()
                    .iter()
                    .any(|bundle| *bundle != material.authorities)
            {
                pace(&mut self.last_writes[1]).await;
                if trust.write(entries, &material.authorities).await? == Written::Done {
                    tracing::info!("wrote the caBundle");
                }
                continue;
            }
            return Ok(step.is_pending);
        }
        Ok(true)
    }

    /// The API server's time, else ours.
    fn now(&self, stored: &Stored) -> SystemTime {
        let own = SystemTime::now();
        let Some(now) = stored.now else {
            return own;
        };
        let differ = now.duration_since(own).or_else(|_| own.duration_since(now));
        let skewed = differ.is_ok_and(|by| by > MAX_CLOCK_SKEW);
        self.conditions.skewed(skewed);
        now
    }

    fn warn(&mut self, warning: Option<&'static str>) {
        if let Some(warning) = warning
            && self.warned != Some(warning)
        {
            tracing::warn!("{warning}");
        }
        self.warned = warning;
    }
}

async fn pace(last: &mut Option<Instant>) {
    if let Some(last) = last {
        sleep(WRITE_INTERVAL.saturating_sub(last.elapsed())).await;
    }
    *last = Some(Instant::now());
}

fn material(stored: &Stored) -> Material {
    Material {
        authorities: stored.value("ca.crt"),
        authority_key: stored.value("ca.key"),
        certificate: stored.value("tls.crt"),
        key: stored.value("tls.key"),
    }
}

fn data(material: Material) -> [(&'static str, Vec<u8>); 4] {
    [
        ("ca.crt", material.authorities),
        ("ca.key", material.authority_key),
        ("tls.crt", material.certificate),
        ("tls.key", material.key),
    ]
}
