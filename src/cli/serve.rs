//! `archmatch serve`: the webhook, its certificate, metrics and probes.

pub mod certificate;
pub mod conditions;
mod metrics;
mod reload;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use arc_swap::ArcSwap;
use clap::Args;
use futures::FutureExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use self::conditions::{Conditions, Reloads, inform_of_age};
use super::duration::parse_duration;
use super::exit::Exit;
use super::secrets::LiveSecrets;
use super::setup::{self, Registries, UserCredentials};
use super::snapshot;
use crate::admission::{self, Reviewer};
use crate::cluster::{self, Cluster};
use crate::config::{Configuration, SecretAccess};
use crate::credentials::SecretReader;
use crate::process::listener::listen;
use crate::process::readiness::{Readiness, status_router};
use crate::process::server::{ConnectionLimits, Connections, Transport, serve};
use crate::process::shutdown::{Phase, Shutdown, shutdown};
use crate::process::telemetry;
use crate::process::tls::{ClientAuthorities, ServingCertificate, server_config};

/// How long the API server may take to accept a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long it may say nothing: above the time of any watch, which is the longest silence.
const READ_LIMIT: Duration = Duration::from_secs(75);

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
    let settings = Arc::new(ArcSwap::from_pointee(setup::admission_settings(
        &configuration,
    )));
    let (trigger, shutdown) = shutdown();
    let readiness = Readiness::new();
    let nodes_listed = readiness.wait_for("nodes");
    let cache_loaded = readiness.wait_for("cache");
    let socket_bound = readiness.wait_for("socket");
    let mut registry = telemetry::metrics_registry(env!("CARGO_PKG_VERSION"));
    let conditions = Conditions::new(
        &readiness,
        &mut registry,
        arguments.webhook_configuration.as_deref(),
    );
    let reloads = Reloads::register(&mut registry);
    // Tasks end with this set, and with them everything that they hold.
    let mut tasks = JoinSet::new();

    let live = if arguments.snapshot.is_empty() {
        Some(kube_client().await?)
    } else {
        None
    };
    // From here on probes are answered, and say what is waited for.
    let listener = bind(arguments.listen)?;
    let status_listener = bind(arguments.status_listen)?;
    drop(socket_bound);
    let scraped = Arc::new(OnceLock::new());
    let status = status_router(readiness.clone(), Arc::clone(&scraped));
    let (webhook_address, status_address) = (listener.local_addr()?, status_listener.local_addr()?);
    let status_connections = Connections::new(ConnectionLimits::status());
    tasks.spawn(serve_status(
        status_listener,
        status,
        status_connections.clone(),
        shutdown.clone(),
    ));
    tasks.spawn(unready_while_leaving(readiness.clone(), shutdown.clone()));
    let serving = certificate::open(&arguments, live.as_ref(), conditions, &reloads, &mut tasks)?;
    let (view, secrets, cluster) = match &live {
        Some(client) => {
            let node_settings = setup::node_settings(&configuration);
            let accounts = setup::accounts(&configuration);
            let (cluster, watching) = cluster::watch(client.clone(), node_settings, accounts);
            tasks.spawn(watching);
            inform_of_age(&readiness, cluster.freshness());
            let (synced, view) = (cluster.clone(), cluster.view());
            tasks.spawn(async move {
                synced.synced().await;
                drop(nodes_listed);
                std::future::pending::<()>().await;
            });
            let secrets: Arc<dyn SecretReader> = Arc::new(LiveSecrets {
                client: client.clone(),
                access: configuration.credentials.secrets.clone(),
                view: Arc::clone(&view),
            });
            (view, secrets, Some(cluster))
        }
        None => {
            let snapshot = snapshot::load(&arguments.snapshot, &configuration)?;
            drop(nodes_listed);
            let view = Arc::new(ArcSwap::from_pointee(snapshot.view));
            (view, snapshot.secrets, None)
        }
    };
    let mut registries =
        Registries::open(&configuration, secrets, UserCredentials::Ignored).await?;
    drop(cache_loaded);

    let reviews = admission::Metrics::register(&mut registry);
    let reviewer = Reviewer::new(
        registries.checker.clone(),
        Arc::clone(&view),
        Arc::clone(&settings),
        reviews,
    );

    let connections = Connections::new(ConnectionLimits::webhook());
    metrics::register(
        &mut registry,
        &registries,
        Arc::clone(&view),
        cluster.as_ref().map(Cluster::freshness),
        Arc::clone(&serving),
        [
            ("webhook", connections.clone()),
            ("status", status_connections.clone()),
        ],
    );
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

    // An error would mean that it was set before.
    let _ = scraped.set(registry);
    tracing::info!(
        webhook = %webhook_address,
        status = %status_address,
        version = env!("CARGO_PKG_VERSION"),
        "serving"
    );
    let (end, ended) = oneshot::channel::<()>();
    let kept = registries.keep(ended.map(drop));
    let signals = trigger.on_signals(arguments.drain_delay, arguments.grace_period);
    let webhook = serve(
        listener,
        transport,
        admission::router(reviewer, admission::Limits::default()),
        connections,
        shutdown,
    );
    tokio::select! {
        // Whichever comes first: the grace period is over, or every review is answered.
        answered = signals => answered?,
        () = webhook => {}
        Some(ended) = tasks.join_next() => bail!("a task ended: {ended:?}"),
    }
    // Every answer is there: what they are made of is written last.
    drop(end);
    kept.await?;
    tracing::info!("stopped");
    Ok(Exit::Success)
}

async fn kube_client() -> Result<kube::Client> {
    let config = kube::Config::infer().await.context(
        "find the cluster: neither a service account nor a kube config; or use --snapshot",
    )?;
    limited_client(config)
}

/// A client that waits for the API server no longer than we do.
fn limited_client(mut config: kube::Config) -> Result<kube::Client> {
    config.connect_timeout = Some(CONNECT_LIMIT);
    config.read_timeout = Some(READ_LIMIT);
    config.reset_reader_on_write = true;
    kube::Client::try_from(config).context("prepare calls to the API server")
}

fn transport(
    configuration: &Configuration,
    serving: Arc<ServingCertificate>,
    reloads: &Reloads,
    tasks: &mut JoinSet<()>,
) -> Result<Transport> {
    let Some(clients) = &configuration.client_auth else {
        return Ok(Transport::Tls {
            acceptor: TlsAcceptor::from(Arc::new(server_config(serving, None)?)),
            client_names: Arc::new([]),
        });
    };
    let bundle = std::fs::read(&clients.ca)
        .with_context(|| format!("clientAuth.ca: read {}", clients.ca.display()))?;
    let authorities = ClientAuthorities::from_pem(&bundle)?;
    let config = server_config(serving, Some(Arc::clone(&authorities)))?;
    tasks.spawn(reload::follow_contents(
        clients.ca.clone(),
        reloads.of("client-ca"),
        move |bundle| Ok(authorities.swap(bundle)?),
    ));
    Ok(Transport::Tls {
        acceptor: TlsAcceptor::from(Arc::new(config)),
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

/// Probes are answered until the very end, also while requests in flight are finished.
async fn serve_status(
    listener: TcpListener,
    router: axum::Router,
    connections: Connections,
    leaving: Shutdown,
) {
    let (trigger, until_now) = shutdown();
    tokio::join!(
        serve(listener, Transport::Plain, router, connections, until_now),
        async {
            leaving.reached(Phase::Now).await;
            trigger.advance(Phase::Now);
        },
    );
    std::future::pending::<()>().await;
}

async fn unready_while_leaving(readiness: Readiness, shutdown: Shutdown) {
    shutdown.reached(Phase::Draining).await;
    let _leaving = readiness.wait_for("shutdown");
    std::future::pending::<()>().await;
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_falls_silent_is_given_up_soon_after_the_longest_watch() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let client = limited_client(kube::Config::new(url.parse().unwrap())).unwrap();
        let said = timeout(2 * READ_LIMIT, client.apiserver_version()).await;
        assert!(said.expect("in time").is_err());
        assert!(READ_LIMIT > Duration::from_secs(60));
    }
}
