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

pub use self::changes::{changes_of_secret, changes_of_webhook_configuration};
pub use self::secret::{CertificateStore, Stored};
pub use self::webhook::{CaBundles, Trust};

/// How long one call to the API server may take.
pub const CALL_LIMIT: Duration = Duration::from_secs(5);

/// Why the API server could not be asked, or refused.
#[derive(Debug, Error)]
pub enum CertificateStoreError {
    /// The API server refused, or is away.
    #[error("{action}")]
    Api {
        /// What was tried.
        action: String,
        /// What came back.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server took too long.
    #[error("{action}: no answer within {CALL_LIMIT:?}")]
    Silent {
        /// What was tried.
        action: String,
    },
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
    action: impl Fn() -> String,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, CertificateStoreError> {
    match timeout(CALL_LIMIT, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(CertificateStoreError::Api {
            action: action(),
            source: Box::new(error),
        }),
        Err(_) => Err(CertificateStoreError::Silent { action: action() }),
    }
}

/// A write's end, where being overtaken is no error: `codes` say so.
fn written<T>(result: Result<T, kube::Error>, codes: &[u16]) -> Result<Written, kube::Error> {
    match result {
        Ok(_) => Ok(Written::Done),
        Err(kube::Error::Api(status)) if codes.contains(&status.code) => Ok(Written::Overtaken),
        Err(error) => Err(error),
    }
}
