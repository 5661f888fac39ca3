//! Whether waiting for a platform helps, and which digest to pin.
//!
//! A build that fails and one that goes on look the same from outside: no sentence says that
//! anything is being made.

use super::nodes::counted;
use super::sentences::{MAX_NAMED, Sentences};
use super::suggestion::suggestion;
use crate::domain::advice::{Evidence, Publication, PublicationState, Suggestion};
use crate::domain::platform::Platform;
use crate::domain::reference::ImageReference;
use crate::domain::text::{printable, visible};

/// Whether waiting for platforms of an image helps.
pub(crate) fn publication(
    image: &str,
    state: PublicationState,
    platforms: &[String],
    first: Option<&Suggestion>,
) -> Sentences {
    let image = visible(image);
    let platforms = counted(platforms.iter().cloned(), MAX_NAMED);
    let instead = first.map(suggestion);
    let (what, why, next) = match state {
        PublicationState::StillPublishing => (
            format!("{image} is not published for {platforms} yet"),
            "official images are published for each architecture apart, and put together into \
             the tag later",
            match instead {
                Some(instead) => format!("wait for the tag, or use {instead} meanwhile"),
                None => "wait for the tag".to_owned(),
            },
        ),
        PublicationState::NotOffered => (
            format!("{image} is not offered for {platforms}"),
            "nothing under this tag is published for the platform, so waiting does not help",
            match instead {
                Some(instead) => format!("use {instead}"),
                None => "use another image".to_owned(),
            },
        ),
        PublicationState::Dropped => (
            format!("{image} is no longer published for {platforms}"),
            "what is published apart for the platform is of another revision than the tag, so \
             waiting does not help",
            match instead {
                Some(instead) => format!("use {instead}"),
                None => "use the last version that has the platform, or another image".to_owned(),
            },
        ),
        PublicationState::BaseLacksPlatform => (
            format!("{image} is made from an image that lacks {platforms}"),
            "no image has a platform that its base lacks",
            match instead {
                Some(instead) => format!("use {instead}"),
                None => "use an image that is made from another base".to_owned(),
            },
        ),
    };
    Sentences {
        what,
        why: why.to_owned(),
        next,
    }
}

/// What decided, a sentence each.
pub(crate) fn evidence(publication: &Publication) -> impl Iterator<Item = String> {
    publication.evidence.iter().map(|evidence| match evidence {
        Evidence::SameRevision { image, revision } => format!(
            "{} is there, of the same revision as the tag ({})",
            short(image),
            printable(revision)
        ),
        Evidence::OtherRevision {
            image,
            revision,
            current,
        } => format!(
            "{} is of revision {}, the tag of {}",
            short(image),
            printable(revision),
            printable(current)
        ),
        Evidence::Apart {
            image,
            is_certain: true,
        } => format!("{} is not there", short(image)),
        Evidence::Apart { image, .. } => format!(
            "{} is not there, as a mirror says: docker.io itself could not be asked",
            short(image)
        ),
        Evidence::Sibling { image } => format!("{} has the platform", visible(image)),
        Evidence::Base { image, platforms } => {
            let names = platforms.iter().map(Platform::to_string);
            format!(
                "its base {} has {}",
                short(image),
                counted(names, MAX_NAMED)
            )
        }
        Evidence::Maintainers {
            repository,
            has_architecture,
        } => {
            let names = match has_architecture {
                true => "names the platform for the tag",
                false => "does not name the platform for the tag",
            };
            format!("the maintainers' list of {} {names}", printable(repository))
        }
    })
}

/// The digest is that of one platform alone.
pub(crate) fn pinned_to_one_platform(image: &str, by: &str, platforms: &[String]) -> Sentences {
    let platforms = counted(platforms.iter().cloned(), MAX_NAMED);
    let image = visible(image);
    Sentences {
        what: format!("{image} is pinned to one platform, and {by} has {platforms} as well"),
        why: "an index and each of its manifests have digests of their own, and this is that of \
              a manifest"
            .to_owned(),
        next: "pin the digest of the index".to_owned(),
    }
}

/// The name as people write it: official images without their registry.
fn short(image: &ImageReference) -> String {
    let text = image.to_string();
    let name = text.strip_prefix("docker.io/").unwrap_or(&text);
    printable(name.strip_prefix("library/").unwrap_or(name))
}
