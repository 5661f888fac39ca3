//! The report as YAML: text is exact, hidden characters are escapes.

use std::fmt::Write;

use serde::Serialize;

use crate::domain::text::is_hidden;

/// YAML that any reader takes for the same as the JSON.
///
/// # Errors
/// What the writer of YAML says.
pub fn yaml(value: &impl Serialize) -> Result<String, serde_saphyr::SerializeError> {
    // So that a line never has more than one scalar, nor a scalar more than one line.
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let mut text = String::new();
    serde_saphyr::to_fmt_writer_with_options(&mut text, value, options)?;
    if !text.contains(|one| is_obeyed(one) && one != '\n') {
        return Ok(text);
    }
    let mut safe = String::with_capacity(text.len() + 64);
    for line in text.split_inclusive('\n') {
        let (line, end) = match line.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (line, ""),
        };
        match line.contains(is_obeyed) {
            true => escape(line, &mut safe),
            false => safe.push_str(line),
        }
        safe.push_str(end);
    }
    Ok(safe)
}

/// What is hidden, and what no YAML document may have.
/// Source: <https://yaml.org/spec/1.2.2/#51-character-set>
fn is_obeyed(character: char) -> bool {
    is_hidden(character) || matches!(character, '\u{fffe}' | '\u{ffff}')
}

/// Writes a line with its scalar in double quotes, the only ones that have escapes.
fn escape(line: &str, safe: &mut String) {
    // Our keys are letters, so the scalar begins behind the last dash or the key.
    let mut scalar = line.trim_start_matches([' ']);
    while let Some(rest) = scalar.strip_prefix("- ") {
        scalar = rest.trim_start_matches([' ']);
    }
    if let Some((key, rest)) = scalar.split_once(": ")
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric())
    {
        scalar = rest;
    }
    let is_quoted = scalar.len() > 1 && scalar.starts_with('"') && scalar.ends_with('"');
    safe.push_str(line.strip_suffix(scalar).unwrap_or_default());
    if !is_quoted {
        safe.push('"');
    }
    for character in scalar.chars() {
        match character {
            '"' | '\\' if !is_quoted => {
                safe.push('\\');
                safe.push(character);
            }
            _ if is_obeyed(character) => {
                let code = u32::from(character);
                let _ = match code {
                    ..=0xffff => write!(safe, "\\u{code:04x}"),
                    _ => write!(safe, "\\U{code:08x}"),
                };
            }
            _ => safe.push(character),
        }
    }
    if !is_quoted {
        safe.push('"');
    }
}
