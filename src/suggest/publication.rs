//! Whether a platform that an official image lacks is on its way.
//!
//! Docker's official images are published for each architecture in a repository of its own
//! first, and put together into the tag later. A build that fails and one that goes on look the
//! same from outside, so neither is claimed.
//! Source: <https://github.com/docker-library/faq#an-images-source-changed-in-git-now-what>

use std::sync::Arc;

use super::official::{Official, architecture, base};
use super::search::{LookedUp, TagSearch, created, has};
use crate::domain::advice::{Evidence, Publication, PublicationState};
use crate::domain::inspection::{Content, Inspection};
use crate::domain::node::NodePlatform;
use crate::domain::platform::Platform;
use crate::domain::reference::ImageReference;
use crate::domain::tag::{Candidate, Permanence, Tag, TagChange};
use crate::domain::unknown::Reason;

/// How many bases are followed.
const MAX_BASES: usize = 4;
/// How many requests are kept for what says whether waiting helps.
const MAX_RESERVED: usize = 4;
/// How long a release may take until it has every platform, in seconds.
const PUBLISHING_TIME: u64 = 14 * 24 * 60 * 60;

/// What the repository of one architecture says of the tag.
pub(super) struct Apart {
    platform: Platform,
    image: ImageReference,
    state: ApartState,
}

enum ApartState {
    /// It has the tag.
    Published(Arc<Inspection>),
    /// It does not.
    Absent {
        is_certain: bool,
    },
    Unknown,
}

impl TagSearch<'_> {
    /// How many requests are left to what says whether waiting helps.
    pub(super) fn requests_of_publication(&self) -> usize {
        match Official::of(self.asked.reference) {
            // To find an image of one architecture takes two.
            Some(_) => (2 * self.asked.lacking.len()).min(MAX_RESERVED),
            None => 0,
        }
    }

    /// Asks the repositories of the architectures that are missing, and suggests the image of
    /// one where that is all that was asked for.
    pub(super) async fn apart(&mut self) -> Vec<Apart> {
        let Some(official) = Official::of(self.asked.reference) else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for platform in self.asked.lacking.clone() {
            let image = architecture(&platform).and_then(|name| official.apart(name));
            let Some(image) = image else { continue };
            let state = match self.look(&image).await {
                LookedUp::Found(found) => ApartState::Published(found),
                LookedUp::Absent(unknown) => ApartState::Absent {
                    is_certain: unknown.reason == Reason::NotFound,
                },
                LookedUp::Failed => ApartState::Unknown,
            };
            all.push(Apart {
                platform,
                image,
                state,
            });
        }
        all
    }

    /// Why platforms are missing, as far as it is known.
    pub(super) async fn publications(&mut self, tag: &Tag, apart: Vec<Apart>) -> Vec<Publication> {
        let Some(official) = Official::of(self.asked.reference) else {
            return Vec::new();
        };
        let maintained = match (&self.advisor.maintainers, apart.is_empty()) {
            (Some(maintainers), false) => maintainers.tags(official.name).await,
            _ => None,
        };
        let mut all = Vec::new();
        for one in apart {
            let listed = official.listed(maintained.as_deref(), &one.platform);
            let published = match one.state {
                ApartState::Published(ref found) => self.published(official, &one, found, listed),
                ApartState::Absent { is_certain } => {
                    self.absent(tag, &one, is_certain, listed).await
                }
                ApartState::Unknown => None,
            };
            all.extend(published.map(|(state, evidence)| Publication {
                platform: one.platform,
                state,
                evidence,
            }));
        }
        // What a registry that limits us said last is no ground for a claim.
        all.retain(|_| self.may_claim());
        all
    }

    /// The repository of the architecture has the tag: of which revision?
    fn published(
        &mut self,
        official: Official<'_>,
        apart: &Apart,
        found: &Inspection,
        listed: Option<Evidence>,
    ) -> Option<(PublicationState, Vec<Evidence>)> {
        let revision = revisions(found).next()?.to_owned();
        let mut known = revisions(self.asked.inspection).peekable();
        let current = (*known.peek()?).to_owned();
        let image = apart.image.clone();
        if known.any(|known| known == revision) {
            self.suggest_apart(apart, found);
            let evidence = Evidence::SameRevision { image, revision };
            return Some((PublicationState::StillPublishing, vec![evidence]));
        }
        official.has_one_revision().then(|| {
            let evidence = Evidence::OtherRevision {
                image,
                revision,
                current,
            };
            let state = match listed {
                // An old one, and the new one is meant to come.
                Some(Evidence::Maintainers {
                    has_architecture: true,
                    ..
                }) => PublicationState::StillPublishing,
                _ => PublicationState::Dropped,
            };
            (state, [evidence].into_iter().chain(listed).collect())
        })
    }

    /// The image of one architecture is a stop-gap, after everything else.
    fn suggest_apart(&mut self, apart: &Apart, found: &Inspection) {
        if self.asked.wanted.len() != 1 || !self.asked.is_served_by(found) {
            return;
        }
        let Some(tag) = apart.image.tag() else { return };
        let candidate = Candidate::new(tag.to_owned(), TagChange::PerArch);
        let host = match self.asked.text.split_once('/') {
            Some((host, _)) if host.contains('.') => "docker.io/",
            _ => "",
        };
        let mut suggestion = self.asked.suggestion(candidate, found);
        suggestion.image = format!("{host}{}:{tag}", apart.image.repository());
        self.found.push(suggestion);
    }

    /// The repository of the architecture does not have the tag: for want of a base, or since
    /// nobody means to publish it?
    async fn absent(
        &mut self,
        tag: &Tag,
        apart: &Apart,
        is_certain: bool,
        listed: Option<Evidence>,
    ) -> Option<(PublicationState, Vec<Evidence>)> {
        let platform = &apart.platform;
        let absence = Evidence::Apart {
            image: apart.image.clone(),
            is_certain,
        };
        if let Some(Evidence::Maintainers {
            has_architecture, ..
        }) = listed
        {
            let state = match has_architecture {
                true => PublicationState::StillPublishing,
                false => PublicationState::NotOffered,
            };
            return Some((state, [absence].into_iter().chain(listed).collect()));
        }
        let bases = self.bases_without(platform).await;
        if !bases.is_empty() {
            let evidence = [absence].into_iter().chain(bases);
            return Some((PublicationState::BaseLacksPlatform, evidence.collect()));
        }
        let sibling = self.found.iter().find(|suggestion| {
            suggestion.candidate.change == TagChange::Flavour
                && !suggestion.candidate.is_less_pinned
                && suggestion.platforms.contains(platform)
        })?;
        let sibling = Evidence::Sibling {
            image: sibling.image.clone(),
        };
        let is_settled = match tag.permanence() {
            Permanence::Moving => true,
            // A new release grows platform by platform.
            Permanence::Fixed | Permanence::Open => created(self.asked.inspection)
                .is_some_and(|created| created + PUBLISHING_TIME <= self.advisor.now),
        };
        is_settled.then(|| (PublicationState::NotOffered, vec![absence, sibling]))
    }

    /// The bases, one below the other, that are known to lack the platform.
    /// Source: the rule that the architectures of a tag are among those of its base, in
    /// <https://github.com/docker-library/official-images#multiple-architectures>
    async fn bases_without(&mut self, platform: &Platform) -> Vec<Evidence> {
        let mut all: Vec<Evidence> = Vec::new();
        let mut seen = vec![self.asked.reference.clone()];
        let mut document = Arc::clone(self.asked.inspection);
        while all.len() < MAX_BASES {
            let Some(image) = base_of(&document) else {
                break;
            };
            if seen.contains(&image) {
                break;
            }
            let LookedUp::Found(found) = self.look(&image).await else {
                break;
            };
            if !lacks(&found, platform, &self.asked.wanted) {
                break;
            }
            seen.push(image.clone());
            all.push(Evidence::Base {
                image,
                platforms: found.platforms(),
            });
            document = found;
        }
        all
    }
}

/// The revisions of the manifests that a document leads to, in their order.
fn revisions(inspection: &Inspection) -> impl Iterator<Item = &str> {
    let own = inspection.build.as_deref();
    let own = own.and_then(|build| build.revision.as_deref());
    let images = inspection.listed().iter().filter(|entry| {
        let platform = entry.platform.as_deref();
        platform.is_some_and(|platform| !platform.is_attestation())
    });
    let listed = images.filter_map(|entry| entry.revision());
    listed.chain(own)
}

/// The official image that this one is made from.
fn base_of(inspection: &Inspection) -> Option<ImageReference> {
    let mut names = inspection
        .builds()
        .filter_map(|build| build.base.as_deref());
    base(names.next()?)
}

/// Whether an index has other platforms, and nothing for this one.
fn lacks(found: &Inspection, platform: &Platform, wanted: &[Arc<NodePlatform>]) -> bool {
    let is_index = matches!(found.content, Content::Index(_)) && !found.platforms().is_empty();
    let mut nodes = wanted
        .iter()
        .filter(|node| node.platform.normalized() == *platform);
    is_index && nodes.all(|node| !has(found, node))
}
