//! R1 to R4: connections that come to nothing.

use archmatch::domain::reference::ImageReference;
use archmatch::domain::unknown::Reason;
use archmatch::registry::{Addresses, HostSettings};
use rcgen::{CertificateParams, CertifiedKey, KeyPair, date_time_ymd};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::interval;

use super::{Failure, REQUEST, fails, faulty, hasty};
use crate::registry::{inspect, inspector, is_unknown, platforms};
use crate::support::raw::RawServer;
use crate::support::registry::{FakeRegistry, Fault, index, manifest};

fn on(host: &str) -> (HostSettings, ImageReference) {
    let mut settings = HostSettings::new(host);
    settings.addresses = Addresses::Any;
    settings.plain_http = true;
    (settings, format!("{host}/app:1").parse().unwrap())
}

/// Writes a byte, and another, and never all.
async fn drip(mut stream: TcpStream, start: &str) {
    let _ = stream.write_all(start.as_bytes()).await;
    let mut ticks = interval(REQUEST / 20);
    loop {
        ticks.tick().await;
        if stream.write_all(b"x").await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn r1_refused_connections_are_unreachable_and_open_the_breaker() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    drop(listener);
    let (settings, image) = on(&host);
    let inspector = hasty(&[settings]);
    fails(&inspector, &image, Reason::Unreachable, "error").await;
    assert_eq!(inspector.failing_hosts(), 0);
    for tag in 2..=5 {
        let image = format!("{host}/app:{tag}").parse().unwrap();
        is_unknown(inspect(&inspector, &image).await, Reason::Unreachable);
    }
    assert_eq!(inspector.failing_hosts(), 1);
    let asked = inspector.statistics().requests();
    let image = format!("{host}/app:6").parse().unwrap();
    let found = inspect(&inspector, &image).await;
    assert!(
        found
            .as_ref()
            .is_err_and(|unknown| unknown.detail.contains("in a row"))
    );
    is_unknown(found, Reason::Unreachable);
    assert_eq!(inspector.statistics().requests(), asked, "nobody asks");
}

#[tokio::test]
async fn r1_reset_connections_are_unreachable() {
    let server = RawServer::start(async |stream| {
        let _ = stream.set_zero_linger();
    })
    .await;
    let (settings, image) = on(&server.host());
    fails(&hasty(&[settings]), &image, Reason::Unreachable, "error").await;
    assert_eq!(server.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn r2_silence_is_cut_at_the_time_of_a_request() {
    let silence = Failure {
        reason: Reason::Timeout,
        requests: 1,
        status: "error",
    };
    let app = index([manifest("linux/amd64")]);
    faulty(&app, "GET", vec![Fault::Silence], silence).await;
}

#[tokio::test(start_paused = true)]
async fn r3_slow_headers_and_bodies_are_cut_by_their_whole_time_and_give_up_their_place() {
    let body = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n";
    for start in ["HTTP/1.1 200 OK\r\nx-slow: ", body] {
        let server = RawServer::start(move |stream| drip(stream, start)).await;
        let (mut settings, image) = on(&server.host());
        settings.concurrency = 1;
        let inspector = hasty(&[settings]);
        fails(&inspector, &image, Reason::Timeout, "error").await;
        let next = format!("{}/app:2", server.host()).parse().unwrap();
        // Not "too many requests of ours".
        is_unknown(inspect(&inspector, &next).await, Reason::Timeout);
    }
}

fn certified(change: impl FnOnce(&mut CertificateParams), name: &str) -> CertifiedKey<KeyPair> {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    change(&mut params);
    let signing_key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&signing_key).unwrap();
    CertifiedKey { cert, signing_key }
}

#[tokio::test]
async fn r4_certificates_that_prove_nothing_are_refused() {
    crate::support::install_crypto_provider();
    let expired = certified(
        |params| {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        },
        "127.0.0.1",
    );
    for identity in [expired, certified(|_| {}, "other.example")] {
        let registry = FakeRegistry::start_as(identity).await;
        let image = registry.push("app:1", &index([manifest("linux/amd64")]));
        fails(&hasty(&[registry.settings()]), &image, Reason::Tls, "error").await;
        assert!(registry.requests().is_empty());
    }
    let registry = FakeRegistry::start_tls().await;
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    let mut unknown = registry.settings();
    unknown.ca = None;
    fails(&hasty(&[unknown]), &image, Reason::Tls, "error").await;
    platforms(&inspector(&[registry.settings()]), &image).await;
}

#[tokio::test]
async fn r4_old_tls_and_plain_text_are_refused_and_nothing_is_sent_in_plain_text() {
    // An alert of TLS 1.0: this version is not spoken here. And a server without TLS.
    let alert: &[u8] = &[0x15, 3, 1, 0, 2, 2, 70];
    for (answer, told) in [
        (alert, "`ca`"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "`plainHttp`"),
    ] {
        let server = RawServer::start(async move |mut stream: TcpStream| {
            let mut first = [0];
            let _ = stream.read_exact(&mut first).await;
            assert_eq!(first, [0x16], "a handshake");
            let _ = stream.write_all(answer).await;
        })
        .await;
        let (mut settings, image) = on(&server.host());
        settings.plain_http = false;
        let found = inspect(&hasty(&[settings]), &image).await;
        let unknown = found.unwrap_err();
        assert_eq!(unknown.reason, Reason::Tls);
        assert!(unknown.detail.contains(told), "{}", unknown.detail);
        assert_eq!(server.connections(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn r4_a_stalled_handshake_is_cut() {
    let server = RawServer::start(async |_stream| std::future::pending().await).await;
    let (mut settings, image) = on(&server.host());
    settings.plain_http = false;
    fails(&hasty(&[settings]), &image, Reason::Timeout, "error").await;
}

#[tokio::test]
async fn an_address_that_cannot_be_is_malformed() {
    let mut settings = HostSettings::new("*");
    settings.addresses = Addresses::Any;
    let image = "127.0.0.1:99999/app:1".parse().unwrap();
    is_unknown(
        inspect(&inspector(&[settings]), &image).await,
        Reason::Malformed,
    );
}
