//! One look-up behind the cache: as few and as cheap requests as will do, and what is kept of
//! what they say.

use std::sync::Arc;

use tokio::time::Instant;

use super::key::AnswerKey;
use super::lifetime::{Age, RECENT, failure_lifetime, is_passing};
use super::served::{KnownDocument, RegistryId, Resolved, Served};
use super::{Cache, KeptAnswer, KeptFailure, LookupOutcome, TagInspector};
use crate::credentials::LookupCredentials;
use crate::domain::inspection::{Inspection, Lookup};
use crate::domain::reference::{Digest, ImageReference};
use crate::domain::unknown::{Origin, Reason, Unknown};
use crate::registry::error::{absent, timeout};
use crate::registry::host::{Endpoint, LookupTarget};
use crate::registry::jitter::jittered;
use crate::registry::statistics::LookupResult;
use crate::work::flight::Absent;

impl<I: TagInspector> Cache<I> {
    pub(super) fn failure(&self, key: &AnswerKey, now: Instant) -> Option<KeptFailure> {
        let failure = self.failures.get(key);
        failure.filter(|failure| now < failure.until)
    }

    /// What was asked for just now, and what needs not be.
    pub(super) fn recent_outcome(&self, key: &AnswerKey) -> Option<LookupOutcome> {
        let now = Instant::now();
        if let Some(answer) = self.answers.get(key) {
            let is_recent = answer.age.as_ref().is_none_or(|age| age.is_recent(now));
            return is_recent.then(|| Ok(answer.found(now)));
        }
        let failure = self.failure(key, now)?;
        (now <= failure.asked + RECENT).then_some(Err(failure.unknown))
    }

    /// What is known, where there was no time to ask again.
    pub(super) fn unconfirmed(&self, key: &AnswerKey) -> LookupOutcome {
        let now = Instant::now();
        if let Some(answer) = self.answers.get(key) {
            let age = answer.age.as_ref();
            let outdated = age.map(|age| age.unconfirmed(now, Reason::Timeout));
            return Ok(Lookup {
                outdated,
                inspection: answer.inspection,
            });
        }
        let known = self.failures.get(key).map(|failure| failure.unknown);
        Err(known.unwrap_or_else(|| timeout(key.image.registry())))
    }

    pub(super) fn fresh_outcome(&self, key: &AnswerKey) -> Option<LookupOutcome> {
        let now = Instant::now();
        let is_fresh =
            |answer: &KeptAnswer| answer.age.as_ref().is_none_or(|age| !age.is_stale(now));
        let answer = self.answers.get(key).filter(is_fresh);
        match answer {
            Some(answer) => Some(Ok(answer.found(now))),
            None => self.failure(key, now).map(|failure| Err(failure.unknown)),
        }
    }

    /// Finds out and remembers.
    pub(super) async fn look_up(
        &self,
        key: AnswerKey,
        credentials: &LookupCredentials,
    ) -> LookupOutcome {
        let previous = self.answers.get(&key);
        let target = self.hosts.target(&key.image);
        let asked = self.ask(&key.image, &target, credentials, previous.as_ref());
        match asked.await {
            Ok(document) => {
                let inspection = Arc::clone(&document.inspection);
                let is_known =
                    previous.is_some_and(|known| known.inspection.digest == inspection.digest);
                self.changes.count(is_known);
                tracing::debug!(digest = %inspection.digest, "look-up answered");
                self.remember(key, document, target.is_public_to(credentials));
                Ok(inspection.into())
            }
            Err(unknown) => {
                tracing::debug!(reason = unknown.reason.name(), error = %unknown.detail, "look-up failed");
                if unknown.origin == Origin::Budget {
                    self.statistics
                        .count_lookup(target.class, LookupResult::Limited);
                }
                if let Some(kept) = self.keep_previous(&key, previous, &unknown) {
                    return Ok(kept);
                }
                let unknown = unknown.told();
                if unknown.origin == Origin::Budget {
                    return Err(unknown);
                }
                if self.answers.remove(&key).is_some() {
                    self.changes.count(false);
                }
                self.remember_failure(key, &unknown);
                Err(unknown)
            }
        }
    }

    /// The look-up has no answer for those who wait.
    pub(super) fn without_outcome(&self, key: &AnswerKey, why: Absent) -> LookupOutcome {
        let unknown = absent(key.image.registry(), why);
        let kept = self.keep_previous(key, self.answers.get(key), &unknown);
        kept.ok_or(unknown)
    }

    /// As few and as cheap requests as will do.
    async fn ask(
        &self,
        image: &ImageReference,
        target: &LookupTarget<'_>,
        credentials: &LookupCredentials,
        previous: Option<&KeptAnswer>,
    ) -> Result<KnownDocument, Unknown> {
        let asks_first = match image.digest() {
            // It was seen there: ask only whether this one may see it.
            Some(digest) => self.is_proven_without_body(target, digest),
            None => previous.is_some() || target.counts_documents,
        };
        if !asks_first {
            return self.fetch(image, target, credentials).await;
        }
        let resolved = self.inspector.resolve(image, target, credentials);
        let Some(resolved) = resolved.await? else {
            return self.fetch(image, target, credentials).await;
        };
        if let Some(known) = self.known_document(&resolved, previous) {
            return Ok(known);
        }
        let by_digest = image.with_digest(resolved.digest);
        self.fetch(&by_digest, target, credentials).await
    }

    /// Whether each registry that may be asked has served the document.
    fn is_proven_without_body(&self, target: &LookupTarget<'_>, digest: &Digest) -> bool {
        self.documents.get(digest).is_some_and(|document| {
            let urls = target.endpoints.iter().map(Endpoint::url);
            let mut registries = urls.flatten().map(|url| RegistryId::of(&url)).peekable();
            registries.peek().is_some() && registries.all(|id| document.was_served_by(id))
        })
    }

    /// What a registry names, where that is a proof: it has served the bytes, or this very
    /// reference stood for them before.
    fn known_document(
        &self,
        resolved: &Resolved,
        previous: Option<&KeptAnswer>,
    ) -> Option<KnownDocument> {
        let known = self.documents.get(&resolved.digest);
        let same = previous.filter(|answer| answer.inspection.digest == resolved.digest);
        match (known, same) {
            (Some(known), _) if known.was_served_by(resolved.by) => Some(known),
            (Some(known), Some(_)) => Some(known),
            (None, Some(same)) => Some(KnownDocument::new(Arc::clone(&same.inspection))),
            (_, None) => None,
        }
    }

    async fn fetch(
        &self,
        image: &ImageReference,
        target: &LookupTarget<'_>,
        credentials: &LookupCredentials,
    ) -> Result<KnownDocument, Unknown> {
        let served = self.inspector.inspect(image, target, credentials);
        let Served { inspection, by } = served.await?;
        let known = self.documents.get(&inspection.digest);
        let document = known.unwrap_or_else(|| KnownDocument::new(inspection));
        Ok(document.served_by(by))
    }

    fn remember(&self, key: AnswerKey, document: KnownDocument, is_public: bool) {
        let inspection = Arc::clone(&document.inspection);
        self.documents.insert(inspection.digest.clone(), document);
        self.failures.invalidate(&key);
        let age = Age::new(jittered(self.fresh));
        self.insert(key, &inspection, age, is_public);
    }

    /// A tag's answer also shows that its document may be seen.
    pub(super) fn insert(
        &self,
        key: AnswerKey,
        inspection: &Arc<Inspection>,
        age: Age,
        is_public: bool,
    ) {
        let host_class = self.hosts.class(key.image.registry());
        let answer = |age| KeptAnswer {
            inspection: Arc::clone(inspection),
            age,
            is_public,
            host_class,
        };
        if key.image.digest().is_some() {
            self.answers.insert(key, answer(None));
            return;
        }
        let by_digest = AnswerKey {
            identity: key.identity,
            image: key.image.with_digest(inspection.digest.clone()),
        };
        self.answers.insert(by_digest, answer(None));
        self.answers.insert(key, answer(Some(age)));
    }

    /// While a registry is down, what a tag last stood for is better than nothing, and said
    /// to be old. Of our own budget nothing is remembered: the next one asks again.
    fn keep_previous(
        &self,
        key: &AnswerKey,
        previous: Option<KeptAnswer>,
        unknown: &Unknown,
    ) -> Option<Lookup> {
        let now = Instant::now();
        let mut answer = previous?;
        let age = answer.age.as_mut()?;
        if !is_passing(unknown.reason) || !age.may_outlive_failures(now) {
            return None;
        }
        let told = unknown.clone().told().reason;
        age.fail(told, failure_lifetime(told)?);
        if unknown.origin != Origin::Budget {
            self.answers.insert(key.clone(), answer.clone());
        }
        Some(answer.found(now))
    }

    fn remember_failure(&self, key: AnswerKey, unknown: &Unknown) {
        let Some(lifetime) = failure_lifetime(unknown.reason) else {
            return;
        };
        let asked = Instant::now();
        let failure = KeptFailure {
            unknown: unknown.clone(),
            host_class: self.hosts.class(key.image.registry()),
            asked,
            until: asked + jittered(lifetime),
        };
        self.failures.insert(key, failure);
    }
}
