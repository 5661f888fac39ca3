//! Those who wait for one host, and whose turn it is.

use std::collections::HashMap;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{HostBudget, QueueTurn};
use crate::domain::access::Tenant;
use crate::work::audience::{Audience, Urgency};
use crate::work::rate::Rate;

/// The requests to one host: those that wait, and how many are under way.
pub(super) struct TenantLine {
    pub(super) places: usize,
    rate: Rate,
    background_rate: Rate,
    pub(super) waiting: Vec<Waiter>,
    /// Places taken, all in all and by requests that began in the background.
    pub(super) taken: usize,
    pub(super) taken_in_background: usize,
    /// Requests that gave their place up and go on.
    pub(super) late: usize,
    /// Who has a place and waits until the rate lets it start: one awaited, one other.
    pacing: [Option<u64>; 2],
    tenants: HashMap<Tenant, Share>,
}

/// What a tenant has of a host.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    taken: usize,
    /// When it last had a turn, in turns of all.
    turn: u64,
}

/// One who waits.
pub(super) struct Waiter {
    pub(super) id: u64,
    /// On whose account it is while nobody else waits for it.
    pub(super) owner: Tenant,
    pub(super) audience: Audience,
    pub(super) granted: oneshot::Sender<QueueTurn>,
}

/// Whose turn it is.
pub(super) struct NextTurn {
    pub(super) position: usize,
    pub(super) tenant: Tenant,
    pub(super) urgency: Urgency,
    /// When the rate lets it start.
    pub(super) start: Instant,
}

/// One of those whose turn it might be.
#[derive(Clone)]
struct Contender {
    /// The least goes first: whether its tenant has half of the places, and its last turn.
    rank: (bool, u64),
    tenant: Tenant,
    urgency: Urgency,
    has_room: bool,
    id: u64,
    position: usize,
}

impl TenantLine {
    pub(super) fn new(budget: &HostBudget) -> Self {
        Self {
            places: budget.places.max(1),
            rate: Rate::per_second(budget.requests_per_second),
            background_rate: Rate::per_second(budget.requests_per_second / 2),
            waiting: Vec::new(),
            taken: 0,
            taken_in_background: 0,
            late: 0,
            pacing: [None; 2],
            tenants: HashMap::new(),
        }
    }

    fn half(&self) -> usize {
        (self.places / 2).max(1)
    }

    /// Whether the tenant has as many places as it may have while others wait.
    pub(super) fn has_half(&self, tenant: &Tenant) -> bool {
        let share = self.tenants.get(tenant);
        share.is_some_and(|share| share.taken >= self.half())
    }

    /// Whether nothing would be forgotten with the line.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        let is_unused = self.waiting.is_empty() && self.taken + self.late == 0;
        is_unused && self.rate.is_full(now) && self.background_rate.is_full(now)
    }

    /// Who starts next, of those for whom there is room. Who is waited for goes before all
    /// others. Tenants take turns, and one that has half of the places goes after all that
    /// have less; a tenant's own requests go in the order in which they came.
    pub(super) fn choose(
        &self,
        has_room: impl Fn(&Tenant, Urgency) -> bool,
        now: Instant,
    ) -> Option<NextTurn> {
        if self.taken >= self.places {
            return None;
        }
        let mut best: [Option<Contender>; 2] = [None, None];
        let mut somebody_waits = false;
        // Most of those who wait in a row are of one tenant.
        let mut last: Option<Contender> = None;
        for (position, waiter) in self.waiting.iter().enumerate() {
            waiter.audience.visit(|urgency, tenant| {
                somebody_waits |= urgency == Urgency::Awaited;
                let candidate = match last.take() {
                    Some(known) if known.tenant == *tenant && known.urgency == urgency => known,
                    _ => self.candidate(tenant, urgency, has_room(tenant, urgency)),
                };
                let rank = |candidate: &Contender| (candidate.rank, candidate.id);
                let best = &mut best[slot(urgency)];
                let candidate = Contender {
                    id: waiter.id,
                    position,
                    ..candidate
                };
                let is_better = best
                    .as_ref()
                    .is_none_or(|best| rank(&candidate) < rank(best));
                if candidate.has_room && is_better {
                    *best = Some(candidate.clone());
                }
                last = Some(candidate);
            });
        }
        let urgency = if somebody_waits {
            Urgency::Awaited
        } else {
            Urgency::Background
        };
        let is_full = !somebody_waits && self.taken_in_background >= self.half();
        if self.pacing[slot(urgency)].is_some() || is_full {
            return None;
        }
        let Contender {
            position, tenant, ..
        } = best[slot(urgency)].take()?;
        let start = match urgency {
            Urgency::Awaited => self.rate.next(now),
            Urgency::Background => self.rate.next(now).max(self.background_rate.next(now)),
        };
        Some(NextTurn {
            position,
            tenant,
            urgency,
            start,
        })
    }

    fn candidate(&self, tenant: &Tenant, urgency: Urgency, has_room: bool) -> Contender {
        let share = self.tenants.get(tenant).copied().unwrap_or_default();
        Contender {
            rank: (share.taken >= self.half(), share.turn),
            tenant: tenant.clone(),
            urgency,
            has_room,
            id: 0,
            position: 0,
        }
    }

    /// Takes a place for the choice, which had the turn of that number.
    pub(super) fn take(&mut self, choice: &NextTurn, id: u64, turn: u64, now: Instant) {
        self.taken += 1;
        self.rate.take(choice.start);
        if choice.urgency == Urgency::Background {
            self.taken_in_background += 1;
            self.background_rate.take(choice.start);
        }
        if choice.start > now {
            self.pacing[slot(choice.urgency)] = Some(id);
        }
        let share = self.tenants.entry(choice.tenant.clone()).or_default();
        share.taken += 1;
        share.turn = turn;
    }

    /// The rate let it start, or it does not any more.
    pub(super) fn started(&mut self, id: u64) {
        for pacing in &mut self.pacing {
            pacing.take_if(|pacing| *pacing == id);
        }
    }

    pub(super) fn give_up_place(&mut self, tenant: &Tenant, urgency: Urgency) {
        self.taken -= 1;
        if urgency == Urgency::Background {
            self.taken_in_background -= 1;
        }
        if let Some(share) = self.tenants.get_mut(tenant) {
            share.taken -= 1;
            // Its turn counts as long as it is here.
            let waits = |waiter: &Waiter| waiter.audience.tenants().contains(tenant);
            if share.taken == 0 && !self.waiting.iter().any(waits) {
                self.tenants.remove(tenant);
            }
        }
    }

    /// How many places each tenant has, those who wait and have none included.
    pub(super) fn contenders(&self) -> HashMap<Tenant, usize> {
        let shares = self.tenants.iter();
        let mut taken: HashMap<Tenant, usize> = shares
            .filter(|(_, share)| share.taken > 0)
            .map(|(tenant, share)| (tenant.clone(), share.taken))
            .collect();
        for waiter in self
            .waiting
            .iter()
            .filter(|waiter| waiter.audience.is_awaited())
        {
            taken.entry(waiter.owner.clone()).or_default();
        }
        taken
    }

    /// Those who wait on the tenant's account, in the order in which they came.
    pub(super) fn waiting_of(&self, tenant: &Tenant, urgency: Urgency) -> Vec<u64> {
        let of_tenant =
            |waiter: &&Waiter| waiter.owner == *tenant && waiter.audience.urgency() == urgency;
        let waiting = self.waiting.iter().filter(of_tenant);
        let mut found: Vec<u64> = waiting.map(|waiter| waiter.id).collect();
        found.sort_unstable();
        found
    }

    /// Whether another tenant's look-up waits that somebody waits for.
    pub(super) fn is_contended(&self, tenant: &Tenant) -> bool {
        let others = |waiter: &Waiter| waiter.owner != *tenant && waiter.audience.is_awaited();
        self.waiting.iter().any(others)
    }
}

fn slot(urgency: Urgency) -> usize {
    match urgency {
        Urgency::Awaited => 0,
        Urgency::Background => 1,
    }
}
