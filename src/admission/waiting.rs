//! Reviews that wait for registries: how many, and how many of one namespace.
//!
//! They hold no room for bodies, only what was read of them. Who is answered from what is
//! known never comes here.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::metrics::gauge::Gauge;

use super::Limits;
use super::turned_away::Cause;

/// Places for reviews that wait.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// How much may wait in all. A namespace has a quarter of it and a peer half, so that
    /// others may come.
    capacity: Load,
    table: Mutex<Table>,
    waiting: Gauge,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Load {
    reviews: usize,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Table {
    all: Load,
    namespaces: HashMap<Arc<str>, Load>,
    peers: HashMap<Option<IpAddr>, Load>,
}

/// The place of one review, free again when this is dropped.
#[derive(Debug)]
pub(super) struct WaitingPlace {
    shared: Arc<Shared>,
    namespace: Arc<str>,
    peer: Option<IpAddr>,
    own: Load,
}

impl Waiting {
    pub(super) fn new(limits: &Limits, waiting: Gauge) -> Self {
        Self {
            shared: Arc::new(Shared {
                capacity: Load {
                    reviews: limits.waiting_reviews,
                    bytes: limits.waiting_bytes,
                },
                table: Mutex::default(),
                waiting,
            }),
        }
    }

    /// A place for a review that holds so many bytes.
    pub(super) fn enter(
        &self,
        namespace: &str,
        peer: Option<IpAddr>,
        bytes: usize,
    ) -> Result<WaitingPlace, Cause> {
        let own = Load { reviews: 1, bytes };
        let capacity = self.shared.capacity;
        let mut table = self.shared.table();
        let table_of_namespace = table.namespaces.get(namespace).copied().unwrap_or_default();
        let table_of_peer = table.peers.get(&peer).copied().unwrap_or_default();
        if !table_of_namespace.plus(own).is_within(capacity.part(4)) {
            return Err(Cause::WaitingNamespace);
        }
        if !table_of_peer.plus(own).is_within(capacity.part(2))
            || !table.all.plus(own).is_within(capacity)
        {
            return Err(Cause::Waiting);
        }
        let namespace: Arc<str> = namespace.into();
        table.all = table.all.plus(own);
        let of_namespace = table_of_namespace.plus(own);
        table
            .namespaces
            .insert(Arc::clone(&namespace), of_namespace);
        table.peers.insert(peer, table_of_peer.plus(own));
        drop(table);
        self.shared.waiting.inc();
        Ok(WaitingPlace {
            shared: Arc::clone(&self.shared),
            namespace,
            peer,
            own,
        })
    }
}

impl Drop for WaitingPlace {
    fn drop(&mut self) {
        let mut table = self.shared.table();
        table.all = table.all.minus(self.own);
        leave(&mut table.namespaces, &self.namespace, self.own);
        leave(&mut table.peers, &self.peer, self.own);
        drop(table);
        self.shared.waiting.dec();
    }
}

fn leave<K: Eq + std::hash::Hash>(loads: &mut HashMap<K, Load>, key: &K, own: Load) {
    if let Some(load) = loads.get_mut(key) {
        *load = load.minus(own);
        if *load == Load::default() {
            loads.remove(key);
        }
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        // Each change is whole before anything can panic.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Load {
    fn plus(self, other: Self) -> Self {
        Self {
            reviews: self.reviews + other.reviews,
            bytes: self.bytes + other.bytes,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            reviews: self.reviews - other.reviews,
            bytes: self.bytes - other.bytes,
        }
    }

    fn part(self, divisor: usize) -> Self {
        Self {
            reviews: self.reviews / divisor,
            bytes: self.bytes / divisor,
        }
    }

    fn is_within(self, other: Self) -> bool {
        self.reviews <= other.reviews && self.bytes <= other.bytes
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
        let waiting = Waiting::new(&limits, Gauge::default());
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
        let table = waiting.shared.table();
        assert_eq!(table.all, Load::default());
        assert!(table.namespaces.is_empty() && table.peers.is_empty());
    }
}
