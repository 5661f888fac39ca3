//! What the cache asks of registries.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::{Attempt, Registry, base_url};
use crate::credentials::grant::LookupCredentials;
use crate::domain::reference::ImageReference;
use crate::domain::unknown::Unknown;
use crate::registry::cache::{RegistryId, Resolved, Served, TagInspector};
use crate::registry::host::{HostClass, is_docker_hub};

impl TagInspector for Registry {
    fn inspect<'a>(
        &'a self,
        image: &'a ImageReference,
        grant: &'a LookupCredentials,
    ) -> BoxFuture<'a, Result<Served, Unknown>> {
        let ask = move |attempt: Attempt<'a>| {
            async move {
                Ok(Served {
                    inspection: Arc::new(self.document(&attempt, image).await?),
                    by: RegistryId::of(&attempt.url),
                })
            }
            .boxed()
        };
        self.attempt(image, grant, ask).boxed()
    }

    fn resolve<'a>(
        &'a self,
        image: &'a ImageReference,
        grant: &'a LookupCredentials,
    ) -> BoxFuture<'a, Result<Option<Resolved>, Unknown>> {
        let ask = move |attempt: Attempt<'a>| {
            async move {
                let digest = self.digest(&attempt, image).await?;
                let by = RegistryId::of(&attempt.url);
                Ok(digest.map(|digest| Resolved { digest, by }))
            }
            .boxed()
        };
        self.attempt(image, grant, ask).boxed()
    }

    fn registries(&self, image: &ImageReference) -> Vec<RegistryId> {
        let places = self.places(image).unwrap_or_default();
        let urls = places
            .iter()
            .filter_map(|(target, _)| base_url(target).ok());
        urls.map(|url| RegistryId::of(&url)).collect()
    }

    fn is_anonymous(&self, image: &ImageReference) -> bool {
        let Ok(places) = self.places(image) else {
            return false;
        };
        !places.iter().any(|(_, name)| self.operator.may_know(name))
    }

    /// Docker Hub counts GETs of manifests, and not HEADs.
    /// Source: <https://docs.docker.com/docker-hub/usage/pulls/>.
    fn counts_documents(&self, image: &ImageReference) -> bool {
        is_docker_hub(image.registry())
    }

    fn host_class(&self, image: &ImageReference) -> HostClass {
        self.transport.hosts.class(image.registry())
    }
}
