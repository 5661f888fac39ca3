//! What an operator has to know of a webhook that serves: metrics, lines of
//! `/readyz?verbose`, and one line in the log when something changes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::cluster::Cluster;
use crate::process::certificates::{Bundles, Rotation};
use crate::process::readiness::{Readiness, Waiting};

/// A view that is older is worth a line: twice what is normal.
const OLD_VIEW: Duration = Duration::from_secs(60);

/// Adds a line about the age of the view.
pub(in crate::cli) fn inform_of_age(readiness: &Readiness, cluster: Option<&Cluster>) {
    let Some(freshness) = cluster.map(Cluster::freshness) else {
        return;
    };
    readiness.inform("view", move || {
        let age = freshness.age();
        if age <= OLD_VIEW {
            return Ok(());
        }
        let seconds = age.as_secs();
        Err(format!(
            "the API server has not confirmed it for {seconds}s"
        ))
    });
}

/// Files that changed and could not be used, by what they are.
#[derive(Clone, Default)]
pub(super) struct Reloads {
    failures: Family<[(&'static str, &'static str); 1], Counter>,
}

impl Reloads {
    pub(super) fn register(metrics: &mut Registry) -> Self {
        let reloads = Self::default();
        for file in ["configuration", "certificate", "client-ca", "docker-config"] {
            reloads.of(file);
        }
        metrics.register(
            "reload_failures",
            "Changed files that could not be used, so that the old contents still count",
            reloads.failures.clone(),
        );
        reloads
    }

    /// The counter of one file.
    pub(super) fn of(&self, file: &'static str) -> Counter {
        self.failures.get_or_create(&[("file", file)]).clone()
    }
}

/// The state of the certificate that replicas share. Clones share it.
#[derive(Clone)]
pub struct Conditions {
    readiness: Readiness,
    loading: Arc<Mutex<Option<Waiting>>>,
    present: Gauge,
    trusted: Gauge,
    failures: Counter,
    /// Whether the last try failed, whether clocks differ: said when it changes.
    failing: Arc<AtomicBool>,
    skewed: Arc<AtomicBool>,
}

impl Conditions {
    /// Not ready before a certificate is loaded. Where a webhook configuration is looked
    /// after, its metrics are registered.
    pub fn new(readiness: &Readiness, metrics: &mut Registry, configuration: Option<&str>) -> Self {
        let conditions = Self {
            loading: Arc::new(Mutex::new(Some(readiness.wait_for("certificate")))),
            readiness: readiness.clone(),
            present: Gauge::default(),
            trusted: Gauge::default(),
            failures: Counter::default(),
            failing: Arc::default(),
            skewed: Arc::default(),
        };
        metrics.register(
            "reconcile_failures",
            "Failed attempts to keep the certificate and the caBundle in step",
            conditions.failures.clone(),
        );
        if let Some(configuration) = configuration {
            conditions.watch(readiness, metrics, configuration);
        }
        conditions
    }

    fn watch(&self, readiness: &Readiness, metrics: &mut Registry, configuration: &str) {
        // Unknown counts as there: the first answer is a moment away.
        self.present.set(1);
        metrics.register(
            "webhook_configuration_present",
            "Whether the webhook configuration is there",
            self.present.clone(),
        );
        metrics.register(
            "cabundle_trusted",
            "Whether every entry of the webhook configuration trusts what is served",
            self.trusted.clone(),
        );
        let (present, name) = (self.present.clone(), configuration.to_owned());
        readiness.inform("webhook-configuration", move || match present.get() {
            0 => Err(format!(
                "validatingwebhookconfiguration {name} is missing, so nobody asks"
            )),
            _ => Ok(()),
        });
        let trusted = self.trusted.clone();
        readiness.inform("cabundle", move || match trusted.get() {
            0 => Err("an entry does not trust what is served".to_owned()),
            _ => Ok(()),
        });
    }

    /// A certificate is there.
    pub(super) fn loaded(&self) {
        let mut loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        *loading = None;
    }

    /// What the webhook configuration looks like.
    pub(super) fn trusted(&self, bundles: &Bundles, rotation: &Rotation) {
        let (present, trusted) = match bundles {
            Bundles::Unwatched => return,
            Bundles::Missing => (0, false),
            Bundles::Entries(entries) => (1, rotation.is_trusted_by(entries)),
        };
        self.trusted.set(i64::from(trusted));
        match (self.present.set(present), present) {
            (1, 0) => tracing::error!("the webhook configuration is missing: nobody asks"),
            (0, 1) => tracing::info!("the webhook configuration is back"),
            _ => {}
        }
    }

    pub(super) fn skewed(&self, skewed: bool) {
        if skewed && !self.skewed.swap(true, Ordering::Relaxed) {
            tracing::warn!("this clock and the API server's differ; the API server's counts");
        }
        self.skewed.store(skewed, Ordering::Relaxed);
    }

    pub(super) fn reconciled(&self) {
        if self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!("certificate and caBundle are in step again");
        }
    }

    pub(super) fn failed(&self, error: &anyhow::Error) {
        self.failures.inc();
        let error = format!("{error:#}");
        self.readiness.explain("certificate", &error);
        if !self.failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(error, "keep certificate and caBundle in step");
        }
    }
}
