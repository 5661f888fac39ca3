//! The page as another parser reads it, and as it was written last.

use std::sync::Arc;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use html5ever::tendril::TendrilSink as _;
use html5ever::{ParseOpts, parse_document};
use markup5ever_rcdom::{Handle, NodeData, RcDom};

use super::super::model::{Report, SkippedKind, Unread};
use super::super::readiness::readiness;
use super::render;
use crate::findings::Acceptance;

/// An element, with its text and what is in it.
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    text: String,
    inside: Vec<String>,
}

impl Element {
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

/// Every element of a page, in the order of the page. The page has no errors.
fn elements(page: &str) -> Vec<Element> {
    let dom = parse_document(RcDom::default(), ParseOpts::default()).one(page);
    let errors = dom.errors.borrow();
    assert!(errors.is_empty(), "{errors:?}");
    let mut found = Vec::new();
    walk(&dom.document, &mut found);
    found
}

fn walk(node: &Handle, found: &mut Vec<Element>) -> (String, Vec<String>) {
    let position = found.len();
    if let NodeData::Element { name, attrs, .. } = &node.data {
        let attributes = attrs.borrow();
        let attributes = attributes.iter();
        found.push(Element {
            name: name.local.to_string(),
            attributes: attributes
                .map(|one| (one.name.local.to_string(), one.value.to_string()))
                .collect(),
            text: String::new(),
            inside: Vec::new(),
        });
    }
    let mut text = String::new();
    let mut inside = Vec::new();
    if let NodeData::Text { contents } = &node.data {
        text.push_str(&contents.borrow());
    }
    for child in node.children.borrow().iter() {
        let (more, names) = walk(child, found);
        text.push_str(&more);
        inside.extend(names);
    }
    if let NodeData::Element { name, .. } = &node.data {
        found[position].text = text.clone();
        found[position].inside = inside.clone();
        inside.insert(0, name.local.to_string());
    }
    (text, inside)
}

fn named<'e>(elements: &'e [Element], name: &str) -> Vec<&'e Element> {
    elements.iter().filter(|one| one.name == name).collect()
}

fn path(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/reports")
        .join(name)
}

fn report(name: &str) -> Report {
    Report::parse(&std::fs::read_to_string(path(name)).unwrap()).unwrap()
}

/// Nothing at all.
fn empty() -> Report {
    Report {
        workloads: Vec::new(),
        findings: Vec::new(),
        readiness: Vec::new(),
        platforms: Vec::new(),
        passed: true,
        ..report("mixed.json")
    }
}

/// What a report rarely has.
fn rare() -> Report {
    let mut report = report("mixed.json");
    report.errors.push(Unread {
        source: "shop.yaml:7".to_owned(),
        problem: "it is no YAML".to_owned(),
    });
    report.partial.push("stopped by Ctrl-C".to_owned());
    report.skipped.push(SkippedKind {
        kind: "Rollout".to_owned(),
        group: "argoproj.io".to_owned(),
        count: 3,
    });
    report.findings[0].accepted = Some(Acceptance {
        reason: Some("known".to_owned()),
        expires: Some("2027-01-31".to_owned()),
    });
    report.findings[1].expired = Some("2026-10-31".to_owned());
    report.workloads[1].images.clear();
    report.workloads[2].namespace = None;
    report.workloads[3].unchecked.push("300 images".to_owned());
    let again = report.workloads[0].clone();
    report.workloads.push(again);
    report
}

/// Names that want to be more than text.
fn hostile(name: &str) -> Report {
    let mut report = rare();
    report.created = name.to_owned();
    report.tool.version = name.to_owned();
    report.partial = vec![name.to_owned()];
    report.errors[0].source = name.to_owned();
    report.errors[0].problem = name.to_owned();
    report.skipped[0].kind = name.to_owned();
    report.skipped[0].group = name.to_owned();
    for row in &mut report.readiness {
        row.platform = name.into();
    }
    for column in &mut report.platforms {
        column.platform = name.into();
    }
    for workload in &mut report.workloads {
        workload.kind = name.to_owned();
        workload.name = name.to_owned();
        workload.namespace = workload.namespace.as_ref().map(|_| name.to_owned());
        workload.source = Some(name.to_owned());
        for image in &mut workload.images {
            let image = Arc::make_mut(image);
            image.image = name.to_owned();
            image.doubts = vec![name.to_owned()];
            let mut outcomes = image.outcomes.to_vec();
            for outcome in &mut outcomes {
                outcome.platform = name.into();
                outcome.why = name.into();
            }
            image.outcomes = outcomes.into();
        }
    }
    for finding in &mut report.findings {
        for sentence in [&mut finding.what, &mut finding.why, &mut finding.next] {
            *sentence = name.to_owned();
        }
        finding.containers = vec![name.to_owned()];
        finding.evidence = vec![name.to_owned()];
        for fix in &mut finding.fixes {
            for part in [&mut fix.path, &mut fix.old, &mut fix.new] {
                *part = name.to_owned();
            }
        }
        if let Some(accepted) = &mut finding.accepted {
            accepted.reason = Some(name.to_owned());
            accepted.expires = Some(name.to_owned());
        }
    }
    report
}

#[test]
fn the_page_is_as_it_was_written_last() {
    for name in ["mixed", "stories"] {
        let page = render(&report(&format!("{name}.json")));
        let path = path(&format!("{name}.html"));
        if std::env::var_os("ARCHMATCH_RENDER").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        let last = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            last == page,
            "run the test with ARCHMATCH_RENDER=1, look at and commit {name}.html"
        );
    }
}

#[test]
fn the_example_agrees_with_itself() {
    let report = report("stories.json");
    assert_eq!(
        readiness(&report.platforms, &report.workloads),
        report.readiness
    );
    assert_eq!(report.workloads.len(), report.summary.workloads);
}

#[test]
fn every_page_has_what_readers_and_their_machines_need() {
    for report in [
        report("mixed.json"),
        report("stories.json"),
        rare(),
        empty(),
    ] {
        let page = elements(&render(&report));
        for name in ["h1", "main", "title", "html"] {
            assert_eq!(named(&page, name).len(), 1, "{name}");
        }
        assert_eq!(named(&page, "html")[0].attribute("lang"), Some("en"));
        let metas = named(&page, "meta");
        assert!(
            metas
                .iter()
                .any(|one| one.attribute("name") == Some("viewport"))
        );
        let policy = metas
            .iter()
            .find(|one| one.attribute("http-equiv") == Some("Content-Security-Policy"))
            .and_then(|one| one.attribute("content"))
            .unwrap();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'sha256-"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        for table in named(&page, "table") {
            assert!(table.inside.contains(&"caption".to_owned()));
            assert!(table.inside.contains(&"th".to_owned()));
        }
        for cell in page
            .iter()
            .filter(|one| ["th", "td", "caption", "summary"].contains(&&*one.name))
        {
            assert!(!cell.text.trim().is_empty(), "an empty {}", cell.name);
        }
        let labels: Vec<&str> = page
            .iter()
            .filter(|one| one.name == "label")
            .map(|one| one.text.trim())
            .collect();
        let fields = named(&page, "select").len() + named(&page, "input").len();
        assert_eq!(labels.len(), fields);
    }
}

#[test]
fn a_row_has_an_id_of_its_own_and_a_link_to_it() {
    let report = rare();
    let page = elements(&render(&report));
    let rows: Vec<&str> = page
        .iter()
        .filter(|one| one.name == "tr")
        .filter_map(|one| one.attribute("id"))
        .collect();
    assert_eq!(rows.len(), report.workloads.len());
    for id in [
        "Deployment-web-shop",
        "Deployment-web-shop~2",
        "DaemonSet-kube-system-agent",
        // It has no namespace.
        "CronJob-nightly",
    ] {
        assert!(rows.contains(&id), "{id} of {rows:?}");
    }
    let ids: Vec<&str> = page.iter().filter_map(|one| one.attribute("id")).collect();
    let distinct: HashSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), distinct.len(), "{ids:?}");
    let links = page.iter().filter_map(|one| one.attribute("href"));
    let links: HashSet<&str> = links.filter_map(|href| href.strip_prefix('#')).collect();
    assert!(
        links.iter().all(|link| distinct.contains(link)),
        "{links:?}"
    );
    assert!(rows.iter().all(|row| links.contains(row)), "{rows:?}");
}

#[test]
fn what_is_accepted_or_was_is_marked() {
    let page = elements(&render(&rare()));
    let marks = page
        .iter()
        .filter(|one| one.attribute("class") == Some("mark"));
    let mut marks: Vec<&str> = marks.map(|one| &*one.text).collect();
    marks.sort_unstable();
    assert_eq!(
        marks,
        [
            "accepted until 2027-01-31: known",
            "was accepted, expired 2026-10-31"
        ]
    );
}

#[test]
fn many_findings_share_their_explanations() {
    let mut report = report("mixed.json");
    let few = render(&report);
    assert!(!few.contains("id=\"why0\""), "each has its own");
    let count = report.findings.len() * 300;
    report.findings = report.findings.into_iter().cycle().take(count).collect();
    let page = elements(&render(&report));
    let shared: Vec<&Element> = page
        .iter()
        .filter(|one| one.attribute("id").is_some_and(|id| id.starts_with("why")))
        .collect();
    // The sixth has a fix, which is of its workload.
    assert_eq!(shared.len(), 5);
    let links = page.iter().filter_map(|one| one.attribute("href"));
    let links: Vec<&str> = links.filter(|href| href.starts_with("#why")).collect();
    assert_eq!(links.len(), 5 * 300);
    for finding in report.findings.iter().filter(|one| one.fixes.is_empty()) {
        assert!(shared.iter().any(|one| one.text.contains(&finding.next)));
    }
}

#[test]
fn names_never_become_markup() {
    let shape = |report: &Report| {
        let page = render(report);
        let elements = elements(&page);
        let shape = elements.iter().map(|one| {
            let attributes: Vec<&String> = one.attributes.keys().collect();
            format!("{} {attributes:?}", one.name)
        });
        (shape.collect::<Vec<_>>(), page)
    };
    let (honest, _) = shape(&hostile("honest"));
    for name in [
        "<script>alert(1)</script>",
        "\" onmouseover=\"alert(1)",
        "' onmouseover='alert(1)",
        "</title></style></script></td></table></main><img src=x>",
        "<!--",
        "]]>&amp;&lt;b&gt;",
        "javascript:alert(1)",
        "a\u{202e}b\u{0}c\nd\u{1b}[31m\u{feff}",
    ] {
        let (found, page) = shape(&hostile(name));
        assert_eq!(found, honest, "{name:?}");
        let is_hidden = |one| crate::domain::text::is_hidden(one) && one != '\n';
        assert!(!page.contains(is_hidden), "{name:?}");
        let escaped = super::super::escape::visible_escapes(name);
        let texts = elements(&page).into_iter().filter(|one| one.name == "code");
        assert!(texts.into_iter().any(|one| one.text == escaped), "{name:?}");
    }
}
