//! Who is to blame for a failure: a host, or one of its repositories.
//!
//! A proxy keeps some repositories elsewhere, and anybody may name a slow or broken one. Such
//! a repository speaks for itself: whoever asks for it must not silence the host for all.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::breaker::{Breaker, Passing};
use crate::domain::unknown::Reason;

/// So many failures in a row, of connections or of one repository, are enough.
const FAILURES_TO_OPEN: u32 = 5;
/// So many repositories that fail are the host's failure.
const FAILING_REPOSITORIES_TO_OPEN: usize = 3;
/// Most repositories of a host whose failures are remembered.
const MAX_REPOSITORIES: usize = 256;

/// Whom a failure speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::registry) enum Blame {
    /// There was no connection, or no handshake.
    Host,
    /// There was no answer, or one that says that something behind the host failed.
    Repository,
}

/// How a host and its repositories fare.
#[derive(Default)]
pub(super) struct Health {
    host: Breaker,
    /// Connections that failed in a row.
    connections: u32,
    /// Repositories that failed since the host last answered.
    failing: Vec<Arc<str>>,
    /// Repositories that failed when they were last asked for, and how often in a row.
    repositories: HashMap<Arc<str>, (u32, Breaker)>,
}

/// A request that may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Admitted {
    host: Passing,
    repository: Passing,
}

impl Health {
    /// In which way the host failed last, if nobody may ask it now.
    pub(super) fn host_fails(&self, now: Instant) -> Option<Reason> {
        self.host.is_open(now)
    }

    /// In which way the host or the repository failed last, if it is not asked for now.
    pub(super) fn fails(&self, repository: &str, now: Instant) -> Option<Reason> {
        let known = self.repositories.get(repository);
        let own = known.and_then(|(_, breaker)| breaker.is_open(now));
        self.host_fails(now).or(own)
    }

    pub(super) fn admit(&mut self, repository: &str) -> Admitted {
        let known = self.repositories.get_mut(repository);
        Admitted {
            host: self.host.pass(),
            repository: known.map_or(Passing::Usual, |(_, breaker)| breaker.pass()),
        }
    }

    /// An answer of the host, for a repository that is well.
    pub(super) fn succeeded(&mut self, repository: &str, admitted: Admitted) {
        self.host.succeeded(admitted.host);
        self.connections = 0;
        self.failing.clear();
        if let Some((failures, breaker)) = self.repositories.get_mut(repository) {
            *failures = 0;
            breaker.succeeded(admitted.repository);
        }
    }

    /// A successful answer to a request that had counted as failed: all is well by now.
    pub(super) fn recovered(&mut self, repository: &str) {
        let probe = Admitted {
            host: Passing::Probe,
            repository: Passing::Probe,
        };
        self.succeeded(repository, probe);
    }

    /// The request ended for a reason of our own.
    pub(super) fn withdrawn(&mut self, repository: &str, admitted: Admitted) {
        self.host.withdrawn(admitted.host);
        if let Some((_, breaker)) = self.repositories.get_mut(repository) {
            breaker.withdrawn(admitted.repository);
        }
    }

    pub(super) fn failed(
        &mut self,
        repository: &Arc<str>,
        admitted: Admitted,
        (blame, reason): (Blame, Reason),
        now: Instant,
    ) {
        let is_enough = match blame {
            Blame::Host => {
                self.connections = self.connections.saturating_add(1);
                self.connections >= FAILURES_TO_OPEN
            }
            Blame::Repository => {
                self.repository_failed(repository, admitted.repository, reason, now);
                self.failing.len() >= FAILING_REPOSITORIES_TO_OPEN
            }
        };
        self.host.failed(admitted.host, reason, is_enough, now);
    }

    fn repository_failed(
        &mut self,
        repository: &Arc<str>,
        passing: Passing,
        reason: Reason,
        now: Instant,
    ) {
        if self.failing.len() < FAILING_REPOSITORIES_TO_OPEN && !self.failing.contains(repository) {
            self.failing.push(Arc::clone(repository));
        }
        if !self.repositories.contains_key(repository) {
            if self.repositories.len() >= MAX_REPOSITORIES {
                let is_open = |breaker: &Breaker| breaker.is_open(now).is_some();
                self.repositories.retain(|_, (_, breaker)| is_open(breaker));
            }
            if self.repositories.len() >= MAX_REPOSITORIES {
                // The host's own breaker is open by now.
                return;
            }
        }
        let known = self.repositories.entry(Arc::clone(repository));
        let (failures, breaker) = known.or_default();
        *failures = failures.saturating_add(1);
        breaker.failed(passing, reason, *failures >= FAILURES_TO_OPEN, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(health: &mut Health, repository: &str, blame: Blame, times: u32) {
        let now = Instant::now();
        for _ in 0..times {
            let admitted = health.admit(repository);
            let failure = (blame, Reason::Timeout);
            health.failed(&repository.into(), admitted, failure, now);
        }
    }

    fn answer(health: &mut Health, repository: &str) {
        let admitted = health.admit(repository);
        health.succeeded(repository, admitted);
    }

    #[test]
    fn connections_that_fail_in_a_row_are_the_hosts_failure() {
        let (mut health, now) = (Health::default(), Instant::now());
        for _ in 0..3 {
            fail(&mut health, "a", Blame::Host, FAILURES_TO_OPEN - 1);
            answer(&mut health, "b");
        }
        fail(&mut health, "a", Blame::Host, FAILURES_TO_OPEN);
        assert_eq!(health.host_fails(now), Some(Reason::Timeout));
    }

    #[test]
    fn a_repository_that_fails_is_not_asked_for_and_others_are() {
        let (mut health, now) = (Health::default(), Instant::now());
        fail(&mut health, "slow", Blame::Repository, FAILURES_TO_OPEN - 1);
        assert_eq!(health.fails("slow", now), None);
        fail(&mut health, "slow", Blame::Repository, 40);
        assert_eq!(health.fails("slow", now), Some(Reason::Timeout));
        assert_eq!(health.fails("other", now), None);
        fail(&mut health, "slower", Blame::Repository, 40);
        assert_eq!(health.fails("other", now), None, "two are not enough");
        answer(&mut health, "other");
        fail(&mut health, "third", Blame::Repository, 40);
        assert_eq!(health.fails("other", now), None, "it answered in between");
    }

    #[test]
    fn three_repositories_that_fail_are_the_hosts_failure() {
        let (mut health, now) = (Health::default(), Instant::now());
        for repository in ["a", "b", "c"] {
            assert_eq!(health.host_fails(now), None);
            fail(&mut health, repository, Blame::Repository, 1);
        }
        assert_eq!(health.fails("other", now), Some(Reason::Timeout));
        health.recovered("c");
        assert_eq!(health.fails("other", now), None);
    }

    #[test]
    fn the_failures_that_are_remembered_are_bounded() {
        let mut health = Health::default();
        for number in 0..10 * MAX_REPOSITORIES {
            fail(&mut health, &number.to_string(), Blame::Repository, 1);
            answer(&mut health, "other");
        }
        assert!(health.repositories.len() <= MAX_REPOSITORIES);
    }
}
