//! The accept loop: HTTP/1.1 over TLS or plain, with limits, and an end in phases.
//!
//! The API server keeps connections open for 90 s and speaks only HTTP/1.1 to a webhook.
//! Everybody else on the network may connect too, so every wait has a bound, and nobody
//! waits in the kernel's queue behind who says nothing.

mod connections;
mod progress;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::http::header::{CONNECTION, HeaderValue};
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::LazyConfigAcceptor;
use tokio_util::io::InspectReader;
use tower_service::Service;

pub use self::connections::Connections;
use self::connections::{ConnectionPlace, sweep_period};
use self::progress::ConnectionStage;
use super::shutdown::{Phase, Shutdown};
use super::tls::has_name;

/// Bounds of one server.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// Connections that are open at the same time.
    pub connections: usize,
    /// How many of them one address may have.
    pub connections_of_a_peer: usize,
    /// Time for a TLS handshake.
    pub handshake: Duration,
    /// Time from the first byte of a request to the last one of its head.
    pub head: Duration,
    /// Time between two requests; above the API server's 90 s.
    pub idle: Duration,
    /// What handshake, head and idle time shrink to while three quarters of the connections
    /// are open, for the peers that have the most.
    pub pressed: Duration,
    /// Size of a request's head.
    pub head_bytes: usize,
}

impl ConnectionLimits {
    /// Bounds for the webhook. An API server has as many connections as reviews at the same
    /// time, some hundreds at most.
    pub fn webhook() -> Self {
        Self {
            connections: 1024,
            connections_of_a_peer: 512,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(120),
            pressed: Duration::from_secs(2),
            head_bytes: 16 * 1024,
        }
    }

    /// Bounds for probes and metrics: a few clients that ask every few seconds.
    pub fn status() -> Self {
        Self {
            connections: 128,
            connections_of_a_peer: 32,
            handshake: Duration::from_secs(5),
            head: Duration::from_secs(5),
            idle: Duration::from_secs(60),
            pressed: Duration::from_secs(2),
            head_bytes: 8 * 1024,
        }
    }
}

/// How connections are secured.
#[derive(Clone)]
pub enum Transport {
    /// No TLS: probes and metrics.
    Plain,
    /// TLS; where names are given, clients must have a certificate with one of them.
    Tls {
        /// For new connections; can be replaced while others go on.
        config: Arc<ArcSwap<ServerConfig>>,
        /// Names that client certificates may have; empty means any.
        client_names: Arc<[String]>,
    },
}

/// Serves until the shutdown says to stop, and then until the requests in flight are
/// answered or the shutdown says now. Each request has its peer's [`IpAddr`] as an
/// extension.
pub async fn serve(
    listener: TcpListener,
    transport: Transport,
    router: Router,
    connections: Connections,
    shutdown: Shutdown,
) {
    let mut tasks = JoinSet::new();
    let mut sweep = tokio::time::interval(sweep_period(connections.limits()));
    loop {
        let accepted = tokio::select! {
            () = shutdown.reached(Phase::Stopping) => break,
            accepted = accept(&listener, &connections) => accepted,
            _ = sweep.tick() => {
                connections.sweep();
                continue;
            }
            Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
        };
        let Some((stream, peer)) = accepted else {
            continue;
        };
        // Who finds no place is closed here, before a handshake costs anything.
        let Some(place) = connections.enter(peer) else {
            continue;
        };
        let served = ConnectionContext {
            router: router.clone(),
            shutdown: shutdown.clone(),
            peer,
            place,
            head_bytes: connections.limits().head_bytes,
        };
        // The handshake is in the task too: a stalled one holds up nobody.
        tasks.spawn(connection(stream, transport.clone(), served));
    }
    drop(listener);
    tokio::select! {
        () = shutdown.reached(Phase::Now) => {}
        () = async { while tasks.join_next().await.is_some() {} } => {}
    }
}

async fn accept(listener: &TcpListener, connections: &Connections) -> Option<(TcpStream, IpAddr)> {
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Answers are one small write; waiting for more would only delay them.
            let _ = stream.set_nodelay(true);
            // An IPv4 address is the same peer on a listener for both families.
            Some((stream, peer.ip().to_canonical()))
        }
        Err(error) => {
            // Out of file descriptors, most likely: others have to end first.
            tracing::warn!(%error, "accept a connection");
            connections.dismiss_one();
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// What one connection is served with.
struct ConnectionContext {
    router: Router,
    shutdown: Shutdown,
    peer: IpAddr,
    place: ConnectionPlace,
    head_bytes: usize,
}

async fn connection(stream: TcpStream, transport: Transport, served: ConnectionContext) {
    match transport {
        Transport::Plain => requests(stream, served).await,
        Transport::Tls {
            config,
            client_names,
        } => {
            let progress = Arc::clone(&served.place.progress);
            let handshake = async {
                let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
                progress.begin_handshake();
                hello.into_stream(config.load_full()).await
            };
            let shaken = tokio::select! {
                // Who has lost its place costs no signature any more.
                biased;
                () = progress.dismissed() => return,
                shaken = handshake => shaken,
            };
            let Ok(stream) = shaken else {
                return;
            };
            let certificates = stream.get_ref().1.peer_certificates();
            let leaf = certificates.and_then(|certificates| certificates.first());
            let known = leaf.is_some_and(|leaf| has_name(leaf, &client_names));
            if client_names.is_empty() || known {
                requests(stream, served).await;
            }
        }
    }
}

async fn requests<S>(stream: S, served: ConnectionContext)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let served = Arc::new(served);
    let progress = Arc::clone(&served.place.progress);
    // Who connects has something to say, so the first head begins at once.
    progress.enter(ConnectionStage::Head);
    let stream = {
        let progress = Arc::clone(&progress);
        InspectReader::new(stream, move |bytes: &[u8]| progress.hear(bytes))
    };
    let service = {
        let served = Arc::clone(&served);
        hyper::service::service_fn(move |mut request: Request<Incoming>| {
            let served = Arc::clone(&served);
            served.place.progress.enter(ConnectionStage::Answering);
            request.extensions_mut().insert(served.peer);
            async move {
                let answer = served.router.clone().call(request.map(Body::new));
                let mut response: Response<Body> = answer.await?;
                if served.shutdown.phase() > Phase::Running {
                    // The client opens its next connection to somebody who stays.
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(CONNECTION, close);
                }
                served.place.progress.enter(ConnectionStage::Idle);
                Ok::<_, std::convert::Infallible>(response)
            }
        })
    };
    let connection = http1::Builder::new()
        // hyper's also runs between two requests, so it would cut off who is idle after the
        // time for a head; and where places are short it cannot shrink. The table of
        // connections knows both, and needs no timer a request.
        .header_read_timeout(None)
        .max_buf_size(64 * 1024)
        .max_header_size(served.head_bytes)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let mut ending = false;
    loop {
        tokio::select! {
            // A request that is there by now is taken before its connection is closed.
            biased;
            _ = connection.as_mut() => return,
            () = progress.dismissed() => if served.place.has_to_leave() { return },
            () = served.shutdown.reached(Phase::Stopping), if !ending => {
                ending = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
