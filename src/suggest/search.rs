//! The search for another tag: as few requests as will do, the best candidates first.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::official::Official;
use super::{Advisor, MAX_REQUESTS};
use crate::domain::access::Access;
use crate::domain::advice::{Advice, SearchEnd, Suggestion};
use crate::domain::candidates::CandidatePlatform;
use crate::domain::inspection::Inspection;
use crate::domain::node::NodePlatform;
use crate::domain::outcome::{IndexDepth, MissReason, Outcome};
use crate::domain::pick::{Entries, pick};
use crate::domain::platform::Platform;
use crate::domain::reference::ImageReference;
use crate::domain::tag::{Candidate, Tag, TagChange};
use crate::domain::unknown::{Reason, Unknown};
use crate::domain::verdict::ImageVerdict;
use crate::work::limit::RequestLimit;

/// How many failures in a row end a search: whoever fails is not asked again and again.
const MAX_FAILURES: usize = 2;
/// How many requests find an older version: a guess, a page of the list, and the image.
const REQUESTS_OF_LIST: usize = 3;
/// How many pages of tags are asked for.
const MAX_PAGES: usize = 2;

/// An image that lacks something, and for whom.
pub(super) struct AskedImage<'a> {
    /// The name as written.
    pub(super) text: &'a str,
    pub(super) reference: &'a ImageReference,
    pub(super) inspection: &'a Arc<Inspection>,
    /// The node platforms that a suggestion is to have.
    pub(super) wanted: Vec<Arc<NodePlatform>>,
    /// The platforms that the index lacks, where it has others.
    pub(super) lacking: Vec<Platform>,
}

impl<'a> AskedImage<'a> {
    /// None where the image lacks nothing, and where nothing is known of it.
    pub(super) fn of(image: &'a ImageVerdict, platforms: &[CandidatePlatform]) -> Option<Self> {
        let reference = image.image.reference.as_ref().ok()?;
        let inspection = image.inspection.as_ref()?;
        let is_lacking =
            |outcome: &Outcome| matches!(outcome, Outcome::Missing(_) | Outcome::Mismatched { .. });
        let is_pinned = reference.digest().is_some() && reference.tag().is_some();
        if !is_pinned && !image.outcomes.iter().any(is_lacking) {
            return None;
        }
        let stated = platforms
            .iter()
            .filter(|candidate| !candidate.platform.platform.architecture.is_empty());
        let mut wanted: Vec<Arc<NodePlatform>> = stated
            .map(|candidate| Arc::clone(&candidate.platform))
            .collect();
        wanted.sort();
        wanted.dedup();
        let mut lacking: Vec<Platform> = Vec::new();
        for at in image.on(platforms) {
            let is_refined = match at.outcome {
                Outcome::Missing(MissReason::NoEntries(IndexDepth::First)) => false,
                outcome => matches!(outcome, Outcome::Missing(_)),
            };
            let platform = at.candidate.platform.platform.normalized();
            if is_refined && !lacking.contains(&platform) {
                lacking.push(platform);
            }
        }
        Some(Self {
            text: &image.image.image,
            reference,
            inspection,
            wanted,
            lacking,
        })
    }

    /// Whether the document has something for every platform, by its entries alone.
    pub(super) fn is_served_by(&self, inspection: &Inspection) -> bool {
        !self.wanted.is_empty() && self.wanted.iter().all(|node| has(inspection, node))
    }

    /// The name with another tag, spelled as it was written.
    pub(super) fn spelled(&self, tag: &str) -> String {
        let written = self.reference.tag().map(|tag| format!(":{tag}"));
        let stem = written.and_then(|tag| self.text.strip_suffix(&tag));
        format!("{}:{tag}", stem.unwrap_or(self.text))
    }

    /// The suggestion of a tag that stands for this document.
    pub(super) fn suggestion(&self, candidate: Candidate, found: &Inspection) -> Suggestion {
        Suggestion {
            image: self.spelled(&candidate.tag),
            candidate,
            digest: found.digest.clone(),
            platforms: found.platforms(),
            created: created(found),
        }
    }
}

/// Whether a node's runtime would pick something of the document that is for the node.
pub(super) fn has(inspection: &Inspection, node: &NodePlatform) -> bool {
    let picked = pick(node, inspection, |_| None, Entries::Believed);
    matches!(picked, Ok(Outcome::Supported { .. }))
}

/// When the youngest part of an image was built, in seconds since 1970.
pub(super) fn created(inspection: &Inspection) -> Option<u64> {
    inspection.builds().filter_map(|build| build.created).max()
}

/// One search.
pub(super) struct TagSearch<'a> {
    pub(super) advisor: &'a Advisor,
    pub(super) asked: &'a AskedImage<'a>,
    access: &'a Access,
    limit: RequestLimit,
    deadline: Instant,
    failures: usize,
    is_late: bool,
    pub(super) found: Vec<Suggestion>,
}

/// What became of a look-up.
pub(super) enum LookedUp {
    /// There is such an image.
    Found(Arc<Inspection>),
    /// There is none, or we may not read it.
    Absent(Unknown),
    /// Nobody knows.
    Failed,
}

impl<'a> TagSearch<'a> {
    pub(super) fn new(
        advisor: &'a Advisor,
        asked: &'a AskedImage<'a>,
        access: &'a Access,
        deadline: Instant,
    ) -> Self {
        Self {
            advisor,
            asked,
            access,
            limit: RequestLimit::of(MAX_REQUESTS),
            deadline,
            failures: 0,
            is_late: false,
            found: Vec::new(),
        }
    }

    /// Asks until something is found, or nothing is left to ask for.
    pub(super) async fn run(mut self) -> Advice {
        let mut advice = Advice::default();
        if self.asked.reference.digest().is_some() {
            advice.index_of_pin = self.index_of_pin().await;
        } else if let Some(tag) = self.asked.reference.tag().and_then(Tag::parse) {
            let CandidateOrder {
                siblings,
                others,
                later_siblings,
                rest,
                older,
            } = CandidateOrder::of(&tag);
            // What says whether waiting helps needs some of the requests, and first of all a
            // sibling.
            let reserved = self.requests_of_publication();
            let mut siblings = siblings.into_iter();
            self.first_of(&mut siblings, reserved).await;
            let apart = self.apart().await;
            // Elsewhere a list is worth more than the last guesses; official images have so many
            // tags that it shows little.
            let reserved = match Official::of(self.asked.reference) {
                None if tag.list_after().is_some() => REQUESTS_OF_LIST,
                _ => 0,
            };
            self.first_of(&mut siblings.chain(others), reserved).await;
            // A sibling stands before what changes more, however late it is asked for.
            if !self.found.iter().any(|one| is_sibling(&one.candidate)) {
                let found = std::mem::take(&mut self.found);
                self.first_of(&mut later_siblings.into_iter(), reserved)
                    .await;
                self.found.extend(found);
            }
            let (libc, rest): (Vec<_>, Vec<_>) = rest.into_iter().partition(|one| one.changes_libc);
            self.first_of(&mut libc.into_iter(), reserved).await;
            // The version before is mostly there; a list knows better than a further guess.
            let mut older = older.into_iter();
            self.first_of(&mut older.by_ref().take(1), 0).await;
            self.listed(&tag).await;
            self.first_of(&mut older.chain(rest), 0).await;
            advice.publications = self.publications(&tag, apart).await;
        }
        advice.suggestions = std::mem::take(&mut self.found);
        advice.requests = self.limit.made();
        advice.ended = self.end();
        advice
    }

    /// Adds the first candidate that has every platform, if none was found so far. Some
    /// requests are left.
    async fn first_of(&mut self, candidates: &mut impl Iterator<Item = Candidate>, left: usize) {
        while self.found.is_empty() && self.goes_on() && self.limit.left() > left {
            let Some(candidate) = candidates.next() else {
                return;
            };
            self.add(candidate).await;
        }
    }

    /// Adds the candidate, if it has every platform.
    async fn add(&mut self, candidate: Candidate) {
        let Some(image) = self.asked.reference.with_tag(&candidate.tag) else {
            return;
        };
        if let LookedUp::Found(found) = self.look(&image).await
            && self.asked.is_served_by(&found)
        {
            self.found.push(self.asked.suggestion(candidate, &found));
        }
    }

    /// Adds the newest older version among those that the registry lists.
    async fn listed(&mut self, tag: &Tag) {
        let mut after = tag.list_after();
        for _ in 0..MAX_PAGES {
            if !self.found.is_empty() || after.is_none() || !self.goes_on() {
                break;
            }
            let asked = self.advisor.registry.tags(
                self.asked.reference,
                after.as_deref(),
                self.access,
                &self.limit,
            );
            let Some(Ok(page)) = timeout_at(self.deadline, asked).await.ok() else {
                break;
            };
            // Where the order is another one, a further page says nothing of what is near.
            let is_lexical = page.is_sorted();
            after = page.last().filter(|_| is_lexical).cloned();
            let older = tag.older(page.iter().map(String::as_str)).into_iter();
            let mut older = older.map(|tag| Candidate::new(tag, TagChange::Older));
            self.first_of(&mut older, 0).await;
        }
    }

    /// The index that the tag stands for, where the digest is one of several manifests.
    async fn index_of_pin(&mut self) -> Option<Arc<Inspection>> {
        let (tag, digest) = (self.asked.reference.tag()?, self.asked.reference.digest()?);
        let by_tag = self.asked.reference.with_tag(tag)?;
        let LookedUp::Found(index) = self.look(&by_tag).await else {
            return None;
        };
        index.has_among(digest).then_some(index)
    }

    /// Asks for one image, if it may.
    pub(super) async fn look(&mut self, image: &ImageReference) -> LookedUp {
        if !self.goes_on() {
            return LookedUp::Failed;
        }
        let registry = &self.advisor.registry;
        let asked = registry.look_up(image, self.access, &self.limit);
        let Ok(answer) = timeout_at(self.deadline, asked).await else {
            self.is_late = true;
            return LookedUp::Failed;
        };
        if self.limit.is_stopped() {
            return LookedUp::Failed;
        }
        match answer {
            Ok(found) => {
                self.failures = 0;
                LookedUp::Found(found)
            }
            Err(unknown) if unknown.is_absence() => {
                self.failures = 0;
                LookedUp::Absent(unknown)
            }
            Err(unknown) => {
                match unknown.reason {
                    Reason::RateLimited if self.limit.left() > 0 => self.limit.stop(),
                    Reason::Unauthorized | Reason::Malformed | Reason::TooLarge => {}
                    _ => self.failures += 1,
                }
                LookedUp::Failed
            }
        }
    }

    /// Whether anything further may be asked for.
    pub(super) fn goes_on(&self) -> bool {
        self.limit.left() > 0 && self.failures < MAX_FAILURES && !self.is_late
    }

    /// Whether anything may still be said of what was found: a registry that limits us is not
    /// to be read between the lines.
    pub(super) fn may_claim(&self) -> bool {
        !self.limit.is_stopped()
    }

    fn end(&self) -> SearchEnd {
        if self.limit.is_stopped() {
            SearchEnd::RateLimited
        } else if self.is_late {
            SearchEnd::Timeout
        } else if self.failures >= MAX_FAILURES {
            SearchEnd::Failing
        } else if self.limit.left() == 0 {
            SearchEnd::Limit
        } else {
            SearchEnd::Complete
        }
    }
}

/// The candidates of a tag, in the order in which each sort is asked for.
struct CandidateOrder {
    /// The same version on another distribution.
    siblings: Vec<Candidate>,
    /// What changes more, save for the version.
    others: Vec<Candidate>,
    /// Siblings that hardly ever help.
    later_siblings: Vec<Candidate>,
    /// What hardly ever helps, and changes more.
    rest: Vec<Candidate>,
    older: Vec<Candidate>,
}

impl CandidateOrder {
    fn of(tag: &Tag) -> Self {
        let mut siblings = tag.candidates();
        let count = siblings.iter().take_while(|one| is_sibling(one)).count();
        let mut others = siblings.split_off(count);
        let is_early = |one: &&Candidate| one.change != TagChange::Older && !is_sibling(one);
        let count = others.iter().take_while(is_early).count();
        let last = others.split_off(count).into_iter();
        let (older, last): (Vec<_>, Vec<_>) =
            last.partition(|candidate| candidate.change == TagChange::Older);
        let (later_siblings, rest) = last.into_iter().partition(is_sibling);
        Self {
            siblings,
            others,
            later_siblings,
            rest,
            older,
        }
    }
}

/// Whether a candidate has the same version, on another distribution with the same libc.
fn is_sibling(candidate: &Candidate) -> bool {
    candidate.change == TagChange::Flavour && !candidate.changes_libc && !candidate.is_less_pinned
}
