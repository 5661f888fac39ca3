//! containerd's choice from an index.
//!
//! Sources: <https://github.com/containerd/platforms> (`compare.go`, `platforms.go`,
//! `platform_windows_compat.go`) and containerd's `core/images/image.go`.

use std::cmp::Reverse;

use super::Choice;
use crate::domain::inspection::Entry;
use crate::domain::outcome::Ternary;
use crate::domain::platform::{Normalized, Platform};

/// Client-side pull, containerd up to 2.0: matching entries by preference, then entries
/// without platform; the first one is final.
pub(super) fn choose<'a>(node: &Platform, entries: &'a [Entry]) -> Choice<'a> {
    rank(node, entries).0
}

/// Transfer service, containerd 2.1 and later: the choice is the same, but only the exact
/// platform was fetched, so a fallback ends in "content digest not found".
/// Source: `core/transfer/image/imagestore.go`, `WithPlatforms`.
pub(super) fn choose_exact<'a>(node: &Platform, entries: &'a [Entry]) -> Choice<'a> {
    match rank(node, entries) {
        (Choice::Entry(_, entry), 1..) if entry.platform.is_some() => Choice::Nothing,
        (choice, _) => choice,
    }
}

/// Whether the config of an entry without platform is acceptable; unknown where the Windows
/// build of the node decides, and that is not known.
pub(super) fn accepts(node: &Platform, config: &Platform) -> Ternary {
    let acceptable = Acceptable::of(node);
    // A config is normalised when it is read, an entry is not: a feature counts once.
    let mut config = config.clone();
    config.os_features.sort();
    config.os_features.dedup();
    if acceptable.position(&config).is_some() {
        Ternary::Yes
    } else if acceptable.depends_on_build(&config) {
        Ternary::Unknown
    } else {
        Ternary::No
    }
}

/// The choice, and how far down the list of acceptable platforms it stands.
fn rank<'a>(node: &Platform, entries: &'a [Entry]) -> (Choice<'a>, usize) {
    let acceptable = Acceptable::of(node);
    let numbered = || entries.iter().enumerate();
    let stated = || {
        numbered().filter_map(|(position, entry)| {
            let platform = entry.platform.as_deref()?;
            Some((position, entry, platform))
        })
    };
    let matching = stated().filter_map(|(position, entry, platform)| {
        Some((acceptable.rank(platform)?, position, entry))
    });
    let best = if acceptable.is_windows() {
        // The newest build, compared as text; the first of equals.
        matching.rev().max_by_key(|(_, _, entry)| os_version(entry))
    } else {
        matching.min_by_key(|(rank, ..)| *rank)
    };
    if let Some((rank, position, entry)) = best {
        return (Choice::Entry(position, entry), rank.position);
    }
    if stated().any(|(.., platform)| acceptable.depends_on_build(platform)) {
        return (Choice::WindowsBuild, usize::MAX);
    }
    let unstated = numbered().find(|(_, entry)| entry.platform.is_none());
    let choice = unstated.map_or(Choice::Nothing, |(position, entry)| {
        Choice::Entry(position, entry)
    });
    (choice, usize::MAX)
}

fn os_version(entry: &Entry) -> &str {
    let platform = entry.platform.as_ref();
    platform.map_or("", |platform| platform.os_version.as_str())
}

/// Where a platform stands among those that a node accepts; the least is the best.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    position: usize,
    /// Of the same position, what demands the most features is made for the node the most.
    features: Reverse<usize>,
}

impl Rank {
    /// After everything that states a platform.
    pub(super) const LAST: Self = Self {
        position: usize::MAX,
        features: Reverse(0),
    };
}

/// What a node accepts, best first: `Only(node)` in containerd; on Windows itself alone.
pub(super) struct Acceptable<'a> {
    node: &'a Platform,
    own: Normalized<'a>,
    build: Option<WindowsVersion>,
}

impl<'a> Acceptable<'a> {
    pub(super) fn of(node: &'a Platform) -> Self {
        Self {
            node,
            own: node.normalize(),
            build: windows_version(&node.os_version),
        }
    }

    fn is_windows(&self) -> bool {
        self.own.os == "windows"
    }

    /// How good the candidate is for the node, if the node accepts it.
    /// Source: `orderedPlatformComparer.Less` in
    /// <https://github.com/containerd/platforms/blob/main/compare.go>
    pub(super) fn rank(&self, candidate: &Platform) -> Option<Rank> {
        Some(Rank {
            position: self.position(candidate)?,
            features: Reverse(candidate.os_features.len()),
        })
    }

    /// How far down the list of acceptable platforms the candidate stands.
    fn position(&self, candidate: &Platform) -> Option<usize> {
        let position = self.position_of_any_build(candidate);
        position.filter(|_| self.runs_version(&candidate.os_version))
    }

    /// Whether the node is sure to run what is made for a version of its operating system,
    /// which only Windows looks at.
    pub(super) fn runs_version(&self, version: &str) -> bool {
        let runs = || self.build.is_some_and(|host| runs_build(host, version));
        !self.is_windows() || version.is_empty() || runs()
    }

    /// Whether the node would accept the candidate if its unknown build were the right one.
    fn depends_on_build(&self, candidate: &Platform) -> bool {
        self.is_windows()
            && self.build.is_none()
            && !candidate.os_version.is_empty()
            && self.position_of_any_build(candidate).is_some()
    }

    fn position_of_any_build(&self, candidate: &Platform) -> Option<usize> {
        let stated = candidate.normalize();
        // The architecture first: nearly all entries of an index name one operating system.
        let position = if self.is_windows() {
            let same = (&stated.architecture, &stated.variant)
                == (&self.own.architecture, &self.own.variant);
            same.then_some(0)
        } else {
            position(&self.own, &stated)
        }?;
        // Whoever reads the index takes its own operating system where none is stated.
        let is_own_os = stated.os.is_empty() || stated.os == self.own.os;
        (is_own_os && self.has_features(candidate)).then_some(position)
    }

    /// An entry may demand only features that the node has: none, unless the configuration
    /// says so. On Windows `win32k` is ignored, once.
    pub(super) fn has_features(&self, candidate: &Platform) -> bool {
        let mut ignores_win32k = self.is_windows();
        candidate.os_features.iter().all(|feature| {
            let ignored = feature == "win32k" && std::mem::take(&mut ignores_win32k);
            ignored || self.node.os_features.contains(feature)
        })
    }
}

/// The position of a platform in the list of what a node accepts, both normalised.
/// Source: `platformVector` in <https://github.com/containerd/platforms/blob/main/compare.go>
fn position(node: &Normalized<'_>, candidate: &Normalized<'_>) -> Option<usize> {
    let (own, variant) = (node.variant.as_ref(), candidate.variant.as_ref());
    let same = (own == variant).then_some(0);
    match (node.architecture.as_ref(), candidate.architecture.as_ref()) {
        ("amd64", "amd64") => same.or_else(|| {
            let (own, level) = (level(own)?, canonical_level(variant, 1)?);
            (level < own).then(|| own - level)
        }),
        // Programs of 32 bits come after every level of the node's own.
        ("amd64", "386") => variant
            .is_empty()
            .then(|| level(own).map_or(1, |level| level.max(1))),
        ("arm", "arm") => same.or_else(|| {
            let (own, level) = (level(own)?, canonical_level(variant, 5)?);
            (level < own).then(|| own - level)
        }),
        // An arm64 variant that the table does not know matches nothing, not even itself.
        ("arm64", "arm64") => {
            let stated = arm64_version(variant)?;
            arm64_variants(arm64_version(own)?).position(|accepted| accepted == stated)
        }
        ("arm64", "arm") => {
            let level = canonical_level(variant, 5).filter(|level| *level <= 8)?;
            Some(arm64_variants(arm64_version(own)?).count() + 8 - level)
        }
        (own, other) if own == other => same,
        _ => None,
    }
}

/// The number in a node's variant, read as leniently as Go's `strconv.Atoi` reads it.
fn level(variant: &str) -> Option<usize> {
    variant.strip_prefix('v').unwrap_or(variant).parse().ok()
}

/// The number in `v7`, spelt just so and at least `lowest`. Normalised, `v1` is empty.
fn canonical_level(variant: &str, lowest: usize) -> Option<usize> {
    let digits = match variant {
        "" => "1",
        other => other.strip_prefix('v')?,
    };
    let canonical = !digits.starts_with(['0', '+']);
    let level: Option<usize> = digits.parse().ok().filter(|_| canonical);
    level.filter(|level| *level >= lowest)
}

/// Major and minor number of a normalised arm64 variant: `v8.0` is empty, `v9.0` is `v9`.
fn arm64_version(variant: &str) -> Option<(u8, usize)> {
    match variant.as_bytes() {
        b"" => Some((8, 0)),
        b"v9" => Some((9, 0)),
        [b'v', b'8', b'.', minor @ b'1'..=b'9'] => Some((8, usize::from(minor - b'0'))),
        [b'v', b'9', b'.', minor @ b'1'..=b'7'] => Some((9, usize::from(minor - b'0'))),
        _ => None,
    }
}

/// The arm64 variants that a node accepts, as major and minor numbers: from its own down, and
/// from v9 on to the v8 that is as able.
fn arm64_variants((major, minor): (u8, usize)) -> impl Iterator<Item = (u8, usize)> {
    let (nines, eights) = match major {
        9 => (minor + 1, (minor + 5).min(9)),
        _ => (0, minor),
    };
    let nines = (0..nines).rev().map(|minor| (9, minor));
    nines.chain((0..=eights).rev().map(|minor| (8, minor)))
}

/// Long-term servicing builds: a host runs images from the one before its own generation on.
const LTSC_BUILDS: [u16; 2] = [20348, 26100];

/// Whether a Windows host runs images of a version. One that does not parse runs nowhere.
/// Source: `platform_windows_compat.go`, `checkWindowsHostAndContainerCompat`.
fn runs_build(host: WindowsVersion, image: &str) -> bool {
    let image = windows_version(image).unwrap_or_default();
    if (host.major, host.minor) != (image.major, image.minor) {
        return false;
    }
    let generation = LTSC_BUILDS.iter().rposition(|build| *build <= host.build);
    match generation.and_then(|own| LTSC_BUILDS.get(own.saturating_sub(1))) {
        None => host.build == image.build,
        Some(oldest) => (*oldest..=host.build).contains(&image.build),
    }
}

/// A version of Windows, without its revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WindowsVersion {
    major: u8,
    minor: u8,
    pub(super) build: u16,
}

/// Reads `major.minor.build`, whatever follows; none where it says nothing.
pub(super) fn windows_version(text: &str) -> Option<WindowsVersion> {
    let mut numbers = text.split('.');
    let version = WindowsVersion {
        major: number(numbers.next()?)?,
        minor: number(numbers.next()?)?,
        build: number(numbers.next()?)?,
    };
    (version != WindowsVersion::default()).then_some(version)
}

/// Digits alone: no sign, as Go reads unsigned numbers.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok().filter(|_| !text.starts_with('+'))
}
