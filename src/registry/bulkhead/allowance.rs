//! What a registry allows an account: when it may ask again, and how much it may spend.
//!
//! A registry counts by account, or by address where there is none. What one tenant's
//! account used up must not silence the others. A limit may also be that of one repository,
//! such as one that a proxy has elsewhere: it pauses the host only once another agrees.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use tokio::time::Instant;

use crate::credentials::CredentialHash;
use crate::domain::access::Tenant;

/// Most accounts of a host whose allowances are kept.
const MAX_ACCOUNTS: usize = 1024;
/// Most repositories of an account whose pauses are kept.
const MAX_PAUSES: usize = 64;
/// Most tenants whose spending is kept.
const MAX_TENANTS: usize = 1024;

/// How long a registry is left alone that limits us and does not say for how long.
const DEFAULT_PAUSE: Duration = Duration::from_secs(10);
/// Longest pause, whatever the registry asks for.
const MAX_PAUSE: Duration = Duration::from_secs(15 * 60);
/// How long what is left of a window is believed: it fills again while we do not ask.
const MIN_BELIEF: Duration = Duration::from_secs(60);
const MAX_BELIEF: Duration = Duration::from_secs(60 * 60);
/// Longest window in which a tenant's spending is counted.
const MAX_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// The allowances of a host's accounts, as far as the host limited them.
#[derive(Debug, Default)]
pub(super) struct Allowances {
    accounts: HashMap<Option<CredentialHash>, Allowance>,
}

/// What one account may do.
#[derive(Debug)]
struct Allowance {
    /// When an answer last said something of it.
    learned: Instant,
    paused_until: Option<Instant>,
    repositories: HashMap<Arc<str>, Instant>,
    window: Option<Window>,
    spending: Spending,
}

/// A number of requests in a time, as the registry counts them.
#[derive(Debug)]
struct Window {
    limit: u64,
    remaining: u64,
    length: Duration,
    believed_until: Instant,
}

/// What each tenant took of a window.
#[derive(Debug)]
struct Spending {
    since: Instant,
    tenants: HashMap<Tenant, u64>,
}

/// Why nothing of a window may be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    /// What is left is the nodes'.
    Half,
    /// What is left is the other tenants'.
    Share,
}

impl Allowances {
    /// How long the registry wants to be left alone by the account, for the repository.
    pub(super) fn pause(
        &self,
        account: Option<CredentialHash>,
        repository: &str,
        now: Instant,
    ) -> Option<Duration> {
        let allowance = self.accounts.get(&account)?;
        let own = allowance.repositories.get(repository).copied();
        let until = own.max(allowance.paused_until)?;
        until
            .checked_duration_since(now)
            .filter(|left| !left.is_zero())
    }

    /// Takes one request of the account's window, if it has one.
    pub(super) fn spend(
        &mut self,
        account: Option<CredentialHash>,
        tenant: &Tenant,
        now: Instant,
    ) -> Result<(), Spent> {
        let allowance = self.accounts.get_mut(&account);
        allowance.map_or(Ok(()), |allowance| allowance.spend(tenant, now))
    }

    /// The least that any account may still spend, of those whose registry said so.
    pub(super) fn remaining(&self, now: Instant) -> Option<u64> {
        let windows = self.accounts.values().filter_map(|known| {
            let window = known.window.as_ref()?;
            (now < window.believed_until).then_some(window.remaining)
        });
        windows.min()
    }

    /// Whether less than a tenth of the account's window is left, if it has one.
    pub(super) fn is_nearly_spent(&self, account: Option<CredentialHash>, now: Instant) -> bool {
        let allowance = self.accounts.get(&account);
        let window = allowance.and_then(|allowance| allowance.window.as_ref());
        window.is_some_and(|window| {
            now < window.believed_until && window.remaining < window.limit.div_ceil(10)
        })
    }

    /// What an answer for the repository says of the account's allowance.
    pub(super) fn learn(
        &mut self,
        account: Option<CredentialHash>,
        repository: &Arc<str>,
        (status, headers): (StatusCode, &HeaderMap),
        now: Instant,
    ) {
        let asked = retry_after(headers, SystemTime::now());
        let pause = match status {
            StatusCode::TOO_MANY_REQUESTS => Some(asked.unwrap_or(DEFAULT_PAUSE)),
            StatusCode::SERVICE_UNAVAILABLE => asked,
            _ => None,
        };
        let window = Window::read(headers, now);
        if pause.is_none() && window.is_none() {
            return;
        }
        let allowance = self.entry(account, now);
        allowance.learned = now;
        if let Some(pause) = pause {
            allowance.pause(repository, now + pause.min(MAX_PAUSE), now);
        }
        if window.is_some() {
            allowance.window = window;
        }
    }

    /// Whoever has many accounts pushes out what was learned longest ago, and never what is
    /// known of anonymous requests, which share their allowance with the nodes.
    fn entry(&mut self, account: Option<CredentialHash>, now: Instant) -> &mut Allowance {
        if self.accounts.len() >= MAX_ACCOUNTS && !self.accounts.contains_key(&account) {
            let known = self
                .accounts
                .iter()
                .filter(|(account, _)| account.is_some());
            let oldest = known.min_by_key(|(_, allowance)| allowance.learned);
            if let Some(oldest) = oldest.map(|(account, _)| *account) {
                self.accounts.remove(&oldest);
            }
        }
        let entry = self.accounts.entry(account);
        entry.or_insert_with(|| Allowance::new(now))
    }
}

impl Allowance {
    fn new(now: Instant) -> Self {
        Self {
            learned: now,
            paused_until: None,
            repositories: HashMap::new(),
            window: None,
            spending: Spending {
                since: now,
                tenants: HashMap::new(),
            },
        }
    }

    fn pause(&mut self, repository: &Arc<str>, until: Instant, now: Instant) {
        self.repositories.retain(|_, until| now < *until);
        let agrees = |(other, _): (&Arc<str>, _)| other != repository;
        if self.repositories.iter().any(agrees) {
            self.paused_until = self.paused_until.max(Some(until));
        }
        // Beyond that, the host is paused anyway.
        if self.repositories.len() < MAX_PAUSES {
            self.repositories.insert(Arc::clone(repository), until);
        }
    }

    /// The kubelets pull through the same addresses, and often with the same accounts: half
    /// of a window is theirs. Of what is left each tenant gets a quarter.
    fn spend(&mut self, tenant: &Tenant, now: Instant) -> Result<(), Spent> {
        let window = self.window.as_mut();
        let Some(window) = window.filter(|window| now < window.believed_until) else {
            return Ok(());
        };
        let left = window.remaining.saturating_sub(window.limit / 2);
        if left == 0 {
            return Err(Spent::Half);
        }
        let spent = self.spending.of(tenant, window.length, now);
        // Whoever runs the program shares with nobody.
        let is_shared = *tenant != Tenant::Operator;
        // A quarter of what was left before the tenant spent anything.
        if is_shared && *spent > 0 && spent.saturating_mul(3) >= left {
            return Err(Spent::Share);
        }
        *spent += 1;
        window.remaining -= 1;
        Ok(())
    }
}

impl Spending {
    /// What the tenant spent since about one window's length.
    fn of(&mut self, tenant: &Tenant, length: Duration, now: Instant) -> &mut u64 {
        if self.since + length <= now {
            self.since = now;
            self.tenants.clear();
        }
        if self.tenants.len() >= MAX_TENANTS && !self.tenants.contains_key(tenant) {
            let least = self.tenants.iter().min_by_key(|(_, spent)| **spent);
            if let Some(least) = least.map(|(tenant, _)| tenant.clone()) {
                self.tenants.remove(&least);
            }
        }
        self.tenants.entry(tenant.clone()).or_default()
    }
}

impl Window {
    /// Docker Hub's headers, and those that others follow.
    /// Sources: <https://docs.docker.com/docker-hub/usage/pulls/>,
    /// <https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/03/>.
    fn read(headers: &HeaderMap, now: Instant) -> Option<Self> {
        let limit = text(headers, "ratelimit-limit")?;
        let remaining = text(headers, "ratelimit-remaining")?;
        let reset = text(headers, "ratelimit-reset").and_then(number);
        let length = limit
            .split(';')
            .filter_map(|parameter| parameter.trim().strip_prefix("w="))
            .find_map(number);
        // Windows slide: after a tenth of one there is something to spend again.
        let seconds = reset.or(length.map(|length| length / 10)).unwrap_or(0);
        let belief = Duration::from_secs(seconds).clamp(MIN_BELIEF, MAX_BELIEF);
        let length = Duration::from_secs(length.unwrap_or(seconds));
        Some(Self {
            limit: number(limit)?,
            remaining: number(remaining)?,
            length: length.clamp(MIN_BELIEF, MAX_WINDOW),
            believed_until: now + belief,
        })
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The number that a text begins with.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.len()
        - text
            .trim_start_matches(|byte: char| byte.is_ascii_digit())
            .len();
    // Too many digits are a number that is large enough.
    match &text[..digits] {
        "" => None,
        digits => Some(digits.parse().unwrap_or(u64::MAX)),
    }
}

/// Seconds, or a date. Source: RFC 9110, section 10.2.3.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = text(headers, RETRY_AFTER.as_str())?.trim();
    if let Ok(date) = httpdate::parse_http_date(text) {
        return Some(date.duration_since(now).unwrap_or_default());
    }
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| number(text).map(Duration::from_secs))?
}

#[cfg(test)]
mod tests;
