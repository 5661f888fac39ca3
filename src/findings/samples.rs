//! Judged workloads, made by hand for tests. No part of the program.

use std::sync::Arc;

use super::JudgedWorkload;
use crate::domain::candidates::{CandidatePlatform, Candidates};
use crate::domain::inspection::{Build, Content, Entry, EntryKind, Inspection, MediaType};
use crate::domain::node::{Node, NodePlatform, Nodes, Source};
use crate::domain::outcome::{
    Compatibility, EntryPosition, IndexDepth, MatchReason, MissReason, Outcome,
};
use crate::domain::platform::Platform;
use crate::domain::runtime::Runtime;
use crate::domain::unknown::{Reason, Unknown};
use crate::domain::verdict::{ImageVerdict, Verdict};
use crate::domain::workload::{ContainerImage, Usage, Workload};

/// The first entry of an index.
const FIRST: EntryPosition = EntryPosition {
    depth: IndexDepth::First,
    position: 0,
};

fn node_platform(platform: &str) -> NodePlatform {
    NodePlatform {
        platform: platform.parse().unwrap(),
        runtime: Runtime::ContainerdTransfer,
        emulates: Vec::new(),
    }
}

pub(crate) fn candidate(platform: &str, nodes: &[&str]) -> CandidatePlatform {
    CandidatePlatform {
        nodes: nodes.iter().copied().collect(),
        node_count: nodes.len(),
        sources: vec![Source::Node],
        is_certain: true,
        ..CandidatePlatform::of(&Arc::new(node_platform(platform)))
    }
}

/// A cluster with a node of each platform.
pub(crate) fn nodes(platforms: &[&str]) -> Nodes {
    let node = |platform: &&str| Node {
        name: format!("n-{}", platform.replace('/', "-")),
        labels: Default::default(),
        taints: Vec::new(),
        unschedulable: false,
        extended_resources: Default::default(),
        platform: node_platform(platform),
        source: Source::Node,
        open_labels: None,
    };
    platforms.iter().map(node).collect()
}

pub(crate) fn supported() -> Outcome {
    Outcome::Supported {
        picked: Vec::new(),
        why: MatchReason::Exact(FIRST),
    }
}

pub(crate) fn missing() -> Outcome {
    Outcome::Missing(MissReason::NoEntry(IndexDepth::First))
}

pub(crate) fn nothing_listed() -> Outcome {
    Outcome::Missing(MissReason::NoEntries(IndexDepth::First))
}

/// What is pulled is for another platform, which nothing but the config says.
pub(crate) fn mismatched(made_for: &str) -> Outcome {
    Outcome::Mismatched {
        picked: Vec::new(),
        made_for: made_for.parse().unwrap(),
        why: MatchReason::Plain(Compatibility::Foreign),
    }
}

/// The entry says the node's platform, its config another.
pub(crate) fn contradicting(made_for: &str) -> Outcome {
    Outcome::Mismatched {
        picked: Vec::new(),
        made_for: made_for.parse().unwrap(),
        why: MatchReason::Verified(FIRST, Compatibility::Foreign),
    }
}

pub(crate) fn unknown(reason: Reason) -> Outcome {
    Outcome::Unknown(Unknown::new(reason, "nobody answered"))
}

/// An image with an index that lists these platforms, each with its revision.
pub(crate) fn index(entries: &[(&str, Option<&str>)]) -> Arc<Inspection> {
    let entries = entries.iter().zip(1_u8..);
    let entries = entries.map(|((platform, revision), number)| Entry {
        digest: format!("sha256:{number:064x}").parse().unwrap(),
        kind: EntryKind::Manifest,
        platform: Some(Arc::new(platform.parse::<Platform>().unwrap())),
        zstd: false,
        build: revision.map(|revision| {
            Arc::new(Build {
                revision: Some(revision.into()),
                ..Build::default()
            })
        }),
    });
    Arc::new(Inspection {
        build: None,
        digest: format!("sha256:{:064x}", 99).parse().unwrap(),
        media_type: MediaType::OciIndex,
        content: Content::Index(entries.collect()),
    })
}

pub(crate) fn image(containers: &[&str], name: &str, outcomes: Vec<Outcome>) -> ImageVerdict {
    let containers = containers.iter().map(ToString::to_string);
    let outcomes: Vec<Outcome> = match name.parse::<crate::domain::reference::ImageReference>() {
        Ok(_) => outcomes,
        Err(error) => outcomes.iter().map(|_| Outcome::Invalid(error)).collect(),
    };
    ImageVerdict {
        image: ContainerImage {
            image: name.to_owned(),
            reference: name.parse(),
            containers: containers.collect(),
            usage: Usage::Container,
            preloaded: false,
        },
        inspection: Some(index(&[("linux/amd64", None)])),
        outdated: None,
        advice: None,
        outcomes,
    }
}

pub(crate) fn verdict(platforms: &[CandidatePlatform], images: &[ImageVerdict]) -> Verdict {
    Verdict {
        candidates: Candidates {
            platforms: platforms.to_vec(),
            ..Candidates::default()
        },
        images: images.to_vec(),
        beyond_cordon: Vec::new(),
        overlooked: None,
    }
}

/// A workload of such a kind, namespace and name.
pub(crate) fn judged(title: &str, verdicts: Vec<Verdict>) -> JudgedWorkload {
    let mut parts = title.split(['/', ' ']).map(str::to_owned);
    let mut next = || parts.next().expect("kind namespace/name");
    let workload = Workload {
        api_version: "apps/v1".to_owned(),
        kind: next(),
        namespace: next(),
        name: next(),
        templates: Vec::new(),
        ..Workload::default()
    };
    JudgedWorkload::of(workload, None, verdicts)
}
