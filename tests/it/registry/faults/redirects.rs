//! R18: blobs that are elsewhere.

use archmatch::domain::unknown::Reason;
use archmatch::registry::{Addresses, HostSettings};
use tokio::net::TcpListener;

use super::{Failure, faulty};
use crate::registry::{inspect, inspector, inspector_with, is_unknown, platforms};
use crate::support::registry::{Document, FakeRegistry, Fault, index, manifest};

#[tokio::test]
async fn r18_redirects_lead_only_where_registries_may_be() {
    let app = manifest("linux/amd64");
    for to in [
        "http://evil.example/",
        "https://169.254.169.254/evil",
        "https://[::ffff:7f00:1]/evil",
        "https://localhost/evil",
        "https://0/evil",
        "https://u:p@evil.example/",
    ] {
        let blocked = Failure {
            reason: Reason::Blocked,
            requests: 2,
            status: "3xx",
        };
        let fault = Fault::Redirect(to.to_owned());
        faulty(&app, "GET /v2/app/blobs/", vec![fault], blocked).await;
    }
    let again = Failure {
        reason: Reason::Unsupported,
        requests: 5,
        status: "3xx",
    };
    let fault = Fault::Redirect("/v2/app/blobs/again".to_owned());
    faulty(&app, "GET /v2/app/blobs/", vec![fault], again).await;
}

#[tokio::test]
async fn r18_redirects_of_documents_are_followed_three_times() {
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
async fn r18_blobs_may_be_elsewhere_but_credentials_stay() {
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

#[tokio::test]
async fn a_host_that_a_registry_sends_us_to_is_not_taken_for_the_registry() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let elsewhere = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    let mut other = HostSettings::new(&elsewhere);
    other.addresses = Addresses::Any;
    other.plain_http = true;
    let (redirecting, asking) = (FakeRegistry::start().await, FakeRegistry::start().await);
    let login = Fault::Redirect(format!("http://{elsewhere}/login"));
    redirecting.misbehave("manifests/1", login);
    asking.require_token_from(&format!("https://{elsewhere}/token"), &[]);
    let behind_redirect = format!("the host that {} redirects to", redirecting.host());
    let token_server = format!("the token server of {}", asking.host());
    for (registry, named) in [(redirecting, behind_redirect), (asking, token_server)] {
        let image = registry.push("app:1", &index([manifest("linux/amd64")]));
        let inspector = inspector(&[registry.settings(), other.clone()]);
        let told = inspect(&inspector, &image).await.unwrap_err().detail;
        assert_eq!(&*told, format!("there is no connection to {named}"));
    }
}

fn blob_of(document: &Document) -> String {
    let manifest: serde_json::Value = serde_json::from_slice(&document.body).unwrap();
    manifest["config"]["digest"].as_str().unwrap().to_owned()
}
