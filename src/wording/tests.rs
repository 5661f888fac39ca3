//! The texts, letter by letter where people rely on them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::denial::*;
use super::remedy::Remedy;
use super::warnings::*;
use crate::domain::candidates::{CandidatePlatform, Candidates, Exclusion};
use crate::domain::inspection::{
    Content, Entry, EntryKind, Inspection, MediaType, StaleCause, Staleness,
};
use crate::domain::node::{NodePlatform, PoolName, Source};
use crate::domain::outcome::{
    Compatibility, EntryPosition, IndexDepth, MatchReason, MissReason, Outcome,
};
use crate::domain::placement::Placement;
use crate::domain::platform::Platform;
use crate::domain::policy::ForeignImages;
use crate::domain::runtime::Runtime;
use crate::domain::unknown::{Reason, Unknown};
use crate::domain::verdict::{ImageVerdict, Verdict};
use crate::domain::workload::{ContainerImage, PodTemplate, Usage};

fn candidate(architecture: &str, nodes: &[&str]) -> CandidatePlatform {
    CandidatePlatform {
        platform: Arc::new(NodePlatform {
            platform: Platform::new("linux", architecture, ""),
            runtime: Runtime::ContainerdTransfer,
            emulates: Vec::new(),
        }),
        nodes: nodes.iter().copied().collect(),
        node_count: nodes.len(),
        sources: vec![Source::Node],
        pools: Vec::new(),
        is_certain: true,
    }
}

fn image(name: &str, outcomes: Vec<Outcome>) -> ImageVerdict {
    let entry = |number: u8, platform: &str| Entry {
        digest: format!("sha256:{number:064x}").parse().unwrap(),
        kind: EntryKind::Manifest,
        platform: Some(Arc::new(platform.parse().unwrap())),
        zstd: false,
        build: None,
    };
    ImageVerdict {
        image: ContainerImage {
            image: name.to_owned(),
            reference: name.parse(),
            containers: vec!["web".to_owned()],
            usage: Usage::Container,
            preloaded: false,
        },
        inspection: Some(Arc::new(Inspection {
            build: None,
            digest: format!("sha256:{:064x}", 9).parse().unwrap(),
            media_type: MediaType::OciIndex,
            content: Content::Index(vec![entry(1, "linux/amd64"), entry(2, "linux/arm64/v8")]),
        })),
        outdated: None,
        advice: None,
        outcomes,
    }
}

fn verdict(platforms: Vec<CandidatePlatform>, images: Vec<ImageVerdict>) -> Verdict {
    Verdict {
        candidates: Candidates {
            platforms,
            ..Candidates::default()
        },
        images,
        beyond_cordon: Vec::new(),
        overlooked: None,
    }
}

/// The denial where nobody knows where the pod would run.
fn denial(verdicts: &[Verdict]) -> String {
    denial_with(verdicts, &[])
}

fn denial_with(verdicts: &[Verdict], elsewhere: &[Vec<Placement>]) -> String {
    let remedy = Remedy {
        templates: &[PodTemplate::default()],
        suggestions: &BTreeMap::new(),
        elsewhere,
        foreign: &ForeignImages::default(),
    };
    super::denial(verdicts, &remedy)
}

fn pool(source: Source, architecture: &str, name: &str) -> CandidatePlatform {
    CandidatePlatform {
        sources: vec![source],
        pools: vec![PoolName {
            source,
            name: name.into(),
        }],
        ..candidate(architecture, &[])
    }
}

#[test]
fn a_message_says_where_a_platform_comes_from() {
    let mut both = candidate("s390x", &["z-1", "z-2"]);
    both.pools = pool(Source::Pool, "s390x", "z").pools;
    for (candidate, expected) in [
        (
            candidate("s390x", &["z-1", "z-2"]),
            "required by 2 nodes (z-1, z-2)",
        ),
        (
            pool(Source::NodePool, "s390x", "arm"),
            "required by NodePool arm",
        ),
        (
            pool(Source::Pool, "s390x", "z"),
            "required by the declared pool z",
        ),
        (
            pool(Source::MachineDeployment, "s390x", "capi/z"),
            "required by MachineDeployment capi/z",
        ),
        (
            both,
            "required by 2 nodes (z-1, z-2) and the declared pool z",
        ),
    ] {
        let verdicts = [verdict(
            vec![candidate],
            vec![image(
                "node:22",
                vec![Outcome::Missing(MissReason::NoEntry(IndexDepth::First))],
            )],
        )];
        let line = &warnings(&verdicts, &[])[0];
        assert!(line.ends_with(expected), "{line}");
    }
}

#[test]
fn a_platform_that_nobody_is_sure_of_proves_no_gap() {
    let mut possible = pool(Source::NodePool, "s390x", "default");
    possible.is_certain = false;
    let outcome = possible.outcome(Outcome::Missing(MissReason::NoEntry(IndexDepth::First)));
    let verdicts = [verdict(
        vec![possible],
        vec![image("node:22", vec![outcome])],
    )];
    assert_eq!(verdicts[0].gaps().count(), 0);
    assert_eq!(
        warnings(&verdicts, &[]),
        [
            "archmatch: image \"node:22\" could not be checked: NodePool default leaves its \
             architecture open, which nodes.overrides[].architectures settles (unsupported)"
        ]
    );
}

#[test]
fn a_denial_says_what_lacks_where_what_happens_and_what_helps() {
    let verdicts = [verdict(
        vec![candidate("s390x", &["z1", "z2"])],
        vec![image(
            "node:22",
            vec![Outcome::Missing(MissReason::NoEntry(IndexDepth::First))],
        )],
    )];
    let amd64 = Placement {
        node_selector: [("kubernetes.io/arch".to_owned(), "amd64".to_owned())].into(),
        ..Placement::default()
    };
    assert_eq!(
        denial_with(&verdicts, &[vec![amd64]]),
        "image \"node:22\" (container web) has no linux/s390x manifest, required by 2 nodes (z1, z2)\n  \
           the image has: linux/amd64, linux/arm64\n  \
           such a pod ends in: ErrImagePull: no match for platform in manifest\n\
         To fix it, run it where its images work, in spec:\n  \
           nodeSelector:\n    \
             kubernetes.io/arch: amd64\n\
         or use another tag or image that has linux/s390x in place of \"node:22\""
    );
}

#[test]
fn a_mismatch_names_both_platforms_and_the_crash() {
    let made_for = Platform::new("linux", "arm64", "");
    let outcome = Outcome::Mismatched {
        picked: Vec::new(),
        made_for,
        why: MatchReason::Plain(Compatibility::Foreign),
    };
    let verdicts = [verdict(
        vec![candidate("amd64", &["a1"])],
        vec![image("app:1", vec![outcome])],
    )];
    let text = denial(&verdicts);
    assert!(
        text.contains("is built for linux/arm64, not for linux/amd64, required by 1 node (a1)"),
        "{text}"
    );
    assert!(text.contains("exec format error"), "{text}");
}

#[test]
fn known_gaps_come_before_what_could_not_be_checked() {
    let unknown = Outcome::Unknown(Unknown::new(
        Reason::Timeout,
        "registry.example did not answer in time",
    ));
    let verdicts = [verdict(
        vec![candidate("s390x", &["z1"])],
        vec![
            image("registry.example/app:1", vec![unknown]),
            image(
                "node:22",
                vec![Outcome::Missing(MissReason::NoEntry(IndexDepth::First))],
            ),
        ],
    )];
    assert_eq!(
        warnings(&verdicts, &[]),
        [
            "archmatch: image \"node:22\" (container web) has no linux/s390x manifest, required by 1 node (z1)",
            "archmatch: image \"registry.example/app:1\" could not be checked: \
             registry.example did not answer in time (timeout)",
        ]
    );
}

#[test]
fn warnings_hold_no_control_characters_and_keep_to_the_limits() {
    let images = (0..100)
        .map(|number| {
            image(
                &format!("x\n\u{1b}{number}{}", "y".repeat(400)),
                vec![Outcome::Missing(MissReason::NoEntry(IndexDepth::First))],
            )
        })
        .collect();
    let verdicts = [verdict(vec![candidate("s390x", &["z1"])], images)];
    let lines = warnings(&verdicts, &[]);
    assert!(lines.iter().all(|line| !line.chars().any(char::is_control)));
    assert!(lines.iter().all(|line| line.chars().count() <= 256));
    assert!(lines.iter().map(|line| line.chars().count()).sum::<usize>() <= 4096);
    let last = lines.last().unwrap();
    assert!(
        last.starts_with("archmatch: and ") && last.ends_with(" more"),
        "{last}"
    );
}

#[test]
fn a_pod_that_may_go_nowhere_is_told_why() {
    let mut nowhere = verdict(Vec::new(), vec![image("node:22", Vec::new())]);
    nowhere.candidates.excluded = vec![(Exclusion::Cordoned, 2), (Exclusion::Selector, 1)];
    assert_eq!(
        warnings(&[nowhere], &[]),
        [
            "archmatch: no node may run this pod (2 cordoned, 1 didn't match the pod's node \
             affinity/selector), so no image was checked"
        ]
    );
}

#[test]
fn what_the_list_of_platforms_does_not_show_is_said() {
    let place = |position| EntryPosition {
        depth: IndexDepth::First,
        position,
    };
    let verified = Outcome::Mismatched {
        picked: Vec::new(),
        made_for: Platform::new("linux", "amd64", ""),
        why: MatchReason::Verified(place(1), Compatibility::Foreign),
    };
    for (architecture, outcome, line, why) in [
        (
            "amd64",
            Outcome::Missing(MissReason::Features(place(0))),
            "has no linux/amd64 manifest",
            "entry 1 of its index is for linux/amd64, but demands os.features that the node does not have",
        ),
        (
            "arm64",
            verified,
            "has an index entry for linux/arm64 that points to a linux/amd64 config",
            "entry 2 of its index is for linux/arm64, and its config says linux/amd64",
        ),
    ] {
        let verdicts = [verdict(
            vec![candidate(architecture, &["n1"])],
            vec![image("app:1", vec![outcome])],
        )];
        let line = format!("image \"app:1\" (container web) {line}, required by 1 node (n1)");
        let text = denial(&verdicts);
        assert!(
            text.starts_with(&format!("{line}\n  what decides: {why}\n")),
            "{text}"
        );
        assert_eq!(
            warnings(&verdicts, &[]),
            [format!("archmatch: {line}: {why}")]
        );
        assert!(denial_causes(&verdicts)[0].message.ends_with(why));
    }
}

#[test]
fn an_old_answer_is_said_to_be_old() {
    let stale = |name: &str, outcome: Outcome, seconds: u64, reason: Reason| {
        let mut image = image(name, vec![outcome]);
        let age = Duration::from_secs(seconds);
        let why = StaleCause::Failed(reason);
        image.outdated = Some(Staleness { age, why });
        image
    };
    let supported = || Outcome::Supported {
        picked: Vec::new(),
        why: MatchReason::Artifact,
    };
    let missing = || Outcome::Missing(MissReason::NoEntry(IndexDepth::First));
    let images = vec![
        stale("node:22", supported(), 2400, Reason::Unreachable),
        stale("r.example/app:1", supported(), 7200, Reason::RateLimited),
        stale("node:22", supported(), 2400, Reason::Unreachable),
    ];
    let verdicts = [verdict(vec![candidate("amd64", &["a1"])], images)];
    assert_eq!(
        reminders(&verdicts, vec!["label".to_owned()]),
        [
            "archmatch: image \"node:22\" was judged by what docker.io said 40m ago; it is unreachable now",
            "archmatch: image \"r.example/app:1\" was judged by what r.example said 2h ago; it takes no more requests now",
            "archmatch: label",
        ]
    );
    let images = vec![stale("node:22", missing(), 119, Reason::Timeout)];
    let verdicts = [verdict(vec![candidate("s390x", &["z1"])], images)];
    let caveat = "was judged by what docker.io said 119s ago; it does not answer in time now";
    assert!(warnings(&verdicts, &[])[1].ends_with(caveat));
    let denial = denial(&verdicts);
    assert!(denial.contains(&format!("\n  it {caveat}\n")), "{denial}");
}
