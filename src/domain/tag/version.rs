//! The version that a tag begins with.

use std::cmp::Ordering;
use std::fmt;

/// A number of more digits names a day or a build: its neighbours need not exist.
const MOST_COUNTED_DIGITS: usize = 5;
/// A list of tags begins so many patches before a version.
const LISTED_PATCHES: usize = 3;
/// `20260212` less this is a month before.
const A_MONTH: u64 = 100;
/// What comes after anything that follows a number in a tag.
const AFTER_ALL: char = 'z';

/// A version as tags spell it: `22.15.1`, `v3.7`, `8u504`, `21.0.3_9`, `3.15.0rc1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// `v`, or nothing.
    prefix: String,
    components: Vec<Component>,
    /// What follows the numbers, such as `rc1`: a prerelease.
    rest: String,
}

/// A number of a version with what stands before it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Component {
    separator: &'static str,
    /// As written: `02` is not `2`, and any length goes.
    digits: String,
}

impl Component {
    fn is_zero(&self) -> bool {
        self.digits.bytes().all(|digit| digit == b'0')
    }
}

/// What stands between the numbers of a version: `8u504` is update 504 of Java 8, and
/// `21.0.3_9` its build 9.
const SEPARATORS: [&str; 3] = [".", "_", "u"];

impl Version {
    /// Reads one word of a tag; none where it does not begin with a number.
    pub(super) fn parse(word: &str) -> Option<Self> {
        let (prefix, mut rest) = match word.strip_prefix(['v', 'V']) {
            Some(rest) => (&word[..1], rest),
            None => ("", word),
        };
        let mut components = Vec::new();
        let mut separator = "";
        loop {
            let (digits, after) = split_digits(rest);
            if digits.is_empty() {
                break;
            }
            components.push(Component {
                separator,
                digits: digits.to_owned(),
            });
            rest = after;
            let next = SEPARATORS.into_iter().find(|next| {
                let after = rest.strip_prefix(next);
                after.is_some_and(|after| after.starts_with(|next: char| next.is_ascii_digit()))
            });
            let Some(next) = next else { break };
            separator = next;
            rest = &rest[next.len()..];
        }
        (!components.is_empty()).then(|| Self {
            prefix: prefix.to_owned(),
            components,
            rest: rest.to_owned(),
        })
    }

    /// How many numbers it has.
    pub(super) fn len(&self) -> usize {
        self.components.len()
    }

    /// Whether more than numbers are in it.
    pub(super) fn is_prerelease(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Whether it names one build: three numbers, an update of Java, a day, a build number.
    pub(super) fn is_full(&self) -> bool {
        let is_build = |component: &Component| {
            component.separator == "u" || component.digits.len() > MOST_COUNTED_DIGITS
        };
        self.len() > 2 || self.components.iter().any(is_build)
    }

    /// The version without its last numbers, from `22.15` to `22` for `22.15.1`.
    pub(super) fn less_pinned(&self) -> impl Iterator<Item = Self> + '_ {
        (1..self.len()).rev().map(|length| Self {
            components: self.components[..length].to_vec(),
            ..self.clone()
        })
    }

    /// The versions just before it, newest first: one less in the last number that is not
    /// zero, with zeros after it. None for a prerelease, a day or a build number.
    pub(super) fn previous(&self) -> impl Iterator<Item = Self> + '_ {
        let mut components = self.components.iter();
        let place = components.rposition(|component| !component.is_zero());
        let place = place.filter(|_| !self.is_prerelease());
        let number = place.and_then(|place| {
            let digits = &self.components[place].digits;
            let number = (digits.len() <= MOST_COUNTED_DIGITS).then(|| digits.parse::<u32>());
            Some((place, number?.ok()?))
        });
        number.into_iter().flat_map(move |(place, number)| {
            (0..number).rev().map(move |lower| {
                let mut previous = self.clone();
                let digits = &mut previous.components[place].digits;
                *digits = match digits.starts_with('0') {
                    true => format!("{lower:0width$}", width = digits.len()),
                    false => lower.to_string(),
                };
                previous
            })
        })
    }

    /// What comes, in lexical order, just before the version before this one; a few patches
    /// earlier where patches are counted, and their numbers have as many digits.
    pub(super) fn just_before_previous(&self) -> Option<String> {
        let last = self.components.last()?;
        if last.digits.len() > MOST_COUNTED_DIGITS {
            return self.just_before_day();
        }
        let is_patch = self.len() > 2 && !last.is_zero();
        let count = if is_patch { LISTED_PATCHES } else { 1 };
        let mut previous = self
            .previous()
            .take(count)
            .map(|version| version.to_string());
        let newest = previous.next()?;
        let first = previous
            .take_while(|version| version.len() == newest.len())
            .last()
            .unwrap_or(newest);
        let (before, digit) = first.split_at(first.len() - 1);
        match digit.parse::<u8>().ok()?.checked_sub(1) {
            Some(lower) => Some(format!("{before}{lower}{AFTER_ALL}")),
            // `1.` is before `1.0`, and `1.z` before `10`.
            None if before.ends_with(|end: char| end.is_ascii_digit()) => {
                Some(format!("{before}.{AFTER_ALL}"))
            }
            None => Some(before.to_owned()),
        }
    }

    /// For a day or a build number: about a month before.
    fn just_before_day(&self) -> Option<String> {
        let mut before = self.clone();
        let digits = &mut before.components.last_mut()?.digits;
        let number = digits.parse::<u64>().ok()?.checked_sub(A_MONTH)?;
        let lower = number.to_string();
        let is_as_long = lower.len() == digits.len();
        *digits = lower;
        (is_as_long && !self.is_prerelease()).then(|| before.to_string())
    }

    /// Whether the other is written in the same way: prefix, number of numbers, separators.
    pub(super) fn is_spelled_like(&self, other: &Self) -> bool {
        let separators = |version: &Self| -> Vec<&str> {
            let components = version.components.iter();
            components.map(|component| component.separator).collect()
        };
        self.prefix == other.prefix && separators(self) == separators(other)
    }

    /// Number by number. A version comes after one that has the same numbers and fewer, and
    /// after its prereleases; these go by their text.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let numbers = |version: &Self| -> Vec<(usize, String)> {
            let components = version.components.iter();
            let digits = components.map(|component| component.digits.trim_start_matches('0'));
            // The longer of two numbers without leading zeros is the larger one.
            digits
                .map(|digits| (digits.len(), digits.to_owned()))
                .collect()
        };
        let stage = |version: &Self| (!version.is_prerelease(), version.rest.clone());
        numbers(self)
            .cmp(&numbers(other))
            .then_with(|| stage(self).cmp(&stage(other)))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.prefix)?;
        for component in &self.components {
            write!(formatter, "{}{}", component.separator, component.digits)?;
        }
        formatter.write_str(&self.rest)
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|character: char| !character.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

/// Whether a word of a tag says that the version is not released yet: `rc`, `beta2`,
/// `preview.1`, `M1`.
pub(super) fn is_prerelease_word(word: &str) -> bool {
    const WORDS: [&str; 10] = [
        "alpha", "beta", "dev", "ea", "nightly", "pre", "preview", "rc", "snapshot", "test",
    ];
    let word = word.to_ascii_lowercase();
    let number = |character: char| character.is_ascii_digit() || character == '.';
    let name = word.trim_end_matches(number);
    WORDS.contains(&name) || (name == "m" && name.len() < word.len())
}

/// Whether a word is the hash of a commit, whole or abbreviated: it is no version.
pub(super) fn is_commit_hash(word: &str) -> bool {
    let is_hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (7..=40).contains(&word.len())
        && word.bytes().all(is_hexadecimal)
        && !word.bytes().all(|byte| byte.is_ascii_digit())
}
