//! What the cache knows to be there instead: a review asks for nothing beyond its images.

use crate::checker::ImageInspector;
use crate::domain::access::Access;
use crate::domain::advice::Suggestion;
use crate::domain::candidates::CandidatePlatform;
use crate::domain::tag::Tag;
use crate::domain::verdict::ImageVerdict;

use super::search::AskedImage;

/// The best other tag that is known already to have every platform. Nobody is asked for it.
pub fn known(
    inspector: &dyn ImageInspector,
    image: &ImageVerdict,
    platforms: &[CandidatePlatform],
    access: &Access,
) -> Option<Suggestion> {
    let asked = AskedImage::of(image, platforms)?;
    if asked.reference.digest().is_some() {
        return None;
    }
    let tag = Tag::parse(asked.reference.tag()?)?;
    let mut candidates = tag.candidates().into_iter();
    candidates.find_map(|candidate| {
        let image = asked.reference.with_tag(&candidate.tag)?;
        let found = inspector.known(&image, access)?;
        asked
            .is_served_by(&found)
            .then(|| asked.suggestion(candidate, &found))
    })
}
