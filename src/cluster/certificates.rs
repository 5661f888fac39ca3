//! Where the replicas keep the certificate that they share, how the API server learns whom to
//! trust, and how both are watched, each by its name.
//!
//! What is watched only says when to read: what counts is read anew each time, so that no
//! decision rests on an old event. Every call ends within [`CALL_LIMIT`].

mod changes;
mod secret;
mod webhook;

use std::time::Duration;

use thiserror::Error;
use tokio::time::timeout;

pub use self::secret::{CertificateStore, Stored};
pub use self::webhook::{CaBundleStore, CaBundles};

/// How long one call to the API server may take.
pub const CALL_LIMIT: Duration = Duration::from_secs(5);

/// Why the API server could not be asked, or refused.
#[derive(Debug, Error)]
#[error("{problem}")]
pub struct CertificateStoreError {
    problem: String,
    source: Option<Box<kube::Error>>,
}

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It stands there now.
    Done,
    /// Somebody else wrote since it was read: read it again.
    Overtaken,
}

async fn limited<T>(
    action: String,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, CertificateStoreError> {
    let (problem, source) = match timeout(CALL_LIMIT, call).await {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => (action, Some(Box::new(error))),
        Err(_) => (format!("{action}: no answer within {CALL_LIMIT:?}"), None),
    };
    Err(CertificateStoreError { problem, source })
}

/// A write's end, where being overtaken is no error: `codes` say so.
fn written<T>(result: Result<T, kube::Error>, codes: &[u16]) -> Result<Written, kube::Error> {
    match result {
        Ok(_) => Ok(Written::Done),
        Err(kube::Error::Api(status)) if codes.contains(&status.code) => Ok(Written::Overtaken),
        Err(error) => Err(error),
    }
}
