//! The live cluster: three watches, folded into a view that is replaced whole.
//!
//! Objects are reduced while they are read, so that a node of 13 KB of JSON is kept as a
//! few hundred bytes.

use std::borrow::Cow;
use std::collections::HashSet;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::future::ready;
use futures::stream::{self, BoxStream, Stream, StreamExt, select_all};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tokio::sync::watch as channel;
use tokio::time::{Instant, timeout};

use super::snapshot::{read_namespace, read_runtime_class};
use super::state::{Kind, NodeSettings, Record, State};
use super::view::View;
use crate::objects::json::ObjectError;
use crate::objects::node;

/// How long events may gather before a new view is made of them.
const QUIET: Duration = Duration::from_millis(20);
const LONGEST_GATHERING: Duration = Duration::from_millis(200);

/// Nodes are large, and a page is in memory as text.
const PAGE: u32 = 100;

/// When a watch is asked anew. A connection that died silently is noticed after as long.
const WATCH_SECONDS: u32 = 120;

/// What others see of a watched cluster.
#[derive(Clone)]
pub struct Cluster {
    view: Arc<ArcSwap<View>>,
    settings: channel::Sender<NodeSettings>,
    views: channel::Receiver<u64>,
}

impl Cluster {
    /// The current view; empty until the cluster is [`Cluster::synced`].
    pub fn view(&self) -> Arc<ArcSwap<View>> {
        Arc::clone(&self.view)
    }

    /// Judges nodes by other settings from now on.
    pub fn set_settings(&self, settings: NodeSettings) {
        self.settings.send_replace(settings);
    }

    /// Waits until every kind was listed once.
    pub async fn synced(&self) {
        let mut views = self.views();
        // An error means that nobody watches any more; the last view stays.
        let _ = views.wait_for(|count| *count > 0).await;
    }

    /// How many views there were, for whoever waits for the next one.
    pub fn views(&self) -> channel::Receiver<u64> {
        self.views.clone()
    }
}

/// A cluster, and the future that watches it. Nothing happens until it is polled; it ends
/// only when it is dropped. While the API server is away, the last view stays.
pub fn watch(client: Client, settings: NodeSettings) -> (Cluster, impl Future<Output = ()> + Send) {
    let events = select_all([
        stream::<NodeKind>(&client),
        stream::<NamespaceKind>(&client),
        stream::<RuntimeClassKind>(&client),
    ]);
    follow(events, settings)
}

/// The same, whoever the events come from.
fn follow(
    events: impl Stream<Item = Watch> + Unpin + Send,
    settings: NodeSettings,
) -> (Cluster, impl Future<Output = ()> + Send) {
    let view = Arc::new(ArcSwap::from_pointee(View::default()));
    let (settings, changed) = channel::channel(settings);
    let (sender, views) = channel::channel(0);
    let cluster = Cluster {
        view: Arc::clone(&view),
        settings,
        views,
    };
    let watching = Watching {
        view,
        settings: changed,
        views: sender,
        state: State::default(),
        listings: Default::default(),
    };
    (cluster, watching.run(events))
}

struct Watching {
    view: Arc<ArcSwap<View>>,
    settings: channel::Receiver<NodeSettings>,
    views: channel::Sender<u64>,
    state: State,
    listings: [Listing; 3],
}

/// How far the list of one kind has come.
#[derive(Debug, Default)]
struct Listing {
    complete: bool,
    names: HashSet<String>,
}

/// What a watch of one kind says.
type Watch = (Kind, Result<Event<Reduced>, watcher::Error>);

/// An event of any kind, with the object reduced to what is kept.
type Reduced = Record;

impl Watching {
    async fn run(mut self, mut events: impl Stream<Item = Watch> + Unpin) {
        loop {
            let mut changed = tokio::select! {
                event = events.next() => match event {
                    Some((kind, event)) => self.fold(kind, event),
                    None => return,
                },
                settings = self.settings.changed() => match settings {
                    Ok(()) => true,
                    // Nobody holds the cluster any more.
                    Err(_) => return,
                },
            };
            // A burst, a list above all, makes one view and not thousands.
            let gathering = Instant::now();
            while changed && gathering.elapsed() < LONGEST_GATHERING {
                match timeout(QUIET, events.next()).await {
                    Ok(Some((kind, event))) => changed |= self.fold(kind, event),
                    Ok(None) => return,
                    Err(_) => break,
                }
            }
            if changed && self.listings.iter().all(|listing| listing.complete) {
                self.publish();
            }
        }
    }

    /// Takes an event in; tells whether the view has to change.
    fn fold(&mut self, kind: Kind, event: Result<Event<Reduced>, watcher::Error>) -> bool {
        let Some(listing) = self.listings.get_mut(kind as usize) else {
            return false;
        };
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
            Err(error) => {
                // The stream goes on by itself, with longer and longer pauses.
                tracing::warn!(kind = ?kind, %error, "watch");
                false
            }
        }
    }

    fn publish(&self) {
        let (view, warnings) = self.state.view(&self.settings.borrow());
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        self.view.store(Arc::new(view));
        self.views.send_modify(|count| *count += 1);
    }
}

/// The events of one kind, for ever.
///
/// A watch that may not start at its version (410 as the status of the answer) must list
/// anew; the watcher does so by itself only when it is told within the stream.
fn stream<K: Watched>(client: &Client) -> BoxStream<'static, Watch> {
    let client = client.clone();
    let attempts = stream::repeat_with(move || {
        let config = watcher::Config::default()
            .page_size(PAGE)
            .timeout(WATCH_SECONDS);
        let api: Api<Lean<K>> = Api::all(client.clone());
        let events = watcher(api, config).default_backoff();
        events.scan(false, |gone, event| {
            if *gone {
                return ready(None);
            }
            *gone = matches!(
                &event,
                Err(watcher::Error::WatchStartFailed(kube::Error::Api(status))) if status.code == 410
            );
            ready(Some((K::KIND, event.map(reduce))))
        })
    });
    attempts.flatten().boxed()
}

fn reduce<K>(event: Event<Lean<K>>) -> Event<Reduced> {
    match event {
        Event::Apply(object) => Event::Apply(object.record),
        Event::Delete(object) => Event::Delete(object.record),
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(object.record),
        Event::InitDone => Event::InitDone,
    }
}

/// A kind that is watched.
trait Watched: Send + Sync + 'static {
    const KIND: Kind;
    const GROUP: &'static str;
    const NAME: &'static str;
    const PLURAL: &'static str;

    fn read(object: &Value) -> Result<Record, ObjectError>;
}

struct NodeKind;
struct NamespaceKind;
struct RuntimeClassKind;

impl Watched for NodeKind {
    const KIND: Kind = Kind::Node;
    const GROUP: &'static str = "";
    const NAME: &'static str = "Node";
    const PLURAL: &'static str = "nodes";

    fn read(object: &Value) -> Result<Record, ObjectError> {
        node::read(object).map(Record::Node)
    }
}

impl Watched for NamespaceKind {
    const KIND: Kind = Kind::Namespace;
    const GROUP: &'static str = "";
    const NAME: &'static str = "Namespace";
    const PLURAL: &'static str = "namespaces";

    fn read(object: &Value) -> Result<Record, ObjectError> {
        read_namespace(object)
    }
}

impl Watched for RuntimeClassKind {
    const KIND: Kind = Kind::RuntimeClass;
    const GROUP: &'static str = "node.k8s.io";
    const NAME: &'static str = "RuntimeClass";
    const PLURAL: &'static str = "runtimeclasses";

    fn read(object: &Value) -> Result<Record, ObjectError> {
        read_runtime_class(object)
    }
}

/// An object that is reduced while it is read.
struct Lean<K> {
    /// What a watch needs: name and resource version.
    metadata: ObjectMeta,
    record: Record,
    kind: PhantomData<K>,
}

impl<K> Clone for Lean<K> {
    fn clone(&self) -> Self {
        Self {
            metadata: self.metadata.clone(),
            record: self.record.clone(),
            kind: PhantomData,
        }
    }
}

impl<K> std::fmt::Debug for Lean<K> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Lean")
            .field("record", &self.record)
            .finish()
    }
}

impl<'de, K: Watched> Deserialize<'de> for Lean<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let text = |key: &str| value["metadata"][key].as_str().map(str::to_owned);
        let metadata = ObjectMeta {
            name: text("name"),
            resource_version: text("resourceVersion"),
            uid: text("uid"),
            ..ObjectMeta::default()
        };
        let record = K::read(&value).map_err(serde::de::Error::custom)?;
        Ok(Self {
            metadata,
            record,
            kind: PhantomData,
        })
    }
}

impl<K: Watched> Resource for Lean<K> {
    type DynamicType = ();
    type Scope = k8s_openapi::ClusterResourceScope;

    fn kind(_: &()) -> Cow<'_, str> {
        K::NAME.into()
    }

    fn group(_: &()) -> Cow<'_, str> {
        K::GROUP.into()
    }

    fn version(_: &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural(_: &()) -> Cow<'_, str> {
        K::PLURAL.into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests;
