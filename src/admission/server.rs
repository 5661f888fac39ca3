//! Routes, limits and deadlines of the webhook.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, Request, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::Reviewer;
use super::answer::Answer;
use crate::domain::text::printable;

/// Object and old object, each from a request of up to 3 MiB.
/// Source: `staging/src/k8s.io/apiserver/pkg/server/config.go`, `MaxRequestBodyBytes`.
const BODY_LIMIT: usize = 7 * 1024 * 1024;

/// Bytes of all bodies that are read at the same time; what comes on top waits.
const BYTES_IN_FLIGHT: usize = 28 * 1024 * 1024;

/// The API server's own default, and the longest that it allows.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What the way back to the API server may take.
const MARGIN: Duration = Duration::from_millis(500);

#[derive(Clone)]
struct Webhook {
    reviewer: Reviewer,
    /// One permit a KiB.
    room: Arc<Semaphore>,
}

/// The webhook's routes: `POST /validate`.
pub fn router(reviewer: Reviewer) -> Router {
    let webhook = Webhook {
        reviewer,
        room: Arc::new(Semaphore::new(BYTES_IN_FLIGHT / 1024)),
    };
    Router::new()
        .route("/validate", post(validate))
        .method_not_allowed_fallback(|| async {
            refuse(StatusCode::METHOD_NOT_ALLOWED, "use POST")
        })
        .fallback(|| async { refuse(StatusCode::NOT_FOUND, "the webhook is at /validate") })
        .with_state(webhook)
}

async fn validate(State(webhook): State<Webhook>, request: Request<Body>) -> Response {
    let started = Instant::now();
    let deadline = started + time_to_answer(request.uri());
    if !is_json(request.headers()) {
        return refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the content type must be application/json",
        );
    }
    let length = content_length(request.headers()).unwrap_or(BODY_LIMIT);
    if length > BODY_LIMIT {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is over 7 MiB");
    }
    // Both the room and the body wait no longer than the review may.
    let permits = u32::try_from(length / 1024 + 1).unwrap_or(u32::MAX);
    let read = timeout_at(deadline, async {
        let room = webhook.room.acquire_many(permits).await;
        (room, read_body(request.into_body()).await)
    });
    let Ok((_room, body)) = read.await else {
        return refuse(StatusCode::REQUEST_TIMEOUT, "the body did not come in time");
    };
    let body = match body {
        Ok(body) => body,
        Err(response) => return response,
    };
    let Some(parsed) = webhook.reviewer.parse(body, deadline).await else {
        return refuse(
            StatusCode::REQUEST_TIMEOUT,
            "the body could not be read in time",
        );
    };
    let answer = match parsed {
        Ok(request) => {
            let uid = request.uid.clone();
            let answer = webhook.reviewer.review(request, deadline).await;
            answer.to_json(&uid)
        }
        Err(error) => match &error.uid {
            Some(uid) => Answer::malformed(&error.message).to_json(uid),
            None => return refuse(StatusCode::BAD_REQUEST, &error.message),
        },
    };
    webhook.reviewer.metrics.took(started.elapsed());
    ([(CONTENT_TYPE, "application/json")], answer).into_response()
}

async fn read_body(body: Body) -> Result<Bytes, Response> {
    match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is over 7 MiB",
        )),
        Err(_) => Err(refuse(StatusCode::BAD_REQUEST, "the body was cut off")),
    }
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

/// The API server says in `?timeout=` how long it still waits. A part of it is for the way
/// back.
/// Source: `staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/validating/dispatcher.go`
fn time_to_answer(uri: &Uri) -> Duration {
    let stated = uri.query().and_then(|query| {
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix("timeout="))
            .and_then(parse_seconds)
    });
    let timeout = stated.unwrap_or(DEFAULT_TIMEOUT).min(LONGEST_TIMEOUT);
    timeout - MARGIN.min(timeout / 4)
}

/// A Go duration in whole seconds or milliseconds, which is all that the API server sends.
fn parse_seconds(text: &str) -> Option<Duration> {
    if let Some(milliseconds) = text.strip_suffix("ms") {
        return milliseconds.parse().ok().map(Duration::from_millis);
    }
    text.strip_suffix('s')?
        .parse()
        .ok()
        .map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_leaves_time_for_the_way_back() {
        for (uri, milliseconds) in [
            ("/validate?timeout=5s", 4500),
            ("/validate?timeout=1s", 750),
            ("/validate?x=1&timeout=30s", 29_500),
            ("/validate?timeout=9999s", 29_500),
            ("/validate?timeout=800ms", 600),
            ("/validate?timeout=-5s", 9500),
            ("/validate?timeout=99999999999999999999s", 9500),
            ("/validate", 9500),
        ] {
            let time = time_to_answer(&uri.parse().unwrap());
            assert_eq!(time, Duration::from_millis(milliseconds), "{uri}");
        }
    }
}
