//! Clients at other addresses that take what they can and ask nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const IDLE: usize = 1500;
const HALF_HEADS: usize = 300;
const SLOW_BODIES: usize = 40;

/// Addresses that the crowd comes from: `127.0.0.2` and those after it.
const PEERS: usize = 6;

const HEAD: &str =
    "POST /validate?timeout=30s HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";

/// A crowd, gone when this is dropped.
pub(crate) struct Crowd {
    _members: JoinSet<()>,
    /// How many found a place at first.
    pub(crate) connected: usize,
}

#[derive(Clone)]
struct Client {
    connector: TlsConnector,
    port: u16,
}

impl Client {
    async fn connect(&self, number: usize) -> Option<TlsStream<TcpStream>> {
        let host = u8::try_from(2 + number % PEERS).expect("a small number");
        let socket = TcpSocket::new_v4().ok()?;
        let own = SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), 0));
        socket.bind(own).ok()?;
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let stream = socket.connect(server).await.ok()?;
        let name = ServerName::try_from("localhost").expect("a name");
        self.connector.connect(name, stream).await.ok()
    }
}

impl Crowd {
    /// Gathers it at a port, whose certificate is in a file.
    pub(crate) async fn gather(certificate: String, port: u16) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(certificate).expect("a certificate");
        roots.add(certificate).expect("a root");
        let config = rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        let client = Client { connector, port };
        let mut members = JoinSet::new();
        let mut connected = 0;
        for number in 0..IDLE + HALF_HEADS {
            let Some(mut stream) = client.connect(number).await else {
                continue;
            };
            connected += 1;
            members.spawn(async move {
                if number >= IDLE {
                    let half = format!("{HEAD}x-long: {}", "x".repeat(12_000));
                    let _ = stream.write_all(half.as_bytes()).await;
                }
                // Until it is closed.
                let _ = stream.read(&mut [0; 64]).await;
            });
        }
        for number in 0..SLOW_BODIES {
            let client = client.clone();
            members.spawn(async move {
                loop {
                    if let Some(stream) = client.connect(number).await {
                        slow_body(stream).await;
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            });
        }
        Self {
            _members: members,
            connected,
        }
    }
}

/// Announces the largest body, sends a part of it at once and then a little each tenth of a
/// second, until it is cut off.
async fn slow_body(mut stream: TlsStream<TcpStream>) {
    let head = format!("{HEAD}content-length: 7340000\r\n\r\n");
    if stream.write_all(head.as_bytes()).await.is_err()
        || stream.write_all(&vec![b' '; 400_000]).await.is_err()
    {
        return;
    }
    loop {
        let mut answer = [0; 256];
        let pause = tokio::time::sleep(Duration::from_millis(100));
        tokio::select! {
            // Whatever it says, it is over.
            _ = stream.read(&mut answer) => return,
            () = pause => {}
        }
        if stream.write_all(&[b' '; 1000]).await.is_err() {
            return;
        }
    }
}
