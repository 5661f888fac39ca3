//! Connections to the webhook, some of them kept, as the API server has them.
//!
//! Its client is Go's with 25 idle connections at most; whatever finds none of them free
//! opens a further one. Another caBundle makes another client: what was opened under the old
//! one is not used again.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Step;
use super::trust::Trusted;

/// How many connections are kept.
const KEPT: usize = 25;

type Body = Full<Bytes>;
type Failed = (Step, String);

/// A connection, and the bundle under which it was opened.
struct Connection {
    requests: SendRequest<Body>,
    bundle: String,
}

pub(super) struct Connections {
    address: (String, u16),
    server_name: ServerName<'static>,
    /// The one that waits longest goes first, so that all are in use.
    idle: Mutex<VecDeque<Connection>>,
    opened: Mutex<Opened>,
}

#[derive(Default)]
struct Opened {
    count: usize,
    leaves: HashSet<CertificateDer<'static>>,
}

impl Connections {
    pub(super) fn new(address: (String, u16), server_name: String) -> Self {
        Self {
            address,
            server_name: ServerName::try_from(server_name).expect("a name"),
            idle: Mutex::default(),
            opened: Mutex::default(),
        }
    }

    /// How many connections were opened, and how many different certificates they showed.
    pub(super) fn opened(&self) -> (usize, usize) {
        let opened = self.opened.lock().unwrap();
        (opened.count, opened.leaves.len())
    }

    /// Sends a request, over a new connection or a kept one, and reads the answer.
    pub(super) async fn exchange(
        self: &Arc<Self>,
        mut request: Request<Body>,
        trusted: &Trusted,
        anew: bool,
    ) -> Result<(StatusCode, Bytes), Failed> {
        let mut kept = if anew { None } else { self.take(&trusted.id) };
        loop {
            let is_kept = kept.is_some();
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => self.open(trusted).await?,
            };
            match connection.requests.try_send_request(request).await {
                Ok(response) => {
                    let answer = read(response).await?;
                    self.keep(connection);
                    return Ok(answer);
                }
                Err(mut error) => match error.take_message() {
                    // Go sends a POST again only when nothing of it was written to a kept
                    // connection: persistConn.shouldRetryRequest in net/http/transport.go.
                    Some(unsent) if is_kept => {
                        request = unsent;
                        kept = self.take(&trusted.id);
                    }
                    _ => return Err((Step::Exchange, chain(error.error()))),
                },
            }
        }
    }

    fn take(&self, bundle: &str) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap();
        idle.retain(|connection| connection.bundle == bundle && connection.requests.is_ready());
        idle.pop_front()
    }

    /// Keeps a connection if there is room and the server wants to go on.
    fn keep(self: &Arc<Self>, mut connection: Connection) {
        let this = Arc::clone(self);
        tokio::spawn(async move {
            if connection.requests.ready().await.is_ok() {
                let mut idle = this.idle.lock().unwrap();
                if idle.len() < KEPT {
                    idle.push_back(connection);
                }
            }
        });
    }

    async fn open(&self, trusted: &Trusted) -> Result<Connection, Failed> {
        let stream = TcpStream::connect(&self.address).await;
        let stream = stream.map_err(|error| (Step::Connect, chain(&error)))?;
        let _ = stream.set_nodelay(true);
        let connector = TlsConnector::from(Arc::clone(&trusted.tls));
        let session = connector.connect(self.server_name.clone(), stream).await;
        let session = session.map_err(|error| (Step::Handshake, chain(&error)))?;
        {
            let mut opened = self.opened.lock().unwrap();
            opened.count += 1;
            let chain = session.get_ref().1.peer_certificates();
            if let Some(leaf) = chain.and_then(<[_]>::first) {
                opened.leaves.insert(leaf.clone());
            }
        }
        let session = http1::handshake(TokioIo::new(session)).await;
        let (requests, driver) = session.map_err(|error| (Step::Exchange, chain(&error)))?;
        // How it ends is seen by whoever uses it.
        tokio::spawn(async move { driver.await.ok() });
        Ok(Connection {
            requests,
            bundle: trusted.id.clone(),
        })
    }
}

async fn read(response: Response<hyper::body::Incoming>) -> Result<(StatusCode, Bytes), Failed> {
    let status = response.status();
    match response.into_body().collect().await {
        Ok(body) => Ok((status, body.to_bytes())),
        Err(error) => Err((Step::Exchange, chain(&error))),
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    let texts = causes.map(|cause| format!(": {cause}"));
    format!("{error}{}", texts.collect::<String>())
}
