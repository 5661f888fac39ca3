//! The inspector that everything but tests uses: from an access to its credentials, to the
//! cache, to the registry.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::{Instant, timeout_at};

use super::cache::file::CacheFile;
use super::cache::writer::CacheWriter;
use super::cache::{Cache, LookupOutcome, TagPage};
use super::client::Registry;
use super::error;
use super::host::Hosts;
use super::statistics::Statistics;
use crate::checker::ImageInspector;
use crate::credentials::docker_config::DockerConfigError;
use crate::credentials::{LookupCredentials, SecretContents, Secrets, SharedCredentials};
use crate::domain::access::{Access, SecretName, Tenant};
use crate::domain::inspection::Inspection;
use crate::domain::reference::ImageReference;
use crate::domain::unknown::{Reason, Unknown};
use crate::suggest::TagRegistry;
use crate::work::audience::Audience;
use crate::work::flight::Flights;
use crate::work::limit::RequestLimit;

/// Registries, with the credentials that each access has, and answers that are kept.
#[derive(Clone)]
pub struct Inspector {
    hosts: Arc<Hosts>,
    shared: Arc<SharedCredentials>,
    secrets: Secrets,
    cache: Arc<Cache<Registry>>,
    /// Look-ups of pods with secrets, which begin with the reading of these.
    flights: Flights<(Arc<[SecretName]>, ImageReference), LookupOutcome>,
}

impl Inspector {
    pub(super) fn new(
        hosts: Arc<Hosts>,
        shared: SharedCredentials,
        secrets: Secrets,
        cache: Arc<Cache<Registry>>,
    ) -> Self {
        Self {
            hosts,
            shared: Arc::new(shared),
            secrets,
            cache,
            flights: Flights::default(),
        }
    }

    /// Fills the cache from a file, to be kept by what is returned.
    pub async fn keep_in(&self, file: CacheFile) -> CacheWriter<Registry> {
        let everybody = LookupCredentials::of_everybody(&self.shared, &Tenant::Operator);
        CacheWriter::open(Arc::clone(&self.cache), file, everybody).await
    }

    /// Shows the shared credentials of another docker config from now on.
    ///
    /// # Errors
    /// When it cannot be read: the old ones stay.
    pub fn set_docker_config(&self, text: &[u8]) -> Result<(), DockerConfigError> {
        self.shared.set_docker_config(text)
    }

    /// How many entries the cache has, by kind.
    pub fn entries(&self) -> [(&'static str, u64); 3] {
        self.cache.entries()
    }

    /// How many hosts are not asked at the moment, since they keep failing.
    pub fn failing_hosts(&self) -> usize {
        self.hosts.failing()
    }

    /// The least that is left of the windows of registries that count requests, by the
    /// settings of their hosts.
    pub fn rate_limit_remaining(&self) -> BTreeMap<&str, u64> {
        self.hosts.remaining()
    }

    /// The counters of requests and of the cache.
    pub fn statistics(&self) -> &Arc<Statistics> {
        self.cache.statistics()
    }

    /// The answer for a pod with these secrets if it is known, without waiting.
    fn known_outcome(&self, image: &ImageReference, access: &Access) -> Option<LookupOutcome> {
        let contents = self.secrets.known(&access.secrets)?;
        let credentials = match self.of_pod(image, access, contents) {
            Ok(credentials) => credentials,
            Err(unknown) => return Some(Err(unknown)),
        };
        let found = self.known_as(image, access, &credentials)?;
        Some(found.map_err(|unknown| credentials.explain(unknown)))
    }

    fn of_pod(
        &self,
        image: &ImageReference,
        access: &Access,
        contents: Vec<SecretContents>,
    ) -> Result<LookupCredentials, Unknown> {
        let target = self.hosts.target(image);
        LookupCredentials::of_pod(&self.shared, access, contents, target.repositories())
    }

    /// The credentials for a look-up that makes no more requests than that.
    async fn within(
        &self,
        limit: &RequestLimit,
        image: &ImageReference,
        access: &Access,
    ) -> Result<LookupCredentials, Unknown> {
        let contents = self.secrets.all(&access.secrets).await;
        Ok(self.of_pod(image, access, contents)?.within(limit))
    }

    fn known_as(
        &self,
        image: &ImageReference,
        access: &Access,
        credentials: &LookupCredentials,
    ) -> Option<LookupOutcome> {
        let identity = credentials.identity();
        let known = self.cache.cached(image, identity, || credentials.clone());
        known.or_else(|| self.known_to_all(image, access))
    }

    /// An image that was read without showing anything is everybody's to know of.
    fn known_to_all(&self, image: &ImageReference, access: &Access) -> Option<LookupOutcome> {
        let everybody = LookupCredentials::of_everybody(&self.shared, &access.tenant);
        if !self.hosts.target(image).is_public_to(&everybody) {
            return None;
        }
        let known = self.cache.cached(image, None, || everybody);
        known.filter(Result::is_ok)
    }

    async fn look_up(
        &self,
        image: &ImageReference,
        access: &Access,
        audience: &Audience,
    ) -> LookupOutcome {
        let contents = self.secrets.all(&access.secrets).await;
        let credentials = self.of_pod(image, access, contents)?;
        let found = self.ask(image, access, &credentials, audience).await;
        let is_refused =
            |unknown: &Unknown| matches!(unknown.reason, Reason::Unauthorized | Reason::NotFound);
        if !found.as_ref().is_err_and(is_refused) {
            return found;
        }
        // Perhaps they were replaced since they were read.
        let contents = self.secrets.renewed(&access.secrets).await;
        let renewed = self.of_pod(image, access, contents)?;
        let found = if renewed.identity() == credentials.identity() {
            found
        } else {
            self.ask(image, access, &renewed, audience).await
        };
        found.map_err(|unknown| renewed.explain(unknown))
    }

    async fn ask(
        &self,
        image: &ImageReference,
        access: &Access,
        credentials: &LookupCredentials,
        audience: &Audience,
    ) -> LookupOutcome {
        let credentials = credentials.for_audience(audience.clone());
        match self.known_as(image, access, &credentials) {
            Some(known) => known,
            None => self.cache.inspect(image, &credentials).await,
        }
    }
}

impl ImageInspector for Inspector {
    fn inspect<'a>(
        &'a self,
        image: &'a ImageReference,
        access: &'a Access,
    ) -> BoxFuture<'a, LookupOutcome> {
        async move {
            if let Some(known) = self.cached(image, access) {
                return known;
            }
            if access.secrets.is_empty() {
                let everybody = LookupCredentials::of_everybody(&self.shared, &access.tenant);
                return self.cache.inspect(image, &everybody).await;
            }
            let start = |audience| {
                let (inspector, image, access) = (self.clone(), image.clone(), access.clone());
                async move { inspector.look_up(&image, &access, &audience).await }.boxed()
            };
            let key = (Arc::clone(&access.secrets), image.clone());
            let caller = Audience::Caller(access.tenant.clone());
            let look_up = self.flights.join_as(&caller, key, || None, start);
            if let Err(late) = self.secrets.wait(&access.secrets).await {
                return self.known_to_all(image, access).unwrap_or(Err(late));
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
    ) -> BoxFuture<'a, LookupOutcome> {
        async move {
            let Some(contents) = self.secrets.known(&access.secrets) else {
                let late = |_| Err(error::timeout(image.registry()));
                let asked = timeout_at(deadline, self.inspect(image, access)).await;
                return asked.unwrap_or_else(late);
            };
            let mut credentials = self.of_pod(image, access, contents)?;
            // Whoever's answer the pod has had.
            let everybody = credentials.as_everybody();
            let is_everybodys = !self.cache.knows(image, &credentials)
                && self.hosts.target(image).is_public_to(&everybody)
                && self.cache.knows(image, &everybody);
            if is_everybodys {
                credentials = everybody;
            }
            let found = self.cache.confirm(image, &credentials, deadline).await;
            found.map_err(|unknown| credentials.explain(unknown))
        }
        .boxed()
    }

    fn known(&self, image: &ImageReference, access: &Access) -> Option<Arc<Inspection>> {
        let contents = self.secrets.known(&access.secrets)?;
        let credentials = self.of_pod(image, access, contents).ok()?;
        let own = self.cache.known(image, credentials.identity());
        own.or_else(|| {
            let everybody = credentials.as_everybody();
            let is_public = self.hosts.target(image).is_public_to(&everybody);
            is_public.then(|| self.cache.known(image, None)).flatten()
        })
    }

    fn cached(&self, image: &ImageReference, access: &Access) -> Option<LookupOutcome> {
        if access.secrets.is_empty() {
            let everybody = || LookupCredentials::of_everybody(&self.shared, &access.tenant);
            return self.cache.cached(image, None, everybody);
        }
        self.known_outcome(image, access)
    }
}

impl TagRegistry for Inspector {
    fn look_up<'a>(
        &'a self,
        image: &'a ImageReference,
        access: &'a Access,
        limit: &'a RequestLimit,
    ) -> BoxFuture<'a, Result<Arc<Inspection>, Unknown>> {
        async move {
            let credentials = self.within(limit, image, access).await?;
            let found = self.cache.inspect_alone(image, &credentials).await?;
            Ok(found.inspection)
        }
        .boxed()
    }

    fn tags<'a>(
        &'a self,
        image: &'a ImageReference,
        after: Option<&'a str>,
        access: &'a Access,
        limit: &'a RequestLimit,
    ) -> BoxFuture<'a, Result<Vec<String>, Unknown>> {
        async move {
            let credentials = self.within(limit, image, access).await?;
            self.cache
                .tags(&TagPage { image, after }, &credentials)
                .await
        }
        .boxed()
    }
}
