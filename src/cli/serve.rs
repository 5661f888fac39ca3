//! `archmatch serve`: the webhook, its certificate, metrics and probes.

pub mod certificate;
pub mod conditions;
pub(in crate::cli) mod metrics;
mod reload;
pub(in crate::cli) mod source;
pub(in crate::cli) mod status;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use arc_swap::ArcSwap;
use clap::Args;
use futures::FutureExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use self::conditions::{Conditions, Reloads, inform_of_age};
use self::metrics::PartMetrics;
use self::source::{ClusterSource, kube_client};
use self::status::StatusPage;
use super::duration::parse_duration;
use super::exit::Exit;
use super::setup::{self, Registries, RunsFor};
use crate::admission::{self, Reviewer};
use crate::cluster::Cluster;
use crate::config::{Configuration, SecretAccess};
use crate::process::listener::listen;
use crate::process::readiness::Readiness;
use crate::process::server::{ConnectionLimits, Connections, Transport, serve};
use crate::process::shutdown::shutdown;
use crate::process::telemetry;
use crate::process::tls::{ServingCertificate, server_config};

/// Arguments of `archmatch serve`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// Address of the webhook, TLS
    #[arg(long, default_value = "0.0.0.0:10250", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Address of /livez, /readyz and /metrics, plain http
    #[arg(long, default_value = "0.0.0.0:9090", value_name = "ADDR")]
    pub status_listen: SocketAddr,
    /// Certificate chain, PEM; reloaded when it changes
    #[arg(long, requires = "tls_key", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Private key, PEM; reloaded when it changes
    #[arg(long, requires = "tls_cert", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Secret in which the replicas share a self-signed certificate; made when missing
    #[arg(long, value_name = "NAME", conflicts_with = "tls_cert")]
    pub tls_secret: Option<String>,
    /// Service that the API server calls; the self-signed certificate is for its names
    #[arg(long, value_name = "NAME", default_value = "archmatch")]
    pub tls_service: String,
    /// ValidatingWebhookConfiguration whose caBundle is kept up to date
    #[arg(long, value_name = "NAME", requires = "tls_secret")]
    pub webhook_configuration: Option<String>,
    /// Namespace of the Secret and the Service
    #[arg(long, env = "ARCHMATCH_NAMESPACE", default_value = "archmatch")]
    pub namespace: String,
    /// The cluster as files instead of a live one: what `kubectl get
    /// nodes,ns,sa,secrets,runtimeclasses -A -o json` prints (repeatable)
    #[arg(long, value_name = "FILE|DIR|-")]
    pub snapshot: Vec<String>,
    /// How long new connections are still accepted after SIGTERM
    #[arg(long, default_value = "5s", value_parser = parse_duration, value_name = "TIME")]
    pub drain_delay: Duration,
    /// How long reviews in flight may take after that
    #[arg(long, default_value = "20s", value_parser = parse_duration, value_name = "TIME")]
    pub grace_period: Duration,
}

/// Serves until a signal says to stop.
///
/// # Errors
/// What the configuration or a file has wrong; what the API server lacks is waited for.
pub async fn run(arguments: Arguments, config: Option<PathBuf>) -> Result<Exit> {
    let configuration = setup::configuration(config.as_deref())?;
    warn_of_anybody(&configuration);
    let settings = setup::admission_settings(&configuration);
    let settings = Arc::new(ArcSwap::from_pointee(settings));
    let (trigger, shutdown) = shutdown();
    let readiness = Readiness::new();
    let waits = ["nodes", "cache", "socket"].map(|what| readiness.wait_for(what));
    let [nodes_listed, cache_loaded, socket_bound] = waits;
    let mut registry = telemetry::metrics_registry(env!("CARGO_PKG_VERSION"));
    let webhook_configuration = arguments.webhook_configuration.as_deref();
    let conditions = Conditions::new(&readiness, &mut registry, webhook_configuration);
    let reloads = Reloads::register(&mut registry);
    // Tasks end with this set, and with them everything that they hold.
    let mut tasks = JoinSet::new();
    let client = if arguments.snapshot.is_empty() {
        Some(kube_client().await?)
    } else {
        None
    };
    // From here on probes are answered, and say what is waited for.
    let listener = bind(arguments.listen)?;
    let status = StatusPage::open(arguments.status_listen, &readiness, &shutdown, &mut tasks)?;
    drop(socket_bound);
    let serving = certificate::open(
        &arguments,
        client.as_ref(),
        conditions,
        &reloads,
        &mut tasks,
    )?;
    let source = ClusterSource::open(
        client.as_ref(),
        &arguments.snapshot,
        &configuration,
        nodes_listed,
        &mut tasks,
    )?;
    let ClusterSource {
        view,
        secrets,
        cluster,
    } = source;
    inform_of_age(&readiness, cluster.as_ref());
    let mut registries = Registries::open(&configuration, secrets, RunsFor::Reviews).await?;
    drop(cache_loaded);

    let reviewer = Reviewer::new(
        registries.checker.clone(),
        Arc::clone(&view),
        Arc::clone(&settings),
        admission::Metrics::register(&mut registry),
    );
    let connections = Connections::new(ConnectionLimits::webhook());
    registry.register_collector(Box::new(PartMetrics {
        inspector: Arc::clone(&registries.inspector),
        view: Arc::clone(&view),
        freshness: cluster.as_ref().map(Cluster::freshness),
        certificate: Some(Arc::clone(&serving)),
        listeners: vec![
            ("webhook", connections.clone()),
            ("status", status.connections.clone()),
        ],
    }));
    let transport = transport(&configuration, serving, &reloads, &mut tasks)?;
    if let Some(path) = configuration.credentials.docker_config.clone() {
        let inspector = Arc::clone(&registries.inspector);
        let apply = move |text: &[u8]| Ok(inspector.set_docker_config(text)?);
        let failures = reloads.of("docker-config");
        tasks.spawn(reload::follow_contents(path, failures, apply));
    }
    if let Some(path) = config {
        let (sources, failures) = (arguments.snapshot.clone(), reloads.of("configuration"));
        let follow = reload::follow(path, settings, cluster, sources, view, failures);
        tasks.spawn(follow);
    }
    status.show(registry);
    tracing::info!(
        webhook = %listener.local_addr()?,
        status = %status.address,
        version = env!("CARGO_PKG_VERSION"),
        "serving"
    );
    let (end, ended) = oneshot::channel::<()>();
    let kept = registries.keep(ended.map(drop));
    let signals = trigger.on_signals(arguments.drain_delay, arguments.grace_period);
    let router = admission::router(reviewer, admission::Limits::default());
    tokio::select! {
        // Whichever comes first: the grace period is over, or every review is answered.
        answered = signals => answered?,
        () = serve(listener, transport, router, connections, shutdown) => {}
        Some(ended) = tasks.join_next() => bail!("a task ended: {ended:?}"),
    }
    // Every answer is there: what they are made of is written last.
    drop(end);
    kept.await?;
    tracing::info!("stopped");
    Ok(Exit::Success)
}

fn transport(
    configuration: &Configuration,
    serving: Arc<ServingCertificate>,
    reloads: &Reloads,
    tasks: &mut JoinSet<()>,
) -> Result<Transport> {
    let Some(clients) = &configuration.client_auth else {
        return Ok(Transport::Tls {
            config: Arc::new(ArcSwap::from_pointee(server_config(serving, None)?)),
            client_names: Arc::new([]),
        });
    };
    let bundle = std::fs::read(&clients.ca)
        .with_context(|| format!("clientAuth.ca: read {}", clients.ca.display()))?;
    let trusting = move |bundle: &[u8]| server_config(Arc::clone(&serving), Some(bundle));
    let config = Arc::new(ArcSwap::from_pointee(trusting(&bundle)?));
    let current = Arc::clone(&config);
    tasks.spawn(reload::follow_contents(
        clients.ca.clone(),
        reloads.of("client-ca"),
        move |bundle| {
            current.store(Arc::new(trusting(bundle)?));
            Ok(())
        },
    ));
    Ok(Transport::Tls {
        config,
        client_names: clients.names.iter().cloned().collect(),
    })
}

fn bind(address: SocketAddr) -> Result<TcpListener> {
    listen(address).with_context(|| format!("listen on {address}"))
}

/// Reviews are believed, whoever sends them. We see no NetworkPolicy from inside.
fn warn_of_anybody(configuration: &Configuration) {
    let readable = configuration.credentials.secrets != SecretAccess::None;
    if readable && configuration.client_auth.is_none() {
        tracing::warn!(
            "pull secrets may be read (credentials.secrets), and whoever reaches the webhook's \
             port may ask in any namespace's name: set clientAuth, or let only the API server \
             reach the port by a NetworkPolicy"
        );
    }
}
