//! Of a host on an address that is not public, and that the settings do not name, nobody is
//! told more than that it could not be asked: whoever may create a pod names any host.

use std::time::Duration;

use archmatch::domain::reference::ImageReference;
use archmatch::domain::unknown::{Reason, Unknown};
use archmatch::registry::{Addresses, Discretion, HostSettings, Inspector, LookUpSettings};
use futures::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::registry::{inspect, inspector_with};
use crate::support::raw::RawServer;
use crate::support::registry::{FakeRegistry, Fault, index, manifest};

/// Everybody may be contacted, nobody is named.
fn unnamed(plain_http: bool, change: impl FnOnce(&mut LookUpSettings)) -> Inspector {
    let mut all = HostSettings::new("*");
    all.addresses = Addresses::Any;
    all.plain_http = plain_http;
    inspector_with(&[all], |settings| {
        settings.limits.connect = Duration::from_secs(1);
        settings.limits.request = Duration::from_secs(5);
        change(settings);
    })
}

/// What is told, without the host, and after how long.
async fn told(inspector: &Inspector, host: &str, repository: &str) -> (Unknown, Duration) {
    let image: ImageReference = format!("{host}/{repository}").parse().unwrap();
    let started = Instant::now();
    let unknown = inspect(inspector, &image).await.unwrap_err();
    let unknown = Unknown {
        detail: unknown.detail.replace(host, "HOST").into(),
        ..unknown
    };
    (unknown, started.elapsed())
}

async fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test(start_paused = true)]
async fn closed_ports_silence_and_what_is_no_tls_are_one_text_after_one_second() {
    let silent = RawServer::start(async |_stream| std::future::pending().await).await;
    let other = RawServer::start(async |mut stream: TcpStream| {
        let _ = stream.write_all(b"SSH-2.0-dropbear\r\n").await;
    })
    .await;
    let inspector = unnamed(false, |_| {});
    let (expected, time) = told(&inspector, &closed().await, "etcd:1").await;
    assert_eq!(
        &*expected.detail,
        "HOST could not be asked; why is told only of hosts that the configuration names"
    );
    assert_eq!((expected.reason, time.as_secs()), (Reason::Unreachable, 1));
    for host in [silent.host(), other.host()] {
        let (unknown, same_time) = told(&inspector, &host, "etcd:1").await;
        assert_eq!(unknown, expected);
        assert_eq!(same_time.as_secs(), time.as_secs());
    }
    assert!(silent.connections() > 0 && other.connections() > 0);
}

#[tokio::test]
async fn whatever_an_unnamed_host_answers_is_the_same_text() {
    let inspector = unnamed(true, |_| {});
    let (expected, _) = told(&inspector, &closed().await, "web:1").await;
    let html = vec![
        Fault::Header("content-type", "text/html".to_owned()),
        Fault::Body(b"<h1>Grafana".to_vec()),
    ];
    let challenge = vec![
        Fault::Header("www-authenticate", "Bearer realm=\"none\"".to_owned()),
        Fault::Status(401),
    ];
    let again = vec![Fault::Redirect("/v2/again".to_owned())];
    let away = vec![Fault::Redirect("ftp://files.example/".to_owned())];
    let odd = [204, 401, 403, 404, 418, 429, 501].map(|status| vec![Fault::Status(status)]);
    let further = [html, challenge, again, away];
    // Each takes a second.
    let cases = odd.into_iter().chain(further).map(async |faults| {
        let (registry, inspector) = (FakeRegistry::start().await, unnamed(true, |_| {}));
        registry.push("web:1", &index([manifest("linux/amd64")]));
        for fault in faults {
            registry.misbehave("GET", fault);
        }
        let (unknown, time) = told(&inspector, &registry.host(), "web:1").await;
        (unknown, time, registry.requests())
    });
    for (number, (unknown, time, requests)) in join_all(cases).await.into_iter().enumerate() {
        assert_eq!(unknown, expected, "{number}");
        assert!(!requests.is_empty(), "{number}");
        assert!(time >= Duration::from_secs(1), "{number}: {time:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_keeps_failing_tells_nothing_by_that_either() {
    let inspector = unnamed(false, |_| {});
    let host = closed().await;
    let (expected, _) = told(&inspector, &host, "app:0").await;
    let tags: Vec<String> = (1..9).map(|tag| format!("app{tag}:1")).collect();
    let asked = tags.iter().map(|name| told(&inspector, &host, name));
    for (unknown, _) in join_all(asked).await {
        assert_eq!(unknown, expected);
    }
    assert_eq!(inspector.failing_hosts(), 1);
    let (unknown, _) = told(&inspector, &host, "app:9").await;
    assert_eq!(unknown, expected);
}

#[tokio::test]
async fn nor_is_anything_told_of_where_a_registry_redirects_to_or_has_its_tokens_made() {
    let (named, inside) = (FakeRegistry::start().await, FakeRegistry::start().await);
    named.push("app:1", &index([manifest("linux/amd64")]));
    let image = |tag: &str| named.reference(&format!("app:{tag}"));
    let mut all = HostSettings::new("*");
    all.addresses = Addresses::Any;
    all.plain_http = true;
    let inspector = inspector_with(&[named.settings(), all], |_| {});
    let nowhere = Fault::Redirect("https://[".to_owned());
    inside.misbehave("GET /nowhere", nowhere);
    let round = Fault::Redirect(format!("{}/loop", inside.url()));
    inside.misbehave("GET /loop", round);
    let away = Fault::Redirect("ftp://files.example/".to_owned());
    inside.misbehave("GET /away", away);
    inside.push("found:1", &index([manifest("linux/amd64")]));
    let html = Fault::Header("content-type", "text/html".to_owned());
    inside.misbehave("GET /v2/found", html);
    let cases = [
        ("closed", format!("http://{}/secret?q=1", closed().await)),
        ("missing", format!("{}/secret?q=2", inside.url())),
        ("nowhere", format!("{}/nowhere", inside.url())),
        ("loop", format!("{}/loop", inside.url())),
        ("away", format!("{}/away", inside.url())),
        ("found", format!("{}/v2/found/manifests/1", inside.url())),
    ];
    let mut asked = Vec::new();
    for (tag, url) in cases {
        let part = format!("GET /v2/app/manifests/{tag}");
        named.misbehave(&part, Fault::Redirect(url));
        let (image, inspector) = (image(tag), &inspector);
        asked.push(async move { inspect(inspector, &image).await.unwrap_err() });
    }
    let texts = join_all(asked).await;
    assert!(texts[0].detail.contains("could not be asked"), "{texts:?}");
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
    let requests = inside.requests();
    for path in ["/secret", "/nowhere", "/loop", "/v2/found"] {
        let is_there = |request: &String| request.contains(path);
        assert!(requests.iter().any(is_there), "{path}: {requests:?}");
    }
}

#[tokio::test]
async fn a_token_server_that_nobody_names_tells_nothing_by_what_it_answers() {
    let inside = FakeRegistry::start_tls().await;
    let mut all = inside.settings();
    all.host = "*".to_owned();
    all.addresses = Addresses::Any;
    let page = Fault::Body(b"<h1>Grafana".to_vec());
    inside.push("page:1", &manifest("linux/amd64"));
    inside.misbehave("GET /v2/page", page);
    let elsewhere = Fault::Redirect("https://login.example/".to_owned());
    inside.misbehave("GET /moved", elsewhere);
    let realms = [
        format!("https://{}/token", closed().await),
        format!("{}/missing", inside.url()),
        format!("{}/v2/page/manifests/1", inside.url()),
        format!("{}/moved", inside.url()),
    ];
    let asked = realms.iter().map(async |realm| {
        let named = FakeRegistry::start().await;
        let image = named.push("app:1", &index([manifest("linux/amd64")]));
        named.require_token_from(realm, &[]);
        let inspector = inspector_with(&[named.settings(), all.clone()], |_| {});
        let unknown = inspect(&inspector, &image).await.unwrap_err();
        let detail = unknown.detail.replace(&named.host(), "HOST").into();
        Unknown { detail, ..unknown }
    });
    let texts = join_all(asked).await;
    assert!(texts[0].detail.contains("could not be asked"), "{texts:?}");
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
    assert_eq!(inside.requests().len(), 3);
}

#[tokio::test]
async fn of_hosts_that_the_settings_name_and_on_the_command_line_all_is_told() {
    let registry = FakeRegistry::start().await;
    let named = |host: &str| {
        let mut settings = registry.settings();
        settings.host = host.to_owned();
        settings
    };
    for host in [registry.host(), "127.0.0.1:*".to_owned()] {
        let inspector = inspector_with(&[named(&host)], |_| {});
        let (unknown, _) = told(&inspector, &registry.host(), "app:1").await;
        assert_eq!(unknown.reason, Reason::NotFound, "{host}");
    }
    let open = unnamed(true, |settings| settings.discretion = Discretion::Open);
    let (unknown, _) = told(&open, &registry.host(), "app:1").await;
    assert_eq!(unknown.reason, Reason::NotFound);
    // A mirror is named by the host that has it.
    let mut mirrored = HostSettings::new("hub.example");
    mirrored.mirrors = vec![registry.host().try_into().unwrap()];
    mirrored.blocked = false;
    let mut all = named("*");
    all.addresses = Addresses::Any;
    let inspector = inspector_with(&[mirrored, all], |_| {});
    let (unknown, _) = told(&inspector, &registry.host(), "app:1").await;
    assert_eq!(unknown.reason, Reason::NotFound);
}
