//! The sentences, each from the image that brings it about.

use std::sync::Arc;

use super::*;
use crate::domain::candidates::CandidatePlatform;
use crate::domain::inspection::{Entry, EntryKind, MediaType};
use crate::domain::pick::{Entries, pick};
use crate::domain::reference::Digest;
use crate::domain::runtime::Runtime;
use crate::domain::verdict::ImageVerdict;
use crate::domain::workload::{ContainerImage, Usage};

fn digest(number: usize) -> Digest {
    format!("sha256:{number:064x}").parse().unwrap()
}

/// `linux/arm/v7`, with `@10.0.20348` or `+feature` behind it.
fn platform(text: &str) -> Platform {
    let (text, feature) = text.split_once('+').unwrap_or((text, ""));
    let (text, version) = text.split_once('@').unwrap_or((text, ""));
    let mut parts = text.split('/');
    let mut part = || parts.next().unwrap_or("");
    Platform {
        os_version: version.to_owned(),
        os_features: feature
            .split(',')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
        ..Platform::new(part(), part(), part())
    }
}

/// One row's image: an index by its entries (`-` names no platform; `index:` and `other:`
/// before a platform say what the entry is), or one manifest.
enum Image {
    Index(&'static [&'static str]),
    List(&'static [&'static str]),
    Plain(&'static str),
}
use Image::{Index, List, Plain};

fn root(image: &Image) -> Inspection {
    let entry = |(position, text): (usize, &&str)| {
        let (kind, text) = match text.split_once(':') {
            Some(("index", text)) => (EntryKind::Index, text),
            Some(("other", text)) => (EntryKind::Other, text),
            _ => (EntryKind::Manifest, *text),
        };
        Entry {
            digest: digest(position + 1),
            kind,
            platform: (text != "-").then(|| platform(text).into()),
            zstd: false,
            build: None,
        }
    };
    let (media_type, content) = match image {
        Index(entries) => (
            MediaType::OciIndex,
            Content::Index(entries.iter().enumerate().map(entry).collect()),
        ),
        List(entries) => (
            MediaType::DockerManifestList,
            Content::Index(entries.iter().enumerate().map(entry).collect()),
        ),
        Plain(config) => (MediaType::OciManifest, Content::Manifest(platform(config))),
    };
    Inspection {
        build: None,
        digest: digest(0),
        media_type,
        content,
    }
}

/// What the engine and the explanation make of an image whose children have this content.
fn explained(node: &NodePlatform, image: &Image, child: &Image, entries: Entries) -> String {
    let (root, child) = (root(image), root(child));
    let picked = pick(node, &root, |_| Some(Ok(&child)), entries);
    let verdict = ImageVerdict {
        image: ContainerImage {
            image: "app".to_owned(),
            reference: "app".parse(),
            containers: Vec::new(),
            usage: Usage::Container,
            preloaded: false,
        },
        inspection: Some(Arc::new(root)),
        outdated: None,
        advice: None,
        outcomes: vec![picked.expect("every child was there to read")],
    };
    let candidate = CandidatePlatform::of(&Arc::new(node.clone()));
    let at = verdict.on(std::slice::from_ref(&candidate)).next().unwrap();
    format!("{}: {}", at.outcome.name(), at.explain())
}

fn node(runtime: Runtime, text: &str) -> NodePlatform {
    NodePlatform {
        platform: platform(text),
        runtime,
        emulates: Vec::new(),
    }
}

#[track_caller]
fn says(runtime: Runtime, on: &str, image: Image, child: Image, expected: &str) {
    let node = node(runtime, on);
    assert_eq!(
        explained(&node, &image, &child, Entries::Believed),
        expected
    );
}

#[test]
fn every_rule_has_its_sentence() {
    use Runtime::{ContainerdLocal, ContainerdTransfer, CriO, Docker};
    let none = || Plain("linux/amd64");
    // What would be pulled.
    says(
        ContainerdTransfer,
        "linux/s390x",
        Index(&["linux/amd64", "linux/s390x"]),
        none(),
        "supported: entry 2 of its index is for linux/s390x",
    );
    says(
        ContainerdLocal,
        "linux/amd64",
        Index(&["linux/386"]),
        none(),
        "supported: entry 1 of its index is for linux/386, which containerd-local takes on linux/amd64",
    );
    says(
        ContainerdTransfer,
        "linux/amd64",
        Plain("linux/amd64"),
        none(),
        "supported: it is one manifest without an index, and its config says linux/amd64",
    );
    says(
        ContainerdTransfer,
        "linux/arm64/v8",
        Plain("linux/arm/v6"),
        none(),
        "supported: it is one manifest without an index, and its config says linux/arm/v6, which linux/arm64 runs",
    );
    says(
        ContainerdTransfer,
        "linux/s390x",
        Plain("linux/amd64"),
        none(),
        "mismatched: it is one manifest without an index, and its config says linux/amd64",
    );
    says(
        ContainerdTransfer,
        "linux/amd64",
        Index(&["-"]),
        Plain("linux/amd64"),
        "supported: entry 1 of its index names no platform, and its config says linux/amd64",
    );
    says(
        CriO,
        "linux/s390x",
        Index(&["-"]),
        Plain("linux/amd64"),
        "mismatched: entry 1 of its index names no platform, and its config says linux/amd64",
    );
    // What would not.
    says(
        ContainerdTransfer,
        "linux/s390x",
        Index(&["linux/amd64", "linux/arm64/v8"]),
        none(),
        "missing: no entry of its index is for linux/s390x; it has linux/amd64, linux/arm64",
    );
    says(
        ContainerdTransfer,
        "linux/s390x",
        Index(&[]),
        none(),
        "missing: its index lists nothing",
    );
    says(
        ContainerdTransfer,
        "linux/s390x",
        Index(&["unknown/unknown"]),
        none(),
        "missing: its index lists attestations only",
    );
    says(
        ContainerdTransfer,
        "linux/arm/v7",
        Index(&["linux/arm/v8"]),
        none(),
        "missing: entry 1 of its index is for linux/arm/v8, a variant that containerd-transfer does not take on linux/arm/v7",
    );
    says(
        ContainerdTransfer,
        "linux/amd64",
        Index(&["linux/arm64", "linux/386"]),
        none(),
        "missing: entry 2 of its index is for linux/386, which containerd takes on linux/amd64 only before 2.1",
    );
    says(
        ContainerdLocal,
        "linux/amd64",
        Index(&["linux/amd64/v3"]),
        none(),
        "missing: entry 1 of its index is for linux/amd64/v3, a variant that containerd-local does not take on linux/amd64",
    );
    says(
        ContainerdTransfer,
        "linux/amd64",
        Index(&["linux/amd64+gpu"]),
        none(),
        "missing: entry 1 of its index is for linux/amd64, but demands os.features that the node does not have",
    );
    says(
        ContainerdTransfer,
        "windows/amd64@10.0.17763",
        Index(&["windows/amd64@10.0.20348.1"]),
        none(),
        "missing: entry 1 of its index is for windows/amd64 build 10.0.20348.1, which the node's build 10.0.17763 does not run",
    );
    says(
        CriO,
        "linux/amd64",
        Index(&["linux/x86_64"]),
        none(),
        "missing: entry 1 of its index spells linux/amd64 in another way, and cri-o compares letter by letter",
    );
    says(
        CriO,
        "linux/amd64",
        List(&["-"]),
        none(),
        "missing: entry 1 of its index names no platform, and cri-o takes none such from a Docker list",
    );
    says(
        ContainerdTransfer,
        "linux/amd64",
        Index(&["-"]),
        Plain("linux/arm64"),
        "missing: entry 1 of its index names no platform, its config says linux/arm64, and containerd-transfer tries no other",
    );
    says(
        ContainerdTransfer,
        "linux/arm64/v8",
        Index(&["index:linux/amd64"]),
        none(),
        "missing: entry 1 of its index is for linux/amd64, an index that nobody looks into for linux/arm64",
    );
    says(
        ContainerdTransfer,
        "linux/amd64",
        Index(&["index:-"]),
        Index(&["linux/s390x"]),
        "missing: no entry of its nested index is for linux/amd64",
    );
    says(
        CriO,
        "linux/amd64",
        Index(&["index:linux/amd64"]),
        Index(&["linux/amd64"]),
        "missing: entry 1 of its index is an index, which cri-o does not follow",
    );
    says(
        ContainerdTransfer,
        "linux/amd64",
        Index(&["other:linux/amd64"]),
        none(),
        "missing: entry 1 of its index is no image manifest",
    );
    says(
        Docker,
        "linux/amd64",
        Index(&["other:linux/amd64"]),
        none(),
        "missing: entry 1 of its index is no image manifest",
    );
    // What nobody knows.
    says(
        ContainerdTransfer,
        "linux/amd64",
        Plain("linux/"),
        none(),
        "unknown: its config names no architecture",
    );
}

#[test]
fn a_read_config_and_emulation_are_told() {
    let on_s390x = node(Runtime::ContainerdTransfer, "linux/s390x");
    let index = Index(&["linux/amd64", "linux/s390x"]);
    assert_eq!(
        explained(&on_s390x, &index, &Plain("linux/amd64"), Entries::Verified),
        "mismatched: entry 2 of its index is for linux/s390x, and its config says linux/amd64"
    );
    let emulating = NodePlatform {
        emulates: vec![platform("linux/amd64")],
        ..on_s390x
    };
    assert_eq!(
        explained(&emulating, &Plain("linux/amd64"), &index, Entries::Believed),
        "supported: it is one manifest without an index, and its config says linux/amd64, which the node emulates"
    );
}

#[test]
fn text_of_a_registry_is_made_safe() {
    let on_windows = node(Runtime::ContainerdTransfer, "windows/amd64@10.0.17763");
    let image = Index(&["windows/amd64@\u{1b}[31m evil"]);
    let text = explained(&on_windows, &image, &Plain("-"), Entries::Believed);
    assert!(text.contains("build ??31m?evil, "), "{text}");
}
