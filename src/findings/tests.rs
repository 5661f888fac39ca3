//! What is found of a workload, by its verdicts alone.

mod reference;

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;

use super::samples::*;
use super::*;
use crate::domain::candidates::{CandidatePlatform, Exclusion};
use crate::domain::outcome::Outcome;
use crate::domain::pin::{ArchitecturePin, PinField};
use crate::domain::policy::{ForeignImages, Level};
use crate::domain::unknown::{Reason, Unknown};
use crate::domain::verdict::{LevelResult, Verdict};

fn both() -> [CandidatePlatform; 2] {
    [
        candidate("linux/amd64", &["a1"]),
        candidate("linux/s390x", &["z1", "z2"]),
    ]
}

fn found(verdict: Verdict) -> Vec<Finding> {
    find(
        &judged("Deployment web/shop", vec![verdict]),
        &ForeignImages::default(),
    )
}

/// Rule, severity and platforms of each, in the order of rules.
fn told(findings: &[Finding]) -> Vec<String> {
    let mut rows: Vec<(Rule, String)> = findings
        .iter()
        .map(|finding| {
            let platforms = finding.platforms.join(" ");
            let row = format!("{} {} {platforms}", finding.severity, finding.rule);
            (finding.rule, row.trim_end().to_owned())
        })
        .collect();
    rows.sort();
    rows.into_iter().map(|(_, row)| row).collect()
}

#[test]
fn each_outcome_has_its_rule_and_the_levels_its_severity() {
    let broken = Reason::Unreachable;
    // The outcomes of one image on amd64 and on s390x, and what is found.
    let rows: Vec<([Outcome; 2], &[&str])> = vec![
        ([supported(), supported()], &[]),
        (
            [supported(), missing()],
            &["warning missing-platform linux/s390x"],
        ),
        (
            [missing(), missing()],
            &[
                "error missing-platform linux/amd64",
                "error missing-platform linux/s390x",
            ],
        ),
        (
            [supported(), mismatched("linux/amd64")],
            &["warning wrong-platform linux/s390x"],
        ),
        (
            [mismatched("linux/arm64"), mismatched("linux/arm64")],
            &[
                "error wrong-platform linux/amd64",
                "error wrong-platform linux/s390x",
            ],
        ),
        // Nobody knows whether it runs on any: that is no error yet.
        (
            [unknown(broken), missing()],
            &[
                "warning missing-platform linux/s390x",
                "warning could-not-check linux/amd64",
            ],
        ),
        (
            [unknown(broken), unknown(broken)],
            &["warning could-not-check linux/amd64 linux/s390x"],
        ),
        (
            [nothing_listed(), nothing_listed()],
            &["error empty-index linux/amd64 linux/s390x"],
        ),
        (
            [supported(), contradicting("linux/amd64")],
            &[
                "warning wrong-platform linux/s390x",
                "warning entry-contradicts linux/s390x",
            ],
        ),
        (
            [supported(), unknown(Reason::NotFound)],
            &[
                "warning could-not-check linux/s390x",
                "warning child-missing linux/s390x",
            ],
        ),
    ];
    for (outcomes, expected) in rows {
        let image = image(&["web"], "node:22", outcomes.to_vec());
        assert_eq!(
            told(&found(verdict(&both(), &[image]))),
            expected,
            "{outcomes:?}"
        );
    }
    let invalid = image(&["web"], "UPPER case", vec![supported(), supported()]);
    assert_eq!(
        told(&found(verdict(&both(), &[invalid]))),
        ["error invalid-image-name linux/amd64 linux/s390x"]
    );
    // Where the index is not there, nothing of it is missing.
    let mut absent = image(&["web"], "node:22", vec![unknown(Reason::NotFound); 2]);
    absent.inspection = None;
    assert_eq!(
        told(&found(verdict(&both(), &[absent]))),
        ["warning could-not-check linux/amd64 linux/s390x"]
    );
}

/// A known no decides both levels, whatever else nobody knows.
#[test]
fn what_no_level_hangs_on_is_a_note() {
    let open = image(&["side"], "side:1", vec![supported(), unknown(Reason::Tls)]);
    let lacking = image(&["web"], "node:22", vec![supported(), missing()]);
    assert_eq!(
        told(&found(verdict(&both(), &[open, lacking]))),
        [
            "warning missing-platform linux/s390x",
            "note could-not-check linux/s390x"
        ]
    );
}

#[test]
fn containers_that_name_one_image_share_a_finding() {
    let lacking = || image(&["web", "init"], "node:22", vec![supported(), missing()]);
    let findings = found(verdict(&both(), &[lacking()]));
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].containers, ["web", "init"]);
    // A mounted volume of that image is a row of its own, and no finding of its own.
    let mut volume = lacking();
    volume.image.containers = vec!["data".to_owned()];
    let findings = found(verdict(&both(), &[lacking(), volume]));
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].containers, ["web", "init", "data"]);
    // Two templates say it once as well.
    let templates = vec![
        verdict(&both(), &[lacking()]),
        verdict(&both(), &[lacking()]),
    ];
    let findings = find(
        &judged("JobSet web/shop", templates),
        &ForeignImages::default(),
    );
    assert_eq!(told(&findings), ["warning missing-platform linux/s390x"]);
    // Another spelling is another image.
    let other = image(
        &["b"],
        "docker.io/library/node:22",
        vec![supported(), missing()],
    );
    assert_eq!(found(verdict(&both(), &[lacking(), other])).len(), 2);
}

#[test]
fn a_platform_with_two_runtimes_is_one_platform() {
    let mut other = candidate("linux/s390x", &["z3"]);
    other.platform = Arc::new(crate::domain::node::NodePlatform {
        runtime: crate::domain::runtime::Runtime::CriO,
        ..(*other.platform).clone()
    });
    let [amd64, s390x] = both();
    let lacking = image(&["web"], "node:22", vec![supported(), missing(), missing()]);
    let findings = found(verdict(&[amd64, s390x, other], &[lacking]));
    assert_eq!(told(&findings), ["warning missing-platform linux/s390x"]);
}

#[test]
fn a_workload_as_a_whole_has_findings_without_an_image() {
    let runs = || image(&["web"], "node:22", vec![supported(), supported()]);
    let mut nowhere = verdict(&[], &[image(&["web"], "node:22", Vec::new())]);
    nowhere.candidates.excluded = vec![(Exclusion::Selector, 3)];
    let mut overlooked = verdict(&both(), &[runs()]);
    overlooked.overlooked = Some(Unknown::new(Reason::TooLarge, "only the first 256 images"));
    let mut undetermined = verdict(&[], &[image(&["web"], "node:22", Vec::new())]);
    undetermined.candidates.undetermined = Some(Unknown::new(Reason::TooLarge, "too much"));
    let mut cordoned = verdict(
        &[candidate("linux/amd64", &["a1"])],
        &[image(&["web"], "node:22", vec![missing()])],
    );
    cordoned.candidates.cordoned = vec![candidate("linux/s390x", &["z1"])];
    cordoned.beyond_cordon = vec![image(&["web"], "node:22", vec![supported()])];
    for (verdict, expected) in [
        (nowhere, &["warning nowhere-to-run"][..]),
        (overlooked, &["warning could-not-check"]),
        (undetermined, &["warning could-not-check"]),
        (
            cordoned,
            &[
                "warning missing-platform linux/amd64",
                "warning could-not-check linux/s390x",
            ],
        ),
        (verdict(&both(), &[]), &["note no-images"]),
    ] {
        let findings = found(verdict);
        assert_eq!(told(&findings), expected);
        let whole = findings.last().unwrap();
        assert_eq!((&whole.image, whole.containers.len()), (&None, 0));
    }
}

fn pinned(value: &str, images: &[crate::domain::verdict::ImageVerdict]) -> JudgedWorkload {
    let here: Vec<_> = images
        .iter()
        .map(|image| {
            let mut image = image.clone();
            image.outcomes.truncate(1);
            image
        })
        .collect();
    let [amd64, _] = both();
    JudgedWorkload {
        unpinned: vec![Unpinned {
            pin: ArchitecturePin {
                field: PinField::NodeSelector,
                text: format!("kubernetes.io/arch: {value}"),
            },
            path: "spec.template.spec".to_owned(),
            verdict: verdict(&both(), images),
        }],
        ..judged("Deployment web/shop", vec![verdict(&[amd64], &here)])
    }
}

#[test]
fn a_pin_is_needless_where_every_image_is_known_to_run_beyond_it() {
    let runs = || image(&["web"], "node:22", vec![supported(), supported()]);
    let with = |outcome| image(&["side"], "side:1", vec![supported(), outcome]);
    for (images, expected) in [
        (vec![runs()], true),
        (vec![runs(), with(supported())], true),
        (vec![runs(), with(missing())], false),
        (vec![runs(), with(unknown(Reason::Timeout))], false),
    ] {
        let judged = pinned("amd64", &images);
        let findings = find(&judged, &ForeignImages::default());
        let expected: &[&str] = if expected {
            &["note needless-pin linux/s390x"]
        } else {
            &[]
        };
        assert_eq!(told(&findings), expected);
    }
    let findings = find(&pinned("amd64", &[runs()]), &ForeignImages::default());
    let expected = Fix {
        kind: FixKind::Unpin,
        path: "spec.template.spec.nodeSelector".to_owned(),
        old: "kubernetes.io/arch: amd64".to_owned(),
        new: String::new(),
    };
    assert_eq!(findings[0].fixes, [expected]);
    // Where it does not pass as it is, there are other things to say.
    let mut failing = pinned("amd64", &[runs()]);
    failing.verdicts[0].images[0].outcomes = vec![missing()];
    let findings = find(&failing, &ForeignImages::default());
    assert_eq!(told(&findings), ["error missing-platform linux/amd64"]);
    // A pin that excludes nothing is none.
    let mut idle = pinned("amd64", &[runs()]);
    idle.unpinned[0].verdict = idle.verdicts[0].clone();
    assert_eq!(told(&find(&idle, &ForeignImages::default())), [""; 0]);
}

#[test]
fn entries_of_another_revision_are_named() {
    let (a, b, c) = (Some("a1"), Some("b2"), Some("c3"));
    let (amd64, arm64, s390x) = ("linux/amd64", "linux/arm64", "linux/s390x");
    for (entries, expected) in [
        (vec![(amd64, a), (arm64, a), (s390x, a)], ""),
        (vec![(amd64, None), (s390x, None)], ""),
        (vec![(amd64, a), (s390x, None)], ""),
        (vec![(amd64, a), (arm64, a), (s390x, b)], "linux/s390x"),
        (vec![(amd64, b), (arm64, a), (s390x, a)], "linux/amd64"),
        // Among equals the first in the alphabet is the usual one, in any order.
        (vec![(amd64, b), (s390x, a)], "linux/amd64"),
        (vec![(s390x, a), (amd64, b)], "linux/amd64"),
        (
            vec![(amd64, a), (arm64, b), (s390x, c)],
            "linux/arm64 linux/s390x",
        ),
        (vec![(amd64, a), ("unknown/unknown", b)], ""),
    ] {
        let mut image = image(&["web"], "node:22", vec![supported(), supported()]);
        image.inspection = Some(index(&entries));
        let findings = told(&found(verdict(&both(), &[image])));
        let expected: Vec<String> = match expected {
            "" => Vec::new(),
            platforms => vec![format!("note version-skew {platforms}")],
        };
        assert_eq!(findings, expected, "{entries:?}");
    }
}

fn id_of(title: &str, change: impl FnOnce(&mut JudgedWorkload), image_name: &str) -> String {
    let lacking = image(&["web", "init"], image_name, vec![supported(), missing()]);
    let mut judged = judged(title, vec![verdict(&both(), &[lacking])]);
    change(&mut judged);
    let findings = find(&judged, &ForeignImages::default());
    assert_eq!(findings.len(), 1);
    findings[0].id.clone()
}

#[test]
fn an_id_is_the_same_for_another_tag_digest_order_uid_and_version_of_the_api() {
    let title = "Deployment web/shop";
    let known = id_of(title, |_| {}, "node:22");
    assert_eq!(known.len(), 32);
    let digest = format!("node:22@sha256:{}", "a".repeat(64));
    for name in ["node:23", "node", &digest, "docker.io/library/node:22"] {
        assert_eq!(id_of(title, |_| {}, name), known, "{name}");
    }
    type Change = fn(&mut JudgedWorkload);
    let same: [Change; 5] = [
        |judged| judged.uid = "1234".to_owned(),
        |judged| judged.source = Some("shop.yaml:12".to_owned()),
        |judged| judged.api_version = "apps/v1beta2".to_owned(),
        |judged| {
            judged.verdicts[0].images[0].image.containers.reverse();
        },
        |judged| {
            // One finding more before it.
            let other = image(&["a"], "a:1", vec![supported(), supported()]);
            judged.verdicts[0].images.insert(0, other);
        },
    ];
    for change in same {
        assert_eq!(id_of(title, change, "node:22"), known);
    }
    let others = [
        id_of("Deployment web/other", |_| {}, "node:22"),
        id_of("Deployment other/shop", |_| {}, "node:22"),
        id_of("StatefulSet web/shop", |_| {}, "node:22"),
        id_of(title, |_| {}, "r.example/node:22"),
        id_of(
            title,
            |judged| judged.api_version = "example.com/v1".to_owned(),
            "node:22",
        ),
        id_of(
            title,
            |judged| judged.verdicts[0].images[0].image.containers.truncate(1),
            "node:22",
        ),
        id_of(
            title,
            |judged| {
                judged.verdicts[0].candidates.platforms[1] = candidate("linux/ppc64le", &[]);
            },
            "node:22",
        ),
        id_of(
            title,
            |judged| {
                judged.verdicts[0].images[0].outcomes[1] = mismatched("linux/amd64");
            },
            "node:22",
        ),
    ];
    let distinct: BTreeSet<&String> = others.iter().chain([&known]).collect();
    assert_eq!(distinct.len(), others.len() + 1, "{others:?}");
}

fn outcome() -> impl Strategy<Value = Outcome> {
    select(vec![
        supported(),
        missing(),
        nothing_listed(),
        mismatched("linux/arm64"),
        contradicting("linux/arm64"),
        unknown(Reason::Timeout),
        unknown(Reason::NotFound),
        unknown(Reason::Preloaded),
    ])
}

/// A verdict with up to three images on up to two candidates and one cordoned platform.
fn any_verdict() -> impl Strategy<Value = Verdict> {
    let name = select(vec!["node:22", "app:1", "r.example/app:2", "UPPER case"]);
    let images = prop::collection::vec((name, [outcome(), outcome(), outcome()]), 0..4);
    (images, 0..3_usize, any::<bool>(), any::<bool>()).prop_map(
        |(images, candidates, is_cordoned, is_overlooked)| {
            let judged = |range: std::ops::Range<usize>| {
                let images = images.iter().enumerate();
                let images = images.map(|(position, (name, outcomes))| {
                    let container = format!("c{position}");
                    image(&[&container], name, outcomes[range.clone()].to_vec())
                });
                images.collect::<Vec<_>>()
            };
            let mut verdict = verdict(&both()[..candidates], &judged(0..candidates));
            if is_cordoned {
                verdict.candidates.cordoned = vec![candidate("linux/arm64", &["r1"])];
                verdict.beyond_cordon = judged(2..3);
            }
            if is_overlooked {
                verdict.overlooked = Some(Unknown::new(Reason::TooLarge, "too many"));
            }
            verdict
        },
    )
}

/// What findings make of a level, as the exit code does.
fn by_findings(findings: &[Finding], level: LevelResult) -> LevelResult {
    LevelResult::all(findings.iter().map(|finding| match level {
        LevelResult::Fail if finding.rule.is_gap() => LevelResult::Fail,
        LevelResult::Fail | LevelResult::Undecided if finding.rule.is_open() => {
            LevelResult::Undecided
        }
        _ => LevelResult::Pass,
    }))
}

proptest! {
    /// Else a report would pass, or say nothing of what fails.
    #[test]
    fn a_workload_that_does_not_pass_has_a_finding_that_says_so(
        verdicts in prop::collection::vec(any_verdict(), 1..3),
    ) {
        let judged = judged("Deployment web/shop", verdicts);
        prop_assume!(!judged.is_without_images());
        let findings = find(&judged, &ForeignImages::default());
        for level in [Level::Runnable, Level::Portable] {
            let stands = judged.at(level);
            prop_assert_eq!(by_findings(&findings, stands), stands, "{} {:?}", level, findings);
        }
    }

    #[test]
    fn a_finding_says_what_why_and_what_next_in_visible_characters(
        verdicts in prop::collection::vec(any_verdict(), 1..3),
    ) {
        for finding in find(&judged("Deployment web/shop", verdicts), &ForeignImages::default()) {
            let sentences = [&finding.what, &finding.why, &finding.next];
            for sentence in sentences {
                prop_assert!(!sentence.is_empty() && !sentence.contains(char::is_control));
            }
            let all = sentences.map(String::as_str).join("\n");
            for name in finding.image.iter().chain(&finding.platforms) {
                prop_assert!(all.contains(name.as_str()), "{} in {:?}", name, finding);
            }
        }
    }
}
