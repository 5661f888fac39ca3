//! Since when the API server trusts whom, as far as one replica saw.

use std::time::Duration;

use tokio::time::Instant;

use super::SETTLE;
use crate::process::certificates::authority::Authority;

/// The CAs that are in every entry of the webhook configuration.
#[derive(Default)]
pub(super) struct Trust {
    seen: Vec<Seen>,
    has_started: bool,
}

struct Seen {
    authority: Authority,
    since: Instant,
    /// It was there when the replica started.
    from_start: bool,
}

impl Trust {
    /// Notes which CAs every entry has.
    pub(super) fn see(&mut self, entries: &[Vec<Authority>], at: Instant) {
        let everywhere =
            |authority: &Authority| entries.iter().all(|entry| entry.contains(authority));
        self.seen.retain(|seen| everywhere(&seen.authority));
        for authority in entries.iter().flatten() {
            if everywhere(authority) && !self.has(authority) {
                self.seen.push(Seen {
                    authority: authority.clone(),
                    since: at,
                    from_start: !self.has_started,
                });
            }
        }
        self.has_started = true;
    }

    /// Whether every entry has the CA.
    pub(super) fn has(&self, authority: &Authority) -> bool {
        self.find(authority).is_some()
    }

    /// For how long every entry has had the CA.
    pub(super) fn age(&self, authority: &Authority, at: Instant) -> Option<Duration> {
        let seen = self.find(authority)?;
        Some(at.duration_since(seen.since))
    }

    /// Whether every API server trusts the CA. The leaf that a replica finds when it starts
    /// was put there by one that knew.
    pub(super) fn is_settled(&self, authority: &Authority, at: Instant) -> bool {
        let seen = self.find(authority);
        seen.is_some_and(|seen| seen.from_start) || self.age(authority, at) >= Some(SETTLE)
    }

    fn find(&self, authority: &Authority) -> Option<&Seen> {
        self.seen.iter().find(|seen| seen.authority == *authority)
    }
}
