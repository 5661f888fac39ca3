//! The credentials of one look-up, one after the other.

use std::sync::Arc;

use super::Credential;
use super::lookup::LookupCredentials;
use crate::domain::reference::RepositoryName;
use crate::domain::unknown::{Reason, Unknown};

/// How many credentials are tried for one image. A secret may hold hundreds, and registries
/// shut out whoever is refused that often.
const MAX_CREDENTIALS_TRIED: usize = 8;

/// Where credentials come from, in the order to try them in. Programs come last: they are
/// run only when every other credential was refused.
#[derive(Clone, Copy)]
enum CredentialSource {
    PodSecrets,
    DockerConfig,
    ClientFiles,
    Providers,
}

const SOURCES: [CredentialSource; 4] = [
    CredentialSource::PodSecrets,
    CredentialSource::DockerConfig,
    CredentialSource::ClientFiles,
    CredentialSource::Providers,
];

/// Yields the credentials for one repository after the other, each when it is asked for.
pub(crate) struct CredentialChain<'a> {
    credentials: &'a LookupCredentials,
    sources: std::array::IntoIter<CredentialSource, 4>,
    /// What the last source has, as far as it was not yielded.
    found: std::vec::IntoIter<Arc<Credential>>,
    /// What was yielded for this repository.
    yielded: Vec<Arc<Credential>>,
    /// How many were, for all repositories.
    tried: usize,
    is_cut: bool,
}

impl LookupCredentials {
    /// The credentials, in the order to try them in.
    pub(crate) fn chain(&self) -> CredentialChain<'_> {
        CredentialChain::new(self)
    }
}

impl<'a> CredentialChain<'a> {
    fn new(credentials: &'a LookupCredentials) -> Self {
        Self {
            credentials,
            sources: SOURCES.into_iter(),
            found: Vec::new().into_iter(),
            yielded: Vec::new(),
            tried: 0,
            is_cut: false,
        }
    }

    /// Begins anew, for another repository of the same image.
    pub(crate) fn restart(&mut self) {
        *self = Self {
            tried: self.tried,
            ..Self::new(self.credentials)
        };
    }

    /// The next credential for the repository, to be shown when the one before was refused.
    /// One that is anonymous comes only where there is no other.
    pub(crate) async fn next(
        &mut self,
        repository: &RepositoryName,
    ) -> Result<Option<Arc<Credential>>, Unknown> {
        loop {
            for credential in self.found.by_ref() {
                if self.yielded.contains(&credential) {
                    continue;
                }
                if self.tried == MAX_CREDENTIALS_TRIED {
                    self.is_cut = true;
                    return Ok(None);
                }
                self.tried += 1;
                self.yielded.push(Arc::clone(&credential));
                return Ok(Some(credential));
            }
            match self.sources.next() {
                Some(source) => self.found = self.find(source, repository).await?.into_iter(),
                None if self.yielded.is_empty() => {
                    self.yielded.push(Arc::default());
                    return Ok(self.yielded.first().cloned());
                }
                None => return Ok(None),
            }
        }
    }

    async fn find(
        &self,
        source: CredentialSource,
        repository: &RepositoryName,
    ) -> Result<Vec<Arc<Credential>>, Unknown> {
        let LookupCredentials {
            shared, audience, ..
        } = self.credentials;
        Ok(match source {
            CredentialSource::PodSecrets => self.credentials.of_secrets(repository),
            CredentialSource::DockerConfig => shared.keyring.load().find(repository),
            CredentialSource::ClientFiles => shared.client_files.find(repository).await,
            CredentialSource::Providers => match &shared.providers {
                Some(providers) => providers.find(repository, &audience.owner()).await?,
                None => Vec::new(),
            },
        })
    }

    /// What it comes to when no credential is left, and the last one was refused like this.
    pub(crate) fn exhausted(&self, last: Option<Unknown>) -> Unknown {
        let last = last.unwrap_or_else(|| Unknown::new(Reason::Unauthorized, "it was not asked"));
        if !self.is_cut {
            return last;
        }
        let detail =
            format!("{last} ({MAX_CREDENTIALS_TRIED} credentials were tried, and no more are)");
        Unknown {
            origin: last.origin,
            ..Unknown::new(Reason::Unauthorized, detail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::shared::SharedCredentials;
    use super::*;
    use crate::domain::access::Tenant;

    #[tokio::test]
    async fn credentials_are_those_that_match_else_none() {
        let config = br#"{"auths":{"https://index.docker.io/v1/":{"username":"u"},"a.b":{}}}"#;
        let shared = SharedCredentials::new(Some(config), &[], None).unwrap();
        let credentials = LookupCredentials::of_everybody(&Arc::new(shared), &Tenant::Operator);
        let mut chain = credentials.chain();
        for (registry, expected) in [
            ("docker.io", "u"),
            // An entry without a user name counts as a match, and is anonymous.
            ("a.b", ""),
            ("c.d", ""),
        ] {
            let repository = RepositoryName::new(registry, "library/node");
            chain.restart();
            let first = chain.next(&repository).await.unwrap().unwrap();
            assert_eq!(first.username(), expected, "{repository}");
            assert_eq!(first.is_anonymous(), expected.is_empty(), "{repository}");
            assert_eq!(chain.next(&repository).await, Ok(None), "{repository}");
        }
    }
}
