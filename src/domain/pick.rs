//! What a container runtime would pull for a node, from the documents of a registry.
//!
//! Each runtime has a file that chooses among the entries of one index. This file walks
//! from the index down to a manifest, which is the same for all.

mod containerd;
mod cri_o;
mod docker;

use self::containerd::Acceptance;
use super::inspection::{Content, Entry, EntryKind, Inspection, MediaType};
use super::node::NodePlatform;
use super::platform::Platform;
use super::reference::Digest;
use super::runtime::Runtime;
use super::unknown::{Reason, Unknown};

/// How many indexes may lie below the first one.
/// containerd follows them without limit; two levels are more than anybody builds.
pub const NESTED_INDEXES: usize = 2;

/// What the runtime of a node makes of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// It pulls a manifest that runs on the node.
    Supported {
        /// Digests from the index, itself excluded, to the manifest; empty for a plain one.
        path: Vec<Digest>,
    },
    /// It pulls a manifest that is for another platform.
    Mismatched {
        /// As above.
        path: Vec<Digest>,
        /// What the manifest is for.
        made_for: Platform,
    },
    /// The pull fails: nothing in the index is for the node.
    Missing,
    /// The documents do not tell.
    Unknown(Unknown),
    /// A child document decides and was not read yet.
    Needs(Digest),
}

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
    /// The runtime goes on with this entry.
    Entry(&'a Entry),
    /// The pull fails here.
    Nothing,
    /// The Windows build of the node decides, and it is not known.
    WindowsBuild,
}

/// What the node's runtime would pull when an image name leads to `root`.
pub fn pick<'a>(
    node: &NodePlatform,
    root: &'a Inspection,
    children: impl Fn(&Digest) -> Child<'a>,
    entries: Entries,
) -> Pick {
    let mut path = Vec::new();
    let mut document = root;
    loop {
        let list = match &document.content {
            Content::Index(list) => list,
            Content::Manifest(config) => return judge_config(node, config, path),
            Content::Artifact => return unsupported("it is an artifact, not a container image"),
        };
        let entry = match choose(node, document.media_type, list) {
            Choice::Entry(entry) => entry,
            Choice::Nothing => return Pick::Missing,
            Choice::WindowsBuild => return unknown_build(),
        };
        path.push(entry.digest.clone());
        match (entry.kind, node.platform_rules()) {
            // Source: containers/image copy/single.go, "Unexpectedly received a manifest list".
            (EntryKind::Index, Rules::CriO) => return Pick::Missing,
            (EntryKind::Index, _) if path.len() > NESTED_INDEXES => {
                return unsupported("its indexes nest deeper than two levels");
            }
            (EntryKind::Index, _) => match children(&entry.digest) {
                None => return Pick::Needs(entry.digest.clone()),
                Some(Err(unknown)) => return Pick::Unknown(unknown.clone()),
                Some(Ok(child)) if !child.media_type.is_index() => return contradicts(),
                Some(Ok(child)) => document = child,
            },
            (EntryKind::Manifest, rules) => {
                return finish(node, entry, children, path, rules, entries);
            }
            // Source: containerd core/images/image.go, "unexpected media type".
            (EntryKind::Other, Rules::Containerd) => return Pick::Missing,
            (EntryKind::Other, _) => {
                return unsupported("the entry that would be pulled is no image manifest");
            }
        }
    }
}

/// The chosen entry is a manifest: does the index, or its config, decide?
fn finish<'a>(
    node: &NodePlatform,
    entry: &Entry,
    children: impl Fn(&Digest) -> Child<'a>,
    path: Vec<Digest>,
    rules: Rules,
    entries: Entries,
) -> Pick {
    let states_platform = match rules {
        Rules::Docker => docker::stated(entry).is_some(),
        Rules::Containerd | Rules::CriO => entry.platform.is_some(),
    };
    // What the index says is believed whether or not the child was read for another node.
    if states_platform && entries == Entries::Believed {
        return Pick::Supported { path };
    }
    let child = match children(&entry.digest) {
        None => return Pick::Needs(entry.digest.clone()),
        Some(Err(unknown)) => return Pick::Unknown(unknown.clone()),
        Some(Ok(child)) => child,
    };
    let config = match &child.content {
        Content::Manifest(config) => config,
        Content::Index(_) => return contradicts(),
        Content::Artifact if !states_platform && rules == Rules::Containerd => {
            return Pick::Missing;
        }
        Content::Artifact => {
            return unsupported("the entry that would be pulled is an artifact");
        }
    };
    if !states_platform && rules == Rules::Containerd {
        // containerd reads the config to choose; what does not match fails the pull.
        return match containerd::accepts(&node.platform, config) {
            Acceptance::Accepted => Pick::Supported { path },
            Acceptance::Refused => Pick::Missing,
            Acceptance::WindowsBuild => unknown_build(),
        };
    }
    judge_config(node, config, path)
}

/// A manifest that is pulled whatever its config says: will its programs run?
fn judge_config(node: &NodePlatform, config: &Platform, path: Vec<Digest>) -> Pick {
    if config.architecture.is_empty() {
        return unsupported("its config names no architecture");
    }
    if runs(&node.platform, config) || node.emulates.iter().any(|also| runs(also, config)) {
        Pick::Supported { path }
    } else {
        Pick::Mismatched {
            path,
            made_for: config.clone(),
        }
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

fn unsupported(detail: &'static str) -> Pick {
    Pick::Unknown(Unknown::new(Reason::Unsupported, detail))
}

fn unknown_build() -> Pick {
    unsupported("the Windows build of the node is unknown")
}

fn contradicts() -> Pick {
    Pick::Unknown(Unknown::new(
        Reason::Malformed,
        "its index and its manifest contradict each other",
    ))
}

/// The three families of rules; containerd's two differ in one filter only.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rules {
    Containerd,
    CriO,
    Docker,
}

impl NodePlatform {
    fn platform_rules(&self) -> Rules {
        match self.runtime {
            Runtime::ContainerdTransfer | Runtime::ContainerdLocal => Rules::Containerd,
            Runtime::CriO => Rules::CriO,
            Runtime::Docker => Rules::Docker,
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
