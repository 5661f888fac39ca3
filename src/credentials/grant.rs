//! For whom a look-up is: on whose account, what it may show, what all of them may, and
//! whether anybody waits.

use std::sync::Arc;

use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use futures::{FutureExt, future};

use super::Credential;
use super::client_files::ClientFiles;
use super::docker_config::{self, DockerConfigError};
use super::identity::{CredentialHasher, Identity};
use super::keyring::{self, Keyring};
use super::provider::Providers;
use crate::domain::access::Tenant;
use crate::domain::reference::RepositoryName;
use crate::domain::unknown::{Origin, Reason, Unknown};
use crate::work::audience::Audience;

/// What a look-up may show beside what the operator configured, and who it thereby is.
#[derive(Clone, Debug)]
pub struct LookupCredentials {
    identity: Identity,
    /// The keyrings of the pod's secrets, with the positions of the secrets.
    keyrings: Vec<(usize, Arc<Keyring>)>,
    /// Positions of the secrets that fit the image, in the order of their credentials.
    fitting: Vec<usize>,
    audience: Audience,
}

impl LookupCredentials {
    /// What everybody's look-ups may show, on the tenant's account.
    pub fn without_secrets(tenant: Tenant) -> Self {
        Self {
            audience: Audience::Caller(tenant),
            identity: Identity::Shared,
            keyrings: Vec::new(),
            fitting: Vec::new(),
        }
    }

    /// The same for a look-up that nobody waits for.
    #[must_use]
    pub fn in_background(&self) -> Self {
        self.for_audience(Audience::Nobody(self.audience.owner()))
    }

    /// The same for a look-up with this audience.
    #[must_use]
    pub(crate) fn for_audience(&self, audience: Audience) -> Self {
        Self {
            audience,
            ..self.clone()
        }
    }

    /// What a pod with these secrets may show for these repositories. Where the secrets fit
    /// none of them, the pod is nobody in particular.
    pub(crate) fn of_secrets<'a>(
        tenant: Tenant,
        keyrings: Vec<(usize, Arc<Keyring>)>,
        repositories: impl IntoIterator<Item = &'a RepositoryName>,
    ) -> Self {
        let mut hasher = CredentialHasher::new();
        let mut fitting = Vec::new();
        for name in repositories {
            let found = keyring::find(keyrings.iter().map(|(_, keyring)| &**keyring), name);
            if found.is_empty() {
                continue;
            }
            hasher.text(name.registry());
            hasher.text(name.path());
            for (position, credential) in found {
                hasher.credential(&credential);
                if let Some((secret, _)) = keyrings.get(position)
                    && !fitting.contains(secret)
                {
                    fitting.push(*secret);
                }
            }
            // No user name is like this: the end of the repository's credentials.
            hasher.text("\0");
        }
        if fitting.is_empty() {
            return Self::without_secrets(tenant);
        }
        Self {
            audience: Audience::Caller(tenant),
            identity: Identity::Pod(hasher.finish()),
            keyrings,
            fitting,
        }
    }

    /// Who the look-up is to the cache.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Who waits for the look-up, and on whose account it is.
    pub(crate) fn audience(&self) -> &Audience {
        &self.audience
    }

    /// Positions of the secrets that have something for the image.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = usize> {
        self.fitting.iter().copied()
    }

    fn find(&self, repository: &RepositoryName) -> Vec<Arc<Credential>> {
        let keyrings = self.keyrings.iter().map(|(_, keyring)| &**keyring);
        let found = keyring::find(keyrings, repository).into_iter();
        found.map(|(_, credential)| credential).collect()
    }
}

/// How many credentials are tried for one image. A secret may hold hundreds, and registries
/// shut out whoever is refused that often.
const MAX_CREDENTIALS_TRIED: usize = 8;

/// The credentials that were tried for one image, at whatever registry.
#[derive(Default)]
pub(crate) struct Tries(usize);

/// The sources of everybody's credentials.
#[derive(Default)]
pub(crate) struct SharedCredentials {
    /// The configured docker config.
    pub(crate) keyring: ArcSwap<Keyring>,
    /// On the command line: what docker and podman have.
    pub(crate) client_files: Option<ClientFiles>,
    /// The kubelet's credential providers.
    pub(crate) providers: Option<Providers>,
}

/// Where credentials come from, in the order to try them in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Secrets,
    Operator,
    ClientFiles,
    Providers,
}

impl Stage {
    const ALL: [Self; 4] = [
        Self::Secrets,
        Self::Operator,
        Self::ClientFiles,
        Self::Providers,
    ];
}

impl SharedCredentials {
    /// Shows the credentials of another docker config from now on.
    pub(crate) fn set_docker_config(&self, text: &[u8]) -> Result<(), DockerConfigError> {
        let keyring = Keyring::new(docker_config::parse_client(text)?.auths);
        self.keyring.store(Arc::new(keyring));
        Ok(())
    }

    /// Whether any source may have something for the repository.
    pub(crate) fn may_know(&self, repository: &RepositoryName) -> bool {
        let has_files = self.client_files.as_ref();
        let has_providers = self.providers.as_ref();
        !self.keyring.load().find(repository).is_empty()
            || has_files.is_some_and(|files| files.may_know(repository))
            || has_providers.is_some_and(|providers| providers.may_know(repository))
    }

    /// Asks one repository with one credential after the other, anonymously only where there is
    /// none at all, until one is not refused or too many were.
    pub(crate) async fn with_each_credential<'a, T>(
        &'a self,
        grant: &LookupCredentials,
        repository: &RepositoryName,
        tries: &mut Tries,
        attempt: impl Fn(Option<Arc<Credential>>) -> BoxFuture<'a, Result<T, Unknown>> + Send + Sync,
    ) -> Result<T, Unknown> {
        let mut tried: Vec<Arc<Credential>> = Vec::new();
        let mut last = None;
        for stage in Stage::ALL {
            for credential in self.credentials(stage, grant, repository).await? {
                if tried.contains(&credential) {
                    continue;
                }
                if tries.0 == MAX_CREDENTIALS_TRIED {
                    return Err(tried_enough(last));
                }
                tries.0 += 1;
                tried.push(Arc::clone(&credential));
                let shown = Some(credential).filter(|credential| !credential.is_anonymous());
                match attempt(shown).await {
                    Err(failure) if may_depend_on_credential(&failure) => last = Some(failure),
                    outcome => return outcome,
                }
            }
        }
        match last {
            Some(failure) => Err(failure),
            None => attempt(None).await,
        }
    }

    /// The credentials of one stage. Programs are run here, and only when every earlier
    /// credential was refused.
    fn credentials<'a>(
        &'a self,
        stage: Stage,
        grant: &'a LookupCredentials,
        repository: &'a RepositoryName,
    ) -> BoxFuture<'a, Result<Vec<Arc<Credential>>, Unknown>> {
        let found = |credentials| future::ready(Ok(credentials)).boxed();
        match stage {
            Stage::Secrets => found(grant.find(repository)),
            Stage::Operator => found(self.keyring.load().find(repository)),
            Stage::ClientFiles => match &self.client_files {
                Some(files) => files.find(repository).map(Ok).boxed(),
                None => found(Vec::new()),
            },
            Stage::Providers => match &self.providers {
                Some(providers) => {
                    let tenant = grant.audience().owner();
                    async move { providers.find(repository, &tenant).await }.boxed()
                }
                None => found(Vec::new()),
            },
        }
    }
}

/// What the last of too many credentials came to.
fn tried_enough(last: Option<Unknown>) -> Unknown {
    let last = last.map(|last| last.detail);
    let detail = last.as_deref().unwrap_or("it was not asked");
    let more =
        format!("{detail} ({MAX_CREDENTIALS_TRIED} credentials were tried, and no more are)");
    Unknown::new(Reason::Unauthorized, more)
}

/// Whether another credential may fare better. It would wait in the same queue.
fn may_depend_on_credential(failure: &Unknown) -> bool {
    let may = matches!(
        failure.reason,
        Reason::NotFound | Reason::Unauthorized | Reason::RateLimited
    );
    may && failure.origin != Origin::Budget
}
