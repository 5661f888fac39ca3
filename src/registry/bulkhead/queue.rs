//! Whose turn it is: what all look-ups of the process share, host by host.
//!
//! A host has places and a rate. Tenants take turns for both; while another tenant waits, one
//! has at most half of the places, and what is over gives its place up after a moment. A tenant
//! has so many requests at once, whatever hosts it names, and so have all together. Requests
//! over these limits wait, at most until their look-up ends; too many that wait are refused at
//! once, first of all those of the tenant that has the most.
//!
//! A request that takes long, or that nobody waits for any more, goes on without a place: there
//! is little room for those, so that a slow answer is known when it is asked for again.
//!
//! Whoever runs the program on a command line shares with nobody, and waits as long as it takes.

mod line;
mod state;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::work::audience::{Audience, Urgency};
use line::Waiter;
use state::QueueState;

/// How long a tenant waits for its share before others have to give up what is over theirs.
const FAIR_WAIT: Duration = Duration::from_millis(500);

/// What a host takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::registry) struct HostBudget {
    /// Requests at once.
    pub(in crate::registry) places: usize,
    /// Requests that start in a second; as many may start at once.
    pub(in crate::registry) requests_per_second: u32,
}

/// Too many wait, or it took too long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// The look-ups of the process, under way or waiting.
#[derive(Default)]
pub(in crate::registry) struct Queue {
    state: Mutex<QueueState>,
}

/// One's turn.
struct QueueTurn {
    start: Instant,
    urgency: Urgency,
    asked: oneshot::Receiver<()>,
}

/// A place in the queue: first among those who wait, then among the requests under way.
pub(in crate::registry) struct QueuePlace {
    queue: Arc<Queue>,
    id: u64,
    host: u64,
    urgency: Urgency,
    asked: Option<oneshot::Receiver<()>>,
}

impl Queue {
    /// The number of another host.
    pub(super) fn host(&self) -> u64 {
        self.state.lock().number()
    }

    /// Waits for one's turn at the host.
    pub(super) async fn enter(
        self: &Arc<Self>,
        host: u64,
        budget: &HostBudget,
        audience: &Audience,
        deadline: Instant,
    ) -> Result<QueuePlace, Full> {
        let mut changes = audience.changes();
        let (mut place, mut turn) = self.line_up(host, budget, audience)?;
        let mut patience = Instant::now() + FAIR_WAIT;
        let turn = loop {
            tokio::select! {
                biased;
                turn = &mut turn => break turn.map_err(|_| Full)?,
                () = changes.next() => self.state.lock().rearrange(host, place.id, audience),
                () = sleep_until(deadline) => return Err(Full),
                () = sleep_until(patience) => {
                    self.state.lock().claim_share(host, audience);
                    patience += FAIR_WAIT;
                }
            }
        };
        place.urgency = turn.urgency;
        place.asked = Some(turn.asked);
        if turn.start > deadline {
            return Err(Full);
        }
        if turn.start > Instant::now() {
            sleep_until(turn.start).await;
            self.state.lock().started(host, place.id);
        }
        Ok(place)
    }

    fn line_up(
        self: &Arc<Self>,
        host: u64,
        budget: &HostBudget,
        audience: &Audience,
    ) -> Result<(QueuePlace, oneshot::Receiver<QueueTurn>), Full> {
        let mut state = self.state.lock();
        state.make_room(host, audience)?;
        let id = state.number();
        let (granted, turn) = oneshot::channel();
        let waiter = Waiter {
            id,
            owner: audience.owner(),
            audience: audience.clone(),
            granted,
        };
        state.line_up(host, budget, waiter);
        let place = QueuePlace {
            queue: Arc::clone(self),
            id,
            host,
            urgency: audience.urgency(),
            asked: None,
        };
        Ok((place, turn))
    }
}

impl QueuePlace {
    /// Whether somebody waited when it was given.
    pub(in crate::registry) fn urgency(&self) -> Urgency {
        self.urgency
    }

    /// Waits until the place is another tenant's.
    pub(in crate::registry) async fn asked_for(&mut self) {
        let asked = match &mut self.asked {
            Some(asked) => asked.await.is_ok(),
            None => false,
        };
        self.asked = None;
        if !asked {
            std::future::pending::<()>().await;
        }
    }

    /// Goes on without the place, if there is room for that.
    pub(super) fn leave(&self) -> bool {
        self.queue.state.lock().go_on_late(self.host, self.id)
    }
}

impl Drop for QueuePlace {
    fn drop(&mut self) {
        self.queue.state.lock().remove(self.host, self.id);
    }
}

#[cfg(test)]
mod tests;
