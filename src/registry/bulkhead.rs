//! Limits of one registry host: requests at a time, rate, circuit breaker, rate limits.
//!
//! A host has a number of requests at once and a rate, which tenants share fairly ([`queue`]).
//! Who keeps failing is answered for without being asked ([`health`]). What a registry asks of
//! an account, to wait or not to spend more, is kept in its [`allowance`].

mod allowance;
mod breaker;
mod health;
mod queue;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use tokio::time::{Instant, sleep_until};

use crate::credentials::CredentialHash;
use crate::domain::unknown::{Reason, Unknown};
use crate::work::audience::Audience;
use crate::work::limit::RequestLimit;
use allowance::{Allowances, Spent};
pub(super) use health::Blame;
use health::{Admitted, Health};
use queue::{Full, QueuePlace};
pub(super) use queue::{HostBudget, Queue};

/// A pause that somebody who waits for an answer may as well wait for.
const MAX_PAUSE_WAITED_FOR: Duration = Duration::from_secs(2);

/// What a request wants of a host.
#[derive(Clone, Debug)]
pub(super) struct RequestClass {
    /// Who waits for it, and on whose account it is.
    pub(super) audience: Audience,
    /// What it asks for, or has a proof made for.
    pub(super) repository: Arc<str>,
    /// Whose allowance it is; `None` is anonymous.
    pub(super) account: Option<CredentialHash>,
    /// Whether registries that count pulls count this request.
    pub(super) is_counted: bool,
    /// Whether it may go on when it takes long, since nobody else is asked instead.
    pub(super) may_go_on: bool,
    /// How many requests those who ask may make, where that is bounded. Proofs do not count.
    pub(super) limit: Option<RequestLimit>,
    pub(super) deadline: Instant,
}

/// Why a host is not asked now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryRefusal {
    /// Too many of ours wait for it, or did until the deadline.
    Busy,
    /// It asked us to wait.
    Paused,
    /// We took half of what it allows; the rest is for the nodes.
    HalfSpent,
    /// The tenant took its share of what it allows.
    ShareSpent,
    /// Those who ask may make no further request.
    LimitReached,
    /// It kept failing, lately in this way.
    Failing(Reason),
}

/// Why a request came to nothing.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) unknown: Unknown,
    pub(super) blame: Blame,
}

/// What went wrong once there was a connection.
impl From<Unknown> for Failure {
    fn from(unknown: Unknown) -> Self {
        Self {
            unknown,
            blame: Blame::Repository,
        }
    }
}

/// One host.
pub(super) struct Bulkhead {
    /// Its name, for the log.
    name: String,
    queue: Arc<Queue>,
    host: u64,
    budget: HostBudget,
    known: Mutex<Known>,
}

/// What the host taught us.
#[derive(Default)]
struct Known {
    health: Health,
    allowances: Allowances,
}

impl Bulkhead {
    /// A host that takes so much.
    pub(super) fn new(name: &str, queue: &Arc<Queue>, budget: HostBudget) -> Self {
        Self {
            name: name.to_owned(),
            queue: Arc::clone(queue),
            host: queue.host(),
            budget,
            known: Mutex::default(),
        }
    }

    /// Waits for one's turn. What the host's health forbids is found out before and after:
    /// others may have learned more meanwhile.
    pub(super) async fn enter(
        self: &Arc<Self>,
        class: &RequestClass,
    ) -> Result<Permit, EntryRefusal> {
        self.wait_for_short_pause(class).await?;
        self.known.lock().check(class)?;
        let (queue, budget) = (&self.queue, &self.budget);
        let entered = queue.enter(self.host, budget, &class.audience, class.deadline);
        let place = entered.await.map_err(|Full| EntryRefusal::Busy)?;
        let admitted = self.known.lock().admit(class)?;
        Ok(Permit {
            bulkhead: Arc::clone(self),
            account: class.account,
            repository: Arc::clone(&class.repository),
            admitted: Some(admitted),
            is_overdue: false,
            is_late: false,
            place,
        })
    }

    async fn wait_for_short_pause(&self, class: &RequestClass) -> Result<(), EntryRefusal> {
        let now = Instant::now();
        let Some(pause) = self.known.lock().pause(class, now) else {
            return Ok(());
        };
        let until = now + pause;
        let fits = pause <= MAX_PAUSE_WAITED_FOR && until < class.deadline;
        if !class.audience.is_awaited() || !fits {
            return Err(EntryRefusal::Paused);
        }
        sleep_until(until).await;
        Ok(())
    }

    /// Whether the host is not asked at the moment, since it keeps failing.
    pub(super) fn is_failing(&self) -> bool {
        self.known
            .lock()
            .health
            .host_fails(Instant::now())
            .is_some()
    }

    /// Whether hardly anything is left of what the host allows the account.
    pub(super) fn is_nearly_spent(&self, class: &RequestClass) -> bool {
        let known = self.known.lock();
        known
            .allowances
            .is_nearly_spent(class.account, Instant::now())
    }

    /// The least that any account may still spend, of those whose registry said so.
    pub(super) fn remaining(&self) -> Option<u64> {
        self.known.lock().allowances.remaining(Instant::now())
    }

    /// Changes what is known of the health of host and repository, and logs when that opens
    /// or closes the way to them.
    fn change_health(&self, repository: &str, change: impl FnOnce(&mut Health, Instant)) {
        let now = Instant::now();
        let (before, after) = {
            let health = &mut self.known.lock().health;
            let before = health.fails(repository, now);
            change(health, now);
            (before, health.fails(repository, now).map(Reason::name))
        };
        let host = &self.name;
        match (before, after) {
            (None, Some(reason)) => tracing::debug!(host, repository, reason, "breaker opened"),
            (Some(_), None) => tracing::debug!(host, repository, "breaker closed"),
            _ => {}
        }
    }
}

impl Known {
    fn pause(&self, class: &RequestClass, now: Instant) -> Option<Duration> {
        self.allowances.pause(class.account, &class.repository, now)
    }

    /// Whether the host may be asked at all now.
    fn check(&self, class: &RequestClass) -> Result<(), EntryRefusal> {
        let now = Instant::now();
        if self.pause(class, now).is_some() {
            return Err(EntryRefusal::Paused);
        }
        match self.health.fails(&class.repository, now) {
            Some(reason) => Err(EntryRefusal::Failing(reason)),
            None => Ok(()),
        }
    }

    fn admit(&mut self, class: &RequestClass) -> Result<Admitted, EntryRefusal> {
        self.check(class)?;
        if class.is_counted {
            self.spend(class)?;
        }
        Ok(self.health.admit(&class.repository))
    }

    /// Takes one request of a counted window, on the account of anybody who waits.
    fn spend(&mut self, class: &RequestClass) -> Result<(), EntryRefusal> {
        let now = Instant::now();
        let mut refusal = EntryRefusal::HalfSpent;
        for tenant in class.audience.tenants() {
            match self.allowances.spend(class.account, &tenant, now) {
                Ok(()) => return Ok(()),
                Err(Spent::Half) => {}
                Err(Spent::Share) => refusal = EntryRefusal::ShareSpent,
            }
        }
        Err(refusal)
    }
}

/// A request under way. The bulkhead learns how it ends, also if nobody waits for that.
pub(super) struct Permit {
    bulkhead: Arc<Bulkhead>,
    account: Option<CredentialHash>,
    repository: Arc<str>,
    admitted: Option<Admitted>,
    /// Whether it counts as failed, since it took too long.
    is_overdue: bool,
    /// Whether it goes on without a place.
    is_late: bool,
    pub(super) place: QueuePlace,
}

impl Permit {
    /// Goes on without a place, if there is room for that.
    pub(super) fn go_on_late(&mut self) -> bool {
        self.is_late = self.is_late || self.place.leave();
        self.is_late
    }

    /// There was no answer in the usual time. One may come yet.
    pub(super) fn overdue(&mut self) {
        self.is_overdue = true;
        self.end(Err((Blame::Repository, Reason::Timeout)));
    }

    /// It ends for a reason of our own.
    pub(super) fn given_up(mut self) {
        if let Some(admitted) = self.admitted.take() {
            let health = &mut self.bulkhead.known.lock().health;
            health.withdrawn(&self.repository, admitted);
        }
    }

    /// The host answered.
    pub(super) fn answered(mut self, status: StatusCode, headers: &HeaderMap) {
        let (repository, learned) = (&self.repository, (status, headers));
        let known = &self.bulkhead.known;
        known
            .lock()
            .allowances
            .learn(self.account, repository, learned, Instant::now());
        if self.is_overdue && status.is_success() {
            let repository = &self.repository;
            self.bulkhead
                .change_health(repository, |health, _| health.recovered(repository));
        } else if status == StatusCode::SERVICE_UNAVAILABLE {
            self.end(Err((Blame::Repository, Reason::Unreachable)));
        } else {
            self.end(Ok(()));
        }
    }

    /// There was no answer, or none that could be used.
    pub(super) fn failed(mut self, failure: &Failure) {
        match failure.unknown.reason {
            reason @ (Reason::Timeout | Reason::Unreachable | Reason::Tls) => {
                self.end(Err((failure.blame, reason)));
            }
            // It answers, if badly.
            _ => self.end(Ok(())),
        }
    }

    fn end(&mut self, outcome: Result<(), (Blame, Reason)>) {
        let Some(admitted) = self.admitted.take() else {
            return;
        };
        let repository = &self.repository;
        self.bulkhead
            .change_health(repository, |health, now| match outcome {
                Ok(()) => health.succeeded(repository, admitted),
                Err(failure) => health.failed(repository, admitted, failure, now),
            });
    }
}

impl Drop for Permit {
    /// The look-up's time was over.
    fn drop(&mut self) {
        self.end(Err((Blame::Repository, Reason::Timeout)));
    }
}

#[cfg(test)]
mod tests;
