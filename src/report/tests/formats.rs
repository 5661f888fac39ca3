//! Every format: one snapshot of one saved report, and that readers which are not ours take
//! it for what it is, whatever names are made of.

use std::sync::Arc;

use clap::ValueEnum;
use proptest::prelude::*;
use proptest::sample::select;

use super::made::data;
use super::readers::{self, assert_read_back, assert_schema};
use crate::report::{Format, Report, Style, Unread};

fn saved(name: &str) -> Report {
    let path = data("reports").join(name);
    Report::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn formats() -> impl Iterator<Item = (Format, fn(&Report, Format) -> String)> {
    let render: fn(&Report, Format) -> String =
        |report, format| format.render(report, Style::PLAIN).unwrap();
    Format::value_variants()
        .iter()
        .map(move |format| (*format, render))
}

/// `make render` writes them, every other run compares.
#[test]
fn every_format_is_as_rendered() {
    let report = saved("mixed.json");
    for (format, render) in formats() {
        let name = format!("reports/mixed.{}", format.name());
        let text = render(&report, format);
        if std::env::var_os("ARCHMATCH_RENDER").is_some() {
            std::fs::write(data(&name), &text).unwrap();
        }
        let kept = std::fs::read_to_string(data(&name)).unwrap_or_default();
        assert!(kept == text, "run make render and commit tests/data/{name}");
    }
}

#[test]
fn every_format_is_what_others_read_it_as() {
    let mut accepted = saved("mixed.json");
    for finding in &mut accepted.findings {
        finding.accepted = Some(Default::default());
    }
    for report in [saved("mixed.json"), saved("hostile.json"), accepted] {
        for (format, render) in formats() {
            let text = render(&report, format);
            assert_read_back(format, &report, &text);
            assert_schema(format, &text);
        }
    }
}

#[test]
fn what_is_accepted_fails_nothing() {
    let mut report = saved("mixed.json");
    let finding = &mut report.findings[0];
    finding.accepted = Some(crate::findings::Acceptance {
        reason: Some("the vendor knows".to_owned()),
        expires: Some("2027-01-31".to_owned()),
    });
    let id = finding.id.clone();
    let text = |format: Format| format.render(&report, Style::PLAIN).unwrap();
    for format in [Format::Gitlab, Format::Github, Format::Rdjson] {
        assert!(!text(format).contains("invalid-image-name"), "{format:?}");
    }
    let log: serde_json::Value = serde_json::from_str(&text(Format::Sarif)).unwrap();
    let result = &log["runs"][0]["results"][0];
    assert_eq!(result["partialFingerprints"]["primaryLocationLineHash"], id);
    assert_eq!(
        result["suppressions"],
        serde_json::json!([{
            "kind": "external",
            "status": "accepted",
            "justification": "accepted until 2027-01-31: the vendor knows",
        }])
    );
    assert!(!text(Format::Junit).contains("<failure type=\"invalid-image-name\""));
    assert!(text(Format::Markdown).contains("accepted until 2027-01-31: the vendor knows"));
}

#[test]
fn no_command_of_a_workflow_is_made_of_a_name() {
    let report = saved("hostile.json");
    let text = Format::Github.render(&report, Style::PLAIN).unwrap();
    assert!(!text.contains("##["), "{text}");
    let commands: Vec<_> = text.lines().filter_map(readers::command).collect();
    for (kind, count) in [("error", 10), ("warning", 4), ("notice", 3)] {
        let such = commands.iter().filter(|command| command.name == kind);
        assert_eq!(such.count(), count, "{kind}\n{text}");
    }
    assert_eq!(commands.len(), 17, "{text}");
    assert!(
        text.contains("\n6 further errors beyond the 10 that GitHub shows"),
        "{text}"
    );
    let file = "file=dir with blank/a%252Fb%2Cc%3Ad;e?f#g&h.yaml%3A7,line=11,";
    assert!(text.contains(file), "{text}");
}

/// Fragments that mean something to some reader.
const FRAGMENTS: [&str; 26] = [
    "<script>",
    "</details>",
    "&amp;",
    "]]>",
    "<!--",
    "|",
    "`",
    "``",
    "[a](b)",
    "](",
    "![",
    "\\",
    "https://a.b",
    "www.a.b",
    "@a",
    "a@b.c",
    "=1",
    "'",
    "\"",
    "\n::error::",
    "##[",
    "%0A",
    "\r",
    ": ",
    " #",
    "- ",
];

fn hostile() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        select(&FRAGMENTS[..]).prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
        proptest::collection::vec(proptest::char::range('\0', '\u{2fff}'), 0..8)
            .prop_map(String::from_iter),
    ];
    proptest::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_names_are_read_back(texts in proptest::collection::vec(hostile(), 12)) {
        let mut report = saved("mixed.json");
        let [name, namespace, kind, image, container, platform, what, why, source, reason, id, problem] =
            <[String; 12]>::try_from(texts).unwrap();
        let workload = &mut report.workloads[0];
        workload.name = name;
        workload.namespace = Some(namespace);
        workload.kind = kind;
        workload.source = Some(source.clone());
        Arc::make_mut(&mut workload.images[0]).image = image.clone();
        let finding = &mut report.findings[2];
        finding.image = Some(image);
        finding.containers = vec![container.clone()];
        finding.platforms = vec![platform.clone()];
        finding.what = what;
        finding.why = why;
        finding.next = container;
        finding.source = Some(source.clone());
        finding.id = id;
        report.findings[4].accepted = Some(crate::findings::Acceptance {
            reason: Some(reason.clone()),
            expires: None,
        });
        report.readiness[0].platform = platform.as_str().into();
        report.platforms[0].platform = platform.into();
        report.errors = vec![Unread { source, problem }];
        report.partial = vec![reason];
        for (format, render) in formats() {
            assert_read_back(format, &report, &render(&report, format));
        }
    }
}
