//! The words of tags that name the distribution which an image is built on.

/// Releases of one distribution, which images of one version are built on side by side.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Family {
    /// What the words begin with where releases have numbers: `alpine` of `alpine3.22`.
    stem: Option<&'static str>,
    /// The words that are worth asking for, in this order: newest first.
    words: &'static [&'static str],
    /// Words that are known and not asked for: not released yet, out of support.
    others: &'static [&'static str],
    /// Whether its C library is musl and not glibc.
    pub(super) is_musl: bool,
}

impl Family {
    /// A distribution whose releases have names.
    const fn named(words: &'static [&'static str], others: &'static [&'static str]) -> Self {
        Self {
            stem: None,
            words,
            others,
            is_musl: false,
        }
    }

    /// A distribution whose releases have numbers.
    const fn numbered(stem: &'static str, words: &'static [&'static str]) -> Self {
        Self {
            stem: Some(stem),
            words,
            others: &[],
            is_musl: false,
        }
    }
}

/// Debian by code name, the distribution of most official images.
const DEBIAN: Family = Family::named(
    &["trixie", "bookworm", "bullseye"],
    &["duke", "forky", "sid", "buster", "stretch", "jessie"],
);

/// The distributions that a tag without one is tried with, best first.
pub(super) const ADDED: [&str; 2] = ["trixie", "bookworm"];

/// The one distribution with musl.
const ALPINE: Family = Family {
    is_musl: true,
    // The word without a number is the newest release: asked after it, the newest release
    // has nothing new to say.
    ..Family::numbered(
        "alpine",
        &[
            "alpine",
            "alpine3.23",
            "alpine3.22",
            "alpine3.24",
            "alpine3.21",
        ],
    )
};

/// Every distribution whose words are known. What is not in here is a word like any other,
/// and stays.
///
/// Source: the tags in
/// <https://github.com/docker-library/official-images/tree/master/library>
const FAMILIES: &[Family] = &[
    DEBIAN,
    ALPINE,
    Family::named(
        &["resolute", "noble", "jammy"],
        &[
            "stonking", "questing", "plucky", "focal", "bionic", "xenial",
        ],
    ),
    Family::numbered("ubi", &["ubi10", "ubi9", "ubi8", "ubi"]),
    Family::numbered("al", &["al2023", "al2"]),
    Family::numbered("almalinux", &["almalinux10", "almalinux9", "almalinux"]),
    Family::numbered(
        "oraclelinux",
        &["oraclelinux10", "oraclelinux9", "oraclelinux8", "oracle"],
    ),
    Family::numbered("rockylinux", &["rockylinux10", "rockylinux9", "rockylinux"]),
    Family::numbered("debian", &["debian13", "debian12", "debian11", "debian"]),
    Family::numbered(
        "ubuntu",
        &["ubuntu26.04", "ubuntu24.04", "ubuntu22.04", "ubuntu"],
    ),
    Family::numbered("amazonlinux", &["amazonlinux2023", "amazonlinux2"]),
    Family::numbered("azurelinux", &[]),
    Family::numbered("centos", &[]),
    Family::numbered("fedora", &[]),
    // No Linux image is a sibling of these.
    Family::named(&[], &["windowsservercore", "nanoserver"]),
];

/// The distribution of a tag, and where it stands among the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Distribution {
    pub(super) family: &'static Family,
    /// Place of its first word.
    pub(super) start: usize,
    /// Place after its last word: `alpine-3.22` has two.
    pub(super) end: usize,
}

impl Distribution {
    /// The first of the words that names a distribution.
    pub(super) fn find(words: &[String]) -> Option<Self> {
        words.iter().enumerate().find_map(|(start, word)| {
            let family = FAMILIES.iter().find(|family| family.has(word))?;
            // `debian-1.0` is not a release of Debian.
            let is_bare = *family == ALPINE && family.stem == Some(word);
            let is_release = |next: &String| is_bare && is_release(next);
            let end = start + 1 + usize::from(words.get(start + 1).is_some_and(is_release));
            Some(Self { family, start, end })
        })
    }

    /// The same distribution's other releases, spelled like these words, best first.
    pub(super) fn siblings(&self, words: &[String]) -> Vec<String> {
        let own = words[self.start..self.end].join("-");
        let has_two_words = self.end - self.start > 1;
        let spelled = |word: &&str| {
            let stem = self.family.stem.filter(|_| has_two_words);
            let release = stem.and_then(|stem| word.strip_prefix(stem));
            match (stem, release) {
                (Some(stem), Some(release)) if !release.is_empty() => format!("{stem}-{release}"),
                _ => (*word).to_owned(),
            }
        };
        let siblings = self.family.words.iter().map(spelled);
        siblings.filter(|sibling| *sibling != own).collect()
    }
}

impl Family {
    fn has(&self, word: &str) -> bool {
        let is_numbered = |stem| word.strip_prefix(stem).is_some_and(is_release);
        self.words.contains(&word)
            || self.others.contains(&word)
            || self
                .stem
                .is_some_and(|stem| word == stem || is_numbered(stem))
    }
}

/// Whether a text is the number of a release: `3.22`, `10`.
fn is_release(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split('.').all(is_number)
}
