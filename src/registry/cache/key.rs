//! Keys of answers: who asks for which reference. Making one copies no text.

use crate::credentials::CredentialHash;
use crate::domain::reference::ImageReference;

/// Who asks, and for which reference. Beside a digest a tag does not count, since it decides
/// nothing.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct AnswerKey {
    pub(super) identity: Option<CredentialHash>,
    pub(super) image: ImageReference,
}

impl AnswerKey {
    pub(super) fn new(identity: Option<CredentialHash>, image: &ImageReference) -> Self {
        Self {
            identity,
            image: match image.digest() {
                Some(digest) => image.with_digest(digest.clone()),
                None => image.clone(),
            },
        }
    }

    /// Bytes of its texts, which users choose the length of.
    pub(super) fn text_size(&self) -> usize {
        let image = &self.image;
        let tag = image.tag().unwrap_or_default();
        image.registry().len() + image.repository().len() + tag.len()
    }
}
