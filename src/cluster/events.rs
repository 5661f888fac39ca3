//! Events of one kind of objects, for as long as it is watched.
//!
//! Objects are reduced while they are read, so that a node of 13 KB of JSON is kept as a
//! few hundred bytes.

mod lean;
mod pruned;

use futures::future::ready;
use futures::stream::{self, BoxStream, StreamExt};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use serde_json::Value;

use self::lean::Lean;
use super::state::{Kind, Record};
use crate::objects::json::ObjectError;

/// When a watch is asked anew. A connection that died silently is noticed after as long.
const WATCH_SECONDS: u32 = 60;

/// Events of any kind, with the objects reduced to what is kept.
pub(super) type Events = BoxStream<'static, (Kind, Result<Event<Record>, watcher::Error>)>;

/// A kind that is watched.
pub(super) trait Watched: Send + Sync + 'static {
    const KIND: Kind;
    const GROUP: &'static str;
    const NAME: &'static str;
    const PLURAL: &'static str;
    /// Objects in a page, which is in memory as text.
    const PAGE: u32 = 100;

    fn read(object: &Value) -> Result<Record, ObjectError>;
}

/// The events of one kind, for ever.
///
/// A watch that may not start at its version (410 as the status of the answer) must list
/// anew; the watcher does so by itself only when it is told within the stream.
pub(super) fn events<K: Watched>(client: &Client, version: &str) -> Events {
    let client = client.clone();
    let version = version.to_owned();
    let attempts = stream::repeat_with(move || {
        let config = watcher::Config::default()
            .page_size(K::PAGE)
            .timeout(WATCH_SECONDS);
        let api: Api<Lean<K>> = Api::all_with(client.clone(), &version);
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

fn reduce<K>(event: Event<Lean<K>>) -> Event<Record> {
    match event {
        Event::Apply(object) => Event::Apply(object.record),
        Event::Delete(object) => Event::Delete(object.record),
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(object.record),
        Event::InitDone => Event::InitDone,
    }
}
