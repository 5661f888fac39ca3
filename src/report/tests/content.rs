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
use crate::findings::{Finding, JudgedWorkload, Rule, Unpinned};
use crate::report::*;

const AMD64: &str = "linux/amd64";
const S390X: &str = "linux/s390x";
const TODAY: &str = "2026-11-28T10:00:00Z";

fn report_at(
    level: Level,
    scope: Scope,
    workloads: &[JudgedWorkload],
    baseline: Option<Baseline>,
) -> Report {
    let mut builder = ReportBuilder::new(ReportRequest {
        scope,
        level,
        ..ReportRequest::default()
    });
    for (place, judged) in workloads.iter().enumerate() {
        builder.add(place, judged);
    }
    let circumstances = Circumstances {
        created: TODAY.to_owned(),
        baseline,
        ..Circumstances::default()
    };
    builder.finish(&nodes(&[AMD64, S390X]), circumstances)
}

fn report(workloads: &[JudgedWorkload]) -> Report {
    report_at(Level::Portable, Scope::Cluster, workloads, None)
}

/// A workload whose images have these outcomes on amd64 and on s390x.
fn workload(title: &str, images: &[(&str, [Outcome; 2])]) -> JudgedWorkload {
    let platforms = [candidate(AMD64, &["a1"]), candidate(S390X, &["z1"])];
    let images = images.iter().map(|(name, outcomes)| {
        let container = name.split([':', '/']).next().unwrap_or_default();
        image(&[container], name, outcomes.to_vec())
    });
    let images: Vec<_> = images.collect();
    judged(title, vec![verdict(&platforms, &images)])
}

/// One that may go to amd64 alone.
fn on_amd64(title: &str, name: &str) -> JudgedWorkload {
    let platforms = [candidate(AMD64, &["a1"])];
    let image = image(&["c"], name, vec![supported()]);
    judged(title, vec![verdict(&platforms, &[image])])
}

fn runs() -> [Outcome; 2] {
    [supported(), supported()]
}

fn lacks() -> [Outcome; 2] {
    [supported(), missing()]
}

fn open() -> [Outcome; 2] {
    [supported(), unknown(Reason::Timeout)]
}

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

/// The findings with the titles of their workloads in place of positions.
fn without_positions(report: &Report) -> Vec<(String, Finding)> {
    let findings = report.findings.iter().cloned();
    findings
        .map(|finding| {
            let title = report.workloads[finding.workload].title();
            let finding = Finding {
                workload: 0,
                ..finding
            };
            (title, finding)
        })
        .collect()
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

fn lacking() -> [JudgedWorkload; 2] {
    [
        workload("Deployment a/one", &[("a:1", lacks())]),
        workload("Deployment a/two", &[("b:1", lacks())]),
    ]
}

fn list(entries: &str) -> Baseline {
    let text = format!("apiVersion: archmatch.io/v1alpha1\nkind: Baseline\naccepted:\n{entries}");
    Baseline::parse(&text).unwrap()
}

#[test]
fn what_a_baseline_accepts_counts_for_nothing_until_the_day_after_it_expires() {
    let before = report(&lacking());
    let [one, two] = [0, 1].map(|position| before.findings[position].id.clone());
    let whole = Baseline::parse(&json(&before).unwrap()).unwrap();
    let until = |date: &str| {
        list(&format!(
            "- {{id: {one}, reason: known, expires: {date}}}\n- {{id: {two}}}\n"
        ))
    };
    for (baseline, accepted, says) in [
        (whole, 2, "(accepted)"),
        (
            until("2027-01-01"),
            2,
            "(accepted, until 2027-01-01: known)",
        ),
        (
            until("2026-11-28"),
            2,
            "(accepted, until 2026-11-28: known)",
        ),
        (until("2026-11-27"), 1, "(was accepted, expired 2026-11-27)"),
        (list("- {id: other}\n"), 0, "2 of 2 workloads fail"),
    ] {
        let report = report_at(Level::Portable, Scope::Cluster, &lacking(), Some(baseline));
        let count = report.findings.iter();
        let count = count.filter(|finding| finding.accepted.is_some()).count();
        assert_eq!(count, accepted);
        let expected = match accepted {
            2 => LevelResult::Pass,
            _ => LevelResult::Fail,
        };
        assert_eq!((report.result(), report.passed), (expected, accepted == 2));
        let table = Format::Table.render(&report, Style::PLAIN).unwrap();
        assert!(table.contains(says), "{says} in {table}");
        let word = if accepted == 2 { "PASS" } else { "FAIL" };
        let last = table.lines().last().unwrap();
        assert!(last.starts_with(word), "{last}");
        if accepted > 0 {
            assert!(last.contains("accepted"), "{last}");
        }
    }
}

#[test]
fn an_accepted_gap_leaves_what_else_is_not_known() {
    let workloads = [workload(
        "Deployment a/x",
        &[("a:1", lacks()), ("b:1", open())],
    )];
    let before = report(&workloads);
    let gap = &before.findings[0];
    assert_eq!(gap.rule, Rule::MissingPlatform);
    let baseline = list(&format!("- {{id: {}}}\n", gap.id));
    let report = report_at(Level::Portable, Scope::Cluster, &workloads, Some(baseline));
    assert_eq!(report.result(), LevelResult::Undecided);
    assert!(!report.passed);
}

#[test]
fn an_acceptance_is_handed_on_with_its_reason_and_date() {
    let before = report(&lacking());
    let id = &before.findings[0].id;
    let entry = format!("- {{id: {id}, reason: known, expires: 2027-01-01}}\n");
    let accepted = report_at(
        Level::Portable,
        Scope::Cluster,
        &lacking(),
        Some(list(&entry)),
    );
    let saved = Baseline::parse(&json(&accepted).unwrap()).unwrap();
    let again = report_at(Level::Portable, Scope::Cluster, &lacking(), Some(saved));
    assert_eq!(again.findings[0].accepted, accepted.findings[0].accepted);
}

#[test]
fn a_platform_that_an_image_had_and_has_no_longer_is_lost() {
    let had = [
        workload("Deployment a/x", &[("a:1", runs()), ("b:1", runs())]),
        workload("Deployment a/y", &[("c:1", lacks())]),
    ];
    let has = [
        workload(
            "Deployment a/x",
            &[("a:1", lacks()), ("b:1", open()), ("c:1", lacks())],
        ),
        workload("Deployment a/new", &[("docker.io/library/a:1", lacks())]),
    ];
    let before = report(&had);
    let baseline = Baseline::parse(&json(&before).unwrap()).unwrap();
    let report = report_at(Level::Portable, Scope::Cluster, &has, Some(baseline));
    let lost: Vec<_> = without_positions(&report)
        .into_iter()
        .filter(|(_, finding)| finding.rule == Rule::PlatformLost)
        .map(|(title, finding)| (title, finding.image.unwrap(), finding.platforms.join(" ")))
        .collect();
    let row = |title: &str, image: &str| (title.to_owned(), image.to_owned(), S390X.to_owned());
    assert_eq!(
        lost,
        [
            row("Deployment a/new", "docker.io/library/a:1"),
            row("Deployment a/x", "a:1"),
        ]
    );
    // What is lost is lacking, too, and that is what counts.
    assert_eq!(report.result(), LevelResult::Fail);
}

#[test]
fn a_comparison_says_what_is_new_gone_and_still_there() {
    let old = report(&lacking());
    let new = report(&[
        workload("Deployment a/one", &[("a:2", lacks())]),
        workload("Deployment a/three", &[("c:1", lacks())]),
    ]);
    let diff = ReportDiff::of(&old, &new);
    let names = |findings: &[NamedFinding]| -> Vec<String> {
        let names = findings.iter().map(|finding| finding.workload.clone());
        names.collect()
    };
    assert_eq!(names(&diff.new), ["Deployment a/three"]);
    assert_eq!(names(&diff.gone), ["Deployment a/two"]);
    assert_eq!(names(&diff.still), ["Deployment a/one"]);
    assert_eq!(diff.still[0].image.as_deref(), Some("a:2"), "as it is now");
    let text = diff.render(Style::PLAIN);
    for line in [
        "new: 1 finding\n",
        "gone: 1 finding\n",
        "still: 1 finding\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let value: serde_json::Value = serde_json::from_str(&json(&diff).unwrap()).unwrap();
    let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 3, "{keys:?}");
}

#[test]
fn a_saved_report_of_another_version_or_kind_or_damaged_is_refused() {
    let text = json(&report(&lacking())).unwrap();
    assert!(Report::parse(&text).is_ok());
    let yaml = serde_saphyr::to_string(&report(&lacking())).unwrap();
    assert_eq!(Report::parse(&yaml).unwrap(), report(&lacking()));
    let replaced = |old: &str, new: &str| {
        assert!(text.contains(old), "{old}");
        text.replace(old, new)
    };
    for (text, problem) in [
        (
            replaced("archmatch.io/v1alpha1", "archmatch.io/v1\\u001b[2J"),
            "archmatch.io/v1?[2J, and this program reads archmatch.io/v1alpha1",
        ),
        (
            replaced("\"kind\": \"Report\"", "\"kind\": \"Baseline\""),
            "\"Baseline\", expected Report of archmatch.io/v1alpha1",
        ),
        (
            replaced("\"workload\": 1", "\"workload\": 2"),
            "damaged: a finding is of no workload",
        ),
        (
            replaced("\"rule\": \"missing-platform\"", "\"rule\": \"new-rule\""),
            "new-rule",
        ),
        (replaced("\"summary\"", "\"Summary\""), "summary"),
        ("{}".to_owned(), "no apiVersion"),
        (String::new(), "no apiVersion"),
        ("{\"apiVersion\": 1}".to_owned(), "expected a string"),
        (text[..text.len() / 2].to_owned(), "EOF"),
        ("a: [".to_owned(), ""),
    ] {
        let error = Report::parse(&text).expect_err(problem).to_string();
        assert!(error.contains(problem), "{problem:?} in {error}");
        assert!(!error.contains(char::is_control), "{error:?}");
    }
}

#[test]
fn a_baseline_that_is_none_is_refused_with_what_is_wrong() {
    let head = "apiVersion: archmatch.io/v1alpha1\nkind: Baseline\n";
    for (text, problem) in [
        (
            format!("{head}accepted: [{{id: a, expires: tomorrow}}]\n"),
            "accepted: a: expires: expected a date such as 2026-12-31",
        ),
        (
            format!("{head}accepted: [{{id: a, expires: 2026-02-30}}]\n"),
            "expected a date",
        ),
        (
            format!("{head}accepted: [{{id: a, expires: 20261231}}]\n"),
            "expected a date",
        ),
        (format!("{head}accepted: [{{reason: a}}]\n"), "id"),
        (format!("{head}accepted: [{{id: a, until: b}}]\n"), "until"),
        (format!("{head}excepted: []\n"), "excepted"),
        (
            "apiVersion: archmatch.io/v1beta1\nkind: Baseline\n".to_owned(),
            "version archmatch.io/v1beta1, and this program reads archmatch.io/v1alpha1",
        ),
        (
            "apiVersion: archmatch.io/v1alpha1\nkind: List\n".to_owned(),
            "List",
        ),
        (format!("{head}accepted:\n  - {{id: [}}\n"), ""),
    ] {
        let error = Baseline::parse(&text).expect_err(&text).to_string();
        assert!(error.contains(problem), "{problem:?} in {error}");
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
