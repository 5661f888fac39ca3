//! Places that tenants take in turn: whoever wants many waits longer, and nobody else does.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Most tenants that wait at a time.
const MAX_TENANTS: usize = 1000;

/// A number of places.
#[derive(Clone)]
pub(crate) struct Turns<K: Clone + Eq + Hash> {
    shared: Arc<Mutex<State<K>>>,
    most_waiting: usize,
}

struct State<K: Clone + Eq + Hash> {
    free: usize,
    /// Each tenant that waits, once; the next one first.
    order: VecDeque<K>,
    waiting: HashMap<K, VecDeque<oneshot::Sender<TurnPlace<K>>>>,
}

/// A place that is taken, until it is dropped.
pub(crate) struct TurnPlace<K: Clone + Eq + Hash>(Option<Arc<Mutex<State<K>>>>);

impl<K: Clone + Eq + Hash> Turns<K> {
    /// So many places, for which so many of one tenant may wait.
    pub(crate) fn new(places: usize, most_waiting: usize) -> Self {
        Self {
            shared: Arc::new(Mutex::new(State {
                free: places,
                order: VecDeque::new(),
                waiting: HashMap::new(),
            })),
            most_waiting,
        }
    }

    /// A place, once it is the tenant's turn; none if too many of the tenant wait already.
    pub(crate) async fn enter(&self, tenant: K) -> Option<TurnPlace<K>> {
        let turn = {
            let mut state = lock(&self.shared);
            if state.free > 0 {
                state.free -= 1;
                return Some(TurnPlace(Some(Arc::clone(&self.shared))));
            }
            state.wait(tenant, self.most_waiting)?
        };
        turn.await.ok()
    }
}

impl<K: Clone + Eq + Hash> State<K> {
    fn wait(&mut self, tenant: K, most: usize) -> Option<oneshot::Receiver<TurnPlace<K>>> {
        let is_full = self.order.len() >= MAX_TENANTS;
        let queue = match self.waiting.entry(tenant) {
            Entry::Occupied(queue) => queue.into_mut(),
            Entry::Vacant(_) if is_full => return None,
            Entry::Vacant(queue) => {
                self.order.push_back(queue.key().clone());
                queue.insert(VecDeque::new())
            }
        };
        if queue.len() >= most {
            // Some may have given up.
            queue.retain(|turn| !turn.is_closed());
        }
        if queue.len() >= most {
            return None;
        }
        let (turn, place) = oneshot::channel();
        queue.push_back(turn);
        Some(place)
    }

    /// Who gets a place that came free; without anybody it stays free.
    fn next(&mut self) -> Option<oneshot::Sender<TurnPlace<K>>> {
        while let Some(tenant) = self.order.pop_front() {
            let queue = self.waiting.get_mut(&tenant);
            let turn = queue.and_then(VecDeque::pop_front);
            if self
                .waiting
                .get(&tenant)
                .is_some_and(|queue| !queue.is_empty())
            {
                self.order.push_back(tenant);
            } else {
                self.waiting.remove(&tenant);
            }
            if turn.is_some() {
                return turn;
            }
        }
        self.free += 1;
        None
    }
}

impl<K: Clone + Eq + Hash> Drop for TurnPlace<K> {
    fn drop(&mut self) {
        let Some(shared) = self.0.take() else {
            return;
        };
        loop {
            let next = lock(&shared).next();
            let Some(turn) = next else {
                return;
            };
            match turn.send(TurnPlace(Some(Arc::clone(&shared)))) {
                Ok(()) => return,
                // That one gave up: the place is the next one's.
                Err(mut place) => place.0 = None,
            }
        }
    }
}

fn lock<K: Clone + Eq + Hash>(shared: &Mutex<State<K>>) -> MutexGuard<'_, State<K>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
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
                order.lock().unwrap().push_str(tenant);
                tokio::task::yield_now().await;
            }
        };
        let leave = async { drop(first) };
        tokio::join!(join_all(wanting.iter().map(|tenant| want(tenant))), leave);
        drop(turns.enter("again").await.expect("it is free again"));
        order.into_inner().unwrap()
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
