//! Answers that are kept, around an inspector.
//!
//! Three kinds. *Documents* by digest never change, and are bounded by size alone; all
//! share them. *Answers* say for one identity of credentials what a reference stands for: by
//! digest that it may be seen, by tag which document it is, for minutes. A document is
//! reached only through an answer of one's own, so what one may see never answers for
//! another. *Failures* are kept by class, for seconds to minutes.
//!
//! What anybody may know of that ([`contents`]) can outlive the process in a file ([`file`]),
//! which a [`keeper`] writes.

pub mod contents;
pub mod file;
pub mod keeper;
mod key;
mod lifetime;
mod weight;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use moka::sync::Cache as Bounded;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::credentials::identity::Identity;
use super::flight::{Flight, Flights};
use super::grant::Grant;
use super::host::HostClass;
use super::jitter::jittered;
use super::statistics::Statistics;
use crate::domain::inspection::{Found, Inspection};
use crate::domain::reference::{Digest, ImageReference};
use crate::domain::unknown::{Reason, Unknown};
use key::{Key, KeyParts};
use lifetime::{Age, failure_lifetime, is_passing};

/// Most failures that are kept.
const MOST_FAILURES: u64 = 10_000;

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

    /// Whether nobody's look-up of the image shows anything, unless a pod's secret does. An
    /// image that may not be asked for is not anonymous.
    fn is_anonymous(&self, image: &ImageReference) -> bool;

    /// Among which hosts the image's look-ups are counted.
    fn host_class(&self, image: &ImageReference) -> HostClass;
}

/// What a look-up ends with.
type Outcome = Result<Found, Unknown>;

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
    changes: Changes,
}

/// How often answers changed, and how often they were confirmed.
#[derive(Default)]
struct Changes {
    new: AtomicU64,
    confirmed: AtomicU64,
}

#[derive(Clone)]
struct Answer {
    inspection: Arc<Inspection>,
    /// When a tag was last known to stand for this, and until when that counts as fresh.
    /// References by digest do not age.
    age: Option<Age>,
    /// Whether it was found without showing anything, so that anybody may know it.
    is_public: bool,
    host_class: HostClass,
}

#[derive(Clone)]
struct Failure {
    unknown: Unknown,
    host_class: HostClass,
    until: Instant,
}

impl<I: TagInspector + 'static> Cache<I> {
    /// A cache of at most `digests` documents of a usual size (2 KiB; a larger one counts as
    /// several), of twice as many answers, and whose tags count as `fresh` so long.
    pub fn new(inspector: I, digests: u64, fresh: Duration, statistics: Arc<Statistics>) -> Self {
        let documents = Bounded::builder()
            .weigher(|_, inspection: &Arc<Inspection>| weight::of_document(inspection))
            .max_capacity(digests)
            .build();
        let answers = Bounded::builder()
            .weigher(|key, answer: &Answer| weight::of_answer(key, &answer.inspection))
            // Children are reached by digest, so a document has an answer or two.
            .max_capacity(digests.saturating_mul(2))
            .build();
        let failures = Bounded::builder()
            .weigher(|key, failure: &Failure| weight::of_failure(key, &failure.unknown))
            .max_capacity(MOST_FAILURES)
            .build();
        Self {
            shared: Arc::new(Shared {
                inspector,
                statistics,
                fresh,
                documents,
                answers,
                failures,
                flights: Flights::default(),
                changes: Changes::default(),
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
                    shared.statistics.served_stale(answer.host_class);
                    self.refresh(&key.to_key(), grant);
                }
                Some(age) if age.outdated(now).is_some() => {
                    shared.statistics.served_stale(answer.host_class);
                }
                _ => shared.statistics.hit(answer.host_class),
            }
            return Some(Ok(answer.found(now)));
        }
        let failure = shared.failure(key, now)?;
        shared.statistics.hit(failure.host_class);
        Some(Err(failure.unknown))
    }

    /// How many entries there are, by kind.
    pub fn entries(&self) -> [(&'static str, u64); 3] {
        self.shared.documents.run_pending_tasks();
        self.shared.answers.run_pending_tasks();
        self.shared.failures.run_pending_tasks();
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
            let _running = self.flight(key, &grant.in_background());
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
        let shared = &self.shared;
        let class = shared.inspector.host_class(image);
        shared.statistics.missed(class);
        let key: &dyn KeyParts = &(grant.identity(), image);
        let flight = self.flight(&key.to_key(), grant);
        let ended = || Unknown::new(Reason::Unreachable, "the look-up ended without an answer");
        flight.await.unwrap_or_else(|| Err(ended()))
    }
}

impl<I: TagInspector> Shared<I> {
    fn failure(&self, key: &dyn KeyParts, now: Instant) -> Option<Failure> {
        let failure = self.failures.get(key);
        failure.filter(|failure| now < failure.until)
    }

    fn fresh_outcome(&self, key: &Key) -> Option<Outcome> {
        let now = Instant::now();
        let is_fresh = |answer: &Answer| answer.age.as_ref().is_none_or(|age| !age.is_stale(now));
        let answer = self.answers.get(key).filter(is_fresh);
        match answer {
            Some(answer) => Some(Ok(answer.found(now))),
            None => self.failure(key, now).map(|failure| Err(failure.unknown)),
        }
    }

    /// Finds out and remembers.
    async fn look_up(&self, key: Key, grant: &Grant) -> Outcome {
        let previous = self.answers.get(&key);
        match self.ask(&key.image, grant, previous.as_ref()).await {
            Ok(inspection) => {
                let is_known =
                    previous.is_some_and(|known| known.inspection.digest == inspection.digest);
                self.changes.count(is_known);
                self.remember(key, &inspection);
                Ok(inspection.into())
            }
            Err(unknown) => {
                if let Some(kept) = self.keep_previous(&key, previous, &unknown) {
                    return Ok(kept);
                }
                if self.answers.remove(&key).is_some() {
                    self.changes.count(false);
                }
                self.remember_failure(key, &unknown);
                Err(unknown)
            }
        }
    }

    /// As few and as cheap requests as will do.
    async fn ask(
        &self,
        image: &ImageReference,
        grant: &Grant,
        previous: Option<&Answer>,
    ) -> Result<Arc<Inspection>, Unknown> {
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
        let shows_nothing = key.identity == Identity::Operator;
        let is_public = shows_nothing && self.inspector.is_anonymous(&key.image);
        let age = Age::new(jittered(self.fresh));
        self.insert(key, inspection, age, is_public);
    }

    /// A tag's answer also shows that its document may be seen.
    fn insert(&self, key: Key, inspection: &Arc<Inspection>, age: Age, is_public: bool) {
        let host_class = self.inspector.host_class(&key.image);
        let answer = |age| Answer {
            inspection: Arc::clone(inspection),
            age,
            is_public,
            host_class,
        };
        if key.image.digest().is_some() {
            self.answers.insert(key, answer(None));
            return;
        }
        let by_digest = Key {
            identity: key.identity,
            image: key.image.with_digest(inspection.digest.clone()),
        };
        self.answers.insert(by_digest, answer(None));
        self.answers.insert(key, answer(Some(age)));
    }

    /// While a registry is down, what a tag last stood for is better than nothing, and said
    /// to be old.
    fn keep_previous(
        &self,
        key: &Key,
        previous: Option<Answer>,
        unknown: &Unknown,
    ) -> Option<Found> {
        let now = Instant::now();
        let mut answer = previous?;
        let age = answer.age.as_mut()?;
        if !is_passing(unknown.reason) || !age.may_outlive_failures(now) {
            return None;
        }
        age.fail(unknown.reason, failure_lifetime(unknown.reason)?);
        self.answers.insert(key.clone(), answer.clone());
        Some(answer.found(now))
    }

    fn remember_failure(&self, key: Key, unknown: &Unknown) {
        let Some(lifetime) = failure_lifetime(unknown.reason) else {
            return;
        };
        let failure = Failure {
            unknown: unknown.clone(),
            host_class: self.inspector.host_class(&key.image),
            until: Instant::now() + jittered(lifetime),
        };
        self.failures.insert(key, failure);
    }
}

impl Answer {
    fn found(self, now: Instant) -> Found {
        Found {
            outdated: self.age.and_then(|age| age.outdated(now)),
            inspection: self.inspection,
        }
    }
}

impl Changes {
    fn count(&self, is_known: bool) {
        let counter = if is_known { &self.confirmed } else { &self.new };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
