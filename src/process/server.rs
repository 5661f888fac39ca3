//! The accept loop: HTTP/1.1 over TLS or plain, with limits, and an end in phases.
//!
//! The API server keeps connections open for 90 s and speaks only HTTP/1.1 to a webhook.
//! Everybody else on the network may connect too, so every wait has a bound.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONNECTION, HeaderValue};
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

use super::shutdown::{Phase, Shutdown};
use super::tls::has_name;

/// Bounds of one server.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections that are open at the same time; more wait in the kernel's queue.
    pub connections: usize,
    /// Time for a TLS handshake.
    pub handshake: Duration,
    /// Time from the first byte of a request to the last one of its head.
    pub head: Duration,
    /// Time between two requests; above the API server's 90 s.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(120),
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
        /// Performs handshakes.
        acceptor: TlsAcceptor,
        /// Names that client certificates may have; empty means any.
        client_names: Arc<[String]>,
    },
}

/// Serves until the shutdown says to stop, and then until the requests in flight are
/// answered or the shutdown says now.
pub async fn serve(
    listener: TcpListener,
    transport: Transport,
    router: Router,
    limits: Limits,
    shutdown: Shutdown,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.reached(Phase::Stopping) => break,
            accepted = accept(&listener, &places) => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        let Some((stream, place)) = accepted else {
            continue;
        };
        let (transport, router) = (transport.clone(), router.clone());
        let (limits, shutdown) = (limits.clone(), shutdown.clone());
        // The handshake is in the task too: a stalled one holds up nobody.
        connections.spawn(async move {
            connection(stream, transport, router, limits, shutdown).await;
            drop(place);
        });
    }
    drop(listener);
    tokio::select! {
        () = shutdown.reached(Phase::Now) => {}
        () = async { while connections.join_next().await.is_some() {} } => {}
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Answers are one small write; waiting for more would only delay them.
            let _ = stream.set_nodelay(true);
            Some((stream, place))
        }
        Err(error) => {
            // Out of file descriptors, most likely: others have to end first.
            tracing::warn!(%error, "accept a connection");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

async fn connection(
    stream: TcpStream,
    transport: Transport,
    router: Router,
    limits: Limits,
    shutdown: Shutdown,
) {
    match transport {
        Transport::Plain => requests(stream, router, limits, shutdown).await,
        Transport::Tls {
            acceptor,
            client_names,
        } => {
            let Ok(Ok(stream)) = timeout(limits.handshake, acceptor.accept(stream)).await else {
                return;
            };
            let certificates = stream.get_ref().1.peer_certificates();
            let leaf = certificates.and_then(|certificates| certificates.first());
            let known = leaf.is_some_and(|leaf| has_name(leaf, &client_names));
            if client_names.is_empty() || known {
                requests(stream, router, limits, shutdown).await;
            }
        }
    }
}

async fn requests<S>(stream: S, router: Router, limits: Limits, shutdown: Shutdown)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let progress = Arc::new(Progress::new());
    let stream = Watched {
        stream,
        progress: Arc::clone(&progress),
    };
    let service = {
        let (progress, shutdown) = (Arc::clone(&progress), shutdown.clone());
        hyper::service::service_fn(move |request: Request<Incoming>| {
            let answer = router.clone().call(request.map(Body::new));
            let (progress, shutdown) = (Arc::clone(&progress), shutdown.clone());
            progress.begin_answer();
            async move {
                let mut response: Response<Body> = answer.await?;
                if shutdown.phase() > Phase::Running {
                    // The client opens its next connection to somebody who stays.
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(CONNECTION, close);
                }
                progress.end_answer();
                Ok::<_, std::convert::Infallible>(response)
            }
        })
    };
    let connection = http1::Builder::new()
        // Ours is looked at once a second, while hyper's costs each request a timer.
        .header_read_timeout(None)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let shortest = limits.head.min(limits.idle);
    let mut check = tokio::time::interval(shortest.min(Duration::from_secs(1)));
    let mut ending = false;
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = check.tick() => if progress.is_overdue(&limits) { return },
            () = shutdown.reached(Phase::Stopping), if !ending => {
                ending = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// How far the current request of a connection has come. One task writes and reads it; it
/// is atomic since that task may move between threads.
struct Progress {
    opened: Instant,
    /// What is going on.
    stage: AtomicU8,
    /// Milliseconds since `opened` when that began.
    since: AtomicU64,
}

/// Between two requests.
const IDLE: u8 = 0;
/// The head of a request is being read.
const HEAD: u8 = 1;
/// A request is being answered.
const ANSWERING: u8 = 2;

impl Progress {
    fn new() -> Self {
        Self {
            opened: Instant::now(),
            // Who connects has something to say, so the first head begins at once.
            stage: AtomicU8::new(HEAD),
            since: AtomicU64::new(0),
        }
    }

    fn begin_head(&self) {
        if self.stage.load(Ordering::Relaxed) == IDLE {
            self.since.store(self.now(), Ordering::Relaxed);
            self.stage.store(HEAD, Ordering::Relaxed);
        }
    }

    fn begin_answer(&self) {
        self.stage.store(ANSWERING, Ordering::Relaxed);
    }

    fn end_answer(&self) {
        self.since.store(self.now(), Ordering::Relaxed);
        self.stage.store(IDLE, Ordering::Relaxed);
    }

    fn is_overdue(&self, limits: &Limits) -> bool {
        let limit = match self.stage.load(Ordering::Relaxed) {
            IDLE => limits.idle,
            HEAD => limits.head,
            _ => return false,
        };
        let since = Duration::from_millis(self.since.load(Ordering::Relaxed));
        self.opened.elapsed().saturating_sub(since) > limit
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A stream that notes when a request begins.
struct Watched<S> {
    stream: S,
    progress: Arc<Progress>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.progress.begin_head();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
