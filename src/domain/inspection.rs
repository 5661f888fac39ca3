//! What a registry says of one document: an index, a manifest with its config, or an
//! artifact.
//!
//! An [`Inspection`] is immutable, since its digest names its content. Children of an index
//! are inspections of their own; whoever decides asks for those that the decision needs.

// A length of time, no clock.
use core::time::Duration;
use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr};

use super::platform::Platform;
use super::reference::Digest;
use super::unknown::Reason;

/// One document of a registry, reduced to what a decision needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// The digest of the document, computed from its bytes.
    pub digest: Digest,
    /// What the document is.
    pub media_type: MediaType,
    /// What it says.
    pub content: Content,
    /// How it was built, by its own annotations.
    pub build: Option<Arc<Build>>,
}

/// How an image was built, as its publisher says by annotations.
/// Source: <https://github.com/opencontainers/image-spec/blob/main/annotations.md>
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Build {
    /// The revision of the sources (`org.opencontainers.image.revision`).
    pub revision: Option<Arc<str>>,
    /// When, in seconds since 1970 (`org.opencontainers.image.created`).
    pub created: Option<u64>,
    /// The image that it is made from, as written (`org.opencontainers.image.base.name`).
    pub base: Option<Arc<str>>,
}

/// What a look-up of an image found, and what speaks against its being so still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// What the registry said.
    pub inspection: Arc<Inspection>,
    /// That it is old, where it is.
    pub outdated: Option<Staleness>,
}

/// An answer that is older than it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Staleness {
    /// How long ago the registry last confirmed it.
    pub age: Duration,
    /// Why there is no younger one.
    pub why: StaleCause,
}

/// Why there is no younger answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StaleCause {
    /// The registry is being asked again; the next one to ask will know.
    Refreshing,
    /// The registry could not be asked again.
    Failed(Reason),
}

impl StaleCause {
    /// The name in audit annotations and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refreshing => "refreshing",
            Self::Failed(reason) => reason.name(),
        }
    }
}

impl From<Arc<Inspection>> for Lookup {
    /// An answer that nothing speaks against.
    fn from(inspection: Arc<Inspection>) -> Self {
        Self {
            inspection,
            outdated: None,
        }
    }
}

/// The document types that container runtimes pull.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumString, IntoStaticStr, Serialize, Deserialize,
)]
pub enum MediaType {
    /// An OCI index.
    #[strum(serialize = "application/vnd.oci.image.index.v1+json")]
    OciIndex,
    /// A list of Docker manifests.
    #[strum(serialize = "application/vnd.docker.distribution.manifest.list.v2+json")]
    DockerManifestList,
    /// An OCI manifest.
    #[strum(serialize = "application/vnd.oci.image.manifest.v1+json")]
    OciManifest,
    /// A Docker manifest.
    #[strum(serialize = "application/vnd.docker.distribution.manifest.v2+json")]
    DockerManifest,
}

/// What a document says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// An OCI index or a Docker manifest list: its entries in document order.
    Index(Vec<Entry>),
    /// An image manifest: the platform of its config, which may lack parts.
    Manifest(Platform),
    /// A manifest whose config is no image config: it has no platform.
    Artifact,
}

/// One entry of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The child document.
    pub digest: Digest,
    /// What the child is, by the entry's media type.
    pub kind: EntryKind,
    /// The platform as written, if there is one. Few are different, so they can be shared.
    pub platform: Option<Arc<Platform>>,
    /// Whether the entry is annotated as compressed with zstd, which CRI-O prefers.
    pub zstd: bool,
    /// How it was built, by the entry's annotations. Entries of one index share what they
    /// agree in.
    pub build: Option<Arc<Build>>,
}

/// What an index entry points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EntryKind {
    /// An OCI or Docker image manifest.
    Manifest,
    /// A nested index or list.
    Index,
    /// Anything else.
    Other,
}

impl Entry {
    /// The revision of the sources that it was built from.
    pub fn revision(&self) -> Option<&str> {
        self.build.as_deref()?.revision.as_deref()
    }
}

impl MediaType {
    /// The media type for one of the four names, without parameters.
    pub fn from_name(name: &str) -> Option<Self> {
        name.parse().ok()
    }

    /// The registered name.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether documents of this type list other documents.
    pub fn is_index(self) -> bool {
        matches!(self, Self::OciIndex | Self::DockerManifestList)
    }
}

impl Inspection {
    /// How many entries there are to choose from.
    pub fn entries(&self) -> usize {
        match &self.content {
            Content::Index(entries) => entries.len(),
            Content::Manifest(_) | Content::Artifact => 1,
        }
    }

    /// What an index lists; nothing of any other document.
    pub fn listed(&self) -> &[Entry] {
        match &self.content {
            Content::Index(entries) => entries,
            Content::Manifest(_) | Content::Artifact => &[],
        }
    }

    /// The entry of an index with this digest.
    pub fn entry(&self, digest: &Digest) -> Option<&Entry> {
        self.listed().iter().find(|entry| entry.digest == *digest)
    }

    /// How it was built, and then how its entries were.
    pub fn builds(&self) -> impl Iterator<Item = &Build> {
        let entries = self.listed().iter();
        let builds = entries.filter_map(|entry| entry.build.as_deref());
        self.build.as_deref().into_iter().chain(builds)
    }

    /// Whether the document is an index for several platforms, and this one of its entries.
    pub fn has_among(&self, digest: &Digest) -> bool {
        self.entry(digest).is_some() && self.platforms().len() > 1
    }

    /// The platforms that the document names, in document order and without attestations.
    pub fn platforms(&self) -> Vec<Platform> {
        let mut platforms = Vec::new();
        let mut seen = HashSet::new();
        let mut add = |platform: &Platform| {
            let normalized = platform.normalized();
            if !normalized.is_attestation() && seen.insert(normalized.clone()) {
                platforms.push(normalized);
            }
        };
        match &self.content {
            Content::Index(entries) => entries
                .iter()
                .filter_map(|entry| entry.platform.as_deref())
                .for_each(&mut add),
            Content::Manifest(platform) => add(platform),
            Content::Artifact => {}
        }
        platforms
    }
}
