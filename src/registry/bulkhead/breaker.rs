//! Answers for a host that keeps failing, so that nobody waits for it in vain.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::unknown::Reason;
use crate::registry::jitter::jittered;

/// So many failures in a row open the breaker.
const FAILURES: u32 = 5;
/// How long it is open at first, and at most.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(60);

/// Closed, until failures in a row open it; then one request at a time tries again.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
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
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Passing {
    /// The host is well, as far as we know.
    Usual,
    /// It failed, and this request finds out whether it still does.
    Probe,
}

impl Breaker {
    /// In which way the host failed last, if requests would be refused now.
    pub(super) fn is_open(&self, now: Instant) -> Option<Reason> {
        let open = self.open.as_ref()?;
        (now < open.until || open.is_probed).then_some(open.reason)
    }

    /// Lets a request pass, or says in which way the host failed last.
    pub(super) fn pass(&mut self, now: Instant) -> Result<Passing, Reason> {
        if let Some(reason) = self.is_open(now) {
            return Err(reason);
        }
        Ok(match &mut self.open {
            None => Passing::Usual,
            Some(open) => {
                open.is_probed = true;
                Passing::Probe
            }
        })
    }

    /// A request that passed was answered. While the breaker is open, only the probe's
    /// answer counts: an older request may have been answered before the failures.
    pub(super) fn succeeded(&mut self, passing: Passing) {
        if self.open.is_none() || passing == Passing::Probe {
            *self = Self::default();
        }
    }

    /// A request that passed was not answered.
    pub(super) fn failed(&mut self, passing: Passing, reason: Reason, now: Instant) {
        let time = match (&self.open, passing) {
            (Some(open), Passing::Probe) => (open.time * 2).min(LONGEST),
            // It passed before the breaker opened.
            (Some(_), Passing::Usual) => return,
            (None, _) => {
                self.failures += 1;
                if self.failures < FAILURES {
                    return;
                }
                FIRST
            }
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

    fn fail(breaker: &mut Breaker, times: u32, now: Instant) {
        for _ in 0..times {
            let passing = breaker.pass(now).expect("passes");
            breaker.failed(passing, Reason::Unreachable, now);
        }
    }

    #[test]
    fn only_failures_in_a_row_open_it() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..3 {
            fail(&mut breaker, FAILURES - 1, now);
            let passing = breaker.pass(now).expect("passes");
            breaker.succeeded(passing);
        }
        fail(&mut breaker, FAILURES, now);
        assert_eq!(breaker.pass(now), Err(Reason::Unreachable));
    }

    #[test]
    fn one_request_tries_again_and_decides() {
        let (mut breaker, mut now) = (Breaker::default(), Instant::now());
        fail(&mut breaker, FAILURES, now);
        assert!(breaker.is_open(now + FIRST / 2).is_some());
        for longest in [FIRST * 2, FIRST * 4, FIRST * 8, LONGEST, LONGEST] {
            now += LONGEST * 2;
            assert_eq!(breaker.pass(now), Ok(Passing::Probe));
            assert_eq!(breaker.pass(now), Err(Reason::Unreachable), "one at a time");
            breaker.failed(Passing::Probe, Reason::Timeout, now);
            assert_eq!(breaker.pass(now + longest * 3 / 4), Err(Reason::Timeout));
            breaker.open.as_mut().unwrap().reason = Reason::Unreachable;
        }
        now += LONGEST * 2;
        assert_eq!(breaker.pass(now), Ok(Passing::Probe));
        breaker.succeeded(Passing::Probe);
        assert_eq!(breaker.pass(now), Ok(Passing::Usual));
    }

    #[test]
    fn requests_from_before_it_opened_change_nothing() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        let (early, earlier) = (breaker.pass(now).unwrap(), breaker.pass(now).unwrap());
        fail(&mut breaker, FAILURES, now);
        breaker.succeeded(early);
        assert!(breaker.is_open(now).is_some());
        breaker.failed(earlier, Reason::Tls, now + LONGEST * 2);
        assert_eq!(breaker.pass(now + LONGEST * 2), Ok(Passing::Probe));
    }
}
