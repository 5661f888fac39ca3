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
use super::host::HostSettings;
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
    pub(super) fn new(settings: &HostSettings) -> Self {
        let places = settings.concurrency.max(1);
        let rate = NonZeroU32::new(settings.requests_per_second).unwrap_or(NonZeroU32::MIN);
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

    /// Waits for a place and for the rate. Both are judged by the host's health, before and
    /// after the wait.
    pub(super) async fn enter(self: &Arc<Self>, claim: &Claim) -> Result<Passage, Refusal> {
        self.wait_for_short_pause(claim).await?;
        if let Some(reason) = self.health().breaker.is_open(Instant::now()) {
            return Err(Refusal::Failing(reason));
        }
        let places = timeout_at(claim.deadline, self.places(claim.urgency))
            .await
            .map_err(|_| Refusal::Busy)?;
        let mut health = self.health();
        let now = Instant::now();
        // While this one waited, others may have found out more.
        if health.allowance(claim.account).pause(now).is_some() {
            return Err(Refusal::Paused);
        }
        if let Some(reason) = health.breaker.is_open(now) {
            return Err(Refusal::Failing(reason));
        }
        if claim.is_counted && !health.allowance(claim.account).spend(now) {
            return Err(Refusal::HalfSpent);
        }
        let passing = health.breaker.pass(now).map_err(Refusal::Failing)?;
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
        let mut held = Vec::with_capacity(2);
        match urgency {
            Urgency::Awaited => {
                let _waiting = Waiting::new(&self.waiting);
                held.extend(Arc::clone(&self.places).acquire_owned().await.ok());
                turn(&self.rate).await;
            }
            Urgency::Background => {
                held.extend(
                    Arc::clone(&self.background_places)
                        .acquire_owned()
                        .await
                        .ok(),
                );
                turn(&self.background_rate).await;
                held.extend(self.place_nobody_waits_for().await);
                turn(&self.rate).await;
            }
        }
        held
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
            if status.is_server_error() {
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
