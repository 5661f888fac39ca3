//! Which registries have served a document. Only there does a request without a body prove
//! that one may see it: whoever runs another registry may answer as he likes, and would be
//! told by it what he cannot see elsewhere, or that somebody here has seen it.

use std::sync::Arc;

use reqwest::Url;

use crate::credentials::{CredentialHash, CredentialHasher};
use crate::domain::inspection::Inspection;
use crate::domain::reference::Digest;

/// Most registries of one document that are remembered; the latest stay.
const MAX_REGISTRIES_KNOWN: usize = 4;

/// A registry: scheme, host and effective port, however they are spelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegistryId(CredentialHash);

/// A document that a registry served, its bytes verified.
#[derive(Clone)]
pub struct Served {
    /// The document.
    pub inspection: Arc<Inspection>,
    /// Who served it.
    pub by: RegistryId,
}

/// What a registry says an image stands for, without its bytes.
#[derive(Clone)]
pub struct Resolved {
    /// The document.
    pub digest: Digest,
    /// Who says so.
    pub by: RegistryId,
}

/// A document, with the registries that have served it.
#[derive(Clone)]
pub(super) struct KnownDocument {
    pub(super) inspection: Arc<Inspection>,
    served_by: [Option<RegistryId>; MAX_REGISTRIES_KNOWN],
}

impl RegistryId {
    /// The registry that a URL leads to.
    pub fn of(url: &Url) -> Self {
        let mut hasher = CredentialHasher::new();
        hasher.text(&url.origin().ascii_serialization());
        Self(hasher.finish())
    }
}

impl KnownDocument {
    /// A document of which nobody remembers who served it.
    pub(super) fn new(inspection: Arc<Inspection>) -> Self {
        Self {
            inspection,
            served_by: [None; MAX_REGISTRIES_KNOWN],
        }
    }

    /// The same, served by one more registry.
    #[must_use]
    pub(super) fn served_by(mut self, registry: RegistryId) -> Self {
        if !self.was_served_by(registry) {
            self.served_by.rotate_right(1);
            self.served_by[0] = Some(registry);
        }
        self
    }

    pub(super) fn was_served_by(&self, registry: RegistryId) -> bool {
        self.served_by.contains(&Some(registry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::inspection::{Content, MediaType};

    fn id(url: &str) -> RegistryId {
        RegistryId::of(&url.parse().unwrap())
    }

    #[test]
    fn a_registry_is_one_however_it_is_spelled() {
        assert_eq!(id("https://r.example/"), id("https://R.example:0443/v2/a"));
        assert_eq!(id("https://127.0.0.1/"), id("https://0x7f.1/"));
        for other in [
            "http://r.example/",
            "https://r.example:444/",
            "https://s.example/",
        ] {
            assert_ne!(id("https://r.example/"), id(other), "{other}");
        }
    }

    #[test]
    fn the_latest_registries_of_a_document_are_remembered() {
        let mut document = KnownDocument::new(Arc::new(Inspection {
            build: None,
            digest: format!("sha256:{:064x}", 7).parse().unwrap(),
            media_type: MediaType::OciIndex,
            content: Content::Artifact,
        }));
        let ids: Vec<_> = (0..6)
            .map(|n| id(&format!("https://r{n}.example")))
            .collect();
        for registry in [0, 1, 2, 2, 3, 4, 5].map(|position| ids[position]) {
            document = document.served_by(registry);
        }
        let known = ids.iter().map(|registry| document.was_served_by(*registry));
        assert_eq!(
            known.collect::<Vec<_>>(),
            [false, false, true, true, true, true]
        );
    }
}
