//! When one object changed, watched by its name.
//!
//! The watch asks for metadata only, and begins at what there is: no version is remembered,
//! none can be too old, and the verb `list` is not needed.

use std::time::Duration;

use futures::stream::{self, Stream, StreamExt};
use kube::Api;
use kube::api::{WatchEvent, WatchParams};
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

use super::CALL_LIMIT;

/// When a watch is asked anew.
const WATCH_SECONDS: u32 = 30;
/// A connection that died silently is noticed after as long.
const SILENCE_LIMIT: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 5);
/// Between two watches of which the first did not end well.
const RETRY_PAUSE: Duration = Duration::from_secs(3);

/// An item whenever the object with this name may have changed, for ever.
pub(super) fn changes<K>(
    api: Api<K>,
    name: &str,
) -> impl Stream<Item = Result<(), kube::Error>> + Send + use<K>
where
    K: Clone + std::fmt::Debug + DeserializeOwned + Send + 'static,
{
    let parameters = WatchParams::default()
        .fields(&format!("metadata.name={name}"))
        .timeout(WATCH_SECONDS);
    let watches = stream::unfold((api, parameters), |(api, parameters)| async move {
        let started = timeout(CALL_LIMIT, api.watch_metadata(&parameters, "0")).await;
        let watch = match started {
            Ok(Ok(events)) => {
                // Whatever happened since the last watch happened before this one began.
                let began = stream::once(async { Ok(()) });
                began.chain(stream::unfold(events.boxed(), next)).boxed()
            }
            Ok(Err(error)) => stream::once(async { Err(error) }).chain(pause()).boxed(),
            Err(_) => pause().boxed(),
        };
        Some((watch, (api, parameters)))
    });
    watches.flatten()
}

/// The next event of a watch. The watch is over when the API server ends it, says nothing for
/// too long, or complains.
async fn next<E, T>(mut events: E) -> Option<(Result<(), kube::Error>, E)>
where
    E: Stream<Item = Result<WatchEvent<T>, kube::Error>> + Unpin,
{
    match timeout(SILENCE_LIMIT, events.next()).await.ok()?? {
        Ok(WatchEvent::Error(_)) | Err(_) => None,
        Ok(_) => Some((Ok(()), events)),
    }
}

/// No item, after a moment.
fn pause() -> impl Stream<Item = Result<(), kube::Error>> + Send {
    stream::once(sleep(RETRY_PAUSE)).filter_map(|()| async { None })
}
