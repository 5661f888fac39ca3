//! What is known beyond an image that lacks a platform: other tags that have it, and whether
//! waiting helps.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::inspection::Inspection;
use super::platform::Platform;
use super::reference::{Digest, ImageReference};
use super::tag::Candidate;

/// What was found out about one image, for the platforms of one workload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// Images to use instead, the best first: each has every platform that was asked for.
    pub suggestions: Vec<Suggestion>,
    /// Why platforms are missing, where that is known.
    pub publications: Vec<Publication>,
    /// The index that the tag stands for, where the digest beside the tag is one of its
    /// manifests alone.
    pub index_of_pin: Option<Arc<Inspection>>,
    /// How many requests it took.
    pub requests: usize,
    /// What ended the search.
    pub ended: SearchEnd,
}

/// An image to use instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// Its name, spelled as the one that was asked for.
    pub image: String,
    /// Its tag, and what that changes.
    pub candidate: Candidate,
    /// What the tag stands for.
    pub digest: Digest,
    /// The platforms that it has.
    pub platforms: Vec<Platform>,
    /// When it was built, in seconds since 1970.
    pub created: Option<u64>,
}

/// Why a search for suggestions ended.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, strum::Display, Serialize, Deserialize,
)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum SearchEnd {
    /// There was nothing more to ask for.
    #[default]
    Complete,
    /// As many requests were made as may be made for one image.
    Limit,
    /// The registry limits requests, or hardly any are left.
    RateLimited,
    /// The registry failed again and again.
    Failing,
    /// There was no time left.
    Timeout,
}

/// Why an image lacks a platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The platform.
    pub platform: Platform,
    /// Whether waiting helps.
    pub state: PublicationState,
    /// What decided.
    pub evidence: Vec<Evidence>,
}

/// Whether a missing platform is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicationState {
    /// It is published apart, and not in the tag yet; or the maintainers list it.
    StillPublishing,
    /// The image is not published for the platform.
    NotOffered,
    /// What is published apart for the platform is of another revision.
    Dropped,
    /// The image that it is made from lacks the platform.
    BaseLacksPlatform,
}

/// Something that decides why a platform is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The repository of the architecture has the tag, built from the same revision.
    SameRevision {
        /// The image of one architecture.
        image: ImageReference,
        /// The revision of both.
        revision: String,
    },
    /// The repository of the architecture has the tag, built from another revision.
    OtherRevision {
        /// The image of one architecture.
        image: ImageReference,
        /// Its revision.
        revision: String,
        /// That of the index.
        current: String,
    },
    /// The repository of the architecture does not have the tag.
    Apart {
        /// The image of one architecture.
        image: ImageReference,
        /// Whether the registry itself said so, and not a mirror alone.
        is_certain: bool,
    },
    /// Another flavour of the same version has the platform.
    Sibling {
        /// Its name.
        image: String,
    },
    /// An image on the way from base to base lacks the platform.
    Base {
        /// The base.
        image: ImageReference,
        /// The platforms that it has.
        platforms: Vec<Platform>,
    },
    /// The list of the official images' maintainers names the tag.
    Maintainers {
        /// The repository.
        repository: String,
        /// Whether it names the architecture for the tag, too.
        has_architecture: bool,
    },
}
