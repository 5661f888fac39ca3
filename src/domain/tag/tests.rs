//! What tags say, and which others are made of them. The official images' own tags, with the
//! architectures they are meant for, play the registry (`tests/data/official-tags.json`).

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};

use proptest::prelude::*;

use super::candidate::TagChange::{Flavour, Older, Spelling};
use super::*;
use crate::suggest::samples::{SUGGESTIONS, official};

fn tag(text: &str) -> Tag {
    Tag::parse(text).unwrap_or_else(|| panic!("{text} is a tag"))
}

fn candidates(text: &str) -> Vec<String> {
    let candidates = tag(text).candidates().into_iter();
    candidates.map(|candidate| candidate.tag).collect()
}

#[test]
fn what_is_no_tag_is_refused() {
    let longest = "a".repeat(128);
    for text in ["22", "22.15-slim", "_", "a--b", "a-", "V1", "1.", &longest] {
        assert_eq!(tag(text).to_string(), text);
    }
    let too_long = "a".repeat(129);
    for text in [
        "",
        "-1",
        ".1",
        "a b",
        "a/b",
        "a:b",
        "a@b",
        "a+b",
        "é",
        "a\n",
        "a\u{202e}",
        &too_long,
    ] {
        assert_eq!(Tag::parse(text), None, "{text:?}");
    }
}

#[test]
fn a_tag_says_whether_it_moves() {
    for (text, expected) in [
        ("22.15.1", Permanence::Fixed),
        ("v3.7.11", Permanence::Fixed),
        ("22.15.1-alpine3.22", Permanence::Fixed),
        ("1.2.3.4", Permanence::Fixed),
        ("3.15.0rc1-trixie", Permanence::Fixed),
        ("8u504-al2", Permanence::Fixed),
        ("8u502-b07-jdk", Permanence::Fixed),
        ("20260112", Permanence::Fixed),
        ("bookworm-20260803-slim", Permanence::Fixed),
        ("devel-20260817", Permanence::Fixed),
        ("psmdb-8.0.29", Permanence::Fixed),
        ("3.11-7.3.23-slim", Permanence::Fixed),
        ("3f2a9c1", Permanence::Fixed),
        ("sha-3f2a9c1", Permanence::Fixed),
        ("22.15", Permanence::Open),
        ("17.2-bookworm", Permanence::Open),
        ("17-3.5", Permanence::Open),
        ("8.6-rc", Permanence::Open),
        ("22", Permanence::Moving),
        ("v3", Permanence::Moving),
        ("22-alpine3.22", Permanence::Moving),
        ("8-jdk-alpine-3.22", Permanence::Moving),
        ("3-debian12", Permanence::Moving),
        ("latest", Permanence::Moving),
        ("lts-bookworm", Permanence::Moving),
        ("stable", Permanence::Moving),
        ("mainline-alpine", Permanence::Moving),
        ("bookworm-slim", Permanence::Moving),
        ("python3.13-trixie", Permanence::Moving),
    ] {
        assert_eq!(tag(text).permanence(), expected, "{text}");
    }
}

#[test]
fn candidates_keep_the_version_first() {
    let table: &[(&str, &[&str])] = &[
        ("22", &["22-trixie", "22-bookworm", "21", "20", "19"]),
        (
            "22-slim",
            &[
                "22-trixie-slim",
                "22-slim-trixie",
                "22-bookworm-slim",
                "22-slim-bookworm",
                "21-slim",
                "20-slim",
                "19-slim",
                "slim",
            ],
        ),
        (
            "22.15-bullseye-slim",
            &[
                "22.15-trixie-slim",
                "22.15-bookworm-slim",
                "22-bullseye-slim",
                "bullseye-slim",
                "22.14-bullseye-slim",
                "22.13-bullseye-slim",
                "22.12-bullseye-slim",
                "22-trixie-slim",
                "22-bookworm-slim",
            ],
        ),
        (
            "22.15.1-alpine3.22",
            &[
                "22.15.1-alpine",
                "22.15.1-slim",
                "22.15.1",
                "22.15-alpine3.22",
                "22-alpine3.22",
                "alpine3.22",
                "22.15.0-alpine3.22",
                "22.15.1-alpine3.23",
                "22.15.1-alpine3.24",
                "22.15.1-alpine3.21",
                "22.15.1-trixie-slim",
                "22.15.1-slim-trixie",
                "22.15.1-trixie",
                "22.15-alpine",
                "22-alpine",
            ],
        ),
        ("lts", &["lts-trixie", "lts-bookworm"]),
        ("lts-bookworm", &["lts-trixie", "lts-bullseye"]),
        // Every other word stays, wherever it stands.
        (
            "8.4-fpm-bookworm",
            &[
                "8.4-fpm-trixie",
                "8.4-fpm-bullseye",
                "8-fpm-bookworm",
                "fpm-bookworm",
                "8.3-fpm-bookworm",
                "8.2-fpm-bookworm",
                "8.1-fpm-bookworm",
                "8-fpm-trixie",
                "8-fpm-bullseye",
            ],
        ),
        ("13.0-resolute-rc", &["13.0-noble-rc", "13.0-jammy-rc"]),
        (
            "17.0.20-al2-native-jdk",
            &[
                "17.0.20-al2023-native-jdk",
                "17.0-al2-native-jdk",
                "17-al2-native-jdk",
                "al2-native-jdk",
                "17.0.19-al2-native-jdk",
                "17.0.18-al2-native-jdk",
                "17.0.17-al2-native-jdk",
                "17.0-al2023-native-jdk",
                "17-al2023-native-jdk",
            ],
        ),
        (
            "8u502-b07-jdk-ubi9-minimal",
            &[
                "8u502-b07-jdk-ubi10-minimal",
                "8u502-b07-jdk-ubi8-minimal",
                "8u502-b07-jdk-ubi-minimal",
                "8-jdk-ubi9-minimal",
                "jdk-ubi9-minimal",
                "8-jdk-ubi10-minimal",
                "8-jdk-ubi8-minimal",
                "8-jdk-ubi-minimal",
            ],
        ),
        // The version is not the first word: of clojure, it is that of Java.
        (
            "temurin-21-tools-deps-1.12-bookworm",
            &[
                "temurin-21-tools-deps-1.12-trixie",
                "temurin-21-tools-deps-1.12-bullseye",
            ],
        ),
        // Two versions: one alone says nothing.
        (
            "17-3.5-alpine",
            &[
                "17-3.5-alpine3.23",
                "17-3.5-slim",
                "17-3.5",
                "17-3.5-alpine3.22",
                "17-3.5-alpine3.24",
                "17-3.5-alpine3.21",
                "17-3.5-trixie-slim",
                "17-3.5-slim-trixie",
                "17-3.5-trixie",
            ],
        ),
        // A prerelease is kept, and has nothing before it.
        (
            "3.15.0rc1-trixie",
            &["3.15.0rc1-bookworm", "3.15.0rc1-bullseye"],
        ),
        (
            "2.0-preview.1",
            &["2.0-preview.1-trixie", "2.0-preview.1-bookworm"],
        ),
        (
            "11.0.0-M1-jre25-noble",
            &["11.0.0-M1-jre25-resolute", "11.0.0-M1-jre25-jammy"],
        ),
        // The distribution is the image.
        ("bookworm", &[]),
        ("noble-20260112", &[]),
        ("bookworm-20260112-slim", &[]),
        // The default image, and builds that have no other.
        ("latest", &[]),
        ("3f2a9c1", &[]),
        ("sha-3f2a9c1", &[]),
        // Nothing of Linux is a sibling of Windows.
        (
            "2.11-windowsservercore-ltsc2025",
            &[
                "2-windowsservercore-ltsc2025",
                "windowsservercore-ltsc2025",
                "2.10-windowsservercore-ltsc2025",
                "2.9-windowsservercore-ltsc2025",
                "2.8-windowsservercore-ltsc2025",
            ],
        ),
    ];
    for (text, expected) in table {
        assert_eq!(candidates(text), *expected, "{text}");
    }
}

#[test]
fn previous_versions_are_spelled_alike() {
    for (text, expected) in [
        ("22.15.3", &["22.15.2", "22.15.1", "22.15.0"][..]),
        ("22.15.10", &["22.15.9", "22.15.8", "22.15.7"]),
        ("22.15.0", &["22.14.0", "22.13.0", "22.12.0"]),
        ("v3.7.1-x", &["v3.7.0-x"]),
        ("1.02", &["1.01", "1.00"]),
        ("8u504-al2", &["8u503-al2", "8u502-al2", "8u501-al2"]),
        (
            "21.0.3_9-jdk",
            &["21.0.3_8-jdk", "21.0.3_7-jdk", "21.0.3_6-jdk"],
        ),
        ("1.2.3.4", &["1.2.3.3", "1.2.3.2", "1.2.3.1"]),
        ("0", &[]),
        ("0.0.0", &[]),
        ("20260112", &[]),
        ("99999999999999999999999999", &[]),
        ("22.15.3rc1", &[]),
        ("22.15-beta2", &[]),
        ("8u502-b07-jdk", &[]),
        ("3f2a9c1", &[]),
        ("lts", &[]),
    ] {
        let all = tag(text).candidates().into_iter();
        let older = all.filter(|candidate| candidate.change == Older);
        let older: Vec<String> = older.map(|candidate| candidate.tag).collect();
        assert_eq!(older, expected, "{text}");
    }
}

#[test]
fn a_candidate_says_what_it_changes() {
    let say = |candidate: Candidate| {
        let distribution = candidate.distribution;
        let distribution = distribution.map(|change| (change.from, change.to));
        let flags = (candidate.changes_libc, candidate.is_less_pinned);
        (candidate.tag, (candidate.change, flags, distribution))
    };
    let between = |from: &str, to: &str| Some((from.to_owned(), to.to_owned()));
    for (text, other, expected) in [
        (
            "22",
            "22-trixie",
            (Flavour, (false, false), between("default", "trixie")),
        ),
        (
            "22.1-noble",
            "22.1-jammy",
            (Flavour, (false, false), between("noble", "jammy")),
        ),
        ("22.1-noble", "22-noble", (Spelling, (false, true), None)),
        (
            "22.1-noble",
            "22-jammy",
            (Flavour, (false, true), between("noble", "jammy")),
        ),
        ("22.1-noble", "noble", (Spelling, (false, true), None)),
        ("22.1-noble", "22.0-noble", (Older, (false, false), None)),
        (
            "8-jre-alpine-3.22",
            "8-jre",
            (Flavour, (true, false), between("alpine-3.22", "default")),
        ),
        (
            "8-alpine",
            "8-slim",
            (Flavour, (true, false), between("alpine", "default")),
        ),
        (
            "8-alpine",
            "8-trixie",
            (Flavour, (true, false), between("alpine", "trixie")),
        ),
        (
            "8-alpine",
            "8-alpine3.23",
            (Flavour, (false, false), between("alpine", "alpine3.23")),
        ),
    ] {
        let all: HashMap<_, _> = tag(text).candidates().into_iter().map(say).collect();
        assert_eq!(all.get(other), Some(&expected), "{text} to {other}");
    }
    let names = [Spelling, Flavour, Older, TagChange::PerArch].map(|change| change.to_string());
    assert_eq!(names, ["spelling", "flavour", "older", "per-arch"]);
}

/// The classes of Renovate's versioning of Docker tags, whose rule of what is comparable is
/// ours: the same suffix, and as many numbers.
/// Source: <https://github.com/renovatebot/renovate/blob/main/lib/modules/versioning/docker/readme.md>
#[test]
fn older_tags_of_a_list_have_the_same_words_and_as_many_numbers() {
    let table: &[(&str, &[&str], &[&str])] = &[
        (
            "22.15.3",
            &["22.15.2", "22.15.4", "22.15", "22"],
            &["22.15.2"],
        ),
        ("3.7", &["3.6.1", "3.6", "3", "3.10"], &["3.6"]),
        (
            "22.15.3-slim",
            &["22.15.2", "22.15.1-slim", "22.15.2-slim-x"],
            &["22.15.1-slim"],
        ),
        // By number, and not by letter.
        (
            "1.10.0",
            &["1.9.0", "1.2.0", "1.8.0", "1.11.0"],
            &["1.9.0", "1.8.0", "1.2.0"],
        ),
        ("8", &["9", "7", "10", "08"], &["7"]),
        (
            "1.0.0.5",
            &["1.0.0.4", "1.0.0", "0.9.9.9"],
            &["1.0.0.4", "0.9.9.9"],
        ),
        ("v1.2", &["1.1", "v1.1", "V1.1"], &["v1.1"]),
        ("8u504-jdk", &["8u502-jdk", "8.502-jdk"], &["8u502-jdk"]),
        (
            "20260112",
            &["20260111", "20250101", "20270101"],
            &["20260111", "20250101"],
        ),
        // Prereleases and hashes are no older releases, and have none.
        (
            "3.7.0",
            &["3.7.0b1", "3.6.0rc1", "3.6.0-rc1", "3.6.0"],
            &["3.6.0"],
        ),
        ("3.7.0b1", &["3.7.0b0", "3.6.0"], &[]),
        ("9999999", &["1234567", "0a1b2c3", "deadbee"], &["1234567"]),
        ("deadbee", &["1234567", "22"], &[]),
        ("latest", &["22", "stable"], &[]),
        ("17-3.5", &["17-3.4", "16-3.5"], &[]),
        // Each once, however often it is listed, and the newest few.
        (
            "9",
            &["1", "2", "3", "4", "5", "6", "7", "8", "8"],
            &["8", "7", "6", "5", "4"],
        ),
        (
            "3",
            &["", "-", "2\n", "2 ", "../2", "2:2", "\u{202e}2"],
            &[],
        ),
    ];
    for (text, listed, expected) in table {
        assert_eq!(tag(text).older(listed.iter().copied()), *expected, "{text}");
    }
}

#[test]
fn a_list_without_end_is_read_in_part() {
    let endless = std::iter::repeat("1");
    assert_eq!(tag("2").older(endless), ["1"]);
}

#[test]
fn a_list_begins_just_before_the_versions_before() {
    for (text, before, after) in [
        // What the page shall begin after, and with.
        ("22", "20.19.4-slim", "21"),
        ("20", "18.9-slim", "19"),
        ("21", "2.9-alpine", "20"),
        ("11", "1.9.9-slim", "10"),
        ("22.15", "22.13.9-slim", "22.14"),
        ("22.15.3", "22.15-slim", "22.15.0"),
        ("22.15.3-slim", "22.15-slim", "22.15.0-slim"),
        ("22.15.12", "22.15.1-slim", "22.15.10"),
        ("22.15.10", "22.15.6-slim", "22.15.7"),
        ("22.15.0", "22.14-slim", "22.14.0"),
        ("v3.7.9", "v3.7.5-slim", "v3.7.6"),
        ("21.0.3_9-jdk", "21.0.3_5-jdk", "21.0.3_6-jdk"),
        ("20260312", "20260211", "20260213"),
    ] {
        let last = tag(text).list_after().unwrap();
        assert!(before < &last[..], "{text}: {before} comes before {last}");
        assert!(&last[..] < after, "{text}: {last} comes before {after}");
        assert!(Tag::parse(&last).is_some(), "{text}: {last} is a tag");
    }
    for text in [
        "latest",
        "0",
        "3f2a9c1",
        "3.7.0b1",
        "temurin-21",
        "17-3.5",
        "1-rc",
    ] {
        assert_eq!(tag(text).list_after(), None, "{text}");
    }
}

/// Every request that suggestions for an image may cost.
const BUDGET: usize = 8;

/// The first candidate with the architecture, and what it cost to find: a request for each tag
/// that does not exist, and two for each that does.
fn suggestion(
    tags: &HashMap<String, HashSet<String>>,
    text: &str,
    architecture: &str,
) -> Option<(Candidate, usize)> {
    let mut cost = 0;
    for candidate in tag(text).candidates() {
        let found = tags.get(&candidate.tag);
        cost += if found.is_some() { 2 } else { 1 };
        if cost > BUDGET {
            return None;
        }
        if found.is_some_and(|found| found.contains(architecture)) {
            return Some((candidate, cost));
        }
    }
    None
}

#[test]
fn official_images_have_the_suggestion_that_they_should() {
    let official = official();
    for (repository, text, architecture, expected) in SUGGESTIONS {
        let tags = &official[*repository];
        assert!(
            !tags[*text].contains(*architecture),
            "{repository}:{text} lacks it"
        );
        let found = suggestion(tags, text, architecture);
        let found = found.map(|(candidate, _)| candidate.tag);
        assert_eq!(
            found.as_deref(),
            *expected,
            "{repository}:{text} on {architecture}"
        );
    }
}

/// What a tag says of features and vendors, read apart from the program: its words without
/// versions and without distributions.
fn features(text: &str) -> Vec<&str> {
    const DISTRIBUTIONS: [&str; 8] = [
        "trixie", "bookworm", "bullseye", "resolute", "noble", "jammy", "slim", "alpine",
    ];
    let is_feature = |word: &&str| {
        let name = word.trim_end_matches(|end: char| end.is_ascii_digit() || end == '.');
        let is_version = name.is_empty()
            || word
                .trim_start_matches('v')
                .starts_with(|first: char| first.is_ascii_digit())
            || name == "b";
        !is_version && !DISTRIBUTIONS.contains(&name) && !matches!(name, "ubi" | "al")
    };
    text.split('-').filter(is_feature).collect()
}

#[test]
fn no_suggestion_changes_a_feature_or_a_vendor() {
    let mut counted: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for (repository, tags) in &official() {
        for architecture in ["arm64v8", "ppc64le", "s390x"] {
            let is_lacking = |has: &HashSet<String>| {
                !has.contains(architecture) && !has.iter().all(|own| own.starts_with("windows"))
            };
            let is_offered = tags.values().any(|has| has.contains(architecture));
            let lacking = tags.iter().filter(|(_, has)| is_offered && is_lacking(has));
            for (text, _) in lacking {
                let found = suggestion(tags, text, architecture);
                if let Some((candidate, _)) = &found {
                    let name = format!("{repository}:{text} to {}", candidate.tag);
                    assert_eq!(features(text), features(&candidate.tag), "{name}");
                    let is_musl = |text: &str| text.contains("alpine");
                    let changes_libc = is_musl(text) != is_musl(&candidate.tag);
                    assert_eq!(candidate.changes_libc, changes_libc, "{name}");
                }
                let class = match found {
                    Some((candidate, _)) if candidate.changes_libc => "libc".to_owned(),
                    Some((candidate, _)) => candidate.change.to_string(),
                    None => "none".to_owned(),
                };
                *counted.entry((architecture, class)).or_default() += 1;
            }
        }
    }
    let counted = counted
        .iter()
        .map(|((architecture, class), count)| format!("{architecture} {class} {count}"));
    // Fewer found are a loss, and more a reason to look at what they are.
    let expected = [
        "arm64v8 libc 138",
        "arm64v8 none 17",
        "ppc64le flavour 96",
        "ppc64le libc 332",
        "ppc64le none 339",
        "ppc64le older 1",
        "s390x flavour 234",
        "s390x libc 273",
        "s390x none 529",
        "s390x older 2",
        "s390x spelling 2",
    ];
    assert_eq!(counted.collect::<Vec<_>>(), expected);
}

#[test]
fn a_sibling_on_debian_is_the_first_that_is_asked_for() {
    let asked = |has: &[(&str, bool)], text: &str| {
        let tags = has.iter().map(|(tag, is_there)| {
            let architectures = is_there.then(|| "arm64".to_owned());
            ((*tag).to_owned(), architectures.into_iter().collect())
        });
        let found = suggestion(&tags.collect(), text, "arm64");
        found.map(|(candidate, cost)| (candidate.tag, cost))
    };
    let found = asked(&[("22", false), ("22-trixie", true), ("21", true)], "22");
    assert_eq!(found, Some(("22-trixie".to_owned(), 2)));
    let has = [
        ("22.15-bullseye-slim", false),
        ("22-bullseye-slim", false),
        ("bullseye-slim", true),
    ];
    let found = asked(&has, "22.15-bullseye-slim");
    assert_eq!(found, Some(("bullseye-slim".to_owned(), 6)));
    let found = asked(&[("1.2.3-slim", false), ("1.2.2-slim", true)], "1.2.3-slim");
    assert_eq!(found, Some(("1.2.2-slim".to_owned(), 8)));
}

/// Tags of the usual form: a version, and words in any order.
fn usual() -> impl Strategy<Value = String> {
    let version = "(v?[0-9]{1,3}([._u][0-9]{1,3}){0,3}((rc|beta)[0-9])?|lts|[0-9a-f]{7})";
    let word = "(slim|fpm|jdk17|trixie|bookworm|noble|alpine|alpine3\\.22|alpine-3\\.22|ubi9|al2|rc1|b07|3\\.5|[a-z0-9._]{1,8})";
    (version, proptest::collection::vec(word, 0..5)).prop_map(|(version, words)| {
        let words = words.into_iter();
        let words: Vec<String> = std::iter::once(version).chain(words).collect();
        words.join("-")
    })
}

fn version() -> impl Strategy<Value = Version> {
    "v?[0-9]{1,3}([._u][0-9]{1,2}){0,3}(rc[0-9]|b)?".prop_map(|text| Version::parse(&text).unwrap())
}

/// The version that a tag begins with.
fn version_of(text: &str) -> Option<Version> {
    tag(text).version
}

proptest! {
    #[test]
    fn a_tag_is_shown_as_it_was_read(text in "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}") {
        prop_assert_eq!(tag(&text).to_string(), text);
    }

    #[test]
    fn a_version_is_shown_as_it_was_read(text in "[vV]?[0-9][A-Za-z0-9_.]{0,40}") {
        prop_assert_eq!(Version::parse(&text).unwrap().to_string(), text);
    }

    #[test]
    fn any_text_is_judged(text in "\\PC{0,50}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for text in [text, String::from_utf8_lossy(&bytes).into_owned()] {
            if let Some(tag) = Tag::parse(&text) {
                let _ = (tag.permanence(), tag.candidates(), tag.list_after());
            }
            prop_assert!(tag("9.9.9").older([&text[..]]).len() < 2);
        }
    }

    #[test]
    fn candidates_are_valid_and_never_newer(text in prop_oneof![usual(), "[A-Za-z0-9_][a-z0-9_.-]{0,127}"]) {
        let asked = tag(&text);
        let candidates = asked.candidates();
        let distinct: HashSet<&str> = candidates.iter().map(|candidate| &candidate.tag[..]).collect();
        prop_assert_eq!(distinct.len(), candidates.len());
        prop_assert!(candidates.len() <= 40 && !distinct.contains(&text[..]));
        for candidate in &candidates {
            let other = tag(&candidate.tag);
            let Some(own) = &asked.version else { continue };
            match version_of(&candidate.tag) {
                // The words alone, the first of which may have a number.
                _ if candidate.is_less_pinned && other.words.len() < asked.words.len() => {}
                Some(version) => {
                    prop_assert_ne!(version.compare(own), Ordering::Greater, "{} to {}", text, candidate.tag);
                    prop_assert_eq!(version.compare(own).is_lt(), candidate.is_less_pinned || candidate.change == Older);
                }
                None => prop_assert!(false, "{} to {}", text, candidate.tag),
            }
        }
    }

    #[test]
    fn words_that_name_no_distribution_stay(text in usual()) {
        let features = |tag: &Tag| {
            let place = tag.distribution.map_or(0..0, |own| own.start..own.end);
            let words = tag.words.iter().enumerate().skip(tag.words_of_version());
            let words = words.filter(|(at, word)| !place.contains(at) && *word != "slim");
            words.map(|(_, word)| word.clone()).collect::<Vec<_>>()
        };
        let asked = tag(&text);
        for candidate in asked.candidates() {
            let slim = |text: &str| text.split('-').filter(|word| *word == "slim").count();
            prop_assert!(candidate.changes_libc || slim(&candidate.tag) == slim(&text));
            let other: HashSet<&str> = candidate.tag.split('-').collect();
            for feature in features(&asked) {
                prop_assert!(other.contains(&feature[..]), "{} to {}", text, candidate.tag);
            }
        }
    }

    #[test]
    fn older_tags_are_older(text in usual(), listed in proptest::collection::vec(usual(), 0..40)) {
        let listed = listed.iter().map(|text| &text[..]);
        let own = version_of(&text);
        for older in tag(&text).older(listed.chain(["0", "1.0", "1.0.0-slim"])) {
            let other = version_of(&older);
            let (Some(own), Some(other)) = (&own, other) else {
                return Err(TestCaseError::fail("older without a version"));
            };
            prop_assert!(other.compare(own).is_lt() && other.len() == own.len());
        }
    }

    #[test]
    fn a_list_begins_before_the_previous_version(text in usual()) {
        let asked = tag(&text);
        let previous = asked.candidates().into_iter().find(|candidate| candidate.change == Older);
        if let (Some(last), Some(previous)) = (asked.list_after(), previous) {
            prop_assert!(last < previous.tag, "{}: {} comes before {}", text, last, previous.tag);
        }
    }

    #[test]
    fn versions_have_one_order(one in version(), two in version(), three in version()) {
        prop_assert_eq!(one.compare(&one), Ordering::Equal);
        prop_assert_eq!(one.compare(&two), two.compare(&one).reverse());
        if one.compare(&two).is_le() && two.compare(&three).is_le() {
            prop_assert!(one.compare(&three).is_le());
        }
    }
}
