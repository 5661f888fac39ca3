//! What is done with saved reports: read again, compared, accepted.

use crate::domain::policy::Level;
use crate::domain::verdict::LevelResult;
use crate::findings::samples::nodes;
use crate::findings::{JudgedWorkload, Rule};
use crate::report::*;

use super::made::*;

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
fn a_comparison_says_which_platforms_were_lost_though_nobody_looked_for_them() {
    let old = report(&[workload(
        "Deployment a/x",
        &[("a:1", runs()), ("b:1", lacks())],
    )]);
    let now = [workload(
        "Deployment a/x",
        &[("a:1", lacks()), ("b:1", lacks())],
    )];
    let baseline = Baseline::parse(&json(&old).unwrap()).unwrap();
    let rules = |findings: &[NamedFinding]| -> Vec<(Rule, String)> {
        let findings = findings.iter();
        let rows = findings.map(|one| (one.rule, one.image.clone().unwrap_or_default()));
        rows.collect()
    };
    for new in [
        report(&now),
        // The same where somebody did.
        report_at(Level::Portable, Scope::Cluster, &now, Some(baseline)),
    ] {
        let diff = ReportDiff::of(&old, &new);
        assert_eq!(
            rules(&diff.new),
            [
                (Rule::MissingPlatform, "a:1".to_owned()),
                (Rule::PlatformLost, "a:1".to_owned()),
            ]
        );
        assert_eq!(rules(&diff.gone), []);
        assert_eq!(
            rules(&diff.still),
            [(Rule::MissingPlatform, "b:1".to_owned())]
        );
        let lost = &diff.new[1];
        assert_eq!(lost.workload, "Deployment a/x");
        assert_eq!(lost.platforms, [S390X]);
        // What was lost before is not lost again.
        let later = ReportDiff::of(&new, &new);
        assert_eq!(rules(&later.new), []);
    }
}

#[test]
fn what_a_part_of_the_cluster_shows_is_added_to_what_is_known() {
    let mut known = KnownToRun::of(&report(&[workload("Deployment a/x", &[("a:1", runs())])]));
    known.add(&report(&[workload("Deployment a/y", &[("b:1", runs())])]));
    let now = [workload(
        "Deployment a/x",
        &[("a:1", lacks()), ("b:1", lacks())],
    )];
    let mut builder = ReportBuilder::new(ReportRequest::default());
    builder.add(0, &now[0]);
    let circumstances = Circumstances {
        known: Some(&known),
        ..Circumstances::default()
    };
    let report = builder.finish(&nodes(&[AMD64, S390X]), circumstances);
    let lost = report.findings.iter();
    let lost = lost.filter(|finding| finding.rule == Rule::PlatformLost);
    let lost: Vec<&str> = lost
        .filter_map(|finding| finding.image.as_deref())
        .collect();
    assert_eq!(lost, ["a:1", "b:1"]);
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
