//! What one registry host may take of us, and what it may do to us.
//!
//! A host has a number of requests at once and a rate, so that a slow one slows no other. Who
//! keeps failing is answered for without being asked ([`health`]). What a registry asks of an
//! account, to wait or not to spend more, is kept in its [`allowance`].
//!
//! Look-ups that somebody waits for go first: the others get at most half of the places and
//! of the rate, and only while nobody waits.

mod allowance;
mod breaker;
mod health;

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::credentials::identity::Mark;
use crate::domain::access::Tenant;
use crate::domain::unknown::{Reason, Unknown};
use allowance::{Allowances, Spent};
pub(super) use health::Blame;
use health::{Admitted, Health};

/// A pause that somebody who waits for an answer may as well wait for.
const SHORT_PAUSE: Duration = Duration::from_secs(2);

/// Whether somebody waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// A review or a person waits.
    Awaited,
    /// Nobody waits: a tag is asked for again, or an audit runs.
    Background,
}

/// What a request wants of a host.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) urgency: Urgency,
    /// On whose account it is.
    pub(super) tenant: Tenant,
    /// What it asks for, or has a proof made for.
    pub(super) repository: Arc<str>,
    /// Whose allowance it is; `None` is anonymous.
    pub(super) account: Option<Mark>,
    /// Whether registries that count pulls count this request.
    pub(super) is_counted: bool,
    pub(super) deadline: Instant,
}

/// Why a host is not asked now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Its queue did not move until the deadline.
    Busy,
    /// It asked us to wait.
    Paused,
    /// We took half of what it allows; the rest is for the nodes.
    HalfSpent,
    /// The tenant took its share of what it allows.
    ShareSpent,
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
    places: Arc<Semaphore>,
    background_places: Arc<Semaphore>,
    rate: DefaultDirectRateLimiter,
    background_rate: DefaultDirectRateLimiter,
    /// How many awaited requests have no place yet.
    waiting: watch::Sender<usize>,
    known: Mutex<Known>,
}

/// What the host taught us.
#[derive(Default)]
struct Known {
    health: Health,
    allowances: Allowances,
}

impl Bulkhead {
    /// A host that takes so many requests at once and in a second.
    pub(super) fn new(concurrency: usize, requests_per_second: u32) -> Self {
        let places = concurrency.max(1);
        let rate = NonZeroU32::new(requests_per_second).unwrap_or(NonZeroU32::MIN);
        let half = NonZeroU32::new(rate.get() / 2).unwrap_or(NonZeroU32::MIN);
        Self {
            places: Arc::new(Semaphore::new(places)),
            background_places: Arc::new(Semaphore::new((places / 2).max(1))),
            rate: RateLimiter::direct(Quota::per_second(rate)),
            background_rate: RateLimiter::direct(Quota::per_second(half)),
            waiting: watch::Sender::new(0),
            known: Mutex::default(),
        }
    }

    /// Waits for a place and for the rate. What the host's health forbids is found out
    /// before each wait and after the last: others may have learned more meanwhile.
    pub(super) async fn enter(self: &Arc<Self>, claim: &Claim) -> Result<Passage, Refusal> {
        self.wait_for_short_pause(claim).await?;
        self.known().permit(claim)?;
        let entered = timeout_at(claim.deadline, async {
            let _waiting = match claim.urgency {
                Urgency::Awaited => Some(Waiting::new(&self.waiting)),
                Urgency::Background => None,
            };
            let places = self.places(claim.urgency).await;
            self.known().permit(claim)?;
            turn(&self.rate).await;
            Ok(places)
        });
        let places = entered.await.unwrap_or(Err(Refusal::Busy))?;
        let admitted = self.known().admit(claim)?;
        Ok(Passage {
            bulkhead: Arc::clone(self),
            account: claim.account,
            repository: Arc::clone(&claim.repository),
            admitted: Some(admitted),
            _places: places,
        })
    }

    async fn wait_for_short_pause(&self, claim: &Claim) -> Result<(), Refusal> {
        let now = Instant::now();
        let Some(pause) = self.known().pause(claim, now) else {
            return Ok(());
        };
        let until = now + pause;
        let fits = pause <= SHORT_PAUSE && until < claim.deadline;
        if claim.urgency == Urgency::Background || !fits {
            return Err(Refusal::Paused);
        }
        sleep_until(until).await;
        Ok(())
    }

    async fn places(&self, urgency: Urgency) -> Vec<OwnedSemaphorePermit> {
        let places = match urgency {
            Urgency::Awaited => [Arc::clone(&self.places).acquire_owned().await.ok(), None],
            Urgency::Background => {
                let half = Arc::clone(&self.background_places).acquire_owned().await;
                turn(&self.background_rate).await;
                [half.ok(), self.place_nobody_waits_for().await]
            }
        };
        places.into_iter().flatten().collect()
    }

    /// A place that came free while nobody waits for one.
    async fn place_nobody_waits_for(&self) -> Option<OwnedSemaphorePermit> {
        let mut waiting = self.waiting.subscribe();
        loop {
            drop(waiting.wait_for(|waiting| *waiting == 0).await);
            let place = Arc::clone(&self.places).acquire_owned().await.ok();
            // The queue is in order of arrival: who came meanwhile gets this one.
            if *waiting.borrow() == 0 {
                return place;
            }
        }
    }

    /// Whether the host is not asked at the moment, since it keeps failing.
    pub(super) fn is_failing(&self) -> bool {
        self.known().health.host_fails(Instant::now()).is_some()
    }

    /// The least that any account may still spend, of those whose registry said so.
    pub(super) fn remaining(&self) -> Option<u64> {
        self.known().allowances.remaining(Instant::now())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn pause(&self, claim: &Claim, now: Instant) -> Option<Duration> {
        let Claim {
            account,
            repository,
            ..
        } = claim;
        self.allowances.pause(*account, repository, now)
    }

    /// Whether the host may be asked at all now.
    fn permit(&self, claim: &Claim) -> Result<(), Refusal> {
        let now = Instant::now();
        if self.pause(claim, now).is_some() {
            return Err(Refusal::Paused);
        }
        match self.health.fails(&claim.repository, now) {
            Some(reason) => Err(Refusal::Failing(reason)),
            None => Ok(()),
        }
    }

    fn admit(&mut self, claim: &Claim) -> Result<Admitted, Refusal> {
        self.permit(claim)?;
        if claim.is_counted {
            let now = Instant::now();
            let spent = self.allowances.spend(claim.account, &claim.tenant, now);
            spent.map_err(|spent| match spent {
                Spent::Half => Refusal::HalfSpent,
                Spent::Share => Refusal::ShareSpent,
            })?;
        }
        Ok(self.health.admit(&claim.repository))
    }
}

/// Waits for its turn in a rate.
async fn turn(rate: &DefaultDirectRateLimiter) {
    while let Err(not_until) = rate.check() {
        sleep(not_until.wait_time_from(rate.clock().now())).await;
    }
}

/// One who waits, counted.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn new(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|waiting| *waiting += 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

/// A request under way. The bulkhead learns how it ends, also if nobody waits for that.
pub(super) struct Passage {
    bulkhead: Arc<Bulkhead>,
    account: Option<Mark>,
    repository: Arc<str>,
    admitted: Option<Admitted>,
    _places: Vec<OwnedSemaphorePermit>,
}

impl Passage {
    /// The host answered.
    pub(super) fn answered(mut self, status: StatusCode, headers: &HeaderMap) {
        let now = Instant::now();
        let mut known = self.bulkhead.known();
        let learned = (status, headers);
        known
            .allowances
            .learn(self.account, &self.repository, learned, now);
        drop(known);
        if status == StatusCode::SERVICE_UNAVAILABLE {
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
        let health = &mut self.bulkhead.known().health;
        match outcome {
            Ok(()) => health.succeeded(&self.repository, admitted),
            Err(failure) => health.failed(&self.repository, admitted, failure, Instant::now()),
        }
    }
}

impl Drop for Passage {
    /// The look-up's time was over.
    fn drop(&mut self) {
        self.end(Err((Blame::Repository, Reason::Timeout)));
    }
}

#[cfg(test)]
mod tests;
