//! Text of users and registries, made safe to print and bounded where it is kept.

use std::borrow::Cow;

/// Longest name of an object of Kubernetes, in characters.
/// Source: <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>
pub const LONGEST_NAME: usize = 253;

/// No honest name is longer, in characters.
const MAX_PRINTED_CHARACTERS: usize = 512;

/// Whether a character is not seen but obeyed: control characters, line separators, and those
/// that turn the direction of text around or have no width.
/// Source: the general categories Cc, Cf, Zl and Zp of
/// <https://www.unicode.org/reports/tr44/#General_Category_Values>
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// The text without hidden characters, which terminals obey and which make the API server
/// drop a warning; cut at a length that no honest name has.
pub fn printable(text: &str) -> String {
    text.chars()
        .take(MAX_PRINTED_CHARACTERS)
        .map(
            |character| {
                if is_hidden(character) { '?' } else { character }
            },
        )
        .collect()
}

/// A name as text shows it: in quotes where it would not be seen for what it is.
pub fn visible(name: &str) -> String {
    match name.is_empty() || name.contains(char::is_whitespace) {
        true => format!("\"{}\"", printable(name)),
        false => printable(name),
    }
}

/// The text, or its first so many characters and an ellipsis.
pub fn shortened(text: &str, characters: usize) -> Cow<'_, str> {
    // Most texts have fewer bytes than that.
    let end = (text.len() > characters).then(|| text.char_indices().nth(characters));
    match end.flatten().and_then(|(end, _)| text.get(..end)) {
        Some(start) => Cow::Owned(format!("{start}…")),
        None => Cow::Borrowed(text),
    }
}

/// The name that takes the fewest changes of letters, case aside, where it is alike at all.
pub fn nearest<'n>(text: &str, names: &[&'n str]) -> Option<&'n str> {
    let text = text.to_ascii_lowercase();
    let changes = |name: &str| strsim::levenshtein(&text, &name.to_ascii_lowercase());
    let names = names.iter().map(|name| (changes(name), *name));
    let (least, name) = names.min_by_key(|(changes, _)| *changes)?;
    (least <= name.len() / 3).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_shortened_between_characters() {
        for (text, shorter) in [
            ("", ""),
            ("abc", "abc"),
            ("abcd", "abc…"),
            ("äöü", "äöü"),
            ("äöüß", "äöü…"),
        ] {
            assert_eq!(shortened(text, 3), shorter, "{text}");
        }
    }

    #[test]
    fn what_is_printed_has_no_control_characters_and_an_end() {
        assert_eq!(printable("a\u{1b}[2J\nb\u{85}ä"), "a?[2J?b?ä");
        // The direction of text, its width, and line separators.
        assert_eq!(
            printable("a\u{202e}b\u{200b}c\u{2028}d\u{feff}é字"),
            "a?b?c?d?é字"
        );
        assert_eq!(
            printable(&"ä".repeat(70_000)).chars().count(),
            MAX_PRINTED_CHARACTERS
        );
    }
}
