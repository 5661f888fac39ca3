//! The port of probes and metrics, which are answered until the very end.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use anyhow::Result;
use prometheus_client::registry::Registry as Metrics;
use tokio::task::JoinSet;

use crate::process::readiness::{Readiness, status_router};
use crate::process::server::{ConnectionLimits, Connections, Transport, serve};
use crate::process::shutdown::{Phase, Shutdown, shutdown};

/// Probes and metrics over plain http.
pub(in crate::cli) struct StatusPage {
    pub(in crate::cli) address: SocketAddr,
    pub(in crate::cli) connections: Connections,
    scraped: Arc<OnceLock<Metrics>>,
}

impl StatusPage {
    /// Answers probes from now on, also while requests in flight are finished. Whoever leaves
    /// is not ready.
    pub(in crate::cli) fn open(
        address: SocketAddr,
        readiness: &Readiness,
        leaving: &Shutdown,
        tasks: &mut JoinSet<()>,
    ) -> Result<Self> {
        let listener = super::bind(address)?;
        let address = listener.local_addr()?;
        let scraped = Arc::new(OnceLock::new());
        let router = status_router(readiness.clone(), Arc::clone(&scraped));
        let connections = Connections::new(ConnectionLimits::status());
        let (trigger, until_now) = shutdown();
        let served = serve(
            listener,
            Transport::Plain,
            router,
            connections.clone(),
            until_now,
        );
        let end = leaving.clone();
        tasks.spawn(async move {
            let ended = async {
                end.reached(Phase::Now).await;
                trigger.advance(Phase::Now);
            };
            tokio::join!(served, ended);
            pending::<()>().await;
        });
        let (drain, readiness) = (leaving.clone(), readiness.clone());
        tasks.spawn(async move {
            drain.reached(Phase::Draining).await;
            let _leaving = readiness.wait_for("shutdown");
            pending::<()>().await;
        });
        Ok(Self {
            address,
            connections,
            scraped,
        })
    }

    /// Shows the metrics, which are complete now.
    pub(in crate::cli) fn show(&self, metrics: Metrics) {
        // An error would mean that it was set before.
        let _ = self.scraped.set(metrics);
    }
}
