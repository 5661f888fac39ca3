//! Answers that are kept, around an inspector.
//!
//! Three kinds. *Documents* by digest never change, and are bounded by size alone; all
//! share them. *Answers* say for one identity of credentials what a reference stands for: by
//! digest that it may be seen, by tag which document it is, for minutes. A document is
//! reached only through an answer of one's own, so what one may see never answers for
//! another. *Failures* are kept by class, for seconds to minutes.
//!
//! What anybody may know of that ([`contents`]) can outlive the process in a file ([`file`]),
//! which a [`writer`] writes.

pub mod contents;
pub mod file;
mod key;
mod lifetime;
mod lookup;
mod served;
mod weight;
pub mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use moka::sync::Cache as Bounded;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use super::error::absent;
use super::host::{HostClass, Hosts, LookupTarget};
use super::statistics::{LookupResult, Statistics};
use crate::credentials::{CredentialHash, LookupCredentials};
use crate::domain::inspection::{Inspection, Lookup};
use crate::domain::reference::{Digest, ImageReference};
use crate::domain::unknown::Unknown;
use crate::work::flight::{Absent, Flights, Joined};
use key::AnswerKey;
use lifetime::Age;
use served::KnownDocument;
pub use served::{RegistryId, Resolved, Served};
use weight::{size, units};

/// Most failures that are kept.
const MAX_FAILURES: u64 = 10_000;

/// Looks up what an image stands for at its target, with the credentials.
///
/// Implementations: the registry, a fake in tests.
pub trait TagInspector: Send + Sync {
    /// Inspects the one document that the reference names: its digest, else its tag.
    fn inspect<'a>(
        &'a self,
        image: &'a ImageReference,
        target: &'a LookupTarget<'a>,
        credentials: &'a LookupCredentials,
    ) -> BoxFuture<'a, Result<Served, Unknown>>;

    /// Asks for the digest alone (HEAD); `None` if the registry does not name it.
    fn resolve<'a>(
        &'a self,
        image: &'a ImageReference,
        target: &'a LookupTarget<'a>,
        credentials: &'a LookupCredentials,
    ) -> BoxFuture<'a, Result<Option<Resolved>, Unknown>>;

    /// A page of the tags of the image's repository.
    fn tags<'a>(
        &'a self,
        page: &'a TagPage<'a>,
        target: &'a LookupTarget<'a>,
        credentials: &'a LookupCredentials,
    ) -> BoxFuture<'a, Result<Vec<String>, Unknown>>;
}

/// Which tags are asked for.
pub struct TagPage<'a> {
    /// Any image of the repository.
    pub image: &'a ImageReference,
    /// The tag that the page begins after.
    pub after: Option<&'a str>,
}

/// What a look-up ends with.
pub(super) type LookupOutcome = Result<Lookup, Unknown>;

/// A cache around an inspector.
pub struct Cache<I> {
    inspector: I,
    hosts: Arc<Hosts>,
    statistics: Arc<Statistics>,
    fresh: Duration,
    documents: Bounded<Digest, KnownDocument>,
    answers: Bounded<AnswerKey, KeptAnswer>,
    failures: Bounded<AnswerKey, KeptFailure>,
    flights: Flights<AnswerKey, LookupOutcome>,
    changes: AnswerChanges,
}

/// How often answers changed, and how often they were confirmed.
#[derive(Default)]
struct AnswerChanges {
    new: AtomicU64,
    confirmed: AtomicU64,
}

#[derive(Clone)]
struct KeptAnswer {
    inspection: Arc<Inspection>,
    /// When a tag was last known to stand for this, and until when that counts as fresh.
    /// References by digest do not age.
    age: Option<Age>,
    /// Whether it was found without showing anything, so that anybody may know it.
    is_public: bool,
    host_class: HostClass,
}

#[derive(Clone)]
struct KeptFailure {
    unknown: Unknown,
    host_class: HostClass,
    asked: Instant,
    until: Instant,
}

impl<I: TagInspector + 'static> Cache<I> {
    /// A cache of at most `digests` documents of a usual size (2 KiB; a larger one counts as
    /// several), of twice as many answers, and whose tags count as `fresh` so long.
    pub(super) fn new(
        inspector: I,
        hosts: Arc<Hosts>,
        digests: u64,
        fresh: Duration,
        statistics: Arc<Statistics>,
    ) -> Arc<Self> {
        let documents = Bounded::builder()
            .weigher(|_, document: &KnownDocument| units(size(&document.inspection)))
            .max_capacity(digests)
            .build();
        let answers = Bounded::builder()
            // An answer may be the last to hold its document.
            .weigher(|key: &AnswerKey, answer: &KeptAnswer| {
                units(key.text_size() + size(&answer.inspection))
            })
            // Children are reached by digest, so a document has an answer or two.
            .max_capacity(digests.saturating_mul(2))
            .build();
        let failures = Bounded::builder()
            .weigher(|key: &AnswerKey, failure: &KeptFailure| {
                units(key.text_size() + failure.unknown.detail.len())
            })
            .max_capacity(MAX_FAILURES)
            .build();
        Arc::new(Self {
            inspector,
            hosts,
            statistics,
            fresh,
            documents,
            answers,
            failures,
            flights: Flights::default(),
            changes: AnswerChanges::default(),
        })
    }

    /// The answer for the identity if it is known, without waiting. A stale one is returned all
    /// the same, and asked for again in the background, with its credentials.
    pub(super) fn cached(
        self: &Arc<Self>,
        image: &ImageReference,
        identity: Option<CredentialHash>,
        credentials: impl FnOnce() -> LookupCredentials,
    ) -> Option<LookupOutcome> {
        let key = AnswerKey::new(identity, image);
        let now = Instant::now();
        if let Some(answer) = self.answers.get(&key) {
            let (result, message) = match &answer.age {
                Some(age) if age.is_stale(now) && !age.may_be_served_stale(now) => return None,
                Some(age) if age.is_stale(now) => {
                    self.refresh(&key, &credentials());
                    (LookupResult::Stale, "cache hit, stale and asked for again")
                }
                Some(age) if age.outdated(now).is_some() => {
                    (LookupResult::Stale, "cache hit, stale")
                }
                _ => (LookupResult::Hit, "cache hit"),
            };
            self.statistics.count_lookup(answer.host_class, result);
            tracing::debug!(%image, "{message}");
            return Some(Ok(answer.found(now)));
        }
        let failure = self.failure(&key, now)?;
        let (class, unknown) = (failure.host_class, failure.unknown);
        self.statistics.count_lookup(class, LookupResult::Hit);
        tracing::debug!(%image, reason = unknown.reason.name(), "cache hit");
        Some(Err(unknown))
    }

    /// What the image is known to stand for, without asking anybody, now or later. It may be as
    /// old as what a verdict rests on.
    pub(super) fn known(
        &self,
        image: &ImageReference,
        identity: Option<CredentialHash>,
    ) -> Option<Arc<Inspection>> {
        let answer = self.answers.get(&AnswerKey::new(identity, image))?;
        let now = Instant::now();
        let age = answer.age.as_ref();
        let is_usable = age.is_none_or(|age| age.may_be_served_stale(now));
        is_usable.then_some(answer.inspection)
    }

    /// The answer, asked for within the limit of the credentials if it is not known. Nobody
    /// else waits for it: others are not to fail by a limit that is not theirs.
    pub(super) async fn inspect_alone(
        &self,
        image: &ImageReference,
        credentials: &LookupCredentials,
    ) -> LookupOutcome {
        let key = AnswerKey::new(credentials.identity(), image);
        match self.fresh_outcome(&key) {
            Some(known) => known,
            None => self.look_up(key, credentials).await,
        }
    }

    /// A page of the repository's tags.
    pub(super) async fn tags(
        &self,
        page: &TagPage<'_>,
        credentials: &LookupCredentials,
    ) -> Result<Vec<String>, Unknown> {
        let target = self.hosts.target(page.image);
        self.inspector.tags(page, &target, credentials).await
    }

    /// How many entries there are, by kind.
    pub(super) fn entries(&self) -> [(&'static str, u64); 3] {
        self.documents.run_pending_tasks();
        self.answers.run_pending_tasks();
        self.failures.run_pending_tasks();
        [
            ("digest", self.documents.entry_count()),
            ("answer", self.answers.entry_count()),
            ("failure", self.failures.entry_count()),
        ]
    }

    /// The counters of this cache and of the inspector within.
    pub(super) fn statistics(&self) -> &Arc<Statistics> {
        &self.statistics
    }

    /// Asks again in the background. Without a runtime there is nothing to run it on, and
    /// the next caller will.
    fn refresh(self: &Arc<Self>, key: &AnswerKey, credentials: &LookupCredentials) {
        if Handle::try_current().is_ok() {
            let known = || self.fresh_outcome(key);
            let _running = self.flight(key, &credentials.in_background(), known);
        }
    }

    fn flight(
        self: &Arc<Self>,
        key: &AnswerKey,
        credentials: &LookupCredentials,
        known: impl FnOnce() -> Option<LookupOutcome>,
    ) -> Joined<LookupOutcome> {
        let start = |audience| {
            let credentials = credentials.for_audience(audience);
            let (cache, key) = (Arc::clone(self), key.clone());
            let span = tracing::debug_span!(parent: None, "look_up", image = %key.image);
            async move { cache.look_up(key, &credentials).await }
                .instrument(span)
                .boxed()
        };
        let audience = credentials.audience();
        self.flights.join_as(audience, key.clone(), known, start)
    }

    /// The answer, asked for if it is not known.
    pub(super) async fn inspect(
        self: &Arc<Self>,
        image: &ImageReference,
        credentials: &LookupCredentials,
    ) -> LookupOutcome {
        let identity = credentials.identity();
        if let Some(known) = self.cached(image, identity, || credentials.clone()) {
            return known;
        }
        let class = self.hosts.class(image.registry());
        self.statistics.count_lookup(class, LookupResult::Miss);
        tracing::debug!(%image, "cache miss");
        let key = AnswerKey::new(credentials.identity(), image);
        let flight = self.flight(&key, credentials, || self.fresh_outcome(&key));
        let found = flight.wait(credentials.audience()).await;
        found.unwrap_or_else(|why| self.without_outcome(&key, why))
    }

    /// The answer of a registry that was asked within the last 5 s: what it said before is
    /// asked for again. What could not be asked for by the deadline is as it was, and said to
    /// be old; the look-up goes on. What a digest names needs no asking.
    pub(super) async fn confirm(
        self: &Arc<Self>,
        image: &ImageReference,
        credentials: &LookupCredentials,
        deadline: Instant,
    ) -> LookupOutcome {
        let key = AnswerKey::new(credentials.identity(), image);
        if let Some(recent) = self.recent_outcome(&key) {
            return recent;
        }
        let flight = self.flight(&key, credentials, || self.recent_outcome(&key));
        match timeout_at(deadline, flight.wait(credentials.audience())).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(Absent::Ended)) => Err(absent(image.registry(), Absent::Ended)),
            Ok(Err(Absent::Late)) | Err(_) => self.unconfirmed(&key),
        }
    }

    /// Whether there is anything about the image, if only that it could not be found out.
    pub(super) fn knows(&self, image: &ImageReference, credentials: &LookupCredentials) -> bool {
        let key = AnswerKey::new(credentials.identity(), image);
        self.answers.contains_key(&key) || self.failure(&key, Instant::now()).is_some()
    }
}

impl KeptAnswer {
    fn found(self, now: Instant) -> Lookup {
        Lookup {
            outdated: self.age.and_then(|age| age.outdated(now)),
            inspection: self.inspection,
        }
    }
}

impl AnswerChanges {
    fn count(&self, is_known: bool) {
        let counter = if is_known { &self.confirmed } else { &self.new };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
