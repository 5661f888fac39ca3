//! Routes and limits of the webhook.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::time::Instant;

use super::answer::Answer;
use super::body::{self, HEAD_BYTES, Refused};
use super::cause::Cause;
use super::deadline::time_to_answer;
use super::review;
use super::reviewer::{Reviewer, SHORT_BODY_BYTES};
use super::room::Room;
use super::waiting::WaitingReviews;
use crate::domain::text::printable;

/// Bounds of what is read and of what waits.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Size of a body.
    pub body_bytes: usize,
    /// Time for a body.
    pub body_time: Duration,
    /// Time for a body of which nothing has arrived yet.
    pub body_start: Duration,
    /// What has to arrive after that, up to the whole time.
    pub body_bytes_per_second: u64,
    /// Up to this size, a body is small and has a lane of its own.
    pub small_body_bytes: usize,
    /// Room for all small bodies; half of it for one peer.
    pub small_room_bytes: usize,
    /// Room for all others; half of it for one peer.
    pub large_room_bytes: usize,
    /// How long a body waits for room before a slower one has to give way.
    pub patience: Duration,
    /// Reviews that wait for registries; a quarter of one namespace, half of one peer.
    pub waiting_reviews: usize,
    /// What they hold in all.
    pub waiting_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Object and old object, each from a request of up to 3 MiB.
            // Source: `staging/src/k8s.io/apiserver/pkg/server/config.go`, `MaxRequestBodyBytes`.
            body_bytes: 7 * 1024 * 1024,
            body_time: Duration::from_secs(2),
            body_start: Duration::from_secs(1),
            body_bytes_per_second: 256 * 1024,
            small_body_bytes: SHORT_BODY_BYTES,
            small_room_bytes: 8 * 1024 * 1024,
            large_room_bytes: 20 * 1024 * 1024,
            patience: Duration::from_millis(30),
            waiting_reviews: 2048,
            waiting_bytes: 16 * 1024 * 1024,
        }
    }
}

struct Webhook {
    reviewer: Reviewer,
    limits: Limits,
    room: Room,
    waiting: WaitingReviews,
}

/// The webhook's routes: `POST /validate`. A request may have its peer's [`IpAddr`] as an
/// extension; without one, all are one peer.
pub fn router(reviewer: Reviewer, limits: Limits) -> Router {
    let metrics = &reviewer.metrics;
    let webhook = Webhook {
        room: Room::new(&limits, metrics.room("small"), metrics.room("large")),
        waiting: WaitingReviews::new(&limits, metrics.waiting()),
        limits,
        reviewer,
    };
    Router::new()
        .route("/validate", post(validate))
        .method_not_allowed_fallback(|| async {
            refuse(StatusCode::METHOD_NOT_ALLOWED, "use POST")
        })
        .fallback(|| async { refuse(StatusCode::NOT_FOUND, "the webhook is at /validate") })
        .with_state(Arc::new(webhook))
}

async fn validate(State(webhook): State<Arc<Webhook>>, request: Request<Body>) -> Response {
    let started = Instant::now();
    let deadline = started + time_to_answer(request.uri());
    if !is_json(request.headers()) {
        return webhook.turn_away(Cause::MediaType, None);
    }
    let peer = request.extensions().get::<IpAddr>().copied();
    let announced = content_length(request.headers());
    let (room, limits) = (&webhook.room, &webhook.limits);
    let read = body::read(request.into_body(), announced, peer, room, limits, deadline);
    let body = match read.await {
        Ok(body) => body,
        Err(Refused { cause, request }) => return webhook.turn_away(cause, request.as_ref()),
    };
    // The body goes while it is parsed, and what is parsed elsewhere may not come back.
    let head = (body.len() > SHORT_BODY_BYTES).then(|| review::head(&body[..HEAD_BYTES]));
    let Some(parsed) = webhook.reviewer.parse(body, deadline).await else {
        return webhook.turn_away(Cause::Unread, head.flatten().as_ref());
    };
    let mut request = match parsed {
        Ok(request) => request,
        Err(error) => {
            webhook.reviewer.metrics.turned_away(Cause::Malformed);
            return match &error.uid {
                Some(uid) => json(Answer::malformed(&error.message).to_json(uid)),
                None => refuse(Cause::Malformed.status(), &error.message),
            };
        }
    };
    let bytes = request.object.size() + request.old_object.size();
    let (object, old) = (
        std::mem::take(&mut request.object),
        std::mem::take(&mut request.old_object),
    );
    let mut answering = pin!(webhook.reviewer.review(&request, object, old, deadline));
    // What is known is answered at once. Only what has to wait takes a place among those.
    let at_once = std::future::poll_fn(|context| Poll::Ready(answering.as_mut().poll(context)));
    let answer = match at_once.await {
        Poll::Ready(answer) => answer,
        Poll::Pending => match webhook.waiting.enter(&request.namespace, peer, bytes) {
            Ok(_place) => answering.await,
            Err(cause) => return webhook.turn_away(cause, Some(&request)),
        },
    };
    webhook.reviewer.metrics.took(started.elapsed());
    json(answer.to_json(&request.uid))
}

impl Webhook {
    /// By policy where it is known who asks for what, else by status.
    fn turn_away(&self, cause: Cause, request: Option<&super::request::Request>) -> Response {
        self.reviewer.metrics.turned_away(cause);
        match request {
            Some(request) => json(
                self.reviewer
                    .turned_away(request, cause)
                    .to_json(&request.uid),
            ),
            None => refuse(cause.status(), cause.text()),
        }
    }
}

fn json(review: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, "application/json")], review).into_response()
}

fn refuse(status: StatusCode, reason: &str) -> Response {
    let line = printable(reason);
    (
        status,
        [(CONTENT_TYPE, "text/plain; charset=utf-8")],
        format!("{line}\n"),
    )
        .into_response()
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media_type = value.map(|value| value.split(';').next().unwrap_or_default().trim());
    media_type.is_some_and(|media_type| media_type.eq_ignore_ascii_case("application/json"))
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
