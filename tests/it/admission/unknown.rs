//! What could not be found out.

use std::time::Duration;

use archmatch::domain::policy::OnUnknown;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use super::{Review, Webhook};
use crate::support::cache::known_since;
use crate::support::registry::Fault;

#[tokio::test]
async fn unknown_is_warned_of_by_default_and_denied_only_when_asked() {
    let webhook = Webhook::start().await;
    webhook
        .registry
        .misbehave("GET /v2/node", Fault::Status(503));
    let review = Review::pod(&webhook.spec("node:22", "s390x"));
    let response = webhook.ask(&review).await;
    let warning = Webhook::warned(&response);
    assert!(warning.contains("could not be checked"), "{warning}");
    assert_eq!(response["auditAnnotations"]["undecided"], "unreachable");
    webhook.set(|settings| settings.on_unknown = OnUnknown::Allow);
    Webhook::admitted(&webhook.ask(&review).await);
    webhook.set(|settings| settings.on_unknown = OnUnknown::Deny);
    Webhook::denied(&webhook.ask(&review).await);
    let unchanged = Review::pod(&webhook.spec("node:22", "s390x"));
    let unchanged = unchanged.updating(Review::pod(&webhook.spec("node:22", "s390x")));
    Webhook::warned(&webhook.ask(&unchanged).await);
    let nowhere = Review::pod(&webhook.spec("node:22", "riscv64"));
    let warning = Webhook::warned(&webhook.ask(&nowhere).await);
    assert!(warning.contains("no node may run this pod"), "{warning}");
}

#[tokio::test]
async fn a_preloaded_image_is_never_denied_and_hides_no_other() {
    let webhook = Webhook::start().await;
    webhook.set(|settings| settings.on_unknown = OnUnknown::Deny);
    let mut spec = webhook.spec("node:22", "s390x");
    spec["containers"][0]["imagePullPolicy"] = json!("Never");
    let response = webhook.ask(&Review::pod(&spec)).await;
    Webhook::warned(&response);
    assert_eq!(response["auditAnnotations"]["undecided"], "preloaded");
    spec["initContainers"] = json!([{"name": "first", "image": webhook.image("none:1")}]);
    let response = webhook.ask(&Review::pod(&spec)).await;
    Webhook::denied(&response);
    assert_eq!(
        response["auditAnnotations"]["undecided"],
        "not-found,preloaded"
    );
}

#[tokio::test]
async fn an_answer_that_outlives_its_registry_is_said_to_be_old() {
    let webhook = Webhook::start().await;
    let whole = Review::pod(&webhook.spec("node:21", "s390x"));
    let lacking = Review::pod(&webhook.spec("node:22", "s390x"));
    Webhook::admitted(&webhook.ask(&whole).await);
    Webhook::denied(&webhook.ask(&lacking).await);
    let folder = tempfile::tempdir().unwrap();
    known_since(&webhook.inspector, folder.path(), Duration::from_secs(7300)).await;
    webhook.registry.misbehave("/v2/node", Fault::Status(503));

    let doubt = format!(
        "was judged by what {} said 2h ago; it is unreachable now",
        webhook.registry.host()
    );
    let response = webhook.ask(&whole).await;
    let image = webhook.image("node:21");
    assert_eq!(
        Webhook::warned(&response),
        format!("archmatch: image \"{image}\" {doubt}")
    );
    assert_eq!(
        response["auditAnnotations"],
        json!({"verdict": "pass", "mode": "allow", "stale": "unreachable"})
    );
    let response = webhook.ask(&lacking).await;
    let message = Webhook::denied(&response);
    assert!(message.contains(&format!("  it {doubt}")), "{message}");
    assert_eq!(response["auditAnnotations"]["stale"], "unreachable");

    webhook.registry.recover();
    known_since(&webhook.inspector, folder.path(), Duration::from_secs(7300)).await;
    Webhook::admitted(&webhook.ask(&whole).await);
}

#[tokio::test]
async fn a_silent_registry_is_answered_for_in_time() {
    let webhook = Webhook::start().await;
    webhook.registry.misbehave("GET /v2/node", Fault::Silence);
    let body = Review::pod(&webhook.spec("node:22", "s390x")).json();
    let request = Request::post("/validate?timeout=1s").header("content-type", "application/json");
    let (status, body) = webhook.send(request.body(body.into()).unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        answer["response"]["auditAnnotations"]["undecided"],
        "timeout"
    );
}
