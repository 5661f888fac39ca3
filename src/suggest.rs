//! What to use instead of an image that lacks a platform, and whether the platform is on its
//! way.
//!
//! Other tags are made out of the asked one ([`domain::tag`]) and asked for one after the
//! other ([`search`]): none is guessed, each is inspected for every platform. Docker's official
//! images say more of themselves ([`publication`]). All of it costs a few requests, which are
//! counted where they are sent ([`RequestLimit`]); a review makes none of them and shows what
//! the cache has ([`known`]).
//!
//! [`domain::tag`]: crate::domain::tag

mod known;
mod official;
mod publication;
#[cfg(test)]
pub(crate) mod samples;
mod search;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;

use self::search::{AskedImage, TagSearch};
use crate::domain::access::Access;
use crate::domain::advice::Advice;
use crate::domain::candidates::CandidatePlatform;
use crate::domain::inspection::Inspection;
use crate::domain::node::NodePlatform;
use crate::domain::reference::ImageReference;
use crate::domain::unknown::Unknown;
use crate::domain::verdict::{ImageVerdict, Verdict};
use crate::work::limit::RequestLimit;

pub use self::known::known;
pub use self::official::{Maintained, parse_maintained};

/// How many requests are made for one image, beyond its own look-up.
pub const MAX_REQUESTS: usize = 8;

/// How many images of one registry are searched for at the same time: as many as requests run
/// at once by default.
const MAX_SEARCHES: usize = 8;

/// Registries, as suggestions ask them.
pub trait TagRegistry: Send + Sync {
    /// The one document that the reference names, within the limit.
    ///
    /// # Errors
    /// [`Unknown`] with the class of what went wrong; of reason `rate-limited` where the limit
    /// is used up.
    fn look_up<'a>(
        &'a self,
        image: &'a ImageReference,
        access: &'a Access,
        limit: &'a RequestLimit,
    ) -> BoxFuture<'a, Result<Arc<Inspection>, Unknown>>;

    /// A page of the tags of the image's repository, from this one on, within the limit.
    ///
    /// # Errors
    /// As [`TagRegistry::look_up`].
    fn tags<'a>(
        &'a self,
        image: &'a ImageReference,
        after: Option<&'a str>,
        access: &'a Access,
        limit: &'a RequestLimit,
    ) -> BoxFuture<'a, Result<Vec<String>, Unknown>>;
}

/// The list that the maintainers of Docker's official images keep.
pub trait Maintainers: Send + Sync {
    /// The tags of a repository, such as `node`, and what each is meant to have; none where
    /// that cannot be found out.
    fn tags<'a>(&'a self, repository: &'a str) -> BoxFuture<'a, Option<Vec<Maintained>>>;
}

/// Finds out what to use instead of images, each once.
pub struct Advisor {
    registry: Arc<dyn TagRegistry>,
    maintainers: Option<Arc<dyn Maintainers>>,
    /// In seconds since 1970.
    now: u64,
    turns: Mutex<HashMap<String, Arc<Semaphore>>>,
    known: Mutex<HashMap<AdviceFor, Arc<OnceCell<Arc<Advice>>>>>,
}

/// What advice is for.
#[derive(Clone, PartialEq, Eq, Hash)]
struct AdviceFor {
    image: String,
    access: Access,
    wanted: Vec<Arc<NodePlatform>>,
}

impl Advisor {
    /// One that asks this registry; the time is in seconds since 1970.
    pub fn new(
        registry: Arc<dyn TagRegistry>,
        maintainers: Option<Arc<dyn Maintainers>>,
        now: u64,
    ) -> Self {
        Self {
            registry,
            maintainers,
            now,
            turns: Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// What to use instead of an image on these platforms; none where it lacks nothing. What
    /// cannot be found out by the deadline is left out.
    pub async fn advise(
        &self,
        image: &ImageVerdict,
        platforms: &[CandidatePlatform],
        access: &Access,
        deadline: Instant,
    ) -> Option<Arc<Advice>> {
        let asked = AskedImage::of(image, platforms)?;
        let question = AdviceFor {
            image: asked.text.to_owned(),
            access: access.clone(),
            wanted: asked.wanted.clone(),
        };
        let known = Arc::clone(self.known.lock().entry(question).or_default());
        let advice = known.get_or_init(|| async {
            // A few at a time: nobody waits for suggestions as urgently as for verdicts.
            let turn = self.turn(asked.reference.registry());
            let _turn = turn.acquire().await;
            let search = TagSearch::new(self, &asked, access, deadline);
            Arc::new(search.run().await)
        });
        Some(Arc::clone(advice.await))
    }

    /// Adds what to use instead to each image of a verdict that lacks something.
    pub async fn advise_on(&self, verdict: &mut Verdict, access: &Access, deadline: Instant) {
        let platforms = &verdict.candidates.platforms;
        for image in &mut verdict.images {
            image.advice = self.advise(image, platforms, access, deadline).await;
        }
    }

    fn turn(&self, registry: &str) -> Arc<Semaphore> {
        let mut turns = self.turns.lock();
        let turn = turns.entry(registry.to_owned());
        Arc::clone(turn.or_insert_with(|| Arc::new(Semaphore::new(MAX_SEARCHES))))
    }
}
