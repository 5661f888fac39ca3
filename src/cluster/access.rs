//! Whether the API server answers the person who runs a command, and what it lets them list.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};
use std::iter::successors;
use std::time::Duration;

use axum::http::Request;
use kube::Client;
use thiserror::Error;
use tokio::time::{Instant, sleep, timeout_at};

use super::watch::LeftOut;
use crate::domain::text::{printable, shortened};

/// How long until an API server is asked again that may answer then.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Longest text of the API server that is repeated, in characters.
const MAX_WORDS_CHARACTERS: usize = 300;

/// Why a cluster cannot be judged against, in its own words where it has any.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct AccessError(String);

/// What a person may list of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listable {
    /// The kinds that the API server refuses, or that were not wanted.
    pub left_out: LeftOut,
    /// The refused ones, in the plural.
    pub refused: Vec<&'static str>,
}

/// Asks for one object of each kind until the API server says yes or no. Nodes have to be
/// there; the other kinds only add to what is known.
///
/// # Errors
/// At once where asking again is of no use, else when the time is over.
pub async fn look(
    client: &Client,
    accounts: bool,
    deadline: Instant,
) -> Result<Listable, AccessError> {
    let may_not = async |path: &str| may_not_list(client, path, deadline).await;
    if let Some(words) = may_not("/api/v1/nodes").await? {
        return Err(AccessError(words));
    }
    let mut refused = Vec::new();
    let mut is_refused = async |name: &'static str, path: &str| {
        let is_refused = may_not(path).await?.is_some();
        refused.extend(is_refused.then_some(name));
        Ok::<_, AccessError>(is_refused)
    };
    let classes = "/apis/node.k8s.io/v1/runtimeclasses";
    let left_out = LeftOut {
        namespaces: is_refused("namespaces", "/api/v1/namespaces").await?,
        runtime_classes: is_refused("runtimeclasses", classes).await?,
        accounts: !accounts || is_refused("serviceaccounts", "/api/v1/serviceaccounts").await?,
    };
    Ok(Listable { left_out, refused })
}

/// Why objects may not be listed; none where they may.
async fn may_not_list(
    client: &Client,
    path: &str,
    deadline: Instant,
) -> Result<Option<String>, AccessError> {
    let mut last = None;
    loop {
        let request = Request::get(format!("{path}?limit=1")).body(Vec::new());
        let request = request.map_err(|error| AccessError(error.to_string()))?;
        match timeout_at(deadline, client.request_text(request)).await {
            Ok(Ok(_)) => return Ok(None),
            Ok(Err(error)) if is_refused(&error) => return Ok(Some(words(&error))),
            Ok(Err(error)) if is_final(&error) => return Err(AccessError(words(&error))),
            Ok(Err(error)) => last = Some(words(&error)),
            Err(_) => {}
        }
        if Instant::now() + RETRY_PAUSE >= deadline {
            let last = last.unwrap_or_else(|| "no answer in time".to_owned());
            return Err(AccessError(last));
        }
        sleep(RETRY_PAUSE).await;
    }
}

/// Whether the API server knows who asks, and has nothing for them.
fn is_refused(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 403 | 404))
}

/// Whether the same request will fail the same way.
fn is_final(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code < 500 && status.code != 429,
        error => {
            let mut causes = causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>());
            !causes.any(|cause| {
                matches!(
                    cause.kind(),
                    ErrorKind::TimedOut
                        | ErrorKind::ConnectionReset
                        | ErrorKind::ConnectionAborted
                        | ErrorKind::BrokenPipe
                        | ErrorKind::UnexpectedEof
                )
            })
        }
    }
}

/// What the API server says, or what the innermost cause is.
pub fn words(error: &kube::Error) -> String {
    let text = match error {
        kube::Error::Api(status) if status.message.is_empty() => {
            format!("it answers with {} {}", status.code, status.reason)
        }
        kube::Error::Api(status) => format!("{} ({})", status.message, status.code),
        error => causes(error)
            .last()
            .map(ToString::to_string)
            .unwrap_or_else(|| error.to_string()),
    };
    let text = text.split(" (os error ").next().unwrap_or_default();
    printable(&shortened(text, MAX_WORDS_CHARACTERS))
}

fn causes(error: &kube::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    let first: &(dyn StdError + 'static) = error;
    successors(Some(first), |error| (*error).source())
}
