//! Room for bodies that are being read or parsed: how much memory they may take.
//!
//! Room is taken as bytes arrive, never by what a head announces, and goes back when the
//! body's bytes go. Small bodies have a lane of their own, so that large ones never stand
//! before them, and one peer has at most half of a lane. When a lane is short, the body that
//! arrives most slowly gives way: whole bodies are parsed in no time, so what fills a lane
//! for long is what does not arrive. A body that goes on as fast as the largest has to never
//! gives way: nobody knows how fast a newcomer will be.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::{Instant, sleep};

use super::Limits;
use super::cause::Cause;

/// Room is taken in steps: one first, and then as much again as there is.
const STEP_BYTES: usize = 64 * 1024;

/// How often somebody who waits for room looks for it, in parts of the patience.
const LOOKS_WHILE_PATIENT: u32 = 8;

/// Room of one webhook.
#[derive(Clone, Debug)]
pub(super) struct Room {
    small: Arc<Lane>,
    large: Arc<Lane>,
    small_body_bytes: usize,
}

#[derive(Debug)]
struct Lane {
    capacity: usize,
    /// How long somebody waits for room before others have to give way.
    patience: Duration,
    /// What brings the largest body in time, in bytes a second.
    fast: u128,
    table: Mutex<Table>,
    /// Bytes that are taken.
    taken: Gauge,
}

/// Peers that are not known count as one.
type Peer = Option<IpAddr>;

#[derive(Debug, Default)]
struct Table {
    taken: usize,
    peers: BTreeMap<Peer, usize>,
    bodies: BTreeMap<u64, Arriving>,
    next: u64,
}

/// A body that has room.
#[derive(Clone, Copy, Debug)]
struct Arriving {
    peer: Peer,
    taken: usize,
    arrived: usize,
    since: Instant,
    last: Instant,
    is_whole: bool,
}

/// How fast a body arrives; the slowest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pace {
    /// Whether something came of late. Who has stopped is slow, however much came before.
    is_going_on: bool,
    /// Bytes a second so far.
    rate: u128,
}

/// The room of one body, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    lane: Arc<Lane>,
    peer: Peer,
    /// None before the first byte.
    id: Option<u64>,
    taken: usize,
    announced: Option<usize>,
}

impl Room {
    pub(super) fn new(limits: &Limits, small: Gauge, large: Gauge) -> Self {
        let lane = |capacity, taken| {
            Arc::new(Lane {
                capacity,
                patience: limits.patience,
                fast: rate(limits.body_bytes, limits.body_time),
                table: Mutex::default(),
                taken,
            })
        };
        Self {
            small: lane(limits.small_room_bytes, small),
            large: lane(limits.large_room_bytes, large),
            small_body_bytes: limits.small_body_bytes,
        }
    }

    /// For a body of which nothing has arrived yet. Its announced length chooses the lane
    /// and takes no room.
    pub(super) fn ticket(&self, peer: Peer, announced: Option<usize>) -> Ticket {
        let is_small = announced.is_some_and(|length| length <= self.small_body_bytes);
        let lane = if is_small { &self.small } else { &self.large };
        Ticket {
            lane: Arc::clone(lane),
            peer,
            id: None,
            taken: 0,
            announced,
        }
    }
}

impl Ticket {
    /// Takes room for what has arrived in all; waits a little when there is none. The answer
    /// is how many bytes may be held.
    pub(super) async fn hold(&mut self, arrived: usize) -> Result<usize, Cause> {
        let mut looks = 0;
        loop {
            match self.try_hold(arrived, looks == LOOKS_WHILE_PATIENT) {
                Ok(()) => return Ok(self.taken),
                Err(cause) if looks == LOOKS_WHILE_PATIENT || self.was_displaced() => {
                    return Err(cause);
                }
                Err(_) => {
                    looks += 1;
                    sleep(self.lane.patience / LOOKS_WHILE_PATIENT).await;
                }
            }
        }
    }

    /// Whether the room was given to somebody else.
    pub(super) fn was_displaced(&self) -> bool {
        let table = self.lane.table();
        self.id.is_some_and(|id| !table.bodies.contains_key(&id))
    }

    /// Whether so many bytes are all that was announced.
    pub(super) fn is_whole(&self, arrived: usize) -> bool {
        self.announced == Some(arrived)
    }

    /// The whole body, with its room.
    pub(super) fn keep(self, body: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        if !self.is_whole(body.as_ref().len())
            && let Some(id) = self.id
            && let Some(body) = self.lane.table().bodies.get_mut(&id)
        {
            body.is_whole = true;
        }
        Bytes::from_owner(Held {
            body,
            _ticket: self,
        })
    }

    fn try_hold(&mut self, arrived: usize, has_waited: bool) -> Result<(), Cause> {
        let wanted = self.step(arrived);
        let now = Instant::now();
        let mut table = self.lane.table();
        let own = match self.id {
            None => Arriving {
                peer: self.peer,
                taken: 0,
                arrived,
                since: now,
                last: now,
                is_whole: false,
            },
            Some(id) => {
                // It came, be there room for it or not.
                let body = table.bodies.get_mut(&id).ok_or(Cause::Room)?;
                (body.arrived, body.last) = (arrived, now);
                *body
            }
        };
        let new = Arriving {
            taken: wanted,
            is_whole: self.is_whole(arrived),
            ..own
        };
        let more = wanted - own.taken;
        if more > 0 {
            let made = self.lane.make_room(&mut table, &own, more, now, has_waited);
            if made.is_ok() {
                table.taken += more;
                *table.peers.entry(self.peer).or_default() += more;
            }
            self.lane.publish(&table);
            made?;
        }
        let id = *self.id.get_or_insert_with(|| {
            table.next += 1;
            table.next
        });
        table.bodies.insert(id, new);
        drop(table);
        self.taken = wanted;
        Ok(())
    }

    /// How much room so many bytes take: in few steps, and not more than was announced.
    fn step(&self, arrived: usize) -> usize {
        if arrived <= self.taken {
            return self.taken;
        }
        let announced = self.announced.unwrap_or(usize::MAX);
        let step = (self.taken * 2).max(STEP_BYTES).max(arrived);
        step.min(announced.max(arrived))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            let mut table = self.lane.table();
            table.remove(id);
            self.lane.publish(&table);
        }
    }
}

impl Lane {
    /// Sees to it that so many bytes are free, at the cost of slower bodies if it has to be.
    fn make_room(
        &self,
        table: &mut Table,
        own: &Arriving,
        more: usize,
        now: Instant,
        has_waited: bool,
    ) -> Result<(), Cause> {
        let own_pace = self.pace(own, now);
        let may_go = |body: &Arriving| {
            let is_late = now - body.since >= self.patience;
            let pace = self.pace(body, now);
            let is_fast = is_late && pace.is_going_on && pace.rate >= self.fast;
            !body.is_whole && (is_late || has_waited) && pace < own_pace && !is_fast
        };
        while table.of(own.peer) + more > self.capacity / 2 {
            let slowest = self.slowest(table, now, |body| body.peer == own.peer && may_go(body));
            table.remove(slowest.ok_or(Cause::RoomShare)?);
        }
        while table.taken + more > self.capacity {
            let own_share = table.of(own.peer);
            let slowest = self.slowest(table, now, |body| {
                table.of(body.peer) >= own_share && may_go(body)
            });
            table.remove(slowest.ok_or(Cause::Room)?);
        }
        Ok(())
    }

    fn slowest(
        &self,
        table: &Table,
        now: Instant,
        may_go: impl Fn(&Arriving) -> bool,
    ) -> Option<u64> {
        let may_go = table.bodies.iter().filter(|(_, body)| may_go(body));
        let slowest = may_go.min_by_key(|(_, body)| self.pace(body, now));
        slowest.map(|(id, _)| *id)
    }

    fn pace(&self, body: &Arriving, now: Instant) -> Pace {
        Pace {
            is_going_on: now - body.last < self.patience,
            rate: rate(body.arrived, now - body.since),
        }
    }

    fn publish(&self, table: &Table) {
        self.taken
            .set(i64::try_from(table.taken).unwrap_or(i64::MAX));
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Each change is whole before anything can panic.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn of(&self, peer: Peer) -> usize {
        self.peers.get(&peer).copied().unwrap_or_default()
    }

    fn remove(&mut self, id: u64) {
        let Some(body) = self.bodies.remove(&id) else {
            return;
        };
        self.taken -= body.taken;
        if let Some(taken) = self.peers.get_mut(&body.peer) {
            *taken -= body.taken;
            if *taken == 0 {
                self.peers.remove(&body.peer);
            }
        }
    }
}

/// Bytes a second. Who has only just come is as fast as can be.
fn rate(bytes: usize, time: Duration) -> u128 {
    let microseconds = time.as_micros();
    (bytes as u128 * 1_000_000)
        .checked_div(microseconds)
        .unwrap_or(u128::MAX)
}

/// A body and its room, which go together.
struct Held<B> {
    body: B,
    _ticket: Ticket,
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Held<B> {
    fn as_ref(&self) -> &[u8] {
        self.body.as_ref()
    }
}

#[cfg(test)]
mod tests;
