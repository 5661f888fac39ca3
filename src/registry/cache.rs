//! Answers that are kept, around an inspector.
//!
//! Three kinds. *Documents* by digest never change, and are bounded by size alone; all
//! share them. *Answers* say for one identity of credentials what a reference stands for: by
//! digest that it may be seen, by tag which document it is, for minutes. A document is
//! reached only through an answer of one's own, so what one may see never answers for
//! another. *Failures* are kept by class, for seconds to minutes.
//!
//! The optional file (`cache/file.rs`) comes later.

mod key;
mod lifetime;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use moka::sync::Cache as Bounded;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::client::Grant;
use super::flight::{Flight, Flights};
use super::statistics::Statistics;
use crate::domain::inspection::{Content, Inspection};
use crate::domain::reference::{Digest, ImageReference};
use crate::domain::unknown::{Reason, Unknown};
use key::{Key, KeyParts};
use lifetime::{Age, failure_lifetime, is_passing, jittered};

/// Most failures that are kept.
const MOST_FAILURES: u64 = 10_000;
/// A document of this size counts as one of the documents that are kept, a larger one as
/// several.
const USUAL_SIZE: usize = 8 * 1024;

/// An inspector that can also say cheaply which document a reference stands for.
///
/// Implementations: the registry, a fake in tests.
pub trait TagInspector: Send + Sync {
    /// Inspects the one document that the reference names: its digest, else its tag.
    ///
    /// # Errors
    /// [`Unknown`] with the class of what went wrong.
    fn inspect<'a>(
        &'a self,
        image: &'a ImageReference,
        grant: &'a Grant,
    ) -> BoxFuture<'a, Result<Arc<Inspection>, Unknown>>;

    /// Asks for the digest alone (HEAD); `None` if the registry does not name it.
    ///
    /// # Errors
    /// [`Unknown`] with the class of what went wrong.
    fn resolve<'a>(
        &'a self,
        image: &'a ImageReference,
        grant: &'a Grant,
    ) -> BoxFuture<'a, Result<Option<Digest>, Unknown>>;

    /// Whether the registry counts documents that are fetched, so that the digest is asked
    /// for first.
    fn counts_documents(&self, image: &ImageReference) -> bool;
}

/// What an inspection ends with.
type Outcome = Result<Arc<Inspection>, Unknown>;

/// A cache around an inspector.
pub struct Cache<I> {
    shared: Arc<Shared<I>>,
}

impl<I> Clone for Cache<I> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

struct Shared<I> {
    inspector: I,
    statistics: Arc<Statistics>,
    fresh: Duration,
    documents: Bounded<Digest, Arc<Inspection>>,
    answers: Bounded<Key, Answer>,
    failures: Bounded<Key, Failure>,
    flights: Flights<Key, Outcome>,
}

#[derive(Clone)]
struct Answer {
    inspection: Arc<Inspection>,
    /// When a tag was last known to stand for this, and until when that counts as fresh.
    /// References by digest do not age.
    age: Option<Age>,
}

#[derive(Clone)]
struct Failure {
    unknown: Unknown,
    until: Instant,
}

impl<I: TagInspector + 'static> Cache<I> {
    /// A cache of at most about `digests` documents, whose tags count as `fresh` so long.
    pub fn new(inspector: I, digests: u64, fresh: Duration, statistics: Arc<Statistics>) -> Self {
        let documents = Bounded::builder()
            .weigher(|_, inspection: &Arc<Inspection>| weight(inspection))
            .max_capacity(digests)
            .build();
        let answers = Bounded::builder()
            .weigher(|_, answer: &Answer| weight(&answer.inspection))
            // Children are reached by digest, so a document has an answer or two.
            .max_capacity(digests.saturating_mul(2))
            .build();
        Self {
            shared: Arc::new(Shared {
                inspector,
                statistics,
                fresh,
                documents,
                answers,
                failures: Bounded::new(MOST_FAILURES),
                flights: Flights::default(),
            }),
        }
    }

    /// The answer if it is known, without waiting. A stale one is returned all the same,
    /// and asked for again in the background.
    pub fn cached(&self, image: &ImageReference, grant: &Grant) -> Option<Outcome> {
        let shared = &self.shared;
        let key: &dyn KeyParts = &(grant.identity(), image);
        let now = Instant::now();
        if let Some(answer) = shared.answers.get(key) {
            match &answer.age {
                Some(age) if age.is_stale(now) => {
                    if !age.may_be_served_stale(now) {
                        return None;
                    }
                    shared.statistics.served_stale();
                    self.refresh(&key.to_key(), grant);
                }
                _ => shared.statistics.hit(),
            }
            return Some(Ok(answer.inspection));
        }
        let failure = shared.failure(key, now)?;
        shared.statistics.hit();
        Some(Err(failure))
    }

    /// How many entries there are, by kind.
    pub fn entries(&self) -> [(&'static str, u64); 3] {
        [
            ("digest", self.shared.documents.entry_count()),
            ("answer", self.shared.answers.entry_count()),
            ("failure", self.shared.failures.entry_count()),
        ]
    }

    /// The inspector within.
    pub fn inspector(&self) -> &I {
        &self.shared.inspector
    }

    /// The counters of this cache and of the inspector within.
    pub fn statistics(&self) -> &Arc<Statistics> {
        &self.shared.statistics
    }

    /// Asks again in the background. Without a runtime there is nothing to run it on, and
    /// the next caller will.
    fn refresh(&self, key: &Key, grant: &Grant) {
        if Handle::try_current().is_ok() {
            let _running = self.flight(key, grant);
        }
    }

    fn flight(&self, key: &Key, grant: &Grant) -> Flight<Outcome> {
        let shared = &self.shared;
        let known = || shared.fresh_outcome(key);
        shared.flights.join(key.clone(), known, || {
            let (shared, key, grant) = (Arc::clone(shared), key.clone(), grant.clone());
            async move { shared.look_up(key, &grant).await }.boxed()
        })
    }

    /// The answer, asked for if it is not known.
    ///
    /// # Errors
    /// [`Unknown`] with the class of what went wrong.
    pub async fn inspect(&self, image: &ImageReference, grant: &Grant) -> Outcome {
        if let Some(known) = self.cached(image, grant) {
            return known;
        }
        self.shared.statistics.missed();
        let key: &dyn KeyParts = &(grant.identity(), image);
        let flight = self.flight(&key.to_key(), grant);
        let ended = || Unknown::new(Reason::Unreachable, "the look-up ended without an answer");
        flight.await.unwrap_or_else(|| Err(ended()))
    }
}

impl<I: TagInspector> Shared<I> {
    fn failure(&self, key: &dyn KeyParts, now: Instant) -> Option<Unknown> {
        let failure = self.failures.get(key)?;
        (now < failure.until).then_some(failure.unknown)
    }

    fn fresh_outcome(&self, key: &Key) -> Option<Outcome> {
        let now = Instant::now();
        let is_fresh = |answer: &Answer| answer.age.as_ref().is_none_or(|age| !age.is_stale(now));
        let answer = self.answers.get(key).filter(is_fresh);
        match answer {
            Some(answer) => Some(Ok(answer.inspection)),
            None => self.failure(key, now).map(Err),
        }
    }

    /// Finds out and remembers.
    async fn look_up(&self, key: Key, grant: &Grant) -> Outcome {
        let previous = self.answers.get(&key);
        let outcome = self.ask(&key.image, grant, previous.as_ref()).await;
        match &outcome {
            Ok(inspection) => self.remember(key, inspection),
            Err(unknown) => {
                if let Some(kept) = self.keep_previous(&key, previous, unknown) {
                    return Ok(kept);
                }
                self.answers.invalidate(&key);
                self.remember_failure(key, unknown);
            }
        }
        outcome
    }

    /// As few and as cheap requests as will do.
    async fn ask(
        &self,
        image: &ImageReference,
        grant: &Grant,
        previous: Option<&Answer>,
    ) -> Outcome {
        let asks_first = match image.digest() {
            // Somebody has seen the document: ask only whether this one may.
            Some(digest) => self.documents.contains_key(digest),
            None => previous.is_some() || self.inspector.counts_documents(image),
        };
        if !asks_first {
            return self.inspector.inspect(image, grant).await;
        }
        let Some(digest) = self.inspector.resolve(image, grant).await? else {
            return self.inspector.inspect(image, grant).await;
        };
        if let Some(known) = self.known_document(&digest, previous) {
            return Ok(known);
        }
        let by_digest = image.with_digest(digest);
        self.inspector.inspect(&by_digest, grant).await
    }

    fn known_document(
        &self,
        digest: &Digest,
        previous: Option<&Answer>,
    ) -> Option<Arc<Inspection>> {
        let same = previous.filter(|answer| answer.inspection.digest == *digest);
        same.map(|answer| Arc::clone(&answer.inspection))
            .or_else(|| self.documents.get(digest))
    }

    fn remember(&self, key: Key, inspection: &Arc<Inspection>) {
        self.documents
            .insert(inspection.digest.clone(), Arc::clone(inspection));
        self.failures.invalidate(&key);
        if key.image.digest().is_none() {
            let by_digest = Key {
                identity: key.identity,
                image: key.image.with_digest(inspection.digest.clone()),
            };
            self.answers.insert(by_digest, Answer::lasting(inspection));
            let answer = Answer {
                inspection: Arc::clone(inspection),
                age: Some(Age::new(jittered(self.fresh, &key))),
            };
            self.answers.insert(key, answer);
        } else {
            self.answers.insert(key, Answer::lasting(inspection));
        }
    }

    /// While a registry is down, what a tag last stood for is better than nothing.
    fn keep_previous(
        &self,
        key: &Key,
        previous: Option<Answer>,
        unknown: &Unknown,
    ) -> Option<Arc<Inspection>> {
        let mut answer = previous?;
        let age = answer.age.as_mut()?;
        if !is_passing(unknown.reason) || !age.may_outlive_failures(Instant::now()) {
            return None;
        }
        age.try_again_in(failure_lifetime(unknown.reason)?);
        self.answers.insert(key.clone(), answer.clone());
        Some(answer.inspection)
    }

    fn remember_failure(&self, key: Key, unknown: &Unknown) {
        let Some(lifetime) = failure_lifetime(unknown.reason) else {
            return;
        };
        let failure = Failure {
            unknown: unknown.clone(),
            until: Instant::now() + jittered(lifetime, &key),
        };
        self.failures.insert(key, failure);
    }
}

impl Answer {
    fn lasting(inspection: &Arc<Inspection>) -> Self {
        Self {
            inspection: Arc::clone(inspection),
            age: None,
        }
    }
}

/// One for a usual document, more for a large one.
fn weight(inspection: &Inspection) -> u32 {
    let platform = |platform: &crate::domain::platform::Platform| {
        let features: usize = platform
            .os_features
            .iter()
            .map(|feature| feature.len() + 24)
            .sum();
        platform.os.len() + platform.architecture.len() + platform.variant.len() + features + 192
    };
    let size = match &inspection.content {
        Content::Index(entries) => entries
            .iter()
            .map(|entry| 128 + entry.platform.as_deref().map_or(0, platform))
            .sum(),
        Content::Manifest(found) => platform(found),
        Content::Artifact => 0,
    };
    u32::try_from(1 + size / USUAL_SIZE).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
