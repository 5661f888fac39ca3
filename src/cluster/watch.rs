//! The view of a live cluster, kept current by watches.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::stream::{Stream, StreamExt};
use kube::Client;
use kube::api::Api;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use tokio::sync::{Notify, watch as latest};
use tokio::time::{Instant, sleep_until};

use super::lean::{Change, Collection, Kept, Lean};
use super::namespaces::NamespaceRecord;
use super::nodes::to_nodes;
use super::view::{Settings, View};
use crate::domain::placement::RuntimeClass;
use crate::objects::node::NodeRecord;

/// How long changes are gathered before the view is replaced. Nodes come in bursts, and a
/// new view costs time that grows with their number.
const COALESCE: Duration = Duration::from_millis(100);

/// Nodes are large; a page is in memory as text.
const PAGE: u32 = 100;

/// When a watch is asked anew. A connection that died silently is noticed after as long.
const WATCH_SECONDS: u32 = 120;

/// Retries come at most this far apart, so a watch without an error for as long works.
/// The backoff of `kube` ends at 30 s; a connection may take another 30 s to fail.
const RETRIES_WITHIN: Duration = Duration::from_secs(65);

/// The current view of a live cluster.
pub struct Watch {
    view: ArcSwap<View>,
    settings: ArcSwap<Settings>,
    settings_changed: Notify,
    ready: latest::Sender<bool>,
    health: Mutex<Health>,
}

#[derive(Debug, Default)]
struct Health {
    last_event: Option<Instant>,
    failures: BTreeMap<&'static str, Failure>,
}

#[derive(Clone, Copy, Debug)]
struct Failure {
    first: Instant,
    last: Instant,
}

/// Watches nodes, namespaces and RuntimeClasses. The future does the work and never ends;
/// the caller spawns it, and drops it to stop.
pub fn watch(client: Client, settings: Settings) -> (Arc<Watch>, impl Future<Output = ()> + Send) {
    let watch = Arc::new(Watch {
        view: ArcSwap::default(),
        settings: ArcSwap::from_pointee(settings),
        settings_changed: Notify::new(),
        ready: latest::Sender::new(false),
        health: Mutex::default(),
    });
    let run = run(Arc::clone(&watch), client);
    (watch, run)
}

impl Watch {
    /// The newest view; empty until the first lists are complete.
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Replaces what the configuration adds; the view follows in a moment.
    pub fn set_settings(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
        self.settings_changed.notify_one();
    }

    /// Whether the first list of every kind is complete.
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Waits until the first list of every kind is complete.
    pub async fn ready(&self) {
        // The sender lives as long as this value, so waiting cannot fail.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// When the API server last told anything.
    pub fn last_event(&self) -> Option<Instant> {
        self.health().last_event
    }

    /// For how long the API server has been away for some kind; none while all is well.
    pub fn stale_for(&self) -> Option<Duration> {
        let now = Instant::now();
        let health = self.health();
        let failures = health.failures.values();
        failures
            .filter(|failure| now - failure.last <= RETRIES_WITHIN)
            .map(|failure| now - failure.first)
            .max()
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        // Nothing panics while it is held, and its contents are only for metrics.
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_event(&self, kind: &'static str) {
        let mut health = self.health();
        health.last_event = Some(Instant::now());
        if health.failures.remove(kind).is_some() {
            tracing::info!(kind, "watch works again");
        }
    }

    fn note_failure(&self, kind: &'static str, error: &watcher::Error) {
        let now = Instant::now();
        let mut health = self.health();
        let known = health.failures.get(kind).copied();
        match known.filter(|failure| now - failure.last <= RETRIES_WITHIN) {
            Some(failure) => {
                let failure = Failure {
                    last: now,
                    ..failure
                };
                health.failures.insert(kind, failure);
                tracing::debug!(kind, %error, "watch fails still");
            }
            None => {
                let failure = Failure {
                    first: now,
                    last: now,
                };
                health.failures.insert(kind, failure);
                tracing::warn!(kind, %error, "watch fails, the last view stays in use");
            }
        }
    }
}

type Events<T> = Pin<Box<dyn Stream<Item = watcher::Result<Event<Lean<T>>>> + Send>>;

/// One watched kind: its events and what they amount to.
struct Watched<T> {
    client: Client,
    events: Events<T>,
    collection: Collection<T>,
}

impl<T: Kept> Watched<T> {
    fn new(client: &Client) -> Self {
        Self {
            client: client.clone(),
            events: events(client.clone()),
            collection: Collection::default(),
        }
    }

    /// Waits for the next event and folds it in. Safe to cancel: only the waiting awaits.
    async fn next(&mut self, watch: &Watch) -> Change {
        match self.events.next().await {
            Some(Ok(event)) => {
                watch.note_event(T::KIND);
                self.collection.apply(event)
            }
            Some(Err(error)) => {
                watch.note_failure(T::KIND, &error);
                // A watch that cannot start at a version that is gone must list anew, which
                // the watcher only does when the API server says so within the stream.
                if let watcher::Error::WatchStartFailed(kube::Error::Api(status)) = &error
                    && status.code == 410
                {
                    self.events = events(self.client.clone());
                }
                Change::Same
            }
            None => {
                self.events = events(self.client.clone());
                Change::Same
            }
        }
    }
}

fn events<T: Kept>(client: Client) -> Events<T> {
    let config = watcher::Config::default()
        .page_size(PAGE)
        .timeout(WATCH_SECONDS);
    Box::pin(watcher(Api::<Lean<T>>::all(client), config).default_backoff())
}

/// Everything that is watched.
struct State {
    nodes: Watched<NodeRecord>,
    namespaces: Watched<NamespaceRecord>,
    classes: Watched<RuntimeClass>,
}

impl State {
    fn is_complete(&self) -> bool {
        self.nodes.collection.is_listed()
            && self.namespaces.collection.is_listed()
            && self.classes.collection.is_listed()
    }
}

async fn run(watch: Arc<Watch>, client: Client) {
    let mut state = State {
        nodes: Watched::new(&client),
        namespaces: Watched::new(&client),
        classes: Watched::new(&client),
    };
    let mut warnings = Warnings::default();
    let mut stale = Stale::default();
    let mut rebuild_at = None;
    loop {
        let due = rebuild_at.unwrap_or_else(Instant::now);
        tokio::select! {
            change = state.nodes.next(&watch) => stale.nodes |= change == Change::Changed,
            change = state.namespaces.next(&watch) => stale.namespaces |= change == Change::Changed,
            change = state.classes.next(&watch) => stale.classes |= change == Change::Changed,
            () = watch.settings_changed.notified() => stale.nodes = true,
            () = sleep_until(due), if rebuild_at.is_some() => {
                let settings = watch.settings.load();
                let view = build(&watch.view.load(), &settings, &state, stale, &mut warnings);
                watch.view.store(Arc::new(view));
                watch.ready.send_replace(true);
                stale = Stale::default();
                rebuild_at = None;
            }
        }
        if state.is_complete() && stale.any() && rebuild_at.is_none() {
            // The first view is waited for; later ones gather what comes together.
            let gather = if watch.is_ready() {
                COALESCE
            } else {
                Duration::ZERO
            };
            rebuild_at = Some(Instant::now() + gather);
        }
    }
}

/// Which parts of the view have changed.
#[derive(Clone, Copy, Debug, Default)]
struct Stale {
    nodes: bool,
    namespaces: bool,
    classes: bool,
}

impl Stale {
    fn any(self) -> bool {
        self.nodes || self.namespaces || self.classes
    }
}

/// What could not be read, by where it was.
#[derive(Debug, Default)]
struct Warnings {
    nodes: Vec<String>,
    namespaces: Vec<String>,
}

/// A new view; parts that did not change are shared with the last one.
fn build(
    last: &View,
    settings: &Settings,
    state: &State,
    stale: Stale,
    warnings: &mut Warnings,
) -> View {
    let mut view = last.clone();
    if stale.nodes {
        let (nodes, of_nodes) = to_nodes(state.nodes.collection.kept(), settings);
        view.nodes = Arc::new(nodes);
        warnings.nodes = of_nodes;
    }
    if stale.namespaces {
        let records = state.namespaces.collection.kept();
        let contents = records.iter();
        let contents = contents.map(|(name, record)| (name.clone(), record.namespace.clone()));
        view.namespaces = Arc::new(contents.collect());
        let of_namespaces = records.values().flat_map(|record| &record.warnings);
        warnings.namespaces = of_namespaces.cloned().collect();
    }
    if stale.classes {
        view.runtime_classes = Arc::new(state.classes.collection.kept().clone());
    }
    let all: Vec<String> = warnings
        .nodes
        .iter()
        .chain(&warnings.namespaces)
        .cloned()
        .collect();
    for warning in all
        .iter()
        .filter(|warning| !last.warnings.contains(warning))
    {
        tracing::warn!("{warning}");
    }
    view.warnings = Arc::new(all);
    view
}
