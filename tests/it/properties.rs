//! What holds for every verdict, whatever the image and the cluster.

use std::collections::HashMap;

use archmatch::domain::candidates::{CandidatePlatform, CandidateRules, Candidates, candidates};
use archmatch::domain::inspection::{Content, Entry, EntryKind, Inspection, MediaType};
use archmatch::domain::node::{Node, NodePlatform, Nodes, Source};
use archmatch::domain::outcome::{Outcome, Ternary};
use archmatch::domain::pick::{Entries, pick};
use archmatch::domain::placement::Placement;
use archmatch::domain::platform::Platform;
use archmatch::domain::reference::Digest;
use archmatch::domain::runtime::Runtime;
use archmatch::domain::taint::{Effect, Taint};
use archmatch::domain::unknown::{Reason, Unknown};
use archmatch::domain::verdict::{ImageVerdict, LevelResult, Verdict};
use archmatch::domain::workload::{PodTemplate, Usage};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// An image as a registry has it; a child without a config could not be read.
#[derive(Clone, Debug)]
struct Image {
    kind: MediaType,
    entries: Vec<(Option<Platform>, Option<Platform>)>,
}

impl Image {
    fn documents(&self) -> (Inspection, HashMap<Digest, Inspection>) {
        let mut children = HashMap::new();
        let mut entries = Vec::new();
        for (number, (platform, config)) in self.entries.iter().enumerate() {
            let digest = digest(number + 1);
            if let Some(config) = config {
                let child = Inspection {
                    build: None,
                    digest: digest.clone(),
                    media_type: MediaType::OciManifest,
                    content: Content::Manifest(config.clone()),
                };
                children.insert(digest.clone(), child);
            }
            entries.push(Entry {
                digest,
                kind: EntryKind::Manifest,
                platform: platform.clone().map(Into::into),
                zstd: false,
                build: None,
            });
        }
        let root = Inspection {
            build: None,
            digest: digest(0),
            media_type: self.kind,
            content: Content::Index(entries),
        };
        (root, children)
    }

    fn outcome(&self, node: &NodePlatform) -> Outcome {
        let (root, children) = self.documents();
        let unread = Unknown::new(Reason::Timeout, "not read in time");
        let child = |digest: &Digest| Some(children.get(digest).ok_or(&unread));
        pick(node, &root, child, Entries::Believed).expect("every child was there to read")
    }
}

fn digest(number: usize) -> Digest {
    format!("sha256:{number:064x}").parse().expect("hex")
}

fn verdict(images: &[Image], found: Candidates) -> Verdict {
    let mut template = PodTemplate::default();
    for number in 0..images.len() {
        template.add_image("c", &format!("i{number}"), Usage::Container, false);
    }
    let judged = |platforms: &[CandidatePlatform]| {
        let images = images.iter().zip(&template.images);
        let images = images.map(|(image, named)| ImageVerdict {
            image: named.clone(),
            inspection: None,
            outdated: None,
            advice: None,
            outcomes: platforms
                .iter()
                .map(|candidate| image.outcome(&candidate.platform))
                .collect(),
        });
        images.collect()
    };
    Verdict {
        images: judged(&found.platforms),
        beyond_cordon: judged(&found.cordoned),
        candidates: found,
        overlooked: None,
    }
}

/// No, unknown, yes: from worst to best.
fn rank(value: Ternary) -> u8 {
    match value {
        Ternary::No => 0,
        Ternary::Unknown => 1,
        Ternary::Yes => 2,
    }
}

fn goodness(passing: LevelResult) -> u8 {
    match passing {
        LevelResult::Fail => 0,
        LevelResult::Undecided => 1,
        LevelResult::Pass => 2,
    }
}

fn platform() -> impl Strategy<Value = Platform> {
    select(vec![
        ("linux", "amd64", ""),
        ("linux", "amd64", "v3"),
        ("linux", "arm64", "v8"),
        ("linux", "arm64", ""),
        ("linux", "arm", "v6"),
        ("linux", "arm", "v7"),
        ("linux", "386", ""),
        ("linux", "s390x", ""),
        ("windows", "amd64", ""),
    ])
    .prop_map(|(os, architecture, variant)| Platform::new(os, architecture, variant))
}

fn node_platform() -> impl Strategy<Value = NodePlatform> {
    (platform(), select(Runtime::ALL.to_vec())).prop_map(|(platform, runtime)| NodePlatform {
        platform,
        runtime,
        emulates: Vec::new(),
    })
}

fn image() -> impl Strategy<Value = Image> {
    let kind = select(vec![MediaType::OciIndex, MediaType::DockerManifestList]);
    let entry = prop_oneof![
        4 => platform().prop_map(|platform| (Some(platform.clone()), Some(platform))),
        1 => proptest::option::of(platform()).prop_map(|config| (None, config)),
    ];
    (kind, vec(entry, 0..5)).prop_map(|(kind, entries)| Image { kind, entries })
}

fn node() -> impl Strategy<Value = (NodePlatform, bool, bool)> {
    (node_platform(), any::<bool>(), any::<bool>())
}

fn nodes(list: &[(NodePlatform, bool, bool)]) -> Nodes {
    let node =
        |(number, (platform, cordoned, tainted)): (usize, &(NodePlatform, bool, bool))| Node {
            name: format!("n{number}"),
            labels: Default::default(),
            taints: if *tainted {
                vec![Taint {
                    key: "a".to_owned(),
                    value: String::new(),
                    effect: Effect::NoSchedule,
                }]
            } else {
                Vec::new()
            },
            unschedulable: *cordoned,
            extended_resources: Default::default(),
            platform: platform.clone(),
            source: Source::Node,
            open_labels: None,
        };
    list.iter().enumerate().map(node).collect()
}

fn levels(images: &[Image], list: &[(NodePlatform, bool, bool)]) -> Verdict {
    let found = candidates(
        &nodes(list),
        &Placement::default(),
        CandidateRules::default(),
    );
    verdict(images, found)
}

proptest! {
    /// Save where a runtime stops at what it prefers: containerd's transfer service finds a
    /// nearer fallback before an entry without platform, and never fetched it.
    #[test]
    fn an_image_platform_more_never_makes_an_outcome_worse(
        node in node_platform(),
        image in image(),
        added in platform(),
        at in any::<prop::sample::Index>(),
    ) {
        let transfer = node.runtime == Runtime::ContainerdTransfer;
        let has_bare_entries = image.entries.iter().any(|(platform, _)| platform.is_none());
        prop_assume!(!(transfer && has_bare_entries));
        let before = image.outcome(&node).value();
        let mut more = image.clone();
        let at = at.index(more.entries.len() + 1);
        more.entries.insert(at, (Some(added.clone()), Some(added)));
        prop_assert!(rank(more.outcome(&node).value()) >= rank(before), "{:?}", more.outcome(&node));
    }

    #[test]
    fn a_node_more_never_improves_portable_and_never_worsens_runnable(
        images in vec(image(), 1..3),
        list in vec(node(), 1..5),
        added in node(),
    ) {
        let before = levels(&images, &list);
        prop_assume!(!before.candidates.is_empty());
        let mut more = list.clone();
        more.push(added);
        let after = levels(&images, &more);
        prop_assert!(goodness(after.portable()) <= goodness(before.portable()));
        prop_assert!(goodness(after.runnable()) >= goodness(before.runnable()));
    }

    /// It takes candidates away, never proofs.
    #[test]
    fn a_cordon_proves_nothing(
        images in vec(image(), 1..3),
        list in vec(node(), 1..5),
        at in any::<prop::sample::Index>(),
    ) {
        let mut open = list.clone();
        let at = at.index(list.len());
        open[at].1 = false;
        let mut cordoned = list;
        cordoned[at].1 = true;
        let before = levels(&images, &open);
        let after = levels(&images, &cordoned);
        if before.runnable() != LevelResult::Fail {
            prop_assert_ne!(after.runnable(), LevelResult::Fail);
        }
        if before.portable() != LevelResult::Fail {
            prop_assert_ne!(after.portable(), LevelResult::Fail);
        }
        prop_assert!(goodness(after.runnable()) <= goodness(before.runnable()).max(1));
        if after.waits_for_cordon() {
            prop_assert!(after.open_reasons().contains(&Reason::Cordoned));
        }
    }

    /// Of entries without platform, and of entries for one platform, the first is taken, by
    /// every runtime: these keep their order.
    #[test]
    fn the_order_of_containers_nodes_and_entries_changes_nothing(
        images in vec(image(), 1..3),
        list in vec(node(), 1..5),
        seed in any::<u64>(),
    ) {
        let shuffled = |length: usize| {
            let mut order: Vec<usize> = (0..length).collect();
            order.sort_by_key(|position| {
                (*position as u64 + 1).wrapping_mul(seed | 1).rotate_left(17)
            });
            order
        };
        let before = levels(&images, &list);
        let list: Vec<_> = shuffled(list.len()).into_iter().map(|at| list[at].clone()).collect();
        let mut others: Vec<Image> =
            shuffled(images.len()).into_iter().map(|at| images[at].clone()).collect();
        for image in &mut others {
            let key = |entry: &(Option<Platform>, _)| entry.0.as_ref().map(Platform::normalized);
            let mut ordered: Vec<_> = image.entries.clone();
            ordered.sort_by_key(|entry| {
                key(entry).map(|platform| (platform.to_string().len() as u64).wrapping_mul(seed | 1))
            });
            image.entries = ordered;
        }
        let after = levels(&others, &list);
        prop_assert_eq!(after.portable(), before.portable());
        prop_assert_eq!(after.runnable(), before.runnable());
        let values = |verdict: &Verdict| verdict.platforms().map(|(_, value)| value).collect::<Vec<_>>();
        prop_assert_eq!(values(&after), values(&before));
    }

    /// What could not be read may turn out either way: reading it decides, and what was
    /// decided without it stays.
    #[test]
    fn unknown_never_becomes_yes_or_no(
        node in node_platform(),
        image in image(),
        config in platform(),
    ) {
        let before = image.outcome(&node);
        let mut read = image.clone();
        for (_, child) in &mut read.entries {
            child.get_or_insert_with(|| config.clone());
        }
        let after = read.outcome(&node);
        if before.value() == Ternary::Unknown {
            prop_assert_eq!(before.reason(), Some(Reason::Timeout));
        } else {
            prop_assert_eq!(after, before);
        }
    }

    #[test]
    fn an_image_that_nothing_is_known_of_leaves_no_level_passed(
        images in vec(image(), 0..3),
        list in vec(node(), 1..5),
    ) {
        let mut verdict = levels(&images, &list);
        prop_assume!(!verdict.candidates.is_empty());
        let before = verdict.clone();
        let unknown = Outcome::Unknown(Unknown::new(Reason::Unreachable, "down"));
        let mut template = PodTemplate::default();
        template.add_image("c", "unknown", Usage::Container, false);
        verdict.images.push(ImageVerdict {
            image: template.images[0].clone(),
            inspection: None,
            outdated: None,
            advice: None,
            outcomes: vec![unknown; verdict.candidates.platforms.len()],
        });
        let worst = |passing| if passing == LevelResult::Pass { LevelResult::Undecided } else { passing };
        prop_assert_eq!(verdict.portable(), worst(before.portable()));
        prop_assert_eq!(verdict.runnable(), worst(before.runnable()));
    }
}
