//! What a denial rests on: what registries say now, and not what they said a while ago.

use std::time::Duration;

use archmatch::domain::policy::OnUnknown;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use super::{Review, Webhook};
use crate::support::cache::known_since;
use crate::support::registry::{Fault, index, manifest};

/// A webhook that denied a pod so long ago, for what its image was then.
async fn denied_before(review: impl Fn(&Webhook) -> Review, age: Duration) -> Webhook {
    let webhook = Webhook::start().await;
    Webhook::denied(&webhook.ask(&review(&webhook)).await);
    let folder = tempfile::tempdir().unwrap();
    known_since(&webhook.inspector, folder.path(), age).await;
    webhook.registry.take_requests();
    webhook
}

fn pod(webhook: &Webhook) -> Review {
    Review::pod(&webhook.spec("node:22", "s390x"))
}

#[tokio::test]
async fn an_image_that_was_mended_under_its_tag_is_admitted_at_once() {
    for seconds in [41, 290, 1900] {
        let webhook = denied_before(pod, Duration::from_secs(seconds)).await;
        let mended = index([manifest("linux/amd64"), manifest("linux/s390x")]);
        webhook.registry.push("node:22", &mended);
        let response = webhook.ask(&pod(&webhook)).await;
        Webhook::admitted(&response);
        assert_eq!(
            response["auditAnnotations"],
            json!({"verdict": "pass", "mode": "allow"})
        );
        let by_digest = format!("GET /v2/node/manifests/{}", mended.digest());
        let requests = webhook.registry.take_requests();
        assert_eq!(requests, ["HEAD /v2/node/manifests/22", &by_digest]);
    }
}

#[tokio::test]
async fn what_still_lacks_a_platform_is_denied_without_a_doubt_and_costs_one_request() {
    let webhook = denied_before(pod, Duration::from_secs(70)).await;
    for _ in 0..3 {
        let response = webhook.ask(&pod(&webhook)).await;
        let message = Webhook::denied(&response);
        assert!(!message.contains("was judged by"), "{message}");
        assert!(response["auditAnnotations"].get("stale").is_none());
    }
    let requests = webhook.registry.take_requests();
    assert_eq!(requests, ["HEAD /v2/node/manifests/22"]);
}

#[tokio::test]
async fn what_cannot_be_confirmed_is_denied_with_its_age() {
    let webhook = denied_before(pod, Duration::from_secs(150)).await;
    webhook.registry.misbehave("/v2/node", Fault::Status(502));
    let response = webhook.ask(&pod(&webhook)).await;
    let message = Webhook::denied(&response);
    let host = webhook.registry.host();
    let doubt = format!("it was judged by what {host} said 2m ago; it is unreachable now");
    assert!(message.contains(&doubt), "{message}");
    assert_eq!(response["auditAnnotations"]["stale"], "unreachable");
}

#[tokio::test]
async fn what_is_not_confirmed_by_the_deadline_is_denied_with_its_age() {
    let webhook = denied_before(pod, Duration::from_secs(260)).await;
    webhook.registry.misbehave("/v2/node", Fault::Silence);
    let request = Request::post("/validate?timeout=1s").header("content-type", "application/json");
    let body = pod(&webhook).json().into();
    let (status, body) = webhook.send(request.body(body).unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    let answer: Value = serde_json::from_str(&body).unwrap();
    let message = Webhook::denied(&answer["response"]);
    assert!(message.contains("said 4m ago; it does not answer in time now"));
    let annotations = &answer["response"]["auditAnnotations"];
    assert_eq!(annotations["stale"], "timeout");
}

#[tokio::test]
async fn an_update_is_judged_again_by_what_its_images_are_now() {
    // Both images lack s390x; one of them the old object had already.
    let new = |webhook: &Webhook| {
        let mut spec = webhook.spec("node:22", "s390x");
        let other = json!({"name": "other", "image": webhook.image("node:20")});
        spec["containers"].as_array_mut().unwrap().push(other);
        Review::deployment(&spec).updating(Review::deployment(&webhook.spec("node:20", "s390x")))
    };
    let webhook = denied_before(new, Duration::from_secs(33)).await;
    let mended = index([manifest("linux/amd64"), manifest("linux/s390x")]);
    webhook.registry.push("node:22", &mended);
    let warning = Webhook::warned(&webhook.ask(&new(&webhook)).await);
    assert!(warning.contains("node:20") && !warning.contains("node:22"));
}

#[tokio::test]
async fn where_the_unknown_is_denied_it_too_is_asked_about_again() {
    let webhook = Webhook::start().await;
    webhook.set(|settings| settings.on_unknown = OnUnknown::Deny);
    let review = Review::pod(&webhook.spec("node:soon", "s390x"));
    Webhook::denied(&webhook.ask(&review).await);
    Webhook::denied(&webhook.ask(&review).await);
    let asked = webhook.registry.take_requests();
    assert_eq!(asked, ["GET /v2/node/manifests/soon"], "it was just now");
}

#[tokio::test]
async fn a_stale_answer_is_said_to_be_one_though_the_registry_is_well() {
    let webhook = Webhook::start().await;
    let whole = Review::pod(&webhook.spec("node:21", "s390x"));
    Webhook::admitted(&webhook.ask(&whole).await);
    let folder = tempfile::tempdir().unwrap();
    known_since(&webhook.inspector, folder.path(), Duration::from_secs(900)).await;
    // Meanwhile the tag lost the platform: that is admitted once more, and said.
    webhook
        .registry
        .push("node:21", &index([manifest("linux/amd64")]));
    webhook.registry.take_requests();
    let response = webhook.ask(&whole).await;
    Webhook::admitted(&response);
    assert_eq!(
        response["auditAnnotations"],
        json!({"verdict": "pass", "mode": "allow", "stale": "refreshing"})
    );
    webhook.registry.requested(3).await;
    // The next one knows, and has not to be told.
    let next = loop {
        let next = webhook.ask(&whole).await;
        if next["auditAnnotations"]["stale"] != "refreshing" {
            break next;
        }
        tokio::task::yield_now().await;
    };
    Webhook::denied(&next);
    assert!(next["auditAnnotations"].get("stale").is_none());
}

#[tokio::test]
async fn a_warning_by_a_stale_answer_says_that_it_is_one() {
    let webhook = Webhook::start().await;
    let mut spec = webhook.spec("node:22", "");
    spec["nodeSelector"] = json!({});
    let review = Review::pod(&spec);
    Webhook::warned(&webhook.ask(&review).await);
    let folder = tempfile::tempdir().unwrap();
    known_since(&webhook.inspector, folder.path(), Duration::from_secs(1300)).await;
    let warning = Webhook::warned(&webhook.ask(&review).await);
    let doubt = "said 21m ago; it is being asked again";
    assert!(warning.contains(doubt), "{warning}");
}
