//! From the access of a look-up to what it may show.
//!
//! What a pod's secrets are is found in the background where it is not known; the review
//! that waits for it does so for a second at most, since the API server that is asked for
//! the secret may be waiting for the review. What is found answers the retry.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::docker_config::DockerConfigError;
use super::lookup::{LookupCredentials, list};
use super::secrets::{SecretContents, SecretReader, Secrets};
use super::shared::SharedCredentials;
use crate::domain::access::{Access, Tenant};
use crate::domain::reference::RepositoryName;
use crate::domain::unknown::{Reason, Unknown};

/// How long a caller waits for secrets.
const SECRET_WAIT: Duration = Duration::from_secs(1);

/// The credentials that there are: everybody's, and those of pods.
pub(crate) struct CredentialFinder {
    shared: Arc<SharedCredentials>,
    /// What the pull secrets of accesses have.
    pub(crate) secrets: Secrets,
}

impl CredentialFinder {
    /// Everybody's credentials, and the secrets that the reader can read.
    pub(crate) fn new(shared: SharedCredentials, reader: Arc<dyn SecretReader>) -> Self {
        Self {
            shared: Arc::new(shared),
            secrets: Secrets::new(reader),
        }
    }

    /// See [`SharedCredentials::set_docker_config`].
    pub(crate) fn set_docker_config(&self, text: &[u8]) -> Result<(), DockerConfigError> {
        self.shared.set_docker_config(text)
    }

    /// What everybody's look-ups may show, on the tenant's account.
    pub(crate) fn of_everybody(&self, tenant: &Tenant) -> LookupCredentials {
        LookupCredentials::of_everybody(&self.shared, tenant.clone())
    }

    /// Waits until the secrets of the access are known, as long as a review may.
    pub(crate) async fn wait(&self, access: &Access) -> Result<(), Unknown> {
        let names = &access.secrets;
        let read = timeout(SECRET_WAIT, self.secrets.all(names)).await;
        read.map(drop).map_err(|_| {
            let secrets = list(names.iter());
            let detail = format!("{secrets} could not be read in time; the look-up goes on");
            Unknown::new(Reason::Timeout, detail)
        })
    }

    /// What the access may show for the repositories, whose secrets have this.
    pub(crate) fn of_pod<'a>(
        &self,
        access: &Access,
        contents: Vec<SecretContents>,
        repositories: impl Iterator<Item = &'a RepositoryName>,
    ) -> Result<LookupCredentials, Unknown> {
        LookupCredentials::of_pod(&self.shared, access, contents, repositories)
    }
}
