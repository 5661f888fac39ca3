//! Since when the API server trusts whom, as far as one replica saw.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::SETTLE;
use crate::process::certificates::authority::Authority;

/// The CAs that are in every entry of the webhook configuration.
#[derive(Default)]
pub(super) struct Trust {
    authorities: HashMap<Vec<u8>, Seen>,
    has_started: bool,
}

#[derive(Clone, Copy)]
struct Seen {
    since: Instant,
    /// It was there when the replica started.
    from_start: bool,
}

impl Trust {
    /// Notes which CAs every entry has.
    pub(super) fn see(&mut self, entries: &[Vec<Authority>], at: Instant) {
        let everywhere = |der: &Vec<u8>| {
            let has = |entry: &Vec<Authority>| entry.iter().any(|found| found.der() == der);
            entries.iter().all(has)
        };
        self.authorities.retain(|der, _| everywhere(der));
        let seen = Seen {
            since: at,
            from_start: !self.has_started,
        };
        for authority in entries.iter().flatten() {
            let der = authority.der().to_vec();
            if everywhere(&der) {
                self.authorities.entry(der).or_insert(seen);
            }
        }
        self.has_started = true;
    }

    /// Whether every entry has the CA.
    pub(super) fn has(&self, authority: &Authority) -> bool {
        self.authorities.contains_key(authority.der())
    }

    /// For how long every entry has had the CA.
    pub(super) fn age(&self, authority: &Authority, at: Instant) -> Option<Duration> {
        let seen = self.authorities.get(authority.der())?;
        Some(at.duration_since(seen.since))
    }

    /// Whether every API server trusts the CA. The leaf that a replica finds when it starts
    /// was put there by one that knew.
    pub(super) fn is_settled(&self, authority: &Authority, at: Instant) -> bool {
        let seen = self.authorities.get(authority.der());
        seen.is_some_and(|seen| seen.from_start) || self.age(authority, at) >= Some(SETTLE)
    }
}
