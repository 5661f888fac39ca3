//! Who is connected: bounds in all and a peer, and who goes when places are short.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use archmatch::process::server::{ConnectionLimits, Connections, serve};
use archmatch::process::shutdown::shutdown;
use archmatch::process::tls::ServingCertificate;
use axum::extract::Extension;
use axum::routing::get;
use futures::FutureExt;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::{SOON, Server, client, fetch, hello, made, tls};
use crate::support::peer::{connect_from, until_closed};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
const HALF_HEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nx-long: ";

/// So few that a test can take them all.
fn few() -> ConnectionLimits {
    ConnectionLimits {
        connections: 12,
        connections_of_a_peer: 6,
        // Only what is tested closes anything.
        handshake: Duration::from_secs(3600),
        head: Duration::from_secs(3600),
        idle: Duration::from_secs(3600),
        pressed: Duration::from_secs(3600),
        ..ConnectionLimits::webhook()
    }
}

/// The first byte of a record of a TLS handshake.
const HANDSHAKE_RECORD: u8 = 22;

/// The first flight of a client that trusts this CA.
fn client_hello(ca: &str) -> Vec<u8> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap())
        .unwrap();
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

async fn ask(host: u8, port: u16) -> String {
    let mut stream = connect_from(host, port).await;
    // A refused connection may be closed before it is written to.
    let _ = stream.write_all(REQUEST).await;
    let said = timeout(SOON, until_closed(&mut stream));
    said.await.expect("an answer")
}

/// Connects from each address, `count` times, and says this.
async fn crowd(hosts: &[u8], count: usize, port: u16, say: &[u8]) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for host in hosts {
        for _ in 0..count {
            let mut stream = connect_from(*host, port).await;
            let _ = stream.write_all(say).await;
            streams.push(stream);
        }
    }
    streams
}

#[tokio::test]
async fn silent_connections_of_others_keep_nobody_out() {
    for say in [b"".as_slice(), HALF_HEAD] {
        let server = Server::plain(hello(), few()).await;
        let _silent = crowd(&[2, 3, 4], 9, server.port, say).await;
        assert!(ask(1, server.port).await.ends_with("hello"));
        assert!(server.connections.open() <= 13, "the bound holds");
    }
}

#[tokio::test]
async fn silent_connections_of_the_same_address_keep_nobody_out() {
    for say in [b"".as_slice(), HALF_HEAD] {
        let server = Server::plain(hello(), few()).await;
        let _silent = crowd(&[1], 21, server.port, say).await;
        assert!(ask(1, server.port).await.ends_with("hello"));
    }
}

#[tokio::test]
async fn stalled_handshakes_keep_nobody_out() {
    let pair = made();
    let transport = tls(ServingCertificate::new(pair.pair().unwrap()), None);
    let server = Server::start(transport, hello(), few()).await;
    // The first bytes of a handshake record, and nothing of it.
    let _stalled = crowd(&[1, 2, 3], 8, server.port, &[22, 3, 1, 2, 0]).await;
    assert_eq!(fetch(client(&pair.ca), server.port).await.unwrap(), "hello");
}

#[tokio::test]
async fn a_stalled_handshake_is_cut_off() {
    let pair = made();
    let transport = tls(ServingCertificate::new(pair.pair().unwrap()), None);
    let limits = ConnectionLimits {
        handshake: Duration::from_millis(50),
        ..few()
    };
    let server = Server::start(transport, hello(), limits).await;
    let mut stalled = connect_from(1, server.port).await;
    let closed = timeout(SOON, until_closed(&mut stalled));
    assert_eq!(closed.await.expect("closed"), "");
    while server.connections.open() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_handshake_that_has_begun_goes_after_all_that_are_silent() {
    let pair = made();
    let transport = tls(ServingCertificate::new(pair.pair().unwrap()), None);
    let server = Server::start(transport, hello(), few()).await;
    let mut begun = connect_from(1, server.port).await;
    begun.write_all(&client_hello(&pair.ca)).await.unwrap();
    // The server has said its part once the hello is read.
    let first = timeout(SOON, begun.read_u8()).await;
    assert_eq!(first.expect("an answer").unwrap(), HANDSHAKE_RECORD);
    let mut silent = crowd(&[1], 5, server.port, &[]).await;
    let mut newcomers = Vec::new();
    for stream in &mut silent {
        newcomers.push(connect_from(1, server.port).await);
        let closed = timeout(SOON, until_closed(stream));
        assert_eq!(closed.await.expect("closed"), "");
    }
    assert!(
        begun
            .read_u8()
            .now_or_never()
            .is_some_and(|read| read.is_ok())
    );
    assert_eq!(server.connections.closed().next(), Some(("handshake", 5)));
}

#[tokio::test]
async fn a_slow_head_of_a_later_request_is_cut_off_too() {
    let limits = ConnectionLimits {
        head: Duration::from_millis(50),
        ..few()
    };
    let server = Server::plain(hello(), limits).await;
    let mut stream = connect_from(1, server.port).await;
    let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0);
    }
    stream.write_all(HALF_HEAD).await.unwrap();
    let closed = timeout(SOON, until_closed(&mut stream));
    assert_eq!(closed.await.expect("closed"), "");
}

#[tokio::test]
async fn who_is_silent_for_the_longest_time_goes_first() {
    let server = Server::plain(hello(), few()).await;
    let mut silent = crowd(&[2], 6, server.port, b"").await;
    let mut newcomer = connect_from(2, server.port).await;
    timeout(SOON, until_closed(&mut silent[0])).await.unwrap();
    for stream in silent[1..].iter_mut().chain([&mut newcomer]) {
        stream.write_all(REQUEST).await.unwrap();
        assert!(until_closed(stream).await.ends_with("hello"));
    }
    let closed: Vec<_> = server.connections.closed().collect();
    assert_eq!(closed, [("handshake", 0), ("head", 1), ("idle", 0)]);
}

#[tokio::test]
async fn a_peer_that_has_its_share_at_work_is_refused_and_others_are_not() {
    let (release, at_work) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let (may_leave, entered) = (Arc::clone(&release), Arc::clone(&at_work));
    let slow = get(move || {
        let release = Arc::clone(&may_leave);
        entered.fetch_add(1, Ordering::Relaxed);
        async move {
            release.notified().await;
            "finished"
        }
    });
    let router = hello().route("/slow", slow);
    let server = Server::plain(router, few()).await;
    let slow = b"GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let mut workers = crowd(&[2], 6, server.port, slow).await;
    while at_work.load(Ordering::Relaxed) < 6 {
        tokio::task::yield_now().await;
    }
    assert!(ask(1, server.port).await.ends_with("hello"));
    assert_eq!(ask(2, server.port).await, "", "closed at once");
    let refused: Vec<_> = server.connections.refused().collect();
    assert_eq!(refused, [("share", 1), ("full", 0)]);
    for stream in &mut workers {
        release.notify_one();
        let said = timeout(SOON, until_closed(stream)).await.unwrap();
        assert!(said.ends_with("finished"), "{said}");
    }
}

#[tokio::test]
async fn a_crowd_of_one_address_does_not_drive_out_who_has_fewer() {
    let server = Server::plain(hello(), few()).await;
    let mut quiet = crowd(&[1, 5], 1, server.port, b"").await;
    let _crowds = crowd(&[2, 3], 30, server.port, b"").await;
    for stream in &mut quiet {
        stream.write_all(REQUEST).await.unwrap();
        assert!(until_closed(stream).await.ends_with("hello"));
    }
}

#[tokio::test]
async fn with_three_quarters_taken_the_silent_ones_of_large_peers_go_soon() {
    let limits = ConnectionLimits {
        pressed: Duration::from_millis(20),
        ..few()
    };
    let server = Server::plain(hello(), limits).await;
    let mut quiet = connect_from(1, server.port).await;
    let mut crowds = crowd(&[2, 3], 3, server.port, HALF_HEAD).await;
    for _ in 0..2 {
        assert!(ask(4, server.port).await.ends_with("hello"));
    }
    assert_eq!(server.connections.open(), 7, "there are places enough");
    crowds.extend(crowd(&[2, 3], 1, server.port, HALF_HEAD).await);
    // The longest silent one is among those that go, and then there are places again.
    let first = until_closed(&mut crowds[0]);
    timeout(SOON, first).await.expect("it goes");
    while server.connections.open() >= 9 {
        tokio::task::yield_now().await;
    }
    quiet.write_all(REQUEST).await.unwrap();
    assert!(until_closed(&mut quiet).await.ends_with("hello"));
}

#[tokio::test]
async fn an_idle_connection_ends_after_its_time_and_not_before() {
    let limits = ConnectionLimits {
        idle: Duration::from_millis(50),
        ..few()
    };
    let server = Server::plain(hello(), limits).await;
    let mut stream = connect_from(1, server.port).await;
    for _ in 0..2 {
        let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        stream.write_all(request).await.unwrap();
    }
    let said = timeout(SOON, until_closed(&mut stream)).await.unwrap();
    assert_eq!(said.matches("hello").count(), 2, "{said}");
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused() {
    let limits = few();
    let server = Server::plain(hello(), limits.clone()).await;
    let mut stream = connect_from(1, server.port).await;
    stream.write_all(HALF_HEAD).await.unwrap();
    let _ = stream.write_all(&vec![b'x'; 2 * limits.head_bytes]).await;
    timeout(SOON, until_closed(&mut stream))
        .await
        .expect("closed");
}

#[tokio::test]
async fn a_request_knows_its_peer_and_an_ipv4_peer_is_one_on_a_dual_stack_listener() {
    let peer = get(|Extension(peer): Extension<IpAddr>| async move { peer.to_string() });
    let router = axum::Router::new().route("/", peer);
    let Ok(listener) = TcpListener::bind("[::]:0").await else {
        // Without IPv6 there are no such listeners.
        return;
    };
    let port = listener.local_addr().unwrap().port();
    let (trigger, shutdown) = shutdown();
    let connections = Connections::new(few());
    let server = serve(
        listener,
        archmatch::process::server::Transport::Plain,
        router,
        connections,
        shutdown,
    );
    let task = tokio::spawn(server);
    let said = ask(9, port).await;
    assert!(said.ends_with("\r\n\r\n127.0.0.9"), "{said}");
    drop(trigger);
    task.await.unwrap();
}
