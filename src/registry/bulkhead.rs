//! What one registry host may take of us, and what it may do to us.
//!
//! A host has a number of requests at once and a rate, so that a slow one slows no other. A
//! [`Breaker`] answers for a host that keeps failing, without asking it. What a registry
//! asks of an account, to wait or not to spend more, is kept in its [`Allowance`].
//!
//! Look-ups that somebody waits for go first: the others get at most half of the places and
//! of the rate, and only while nobody waits.

mod allowance;
mod breaker;

use std::collections::HashMap;
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
use crate::domain::unknown::{Reason, Unknown};
use allowance::Allowance;
use breaker::{Breaker, Passing};

/// Most accounts of a host whose allowances are kept.
const MOST_ACCOUNTS: usize = 64;
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
    /// It kept failing, lately in this way.
    Failing(Reason),
}

/// One host.
pub(super) struct Bulkhead {
    places: Arc<Semaphore>,
    background_places: Arc<Semaphore>,
    rate: DefaultDirectRateLimiter,
    background_rate: DefaultDirectRateLimiter,
    /// How many awaited requests have no place yet.
    waiting: watch::Sender<usize>,
    health: Mutex<Health>,
}

#[derive(Default)]
struct Health {
    breaker: Breaker,
    allowances: HashMap<Option<Mark>, Allowance>,
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
            health: Mutex::default(),
        }
    }

    /// Waits for a place and for the rate. What the host's health forbids is found out
    /// before each wait and after the last: others may have learned more meanwhile.
    pub(super) async fn enter(self: &Arc<Self>, claim: &Claim) -> Result<Passage, Refusal> {
        self.wait_for_short_pause(claim).await?;
        self.health().permit(claim)?;
        let entered = timeout_at(claim.deadline, async {
            let _waiting = match claim.urgency {
                Urgency::Awaited => Some(Waiting::new(&self.waiting)),
                Urgency::Background => None,
            };
            let places = self.places(claim.urgency).await;
            self.health().permit(claim)?;
            turn(&self.rate).await;
            Ok(places)
        });
        let places = entered.await.unwrap_or(Err(Refusal::Busy))?;
        let passing = self.health().pass(claim)?;
        Ok(Passage {
            bulkhead: Arc::clone(self),
            account: claim.account,
            passing: Some(passing),
            _places: places,
        })
    }

    async fn wait_for_short_pause(&self, claim: &Claim) -> Result<(), Refusal> {
        let now = Instant::now();
        let Some(pause) = self.health().allowance(claim.account).pause(now) else {
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
        self.health().breaker.is_open(Instant::now()).is_some()
    }

    /// The least that any account may still spend, of those whose registry said so.
    pub(super) fn remaining(&self) -> Option<u64> {
        let now = Instant::now();
        let health = self.health();
        let allowances = health.allowances.values();
        allowances
            .filter_map(|allowance| allowance.remaining(now))
            .min()
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Health {
    /// Whether the host may be asked at all now.
    fn permit(&mut self, claim: &Claim) -> Result<(), Refusal> {
        let now = Instant::now();
        if self.allowance(claim.account).pause(now).is_some() {
            return Err(Refusal::Paused);
        }
        match self.breaker.is_open(now) {
            Some(reason) => Err(Refusal::Failing(reason)),
            None => Ok(()),
        }
    }

    fn pass(&mut self, claim: &Claim) -> Result<Passing, Refusal> {
        self.permit(claim)?;
        let now = Instant::now();
        if claim.is_counted && !self.allowance(claim.account).spend(now) {
            return Err(Refusal::HalfSpent);
        }
        self.breaker.pass(now).map_err(Refusal::Failing)
    }

    fn allowance(&mut self, account: Option<Mark>) -> &mut Allowance {
        if self.allowances.len() >= MOST_ACCOUNTS && !self.allowances.contains_key(&account) {
            // Anonymous requests share their allowance with the nodes: that one stays.
            self.allowances.retain(|account, _| account.is_none());
        }
        self.allowances.entry(account).or_default()
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
    passing: Option<Passing>,
    _places: Vec<OwnedSemaphorePermit>,
}

impl Passage {
    /// The host answered.
    pub(super) fn answered(mut self, status: StatusCode, headers: &HeaderMap) {
        let now = Instant::now();
        let mut health = self.bulkhead.health();
        health.allowance(self.account).learn(status, headers, now);
        if let Some(passing) = self.passing.take() {
            // Other errors may be about one repository, such as one that a proxy has elsewhere:
            // whoever asks for that must not silence the host for all.
            if status == StatusCode::SERVICE_UNAVAILABLE {
                health.breaker.failed(passing, Reason::Unreachable, now);
            } else {
                health.breaker.succeeded(passing);
            }
        }
    }

    /// There was no answer, or none that could be used.
    pub(super) fn failed(mut self, unknown: &Unknown) {
        let Some(passing) = self.passing.take() else {
            return;
        };
        let mut health = self.bulkhead.health();
        match unknown.reason {
            reason @ (Reason::Timeout | Reason::Unreachable | Reason::Tls) => {
                health.breaker.failed(passing, reason, Instant::now());
            }
            // It answers, if badly.
            _ => health.breaker.succeeded(passing),
        }
    }
}

impl Drop for Passage {
    /// The look-up's time was over.
    fn drop(&mut self) {
        if let Some(passing) = self.passing.take() {
            let mut health = self.bulkhead.health();
            health
                .breaker
                .failed(passing, Reason::Timeout, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests;
