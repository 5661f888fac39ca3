//! containerd's choice from an index.
//!
//! Sources: <https://github.com/containerd/platforms> (`compare.go`, `platforms.go`,
//! `platform_windows_compat.go`) and containerd's `core/images/image.go`.

use std::borrow::Cow;

use super::Choice;
use crate::domain::inspection::Entry;
use crate::domain::platform::Platform;

/// Client-side pull, containerd up to 2.0: matching entries by preference, then entries
/// without platform; the first one is final.
pub(super) fn choose<'a>(node: &Platform, entries: &'a [Entry]) -> Choice<'a> {
    let ranked = rank(node, entries);
    match ranked {
        Ranked::Entry(entry, _) => Choice::Entry(entry),
        Ranked::Nothing => Choice::Nothing,
        Ranked::WindowsBuild => Choice::WindowsBuild,
    }
}

/// Transfer service, containerd 2.1 and later: the choice is the same, but only the exact
/// platform was fetched, so a fallback ends in "content digest not found".
/// Source: `core/transfer/image/imagestore.go`, `WithPlatforms`.
pub(super) fn choose_exact<'a>(node: &Platform, entries: &'a [Entry]) -> Choice<'a> {
    match rank(node, entries) {
        Ranked::Entry(entry, 0) => Choice::Entry(entry),
        Ranked::Entry(entry, _) if entry.platform.is_none() => Choice::Entry(entry),
        Ranked::Entry(..) | Ranked::Nothing => Choice::Nothing,
        Ranked::WindowsBuild => Choice::WindowsBuild,
    }
}

/// Whether the config of an entry without platform is acceptable.
pub(super) fn accepts(node: &Platform, config: &Platform) -> bool {
    Acceptable::of(node).position(config).is_some()
}

enum Ranked<'a> {
    Entry(&'a Entry, usize),
    Nothing,
    WindowsBuild,
}

fn rank<'a>(node: &Platform, entries: &'a [Entry]) -> Ranked<'a> {
    let acceptable = Acceptable::of(node);
    let matching = entries.iter().filter_map(|entry| {
        let platform = entry.platform.as_ref()?;
        Some((entry, acceptable.position(platform)?))
    });
    let best = if node.os == "windows" {
        // The newest build first, compared as text; the first of equals.
        matching.reduce(|best, next| {
            if os_version(next.0) > os_version(best.0) {
                next
            } else {
                best
            }
        })
    } else {
        matching.min_by_key(|(_, position)| *position)
    };
    if let Some((entry, position)) = best {
        return Ranked::Entry(entry, position);
    }
    if node.os == "windows" && node.os_version.is_empty() && any_build_matches(node, entries) {
        return Ranked::WindowsBuild;
    }
    match entries.iter().find(|entry| entry.platform.is_none()) {
        Some(entry) => Ranked::Entry(entry, usize::MAX),
        None => Ranked::Nothing,
    }
}

fn os_version(entry: &Entry) -> &str {
    entry
        .platform
        .as_ref()
        .map_or("", |platform| platform.os_version.as_str())
}

/// Whether some entry would match if the node told its build.
pub(super) fn any_build_matches(node: &Platform, entries: &[Entry]) -> bool {
    entries.iter().any(|entry| {
        entry.platform.as_ref().is_some_and(|platform| {
            let platform = platform.normalize();
            platform.os == node.os && platform.architecture == node.architecture
        })
    })
}

/// An architecture with a variant, normalised.
type Kind<'a> = (Cow<'a, str>, Cow<'a, str>);

/// What a node accepts, best first: `Only(node)` in containerd.
pub(super) struct Acceptable<'a> {
    node: &'a Platform,
    kinds: Vec<Kind<'a>>,
}

impl<'a> Acceptable<'a> {
    pub(super) fn of(node: &'a Platform) -> Self {
        let own = node.normalize();
        let kinds = if own.os == "windows" {
            vec![(own.architecture, own.variant)]
        } else {
            acceptable_kinds(own.architecture, own.variant)
        };
        Self { node, kinds }
    }

    /// The rank of the first acceptable platform that equals the candidate.
    pub(super) fn position(&self, candidate: &Platform) -> Option<usize> {
        let stated = candidate.normalize();
        // Whoever reads the index takes its own operating system where none is stated.
        if !stated.os.is_empty() && stated.os != self.node.os {
            return None;
        }
        let fits = features_fit(self.node, candidate)
            && (self.node.os != "windows" || windows_build_fits(self.node, candidate));
        let mut kinds = self.kinds.iter();
        let position = kinds.position(|(architecture, variant)| {
            *architecture == stated.architecture && *variant == stated.variant
        });
        position.filter(|_| fits)
    }
}

/// An entry may demand only features that the node has. Nodes state none; `win32k` is
/// ignored on Windows.
pub(super) fn features_fit(node: &Platform, candidate: &Platform) -> bool {
    candidate.os_features.iter().all(|feature| {
        node.os_features.contains(feature) || (node.os == "windows" && feature == "win32k")
    })
}

fn acceptable_kinds<'a>(architecture: Cow<'a, str>, variant: Cow<'a, str>) -> Vec<Kind<'a>> {
    let arm = |levels: std::ops::Range<u32>| {
        let names = levels.rev().map(|level| format!("v{level}"));
        names.map(|variant| (Cow::Borrowed("arm"), Cow::Owned(variant)))
    };
    match architecture.as_ref() {
        "amd64" => {
            let mut kinds: Vec<Kind<'a>> = Vec::new();
            if let Some(level) = level(&variant).filter(|level| *level > 1) {
                let below = (2..level).rev().map(|below| format!("v{below}"));
                kinds.push((Cow::Borrowed("amd64"), variant));
                kinds.extend(below.map(|below| (Cow::Borrowed("amd64"), Cow::Owned(below))));
                kinds.push((Cow::Borrowed("amd64"), Cow::Borrowed("")));
            } else {
                kinds.push((architecture, variant));
            }
            kinds.push((Cow::Borrowed("386"), Cow::Borrowed("")));
            kinds
        }
        "arm" => {
            let below = level(&variant).map(|level| arm(5..level));
            let own = std::iter::once((architecture, variant));
            own.chain(below.into_iter().flatten()).collect()
        }
        // An arm64 variant that the table does not know matches nothing.
        "arm64" => match arm64_variants(&variant) {
            None => Vec::new(),
            Some(variants) => {
                let own = variants.into_iter().map(Cow::Owned);
                let own = own.map(|variant| (Cow::Borrowed("arm64"), variant));
                own.chain(arm(5..9)).collect()
            }
        },
        _ => vec![(architecture, variant)],
    }
}

fn level(variant: &str) -> Option<u32> {
    variant.strip_prefix('v')?.parse().ok()
}

/// The arm64 variants below and including the given one, normalised: `v8.0` is empty and
/// `v9.0` is `v9`.
/// Source: <https://github.com/containerd/platforms/blob/main/compare.go>
fn arm64_variants(variant: &str) -> Option<Vec<String>> {
    let (major, minor) = match variant {
        "" => (8, 0),
        "v9" => (9, 0),
        other => {
            let (major, minor) = other.strip_prefix('v')?.split_once('.')?;
            let minor: u32 = minor.parse().ok().filter(|number| *number <= 9)?;
            (major.parse().ok()?, minor)
        }
    };
    let eights = |highest: u32| {
        (0..=highest).rev().map(|minor| match minor {
            0 => String::new(),
            minor => format!("v8.{minor}"),
        })
    };
    match major {
        8 => Some(eights(minor).collect()),
        9 => {
            let nines = (0..=minor).rev().map(|minor| match minor {
                0 => "v9".to_owned(),
                minor => format!("v9.{minor}"),
            });
            Some(nines.chain(eights((minor + 5).min(9))).collect())
        }
        _ => None,
    }
}

/// Long-term servicing builds, which newer hosts keep running.
const LTSC_BUILDS: [u32; 2] = [20348, 26100];

/// Whether a Windows host runs an image of the entry's build.
/// Source: `platform_windows_compat.go`, `checkWindowsHostAndContainerCompat`.
fn windows_build_fits(host: &Platform, image: &Platform) -> bool {
    if image.os_version.is_empty() {
        return true;
    }
    if host.os_version.is_empty() {
        return false;
    }
    let host = windows_version(&host.os_version);
    let image = windows_version(&image.os_version);
    if (host.0, host.1) != (image.0, image.1) {
        return false;
    }
    let (host, image) = (host.2, image.2);
    if host < LTSC_BUILDS[0] {
        return host == image;
    }
    let oldest = LTSC_BUILDS
        .into_iter()
        .filter(|build| *build < host)
        .max()
        .unwrap_or(LTSC_BUILDS[0]);
    (oldest..=host).contains(&image)
}

/// Major, minor and build; a text that does not parse counts as zeros.
pub(super) fn windows_version(text: &str) -> (u32, u32, u32) {
    let mut numbers = text.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor)), Some(Ok(build))) => (major, minor, build),
        _ => (0, 0, 0),
    }
}
