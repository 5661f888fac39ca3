//! Keys of answers: who asks for which reference.
//!
//! A look-up borrows its key, so that a warm answer copies no strings.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};

use crate::credentials::identity::Identity;
use crate::domain::reference::ImageReference;

/// Who asks, and for which reference.
#[derive(Clone, Debug)]
pub(super) struct AnswerKey {
    pub(super) identity: Identity,
    pub(super) image: ImageReference,
}

impl AnswerKey {
    /// Bytes of its texts, which users choose the length of.
    pub(super) fn text_size(&self) -> usize {
        let image = &self.image;
        let tag = image.tag().unwrap_or_default();
        image.registry().len() + image.repository().len() + tag.len()
    }
}

/// A key, owned or borrowed. Beside a digest a tag does not count, since it decides nothing.
pub(super) trait KeyParts {
    fn identity(&self) -> Identity;
    fn image(&self) -> &ImageReference;
}

impl KeyParts for AnswerKey {
    fn identity(&self) -> Identity {
        self.identity
    }

    fn image(&self) -> &ImageReference {
        &self.image
    }
}

impl KeyParts for (Identity, &ImageReference) {
    fn identity(&self) -> Identity {
        self.0
    }

    fn image(&self) -> &ImageReference {
        self.1
    }
}

impl dyn KeyParts + '_ {
    pub(super) fn to_key(&self) -> AnswerKey {
        let image = self.image();
        AnswerKey {
            identity: self.identity(),
            image: match image.digest() {
                Some(digest) => image.with_digest(digest.clone()),
                None => image.clone(),
            },
        }
    }

    fn parts(&self) -> impl Hash + PartialEq {
        let image = self.image();
        let digest = image.digest();
        let tag = image.tag().filter(|_| digest.is_none());
        (
            self.identity(),
            image.registry(),
            image.repository(),
            digest,
            tag,
        )
    }
}

impl Hash for dyn KeyParts + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl PartialEq for dyn KeyParts + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for dyn KeyParts + '_ {}

impl Hash for AnswerKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self as &dyn KeyParts).hash(state);
    }
}

impl PartialEq for AnswerKey {
    fn eq(&self, other: &Self) -> bool {
        (self as &dyn KeyParts) == (other as &dyn KeyParts)
    }
}

impl Eq for AnswerKey {}

impl<'a> Borrow<dyn KeyParts + 'a> for AnswerKey {
    fn borrow(&self) -> &(dyn KeyParts + 'a) {
        self
    }
}
