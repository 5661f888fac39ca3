//! How long answers and failures are kept. Time is tokio's, so that tests can pause it.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::inspection::{StaleCause, Staleness};
use crate::domain::unknown::Reason;

/// How long after it was last fresh a tag is answered at once and asked for behind it.
const SERVED_STALE: Duration = Duration::from_secs(60 * 60);
/// How long after it was last confirmed a tag outlives a registry that is down.
const OUTLIVES_FAILURES: Duration = Duration::from_secs(24 * 60 * 60);

/// How long ago a registry may have been asked for it to be just now.
pub(super) const RECENT: Duration = Duration::from_secs(5);

/// The age of what is known about a tag.
#[derive(Clone, Debug)]
pub(super) struct Age {
    confirmed: Instant,
    /// When it is asked for again.
    fresh_until: Instant,
    /// From when on it is said to be old, though nothing else speaks against it.
    old_from: Instant,
    /// Why the registry could not be asked again, once that was tried.
    failed: Option<Reason>,
}

impl Age {
    pub(super) fn new(fresh: Duration) -> Self {
        let now = Instant::now();
        Self {
            confirmed: now,
            fresh_until: now + fresh,
            old_from: now + fresh,
            failed: None,
        }
    }

    /// The age of what another process confirmed so long ago. It is not fresh, however short
    /// that is: clocks jump.
    pub(super) fn restored(since_confirmed: Duration, fresh: Duration) -> Option<Self> {
        let now = Instant::now();
        // What is older than this is not believed anyway.
        let confirmed = now.checked_sub(since_confirmed.min(OUTLIVES_FAILURES))?;
        Some(Self {
            confirmed,
            fresh_until: now.min(confirmed + fresh),
            old_from: confirmed + fresh,
            failed: None,
        })
    }

    pub(super) fn since_confirmed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.confirmed)
    }

    /// What speaks against the answer.
    pub(super) fn outdated(&self, now: Instant) -> Option<Staleness> {
        let refreshing = (self.old_from <= now).then_some(StaleCause::Refreshing);
        Some(Staleness {
            age: self.since_confirmed(now),
            why: self.failed.map(StaleCause::Failed).or(refreshing)?,
        })
    }

    /// What speaks against it when the registry could not be asked again.
    pub(super) fn unconfirmed(&self, now: Instant, reason: Reason) -> Staleness {
        Staleness {
            age: self.since_confirmed(now),
            why: StaleCause::Failed(reason),
        }
    }

    /// Whether the registry was asked just now, or just now could not be.
    pub(super) fn is_recent(&self, now: Instant) -> bool {
        let is_recent = self.failed.is_some() || now <= self.confirmed + RECENT;
        is_recent && !self.is_stale(now)
    }

    pub(super) fn is_stale(&self, now: Instant) -> bool {
        self.fresh_until <= now
    }

    pub(super) fn may_be_served_stale(&self, now: Instant) -> bool {
        let soon_enough = now < self.fresh_until + SERVED_STALE;
        soon_enough && (self.failed.is_none() || self.may_outlive_failures(now))
    }

    pub(super) fn may_outlive_failures(&self, now: Instant) -> bool {
        now < self.confirmed + OUTLIVES_FAILURES
    }

    /// The registry could not be asked; it is left alone for a while.
    pub(super) fn fail(&mut self, reason: Reason, pause: Duration) {
        self.fresh_until = Instant::now() + pause;
        self.failed = Some(reason);
    }
}

/// How long a failure is believed; `None` for those that are not a registry's.
pub(super) fn failure_lifetime(reason: Reason) -> Option<Duration> {
    let seconds = match reason {
        Reason::Timeout | Reason::Unreachable | Reason::Tls => 5,
        Reason::NotFound | Reason::Unauthorized | Reason::RateLimited => 30,
        Reason::Blocked => 60,
        Reason::Malformed | Reason::TooLarge | Reason::Unsupported => 300,
        Reason::Preloaded | Reason::NoCandidates | Reason::Cordoned => return None,
    };
    Some(Duration::from_secs(seconds))
}

/// Whether the failure says nothing about the image.
pub(super) fn is_passing(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Timeout | Reason::Unreachable | Reason::Tls | Reason::RateLimited
    )
}
