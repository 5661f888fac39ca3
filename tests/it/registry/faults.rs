//! Registries that misbehave.

use std::sync::Arc;
use std::time::{Duration, Instant};

use archmatch::domain::unknown::Reason;
use archmatch::registry::{Addresses, HostSettings};
use futures::future::join_all;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::{inspect, inspector, inspector_with, is_unknown, platforms};
use crate::support::registry::{Document, FakeRegistry, Fault, digest_of, index, manifest};

/// The image, and its config, of a look-up with one fault each.
async fn faulty(document: &Document, part: &str, fault: Fault, reason: Reason) {
    let registry = FakeRegistry::start().await;
    let image = registry.push("app:1", document);
    registry.misbehave(part, fault);
    let inspector = inspector_with(&[registry.settings()], |settings| {
        settings.limits.request = Duration::from_secs(1);
    });
    let started = Instant::now();
    is_unknown(inspect(&inspector, &image).await, reason);
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "one request has its own limit"
    );

    let count = registry.requests().len();
    is_unknown(inspect(&inspector, &image).await, reason);
    assert_eq!(registry.requests().len(), count, "a failure is remembered");
}

#[tokio::test]
async fn each_fault_has_its_reason() {
    let app = index([manifest("linux/amd64")]);
    let other = digest_of(b"other");
    let header = |name, value: &str| Fault::Header(name, value.to_owned());
    for (fault, reason) in [
        (Fault::Status(404), Reason::NotFound),
        (Fault::Status(401), Reason::Unauthorized),
        (Fault::Status(403), Reason::Unauthorized),
        (Fault::Status(429), Reason::RateLimited),
        (Fault::Status(500), Reason::Unreachable),
        (Fault::Status(503), Reason::Unreachable),
        (Fault::Status(418), Reason::Unsupported),
        (Fault::Status(204), Reason::Unsupported),
        (Fault::Status(304), Reason::Malformed),
        (
            header("x-long", &"x".repeat(1024 * 1024)),
            Reason::Unreachable,
        ),
        (Fault::Silence, Reason::Timeout),
        (Fault::Stalled(1000), Reason::Timeout),
        (Fault::Stalled(u64::MAX / 2), Reason::TooLarge),
        (Fault::Truncated, Reason::Unreachable),
        (Fault::Endless, Reason::TooLarge),
        (
            Fault::Body(vec![b' '; 4 * 1024 * 1024 + 1]),
            Reason::TooLarge,
        ),
        (Fault::Body(b"{}".to_vec()), Reason::Malformed),
        (header("docker-content-digest", &other), Reason::Malformed),
        (header("docker-content-digest", "evil"), Reason::Malformed),
        (header("content-encoding", "gzip"), Reason::Unsupported),
        (header("content-type", "text/html"), Reason::Malformed),
        (
            header("content-type", "application/evil"),
            Reason::Unsupported,
        ),
    ] {
        faulty(&app, "GET /v2/app/manifests/", fault, reason).await;
    }
}

#[tokio::test]
async fn each_fault_of_a_config_has_its_reason() {
    let app = manifest("linux/amd64");
    for (fault, reason) in [
        (Fault::Status(404), Reason::NotFound),
        (Fault::Body(b"{}".to_vec()), Reason::Malformed),
        (Fault::Endless, Reason::TooLarge),
        (Fault::Truncated, Reason::Unreachable),
        (Fault::Stalled(1 << 40), Reason::TooLarge),
        (
            Fault::Redirect("http://evil.example/".to_owned()),
            Reason::Blocked,
        ),
        (
            Fault::Redirect("https://169.254.169.254/evil".to_owned()),
            Reason::Blocked,
        ),
        (
            Fault::Redirect("https://[::ffff:7f00:1]/evil".to_owned()),
            Reason::Blocked,
        ),
        (
            Fault::Redirect("https://localhost/evil".to_owned()),
            Reason::Blocked,
        ),
        (
            Fault::Redirect("https://u:p@evil.example/".to_owned()),
            Reason::Blocked,
        ),
        (
            Fault::Redirect("/v2/app/blobs/again".to_owned()),
            Reason::Unsupported,
        ),
    ] {
        faulty(&app, "GET /v2/app/blobs/", fault, reason).await;
    }
}

#[tokio::test]
async fn a_document_with_another_digest_than_asked_for_is_refused() {
    let registry = FakeRegistry::start().await;
    let app = index([manifest("linux/amd64")]);
    let image = registry.push("app:1", &app);
    let by_digest = image.with_digest(app.digest().parse().unwrap());
    let other = index([manifest("linux/arm64")]);
    registry.misbehave(
        "GET",
        Fault::Header("docker-content-digest", other.digest()),
    );
    registry.misbehave("GET", Fault::Body(other.body));
    let found = inspect(&inspector(&[registry.settings()]), &by_digest).await;
    is_unknown(found, Reason::Malformed);
}

#[tokio::test]
async fn a_missing_and_a_hidden_image_read_the_same() {
    let registry = FakeRegistry::start().await;
    let image = registry.reference("app:1");
    let mut texts = Vec::new();
    for status in [404, 401, 403] {
        registry.recover();
        registry.misbehave("GET", Fault::Status(status));
        let unknown = inspect(&inspector(&[registry.settings()]), &image)
            .await
            .unwrap_err();
        texts.push(unknown.to_string());
    }
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
}

#[tokio::test]
async fn blobs_may_be_elsewhere_but_credentials_stay() {
    let (registry, store) = (FakeRegistry::start().await, FakeRegistry::start_tls().await);
    let app = manifest("linux/amd64");
    let image = registry.push("app:1", &app);
    store.push("store:1", &app);
    registry.require_token(&[]);
    let to = format!("{}/v2/store/blobs/{}", store.url(), blob_of(&app));
    registry.misbehave("GET /v2/app/blobs/", Fault::Redirect(to));
    let settings = [registry.settings(), store.settings()];
    assert_eq!(
        platforms(&inspector(&settings), &image).await,
        ["linux/amd64"]
    );
    assert_eq!(store.requests().len(), 1);
    assert!(store.proofs().is_empty());

    // What a blob store asks for is not answered: only registries get proofs.
    store.require_basic(&[("ada", "smash")]);
    let credentials = format!(
        r#"{{"auths":{{"{}":{{"auth":"YWRhOnNtYXNo"}}}}}}"#,
        registry.host()
    );
    let inspector = inspector_with(&settings, |settings| {
        settings.docker_config = Some(credentials.into_bytes());
    });
    registry.take_requests();
    is_unknown(inspect(&inspector, &image).await, Reason::Unauthorized);
    assert!(store.proofs().is_empty());
    let requests = registry.requests();
    let blobs = requests
        .iter()
        .filter(|request| request.contains("/blobs/"));
    assert_eq!(blobs.count(), 1, "{requests:?}");
}

fn blob_of(document: &Document) -> String {
    let manifest: serde_json::Value = serde_json::from_slice(&document.body).unwrap();
    manifest["config"]["digest"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn redirects_of_documents_are_followed_three_times() {
    let registry = FakeRegistry::start().await;
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    let hops = [
        ("manifests/1", "/v2/b"),
        ("/v2/b", "/v2/c"),
        ("/v2/c", "/v2/app/manifests/last"),
    ];
    registry.push("app:last", &index([manifest("linux/amd64")]));
    for (part, to) in hops {
        registry.misbehave(part, Fault::Redirect(to.to_owned()));
    }
    platforms(&inspector(&[registry.settings()]), &image).await;
    registry.misbehave("manifests/last", Fault::Redirect("/v2/d".to_owned()));
    let found = inspect(&inspector(&[registry.settings()]), &image).await;
    is_unknown(found, Reason::Unsupported);
}

#[tokio::test]
async fn certificates_must_be_trusted() {
    let registry = FakeRegistry::start_tls().await;
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    platforms(&inspector(&[registry.settings()]), &image).await;

    let mut settings = registry.settings();
    settings.ca = None;
    is_unknown(inspect(&inspector(&[settings]), &image).await, Reason::Tls);

    // A registry that speaks http where https is expected.
    let plain = FakeRegistry::start().await;
    let image = plain.push("app:1", &index([manifest("linux/amd64")]));
    let mut settings = plain.settings();
    settings.plain_http = false;
    is_unknown(inspect(&inspector(&[settings]), &image).await, Reason::Tls);
}

#[tokio::test]
async fn a_stalled_handshake_ends_with_the_time_to_connect() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let mut settings = HostSettings::new(&host);
    settings.addresses = Addresses::Any;
    let inspector = inspector_with(&[settings], |settings| {
        settings.limits.connect = Duration::from_millis(200);
        settings.limits.request = Duration::from_secs(60);
        settings.limits.lookup = Duration::from_secs(60);
    });
    let image = format!("{host}/app:1").parse().unwrap();
    is_unknown(inspect(&inspector, &image).await, Reason::Timeout);
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_unreachable() {
    let registry = FakeRegistry::start().await;
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let mut settings = registry.settings();
    settings.host = "*".to_owned();
    let image = format!("{free}/app:1").parse().unwrap();
    is_unknown(
        inspect(&inspector(&[settings.clone()]), &image).await,
        Reason::Unreachable,
    );
    let image = "127.0.0.1:99999/app:1".parse().unwrap();
    is_unknown(
        inspect(&inspector(&[settings]), &image).await,
        Reason::Malformed,
    );
}

#[tokio::test]
async fn the_rate_of_a_host_is_kept_within_the_deadline() {
    let registry = FakeRegistry::start().await;
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    let other = registry.push("app:2", &index([manifest("linux/amd64")]));
    let mut settings = registry.settings();
    settings.requests_per_second = 1;
    let inspector = inspector_with(&[settings], |settings| {
        settings.limits.lookup = Duration::from_millis(900);
    });
    let (found, queued) = tokio::join!(inspect(&inspector, &image), inspect(&inspector, &other));
    assert!(found.is_ok());
    is_unknown(queued, Reason::RateLimited);
    assert_eq!(registry.requests().len(), 1);
}

#[tokio::test]
async fn a_host_gets_a_limited_number_of_requests_at_once() {
    let registry = FakeRegistry::start().await;
    let gate = Arc::new(Semaphore::new(0));
    registry.misbehave("GET", Fault::Gate(Arc::clone(&gate)));
    let pushed = |tag: i32| registry.push(&format!("app:{tag}"), &index([manifest("linux/amd64")]));
    let images: Vec<_> = (0..20).map(pushed).collect();
    let inspector = inspector(&[registry.settings()]);

    let open = async {
        for answered in 0..20 {
            // Eight are in, and none further comes until one of them is answered.
            registry.requested((answered + 8).min(20)).await;
            assert!(registry.requests().len() <= answered + 8);
            gate.add_permits(1);
        }
    };
    let found = join_all(images.iter().map(|image| inspect(&inspector, image)));
    let (found, ()) = tokio::join!(found, open);
    assert!(found.iter().all(Result::is_ok));
}
