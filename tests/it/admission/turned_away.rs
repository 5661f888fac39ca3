//! Who is turned away gets an answer by policy where a uid can be read, and is counted.

use std::convert::Infallible;
use std::time::Duration;

use archmatch::domain::policy::{OnUnknown, OwnedPods};
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Review, Webhook};

const OVER: usize = 7 * 1024 * 1024 + 1;

impl Webhook {
    /// A body of which only the beginning is there; `announced` is none for one in chunks.
    async fn begin(&self, beginning: &str, announced: Option<usize>) -> (StatusCode, String) {
        let first = Bytes::copy_from_slice(beginning.as_bytes());
        let body = stream::iter([Ok::<_, Infallible>(first)]).chain(stream::pending());
        let mut request =
            Request::post("/validate?timeout=5s").header("content-type", "application/json");
        if let Some(length) = announced {
            request = request.header("content-length", length);
        }
        self.send(request.body(Body::from_stream(body)).unwrap())
            .await
    }

    async fn answer(&self, review: &Review) -> Value {
        let text = review.in_order();
        // Up to the middle of the object.
        let (status, text) = self.begin(&text[..text.len() - 60], Some(OVER)).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["response"]["uid"], "u-1");
        answer["response"].clone()
    }
}

impl Review {
    /// In the order of the API server: who asks for what, and then the object.
    fn in_order(&self) -> String {
        let request = &self.0["request"];
        let fields = [
            "uid",
            "kind",
            "resource",
            "subResource",
            "namespace",
            "operation",
        ];
        let fields = fields.into_iter().chain(["userInfo", "object"]);
        let fields = fields.filter(|field| request.get(field).is_some());
        let fields = fields.map(|field| format!("{field:?}:{}", request[field]));
        format!(
            r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{{}}}}}"#,
            fields.collect::<Vec<_>>().join(",")
        )
    }
}

fn review() -> Review {
    Review::pod(&json!({"containers": [{"name": "a", "image": "a", "args": ["x".repeat(99)]}]}))
}

#[tokio::test(start_paused = true)]
async fn a_body_over_the_limit_is_answered_by_policy_within_100_ms() {
    let webhook = Webhook::start().await;
    let started = Instant::now();
    let response = webhook.answer(&review()).await;
    assert!(started.elapsed() < Duration::from_millis(100));
    let warning = Webhook::warned(&response);
    assert_eq!(
        warning,
        "archmatch: no image was checked: the review is over 7 MiB"
    );
    assert_eq!(
        response["auditAnnotations"],
        json!({"verdict": "undecided", "mode": "warn", "undecided": "too-large"})
    );
    assert_eq!(webhook.turned_away("too-large"), 1);
    webhook.set(|settings| settings.on_unknown = OnUnknown::Allow);
    let response = webhook.answer(&review()).await;
    Webhook::admitted(&response);
    assert_eq!(response["auditAnnotations"]["mode"], "allow");
    webhook.set(|settings| settings.on_unknown = OnUnknown::Deny);
    let message = Webhook::denied(&webhook.answer(&review()).await);
    assert!(message.contains("the review is over 7 MiB"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn who_could_not_have_been_denied_is_not_denied_for_want_of_room() {
    let webhook = Webhook::start().await;
    webhook.set(|settings| settings.on_unknown = OnUnknown::Deny);
    let controller = "system:serviceaccount:kube-system:replicaset-controller";
    Webhook::warned(&webhook.answer(&review().by(controller)).await);
    Webhook::warned(&webhook.answer(&review().by("system:node:z1")).await);
    Webhook::admitted(
        &webhook
            .answer(&review().with("namespace", json!("off")))
            .await,
    );
    Webhook::admitted(
        &webhook
            .answer(&review().with("subResource", json!("status")))
            .await,
    );
    Webhook::admitted(
        &webhook
            .answer(&review().with("operation", json!("DELETE")))
            .await,
    );
    webhook.set(|settings| settings.owned_pods = OwnedPods::Enforce);
    Webhook::denied(&webhook.answer(&review().by(controller)).await);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_comes_too_slowly_is_answered_by_policy() {
    let webhook = Webhook::start().await;
    let text = review().in_order();
    for announced in [None, Some(text.len()), Some(3_000_000)] {
        let (status, answer) = webhook.begin(&text[..400], announced).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let warning = Webhook::warned(&answer["response"]);
        assert!(warning.contains("came too slowly"), "{warning}");
        let undecided = &answer["response"]["auditAnnotations"]["undecided"];
        assert_eq!(undecided, "rate-limited");
    }
    assert_eq!(webhook.turned_away("slow"), 3);
    assert_eq!(
        webhook.metric(
            "admission_requests_total{kind=\"Pod\",operation=\"CREATE\",decision=\"warn\"}"
        ),
        3
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_uid_the_status_says_it_and_everything_is_counted() {
    let webhook = Webhook::start().await;
    let no_uid = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"#;
    for (announced, status, cause) in [
        (Some(OVER), StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
        (Some(300), StatusCode::REQUEST_TIMEOUT, "slow"),
    ] {
        let (found, text) = webhook.begin(no_uid, announced).await;
        assert_eq!(found, status, "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert_eq!(webhook.turned_away(cause), 1);
    }
    let (status, _) = webhook.post(no_uid).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(webhook.turned_away("malformed"), 1);
    let request = Request::post("/validate").header("content-type", "text/yaml");
    let (status, _) = webhook.send(request.body("{}".into()).unwrap()).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(webhook.turned_away("media-type"), 1);
    let cut = stream::iter([
        Ok(Bytes::from_static(b"{")),
        Err(std::io::Error::other("gone")),
    ]);
    let request = Request::post("/validate").header("content-type", "application/json");
    let request = request.body(Body::from_stream(cut)).unwrap();
    assert_eq!(webhook.send(request).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(webhook.turned_away("cut-off"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_in_chunks_is_stopped_at_the_limit() {
    let webhook = Webhook::start().await;
    let beginning = review().in_order();
    let first = Bytes::from(beginning[..300].to_owned());
    let more = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from(vec![b' '; 50_000])));
    let body = stream::iter([Ok(first)]).chain(more);
    let request = Request::post("/validate").header("content-type", "application/json");
    let request = request.body(Body::from_stream(body)).unwrap();
    let (status, text) = webhook.send(request).await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("too-large"), "{text}");
}
