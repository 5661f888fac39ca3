//! Markdown, read by pulldown-cmark as GitHub does.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::super::Report;
use super::super::escape::{printable, visible_escapes};

/// What we say in HTML: nothing else may be any.
const HTML: [&str; 3] = ["<details>\n", "</details>\n", "<br>"];

/// That nothing but our own markup is any, and that names are in their cells.
pub fn assert_read_back(report: &Report, text: &str) {
    let mut tables: Vec<Vec<Vec<String>>> = Vec::new();
    let mut prose = String::new();
    let mut items = 0;
    for event in Parser::new_ext(text, Options::all() - Options::ENABLE_SMART_PUNCTUATION) {
        match event {
            Event::Start(Tag::Table(_)) => tables.push(Vec::new()),
            Event::Start(Tag::TableHead | Tag::TableRow) => {
                tables.last_mut().unwrap().push(Vec::new());
            }
            Event::Start(Tag::TableCell) => {
                let rows = tables.last_mut().unwrap();
                rows.last_mut().unwrap().push(String::new());
                prose.clear();
            }
            Event::End(TagEnd::TableCell) => {
                let rows = tables.last_mut().unwrap();
                *rows.last_mut().unwrap().last_mut().unwrap() = std::mem::take(&mut prose);
            }
            Event::Start(Tag::Item) => items += 1,
            Event::Html(html) | Event::InlineHtml(html) => {
                assert!(is_ours(&html), "{html:?}\n{text}");
                prose.push(' ');
            }
            // The sign alone, so that nobody is called.
            Event::Code(code) => {
                assert_eq!(code.trim_matches('@'), "", "{text}");
                prose.push_str(&code);
            }
            Event::Text(part) => prose.push_str(&part),
            Event::Start(
                Tag::Heading { .. }
                | Tag::Paragraph
                | Tag::List(None)
                | Tag::Strong
                | Tag::HtmlBlock,
            )
            | Event::End(_) => {}
            other => panic!("{other:?}\n{text}"),
        }
    }
    let readiness = &tables[0];
    assert_eq!(readiness.len(), report.readiness.len() + 1, "{text}");
    for (row, wanted) in readiness.iter().skip(1).zip(&report.readiness) {
        assert_eq!(row[0].trim(), printable(&wanted.platform).trim(), "{text}");
        assert_eq!(row[1], wanted.ready.to_string());
    }
    for table in &tables {
        for row in table {
            assert_eq!(row.len(), table[0].len(), "{row:?}\n{text}");
        }
    }
    assert!(items >= report.findings.len(), "{text}");
    for finding in &report.findings {
        let what = visible_escapes(finding.what.trim());
        assert!(
            squeezed(&prose).contains(&squeezed(&what)),
            "{what:?}\n{prose}\n{text}"
        );
    }
}

fn is_ours(html: &str) -> bool {
    let summary = html.strip_prefix("<summary>");
    let summary = summary.and_then(|rest| rest.strip_suffix("</summary>\n"));
    let is_count = |text: &str| {
        text.chars()
            .all(|one| one.is_ascii_alphanumeric() || one == ' ')
    };
    HTML.contains(&html) || summary.is_some_and(is_count)
}

/// Blanks are not kept where lines end.
fn squeezed(text: &str) -> String {
    text.chars().filter(|one| !one.is_whitespace()).collect()
}
