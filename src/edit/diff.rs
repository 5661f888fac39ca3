//! A unified diff, as `patch -p1 --binary` takes it.

use std::fmt::Write;
use std::time::Duration;

use similar::{ChangeTag, TextDiff};

/// How long a shorter diff is looked for. A longer one says the same.
const SEARCH_TIME: Duration = Duration::from_secs(5);

/// How many lines are shown before and after a change.
const CONTEXT_LINES: usize = 3;

/// The difference of two texts of a file; empty where there is none.
///
/// Lines end with a line feed and with nothing else: a carriage return is part of its line.
/// Source: <https://www.gnu.org/software/diffutils/manual/html_node/Detailed-Unified.html>
pub fn unified_diff(path: &str, before: &str, after: &str) -> String {
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let diff = TextDiff::configure()
        .timeout(SEARCH_TIME)
        .diff_slices(&old, &new);
    let mut text = String::new();
    for hunk in diff
        .unified_diff()
        .context_radius(CONTEXT_LINES)
        .iter_hunks()
    {
        if text.is_empty() {
            for (sign, side) in [("---", "a"), ("+++", "b")] {
                let _ = writeln!(text, "{sign} {}", file_name(&format!("{side}/{path}")));
            }
        }
        let _ = writeln!(text, "{}", hunk.header());
        for change in hunk.iter_changes() {
            let sign = match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            let line = change.value();
            text.push(sign);
            text.push_str(line);
            if !line.ends_with('\n') {
                text.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    text
}

/// A name as `patch` reads it: after one with blanks comes a tab, and one with quotes or
/// control characters stands in quotes.
/// Source: <https://www.gnu.org/software/diffutils/manual/html_node/Unusual-File-Names.html>
fn file_name(name: &str) -> String {
    let is_unusual = |character: char| character.is_control() || matches!(character, '"' | '\\');
    if name.contains(is_unusual) {
        let escaped = name.bytes().fold(String::new(), |mut text, byte| {
            match byte {
                b'"' | b'\\' => {
                    text.push('\\');
                    text.push(char::from(byte));
                }
                b' '..=b'~' => text.push(char::from(byte)),
                _ => {
                    let _ = write!(text, "\\{byte:03o}");
                }
            }
            text
        });
        return format!("\"{escaped}\"");
    }
    match name.contains(' ') {
        true => format!("{name}\t"),
        false => name.to_owned(),
    }
}
