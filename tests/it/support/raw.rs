//! Servers on loopback for what no library would do: connections treated at will, and names
//! answered at will.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::{JoinHandle, JoinSet};

/// A server that treats each connection in its own way. It ends when it is dropped.
pub(crate) struct RawServer {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl RawServer {
    pub(crate) async fn start<F>(treat: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        super::install_crypto_provider();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let server = tokio::spawn(async move {
            // Connections end with the server.
            let mut open = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                open.spawn(treat(stream));
                while open.try_join_next().is_some() {}
            }
        });
        Self {
            address,
            connections,
            server,
        }
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// What a name server says of a name.
#[derive(Clone)]
pub(crate) enum Named {
    Addresses(Vec<IpAddr>),
    /// An error code of DNS.
    Error(u8),
    Silence,
}

/// A name server that says the same of every name. It ends when it is dropped.
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    server: JoinHandle<()>,
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl NameServer {
    pub(crate) async fn start(named: Named) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let mut question = [0; 512];
            loop {
                let (length, client) = socket.recv_from(&mut question).await.unwrap();
                if let Some(answer) = answer(&question[..length], &named) {
                    socket.send_to(&answer, client).await.unwrap();
                }
            }
        });
        Self { address, server }
    }
}

/// The answer to a message with one question. Source: RFC 1035, section 4.
fn answer(message: &[u8], named: &Named) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    let name = message[HEADER..].iter().position(|byte| *byte == 0)?;
    let question = &message[HEADER..HEADER + name + 5];
    let is_for_6 = question[name + 2] == 28;
    let (code, addresses) = match named {
        Named::Addresses(addresses) => (0, addresses.as_slice()),
        Named::Error(code) => (*code, [].as_slice()),
        Named::Silence => return None,
    };
    let addresses = addresses.iter().filter(|one| one.is_ipv6() == is_for_6);
    let records: Vec<Vec<u8>> = addresses
        .map(|address| {
            let octets = match address {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            // The name of the question, its type and class, no lifetime, the length.
            let mut record = vec![0xc0, 0x0c, 0, question[name + 2], 0, 1, 0, 0, 0, 0, 0];
            record.push(u8::try_from(octets.len()).unwrap());
            record.extend(octets);
            record
        })
        .collect();
    let count = u8::try_from(records.len()).unwrap();
    let mut answer = message[..2].to_vec();
    answer.extend([0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
    answer.extend(question);
    answer.extend(records.concat());
    Some(answer)
}
