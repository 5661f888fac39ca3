//! Who waits for a piece of work, as that changes while it runs.
//!
//! Whoever joins work that runs in the background makes it urgent, and counts for it: it gets
//! its turn when any of its tenants does. Once the last of them has left, nobody waits.

use std::sync::Arc;

use tokio::sync::watch;

use crate::domain::access::Tenant;

/// Whether somebody waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// A review or a person waits.
    Awaited,
    /// Nobody waits: a tag is asked for again, or whoever waited has left.
    Background,
}

/// For whom work is done.
#[derive(Clone, Debug)]
pub(crate) enum Audience {
    /// A review or a person of the tenant's waits.
    Caller(Tenant),
    /// Nobody waits; it is on the tenant's account.
    Nobody(Tenant),
    /// Those who joined the work under way.
    Joined(Arc<WaitingRoom>),
}

/// Those who wait for one piece of work.
#[derive(Debug)]
pub(crate) struct WaitingRoom {
    seats: watch::Sender<Seats>,
    /// How many times those who waited were told that it takes too long.
    delays: watch::Sender<u32>,
}

#[derive(Debug)]
struct Seats {
    /// On whose account the work is while nobody waits.
    owner: Tenant,
    taken: Vec<(Tenant, usize)>,
}

/// A place among those who wait, given up when it is dropped.
pub(crate) struct Seat {
    room: Arc<WaitingRoom>,
    tenants: Vec<Tenant>,
}

/// Tells that an audience is another now.
pub(crate) struct Changes(Option<watch::Receiver<Seats>>);

impl Audience {
    /// Whether somebody waits now.
    pub(crate) fn urgency(&self) -> Urgency {
        match self {
            Self::Caller(_) => Urgency::Awaited,
            Self::Nobody(_) => Urgency::Background,
            Self::Joined(room) if room.seats.borrow().taken.is_empty() => Urgency::Background,
            Self::Joined(_) => Urgency::Awaited,
        }
    }

    pub(crate) fn is_awaited(&self) -> bool {
        self.urgency() == Urgency::Awaited
    }

    /// On whose account the work is: theirs who came first.
    pub(crate) fn owner(&self) -> Tenant {
        match self {
            Self::Caller(tenant) | Self::Nobody(tenant) => tenant.clone(),
            Self::Joined(room) => room.seats.borrow().owner.clone(),
        }
    }

    /// The tenants who wait; the owner where nobody does.
    pub(crate) fn tenants(&self) -> Vec<Tenant> {
        let mut tenants = Vec::new();
        self.visit(|_, tenant| tenants.push(tenant.clone()));
        tenants
    }

    /// Visits the tenants who wait, or the owner where nobody does.
    pub(crate) fn visit(&self, mut visitor: impl FnMut(Urgency, &Tenant)) {
        match self {
            Self::Caller(tenant) => visitor(Urgency::Awaited, tenant),
            Self::Nobody(tenant) => visitor(Urgency::Background, tenant),
            Self::Joined(room) => {
                let seats = room.seats.borrow();
                for (tenant, _) in &seats.taken {
                    visitor(Urgency::Awaited, tenant);
                }
                if seats.taken.is_empty() {
                    visitor(Urgency::Background, &seats.owner);
                }
            }
        }
    }

    /// Tells those who wait that it takes longer than they should wait. It goes on.
    pub(crate) fn delay(&self) {
        if let Self::Joined(room) = self {
            room.delays
                .send_modify(|delays| *delays = delays.wrapping_add(1));
        }
    }

    /// What changes from now on.
    pub(crate) fn changes(&self) -> Changes {
        Changes(match self {
            Self::Caller(_) | Self::Nobody(_) => None,
            Self::Joined(room) => Some(room.seats.subscribe()),
        })
    }
}

impl Changes {
    /// Waits for the next change.
    pub(crate) async fn next(&mut self) {
        let changed = match &mut self.0 {
            Some(seats) => seats.changed().await.is_ok(),
            None => false,
        };
        if !changed {
            std::future::pending::<()>().await;
        }
    }
}

impl WaitingRoom {
    /// Nobody waits so far.
    pub(crate) fn new(owner: Tenant) -> Arc<Self> {
        Arc::new(Self {
            seats: watch::Sender::new(Seats {
                owner,
                taken: Vec::new(),
            }),
            delays: watch::Sender::new(0),
        })
    }

    /// A place for the audience, which counts for as long as somebody waits there.
    pub(crate) fn seat(self: &Arc<Self>, audience: &Audience) -> Seat {
        let mut seat = Seat {
            room: Arc::clone(self),
            tenants: Vec::new(),
        };
        seat.follow(audience);
        seat
    }
}

impl Seat {
    /// Counts for whom the audience is now.
    pub(crate) fn follow(&mut self, audience: &Audience) {
        let tenants = if audience.is_awaited() {
            audience.tenants()
        } else {
            Vec::new()
        };
        if tenants != self.tenants {
            let former = std::mem::replace(&mut self.tenants, tenants);
            self.room.replace(&former, &self.tenants);
        }
    }

    /// Changes when those who wait are told that it takes too long.
    pub(crate) fn delays(&self) -> watch::Receiver<u32> {
        self.room.delays.subscribe()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.replace(&self.tenants, &[]);
    }
}

impl WaitingRoom {
    fn replace(&self, former: &[Tenant], present: &[Tenant]) {
        self.seats.send_if_modified(|seats| {
            let before = seats.taken.len();
            let mut is_new = false;
            // First who comes, so that nobody seems to be left in between.
            for tenant in present {
                match seats.taken.iter_mut().find(|(known, _)| known == tenant) {
                    Some((_, count)) => *count += 1,
                    None => {
                        is_new = true;
                        seats.taken.push((tenant.clone(), 1));
                    }
                }
            }
            for tenant in former {
                if let Some((_, count)) = seats.taken.iter_mut().find(|(known, _)| known == tenant)
                {
                    *count -= 1;
                }
            }
            seats.taken.retain(|(_, count)| *count > 0);
            is_new || seats.taken.len() != before
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn namespace(name: &str) -> Tenant {
        Tenant::Namespace(name.into())
    }

    #[tokio::test]
    async fn work_is_urgent_while_somebody_waits() {
        let room = WaitingRoom::new(namespace("a"));
        let audience = Audience::Joined(Arc::clone(&room));
        let mut changes = audience.changes();
        let refresh = room.seat(&Audience::Nobody(namespace("a")));
        assert_eq!(audience.urgency(), Urgency::Background);
        assert!(changes.next().now_or_never().is_none());
        let seats = ["b", "b", "c"].map(|name| room.seat(&Audience::Caller(namespace(name))));
        let told = changes.next().now_or_never();
        assert!(told.is_some(), "whoever joins is told of");
        assert_eq!(audience.urgency(), Urgency::Awaited);
        assert_eq!(audience.tenants(), [namespace("b"), namespace("c")]);
        assert_eq!(audience.owner(), namespace("a"));
        let [first, second, third] = seats;
        drop(first);
        assert!(changes.next().now_or_never().is_none(), "another is there");
        drop(third);
        assert!(changes.next().now_or_never().is_some());
        assert_eq!(audience.tenants(), [namespace("b")]);
        drop((second, refresh));
        assert!(changes.next().now_or_never().is_some());
        assert_eq!(audience.urgency(), Urgency::Background);
        assert_eq!(audience.tenants(), [namespace("a")]);
    }

    #[tokio::test]
    async fn work_that_other_work_waits_for_is_as_urgent_as_that() {
        let (outer, inner) = (
            WaitingRoom::new(namespace("a")),
            WaitingRoom::new(namespace("a")),
        );
        let audience = Audience::Joined(Arc::clone(&outer));
        let mut seat = inner.seat(&audience);
        let innermost = Audience::Joined(Arc::clone(&inner));
        assert!(!innermost.is_awaited());
        let person = outer.seat(&Audience::Caller(Tenant::Operator));
        seat.follow(&audience);
        assert_eq!(innermost.tenants(), [Tenant::Operator]);
        drop(person);
        seat.follow(&audience);
        assert!(!innermost.is_awaited());
    }
}
