//! One piece of work per key, however many wait for it.
//!
//! The work runs as a task of its own: a caller that gives up strands nobody, and the next
//! one finds the result.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;

use super::audience::{Audience, Seat, WaitingRoom};
use crate::domain::access::Tenant;

/// Work that is under way: `None` if it ended without a value.
pub(crate) type Flight<V> = Shared<BoxFuture<'static, Option<V>>>;

type Running<K, V> = Arc<Mutex<HashMap<K, (Flight<V>, Arc<WaitingRoom>)>>>;

/// The work under way, by key.
#[derive(Clone)]
pub(crate) struct Flights<K, V: Clone> {
    running: Running<K, V>,
}

/// Work under way that knows who waits for it, and a place among those.
pub(crate) struct Joined<V> {
    flight: Flight<V>,
    seat: Seat,
}

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    /// It takes too long to wait for; the work goes on.
    Late,
    /// The work ended without one.
    Ended,
}

impl<K, V: Clone> Default for Flights<K, V> {
    fn default() -> Self {
        Self {
            running: Arc::default(),
        }
    }
}

impl<K, V> Flights<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Joins the work for the key, or starts it.
    ///
    /// `known` is asked while nobody can start or end work for the key: work that ended
    /// just before has left its value there.
    pub(crate) fn join(
        &self,
        key: K,
        known: impl FnOnce() -> Option<V>,
        start: impl FnOnce() -> BoxFuture<'static, V>,
    ) -> Flight<V> {
        let nobody = Audience::Nobody(Tenant::Operator);
        self.join_as(&nobody, key, known, |_| start()).flight
    }

    /// The same with a place among those who wait, which the work knows of.
    pub(crate) fn join_as(
        &self,
        audience: &Audience,
        key: K,
        known: impl FnOnce() -> Option<V>,
        start: impl FnOnce(Audience) -> BoxFuture<'static, V>,
    ) -> Joined<V> {
        let mut running = self.running.lock();
        if let Some((flight, room)) = running.get(&key) {
            return Joined {
                flight: flight.clone(),
                seat: room.seat(audience),
            };
        }
        let room = WaitingRoom::new(audience.owner());
        let seat = room.seat(audience);
        if let Some(value) = known() {
            let flight = futures::future::ready(Some(value)).boxed().shared();
            return Joined { flight, seat };
        }
        let landing = Landing {
            running: Arc::clone(&self.running),
            key: key.clone(),
        };
        let work = start(Audience::Joined(Arc::clone(&room)));
        let task = tokio::spawn(async move {
            let _landing = landing;
            work.await
        });
        let flight = async move { task.await.ok() }.boxed().shared();
        running.insert(key, (flight.clone(), room));
        Joined { flight, seat }
    }
}

impl<V: Clone> Joined<V> {
    /// Waits on behalf of the audience: the work is as urgent as that is, as it changes.
    pub(crate) async fn wait(mut self, audience: &Audience) -> Result<V, Absent> {
        let mut changes = audience.changes();
        let mut delays = self.seat.delays();
        self.seat.follow(audience);
        loop {
            tokio::select! {
                biased;
                value = &mut self.flight => return value.ok_or(Absent::Ended),
                // The room is there as long as the seat: this is no error.
                _ = delays.changed() => return Err(Absent::Late),
                () = changes.next() => {}
            }
            self.seat.follow(audience);
        }
    }
}

/// Takes the key off the list when the work ends, in whatever way.
struct Landing<K: Eq + Hash, V: Clone> {
    running: Running<K, V>,
    key: K,
}

impl<K: Eq + Hash, V: Clone> Drop for Landing<K, V> {
    fn drop(&mut self) {
        self.running.lock().remove(&self.key);
    }
}
