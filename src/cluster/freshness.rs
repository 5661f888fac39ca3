//! How old the view may be: since when the API server has not confirmed it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::state::WatchedKind;

/// A watch that fails is tried again within half a minute. One of which no more was heard for
/// so long works again, with nothing to tell.
const RECOVERED_AFTER: Duration = Duration::from_secs(60);

/// When the API server last confirmed the view. Clones share it.
#[derive(Clone, Debug)]
pub struct Freshness {
    times: Arc<Mutex<Times>>,
}

#[derive(Debug)]
struct Times {
    /// The last answer of any sort.
    answered: Instant,
    /// Watches that fail: the first failure in a row, and the last.
    failing: BTreeMap<WatchedKind, (Instant, Instant)>,
}

impl Freshness {
    /// Nothing was confirmed yet.
    pub(super) fn new() -> Self {
        Self {
            times: Arc::new(Mutex::new(Times {
                answered: Instant::now(),
                failing: BTreeMap::new(),
            })),
        }
    }

    /// The API server answered a question that is asked every half minute.
    pub(super) fn answered(&self) {
        self.times().answered = Instant::now();
    }

    /// A watch told something.
    pub(super) fn heard(&self, kind: WatchedKind) {
        let mut times = self.times();
        times.answered = Instant::now();
        times.failing.remove(&kind);
    }

    /// A watch failed.
    pub(super) fn failed(&self, kind: WatchedKind) {
        let now = Instant::now();
        let mut times = self.times();
        times.failing.entry(kind).or_insert((now, now)).1 = now;
    }

    /// How old the view may be. Up to half a minute is normal.
    pub fn age(&self) -> Duration {
        let mut times = self.times();
        times
            .failing
            .retain(|_, (_, last)| last.elapsed() < RECOVERED_AFTER);
        let failing = times.failing.values().map(|(first, _)| *first);
        failing.fold(times.answered, Instant::min).elapsed()
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        // Times are as good after a panic as before.
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_fails_ages_the_view_until_it_tells_something_or_is_quiet_again() {
        let second = Duration::from_secs(1);
        let freshness = Freshness::new();
        for _ in 0..9 {
            advance(20 * second).await;
            freshness.answered();
            freshness.failed(WatchedKind::Node);
        }
        assert_eq!(freshness.age(), 160 * second, "since the first failure");
        advance(second).await;
        freshness.heard(WatchedKind::Namespace);
        assert_eq!(freshness.age(), 161 * second, "of another kind");
        freshness.heard(WatchedKind::Node);
        assert_eq!(freshness.age(), Duration::ZERO);
        freshness.failed(WatchedKind::Node);
        advance(61 * second).await;
        freshness.answered();
        assert_eq!(freshness.age(), Duration::ZERO);
        advance(500 * second).await;
        assert_eq!(freshness.age(), 500 * second, "nothing is heard at all");
    }
}
