//! How many requests a piece of work may make in all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A number of requests, shared by everything that is asked for one purpose. It can end early:
/// what a registry says of its own limits counts for more.
#[derive(Clone, Debug)]
pub struct RequestLimit(Arc<Counter>);

#[derive(Debug)]
struct Counter {
    most: usize,
    made: AtomicUsize,
    is_stopped: AtomicBool,
}

impl RequestLimit {
    /// At most so many.
    pub fn of(most: usize) -> Self {
        Self(Arc::new(Counter {
            most,
            made: AtomicUsize::new(0),
            is_stopped: AtomicBool::new(false),
        }))
    }

    /// Takes one request; false when there is none left.
    pub fn take(&self) -> bool {
        let next = |made| (made < self.0.most && !self.is_stopped()).then_some(made + 1);
        let taken = self
            .0
            .made
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        taken.is_ok()
    }

    /// Gives back a request that reached nobody.
    pub fn give_back(&self) {
        let less = |made: usize| Some(made.saturating_sub(1));
        let made = &self.0.made;
        // It always has a value to set.
        let _ = made.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Allows no further request.
    pub fn stop(&self) {
        self.0.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Whether it ended before it was used up.
    pub fn is_stopped(&self) -> bool {
        self.0.is_stopped.load(Ordering::Relaxed)
    }

    /// How many requests were made.
    pub fn made(&self) -> usize {
        self.0.made.load(Ordering::Relaxed)
    }

    /// How many are left.
    pub fn left(&self) -> usize {
        match self.is_stopped() {
            true => 0,
            false => self.0.most.saturating_sub(self.made()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_when_it_is_used_up_or_stopped() {
        let limit = RequestLimit::of(2);
        let other = limit.clone();
        assert!(limit.take() && other.take());
        assert!(!limit.take());
        assert_eq!(
            (limit.made(), limit.left(), limit.is_stopped()),
            (2, 0, false)
        );
        limit.give_back();
        assert!(limit.take() && !limit.take());
        let limit = RequestLimit::of(2);
        limit.stop();
        assert!(!limit.take());
        assert_eq!((limit.made(), limit.left()), (0, 0));
    }
}
