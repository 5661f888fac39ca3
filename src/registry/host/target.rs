//! Where a look-up asks for an image, in which order.

use std::sync::Arc;

use reqwest::Url;

use super::{DOCKER_HUB, DOCKER_HUB_API, Host, HostClass, Hosts, is_docker_hub};
use crate::credentials::LookupCredentials;
use crate::domain::reference::{ImageReference, RepositoryName};
use crate::domain::unknown::Unknown;
use crate::registry::error::malformed;

/// Where the images of one repository are looked up.
pub struct LookupTarget<'a> {
    /// The mirrors in their order, then the registry itself; none where it is blocked.
    pub(in crate::registry) endpoints: Vec<Endpoint<'a>>,
    /// Among which hosts the look-ups are counted.
    pub(in crate::registry) class: HostClass,
    /// Whether the registry counts documents that are fetched, so that the digest is asked for
    /// first: Docker Hub counts GETs of manifests, and not HEADs.
    /// Source: <https://docs.docker.com/docker-hub/usage/pulls/>
    pub(in crate::registry) counts_documents: bool,
}

/// A repository of a registry or of a mirror.
pub(in crate::registry) struct Endpoint<'a> {
    pub(in crate::registry) peer: RegistryHost<'a>,
    pub(in crate::registry) repository: RepositoryName,
}

/// Whom to contact: `host[:port]` as a reference has it, with its settings.
#[derive(Clone)]
pub(in crate::registry) struct RegistryHost<'a> {
    pub(in crate::registry) authority: Arc<str>,
    pub(in crate::registry) host: &'a Host,
}

impl Hosts {
    /// Where the image is looked up.
    pub(in crate::registry) fn target(&self, image: &ImageReference) -> LookupTarget<'_> {
        let host = self.of(image.registry());
        let endpoint = |repository: RepositoryName| Endpoint {
            peer: self.peer(repository.registry()),
            repository,
        };
        let mirrors = host.settings.mirrors.iter().map(|mirror| {
            let path = format!("{}{}", mirror.prefix, image.repository());
            RepositoryName::new(Arc::clone(&mirror.registry), path)
        });
        let repositories = mirrors.chain([image.name().clone()]);
        LookupTarget {
            endpoints: if host.settings.blocked {
                Vec::new()
            } else {
                repositories.map(endpoint).collect()
            },
            class: self.class(image.registry()),
            counts_documents: is_docker_hub(image.registry()),
        }
    }

    /// `host[:port]` with its settings.
    pub(in crate::registry) fn peer(&self, authority: &Arc<str>) -> RegistryHost<'_> {
        RegistryHost {
            host: self.of(authority),
            authority: Arc::clone(authority),
        }
    }
}

impl LookupTarget<'_> {
    /// The names of the repositories that are asked.
    pub(in crate::registry) fn repositories(&self) -> impl Iterator<Item = &RepositoryName> {
        self.endpoints.iter().map(|endpoint| &endpoint.repository)
    }

    /// Whether what these credentials find is everybody's to know, since nothing is shown for
    /// it. Not so for an image on a blocked host.
    pub(in crate::registry) fn is_public_to(&self, credentials: &LookupCredentials) -> bool {
        let mut repositories = self.repositories();
        !self.endpoints.is_empty()
            && repositories.all(|repository| credentials.show_nothing_for(repository))
    }
}

impl Endpoint<'_> {
    /// The registry's own URL, without a path.
    pub(in crate::registry) fn url(&self) -> Result<Url, Unknown> {
        let scheme = if self.peer.host.settings.plain_http {
            "http"
        } else {
            "https"
        };
        let host = match &*self.peer.authority {
            DOCKER_HUB => DOCKER_HUB_API,
            host => host,
        };
        Url::parse(&format!("{scheme}://{host}/"))
            .map_err(|_| malformed("the registry is no host that can be contacted"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::host::LookUpSettings;
    use crate::registry::settings::HostSettings;

    #[track_caller]
    fn asks(image: &str, expected: &[&str]) {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut hub = HostSettings::new("docker.io");
        hub.mirrors = vec!["mirror.example:5000/hub".to_owned().try_into().unwrap()];
        let mut plain = HostSettings::new("plain.example");
        plain.plain_http = true;
        let settings = LookUpSettings {
            hosts: vec![hub, plain],
            ..LookUpSettings::default()
        };
        let hosts = Hosts::new(&settings).unwrap();
        let image: ImageReference = image.parse().expect(image);
        let target = hosts.target(&image);
        let endpoints = target.endpoints.iter();
        let urls = endpoints.map(|endpoint| {
            let url = endpoint.url().unwrap();
            format!("{url}v2/{}", endpoint.repository.path())
        });
        assert_eq!(urls.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn references_lead_to_the_hosts_that_serve_them() {
        asks(
            "node",
            &[
                "https://mirror.example:5000/v2/hub/library/node",
                "https://registry-1.docker.io/v2/library/node",
            ],
        );
        asks("plain.example/a/b:1", &["http://plain.example/v2/a/b"]);
        asks("[2001:DB8::1]:5000/a", &["https://[2001:db8::1]:5000/v2/a"]);
        asks("MyOrg/app", &["https://myorg/v2/app"]);
    }
}
