//! What is wrong with a value, in the words of the people who write YAML.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

use crate::domain::text::{nearest, shortened};

/// Longest text that an error repeats, in characters.
const MAX_QUOTED: usize = 64;

/// What is wrong with a value, and its line as soon as somebody knows it.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(super) struct Problem {
    pub(super) text: String,
    pub(super) line: Option<u64>,
}

impl Problem {
    pub(super) fn at(mut self, line: u64) -> Self {
        self.line.get_or_insert(line);
        self
    }
}

impl Error for Problem {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self {
            text: text.to_string(),
            line: None,
        }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = in_words_of_yaml(expected);
        let (found, is_plain) = match found {
            Unexpected::Bool(_) => ("true or false".to_owned(), true),
            Unexpected::Unsigned(_) => ("a number".to_owned(), true),
            Unexpected::Float(number) => (format!("the number {number}"), true),
            Unexpected::Str(_) => ("text".to_owned(), false),
            Unexpected::Seq => ("a list".to_owned(), false),
            Unexpected::Map => ("a map".to_owned(), false),
            Unexpected::Unit => ("nothing".to_owned(), false),
            other => (other.to_string(), false),
        };
        let hint = if is_plain && expected == "text" {
            "; write it in quotes"
        } else {
            ""
        };
        Self::custom(format!("expected {expected}, found {found}{hint}"))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = in_words_of_yaml(expected);
        Self::custom(format!("expected {expected}, found {found}"))
    }

    fn unknown_variant(found: &str, names: &'static [&'static str]) -> Self {
        let found = shortened(found, MAX_QUOTED);
        let nearest = nearest(&found, names).map(|name| format!("; the nearest is {name}"));
        Self::custom(format!(
            "unknown value {found:?}, expected one of {}{}",
            names.join(", "),
            nearest.unwrap_or_default()
        ))
    }

    fn unknown_field(_: &str, names: &'static [&'static str]) -> Self {
        Self::custom(format!("unknown key, expected one of {}", names.join(", ")))
    }

    fn missing_field(name: &'static str) -> Self {
        Self::custom(format!("key {name} is missing"))
    }
}

/// What serde expected, for people who write YAML.
fn in_words_of_yaml(expected: &dyn Expected) -> String {
    let expected = expected.to_string();
    let words = match expected.as_str() {
        "a string" | "path string" => "text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "u32" => "a whole number above zero and below 4294967296",
        "u64" => "a whole number above zero",
        other if other.starts_with("struct ") => "a map",
        other => other,
    };
    words.to_owned()
}
