//! Other tags that are worth asking for, made out of one.

use std::collections::HashSet;
use std::iter;

use serde::{Deserialize, Serialize};
use strum::{Display, IntoStaticStr};

use super::distribution::{ADDED, Distribution};
use super::version::{Version, is_commit_hash};
use super::{Tag, is_tag};

/// So many candidates a tag has at most.
const MOST_CANDIDATES: usize = 40;
/// So many of Alpine's releases are asked for before the C library changes. An image that lacks
/// a platform on one of them mostly lacks it on all, and each one asked for costs requests.
const FIRST_ALPINES: usize = 1;
/// So many previous versions are asked for.
const PREVIOUS_VERSIONS: usize = 3;
/// What stands for the distribution of a tag that names none.
const DEFAULT_DISTRIBUTION: &str = "default";
/// The word of images with less in them, beside which a distribution stands on either side.
const SLIM: &str = "slim";

/// In what a suggested tag differs from the one that was asked for.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Display,
    IntoStaticStr,
    Serialize,
    Deserialize,
)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum TagChange {
    /// The version is spelled with fewer numbers, and the rest is the same.
    Spelling,
    /// The distribution differs.
    Flavour,
    /// The version is an older one.
    Older,
    /// The same tag, in the repository of one architecture.
    PerArch,
}

/// Another tag, and what it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// A valid tag.
    pub tag: String,
    /// The kind of difference.
    pub change: TagChange,
    /// Whether the C library changes from musl to glibc.
    pub changes_libc: bool,
    /// Whether fewer numbers of the version are named, so that the tag moves on sooner.
    pub is_less_pinned: bool,
    /// The distributions, where they differ.
    pub distribution: Option<DistributionChange>,
}

/// From which distribution to which: the words of the tags, `default` where a tag has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistributionChange {
    /// That of the tag that was asked for.
    pub from: String,
    /// That of the candidate.
    pub to: String,
}

/// Another tag in words, and what they change.
#[derive(Clone)]
struct Respelled {
    words: Vec<String>,
    candidate: Candidate,
}

/// The candidates of a tag, in the order in which they are worth asking for: those that keep
/// the version come first, and those that mostly do not exist come last.
pub(super) fn candidates(tag: &Tag) -> Vec<Candidate> {
    let asked = Respelled::of(tag.words.clone(), TagChange::Spelling);
    let is_musl = tag.distribution.is_some_and(|own| own.family.is_musl);
    let mut first = siblings(tag);
    let further = first.split_off(match is_musl {
        true => first.len().min(FIRST_ALPINES),
        false => first.len(),
    });
    let other_libc = with_other_libc(tag);
    let mut last = further;
    last.extend(other_libc.iter().flat_map(|other| added(other, ADDED[0])));
    last.extend(first.iter().flat_map(|sibling| less_pinned(tag, sibling)));

    let mut all = first;
    all.extend(other_libc);
    all.extend(less_pinned(tag, &asked));
    // Words alone name the newest version. A tag of a distribution and nothing more is asked
    // for all the same before older versions: an old distribution has no new ones.
    let words_alone = words_alone(tag, asked);
    match tag.distribution {
        Some(_) => all.extend(words_alone.into_iter().chain(previous(tag))),
        None => all.extend(previous(tag).into_iter().chain(words_alone)),
    }
    all.extend(last);

    let mut seen = HashSet::from([tag.to_string()]);
    let candidates = all.into_iter().map(Respelled::finish);
    candidates
        .filter(|candidate| is_tag(&candidate.tag) && seen.insert(candidate.tag.clone()))
        .take(MOST_CANDIDATES)
        .collect()
}

/// The same version and words on other releases of the distribution; on a named distribution
/// where the tag has none.
fn siblings(tag: &Tag) -> Vec<Respelled> {
    match &tag.distribution {
        // Where a tag begins with a distribution, that is what the image is.
        Some(own) if own.start == 0 => Vec::new(),
        Some(own) => {
            let siblings = own.siblings(&tag.words).into_iter();
            siblings
                .map(|sibling| replaced(tag, own, Some(&sibling), &sibling))
                .collect()
        }
        None if is_extensible(tag) => {
            let asked = Respelled::of(tag.words.clone(), TagChange::Flavour);
            let added = ADDED.into_iter().flat_map(|to| added(&asked, to));
            added.collect()
        }
        None => Vec::new(),
    }
}

/// Whether a distribution can be added to the tag. The hash of a commit names one build, and
/// `latest` has no other words: a distribution alone would be in its place. Of official images,
/// `trixie` is the same image as `latest` wherever both exist, and `bookworm` of debian another
/// product.
fn is_extensible(tag: &Tag) -> bool {
    let is_hash = tag.words.iter().any(|word| is_commit_hash(word));
    let is_latest = matches!(&tag.words[..], [word] if word == "latest");
    !is_hash && !is_latest
}

/// The tag with a distribution at its end; before `-slim`, too, since both are in use.
fn added(respelled: &Respelled, to: &str) -> Vec<Respelled> {
    let last = respelled.words.len();
    let before_slim = (last > 1 && respelled.words[last - 1] == SLIM).then(|| last - 1);
    let places = before_slim.into_iter().chain([last]);
    let all = places.map(|place| {
        let mut added = respelled.clone();
        added.words.insert(place, to.to_owned());
        let from = respelled.candidate.distribution.as_ref();
        let from = from.map_or(DEFAULT_DISTRIBUTION, |change| &change.from);
        added.with_distribution(from, to)
    });
    all.collect()
}

/// The tag with another word where its distribution stands, or none.
fn replaced(tag: &Tag, own: &Distribution, word: Option<&str>, to: &str) -> Respelled {
    let from = tag.words[own.start..own.end].join("-");
    let mut words = tag.words.clone();
    words.splice(own.start..own.end, word.map(str::to_owned));
    Respelled::of(words, TagChange::Flavour).with_distribution(&from, to)
}

/// From Alpine, the images with glibc: the slim one, which is nearest in size, and the plain
/// one.
fn with_other_libc(tag: &Tag) -> Vec<Respelled> {
    let own = tag.distribution.as_ref();
    let Some(own) = own.filter(|own| own.family.is_musl && own.start > 0) else {
        return Vec::new();
    };
    let slim = (!tag.words.iter().any(|word| word == SLIM)).then_some(SLIM);
    let words = slim.map(Some).into_iter().chain([None]);
    let all = words.map(|word| {
        let mut respelled = replaced(tag, own, word, DEFAULT_DISTRIBUTION);
        respelled.candidate.changes_libc = true;
        respelled
    });
    all.collect()
}

/// The tag with fewer and fewer numbers of the version.
fn less_pinned(tag: &Tag, respelled: &Respelled) -> Vec<Respelled> {
    let version = tag.released_version();
    let shorter = version.into_iter().flat_map(Version::less_pinned);
    let words = respelled.words.iter().skip(tag.words_of_version());
    let all = shorter.map(|version| {
        let version = version.to_string();
        let words = iter::once(version).chain(words.clone().cloned());
        respelled.clone().less_pinned_to(words.collect())
    });
    all.collect()
}

/// The tag without its version, where that leaves any words.
fn words_alone(tag: &Tag, respelled: Respelled) -> Option<Respelled> {
    tag.released_version()?;
    let words = tag.words.get(tag.words_of_version()..)?;
    (!words.is_empty()).then(|| respelled.less_pinned_to(words.to_vec()))
}

/// The same words with the versions before this one.
fn previous(tag: &Tag) -> Vec<Respelled> {
    let version = tag.counted_version();
    let previous = version.into_iter().flat_map(Version::previous);
    let all = previous.take(PREVIOUS_VERSIONS).map(|version| {
        let mut words = tag.words.clone();
        words[0] = version.to_string();
        Respelled::of(words, TagChange::Older)
    });
    all.collect()
}

impl Candidate {
    /// A tag that changes nothing else.
    pub fn new(tag: String, change: TagChange) -> Self {
        Self {
            tag,
            change,
            changes_libc: false,
            is_less_pinned: false,
            distribution: None,
        }
    }
}

impl Respelled {
    fn of(words: Vec<String>, change: TagChange) -> Self {
        let candidate = Candidate::new(String::new(), change);
        Self { words, candidate }
    }

    fn less_pinned_to(mut self, words: Vec<String>) -> Self {
        self.words = words;
        self.candidate.is_less_pinned = true;
        self
    }

    fn with_distribution(mut self, from: &str, to: &str) -> Self {
        self.candidate.distribution = Some(DistributionChange {
            from: from.to_owned(),
            to: to.to_owned(),
        });
        self
    }

    fn finish(self) -> Candidate {
        Candidate {
            tag: self.words.join("-"),
            ..self.candidate
        }
    }
}
