//! Events of one kind of objects, for as long as it is watched.
//!
//! Objects are reduced while they are read, so that a node of 13 KB of JSON is kept as a
//! few hundred bytes.

mod reduced;
mod without_large_fields;

use std::fmt::Debug;

use futures::future::ready;
use futures::stream::{self, BoxStream, StreamExt};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::reduced::Reduced;
use super::state::{Record, WatchedKind};
use crate::objects::json::ObjectError;
use crate::objects::pool::{self, PoolKind, PoolRecord};

/// When a watch is asked anew. A connection that died silently is noticed after as long.
const WATCH_SECONDS: u32 = 60;

/// Objects in a page, which is in memory as text.
const PAGE_OBJECTS: u32 = 100;

/// Events of any kind, with the objects reduced to what is kept.
pub(super) type Events = BoxStream<'static, (WatchedKind, Result<Event<Record>, watcher::Error>)>;

/// A kind that every API server has.
pub(super) trait Watched:
    Resource<DynamicType = ()> + Clone + Debug + Send + 'static
{
    const KIND: WatchedKind;
    const PAGE_OBJECTS: u32 = PAGE_OBJECTS;

    fn read(object: &Value) -> Result<Record, ObjectError>;
}

/// The events of one kind, for ever.
pub(super) fn events<K: Watched>(client: &Client) -> Events {
    let api: Api<Reduced<K>> = Api::all(client.clone());
    watch(api, K::KIND, K::PAGE_OBJECTS, |object| object.record)
}

/// The events of a kind of pools, for as long as it is there. A pool that is broken grows
/// nothing, which is what its own controller makes of it.
pub(super) fn pool_events(client: &Client, kind: PoolKind, version: &str) -> Events {
    let resource = pool_resource(kind, version);
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    watch(api, WatchedKind::Pool(kind), PAGE_OBJECTS, move |object| {
        let object = serde_json::to_value(object).unwrap_or_default();
        let read = pool::read(kind, &object);
        Record::Pool(read.unwrap_or_else(|error| {
            tracing::warn!("pool is left out: {error}");
            PoolRecord {
                kind,
                name: pool::name(&object),
                pool: None,
            }
        }))
    })
}

/// How a kind of pools is asked for.
pub(super) fn pool_resource(kind: PoolKind, version: &str) -> ApiResource {
    let (group, named, _) = kind.names();
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, named))
}

/// A watch that may not start at its version (410 as the status of the answer) must list
/// anew; the watcher does so by itself only when it is told within the stream.
fn watch<O>(
    api: Api<O>,
    kind: WatchedKind,
    page_objects: u32,
    record: impl Fn(O) -> Record + Copy + Send + 'static,
) -> Events
where
    O: Resource + DeserializeOwned + Clone + Debug + Send + 'static,
{
    let attempts = stream::repeat_with(move || {
        let config = watcher::Config::default()
            .page_size(page_objects)
            .timeout(WATCH_SECONDS);
        let events = watcher(api.clone(), config).default_backoff();
        events.scan(false, move |gone, event| {
            if *gone {
                return ready(None);
            }
            *gone = matches!(
                &event,
                Err(watcher::Error::WatchStartFailed(kube::Error::Api(status))) if status.code == 410
            );
            ready(Some((kind, event.map(|event| with_record(event, record)))))
        })
    });
    attempts.flatten().boxed()
}

fn with_record<O>(event: Event<O>, record: impl Fn(O) -> Record) -> Event<Record> {
    match event {
        Event::Apply(object) => Event::Apply(record(object)),
        Event::Delete(object) => Event::Delete(record(object)),
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(record(object)),
        Event::InitDone => Event::InitDone,
    }
}
