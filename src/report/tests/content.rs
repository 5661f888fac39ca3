//! What a report makes of judged workloads, and what is done with saved ones.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::select;

use crate::domain::outcome::Outcome;
use crate::domain::pin::{ArchitecturePin, PinField};
use crate::domain::policy::Level;
use crate::domain::unknown::Reason;
use crate::domain::verdict::LevelResult;
use crate::findings::samples::*;
use crate::findings::{JudgedWorkload, Rule, Unpinned};
use crate::report::*;

use super::made::*;

#[test]
fn readiness_counts_each_workload_with_images_once_a_platform() {
    let nothing = workload("Deployment a/nothing", &[]);
    let report = report(&[
        workload("Deployment a/runs", &[("a:1", runs())]),
        workload("DaemonSet a/agent", &[("b:1", lacks())]),
        workload("Deployment a/open", &[("c:1", open())]),
        workload("DaemonSet a/both", &[("a:1", runs()), ("c:1", open())]),
        // A known no decides, whatever else nobody knows.
        workload("Deployment a/no", &[("b:1", lacks()), ("c:1", open())]),
        on_amd64("Deployment a/pinned", "d:1"),
        nothing,
    ]);
    let [amd64, s390x] = &report.readiness[..] else {
        panic!("{:?}", report.readiness)
    };
    let counts = |row: &PlatformReadiness| [row.ready, row.blocked, row.undecided, row.elsewhere];
    assert_eq!(counts(amd64), [6, 0, 0, 0]);
    assert_eq!(counts(s390x), [1, 2, 2, 1]);
    let sets = |ready, blocked, undecided| StateCounts {
        ready,
        blocked,
        undecided,
    };
    assert_eq!(s390x.daemon_sets, sets(0, 1, 1));
    assert_eq!(s390x.images, sets(1, 1, 1));
    assert_eq!(amd64.images, sets(4, 0, 0));
    // The one with an undecided image is left out.
    let expected = Blocker {
        image: "b:1".to_owned(),
        unblocks: 1,
    };
    assert_eq!(s390x.blockers, [expected]);
    assert_eq!(report.summary.without_images, 1);
}

/// The definition, tried out in full: each next image is the one that makes the most
/// workloads ready, once it and those before it are published.
fn blockers_by_definition(waiting: &[BTreeSet<&str>]) -> Vec<Blocker> {
    let mut left: BTreeSet<&str> = waiting.iter().flatten().copied().collect();
    let mut published: BTreeSet<&str> = BTreeSet::new();
    let mut found = Vec::new();
    while !left.is_empty() {
        let ready = |published: &BTreeSet<&str>| {
            let ready = waiting.iter().filter(|images| images.is_subset(published));
            ready.count()
        };
        let before = ready(&published);
        let mut best: Option<(&str, usize)> = None;
        for name in &left {
            let with = published.iter().copied().chain([*name]).collect();
            let gain = ready(&with) - before;
            if best.is_none_or(|(_, most)| gain > most) {
                best = Some((name, gain));
            }
        }
        let (name, unblocks) = best.expect("one is left");
        left.remove(name);
        published.insert(name);
        found.push(Blocker {
            image: name.to_owned(),
            unblocks,
        });
    }
    found
}

proptest! {
    #[test]
    fn blockers_are_greedy_by_the_definition(
        workloads in prop::collection::vec(
            prop::collection::btree_map(
                select(vec!["a:1", "b:1", "c:1", "d:1", "e:1"]),
                select(vec![0_u8, 1, 1, 1, 1, 2]),
                1..5,
            ),
            1..9,
        ),
    ) {
        let judged: Vec<JudgedWorkload> = workloads.iter().enumerate().map(|(number, images)| {
            let images: Vec<_> = images.iter().map(|(name, state)| {
                (*name, match state { 0 => runs(), 1 => lacks(), _ => open() })
            }).collect();
            workload(&format!("Deployment a/w{number}"), &images)
        }).collect();
        let waiting: Vec<BTreeSet<&str>> = workloads.iter()
            .filter(|images| images.values().all(|state| *state != 2))
            .map(|images| {
                let lacking = images.iter().filter(|(_, state)| **state == 1);
                lacking.map(|(name, _)| *name).collect::<BTreeSet<&str>>()
            })
            .filter(|lacking| !lacking.is_empty())
            .collect();
        let report = report(&judged);
        prop_assert_eq!(&report.readiness[1].blockers, &blockers_by_definition(&waiting));
        let total = report.readiness[1].blockers.iter().map(|one| one.unblocks).sum::<usize>();
        prop_assert_eq!(total, waiting.len());
    }
}

#[test]
fn ties_of_blockers_go_by_name_and_one_image_in_two_spellings_is_one() {
    let report = report(&[
        workload("Deployment a/one", &[("node:22", lacks())]),
        workload(
            "Deployment a/two",
            &[("docker.io/library/node:22", lacks())],
        ),
        workload("Deployment a/three", &[("b:1", lacks())]),
        workload("Deployment a/four", &[("a:1", lacks())]),
    ]);
    let blockers = &report.readiness[1].blockers;
    let blockers: Vec<_> = blockers
        .iter()
        .map(|one| (one.image.as_str(), one.unblocks))
        .collect();
    assert_eq!(
        blockers,
        [("docker.io/library/node:22", 2), ("a:1", 1), ("b:1", 1)]
    );
}

fn outcomes() -> impl Strategy<Value = [Outcome; 2]> {
    let one = || {
        select(vec![
            supported(),
            missing(),
            nothing_listed(),
            contradicting("linux/arm64"),
            unknown(Reason::Timeout),
            unknown(Reason::NotFound),
        ])
    };
    [one(), one()]
}

fn any_workload() -> impl Strategy<Value = JudgedWorkload> {
    let title = select(vec![
        "Deployment a/x",
        "Deployment b/x",
        "DaemonSet a/x",
        "Deployment a/y",
        "Deployment a/z",
    ]);
    let name = select(vec!["a:1", "a:2", "b:1", "UPPER case"]);
    let images = prop::collection::btree_map(name, outcomes(), 0..4);
    (title, images).prop_map(|(title, images)| {
        let images: Vec<_> = images.into_iter().collect();
        workload(title, &images)
    })
}

proptest! {
    #[test]
    fn the_order_of_the_input_changes_no_finding(
        (workloads, shuffled) in prop::collection::vec(any_workload(), 1..7)
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        scope in select(vec![Scope::Cluster, Scope::Files]),
    ) {
        let [one, other] = [workloads, shuffled]
            .map(|workloads| report_at(Level::Portable, scope, &workloads, None));
        prop_assert_eq!(without_positions(&one), without_positions(&other));
        prop_assert_eq!(&one.readiness, &other.readiness);
        prop_assert_eq!(one.summary, other.summary);
        let ids: BTreeSet<&str> = one.findings.iter().map(|finding| finding.id.as_str()).collect();
        prop_assert_eq!(ids.len(), one.findings.len(), "ids are unique");
    }

    /// Where nothing is accepted, the exit code by findings is that by levels.
    #[test]
    fn findings_and_levels_agree_on_the_result(
        workloads in prop::collection::vec(any_workload(), 1..5),
        level in select(vec![Level::Runnable, Level::Portable]),
    ) {
        let report = report_at(level, Scope::Cluster, &workloads, None);
        let with_images = report.workloads.iter().filter(|one| !one.images.is_empty());
        let by_levels = LevelResult::all(with_images.map(|one| one.at(level)));
        prop_assert_eq!(report.result(), by_levels);
        prop_assert_eq!(report.passed, by_levels == LevelResult::Pass && !report.is_empty());
    }

    #[test]
    fn what_is_saved_reads_the_same_and_renders_the_same(
        workloads in prop::collection::vec(any_workload(), 0..5),
    ) {
        let report = report(&workloads);
        let text = json(&report).unwrap();
        let read = Report::parse(&text).unwrap();
        prop_assert_eq!(&read, &report);
        for format in [Format::Table, Format::Wide, Format::Json] {
            let [one, other] = [&report, &read]
                .map(|report| format.render(report, Style::PLAIN).unwrap());
            prop_assert_eq!(one, other);
        }
    }
}

#[test]
fn findings_are_in_order_of_severity_then_of_names() {
    let unplaced = image(&["c"], "a:1", Vec::new());
    let nowhere = judged("Deployment a/nowhere", vec![verdict(&[], &[unplaced])]);
    let report = report(&[
        workload("Deployment b/x", &[("z:1", lacks()), ("a:1", lacks())]),
        workload("DaemonSet b/x", &[("a:1", lacks())]),
        workload(
            "Deployment z/fails",
            &[("a:1", [missing(), missing()]), ("b:1", open())],
        ),
        nowhere,
    ]);
    let rows = without_positions(&report);
    let rows: Vec<String> = rows
        .iter()
        .map(|(title, finding)| {
            let image = finding.image.as_deref().unwrap_or("-");
            let (severity, rule) = (finding.severity, finding.rule);
            format!(
                "{severity} {title} {rule} {image} {}",
                finding.platforms.join(" ")
            )
            .trim_end()
            .to_owned()
        })
        .collect();
    assert_eq!(
        rows,
        [
            "error Deployment z/fails missing-platform a:1 linux/amd64",
            "error Deployment z/fails missing-platform a:1 linux/s390x",
            "warning Deployment a/nowhere nowhere-to-run -",
            "warning DaemonSet b/x missing-platform a:1 linux/s390x",
            "warning Deployment b/x missing-platform a:1 linux/s390x",
            "warning Deployment b/x missing-platform z:1 linux/s390x",
            "note Deployment z/fails could-not-check b:1 linux/s390x",
        ]
    );
}

fn pinned(title: &str) -> JudgedWorkload {
    let platforms = [candidate(AMD64, &["a1"]), candidate(S390X, &["z1"])];
    JudgedWorkload {
        unpinned: vec![Unpinned {
            pin: ArchitecturePin {
                field: PinField::NodeSelector,
                text: "kubernetes.io/arch: amd64".to_owned(),
            },
            path: "spec.template.spec".to_owned(),
            verdict: verdict(&platforms, &[image(&["c"], "a:1", runs().to_vec())]),
        }],
        ..on_amd64(title, "a:1")
    }
}

#[test]
fn a_pin_is_needed_where_a_daemon_set_is_split_by_architecture() {
    for (titles, expected) in [
        (vec!["DaemonSet k/agent-amd64"], 1),
        (
            vec!["DaemonSet k/agent-amd64", "DaemonSet k/agent-s390x"],
            0,
        ),
        (vec!["DaemonSet k/agent", "DaemonSet k/agent-s390x"], 0),
        (
            vec!["DaemonSet k/agent-amd64", "DaemonSet l/agent-s390x"],
            2,
        ),
        (
            vec!["Deployment k/agent-amd64", "Deployment k/agent-s390x"],
            2,
        ),
    ] {
        let workloads: Vec<_> = titles.iter().map(|title| pinned(title)).collect();
        let report = report(&workloads);
        let pins = report.findings.iter();
        let pins = pins.filter(|finding| finding.rule == Rule::NeedlessPin);
        assert_eq!(pins.count(), expected, "{titles:?}");
        assert_eq!(
            report.result(),
            LevelResult::Pass,
            "a note counts for nothing"
        );
    }
}

#[test]
fn further_rules_count_where_they_are_asked_for() {
    let pin = [pinned("Deployment a/x")];
    let open = [workload("Deployment a/x", &[("a:1", open())])];
    for (workloads, fail_on, expected) in [
        (&pin[..], vec![], LevelResult::Pass),
        (&pin, vec![Rule::NeedlessPin], LevelResult::Fail),
        (&pin, vec![Rule::VersionSkew], LevelResult::Pass),
        (&open, vec![], LevelResult::Undecided),
        (&open, vec![Rule::CouldNotCheck], LevelResult::Fail),
    ] {
        let mut builder = ReportBuilder::new(ReportRequest {
            scope: Scope::Cluster,
            fail_on: fail_on.clone(),
            ..ReportRequest::default()
        });
        builder.add(0, &workloads[0]);
        let report = builder.finish(&nodes(&[AMD64, S390X]), Circumstances::default());
        assert_eq!(report.result(), expected, "{fail_on:?}");
        let saved = Report::parse(&json(&report).unwrap()).unwrap();
        assert_eq!(saved.result(), expected, "{fail_on:?}");
    }
}

#[test]
fn workloads_of_a_cluster_are_in_order_of_names_and_those_of_files_as_written() {
    let all = [
        on_amd64("Deployment b/x", "a:1"),
        on_amd64("DaemonSet b/x", "a:1"),
        on_amd64("Deployment a/x", "a:1"),
    ];
    let titles = |scope| -> Vec<String> {
        let report = report_at(Level::Portable, scope, &all, None);
        report
            .workloads
            .iter()
            .map(ReportedWorkload::title)
            .collect()
    };
    let sorted = ["Deployment a/x", "DaemonSet b/x", "Deployment b/x"];
    assert_eq!(titles(Scope::Cluster), sorted);
    let written = ["Deployment b/x", "DaemonSet b/x", "Deployment a/x"];
    assert_eq!(titles(Scope::Files), written);
}
