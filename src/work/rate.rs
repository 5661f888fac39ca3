//! So many requests in a second, of which as many may start at once.

use std::time::Duration;

use tokio::time::Instant;

/// The generic cell rate algorithm. Source: ITU-T I.371, annex A.
#[derive(Debug)]
pub(crate) struct Rate {
    interval: Duration,
    /// How far ahead of the even pace a request may start.
    burst: Duration,
    /// When the next request would start at the even pace.
    due: Option<Instant>,
}

impl Rate {
    pub(crate) fn per_second(requests: u32) -> Self {
        let requests = requests.max(1);
        let interval = Duration::from_secs(1) / requests;
        Self {
            interval,
            burst: interval * (requests - 1),
            due: None,
        }
    }

    /// When the next request starts, which it counts.
    pub(crate) fn next_start(&mut self) -> Instant {
        let start = self.next(Instant::now());
        self.take(start);
        start
    }

    /// When the next request may start.
    pub(crate) fn next(&self, now: Instant) -> Instant {
        let ahead = self.due.and_then(|due| due.checked_sub(self.burst));
        ahead.map_or(now, |start| start.max(now))
    }

    /// Counts a request that starts then.
    pub(crate) fn take(&mut self, start: Instant) {
        let due = self.due.map_or(start, |due| due.max(start));
        self.due = Some(due + self.interval);
    }

    /// Whether it is as if nobody had asked.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.due.is_none_or(|due| due <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_starts_at_once_and_then_the_pace_is_even() {
        let now = Instant::now();
        let mut rate = Rate::per_second(4);
        assert!(rate.is_full(now));
        let mut starts = (0..8).map(|_| {
            let start = rate.next(now);
            rate.take(start);
            (start - now).as_millis()
        });
        assert!(starts.by_ref().take(4).all(|start| start == 0));
        assert_eq!(starts.collect::<Vec<_>>(), [250, 500, 750, 1000]);
        assert!(!rate.is_full(now + Duration::from_millis(1999)));
        assert!(rate.is_full(now + Duration::from_secs(2)));
    }
}
