//! One piece of work per key, however many wait for it.
//!
//! The work runs as a task of its own: a caller that gives up strands nobody, and the next
//! one finds the result.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};

/// Work that is under way: `None` if it ended without a value.
pub(super) type Flight<V> = Shared<BoxFuture<'static, Option<V>>>;

type Running<K, V> = Arc<Mutex<HashMap<K, Flight<V>>>>;

/// The work under way, by key.
pub(super) struct Flights<K, V: Clone> {
    running: Running<K, V>,
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
    pub(super) fn join(
        &self,
        key: K,
        known: impl FnOnce() -> Option<V>,
        start: impl FnOnce() -> BoxFuture<'static, V>,
    ) -> Flight<V> {
        let mut running = lock(&self.running);
        if let Some(flight) = running.get(&key) {
            return flight.clone();
        }
        if let Some(value) = known() {
            return futures::future::ready(Some(value)).boxed().shared();
        }
        let landing = Landing {
            running: Arc::clone(&self.running),
            key: key.clone(),
        };
        let work = start();
        let task = tokio::spawn(async move {
            let _landing = landing;
            work.await
        });
        let flight = async move { task.await.ok() }.boxed().shared();
        running.insert(key, flight.clone());
        flight
    }
}

/// Takes the key off the list when the work ends, in whatever way.
struct Landing<K: Eq + Hash, V: Clone> {
    running: Running<K, V>,
    key: K,
}

impl<K: Eq + Hash, V: Clone> Drop for Landing<K, V> {
    fn drop(&mut self) {
        lock(&self.running).remove(&self.key);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
