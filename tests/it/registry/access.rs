//! Proofs, and who is contacted at all.

use archmatch::domain::unknown::Reason;
use archmatch::registry::{Addresses, HostSettings, Inspector};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{inspect, inspector, inspector_with, is_unknown, platforms};
use crate::support::registry::{FakeRegistry, Fault, index, manifest};

/// An inspector whose operator has these credentials, by key of the docker config.
fn with_credentials(registry: &FakeRegistry, auths: &[(String, &str, &str)]) -> Inspector {
    let entry = |(key, user, password): &(String, &str, &str)| {
        let auth = STANDARD.encode(format!("{user}:{password}"));
        (key.clone(), json!({"auth": auth}))
    };
    let auths: serde_json::Map<_, _> = auths.iter().map(entry).collect();
    inspector_with(&[registry.settings()], |settings| {
        settings.docker_config = Some(json!({"auths": auths}).to_string().into_bytes());
    })
}

#[tokio::test]
async fn another_docker_config_counts_at_once_and_a_broken_one_does_not() {
    let registry = FakeRegistry::start().await;
    registry.require_basic(&[("ada", "smash")]);
    let host = registry.host();
    let inspector = with_credentials(&registry, &[(host.clone(), "ada", "old")]);
    let mut number = 0;
    let mut is_let_in = async || {
        // What was found out before does not answer for this one.
        number += 1;
        let image = registry.push(
            &format!("app-{number}:1"),
            &index([manifest("linux/amd64")]),
        );
        inspect(&inspector, &image).await.is_ok()
    };
    let config = |password: &str| {
        let auths = json!({host.as_str(): {"username": "ada", "password": password}});
        json!({"auths": auths}).to_string()
    };
    assert!(!is_let_in().await);
    inspector
        .set_docker_config(config("smash").as_bytes())
        .unwrap();
    assert!(is_let_in().await);
    let whole = config("smash");
    for broken in [
        "",
        &whole[..whole.len() - 1],
        r#"{"auths":{"a.b":{"auth":"%"}}}"#,
    ] {
        assert!(
            inspector.set_docker_config(broken.as_bytes()).is_err(),
            "{broken}"
        );
        assert!(is_let_in().await, "{broken}");
    }
    inspector.set_docker_config(b"{}").unwrap();
    assert!(!is_let_in().await);
}

#[tokio::test]
async fn an_anonymous_token_is_fetched_when_asked_for_and_foreseen_afterwards() {
    let registry = FakeRegistry::start().await;
    registry.require_token(&[]);
    let image = registry.push("a/app:1", &index([manifest("linux/amd64")]));
    let other = registry.push("b/app:1", &manifest("linux/amd64"));
    let inspector = inspector(&[registry.settings()]);

    platforms(&inspector, &image).await;
    let token = "GET /token?service=fake&scope=repository%3Aa%2Fapp%3Apull";
    let document = "GET /v2/a/app/manifests/1";
    assert_eq!(registry.take_requests(), [document, token, document]);

    platforms(&inspector, &other).await;
    let requests = registry.take_requests();
    assert!(requests[0].starts_with("GET /token?"), "{requests:?}");
    assert_eq!(requests.len(), 3, "token, manifest, config: {requests:?}");
}

#[tokio::test]
async fn callers_share_one_token() {
    let registry = FakeRegistry::start().await;
    registry.require_token(&[]);
    let pushed = |tag: i32| registry.push(&format!("app:{tag}"), &index([manifest("linux/amd64")]));
    let images: Vec<_> = (0..6).map(pushed).collect();
    let inspector = inspector(&[registry.settings()]);

    let found = images.iter().map(|image| platforms(&inspector, image));
    futures::future::join_all(found).await;
    let is_token = |request: &&String| request.starts_with("GET /token");
    assert_eq!(registry.requests().iter().filter(is_token).count(), 1);
}

#[tokio::test]
async fn a_token_that_no_longer_serves_is_replaced_once() {
    let registry = FakeRegistry::start().await;
    registry.require_token(&[]);
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    let inspector = inspector(&[registry.settings()]);
    registry.misbehave("GET /token", Fault::Body(br#"{"token":"old"}"#.to_vec()));

    is_unknown(inspect(&inspector, &image).await, Reason::Unauthorized);
    assert_eq!(
        registry.take_requests().len(),
        3,
        "document, token, document"
    );
    registry.recover();
    let other = registry.push("app:2", &index([manifest("linux/amd64")]));
    platforms(&inspector, &other).await;
    assert_eq!(
        registry.take_requests().len(),
        3,
        "document, token, document"
    );
}

#[tokio::test]
async fn credentials_are_shown_to_the_token_server_and_to_basic() {
    let registry = FakeRegistry::start_tls().await;
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    let credentials = [(registry.host(), "ada", "smash")];
    registry.require_token(&[("ada", "smash")]);
    platforms(&with_credentials(&registry, &credentials), &image).await;
    registry.require_basic(&[("ada", "smash")]);
    platforms(&with_credentials(&registry, &credentials), &image).await;
    let basic = "Basic YWRhOnNtYXNo";
    assert_eq!(
        registry.proofs(),
        [basic, "Bearer for-repository:app:pull", basic]
    );
}

#[tokio::test]
async fn matching_credentials_are_tried_in_order() {
    let registry = FakeRegistry::start().await;
    registry.require_basic(&[("ada", "smash")]);
    let image = registry.push("team/app:1", &index([manifest("linux/amd64")]));
    let host = registry.host();
    let credentials = [
        (host.clone(), "ada", "smash"),
        (format!("{host}/team"), "eve", "wrong"),
    ];

    platforms(&with_credentials(&registry, &credentials), &image).await;
    let pairs = ["eve:wrong", "ada:smash"].map(|pair| format!("Basic {}", STANDARD.encode(pair)));
    assert_eq!(registry.proofs(), pairs);
}

#[tokio::test]
async fn refused_credentials_end_after_a_bounded_number_of_requests() {
    let registry = FakeRegistry::start().await;
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    let credentials = [(registry.host(), "eve", "wrong")];
    for (require, most) in [("basic", 2), ("token", 2), ("nothing", 1)] {
        match require {
            "basic" => registry.require_basic(&[("ada", "smash")]),
            "token" => registry.require_token(&[("ada", "smash")]),
            _ => registry.misbehave("GET", Fault::Status(401)),
        }
        let inspector = with_credentials(&registry, &credentials);
        is_unknown(inspect(&inspector, &image).await, Reason::Unauthorized);
        assert_eq!(registry.take_requests().len(), most, "{require}");
    }
}

#[tokio::test]
async fn credentials_never_reach_a_realm_on_another_host() {
    let (registry, other) = (
        FakeRegistry::start_tls().await,
        FakeRegistry::start_tls().await,
    );
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    let realm = format!("https://localhost:{}/token-realm", other.port());
    registry.require_token_from(&realm, &[]);
    // The address filter would let the realm be contacted: what it may see is at stake.
    let mut elsewhere = other.settings();
    elsewhere.host = format!("localhost:{}", other.port());
    let auths = json!({"auths": {registry.host(): {"username": "ada", "password": "smash"}}});
    let inspector = inspector_with(&[registry.settings(), elsewhere], |settings| {
        settings.docker_config = Some(auths.to_string().into_bytes());
    });

    is_unknown(inspect(&inspector, &image).await, Reason::Blocked);
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn a_realm_that_serves_the_anonymous_is_still_not_shown_credentials() {
    let (registry, other) = (
        FakeRegistry::start_tls().await,
        FakeRegistry::start_tls().await,
    );
    let open = registry.push("open/app:1", &index([manifest("linux/amd64")]));
    let team = registry.push("team/app:1", &index([manifest("linux/amd64")]));
    let realm_host = format!("localhost:{}", other.port());
    registry.require_token_from(&format!("https://{realm_host}/token"), &[]);
    let mut realm = other.settings();
    realm.host = realm_host;
    let inspector = inspector_with(&[registry.settings(), realm], |settings| {
        let key = format!("{}/team", registry.host());
        let config = json!({"auths": {key: {"username": "ada", "password": "smash"}}});
        settings.docker_config = Some(config.to_string().into_bytes());
    });

    platforms(&inspector, &open).await;
    assert_eq!(other.take_requests().len(), 1);
    is_unknown(inspect(&inspector, &team).await, Reason::Blocked);
    assert!(other.requests().is_empty() && other.proofs().is_empty());
}

#[tokio::test]
async fn tokens_of_one_credential_serve_no_other() {
    let registry = FakeRegistry::start().await;
    registry.require_token(&[("ada", "smash")]);
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    let host = registry.host();
    // Both match: the first is refused by the token server, the second is not.
    let credentials = [
        (format!("{host}/app"), "eve", "wrong"),
        (host, "ada", "smash"),
    ];
    let inspector = with_credentials(&registry, &credentials);
    platforms(&inspector, &image).await;
    registry.take_requests();
    let other = registry.push("app:2", &index([manifest("linux/amd64")]));
    platforms(&inspector, &other).await;
    let is_token = |request: &&String| request.starts_with("GET /token");
    let tokens = registry.requests().iter().filter(is_token).count();
    assert_eq!(tokens, 1, "eve asks again, and is refused again");
}

/// An inspector whose operator has an identity token for the registry.
fn with_identity_token(registry: &FakeRegistry, token: &str) -> Inspector {
    let auths = json!({"auths": {registry.host(): {"identitytoken": token}}});
    inspector_with(&[registry.settings()], |settings| {
        settings.docker_config = Some(auths.to_string().into_bytes());
    })
}

#[tokio::test]
async fn an_identity_token_is_posted_to_the_token_server_and_shown_to_nobody_else() {
    let registry = FakeRegistry::start_tls().await;
    registry.require_token(&[("ada", "refresh")]);
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    let inspector = with_identity_token(&registry, "refresh");
    platforms(&inspector, &image).await;
    let document = "GET /v2/app/manifests/1";
    assert_eq!(registry.requests(), [document, "POST /token", document]);
    assert_eq!(
        registry.forms(),
        [
            "grant_type=refresh_token&client_id=archmatch&refresh_token=refresh&service=fake&scope=repository%3Aapp%3Apull"
        ]
    );
    assert_eq!(registry.proofs(), ["Bearer for-repository:app:pull"]);

    let wrong = inspect(&with_identity_token(&registry, "wrong"), &image).await;
    is_unknown(wrong, Reason::Unauthorized);
    // Basic has no place for it.
    registry.require_basic(&[("ada", "refresh")]);
    let shown = registry.proofs().len();
    let refused = inspect(&with_identity_token(&registry, "refresh"), &image).await;
    is_unknown(refused, Reason::Unauthorized);
    assert_eq!(registry.proofs().len(), shown);
}

#[tokio::test]
async fn an_identity_token_never_reaches_a_realm_on_another_host() {
    let (registry, other) = (
        FakeRegistry::start_tls().await,
        FakeRegistry::start_tls().await,
    );
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    let realm = format!("https://localhost:{}/token-realm", other.port());
    registry.require_token_from(&realm, &[]);
    // The address filter would let the realm be contacted: what it may see is at stake.
    let mut elsewhere = other.settings();
    elsewhere.host = format!("localhost:{}", other.port());
    let auths = json!({"auths": {registry.host(): {"identitytoken": "refresh"}}});
    let inspector = inspector_with(&[registry.settings(), elsewhere], |settings| {
        settings.docker_config = Some(auths.to_string().into_bytes());
    });
    is_unknown(inspect(&inspector, &image).await, Reason::Blocked);
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn token_servers_are_believed_within_limits() {
    let registry = FakeRegistry::start().await;
    registry.require_token(&[]);
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    for (fault, reason) in [
        (Fault::Endless, Reason::TooLarge),
        (Fault::Body(vec![b' '; 65 * 1024]), Reason::TooLarge),
        (Fault::Body(b"<html>evil".to_vec()), Reason::Malformed),
        (
            Fault::Redirect(format!("{}/v2/", registry.url())),
            Reason::Blocked,
        ),
        (Fault::Status(403), Reason::Unauthorized),
        (Fault::Status(429), Reason::RateLimited),
        (Fault::Status(503), Reason::Unreachable),
    ] {
        registry.recover();
        registry.misbehave("GET /token", fault);
        let inspector = inspector(&[registry.settings()]);
        is_unknown(inspect(&inspector, &image).await, reason);
    }
}

#[tokio::test]
async fn this_machine_is_contacted_only_where_the_settings_say_so() {
    let registry = FakeRegistry::start_tls().await;
    let port = registry.port();
    for host in [
        "127.0.0.1",
        "localhost",
        "a.localhost",
        "[::1]",
        "127.1",
        "0.0.0.0",
        "[::]",
    ] {
        for addresses in [Addresses::Private, Addresses::Public] {
            let mut settings = HostSettings::new("*");
            settings.addresses = addresses;
            settings.plain_http = true;
            let image = format!("{host}:{port}/app:1").parse().expect(host);
            is_unknown(
                inspect(&inspector(&[settings]), &image).await,
                Reason::Blocked,
            );
        }
    }
    assert!(registry.requests().is_empty());
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    platforms(&inspector(&[registry.settings()]), &image).await;
}

#[tokio::test]
async fn what_one_host_may_another_may_not() {
    // Both names lead to the same registry; connections to it are open already.
    let registry = FakeRegistry::start().await;
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    let mut strict = HostSettings::new("localhost:*");
    strict.plain_http = true;
    let inspector = inspector(&[registry.settings(), strict]);
    platforms(&inspector, &image).await;

    let other = format!("localhost:{}/app:1", registry.port())
        .parse()
        .unwrap();
    is_unknown(inspect(&inspector, &other).await, Reason::Blocked);
}

#[tokio::test]
async fn a_blocked_host_is_not_contacted_however_it_is_spelt() {
    let registry = FakeRegistry::start().await;
    let mut settings = registry.settings();
    settings.blocked = true;
    let mut others = HostSettings::new("*");
    others.addresses = Addresses::Any;
    others.plain_http = true;
    let inspector = inspector(&[settings, others]);
    for host in ["127.0.0.1", "127.1", "0x7f.1"] {
        let image = format!("{host}:{}/app:1", registry.port()).parse().unwrap();
        is_unknown(inspect(&inspector, &image).await, Reason::Blocked);
    }
    assert!(registry.requests().is_empty());
}
