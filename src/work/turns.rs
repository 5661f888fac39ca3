//! Places that tenants take in turn: whoever wants many waits longer, and nobody else does.
//!
//! Places are given in the order of asking, and of each tenant only one asks at a time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{self, OwnedSemaphorePermit, Semaphore};

/// Most tenants that wait at a time.
const MAX_TENANTS: usize = 1000;

/// A number of places.
#[derive(Clone)]
pub(crate) struct Turns<K> {
    places: Arc<Semaphore>,
    /// Those who wait, by tenant.
    lines: Arc<Mutex<HashMap<K, Arc<Line>>>>,
    most_waiting: usize,
}

/// Those of one tenant who wait.
struct Line {
    /// How many more may.
    room: Semaphore,
    /// The one who asks for a place.
    head: sync::Mutex<()>,
}

impl<K: Eq + Hash> Turns<K> {
    /// So many places, for which so many of one tenant may wait.
    pub(crate) fn new(places: usize, most_waiting: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places)),
            lines: Arc::default(),
            most_waiting,
        }
    }

    /// A place until it is dropped, once it is the tenant's turn; none if too many wait
    /// already.
    pub(crate) async fn enter(&self, tenant: K) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        let line = self.line(tenant)?;
        let _room = line.room.try_acquire().ok()?;
        let _head = line.head.lock().await;
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    fn line(&self, tenant: K) -> Option<Arc<Line>> {
        let mut lines = self.lines.lock();
        if lines.len() >= MAX_TENANTS && !lines.contains_key(&tenant) {
            lines.retain(|_, line| Arc::strong_count(line) > 1);
        }
        let is_full = lines.len() >= MAX_TENANTS && !lines.contains_key(&tenant);
        let line = || {
            Arc::new(Line {
                room: Semaphore::new(self.most_waiting),
                head: sync::Mutex::new(()),
            })
        };
        (!is_full).then(|| Arc::clone(lines.entry(tenant).or_insert_with(line)))
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    /// Who got a place, in the order of it, when these want one while it is taken.
    async fn order(wanting: &[&'static str]) -> String {
        let turns = Turns::new(1, 100);
        let first = turns.enter("first").await;
        let order = Mutex::new(String::new());
        let want = |tenant: &'static str| {
            let (turns, order) = (&turns, &order);
            async move {
                let _place = turns.enter(tenant).await.expect("a place");
                order.lock().push_str(tenant);
                tokio::task::yield_now().await;
            }
        };
        let leave = async { drop(first) };
        tokio::join!(join_all(wanting.iter().map(|tenant| want(tenant))), leave);
        drop(turns.enter("again").await.expect("it is free again"));
        order.into_inner()
    }

    #[tokio::test]
    async fn tenants_take_turns_however_many_one_of_them_sends() {
        assert_eq!(order(&["a", "a", "a", "a", "b", "c", "b"]).await, "abcabaa");
        assert_eq!(order(&["a", "a", "a"]).await, "aaa");
    }

    #[tokio::test]
    async fn who_gives_up_takes_no_place_along() {
        let turns = Turns::new(1, 3);
        let place = turns.enter("a").await.unwrap();
        let mut gone: Vec<_> = (0..3).map(|_| Box::pin(turns.enter("b"))).collect();
        for waiting in &mut gone {
            assert!(futures::poll!(waiting).is_pending());
        }
        assert!(turns.enter("b").await.is_none(), "three may wait");
        drop(gone);
        let mut waiting = Box::pin(turns.enter("b"));
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(place);
        // It was handed over, and is not taken any more.
        drop(waiting);
        assert!(turns.enter("c").await.is_some());
    }

    #[tokio::test]
    async fn the_number_of_those_who_wait_is_bounded() {
        let turns = Turns::new(1, 2);
        let _place = turns.enter(0).await.unwrap();
        let mut waiting = Vec::new();
        for tenant in 0..MAX_TENANTS {
            let mut one = Box::pin(turns.enter(tenant));
            assert!(futures::poll!(&mut one).is_pending());
            waiting.push(one);
        }
        assert!(turns.enter(MAX_TENANTS).await.is_none());
        let mut one = Box::pin(turns.enter(7));
        assert!(futures::poll!(&mut one).is_pending());
        assert!(turns.enter(7).await.is_none());
    }
}
