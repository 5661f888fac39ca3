//! Bodies that are no sound review.

use axum::http::Request;
use serde_json::{Value, json};

use super::{Review, Webhook};

#[tokio::test]
async fn malformed_reviews_get_a_well_formed_answer() {
    let webhook = Webhook::start().await;
    let spec = webhook.spec("node:22", "s390x");
    let wrong_type = Review::pod(&json!({"containers": 7}));
    let response = webhook.ask(&wrong_type).await;
    assert_eq!(response["allowed"], false);
    assert_eq!(response["status"]["code"], 400);
    assert_eq!(response["status"]["reason"], "BadRequest");
    let message = response["status"]["message"].as_str().unwrap();
    assert!(message.contains("spec.containers"), "{message}");
    let mut beta = Review::pod(&spec);
    beta.0["apiVersion"] = json!("admission.k8s.io/v1beta1");
    assert_eq!(webhook.ask(&beta).await["status"]["code"], 400);
    let without = Review::pod(&spec).with("object", Value::Null);
    assert_eq!(webhook.ask(&without).await["status"]["code"], 400);
}

#[tokio::test]
async fn what_is_no_review_gets_one_line_and_never_a_redirect() {
    let webhook = Webhook::start().await;
    let json = "application/json";
    let huge = vec![b' '; 7 * 1024 * 1024 + 1];
    let cases = [
        ("POST", "/validate", Some(json), Vec::new(), 400),
        ("POST", "/validate", Some(json), b"{".to_vec(), 400),
        ("POST", "/validate", Some(json), b"\xff\xfe".to_vec(), 400),
        ("POST", "/validate", Some(json), b"[[[[".repeat(30_000), 400),
        ("POST", "/validate", Some(json), huge, 413),
        ("POST", "/validate", Some("text/plain"), b"{}".to_vec(), 415),
        ("POST", "/validate", None, b"{}".to_vec(), 415),
        ("GET", "/validate", None, Vec::new(), 405),
        ("POST", "/", Some(json), b"{}".to_vec(), 404),
        ("POST", "/validate/", Some(json), b"{}".to_vec(), 404),
    ];
    for (method, path, content_type, body, expected) in cases {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let (status, text) = webhook.send(request.body(body.into()).unwrap()).await;
        assert_eq!(status.as_u16(), expected, "{method} {path}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}
