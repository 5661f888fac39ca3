//! Room for bodies, and places for reviews that wait: who takes much holds up nobody else.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use archmatch::admission::Limits;
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use futures::stream::{self, Stream, StreamExt};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tower_service::Service;

use super::{Review, Webhook};
use crate::support::registry::Fault;

/// Bounds of which some bodies take everything.
fn little() -> Limits {
    Limits {
        body_bytes: 512 * 1024,
        small_body_bytes: 16 * 1024,
        small_room_bytes: 96 * 1024,
        large_room_bytes: 1024 * 1024,
        ..Limits::default()
    }
}

/// A peer of the documentation's network.
fn peer(host: u8) -> IpAddr {
    IpAddr::from(Ipv4Addr::new(192, 0, 2, host))
}

impl Webhook {
    /// Sends a body that arrives as the stream does, and waits for the answer elsewhere.
    fn upload(
        &self,
        from: IpAddr,
        announced: usize,
        body: impl Stream<Item = Bytes> + Send + 'static,
    ) -> JoinHandle<StatusCode> {
        let request = Request::post("/validate?timeout=30s")
            .header("content-type", "application/json")
            .header("content-length", announced)
            .extension(from)
            .body(Body::from_stream(body.map(Ok::<_, Infallible>)))
            .unwrap();
        let answer = self.router.clone().call(request);
        tokio::spawn(async move { answer.await.unwrap().status() })
    }

    /// What a small review is answered whose answer needs no registry, and how long it took.
    async fn ask_from(&self, from: IpAddr) -> (StatusCode, Value, Duration) {
        let review = Review::pod(&json!({"containers": [{"name": "a", "image": "a"}]}));
        let body = review.with("namespace", json!("off")).json();
        let request = Request::post("/validate?timeout=5s")
            .header("content-type", "application/json")
            .header("content-length", body.len())
            .extension(from)
            .body(body.into())
            .unwrap();
        let started = Instant::now();
        let (status, text) = self.send(request).await;
        let answer = serde_json::from_str(&text).unwrap_or_default();
        (status, answer, started.elapsed())
    }

    async fn answers_at_once(&self, from: IpAddr) {
        let (status, answer, took) = self.ask_from(from).await;
        assert_eq!(status, StatusCode::OK);
        Webhook::admitted(&answer["response"]);
        assert!(took < Duration::from_millis(100), "{took:?}");
    }

    fn room(&self, lane: &str) -> u64 {
        self.metric(&format!("admission_room_bytes{{lane=\"{lane}\"}}"))
    }
}

/// So many bytes, and then nothing.
fn stalled(length: usize) -> impl Stream<Item = Bytes> + Send + 'static {
    let bytes = Bytes::from(vec![b' '; length]);
    stream::iter([bytes]).chain(stream::pending())
}

/// One byte each half second.
fn dripping() -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        Some((Bytes::from_static(b" "), ()))
    })
}

async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_that_are_announced_and_never_sent_take_no_room() {
    let webhook = Webhook::start().await;
    let mut silent = Vec::new();
    for number in 0..60_u8 {
        let length = 6_900_000 + usize::from(number);
        silent.push(webhook.upload(peer(number % 5), length, stream::pending()));
    }
    settle().await;
    assert_eq!((webhook.room("large"), webhook.room("small")), (0, 0));
    webhook.answers_at_once(peer(1)).await;
    webhook.answers_at_once(peer(99)).await;
    for upload in silent {
        assert_eq!(upload.await.unwrap(), StatusCode::REQUEST_TIMEOUT);
    }
    assert_eq!(webhook.turned_away("slow"), 60);
}

#[tokio::test(start_paused = true)]
async fn a_body_has_two_seconds_whatever_the_timeout_says() {
    let webhook = Webhook::start().await;
    for (announced, body) in [(90, dripping()), (6_000_000, dripping())] {
        let started = Instant::now();
        let status = webhook.upload(peer(1), announced, body).await.unwrap();
        assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
        assert!(started.elapsed() < Duration::from_millis(2100));
    }
    // Fast enough at any moment, and yet without an end.
    let endless = stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        Some((Bytes::from(vec![b' '; 100_000]), ()))
    });
    let started = Instant::now();
    let upload = webhook.upload(peer(1), 6_000_000, endless);
    assert_eq!(upload.await.unwrap(), StatusCode::REQUEST_TIMEOUT);
    assert!(started.elapsed() < Duration::from_millis(2500));
    settle().await;
    assert_eq!((webhook.room("large"), webhook.room("small")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_body_has_to_arrive_at_the_least_rate_and_no_faster() {
    let limits = Limits {
        body_bytes_per_second: 25_000,
        ..Limits::default()
    };
    let webhook = Webhook::with(limits).await;
    let started = Instant::now();
    let upload = webhook.upload(peer(1), 6_000_000, dripping());
    assert_eq!(upload.await.unwrap(), StatusCode::REQUEST_TIMEOUT);
    assert!(started.elapsed() < Duration::from_millis(1200));
    // A longer one would be parsed by another thread, for which this clock does not wait.
    let review = Review::pod(&json!({
        "containers": [{"name": "a", "image": "a", "args": ["x".repeat(40_000)]}],
    }));
    let text = Bytes::from(review.with("namespace", json!("off")).json());
    let length = text.len();
    let parts: Vec<Bytes> = text.chunks(3_000).map(Bytes::copy_from_slice).collect();
    let steady = stream::iter(parts).then(|part| async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        part
    });
    let started = Instant::now();
    let upload = webhook.upload(peer(1), length, steady);
    assert_eq!(upload.await.unwrap(), StatusCode::OK);
    assert!(started.elapsed() > Duration::from_millis(1300));
    assert_eq!(webhook.turned_away("slow"), 1);
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_body_that_is_turned_away_is_read_for_a_while_and_not_for_ever() {
    let webhook = Webhook::with(little()).await;
    let rest = Arc::new(());
    let parts = |count: usize| {
        let kept = Arc::clone(&rest);
        let part = move |_| {
            let _kept = &kept;
            Bytes::from(vec![b' '; 60_000])
        };
        stream::iter(0..count).map(part)
    };
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = {
        let sent = Arc::clone(&sent);
        parts(8).inspect(move |_| {
            sent.fetch_add(1, Ordering::Relaxed);
        })
    };
    let upload = webhook.upload(peer(1), 600_000, counted);
    assert_eq!(upload.await.unwrap(), StatusCode::PAYLOAD_TOO_LARGE);
    settle().await;
    assert_eq!(
        sent.load(Ordering::Relaxed),
        8,
        "who sends it sees the answer"
    );
    // Neither one without an end nor one that stops is kept.
    for body in [
        parts(usize::MAX).boxed(),
        parts(1).chain(stream::pending()).boxed(),
    ] {
        let upload = webhook.upload(peer(1), 600_000, body);
        assert_eq!(upload.await.unwrap(), StatusCode::PAYLOAD_TOO_LARGE);
    }
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(Arc::strong_count(&rest), 1);
}

#[tokio::test(start_paused = true)]
async fn large_bodies_stand_before_no_small_one() {
    let webhook = Webhook::with(little()).await;
    let mut large = Vec::new();
    for number in 0..12 {
        large.push(webhook.upload(peer(number % 3), 400_000, stalled(390_000)));
    }
    settle().await;
    assert!(webhook.room("large") > 700_000, "the lane is taken");
    for host in [0, 1, 2, 50] {
        webhook.answers_at_once(peer(host)).await;
    }
    for upload in large {
        upload.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn slow_small_bodies_of_the_same_address_stand_before_no_other_small_one() {
    let webhook = Webhook::with(little()).await;
    let mut slow = Vec::new();
    for _ in 0..40 {
        slow.push(webhook.upload(peer(7), 15_000, stalled(14_000)));
    }
    settle().await;
    assert!(webhook.room("small") > 40_000, "the share is taken");
    for _ in 0..10 {
        webhook.answers_at_once(peer(7)).await;
    }
    webhook.answers_at_once(peer(8)).await;
    for upload in slow {
        upload.abort();
    }
    settle().await;
    assert_eq!(webhook.room("small"), 0);
}

#[tokio::test(start_paused = true)]
async fn one_peer_has_at_most_half_of_the_room() {
    let webhook = Webhook::with(little()).await;
    let mut large = Vec::new();
    for _ in 0..9 {
        large.push(webhook.upload(peer(3), 300_000, stalled(200_000)));
    }
    settle().await;
    assert!(webhook.room("large") <= 512 * 1024);
    // Another peer finds as much for itself.
    let other = webhook.upload(peer(4), 450_000, stalled(440_000));
    settle().await;
    assert!(webhook.room("large") >= 450_000 + 300_000);
    assert!(!other.is_finished(), "it is still being read");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(webhook.turned_away("room-share") + webhook.turned_away("room") > 0);
    assert_eq!(webhook.room("large"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_large_body_that_arrives_is_not_driven_out_by_slow_ones() {
    let limits = Limits {
        large_room_bytes: 400 * 1024,
        ..little()
    };
    let webhook = Webhook::with(limits).await;
    let review = Review::pod(&json!({
        "containers": [{"name": "a", "image": "a", "args": ["x".repeat(60_000)]}],
    }));
    let text = Bytes::from(review.with("namespace", json!("off")).json());
    let length = text.len();
    let parts: Vec<Bytes> = text.chunks(4_000).map(Bytes::copy_from_slice).collect();
    let slow = (0..6).map(|_| webhook.upload(peer(5), 80_000, stalled(20_000)));
    let slow: Vec<_> = slow.collect();
    settle().await;
    let arriving = stream::iter(parts).then(|part| async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        part
    });
    let upload = webhook.upload(peer(5), length, arriving);
    assert_eq!(upload.await.unwrap(), StatusCode::OK);
    assert!(webhook.turned_away("room") > 0, "slow ones gave way");
    for upload in slow {
        upload.abort();
    }
}

#[tokio::test]
async fn a_review_that_waits_for_a_silent_registry_holds_no_room() {
    let limits = Limits {
        large_room_bytes: 512 * 1024,
        ..Limits::default()
    };
    let webhook = Webhook::with(limits).await;
    let known = Review::pod(&webhook.spec("node:21", "s390x"));
    Webhook::admitted(&webhook.ask(&known).await);
    webhook.registry.misbehave("/v2/app", Fault::Silence);
    let mut spec = webhook.spec("app:laptop", "s390x");
    spec["containers"][0]["args"] = json!(["x".repeat(100_000)]);
    let mut waiting = Vec::new();
    for number in 0..8 {
        let review = Review::pod(&spec).with("namespace", json!(format!("n{}", number % 4)));
        let review = if number % 2 == 0 {
            review
        } else {
            review.updating(Review::pod(&spec))
        };
        let text = Bytes::from(review.json());
        let length = text.len();
        waiting.push(webhook.upload(peer(6), length, stream::iter([text])));
        // One after the other, so that none waits for room.
        while webhook.metric("admission_waiting") <= number && !waiting[0].is_finished() {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(webhook.metric("admission_waiting"), 8);
    assert_eq!(webhook.room("large"), 0, "more waits than there is room");
    Webhook::admitted(&webhook.ask(&known).await);
    for review in &waiting {
        review.abort();
    }
    while webhook.metric("admission_waiting") > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn reviews_that_wait_are_counted_by_namespace() {
    let limits = Limits {
        waiting_reviews: 12,
        ..Limits::default()
    };
    let webhook = Webhook::with(limits).await;
    webhook.registry.misbehave("/v2/", Fault::Silence);
    let spec = webhook.spec("app:laptop", "s390x");
    let body = |namespace: &str| {
        let review = Review::pod(&spec).with("namespace", json!(namespace));
        Bytes::from(review.json())
    };
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let body = body("web");
        waiting.push(webhook.upload(peer(1), body.len(), stream::iter([body])));
    }
    while webhook.metric("admission_waiting") < 3 {
        tokio::task::yield_now().await;
    }
    let (status, text) = webhook.post(body("web")).await;
    assert_eq!(status, StatusCode::OK);
    let answer: Value = serde_json::from_str(&text).unwrap();
    let warning = Webhook::warned(&answer["response"]);
    assert!(warning.contains("of this namespace wait"), "{warning}");
    assert_eq!(
        answer["response"]["auditAnnotations"],
        json!({"verdict": "undecided", "mode": "warn", "undecided": "rate-limited"})
    );
    // Others may still come, up to the peer's half and to the bound in all.
    for (host, namespace) in [(1, "a"), (1, "b"), (1, "c"), (1, "d"), (2, "d"), (3, "d")] {
        let body = body(namespace);
        waiting.push(webhook.upload(peer(host), body.len(), stream::iter([body])));
    }
    while webhook.metric("admission_waiting") < 8 {
        tokio::task::yield_now().await;
    }
    assert_eq!(webhook.turned_away("waiting-namespace"), 1);
    assert_eq!(webhook.turned_away("waiting"), 1, "the peer's half");
    for review in &waiting {
        review.abort();
    }
}

#[tokio::test]
async fn what_a_waiting_review_keeps_is_bounded_too() {
    let limits = Limits {
        waiting_bytes: 400_000,
        ..Limits::default()
    };
    let webhook = Webhook::with(limits).await;
    webhook.registry.misbehave("/v2/", Fault::Silence);
    let mut spec = webhook.spec("app:laptop", "s390x");
    let long = json!({"key": "k", "operator": "Exists", "value": "v".repeat(200)});
    spec["tolerations"] = json!(vec![long; 500]);
    let response = webhook.ask(&Review::pod(&spec)).await;
    assert_eq!(response["auditAnnotations"]["undecided"], "rate-limited");
    assert_eq!(webhook.metric("admission_waiting"), 0);
}
