//! The one use case: may this workload run everywhere it may be scheduled?

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::domain::inspection::Inspection;
use crate::domain::reference::ImageReference;
use crate::domain::unknown::Unknown;

/// Whose credentials a look-up uses.
///
/// Answers are proven per access: what one access may see never answers for another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Access {
    /// The operator's own docker config, anonymous where it has nothing for the image.
    #[default]
    Operator,
}

/// Finds out what a registry says of an image.
///
/// Implementations: the registry, the cache around another inspector, a fake in tests.
pub trait ImageInspector: Send + Sync {
    /// Inspects the one document that the reference names: its digest, else its tag.
    ///
    /// # Errors
    /// [`Unknown`] with the class of what went wrong.
    fn inspect<'a>(
        &'a self,
        image: &'a ImageReference,
        access: &'a Access,
    ) -> BoxFuture<'a, Result<Arc<Inspection>, Unknown>>;

    /// The same answer if it can be given at once, without waiting: caches know some.
    fn cached(
        &self,
        _image: &ImageReference,
        _access: &Access,
    ) -> Option<Result<Arc<Inspection>, Unknown>> {
        None
    }
}
