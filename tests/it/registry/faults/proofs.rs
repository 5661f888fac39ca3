//! R8, R9, R19 and R20: proofs that are asked for, and images that may not be seen.

use archmatch::domain::unknown::Reason;

use super::{Failure, fails, faulty, hasty};
use crate::registry::{inspect, inspector, is_unknown, platforms};
use crate::support::registry::{FakeRegistry, Fault, index, manifest};

fn challenge(value: &str) -> Vec<Fault> {
    vec![
        Fault::Header("www-authenticate", value.to_owned()),
        Fault::Status(401),
    ]
}

fn refused(requests: usize) -> Failure {
    Failure {
        reason: Reason::Unauthorized,
        requests,
        status: "4xx",
    }
}

#[tokio::test]
async fn r8_a_registry_that_refuses_every_token_is_asked_twice() {
    let registry = FakeRegistry::start().await;
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    registry.require_token(&[]);
    let realm = format!(r#"Bearer realm="{}/token",service="fake""#, registry.url());
    for fault in challenge(&realm) {
        registry.misbehave("GET /v2/", fault);
    }
    let inspector = hasty(&[registry.settings()]);
    fails(&inspector, &image, Reason::Unauthorized, "4xx").await;
    assert_eq!(registry.requests().len(), 3, "document, token, document");
}

#[tokio::test]
async fn r8_challenges_that_lead_nowhere_cost_one_request() {
    let app = index([manifest("linux/amd64")]);
    for value in ["", "Basic realm=\"evil\"", "Negotiate"] {
        faulty(&app, "GET", challenge(value), refused(1)).await;
    }
    for value in ["Bearer", "Bearer evil", "Bearer service=\"evil\""] {
        let no_realm = Failure {
            reason: Reason::Blocked,
            ..refused(1)
        };
        faulty(&app, "GET", challenge(value), no_realm).await;
    }
    faulty(&app, "GET", vec![Fault::Status(401)], refused(1)).await;
}

#[tokio::test]
async fn r8_of_two_challenges_the_one_that_can_be_answered_counts() {
    let registry = FakeRegistry::start().await;
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    registry.require_token(&[]);
    let both = format!(
        r#"Basic realm="a", Bearer realm="{}/token",service="fake",scope="repository:app:pull""#,
        registry.url()
    );
    let refusal = Fault::Header("www-authenticate", both);
    registry.misbehave_times(1, "GET /v2/", refusal);
    platforms(&inspector(&[registry.settings()]), &image).await;
    assert_eq!(registry.requests().len(), 3);
}

#[tokio::test]
async fn r8_headers_of_a_megabyte_are_cut() {
    let long = Failure {
        reason: Reason::Unreachable,
        requests: 1,
        status: "error",
    };
    let header = Fault::Header("www-authenticate", "x".repeat(1024 * 1024));
    faulty(&index([manifest("linux/amd64")]), "GET", vec![header], long).await;
}

#[tokio::test]
async fn r9_a_missing_and_a_hidden_image_read_the_same() {
    let app = index([manifest("linux/amd64")]);
    let mut texts = Vec::new();
    for (status, reason) in [
        (404, Reason::NotFound),
        (410, Reason::NotFound),
        (401, Reason::Unauthorized),
        (403, Reason::Unauthorized),
    ] {
        let failure = Failure {
            reason,
            ..refused(1)
        };
        faulty(&app, "GET", vec![Fault::Status(status)], failure).await;

        let registry = FakeRegistry::start().await;
        registry.misbehave("GET", Fault::Status(status));
        let found = inspect(&hasty(&[registry.settings()]), &registry.reference("app:1")).await;
        let text = found.unwrap_err().to_string();
        texts.push(text.replace(&registry.host(), "host"));
    }
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
}

#[tokio::test]
async fn r19_realms_are_judged_like_hosts() {
    let registry = FakeRegistry::start().await;
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    for realm in [
        "https://127.0.0.1:1/token-realm",
        "https://0.0.0.0/token-realm",
        "https://localhost/token-realm",
        "https://[::ffff:169.254.169.254]/token-realm",
        "https://169.254.169.254/token-realm",
        "http://token-realm.example/",
        "https://u:p@token-realm.example/",
        "file:///token-realm",
        "no url",
    ] {
        registry.require_token_from(realm, &[]);
        is_unknown(
            inspect(&inspector(&[registry.settings()]), &image).await,
            Reason::Blocked,
        );
        assert_eq!(registry.take_requests().len(), 1, "{realm}");
    }
}

#[tokio::test]
async fn r19_a_realm_may_not_redirect() {
    let (registry, other) = (FakeRegistry::start().await, FakeRegistry::start().await);
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    registry.require_token(&[]);
    registry.misbehave(
        "GET /token",
        Fault::Redirect(format!("{}/token", other.url())),
    );
    let inspector = inspector(&[registry.settings(), other.settings()]);
    is_unknown(inspect(&inspector, &image).await, Reason::Blocked);
    assert!(other.requests().is_empty());
}

/// A token answer, and what a look-up with it comes to.
async fn token(answer: &str, expected: Result<(), Reason>) {
    let registry = FakeRegistry::start().await;
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    let other = registry.push("app:2", &index([manifest("linux/amd64")]));
    registry.require_token(&[]);
    registry.misbehave("GET /token", Fault::Body(answer.as_bytes().to_vec()));
    let inspector = inspector(&[registry.settings()]);
    match expected {
        Ok(()) => {
            platforms(&inspector, &image).await;
            platforms(&inspector, &other).await;
            let requests = registry.requests();
            let tokens = requests.iter().filter(|line| line.contains("/token"));
            assert_eq!(tokens.count(), 1, "{answer} is used for a minute at least");
        }
        Err(reason) => {
            is_unknown(inspect(&inspector, &image).await, reason);
            assert_eq!(registry.requests().len(), 2, "{answer}");
        }
    }
}

#[tokio::test]
async fn r20_tokens_are_opaque_and_their_lifetimes_bounded() {
    for expiry in ["0", "-1", "1e18", "0.5", "null"] {
        let answer = format!(r#"{{"token":"for-repository:app:pull","expires_in":{expiry}}}"#);
        token(&answer, Ok(())).await;
    }
    token(
        r#"{"token":"","access_token":"for-repository:app:pull"}"#,
        Ok(()),
    )
    .await;
    for (answer, reason) in [
        (r#"{"token":""}"#, Reason::Malformed),
        ("{}", Reason::Malformed),
        ("<html>evil", Reason::Malformed),
        ("", Reason::Malformed),
        (r#"{"token":"a\nb"}"#, Reason::Unsupported),
    ] {
        token(answer, Err(reason)).await;
    }
    token(&" ".repeat(64 * 1024 + 1), Err(Reason::TooLarge)).await;
    token(&" ".repeat(10 * 1024 * 1024), Err(Reason::TooLarge)).await;
}
