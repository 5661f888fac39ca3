//! Text of users and registries, made safe to print.

/// No honest name is longer, in characters.
const LONGEST: usize = 512;

/// The text without control characters, which terminals obey and which make the API server
/// drop a warning; cut at a length that no honest name has.
pub fn printable(text: &str) -> String {
    text.chars()
        .take(LONGEST)
        .map(|character| {
            if character.is_control() {
                '?'
            } else {
                character
            }
        })
        .collect()
}
