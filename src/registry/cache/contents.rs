//! What of a cache may outlive its process.
//!
//! Documents by digest name no image, and are everybody's. Of the answers only those are
//! here that were found without showing anything: what a credential helped to find out ends
//! with the process, also under the operator's own credentials, which may change until the
//! next one starts.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::key::AnswerKey;
use super::lifetime::Age;
use super::served::KnownDocument;
use super::{Cache, TagInspector};
use crate::credentials::LookupCredentials;
use crate::domain::inspection::Inspection;
use crate::domain::reference::ImageReference;

/// Documents, and which public references stand for them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    /// The documents, each once.
    pub documents: Vec<Arc<Inspection>>,
    /// Which references stand for which of the documents.
    pub answers: Vec<PublicAnswer>,
}

/// What an image stands for that everybody may see.
#[derive(Clone, Debug, PartialEq)]
pub struct PublicAnswer {
    /// The reference: by digest, or by tag alone.
    pub image: ImageReference,
    /// What it stands for.
    pub inspection: Arc<Inspection>,
    /// When a registry last said so of a tag, in whole seconds; none by digest.
    pub confirmed: Option<SystemTime>,
}

/// How often something changed that [`Contents`] may have, to be compared with later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Generation {
    /// New answers, and lost ones.
    pub(super) new: u64,
    /// Tags that stand for what they stood for.
    pub(super) confirmed: u64,
}

impl<I: TagInspector + 'static> Cache<I> {
    /// What may outlive the process, when the wall clock shows `now`.
    pub fn contents(&self, now: SystemTime) -> Contents {
        let monotonic = Instant::now();
        let documents = &self.documents;
        // Growing would take twice as much.
        let [known, answered] = [documents.entry_count(), self.answers.entry_count()]
            .map(|count| usize::try_from(count).unwrap_or(0));
        let mut contents = Contents {
            documents: Vec::with_capacity(known),
            answers: Vec::with_capacity(answered),
        };
        let mut digests = HashSet::with_capacity(known);
        // Those of answers first: should not all of them fit, these can be used at once.
        for (key, answer) in &self.answers {
            if !answer.is_public {
                continue;
            }
            let inspection = answer.inspection;
            if digests.insert(inspection.digest.clone()) {
                contents.documents.push(Arc::clone(&inspection));
            }
            let age = answer.age.map(|age| age.since_confirmed(monotonic));
            contents.answers.push(PublicAnswer {
                image: key.image.clone(),
                inspection,
                confirmed: age.map(|age| now.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH)),
            });
        }
        let others = documents
            .iter()
            .filter(|(digest, _)| !digests.contains(&**digest));
        contents
            .documents
            .extend(others.map(|(_, document)| document.inspection));
        contents
    }

    /// Takes over what another process knew, when the wall clock shows `now`. Tags are stale:
    /// each is served as its age allows, and asked for behind that. What the configuration
    /// would no longer ask for without credentials, everybody's, is left out.
    pub(super) fn restore(
        &self,
        contents: Contents,
        everybody: &LookupCredentials,
        now: SystemTime,
    ) {
        for inspection in contents.documents {
            // Who served it is not in the file, so it has to be served again elsewhere than
            // where it was found.
            let document = KnownDocument::new(inspection);
            let digest = document.inspection.digest.clone();
            self.documents.insert(digest, document);
        }
        for answer in contents.answers {
            if !self.hosts.target(&answer.image).is_public_to(everybody) {
                continue;
            }
            // A time that is still to come shows a clock that jumped: as old as can be.
            let age = answer.confirmed.map_or(Duration::ZERO, |confirmed| {
                now.duration_since(confirmed).unwrap_or(Duration::MAX)
            });
            let Some(age) = Age::restored(age, self.fresh) else {
                continue;
            };
            let key = AnswerKey::new(None, &answer.image);
            self.insert(key, &answer.inspection, age, true);
        }
    }

    pub(super) fn edition(&self) -> Generation {
        let changes = &self.changes;
        Generation {
            new: changes.new.load(Ordering::Relaxed),
            confirmed: changes.confirmed.load(Ordering::Relaxed),
        }
    }
}
