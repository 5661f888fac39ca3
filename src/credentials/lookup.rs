//! What one look-up may show, who it thereby is, and on whose account it is.

use std::sync::Arc;

use super::Credential;
use super::hash::{CredentialHash, CredentialHasher};
use super::keyring::{self, Keyring};
use super::pull_secrets::{MAX_SECRETS_SHOWN, SecretContents, list};
use super::shared::SharedCredentials;
use crate::domain::access::{Access, SecretName, Tenant};
use crate::domain::reference::RepositoryName;
use crate::domain::unknown::{Origin, Reason, Unknown};
use crate::work::audience::Audience;
use crate::work::limit::RequestLimit;

/// What a look-up may show: first what the pod's secrets have, then what all of them may.
#[derive(Clone)]
pub struct LookupCredentials {
    pub(super) shared: Arc<SharedCredentials>,
    pub(super) audience: Audience,
    /// How many requests it may make, where that is bounded.
    limit: Option<RequestLimit>,
    identity: Option<CredentialHash>,
    /// The pod's secrets and what they have, in the pod's order.
    names: Arc<[SecretName]>,
    contents: Vec<SecretContents>,
    /// Positions of the secrets that fit, in the order of their credentials.
    fitting: Vec<usize>,
}

impl LookupCredentials {
    /// What everybody's look-ups may show, on the tenant's account.
    pub(crate) fn of_everybody(shared: &Arc<SharedCredentials>, tenant: &Tenant) -> Self {
        Self {
            shared: Arc::clone(shared),
            audience: Audience::Caller(tenant.clone()),
            limit: None,
            identity: None,
            names: Arc::default(),
            contents: Vec::new(),
            fitting: Vec::new(),
        }
    }

    /// What a pod with these secrets may show for these repositories. Where the secrets fit
    /// none of them, the pod is nobody in particular. A secret that cannot be parsed spoils
    /// all, as it does for the kubelet.
    pub(crate) fn of_pod<'a>(
        shared: &Arc<SharedCredentials>,
        access: &Access,
        contents: Vec<SecretContents>,
        repositories: impl IntoIterator<Item = &'a RepositoryName>,
    ) -> Result<Self, Unknown> {
        for one in &contents {
            match one {
                SecretContents::Keyring(_) | SecretContents::Nothing(_) => {}
                // Nobody knows what it would have opened.
                SecretContents::Unread(why) => return Err(Unknown::over_budget(Arc::clone(why))),
                SecretContents::Unparsable(why) => {
                    return Err(Unknown::new(Reason::Unauthorized, Arc::clone(why)));
                }
            }
        }
        let mut hasher = CredentialHasher::new();
        let mut fitting = Vec::new();
        for repository in repositories {
            let found = keyring::find(keyrings(&contents), repository);
            if found.is_empty() {
                continue;
            }
            hasher.text(repository.registry());
            hasher.text(repository.path());
            for (position, credential) in found {
                hasher.credential(&credential);
                if !fitting.contains(&position) {
                    fitting.push(position);
                }
            }
            // No user name is like this: the end of the repository's credentials.
            hasher.text("\0");
        }
        Ok(Self {
            names: Arc::clone(&access.secrets),
            identity: (!fitting.is_empty()).then(|| hasher.finish()),
            contents,
            fitting,
            shared: Arc::clone(shared),
            audience: Audience::Caller(access.tenant.clone()),
            limit: None,
        })
    }

    /// The same for a look-up that nobody waits for.
    #[must_use]
    pub(crate) fn in_background(&self) -> Self {
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

    /// The same for a look-up that makes no more requests than that.
    #[must_use]
    pub(crate) fn within(self, limit: &RequestLimit) -> Self {
        Self {
            limit: Some(limit.clone()),
            ..self
        }
    }

    /// The same without what the secrets have.
    #[must_use]
    pub(crate) fn as_everybody(&self) -> Self {
        Self {
            identity: None,
            fitting: Vec::new(),
            ..self.clone()
        }
    }

    /// Who the look-up is to the cache: one who may show these credentials of a pod first, or
    /// everybody.
    pub(crate) fn identity(&self) -> Option<CredentialHash> {
        self.identity
    }

    /// Who waits for the look-up, and on whose account it is.
    pub(crate) fn audience(&self) -> &Audience {
        &self.audience
    }

    /// How many requests it may make, where that is bounded.
    pub(crate) fn limit(&self) -> Option<&RequestLimit> {
        self.limit.as_ref()
    }

    /// Whether nothing is shown for the repository: the chain has nothing but an anonymous
    /// credential.
    pub(crate) fn show_nothing_for(&self, repository: &RepositoryName) -> bool {
        self.identity.is_none() && !self.shared.may_know(repository)
    }

    /// What the pod's secrets have for the repository.
    pub(super) fn of_secrets(&self, repository: &RepositoryName) -> Vec<Arc<Credential>> {
        if self.fitting.is_empty() {
            return Vec::new();
        }
        let found = keyring::find(keyrings(&self.contents), repository).into_iter();
        found.map(|(_, credential)| credential).collect()
    }

    /// The failure with the names of the secrets that were refused, and of those that might
    /// have helped. The cache must not know these names: pods of other namespaces may show
    /// the same credentials.
    pub(crate) fn explain(&self, unknown: Unknown) -> Unknown {
        let is_refusal = matches!(unknown.reason, Reason::Unauthorized | Reason::NotFound);
        if self.names.is_empty() || !is_refusal {
            return unknown;
        }
        let mut detail = unknown.detail.to_string();
        if !self.fitting.is_empty() {
            let shown = list(self.fitting.iter().filter_map(|at| self.names.get(*at)));
            match unknown.origin {
                Origin::Credentials { end } if detail.is_char_boundary(end) => {
                    detail.insert_str(end, &format!(" of {shown}"));
                }
                _ => detail.push_str(&format!(" with {shown}")),
            }
        }
        let mut others = self.contents.iter().filter_map(|one| match one {
            SecretContents::Nothing(why) => Some(why),
            _ => None,
        });
        for why in others.by_ref().take(MAX_SECRETS_SHOWN) {
            detail.push_str("; ");
            detail.push_str(why);
        }
        match others.count() {
            0 => {}
            more => detail.push_str(&format!("; and {more} more secrets offer nothing")),
        }
        Unknown::new(unknown.reason, detail)
    }
}

/// The keyrings among what secrets have, with the positions of the secrets.
fn keyrings(contents: &[SecretContents]) -> impl Iterator<Item = (usize, &Keyring)> {
    let all = contents.iter().enumerate();
    all.filter_map(|(position, one)| match one {
        SecretContents::Keyring(keyring) => Some((position, &**keyring)),
        _ => None,
    })
}
