//! Where things are: findings in files, and what is written about rules.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::escape::visible_escapes;
use crate::findings::{Finding, Rule};

/// The page that has a heading for each rule.
const RULES_PAGE: &str = "https://github.com/archmatch/archmatch/blob/main/docs/rules.md";

/// What stands for itself in the path of a URI. A colon does not: it would end a scheme.
/// Source: <https://www.rfc-editor.org/rfc/rfc3986#section-2.3>
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// What is named where a finding is in no file, such as one of an image that was given by
/// name. Readers leave out an entry without a path, and no file of a repository is called so.
pub(super) const NO_FILE: &str = "-";

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SourceLine<'a> {
    file: &'a str,
    /// The line, from 1.
    pub line: u64,
}

impl<'a> SourceLine<'a> {
    /// Where the document of a finding's workload begins; none where it is in no file.
    pub(super) fn of(finding: &'a Finding) -> Option<Self> {
        let source = finding.source.as_deref()?;
        // A drive and the name of a file may have colons, too.
        let numbered = source.rsplit_once(':').and_then(|(file, line)| {
            let line = line.parse().ok().filter(|line| *line > 0)?;
            Some(Self { file, line })
        });
        let found = numbered.unwrap_or(Self {
            file: source,
            line: 1,
        });
        (!found.relative().is_empty()).then_some(found)
    }

    /// The file as it was named.
    pub(super) fn file(&self) -> String {
        visible_escapes(self.file).into_owned()
    }

    /// The same as a path below the root of a repository.
    pub(super) fn path(&self) -> String {
        visible_escapes(&self.relative()).into_owned()
    }

    /// The same as a relative URI.
    pub(super) fn uri(&self) -> String {
        utf8_percent_encode(&self.relative(), ENCODED).to_string()
    }

    /// The path without root, drive, and steps upwards, with slashes. Who shows a report knows
    /// files by their place in a repository alone.
    fn relative(&self) -> String {
        let path = self.file.replace('\\', "/");
        let path = match path.as_bytes() {
            [drive, b':', b'/', ..] if drive.is_ascii_alphabetic() => path.get(2..),
            _ => None,
        }
        .unwrap_or(&path);
        let mut parts: Vec<&str> = Vec::new();
        for part in path.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop();
                }
                name => parts.push(name),
            }
        }
        parts.join("/")
    }
}

/// What is written about a rule.
pub(super) fn page_of(rule: Rule) -> String {
    format!("{RULES_PAGE}#{rule}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_relative_path_and_a_line() {
        for (source, path, line, uri) in [
            ("shop.yaml:12", "shop.yaml", 12, "shop.yaml"),
            ("./a/../b c.yaml:3", "b c.yaml", 3, "b%20c.yaml"),
            (
                "/srv/deploy/x.yaml:1",
                "srv/deploy/x.yaml",
                1,
                "srv/deploy/x.yaml",
            ),
            ("../../x.yaml:7", "x.yaml", 7, "x.yaml"),
            (r"C:\deploy\x.yaml:7", "deploy/x.yaml", 7, "deploy/x.yaml"),
            ("a:b.yaml:2", "a:b.yaml", 2, "a%3Ab.yaml"),
            ("a:b", "a:b", 1, "a%3Ab"),
            ("stdin:4", "stdin", 4, "stdin"),
            ("100%.yaml:0", "100%.yaml:0", 1, "100%25.yaml%3A0"),
            ("a\u{1b}ä.yaml:1", "a\\u{1b}ä.yaml", 1, "a%1B%C3%A4.yaml"),
        ] {
            let finding = finding(Some(source));
            let found = SourceLine::of(&finding).unwrap();
            assert_eq!(
                (found.path().as_str(), found.line),
                (path, line),
                "{source}"
            );
            assert_eq!(found.uri(), uri, "{source}");
        }
        for source in [None, Some(""), Some("/:3"), Some("..:1")] {
            assert_eq!(SourceLine::of(&finding(source)), None, "{source:?}");
        }
    }

    fn finding(source: Option<&str>) -> Finding {
        serde_json::from_value(serde_json::json!({
            "id": "1", "rule": "no-images", "severity": "note", "workload": 0, "platforms": [],
            "what": "a", "why": "b", "next": "c", "source": source,
        }))
        .unwrap()
    }
}
