//! The inspector that everything but tests uses: it finds out what an access may show, and
//! asks the cache as that.
//!
//! What a pod's secrets are is found in the background where it is not known; the review
//! that waits for it does so for a second at most, since the API server that is asked for
//! the secret may be waiting for the review. What is found answers the retry.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::{Instant, timeout, timeout_at};

use super::cache::file::CacheFile;
use super::cache::writer::CacheWriter;
use super::cache::{Cache, TagInspector};
use super::client::Registry;
use super::error::{self, SECRETS_SHOWN, naming_secrets, of_secrets};
use super::statistics::Statistics;
use crate::checker::ImageInspector;
use crate::credentials::docker_config::DockerConfigError;
use crate::credentials::grant::LookupCredentials;
use crate::credentials::secrets::{SecretContents, SecretReader, Secrets};
use crate::domain::access::{Access, SecretName};
use crate::domain::inspection::Found;
use crate::domain::reference::ImageReference;
use crate::domain::unknown::{Reason, Unknown};
use crate::work::audience::Audience;
use crate::work::flight::Flights;

/// How long a caller waits for secrets.
const SECRET_WAIT: Duration = Duration::from_secs(1);

type Outcome = Result<Found, Unknown>;

/// Registries, with the credentials that each access has, and answers that are kept.
#[derive(Clone)]
pub struct Inspector {
    shared: Arc<Shared>,
}

struct Shared {
    cache: Cache<Registry>,
    secrets: Secrets,
    flights: Flights<(Arc<[SecretName]>, ImageReference), Outcome>,
}

impl Inspector {
    /// An inspector that keeps answers in the cache and reads secrets by the reader.
    pub fn new(cache: Cache<Registry>, reader: Arc<dyn SecretReader>) -> Self {
        Self {
            shared: Arc::new(Shared {
                cache,
                secrets: Secrets::new(reader),
                flights: Flights::default(),
            }),
        }
    }

    /// Fills the cache from a file, to be kept by what is returned.
    pub async fn keep_in(&self, file: CacheFile) -> CacheWriter<Registry> {
        CacheWriter::open(self.shared.cache.clone(), file).await
    }

    /// Shows the operator's credentials of another docker config from now on.
    ///
    /// # Errors
    /// When it cannot be read: the old ones stay.
    pub fn set_docker_config(&self, text: &[u8]) -> Result<(), DockerConfigError> {
        self.shared.cache.inspector().set_docker_config(text)
    }

    /// How many entries the cache has, by kind.
    pub fn entries(&self) -> [(&'static str, u64); 3] {
        self.shared.cache.entries()
    }

    /// How many hosts are not asked at the moment, since they keep failing.
    pub fn failing_hosts(&self) -> usize {
        self.shared.cache.inspector().failing_hosts()
    }

    /// The least that is left of the windows of registries that count requests, by the
    /// settings of their hosts.
    pub fn rate_limit_remaining(&self) -> BTreeMap<&str, u64> {
        self.shared.cache.inspector().rate_limit_remaining()
    }

    /// The counters of requests and of the cache.
    pub fn statistics(&self) -> &Arc<Statistics> {
        self.shared.cache.statistics()
    }
}

impl ImageInspector for Inspector {
    fn inspect<'a>(
        &'a self,
        image: &'a ImageReference,
        access: &'a Access,
    ) -> BoxFuture<'a, Outcome> {
        let shared = &self.shared;
        async move {
            let names = &access.secrets;
            if names.is_empty() {
                let grant = LookupCredentials::without_secrets(access.tenant.clone());
                return shared.cache.inspect(image, &grant).await;
            }
            if let Some(known) = shared.known(image, access) {
                return known;
            }
            let start = |audience| {
                let (shared, image, access) = (Arc::clone(shared), image.clone(), access.clone());
                async move { shared.look_up(&image, &access, &audience).await }.boxed()
            };
            let key = (Arc::clone(names), image.clone());
            let caller = Audience::Caller(access.tenant.clone());
            let look_up = shared.flights.join_as(&caller, key, || None, start);
            if timeout(SECRET_WAIT, shared.secrets.all(names))
                .await
                .is_err()
            {
                return shared.known_to_all(image, access).unwrap_or_else(|| {
                    let detail = format!(
                        "{} could not be read in time; the look-up goes on",
                        of_secrets(names.iter())
                    );
                    Err(Unknown::new(Reason::Timeout, detail))
                });
            }
            let found = look_up.wait(&caller).await;
            found.unwrap_or_else(|why| Err(error::absent(image.registry(), why)))
        }
        .boxed()
    }

    fn confirm<'a>(
        &'a self,
        image: &'a ImageReference,
        access: &'a Access,
        deadline: Instant,
    ) -> BoxFuture<'a, Outcome> {
        let (shared, cache) = (&self.shared, &self.shared.cache);
        async move {
            let names = &access.secrets;
            let Some(offers) = shared.secrets.known(names) else {
                let late = |_| Err(error::timeout(image.registry()));
                let asked = timeout_at(deadline, self.inspect(image, access)).await;
                return asked.unwrap_or_else(late);
            };
            let grant = shared.grant(image, access, &offers)?;
            // Whoever's answer the pod has had.
            let everybody = LookupCredentials::without_secrets(access.tenant.clone());
            let is_everybodys = !cache.knows(image, &grant)
                && cache.inspector().is_anonymous(image)
                && cache.knows(image, &everybody);
            let grant = if is_everybodys { everybody } else { grant };
            let found = cache.confirm(image, &grant, deadline).await;
            found.map_err(|unknown| explain(unknown, &grant, names, &offers))
        }
        .boxed()
    }

    fn cached(&self, image: &ImageReference, access: &Access) -> Option<Outcome> {
        if access.secrets.is_empty() {
            let grant = LookupCredentials::without_secrets(access.tenant.clone());
            return self.shared.cache.cached(image, &grant);
        }
        self.shared.known(image, access)
    }
}

impl Shared {
    /// The answer for a pod with these secrets if it is known, without waiting.
    fn known(&self, image: &ImageReference, access: &Access) -> Option<Outcome> {
        let names = &access.secrets;
        let offers = self.secrets.known(names)?;
        let grant = match self.grant(image, access, &offers) {
            Ok(grant) => grant,
            Err(unknown) => return Some(Err(unknown)),
        };
        let found = self.cache.cached(image, &grant);
        let found = found.or_else(|| self.known_to_all(image, access))?;
        Some(found.map_err(|unknown| explain(unknown, &grant, names, &offers)))
    }

    /// An image that was read without showing anything is everybody's to know of.
    fn known_to_all(&self, image: &ImageReference, access: &Access) -> Option<Outcome> {
        if !self.cache.inspector().is_anonymous(image) {
            return None;
        }
        let grant = LookupCredentials::without_secrets(access.tenant.clone());
        self.cache.cached(image, &grant).filter(Result::is_ok)
    }

    async fn look_up(
        &self,
        image: &ImageReference,
        access: &Access,
        audience: &Audience,
    ) -> Outcome {
        let names = &access.secrets;
        let offers = self.secrets.all(names).await;
        let grant = self.grant(image, access, &offers)?;
        let grant = grant.for_audience(audience.clone());
        let found = self.ask(image, access, &grant).await;
        let is_refused =
            |found: &Outcome| matches!(found, Err(unknown) if is_refusal(unknown.reason));
        if is_refused(&found) {
            // Perhaps they were replaced since they were read.
            let renewed = self.secrets.renewed(names).await;
            let new_grant = self.grant(image, access, &renewed)?;
            let new_grant = new_grant.for_audience(audience.clone());
            if new_grant.identity() != grant.identity() {
                let found = self.ask(image, access, &new_grant).await;
                return found.map_err(|unknown| explain(unknown, &new_grant, names, &renewed));
            }
            return found.map_err(|unknown| explain(unknown, &grant, names, &renewed));
        }
        found
    }

    async fn ask(
        &self,
        image: &ImageReference,
        access: &Access,
        grant: &LookupCredentials,
    ) -> Outcome {
        let known = self.cache.cached(image, grant);
        match known.or_else(|| self.known_to_all(image, access)) {
            Some(known) => known,
            None => self.cache.inspect(image, grant).await,
        }
    }

    /// What the secrets offer for the image. One that cannot be parsed spoils all, as it
    /// does for the kubelet.
    fn grant(
        &self,
        image: &ImageReference,
        access: &Access,
        offers: &[SecretContents],
    ) -> Result<LookupCredentials, Unknown> {
        let mut keyrings = Vec::with_capacity(offers.len());
        for (position, offer) in offers.iter().enumerate() {
            match offer {
                SecretContents::Keyring(keyring) => keyrings.push((position, Arc::clone(keyring))),
                SecretContents::Nothing(_) => {}
                // Nobody knows what it would have opened.
                SecretContents::Unread(why) => return Err(Unknown::over_budget(Arc::clone(why))),
                SecretContents::Unparsable(why) => {
                    return Err(Unknown::new(Reason::Unauthorized, Arc::clone(why)));
                }
            }
        }
        let tenant = access.tenant.clone();
        Ok(self.cache.inspector().grant(image, tenant, keyrings))
    }
}

fn is_refusal(reason: Reason) -> bool {
    matches!(reason, Reason::Unauthorized | Reason::NotFound)
}

/// Names the secrets that were refused, and those that might have helped. The cache must not
/// know these names: pods of other namespaces may show the same credentials.
fn explain(
    unknown: Unknown,
    grant: &LookupCredentials,
    names: &[SecretName],
    offers: &[SecretContents],
) -> Unknown {
    if !is_refusal(unknown.reason) {
        return unknown;
    }
    let mut detail = unknown.detail.to_string();
    let mut shown = grant
        .secrets()
        .filter_map(|position| names.get(position))
        .peekable();
    if shown.peek().is_some() {
        detail = naming_secrets(&detail, &of_secrets(shown));
    }
    let mut others = offers.iter().filter_map(|offer| match offer {
        SecretContents::Nothing(why) => Some(why),
        _ => None,
    });
    for why in others.by_ref().take(SECRETS_SHOWN) {
        detail.push_str("; ");
        detail.push_str(why);
    }
    match others.count() {
        0 => {}
        more => detail.push_str(&format!("; and {more} more secrets offer nothing")),
    }
    Unknown::new(unknown.reason, detail)
}
