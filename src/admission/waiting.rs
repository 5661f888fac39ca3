//! Reviews that wait for registries: how many, and how many of one namespace.
//!
//! They hold no room for bodies, only what was read of them. Who is answered from what is
//! known never comes here.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::metrics::gauge::Gauge;

use super::Limits;
use super::cause::Cause;

/// Places for reviews that wait.
#[derive(Clone, Debug)]
pub(super) struct WaitingReviews(Arc<Places>);

#[derive(Debug)]
struct Places {
    /// How much may wait in all.
    capacity: Load,
    taken: Mutex<HashMap<Holder, Load>>,
    waiting: Gauge,
}

/// For whom reviews wait.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Holder {
    Namespace(Arc<str>),
    Peer(Option<IpAddr>),
    Everybody,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Load {
    reviews: usize,
    bytes: usize,
}

/// The place of one review, free again when this is dropped.
#[derive(Debug)]
pub(super) struct WaitingPlace {
    places: Arc<Places>,
    holders: [Holder; 3],
    own: Load,
}

impl WaitingReviews {
    pub(super) fn new(limits: &Limits, waiting: Gauge) -> Self {
        Self(Arc::new(Places {
            capacity: Load {
                reviews: limits.waiting_reviews,
                bytes: limits.waiting_bytes,
            },
            taken: Mutex::default(),
            waiting,
        }))
    }

    /// A place for a review that holds so many bytes.
    pub(super) fn enter(
        &self,
        namespace: &str,
        peer: Option<IpAddr>,
        bytes: usize,
    ) -> Result<WaitingPlace, Cause> {
        let own = Load { reviews: 1, bytes };
        let holders = [
            Holder::Namespace(namespace.into()),
            Holder::Peer(peer),
            Holder::Everybody,
        ];
        let mut taken = self.0.taken();
        for holder in &holders {
            // Less than all, so that others may come.
            let (divisor, cause) = match holder {
                Holder::Namespace(_) => (4, Cause::WaitingNamespace),
                Holder::Peer(_) => (2, Cause::Waiting),
                Holder::Everybody => (1, Cause::Waiting),
            };
            let held = taken.get(holder).copied().unwrap_or_default();
            let capacity = self.0.capacity;
            if held.reviews + own.reviews > capacity.reviews / divisor
                || held.bytes + own.bytes > capacity.bytes / divisor
            {
                return Err(cause);
            }
        }
        for holder in &holders {
            let held = taken.entry(holder.clone()).or_default();
            held.reviews += own.reviews;
            held.bytes += own.bytes;
        }
        drop(taken);
        self.0.waiting.inc();
        Ok(WaitingPlace {
            places: Arc::clone(&self.0),
            holders,
            own,
        })
    }
}

impl Drop for WaitingPlace {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        for holder in &self.holders {
            if let Some(held) = taken.get_mut(holder) {
                held.reviews -= self.own.reviews;
                held.bytes -= self.own.bytes;
                if *held == Load::default() {
                    taken.remove(holder);
                }
            }
        }
        drop(taken);
        self.places.waiting.dec();
    }
}

impl Places {
    fn taken(&self) -> MutexGuard<'_, HashMap<Holder, Load>> {
        // Each change is whole before anything can panic.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn the_bound_in_all_holds_whoever_comes_and_a_place_is_free_again() {
        let limits = Limits {
            waiting_reviews: 4,
            ..Limits::default()
        };
        let waiting = WaitingReviews::new(&limits, Gauge::default());
        let enter = |number: u8| {
            let peer = Ipv4Addr::new(192, 0, 2, number).into();
            waiting.enter(&format!("n{number}"), Some(peer), 100)
        };
        let mut places: Vec<WaitingPlace> = (0..4).map(|number| enter(number).unwrap()).collect();
        assert_eq!(enter(4).unwrap_err(), Cause::Waiting);
        places.pop();
        places.push(enter(4).unwrap());
        assert_eq!(enter(5).unwrap_err(), Cause::Waiting);
        drop(places);
        assert!(waiting.0.taken().is_empty());
    }
}
