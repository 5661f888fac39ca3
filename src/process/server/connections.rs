//! Who is connected: a bound in all, a share a peer, and who has to go when places are short.
//!
//! Nobody waits for a place. Who comes when all are taken gets that of the connection which
//! has been silent for the longest time, at the peer that has the most; a handshake that has
//! begun goes after those that are silent, and a request that is being answered is never cut
//! off.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::ConnectionLimits;
use super::progress::{ConnectionProgress, ConnectionStage};

/// Everybody who is connected to one server. Clones share the table.
#[derive(Clone, Debug)]
pub struct Connections {
    shared: Arc<SharedConnections>,
}

#[derive(Debug)]
struct SharedConnections {
    limits: ConnectionLimits,
    table: Mutex<ConnectionTable>,
    refused: [AtomicU64; REFUSED.len()],
    closed: [AtomicU64; CLOSED.len()],
}

#[derive(Debug, Default)]
struct ConnectionTable {
    /// Connections that hold a place. Who was asked to leave holds none any more.
    placed: usize,
    peers: HashMap<IpAddr, usize>,
    members: HashMap<u64, Member>,
    next: u64,
}

#[derive(Debug)]
struct Member {
    peer: IpAddr,
    progress: Arc<ConnectionProgress>,
    /// Asked to end; its place is somebody else's by now.
    leaving: bool,
}

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConnectionRefusal {
    /// The peer has its share, and each of its connections is at work.
    Share,
    /// All places are taken, and nobody who has as many is silent.
    Full,
}

/// The causes in their order, as metrics name them.
const REFUSED: [&str; 2] = ["share", "full"];

/// Stages in which a connection is closed, as metrics name them.
const CLOSED: [(&[ConnectionStage], &str); 3] = [
    (
        &[ConnectionStage::Hello, ConnectionStage::Handshake],
        "handshake",
    ),
    (&[ConnectionStage::Head], "head"),
    (&[ConnectionStage::Idle], "idle"),
];

/// One connection's place, free again when this is dropped.
#[derive(Debug)]
pub(super) struct ConnectionPlace {
    connections: Connections,
    id: u64,
    pub(super) progress: Arc<ConnectionProgress>,
}

impl Connections {
    /// Nobody is connected yet.
    pub fn new(limits: ConnectionLimits) -> Self {
        Self {
            shared: Arc::new(SharedConnections {
                limits,
                table: Mutex::default(),
                refused: Default::default(),
                closed: Default::default(),
            }),
        }
    }

    /// How many are connected.
    pub fn open(&self) -> usize {
        self.table().members.len()
    }

    /// How many were refused, by cause.
    pub fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = REFUSED.into_iter().zip(&self.shared.refused);
        counts.map(|(cause, count)| (cause, count.load(Ordering::Relaxed)))
    }

    /// How many were closed by us, by what they were at for too long.
    pub fn closed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = CLOSED.into_iter().zip(&self.shared.closed);
        counts.map(|((_, name), count)| (name, count.load(Ordering::Relaxed)))
    }

    pub(super) fn limits(&self) -> &ConnectionLimits {
        &self.shared.limits
    }

    /// A place for a connection of this peer, if there is one or somebody silent gives way.
    pub(super) fn enter(&self, peer: IpAddr) -> Option<ConnectionPlace> {
        let mut table = self.table();
        if let Err(refusal) = self.make_room(&mut table, peer) {
            self.shared.refused[refusal as usize].fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let id = table.next;
        table.next += 1;
        table.placed += 1;
        *table.peers.entry(peer).or_default() += 1;
        let progress = Arc::new(ConnectionProgress::new());
        let member = Member {
            peer,
            progress: Arc::clone(&progress),
            leaving: false,
        };
        table.members.insert(id, member);
        Some(ConnectionPlace {
            connections: self.clone(),
            id,
            progress,
        })
    }

    fn make_room(
        &self,
        table: &mut ConnectionTable,
        peer: IpAddr,
    ) -> Result<(), ConnectionRefusal> {
        let limits = &self.shared.limits;
        let own = table.of(peer);
        if own >= limits.connections_of_a_peer {
            let silent = table.longest_silent(limits, |member| member.peer == peer);
            self.dismiss(table, silent.ok_or(ConnectionRefusal::Share)?);
        } else if table.placed >= limits.connections {
            let silent = table.longest_silent(limits, |_| true);
            // Who has more than the others gives way, be it the one who comes.
            let silent = silent.filter(|id| table.of(table.members[id].peer) >= own);
            self.dismiss(table, silent.ok_or(ConnectionRefusal::Full)?);
        }
        Ok(())
    }

    /// Asks those to leave who have been at the same for too long.
    pub(super) fn sweep(&self) {
        let limits = &self.shared.limits;
        let mut table = self.table();
        let is_pressed = table.placed * 4 >= limits.connections * 3;
        // The short limits are for those who have more than the others.
        let average = table.placed / table.peers.len().max(1);
        let now = Instant::now();
        let overdue = table.members.iter().filter(|(_, member)| {
            let (stage, lasted) = member.progress.standing(now);
            let limit = match stage {
                ConnectionStage::Hello | ConnectionStage::Handshake => limits.handshake,
                ConnectionStage::Head => limits.head,
                ConnectionStage::Idle => limits.idle,
                ConnectionStage::Answering => return false,
            };
            let is_short = is_pressed && table.of(member.peer) >= average;
            let limit = if is_short { limits.pressed } else { limit };
            !member.leaving && lasted > limit
        });
        let overdue: Vec<u64> = overdue.map(|(id, _)| *id).collect();
        for id in overdue {
            self.dismiss(&mut table, id);
        }
    }

    /// Asks the one to leave who has been silent for the longest time.
    pub(super) fn dismiss_one(&self) {
        let mut table = self.table();
        if let Some(id) = table.longest_silent(&self.shared.limits, |_| true) {
            self.dismiss(&mut table, id);
        }
    }

    fn dismiss(&self, table: &mut ConnectionTable, id: u64) {
        let Some(member) = table.members.get_mut(&id) else {
            return;
        };
        member.leaving = true;
        member.progress.dismiss();
        let stage = member.progress.stage();
        let peer = member.peer;
        table.leave(peer);
        if let Some(position) = CLOSED
            .iter()
            .position(|(closed, _)| closed.contains(&stage))
        {
            self.shared.closed[position].fetch_add(1, Ordering::Relaxed);
        }
    }

    fn table(&self) -> MutexGuard<'_, ConnectionTable> {
        // Each change is whole before anything can panic.
        self.shared
            .table
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionTable {
    fn of(&self, peer: IpAddr) -> usize {
        self.peers.get(&peer).copied().unwrap_or_default()
    }

    fn leave(&mut self, peer: IpAddr) {
        self.placed -= 1;
        if let Some(count) = self.peers.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                self.peers.remove(&peer);
            }
        }
    }

    /// The connection that has been silent for the longest time, at the peer with the most.
    /// A handshake that has begun goes after all that are silent: where more come than can be
    /// served, those that drive each other out would be all of them. It has little time to
    /// go on, or whoever says no more than a hello could drive out who is idle.
    fn longest_silent(
        &self,
        limits: &ConnectionLimits,
        may_go: impl Fn(&Member) -> bool,
    ) -> Option<u64> {
        // One look at the clock for all of them: this is on the way of each newcomer.
        let now = Instant::now();
        let silent = self.members.iter().filter_map(|(id, member)| {
            let (stage, lasted) = member.progress.standing(now);
            let may_go = !member.leaving && stage != ConnectionStage::Answering && may_go(member);
            let is_silent = stage != ConnectionStage::Handshake || lasted > limits.pressed;
            may_go.then(|| ((self.of(member.peer), is_silent, lasted), *id))
        });
        silent.max().map(|(_, id)| id)
    }
}

impl ConnectionPlace {
    /// Whether the connection has to end, once it was asked to. A request that came in the
    /// meantime is answered: the connection takes its place again, be it one too many.
    pub(super) fn has_to_leave(&self) -> bool {
        if self.progress.stage() != ConnectionStage::Answering {
            return true;
        }
        let mut table = self.connections.table();
        let Some(member) = table.members.get_mut(&self.id) else {
            return true;
        };
        member.leaving = false;
        let peer = member.peer;
        table.placed += 1;
        *table.peers.entry(peer).or_default() += 1;
        false
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        let mut table = self.connections.table();
        if let Some(member) = table.members.remove(&self.id)
            && !member.leaving
        {
            table.leave(member.peer);
        }
    }
}

/// How often limits are looked at: often enough for the shortest of them.
pub(super) fn sweep_period(limits: &ConnectionLimits) -> Duration {
    let shortest = [limits.handshake, limits.head, limits.idle, limits.pressed]
        .into_iter()
        .fold(Duration::from_secs(4), Duration::min);
    (shortest / 4).max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests;
