//! Answers for whoever keeps failing, so that nobody waits in vain.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::unknown::Reason;
use crate::registry::jitter::jittered;

/// How long it is open at first, and at most.
const FIRST_OPEN_TIME: Duration = Duration::from_secs(5);
const MAX_OPEN_TIME: Duration = Duration::from_secs(60);

/// Closed, until enough failures open it; then one request at a time tries again.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    reason: Reason,
    until: Instant,
    /// How long it is open; longer each time.
    time: Duration,
    is_probed: bool,
}

/// A request that the breaker let pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passing {
    /// All is well, as far as we know.
    Usual,
    /// There were failures, and this request finds out whether there still are.
    Probe,
}

impl Breaker {
    /// What went wrong last, if requests would be refused now.
    pub(super) fn is_open(&self, now: Instant) -> Option<Reason> {
        let open = self.open.as_ref()?;
        (now < open.until || open.is_probed).then_some(open.reason)
    }

    /// Lets a request pass that [`Self::is_open`] does not refuse.
    pub(super) fn pass(&mut self) -> Passing {
        match &mut self.open {
            None => Passing::Usual,
            Some(open) => {
                open.is_probed = true;
                Passing::Probe
            }
        }
    }

    /// A request that passed was answered. While the breaker is open, only the probe's
    /// answer counts: an older request may have been answered before the failures.
    pub(super) fn succeeded(&mut self, passing: Passing) {
        if passing == Passing::Probe {
            self.open = None;
        }
    }

    /// A request that passed ended for no fault of theirs: another one may try.
    pub(super) fn withdrawn(&mut self, passing: Passing) {
        if let (Some(open), Passing::Probe) = (&mut self.open, passing) {
            open.is_probed = false;
        }
    }

    /// A request that passed was not answered, which is enough to ask no more, or not yet.
    pub(super) fn failed(
        &mut self,
        passing: Passing,
        reason: Reason,
        is_enough: bool,
        now: Instant,
    ) {
        let time = match (&self.open, passing) {
            (Some(open), Passing::Probe) => (open.time * 2).min(MAX_OPEN_TIME),
            // It passed before the breaker opened.
            (Some(_), Passing::Usual) => return,
            (None, _) if !is_enough => return,
            (None, _) => FIRST_OPEN_TIME,
        };
        self.open = Some(Open {
            reason,
            until: now + jittered(time),
            time,
            is_probed: false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        let passing = breaker.pass();
        breaker.failed(passing, Reason::Unreachable, false, now);
        assert_eq!(breaker.is_open(now), None);
        breaker.failed(passing, Reason::Unreachable, true, now);
        breaker
    }

    #[test]
    fn one_request_tries_again_and_decides() {
        let mut now = Instant::now();
        let mut breaker = opened(now);
        assert!(breaker.is_open(now + FIRST_OPEN_TIME / 2).is_some());
        for longest in [
            FIRST_OPEN_TIME * 2,
            FIRST_OPEN_TIME * 4,
            FIRST_OPEN_TIME * 8,
            MAX_OPEN_TIME,
            MAX_OPEN_TIME,
        ] {
            now += MAX_OPEN_TIME * 2;
            assert_eq!(breaker.is_open(now), None);
            assert_eq!(breaker.pass(), Passing::Probe);
            assert_eq!(breaker.is_open(now), Some(Reason::Unreachable), "one only");
            breaker.failed(Passing::Probe, Reason::Timeout, false, now);
            assert_eq!(
                breaker.is_open(now + longest * 3 / 4),
                Some(Reason::Timeout)
            );
            breaker.open.as_mut().unwrap().reason = Reason::Unreachable;
        }
        now += MAX_OPEN_TIME * 2;
        assert_eq!(breaker.is_open(now), None);
        assert_eq!(breaker.pass(), Passing::Probe);
        breaker.succeeded(Passing::Probe);
        assert_eq!(breaker.pass(), Passing::Usual);
    }

    #[test]
    fn requests_from_before_it_opened_change_nothing() {
        let now = Instant::now();
        let mut breaker = opened(now);
        breaker.succeeded(Passing::Usual);
        assert!(breaker.is_open(now).is_some());
        let later = now + MAX_OPEN_TIME * 2;
        breaker.failed(Passing::Usual, Reason::Tls, true, later);
        assert_eq!(breaker.is_open(later), None);
        assert_eq!(breaker.pass(), Passing::Probe);
    }
}
