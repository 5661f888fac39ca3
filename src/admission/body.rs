//! Reads the body of a review: bounded in size, time and room.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use tokio::time::{Instant, sleep, timeout};

use super::Limits;
use super::cause::Cause;
use super::request::Request;
use super::review;
use super::room::{Room, Ticket};

/// How often a body that does not arrive is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The API server writes who asks for what within the first few hundred bytes.
pub(super) const HEAD_BYTES: usize = 4 * 1024;

/// How long the head of a body that is turned away may take.
const HEAD_TIME: Duration = Duration::from_millis(50);

/// How long the rest of it is read and dropped. A client that is cut off while it writes
/// may never see the answer.
const REST_TIME: Duration = Duration::from_secs(1);

/// A body that is not read to its end.
pub(super) struct Refused {
    pub(super) cause: Cause,
    /// Who asked for what, where a uid could be read.
    pub(super) request: Option<Request>,
}

/// Reads a body of the announced length. The bytes hold their room.
pub(super) async fn read(
    mut body: Body,
    announced: Option<usize>,
    peer: Option<IpAddr>,
    room: &Room,
    limits: &Limits,
    deadline: Instant,
) -> Result<Bytes, Refused> {
    let mut arrived = Vec::new();
    let ticket = room.ticket(peer, announced);
    let cause = if announced.is_some_and(|length| length > limits.body_bytes) {
        Cause::TooLarge
    } else {
        match arrive(&mut body, &mut arrived, ticket, limits, deadline).await {
            Ok(body) => return Ok(body),
            Err(cause) => cause,
        }
    };
    arrived.truncate(HEAD_BYTES);
    arrived.shrink_to_fit();
    if cause == Cause::CutOff {
        return Err(Refused {
            cause,
            request: None,
        });
    }
    let _ = timeout(HEAD_TIME, read_head(&mut body, &mut arrived)).await;
    let request = review::head(&arrived);
    tokio::spawn(timeout(REST_TIME, drop_rest(body, limits.body_bytes)));
    Err(Refused { cause, request })
}

async fn arrive(
    body: &mut Body,
    arrived: &mut Vec<u8>,
    mut ticket: Ticket,
    limits: &Limits,
    deadline: Instant,
) -> Result<Bytes, Cause> {
    let started = Instant::now();
    let due = |arrived: usize| {
        let bytes = u64::try_from(arrived).unwrap_or(u64::MAX);
        let earned = Duration::from_micros(bytes * 1_000_000 / limits.body_bytes_per_second);
        let time = (limits.body_start + earned).min(limits.body_time);
        deadline.min(started + time)
    };
    let look = sleep(LOOK_INTERVAL);
    tokio::pin!(look);
    loop {
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            () = look.as_mut() => {
                if ticket.was_displaced() {
                    return Err(Cause::Room);
                }
                let now = Instant::now();
                if now >= due(arrived.len()) {
                    return Err(Cause::Slow);
                }
                look.as_mut().reset(now + LOOK_INTERVAL);
                continue;
            }
        };
        let frame = match frame {
            None => return Ok(ticket.keep(std::mem::take(arrived))),
            Some(Ok(frame)) => frame,
            Some(Err(_)) => return Err(Cause::CutOff),
        };
        let Ok(bytes) = frame.into_data() else {
            continue;
        };
        let length = arrived.len() + bytes.len();
        let held = if length > limits.body_bytes {
            Err(Cause::TooLarge)
        } else if Instant::now() >= due(length) {
            Err(Cause::Slow)
        } else {
            ticket.hold(length).await
        };
        match held {
            // Nearly every body comes in one piece, which needs no copy.
            Ok(_) if arrived.is_empty() && ticket.is_whole(length) => return Ok(ticket.keep(bytes)),
            Ok(held) => arrived.reserve_exact(held - arrived.len()),
            Err(cause) => {
                let missing = HEAD_BYTES.saturating_sub(arrived.len());
                arrived.extend(bytes.iter().take(missing));
                return Err(cause);
            }
        }
        arrived.extend_from_slice(&bytes);
    }
}

async fn read_head(body: &mut Body, head: &mut Vec<u8>) {
    while head.len() < HEAD_BYTES && review::head(head).is_none() {
        let Some(Ok(frame)) = body.frame().await else {
            return;
        };
        let bytes = frame.into_data().unwrap_or_default();
        head.extend(bytes.iter().take(HEAD_BYTES - head.len()));
    }
}

async fn drop_rest(mut body: Body, most: usize) {
    let mut left = most;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        let Some(rest) = left.checked_sub(length) else {
            return;
        };
        left = rest;
    }
}
