//! The live cluster: watches, folded into a view that is replaced whole.
//!
//! Kinds of pools are watched while the API server has them. Which it has is asked every
//! half minute: one small request, and one more for each of their groups that is there.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::stream::{self, AbortHandle, SelectAll, Stream, StreamExt, abortable, select_all};
use k8s_openapi::api::core::v1::{Namespace, Node, ServiceAccount};
use k8s_openapi::api::node::v1::RuntimeClass;
use kube::Client;
use kube::runtime::watcher::{self, Event};
use tokio::sync::watch as channel;
use tokio::time::{Instant, timeout};

use super::events::{Events, Watched, events, pool_events};
use super::freshness::Freshness;
use super::optional::{self, Installed};
use super::state::{DeclaredNodes, Record, State, WatchedKind};
use super::view::View;
use crate::objects::pool::PoolKind;

/// How long events may gather before a new view is made of them.
const QUIET_TIME: Duration = Duration::from_millis(20);
const MAX_GATHERING_TIME: Duration = Duration::from_millis(200);

/// What others see of a watched cluster.
#[derive(Clone)]
pub struct Cluster {
    view: Arc<ArcSwap<View>>,
    settings: channel::Sender<DeclaredNodes>,
    views: channel::Receiver<u64>,
    freshness: Freshness,
}

impl Cluster {
    /// The current view; empty until the cluster is [`Cluster::synced`].
    pub fn view(&self) -> Arc<ArcSwap<View>> {
        Arc::clone(&self.view)
    }

    /// Judges nodes by other settings from now on.
    pub fn set_settings(&self, settings: DeclaredNodes) {
        self.settings.send_replace(settings);
    }

    /// Waits until every kind was listed once.
    pub async fn synced(&self) {
        let mut views = self.views();
        // An error means that nobody watches any more; the last view stays.
        let _ = views.wait_for(|count| *count > 0).await;
    }

    /// How old the view may be.
    pub fn freshness(&self) -> Freshness {
        self.freshness.clone()
    }

    /// How many views there were, for whoever waits for the next one.
    pub fn views(&self) -> channel::Receiver<u64> {
        self.views.clone()
    }
}

/// Whether service accounts are watched. They say which pull secrets pods get, and nothing
/// else that counts here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accounts {
    /// Pull secrets may be read.
    Watched,
    /// No pull secret may be read.
    Ignored,
}

/// Kinds that are not watched. The webhook needs all but service accounts; a person may not
/// be let to list them, and does without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Without namespaces, none has defaults for its pods.
    pub namespaces: bool,
    /// Without RuntimeClasses, none adds to the placement of a pod.
    pub runtime_classes: bool,
    /// Without service accounts, none gives pull secrets to pods.
    pub accounts: bool,
}

impl From<Accounts> for LeftOut {
    fn from(accounts: Accounts) -> Self {
        Self {
            accounts: accounts == Accounts::Ignored,
            ..Self::default()
        }
    }
}

/// A cluster, and the future that watches it, as if there were no objects of some kinds.
/// Nothing happens until it is polled; it ends only when it is dropped. While the API server
/// is away, the last view stays.
pub fn watch(
    client: Client,
    settings: DeclaredNodes,
    left_out: impl Into<LeftOut>,
) -> (Cluster, impl Future<Output = ()> + Send) {
    watch_discovering(client, settings, left_out, optional::DISCOVERY_INTERVAL)
}

/// As [`watch`], with another time between two looks for kinds of pools.
pub fn watch_discovering(
    client: Client,
    settings: DeclaredNodes,
    left_out: impl Into<LeftOut>,
    every: Duration,
) -> (Cluster, impl Future<Output = ()> + Send) {
    let left_out = left_out.into();
    let events = select_all([
        events::<Node>(&client),
        unless::<Namespace>(left_out.namespaces, &client),
        unless::<RuntimeClass>(left_out.runtime_classes, &client),
        unless::<ServiceAccount>(left_out.accounts, &client),
    ]);
    let discoveries = optional::discoveries(client.clone(), every);
    let open = move |kind, version: &str| pool_events(&client, kind, version);
    follow(events, discoveries, open, settings)
}

/// The events of a kind, which has no objects where it is left out.
fn unless<K: Watched>(is_left_out: bool, client: &Client) -> Events {
    if !is_left_out {
        return events::<K>(client);
    }
    let listed = stream::iter([(K::KIND, Ok(Event::InitDone))]);
    listed.chain(stream::pending()).boxed()
}

/// The same, whoever the events come from: `discoveries` say which kinds of pools there are,
/// and `open` starts the watch of one.
fn follow(
    events: SelectAll<Events>,
    discoveries: impl Stream<Item = Installed> + Unpin + Send,
    open: impl Fn(PoolKind, &str) -> Events + Send,
    settings: DeclaredNodes,
) -> (Cluster, impl Future<Output = ()> + Send) {
    let view = Arc::new(ArcSwap::from_pointee(View::default()));
    let state = State::new(settings.clone());
    let (settings, changed) = channel::channel(settings);
    let (sender, views) = channel::channel(0);
    let freshness = Freshness::new();
    let cluster = Cluster {
        view: Arc::clone(&view),
        settings,
        views,
        freshness: freshness.clone(),
    };
    let watching = Watching {
        view,
        settings: changed,
        views: sender,
        state,
        listings: BTreeMap::new(),
        optional: None,
        freshness,
    };
    (cluster, watching.run(events, discoveries, open))
}

struct Watching {
    view: Arc<ArcSwap<View>>,
    settings: channel::Receiver<DeclaredNodes>,
    views: channel::Sender<u64>,
    state: State,
    listings: BTreeMap<WatchedKind, Listing>,
    /// The kinds of pools that are watched; nothing before the first look for them.
    optional: Option<BTreeMap<PoolKind, Watch>>,
    freshness: Freshness,
}

/// A watch that ends when it is dropped.
struct Watch {
    version: String,
    handle: AbortHandle,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

/// How far the list of one kind has come.
#[derive(Debug, Default)]
struct Listing {
    complete: bool,
    /// Whether it was said that the list is refused.
    refused: bool,
    names: HashSet<String>,
}

impl Watching {
    async fn run(
        mut self,
        mut events: SelectAll<Events>,
        mut discoveries: impl Stream<Item = Installed> + Unpin,
        open: impl Fn(PoolKind, &str) -> Events,
    ) {
        loop {
            let mut changed = tokio::select! {
                event = events.next() => match event {
                    Some((kind, event)) => self.fold(kind, event),
                    None => return,
                },
                Some(installed) = discoveries.next() => {
                    self.freshness.answered();
                    self.watch_installed(installed, &open, &mut events)
                }
                settings = self.settings.changed() => match settings {
                    Ok(()) => {
                        let settings = self.settings.borrow_and_update().clone();
                        self.state.set_settings(settings);
                        true
                    }
                    // Nobody holds the cluster any more.
                    Err(_) => return,
                },
            };
            // A burst, a list above all, makes one view and not thousands.
            let gathering = Instant::now();
            while changed && gathering.elapsed() < MAX_GATHERING_TIME {
                match timeout(QUIET_TIME, events.next()).await {
                    Ok(Some((kind, event))) => changed |= self.fold(kind, event),
                    Ok(None) => return,
                    Err(_) => break,
                }
            }
            if changed && self.is_complete() {
                self.publish();
            }
        }
    }

    fn is_complete(&self) -> bool {
        let Some(optional) = &self.optional else {
            return false;
        };
        let always = [
            WatchedKind::Node,
            WatchedKind::Namespace,
            WatchedKind::RuntimeClass,
            WatchedKind::ServiceAccount,
        ];
        let pools = optional.keys().map(|kind| WatchedKind::Pool(*kind));
        let mut listings = always.into_iter().chain(pools);
        listings.all(|kind| self.listings.get(&kind).is_some_and(|list| list.complete))
    }

    /// Watches the kinds of pools that are there now, and forgets those that are gone.
    fn watch_installed(
        &mut self,
        installed: Installed,
        open: impl Fn(PoolKind, &str) -> Events,
        events: &mut SelectAll<Events>,
    ) -> bool {
        let mut changed = self.optional.is_none();
        changed |= self.state.set_found_plugins(installed.plugins);
        let watches = self.optional.get_or_insert_default();
        let mut gone = Vec::new();
        watches.retain(|kind, watch| {
            let stays = installed.pools.get(kind) == Some(&watch.version);
            if !stays {
                gone.push(*kind);
            }
            stays
        });
        for kind in gone {
            changed = true;
            self.state.retain(WatchedKind::Pool(kind), &HashSet::new());
            self.listings.remove(&WatchedKind::Pool(kind));
            tracing::info!(%kind, "pools are no longer watched");
        }
        for (kind, version) in installed.pools {
            watches.entry(kind).or_insert_with(|| {
                tracing::info!(%kind, %version, "pools are watched");
                let (stream, handle) = abortable(open(kind, &version));
                events.push(stream.boxed());
                Watch { version, handle }
            });
        }
        changed
    }

    /// Takes an event in; tells whether the view has to change.
    fn fold(&mut self, kind: WatchedKind, event: Result<Event<Record>, watcher::Error>) -> bool {
        let listing = self.listings.entry(kind).or_default();
        if event.is_ok() {
            self.freshness.heard(kind);
        }
        match event {
            Ok(Event::Apply(record)) => self.state.apply(record),
            Ok(Event::Delete(record)) => self.state.remove(&record),
            Ok(Event::Init) => {
                listing.names.clear();
                false
            }
            Ok(Event::InitApply(record)) => {
                listing.names.insert(record.name().to_owned());
                self.state.apply(record)
            }
            Ok(Event::InitDone) => {
                let names = std::mem::take(&mut listing.names);
                listing.complete = true;
                self.state.retain(kind, &names);
                true
            }
            Err(error) if optional::is_gone(kind, &error) => false,
            Err(error) if optional::is_refused(kind, &error) => {
                if !std::mem::replace(&mut listing.refused, true) {
                    tracing::warn!(%kind, %error, "these objects do not count");
                }
                // Decisions go on without pools and without what service accounts add. Many a
                // person who runs a check may not list them, and is not kept waiting.
                !std::mem::replace(&mut listing.complete, true)
            }
            Err(error) => {
                // The stream goes on by itself, with longer and longer pauses.
                self.freshness.failed(kind);
                tracing::warn!(%kind, %error, "watch");
                false
            }
        }
    }

    fn publish(&self) {
        self.view.store(Arc::new(self.state.view()));
        self.views.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
mod tests;
