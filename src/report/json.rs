//! JSON of everything: text is exact, hidden characters are escapes.

use serde::Serialize;

use crate::domain::text::is_hidden;

/// JSON for people and programs: text is exact, hidden characters are escapes.
pub fn json(value: &impl Serialize) -> serde_json::Result<String> {
    let text = serde_json::to_string_pretty(value)?;
    let mut safe = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        // Outside of strings JSON has no hidden character but line breaks.
        if is_hidden(character) && character != '\n' {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            safe.push(character);
        }
    }
    safe.push('\n');
    Ok(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_text_exact_and_escapes_what_is_hidden() {
        let text = "a\u{202e}\u{7f}\u{e0041}\n\u{1b}é";
        let printed = json(&[text]).unwrap();
        assert!(
            printed.contains(r"a\u202e\u007f\udb40\udc41\n\u001bé"),
            "{printed}"
        );
        let read: Vec<String> = serde_json::from_str(&printed).unwrap();
        assert_eq!(read, [text]);
    }
}
