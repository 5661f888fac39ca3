//! The rules of the queue.

use std::collections::HashMap;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::line::{NextTurn, TenantLine, Waiter};
use super::{FAIR_WAIT, Full, HostBudget, QueueTurn};
use crate::domain::access::Tenant;
use crate::work::audience::{Audience, Urgency};

/// Most requests at once in the process.
pub(super) const MAX_REQUESTS: usize = 256;
/// Most requests at once of a namespace: each may be a connection to another host.
pub(super) const MAX_REQUESTS_OF_NAMESPACE: usize = 32;
/// Most requests of a namespace that wait for one host, while another tenant waits there.
const MAX_WAITING_BESIDE_OTHERS: usize = 64;
/// Most requests of a namespace that wait for one host and that nobody waits for.
const MAX_WAITING_IN_BACKGROUND: usize = 64;
/// Most requests of namespaces that wait, in the process.
const MAX_WAITING: usize = 1024;
/// Most requests at once that go on without a place: in the process, of a namespace, and to a
/// host.
pub(super) const MAX_LATE: usize = 64;
pub(super) const MAX_LATE_OF_NAMESPACE: usize = 16;
const MAX_LATE_OF_HOST: usize = 2;

/// Who waits and what is under way, host by host.
#[derive(Default)]
pub(super) struct QueueState {
    /// Makes hosts, requests and turns tell apart.
    next: u64,
    pub(super) lines: HashMap<u64, TenantLine>,
    under_way: HashMap<u64, UnderWay>,
    tenants: HashMap<Tenant, Requests>,
    /// Requests that have a place, and those that go on without.
    placed: usize,
    late: usize,
    /// Those of namespaces that wait.
    waiting: usize,
}

/// A request under way.
struct UnderWay {
    host: u64,
    tenant: Tenant,
    urgency: Urgency,
    since: Instant,
    is_late: bool,
    /// Asks it to give its place up.
    ask: Option<oneshot::Sender<()>>,
}

/// The requests of a tenant under way.
#[derive(Clone, Copy, Debug, Default)]
struct Requests {
    placed: usize,
    late: usize,
}

impl QueueState {
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Refuses one too many, or puts out another for it.
    pub(super) fn make_room(&mut self, host: u64, audience: &Audience) -> Result<(), Full> {
        let (tenant, urgency) = (audience.owner(), audience.urgency());
        if tenant == Tenant::Operator {
            return Ok(());
        }
        if let Some(line) = self.lines.get(&host) {
            let most = match urgency {
                Urgency::Background => MAX_WAITING_IN_BACKGROUND,
                Urgency::Awaited if line.is_contended(&tenant) => MAX_WAITING_BESIDE_OTHERS,
                Urgency::Awaited => MAX_WAITING,
            };
            if line.waiting_of(&tenant, urgency).len() >= most {
                return Err(Full);
            }
        }
        if self.waiting < MAX_WAITING {
            return Ok(());
        }
        // The last to come of the tenant that has the most, what nobody waits for first.
        let mut waiting: HashMap<(bool, Tenant), (usize, u64, u64)> = HashMap::new();
        for (host, line) in &self.lines {
            for waiter in &line.waiting {
                let key = (!waiter.audience.is_awaited(), waiter.owner.clone());
                let (count, last, at) = waiting.entry(key).or_default();
                *count += 1;
                if *last < waiter.id {
                    (*last, *at) = (waiter.id, *host);
                }
            }
        }
        waiting.retain(|(_, tenant), _| *tenant != Tenant::Operator);
        let most = waiting
            .into_iter()
            .max_by_key(|((is_unawaited, _), (count, ..))| (*is_unawaited, *count));
        match most {
            Some(((is_unawaited, whose), (_, id, host))) if is_unawaited || whose != tenant => {
                self.put_out(host, id);
                Ok(())
            }
            _ => Err(Full),
        }
    }

    /// Another one waits.
    pub(super) fn line_up(&mut self, host: u64, budget: &HostBudget, waiter: Waiter) {
        let now = Instant::now();
        if !self.lines.contains_key(&host) {
            self.lines.retain(|_, line| !line.is_idle(now));
        }
        let newcomer = waiter.owner.clone();
        let line = self.lines.entry(host);
        let line = line.or_insert_with(|| TenantLine::new(budget));
        line.waiting.push(waiter);
        self.waiting += 1;
        self.limit_others(host, &newcomer);
        self.dispatch(host, now);
    }

    /// Another tenant came: what others have waiting over the limit is put out.
    fn limit_others(&mut self, host: u64, newcomer: &Tenant) {
        let line = self.lines.get(&host);
        let is_long = |line: &&TenantLine| line.waiting.len() > MAX_WAITING_BESIDE_OTHERS;
        // Whoever runs the program is alone.
        let Some(line) = line.filter(|line| *newcomer != Tenant::Operator && is_long(line)) else {
            return;
        };
        let mut over = Vec::new();
        for tenant in line.contenders().into_keys() {
            if tenant == *newcomer || tenant == Tenant::Operator {
                continue;
            }
            let waiting = line.waiting_of(&tenant, Urgency::Awaited).into_iter();
            over.extend(waiting.skip(MAX_WAITING_BESIDE_OTHERS));
        }
        for id in over {
            self.put_out(host, id);
        }
    }

    /// The audience of one who waits changed: it may be its turn. What nobody waits for any
    /// more is not started where its tenant, or all together, have enough under way.
    pub(super) fn rearrange(&mut self, host: u64, id: u64, audience: &Audience) {
        let tenant = audience.owner();
        if tenant != Tenant::Operator && !audience.is_awaited() {
            let requests = self.tenants.get(&tenant).copied().unwrap_or_default();
            let has_enough = requests.placed + requests.late >= MAX_REQUESTS_OF_NAMESPACE;
            let line = self.lines.get(&host);
            let waiting = line.map(|line| line.waiting_of(&tenant, Urgency::Background));
            let is_over = waiting.is_some_and(|waiting| {
                waiting
                    .iter()
                    .skip(MAX_WAITING_IN_BACKGROUND)
                    .any(|over| *over == id)
            });
            if has_enough || is_over || self.placed >= MAX_REQUESTS {
                self.put_out(host, id);
            }
        }
        self.dispatch(host, Instant::now());
    }

    /// Gives as many turns at the host as there is room for.
    fn dispatch(&mut self, host: u64, now: Instant) {
        while let Some(choice) = self.choose(host, now) {
            let turn = self.number();
            let Some(line) = self.lines.get_mut(&host) else {
                return;
            };
            let waiter = line.waiting.swap_remove(choice.position);
            line.take(&choice, waiter.id, turn, now);
            self.waiting -= 1;
            self.placed += 1;
            self.tenants
                .entry(choice.tenant.clone())
                .or_default()
                .placed += 1;
            let (ask, asked) = oneshot::channel();
            let request = UnderWay {
                host,
                tenant: choice.tenant,
                urgency: choice.urgency,
                since: now,
                is_late: false,
                ask: Some(ask),
            };
            self.under_way.insert(waiter.id, request);
            let turn = QueueTurn {
                start: choice.start,
                urgency: choice.urgency,
                asked,
            };
            // Whoever left is removed by its place.
            let _ = waiter.granted.send(turn);
        }
    }

    fn choose(&self, host: u64, now: Instant) -> Option<NextTurn> {
        if self.placed >= MAX_REQUESTS {
            return None;
        }
        let has_room = |tenant: &Tenant, urgency| {
            let requests = self.tenants.get(tenant).copied().unwrap_or_default();
            let counted = match urgency {
                Urgency::Awaited => requests.placed,
                // Whoever left requests behind starts no more that nobody waits for.
                Urgency::Background => requests.placed + requests.late,
            };
            *tenant == Tenant::Operator || counted < MAX_REQUESTS_OF_NAMESPACE
        };
        self.lines.get(&host)?.choose(has_room, now)
    }

    pub(super) fn started(&mut self, host: u64, id: u64) {
        if let Some(line) = self.lines.get_mut(&host) {
            line.started(id);
        }
        self.dispatch(host, Instant::now());
    }

    /// Asks for the place of one that has more than its share, for a tenant that has less.
    pub(super) fn claim_share(&mut self, host: u64, audience: &Audience) {
        let now = Instant::now();
        let owner = audience.owner();
        let line = self.lines.get(&host);
        let Some(line) = line.filter(|line| audience.is_awaited() && !line.has_half(&owner)) else {
            return;
        };
        let (places, mut taken, at_host) = if line.taken >= line.places {
            (line.places, line.contenders(), true)
        } else if self.placed >= MAX_REQUESTS {
            let tenants = self.tenants.iter();
            let taken = tenants.map(|(tenant, requests)| (tenant.clone(), requests.placed));
            (MAX_REQUESTS, taken.collect(), false)
        } else {
            return;
        };
        let is_counted =
            |request: &&mut UnderWay| !request.is_late && (!at_host || request.host == host);
        // What was asked for is theirs who asked.
        let mut coming = 0;
        for request in self.under_way.values_mut().filter(is_counted) {
            if request.ask.is_none()
                && let Some(count) = taken.get_mut(&request.tenant)
            {
                *count = count.saturating_sub(1);
                coming += 1;
            }
        }
        let own = taken.entry(owner).or_default();
        *own += coming;
        let own = *own;
        let share = (places / taken.len()).max(1);
        let most = taken.iter().max_by_key(|(_, count)| **count);
        let Some((most, _)) = most.filter(|(_, count)| own < share && **count > share) else {
            return;
        };
        let of_most = |request: &&mut UnderWay| {
            request.tenant == *most && request.ask.is_some() && request.since + FAIR_WAIT <= now
        };
        let requests = self.under_way.values_mut().filter(is_counted);
        let oldest = requests.filter(of_most).min_by_key(|request| request.since);
        if let Some(ask) = oldest.and_then(|request| request.ask.take()) {
            // One that ended meanwhile gave its place up, too.
            let _ = ask.send(());
        }
    }

    pub(super) fn go_on_late(&mut self, host: u64, id: u64) -> bool {
        let Some(request) = self.under_way.get_mut(&id).filter(|known| !known.is_late) else {
            return false;
        };
        let requests = self.tenants.entry(request.tenant.clone()).or_default();
        let is_limited = request.tenant != Tenant::Operator;
        let Some(line) = self.lines.get_mut(&host) else {
            return false;
        };
        let is_full = self.late >= MAX_LATE
            || line.late >= MAX_LATE_OF_HOST
            || (is_limited && requests.late >= MAX_LATE_OF_NAMESPACE);
        if is_full {
            return false;
        }
        request.is_late = true;
        request.ask = None;
        line.late += 1;
        self.late += 1;
        requests.late += 1;
        let (tenant, urgency) = (request.tenant.clone(), request.urgency);
        self.give_up_place(host, id, &tenant, urgency);
        true
    }

    /// Whoever waits waits no more, and a request under way has ended.
    pub(super) fn remove(&mut self, host: u64, id: u64) {
        if let Some(request) = self.under_way.remove(&id) {
            if !request.is_late {
                self.give_up_place(host, id, &request.tenant, request.urgency);
                return;
            }
            self.late -= 1;
            if let Some(line) = self.lines.get_mut(&host) {
                line.late -= 1;
            }
            if let Some(requests) = self.tenants.get_mut(&request.tenant) {
                requests.late -= 1;
            }
            self.forget(&request.tenant);
            self.dispatch(host, Instant::now());
            return;
        }
        if self.put_out(host, id) {
            // Others may have waited since it did.
            self.dispatch(host, Instant::now());
        }
    }

    /// Whoever waits is refused.
    fn put_out(&mut self, host: u64, id: u64) -> bool {
        let Some(line) = self.lines.get_mut(&host) else {
            return false;
        };
        let position = line.waiting.iter().position(|waiter| waiter.id == id);
        let Some(position) = position else {
            return false;
        };
        line.waiting.swap_remove(position);
        self.waiting -= 1;
        true
    }

    fn give_up_place(&mut self, host: u64, id: u64, tenant: &Tenant, urgency: Urgency) {
        let was_full = self.placed >= MAX_REQUESTS;
        self.placed -= 1;
        if let Some(line) = self.lines.get_mut(&host) {
            line.started(id);
            line.give_up_place(tenant, urgency);
        }
        let mut had_most = false;
        if let Some(requests) = self.tenants.get_mut(tenant) {
            had_most = requests.placed + requests.late >= MAX_REQUESTS_OF_NAMESPACE;
            requests.placed -= 1;
        }
        self.forget(tenant);
        let now = Instant::now();
        self.dispatch(host, now);
        if was_full || had_most {
            // Others may have waited for more than a place at their host.
            let hosts: Vec<u64> = self.lines.keys().copied().collect();
            for host in hosts {
                self.dispatch(host, now);
            }
        }
    }

    fn forget(&mut self, tenant: &Tenant) {
        let is_idle = |requests: &Requests| requests.placed + requests.late == 0;
        if self.tenants.get(tenant).is_some_and(is_idle) {
            self.tenants.remove(tenant);
        }
    }
}
