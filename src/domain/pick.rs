//! What a container runtime would pull for a node, from the documents of a registry.
//!
//! Each runtime has a file that chooses among the entries of one index. This file walks
//! from the index down to a manifest, which is the same for all.

mod containerd;
mod cri_o;
mod docker;
mod why;

use self::containerd::{Acceptable, windows_version};
use super::inspection::{Content, Entry, EntryKind, Inspection, MediaType};
use super::node::NodePlatform;
use super::outcome::{
    Compatibility, EntryPosition, IndexDepth, MatchReason, MissReason, Outcome, Ternary,
};
use super::platform::Platform;
use super::reference::Digest;
use super::runtime::Runtime;
use super::unknown::{Reason, Unknown};

/// How many indexes may lie below the first one.
/// containerd follows them without limit; two levels are more than anybody builds.
pub const NESTED_INDEXES: usize = 2;

/// What was read of the children of an index so far.
pub type Child<'a> = Option<Result<&'a Inspection, &'a Unknown>>;

/// Whether an index entry is believed, or its config read to confirm it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Entries {
    /// What the index says of a child counts.
    #[default]
    Believed,
    /// The config of the child must agree (`policy.verifyChildren`).
    Verified,
}

/// What one index offers a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice<'a> {
    /// The runtime goes on with this entry, which has this position in the list.
    Entry(usize, &'a Entry),
    /// The pull fails here.
    Nothing,
    /// The Windows build of the node decides, and it is not known.
    WindowsBuild,
}

/// What the node's runtime makes of an image whose name leads to `root`.
///
/// # Errors
/// The digest of a child document that decides and was not read yet.
pub fn pick<'a>(
    node: &NodePlatform,
    root: &'a Inspection,
    children: impl Fn(&Digest) -> Child<'a>,
    entries: Entries,
) -> Result<Outcome, Digest> {
    if node.platform.os.is_empty() || node.platform.architecture.is_empty() {
        return Ok(unsupported("the node does not say its platform"));
    }
    let mut path = Vec::new();
    let mut document = root;
    loop {
        let list = match &document.content {
            Content::Index(list) => list,
            Content::Manifest(config) => {
                return Ok(judge_config(node, config, path, MatchReason::Plain));
            }
            Content::Artifact => {
                return Ok(unsupported("it is an artifact, not a container image"));
            }
        };
        let depth = if path.is_empty() {
            IndexDepth::First
        } else {
            IndexDepth::Nested
        };
        let (position, entry) = match choose(node, document.media_type, list) {
            Choice::Entry(position, entry) => (position, entry),
            Choice::Nothing => return Ok(Outcome::Missing(why::miss_reason(node, list, depth))),
            Choice::WindowsBuild => return Ok(unknown_build()),
        };
        let place = EntryPosition { depth, position };
        path.push(entry.digest.clone());
        match (entry.kind, node.platform_rules()) {
            // Source: containers/image copy/single.go, "Unexpectedly received a manifest list".
            (EntryKind::Index, RuntimeRules::CriO) => {
                return Ok(Outcome::Missing(MissReason::IndexInIndex(place)));
            }
            (EntryKind::Index, _) if path.len() > NESTED_INDEXES => {
                return Ok(unsupported("its indexes nest deeper than two levels"));
            }
            (EntryKind::Index, _) => match children(&entry.digest) {
                None => return Err(entry.digest.clone()),
                Some(Err(unknown)) => return Ok(Outcome::Unknown(unknown.clone())),
                Some(Ok(child)) if !child.media_type.is_index() => return Ok(contradicts()),
                Some(Ok(child)) => document = child,
            },
            (EntryKind::Manifest, _) => {
                return finish(node, entry, place, children, path, entries);
            }
            // Source: containerd core/images/image.go, "unexpected media type".
            (EntryKind::Other, RuntimeRules::Containerd) => {
                return Ok(Outcome::Missing(MissReason::NoImage(place)));
            }
            (EntryKind::Other, _) => {
                return Ok(unsupported(
                    "the entry that would be pulled is no image manifest",
                ));
            }
        }
    }
}

/// The chosen entry is a manifest: does the index, or its config, decide?
fn finish<'a>(
    node: &NodePlatform,
    entry: &Entry,
    place: EntryPosition,
    children: impl Fn(&Digest) -> Child<'a>,
    picked: Vec<Digest>,
    entries: Entries,
) -> Result<Outcome, Digest> {
    let rules = node.platform_rules();
    let states_platform = match rules {
        RuntimeRules::Docker => docker::stated(entry).is_some(),
        RuntimeRules::Containerd | RuntimeRules::CriO => entry.platform.is_some(),
    };
    // What the index says is believed whether or not the child was read for another node.
    if states_platform && entries == Entries::Believed {
        let why = why::match_reason(node, entry, place);
        return Ok(Outcome::Supported { picked, why });
    }
    let child = match children(&entry.digest) {
        None => return Err(entry.digest.clone()),
        Some(Err(unknown)) => return Ok(Outcome::Unknown(unknown.clone())),
        Some(Ok(child)) => child,
    };
    let config_chooses = !states_platform && rules == RuntimeRules::Containerd;
    let config = match &child.content {
        Content::Manifest(config) => config,
        Content::Index(_) => return Ok(contradicts()),
        Content::Artifact if config_chooses => {
            return Ok(Outcome::Missing(MissReason::NoImage(place)));
        }
        Content::Artifact => {
            return Ok(unsupported("the entry that would be pulled is an artifact"));
        }
    };
    if config_chooses {
        // containerd reads the config to choose; what does not match fails the pull.
        return Ok(match containerd::accepts(&node.platform, config) {
            Ternary::Yes => {
                let why = MatchReason::Unstated(place, compatibility(node, config));
                Outcome::Supported { picked, why }
            }
            Ternary::No => Outcome::Missing(MissReason::Config(place, Box::new(config.clone()))),
            Ternary::Unknown => unknown_build(),
        });
    }
    let why = match states_platform {
        true => MatchReason::Verified,
        false => MatchReason::Unstated,
    };
    let judged = judge_config(node, config, picked, |compatibility| {
        why(place, compatibility)
    });
    Ok(judged)
}

/// A manifest that is pulled whatever its config says: will its programs run?
fn judge_config(
    node: &NodePlatform,
    config: &Platform,
    picked: Vec<Digest>,
    why: impl Fn(Compatibility) -> MatchReason,
) -> Outcome {
    if config.architecture.is_empty() {
        return unsupported("its config names no architecture");
    }
    match compatibility(node, config) {
        Compatibility::Foreign => Outcome::Mismatched {
            picked,
            made_for: config.clone(),
            why: why(Compatibility::Foreign),
        },
        // Containers with a kernel of their own may run it: the object does not say.
        _ if !Acceptable::of(&node.platform).runs_version(&config.os_version) => {
            match windows_version(&node.platform.os_version) {
                Some(_) => unsupported("it is made for another Windows build than the node's"),
                None => unknown_build(),
            }
        }
        compatibility => Outcome::Supported {
            picked,
            why: why(compatibility),
        },
    }
}

/// How the programs of an image suit a node.
fn compatibility(node: &NodePlatform, config: &Platform) -> Compatibility {
    let (own, program) = (node.platform.normalize(), config.normalize());
    if runs(&node.platform, config) {
        let is_own = own.architecture == program.architecture
            && (own.architecture != "arm" || own.variant == program.variant);
        if is_own {
            Compatibility::Own
        } else {
            Compatibility::Related
        }
    } else if node.emulates.iter().any(|also| runs(also, config)) {
        Compatibility::Emulated
    } else {
        Compatibility::Foreign
    }
}

/// Whether a kernel of the first platform runs programs of the second: 386 on amd64, arm on
/// arm64, and older arm variants on newer ones.
fn runs(node: &Platform, program: &Platform) -> bool {
    let node = node.normalize();
    let program = program.normalize();
    if !program.os.is_empty() && program.os != node.os {
        return false;
    }
    match (node.architecture.as_ref(), program.architecture.as_ref()) {
        ("amd64", "386") | ("arm64", "arm") => true,
        ("arm", "arm") => arm_level(&program.variant) <= arm_level(&node.variant),
        (own, other) => own == other,
    }
}

fn arm_level(variant: &str) -> u8 {
    variant
        .strip_prefix('v')
        .and_then(|level| level.parse().ok())
        .unwrap_or(7)
}

fn unsupported(detail: &'static str) -> Outcome {
    Outcome::Unknown(Unknown::new(Reason::Unsupported, detail))
}

fn unknown_build() -> Outcome {
    unsupported("the Windows build of the node is unknown")
}

fn contradicts() -> Outcome {
    Outcome::Unknown(Unknown::new(
        Reason::Malformed,
        "its index and its manifest contradict each other",
    ))
}

/// The three families of rules; containerd's two differ in one filter only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuntimeRules {
    Containerd,
    CriO,
    Docker,
}

impl NodePlatform {
    pub(crate) fn platform_rules(&self) -> RuntimeRules {
        match self.runtime {
            Runtime::ContainerdTransfer | Runtime::ContainerdLocal => RuntimeRules::Containerd,
            Runtime::CriO => RuntimeRules::CriO,
            Runtime::Docker => RuntimeRules::Docker,
        }
    }
}

fn choose<'a>(node: &NodePlatform, media_type: MediaType, entries: &'a [Entry]) -> Choice<'a> {
    match node.runtime {
        Runtime::ContainerdLocal => containerd::choose(&node.platform, entries),
        Runtime::ContainerdTransfer => containerd::choose_exact(&node.platform, entries),
        Runtime::CriO => cri_o::choose(&node.platform, media_type, entries),
        Runtime::Docker => docker::choose(&node.platform, entries),
    }
}

#[cfg(test)]
mod tests;
