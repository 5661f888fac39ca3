//! The accept loop over real sockets: certificates, limits, and the end in phases.

mod connections;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use archmatch::process::certificates::{PairFiles, SelfSigned};
use archmatch::process::server::{ConnectionLimits, Connections, Transport, serve};
use archmatch::process::shutdown::{Phase, Trigger, shutdown};
use archmatch::process::tls::{ServingCertificate, server_config};
use axum::Router;
use axum::routing::get;
use prometheus_client::metrics::counter::Counter;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::install_crypto_provider;

const SOON: Duration = Duration::from_secs(20);

fn made() -> SelfSigned {
    install_crypto_provider();
    SelfSigned::make(&["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap()
}

/// A server of our own on a free port.
struct Server {
    port: u16,
    connections: Connections,
    trigger: Trigger,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(transport: Transport, router: Router, limits: ConnectionLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (trigger, shutdown) = shutdown();
        let connections = Connections::new(limits);
        let served = serve(listener, transport, router, connections.clone(), shutdown);
        let task = tokio::spawn(served);
        Self {
            port,
            connections,
            trigger,
            task,
        }
    }

    async fn plain(router: Router, limits: ConnectionLimits) -> Self {
        Self::start(Transport::Plain, router, limits).await
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }
}

fn tls(serving: Arc<ServingCertificate>, client_authorities: Option<&str>) -> Transport {
    let names = client_authorities
        .iter()
        .map(|_| "kube-apiserver".to_owned());
    let client_names = names.collect();
    let config = server_config(serving, client_authorities.map(str::as_bytes)).unwrap();
    Transport::Tls {
        config: Arc::new(ArcSwap::from_pointee(config)),
        client_names,
    }
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

fn client(ca: &str) -> reqwest::ClientBuilder {
    let ca = reqwest::Certificate::from_pem(ca.as_bytes()).unwrap();
    reqwest::Client::builder().tls_certs_only([ca]).no_proxy()
}

async fn fetch(client: reqwest::ClientBuilder, port: u16) -> Result<String, reqwest::Error> {
    let response = client
        .build()?
        .get(format!("https://localhost:{port}/"))
        .send()
        .await?;
    response.text().await
}

#[tokio::test]
async fn a_swapped_link_is_a_new_certificate_and_a_half_written_pair_is_not() {
    let (first, second) = (made(), made());
    let folder = tempfile::tempdir().unwrap();
    // The way a kubelet renews a mounted Secret: `..data` is a link that is replaced.
    let write = |version: &str, pair: &SelfSigned| {
        let path = folder.path().join(version);
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("tls.crt"), &pair.certificate).unwrap();
        std::fs::write(path.join("tls.key"), &pair.key).unwrap();
    };
    let point = |version: &str| {
        let new = folder.path().join("..new");
        symlink(version, &new).unwrap();
        std::fs::rename(&new, folder.path().join("..data")).unwrap();
    };
    write("one", &first);
    point("one");
    let data = folder.path().join("..data");
    let files = PairFiles {
        certificate: data.join("tls.crt"),
        key: data.join("tls.key"),
    };
    let serving = ServingCertificate::new(files.load().unwrap());
    let failures = Counter::default();
    let follow = files.follow(
        Arc::clone(&serving),
        Duration::from_millis(5),
        failures.clone(),
    );
    let follow = tokio::spawn(follow);
    let server = Server::start(tls(serving, None), hello(), ConnectionLimits::webhook()).await;
    assert_eq!(
        fetch(client(&first.ca), server.port).await.unwrap(),
        "hello"
    );

    // The new certificate with the old key: nobody may serve that.
    std::fs::create_dir(folder.path().join("half")).unwrap();
    let copy = |from: &Path, to: &str| std::fs::copy(from, folder.path().join(to)).unwrap();
    std::fs::write(folder.path().join("half/tls.crt"), &second.certificate).unwrap();
    copy(&folder.path().join("one/tls.key"), "half/tls.key");
    point("half");
    let refused = timeout(SOON, async {
        while failures.get() == 0 {
            tokio::task::yield_now().await;
        }
    });
    refused.await.expect("the half is seen, and counted");
    assert!(fetch(client(&first.ca), server.port).await.is_ok());

    write("two", &second);
    point("two");
    let swapped = timeout(SOON, async {
        while fetch(client(&second.ca), server.port).await.is_err() {
            tokio::task::yield_now().await;
        }
    });
    swapped.await.expect("the second certificate is served");
    assert!(fetch(client(&first.ca), server.port).await.is_err());
    follow.abort();
}

#[tokio::test]
async fn only_known_clients_are_served_when_names_are_given() {
    let pair = made();
    let (known, other) = (named("kube-apiserver"), named("somebody"));
    let both = format!("{}{}", known.ca, other.ca);
    let transport = tls(ServingCertificate::new(pair.pair().unwrap()), Some(&both));
    let server = Server::start(transport, hello(), ConnectionLimits::webhook()).await;
    let with = |identity: &SelfSigned| {
        let pem = format!("{}{}", identity.certificate, identity.key);
        client(&pair.ca).identity(reqwest::Identity::from_pem(pem.as_bytes()).unwrap())
    };
    assert_eq!(fetch(with(&known), server.port).await.unwrap(), "hello");
    assert!(
        fetch(with(&other), server.port).await.is_err(),
        "another name"
    );
    assert!(
        fetch(client(&pair.ca), server.port).await.is_err(),
        "no certificate"
    );
}

#[tokio::test]
async fn another_client_authority_counts_at_once_and_half_of_one_does_not() {
    let pair = made();
    let (old, new) = (named("kube-apiserver"), named("kube-apiserver"));
    let serving = ServingCertificate::new(pair.pair().unwrap());
    let transport = tls(Arc::clone(&serving), Some(&old.ca));
    let Transport::Tls { config, .. } = transport.clone() else {
        panic!("it is TLS");
    };
    let trusting = |bundle: &str| server_config(Arc::clone(&serving), Some(bundle.as_bytes()));
    let server = Server::start(transport, hello(), ConnectionLimits::webhook()).await;
    let with = |identity: &SelfSigned| {
        let pem = format!("{}{}", identity.certificate, identity.key);
        let identity = reqwest::Identity::from_pem(pem.as_bytes()).unwrap();
        // Every request is a handshake of its own, which may resume a session.
        let client = client(&pair.ca)
            .identity(identity)
            .pool_max_idle_per_host(0);
        client.build().unwrap()
    };
    let url = format!("https://localhost:{}/", server.port);
    let is_served = async |client: &reqwest::Client| client.get(&url).send().await.is_ok();
    let (before, after) = (with(&old), with(&new));
    assert!(is_served(&before).await && !is_served(&after).await);
    let both = format!("{}{}", new.ca, old.ca);
    for broken in [
        "",
        &both[..both.len() - 30],
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        assert!(trusting(broken).is_err(), "{broken}");
    }
    assert!(is_served(&before).await && !is_served(&after).await);
    config.store(Arc::new(trusting(&new.ca).unwrap()));
    assert!(!is_served(&before).await && is_served(&after).await);
}

/// A client certificate; the leaf's DNS name is what is looked at.
fn named(name: &str) -> SelfSigned {
    install_crypto_provider();
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::default();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    ca.distinguished_name
        .push(rcgen::DnType::CommonName, format!("CA of {name}"));
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let mut leaf = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
    leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    SelfSigned {
        ca: ca_pem,
        certificate: leaf.signed_by(&key, &issuer).unwrap().pem(),
        key: key.serialize_pem(),
    }
}

#[tokio::test]
async fn a_stalled_handshake_holds_up_nobody() {
    let pair = made();
    let transport = tls(ServingCertificate::new(pair.pair().unwrap()), None);
    let server = Server::start(transport, hello(), ConnectionLimits::webhook()).await;
    let _stalled = server.connect().await;
    assert_eq!(fetch(client(&pair.ca), server.port).await.unwrap(), "hello");
}

#[tokio::test]
async fn a_slow_head_is_cut_off() {
    let limits = ConnectionLimits {
        head: Duration::from_millis(100),
        ..ConnectionLimits::webhook()
    };
    let server = Server::plain(hello(), limits).await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
    let mut rest = Vec::new();
    let closed = timeout(SOON, slow.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "the server closes");
}

#[tokio::test]
async fn a_drain_tells_clients_to_go_and_finishes_what_is_in_flight() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (has_entered, may_leave) = (Arc::clone(&entered), Arc::clone(&release));
    let slow = get(move || {
        let (entered, release) = (Arc::clone(&has_entered), Arc::clone(&may_leave));
        async move {
            entered.notify_one();
            release.notified().await;
            "finished"
        }
    });
    let server = Server::plain(hello().route("/slow", slow), ConnectionLimits::webhook()).await;
    let mut in_flight = server.connect().await;
    in_flight
        .write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    entered.notified().await;

    server.trigger.advance(Phase::Draining);
    let mut late = server.connect().await;
    late.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut text = String::new();
    timeout(SOON, late.read_to_string(&mut text))
        .await
        .expect("still accepting")
        .unwrap();
    assert!(text.contains("connection: close"), "{text}");

    server.trigger.advance(Phase::Stopping);
    release.notify_one();
    let mut text = String::new();
    timeout(SOON, in_flight.read_to_string(&mut text))
        .await
        .expect("an answer")
        .unwrap();
    assert!(text.ends_with("finished"), "{text}");
    timeout(SOON, server.task)
        .await
        .expect("the loop ends")
        .unwrap();
}

#[tokio::test]
async fn now_means_now() {
    let never = get(std::future::pending::<&'static str>);
    let server = Server::plain(hello().route("/never", never), ConnectionLimits::webhook()).await;
    let mut stuck = server.connect().await;
    stuck
        .write_all(b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    server.trigger.advance(Phase::Now);
    timeout(SOON, server.task)
        .await
        .expect("the loop ends")
        .unwrap();
}
