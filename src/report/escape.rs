//! Text of users and registries, as formats for people show it.

use std::borrow::Cow;
use std::fmt::Write;

use crate::domain::text::{is_hidden, shortened};

/// No honest name is longer, in characters.
pub(super) const MAX_NAME_CHARACTERS: usize = 512;

/// The text with its hidden characters, such as those that terminals obey, spelled out:
/// `\u{1b}`.
pub(super) fn visible_escapes(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_hidden(character) {
            let _ = write!(escaped, "\\u{{{:x}}}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// The same, cut at a length that no honest name has.
pub(super) fn printable(name: &str) -> String {
    visible_escapes(&shortened(name, MAX_NAME_CHARACTERS)).into_owned()
}

/// A name as text shows it: in quotes where it would not be seen for what it is.
pub(super) fn visible(name: &str) -> String {
    match name.is_empty() || name.contains(char::is_whitespace) {
        true => format!("\"{}\"", printable(name)),
        false => printable(name),
    }
}

/// Lines of which none is a command to the runner of a workflow, whatever names it has. It takes
/// them from everything that a step prints.
/// Source: <https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs>
pub(super) fn without_commands(text: String) -> String {
    let is_command = |line: &str| line.trim_start().starts_with("::");
    if !text.contains("##[") && !text.lines().any(is_command) {
        return text;
    }
    let lines = text.split_inclusive('\n').map(|line| {
        let line = line.replace("##[", "#\\u{23}[");
        match is_command(&line) {
            true => line.replacen("::", "\\u{3a}:", 1),
            false => line,
        }
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_spelled_out_and_all_others_kept() {
        assert_eq!(
            visible_escapes("a\u{1b}[2J\nb\u{202e}c\0é字"),
            "a\\u{1b}[2J\\u{a}b\\u{202e}c\\u{0}é字"
        );
        assert!(matches!(visible_escapes("node:22 ✓"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_name_is_seen_for_what_it_is_and_has_an_end() {
        assert_eq!(visible(""), "\"\"");
        assert_eq!(visible("a b"), "\"a b\"");
        assert_eq!(visible("a\tb"), "\"a\\u{9}b\"");
        let cut = printable(&"ä".repeat(70_000));
        assert_eq!(cut.chars().count(), MAX_NAME_CHARACTERS + 1);
        assert!(cut.ends_with('…'));
    }

    #[test]
    fn no_line_is_a_command() {
        let text = "::error::a::b\n  ::stop-commands::x\na ::b::\n##[error]###[x\n";
        assert_eq!(
            without_commands(text.to_owned()),
            "\\u{3a}:error::a::b\n  \\u{3a}:stop-commands::x\na ::b::\n#\\u{23}[error]##\\u{23}[x\n"
        );
    }
}
