//! Tags of images: what they say of version and distribution, and which other tags of the
//! repository are worth asking for where one lacks a platform.
//!
//! Nothing obliges a tag to mean anything. What is read here are the conventions of Docker's
//! official images, which most others follow; a word that is not understood stays as it is.
//! Source: <https://github.com/docker-library/official-images#tags-and-aliases>

mod candidate;
mod distribution;
#[cfg(test)]
mod tests;
mod version;

use std::fmt;

use self::distribution::Distribution;
use self::version::{Version, is_commit_hash, is_prerelease_word};
use super::reference::is_tag;

pub use self::candidate::{Candidate, DistributionChange, TagChange};

/// So many entries of a list of tags are looked at.
const MOST_LISTED: usize = 10_000;
/// So many older tags are taken out of a list.
const MOST_OLDER: usize = 5;

/// A tag, taken apart. It is shown as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// What stands between the hyphens.
    words: Vec<String>,
    /// The version, where the tag begins with one.
    version: Option<Version>,
    distribution: Option<Distribution>,
}

/// Whether a tag stays with the image it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permanence {
    /// A full release, a day or a build: `22.15.1`, `8u504`, `20260112`.
    Fixed,
    /// It moves on with every release: `22`, `lts`, `latest`.
    Moving,
    /// Two numbers: `22.15` of node moves on with every patch, `17.2` of postgres is one.
    Open,
}

impl Tag {
    /// Takes a tag apart; none where the text cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        if !is_tag(text) {
            return None;
        }
        let words: Vec<String> = text.split('-').map(str::to_owned).collect();
        let version = words.first().filter(|word| !is_commit_hash(word));
        Some(Self {
            version: version.and_then(|word| Version::parse(word)),
            distribution: Distribution::find(&words),
            words,
        })
    }

    /// Whether the tag stays with the image it names, as far as it says so itself.
    pub fn permanence(&self) -> Permanence {
        let place = self.distribution.map_or(0..0, |own| own.start..own.end);
        let words = self.words.iter().enumerate();
        let words = words.filter(|(at, _)| !place.contains(at));
        let words: Vec<&String> = words.map(|(_, word)| word).collect();
        let versions = words.iter().filter_map(|word| Version::parse(word));
        let versions: Vec<Version> = versions.collect();
        if words.iter().any(|word| is_commit_hash(word)) || versions.iter().any(Version::is_full) {
            Permanence::Fixed
        } else if versions.iter().any(|version| version.len() > 1) {
            Permanence::Open
        } else {
            Permanence::Moving
        }
    }

    /// Other tags of the repository that may have what this one lacks, in the order in which
    /// they are worth asking for. Each has every word of this one that names no distribution;
    /// none is newer.
    pub fn candidates(&self) -> Vec<Candidate> {
        candidate::candidates(self)
    }

    /// The tags of a list that are this one in an older version, newest first, and the first
    /// few of them alone. What a registry lists is not trusted: what is no tag is passed over.
    pub fn older<'a>(&self, listed: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let Some(version) = self.counted_version() else {
            return Vec::new();
        };
        let listed = listed.into_iter().take(MOST_LISTED);
        let older = listed.filter_map(|text| {
            let tag = Self::parse(text)?;
            let other = tag.counted_version()?;
            let is_older = other.is_spelled_like(version)
                && other.compare(version).is_lt()
                && tag.words[1..] == self.words[1..];
            is_older.then(|| (other.clone(), text.to_owned()))
        });
        let mut older: Vec<(Version, String)> = older.collect();
        older.sort_by(|(one, one_text), (other, other_text)| {
            other.compare(one).then_with(|| one_text.cmp(other_text))
        });
        older.dedup_by(|(_, one), (_, other)| one == other);
        let newest = older.into_iter().map(|(_, text)| text);
        newest.take(MOST_OLDER).collect()
    }

    /// What to list the tags of the repository after (`last=`), so that a page in lexical
    /// order begins with the version before this one; none where there is no such version.
    pub fn list_after(&self) -> Option<String> {
        let after = self.counted_version()?.just_before_previous()?;
        is_tag(&after).then_some(after)
    }

    /// The version where it is that of a release: no prerelease, nor one of two versions
    /// (`17-3.5` is PostGIS 3.5 for PostgreSQL 17).
    fn released_version(&self) -> Option<&Version> {
        let is_prerelease = self.words.iter().any(|word| is_prerelease_word(word));
        let version = self.version.as_ref();
        let version = version.filter(|version| !version.is_prerelease());
        version.filter(|_| !is_prerelease && !self.has_two_versions())
    }

    /// The version where another release differs from it in the numbers alone, and not in a
    /// build as well (`8u502-b07`).
    fn counted_version(&self) -> Option<&Version> {
        self.released_version().filter(|_| !self.has_build())
    }

    /// How many words say the version.
    fn words_of_version(&self) -> usize {
        usize::from(self.version.is_some()) + usize::from(self.has_build())
    }

    /// Whether a second version follows the first.
    fn has_two_versions(&self) -> bool {
        let second = self.words.get(1).filter(|word| !is_commit_hash(word));
        self.version.is_some() && second.is_some_and(|word| Version::parse(word).is_some())
    }

    /// Whether the version has the build of a Java in a word of its own: `8u502-b07`.
    fn has_build(&self) -> bool {
        let build = self.words.get(1).and_then(|word| word.strip_prefix('b'));
        let is_number =
            |build: &str| !build.is_empty() && build.bytes().all(|byte| byte.is_ascii_digit());
        self.version.is_some() && build.is_some_and(is_number)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.words.join("-"))
    }
}
