//! What a result says: the image, and nothing that changes while the finding is.
//!
//! The sentences of a finding count nodes and say why a registry did not answer. Here such a
//! word would be a write to the API server at each pass, and a notice to somebody.

use std::borrow::Cow;

use super::super::escape::visible_escapes;
use crate::domain::text::shortened;
use crate::findings::{Finding, Rule};

/// The longest text that is kept of what others wrote, in characters: a report object of many
/// results has to fit into the API server's store.
const MAX_TEXT_CHARACTERS: usize = 512;

/// How many names of one sort are listed.
const MAX_NAMES: usize = 8;

/// The message of a finding.
pub(super) fn message(finding: &Finding) -> String {
    let what = what(finding);
    match finding.containers.as_slice() {
        [] => what,
        [_] => format!("{what} (container {})", listed(&finding.containers)),
        _ => format!("{what} (containers {})", listed(&finding.containers)),
    }
}

fn what(finding: &Finding) -> String {
    let platforms = listed(&finding.platforms);
    let image = match &finding.image {
        Some(image) if image.is_empty() => "\"\"".into(),
        Some(image) => text(image),
        None => Cow::Borrowed("it"),
    };
    match finding.rule {
        Rule::MissingPlatform => format!("{image} has no {platforms} manifest"),
        Rule::StillPublishing => format!(
            "{image} has no {platforms} manifest yet, and it is published apart from it already"
        ),
        Rule::NotOffered => format!("{image} is not built for {platforms}"),
        Rule::Dropped => format!("{image} is no longer built for {platforms}"),
        Rule::BaseLacksPlatform => {
            format!("{image} has no {platforms} manifest, and its base image has none either")
        }
        Rule::WrongPlatform => format!("{image} is built for another platform than {platforms}"),
        Rule::InvalidImageName => {
            format!("{image} is refused by the kubelet, InvalidImageName")
        }
        Rule::CouldNotCheck if platforms.is_empty() => {
            format!("not everything of {image} could be checked")
        }
        Rule::CouldNotCheck => format!("{image} could not be checked for {platforms}"),
        Rule::NowhereToRun => "no node may run it".to_owned(),
        Rule::ChildMissing => {
            format!("{image} lists a manifest for {platforms} that its registry does not have")
        }
        Rule::EntryContradicts => format!(
            "{image} has an index entry for {platforms} that leads to an image for another platform"
        ),
        Rule::EmptyIndex => format!("{image} is published without any manifest"),
        Rule::PinnedToOnePlatform => {
            format!("{image} is pinned to the digest of one platform, and its tag has more")
        }
        Rule::NeedlessPin => {
            format!("{image} is kept off {platforms}, for which every image is published")
        }
        Rule::VersionSkew => {
            format!("{image} has another revision on {platforms} than on its other platforms")
        }
        Rule::PlatformLost => format!("{image} has lost {platforms}"),
        Rule::NoImages => "no container with an image".to_owned(),
    }
}

/// Text of others, with an end and without characters that are obeyed.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    match shortened(text, MAX_TEXT_CHARACTERS) {
        Cow::Borrowed(text) => match visible_escapes(text) {
            Cow::Borrowed(text) => Cow::Borrowed(text),
            Cow::Owned(text) => Cow::Owned(again(&text)),
        },
        Cow::Owned(text) => Cow::Owned(again(&visible_escapes(&text))),
    }
}

/// An escape is longer than what it stands for.
fn again(escaped: &str) -> String {
    shortened(escaped, MAX_TEXT_CHARACTERS).into_owned()
}

/// `a, b, c`, and how many more.
pub(super) fn listed(names: &[String]) -> String {
    let shown = names.iter().take(MAX_NAMES);
    let shown: Vec<Cow<'_, str>> = shown.map(|name| text(name)).collect();
    let list = shown.join(", ");
    let list = text(&list);
    match names.len().saturating_sub(MAX_NAMES) {
        0 => list.into_owned(),
        more => format!("{list} and {more} more"),
    }
}
