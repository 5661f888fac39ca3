//! What is wrong with an object, and where.

use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed};
use serde_json::Value;
use serde_path_to_error::{Deserializer, Track};
use thiserror::Error;

use super::Whole;
use crate::domain::text::is_hidden;

/// The longest problem text that is passed on.
const LONGEST_PROBLEM: usize = 200;

/// Why an object cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("read {kind}{}{path}: {problem}", if path.is_empty() { "" } else { " " })]
pub struct ObjectError {
    kind: String,
    path: String,
    problem: String,
}

impl ObjectError {
    pub(in crate::objects) fn new(kind: &str, path: &str, problem: &str) -> Self {
        Self {
            kind: printable(kind, 64),
            path: printable(path, LONGEST_PROBLEM),
            problem: printable(problem, LONGEST_PROBLEM),
        }
    }

    /// The path of the field that is wrong, such as `spec.template.spec.containers[0].image`;
    /// empty where it is the object itself or is not known.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// Objects come from strangers and errors go to terminals and logs.
fn printable(text: &str, longest: usize) -> String {
    let mut characters = text.chars();
    let mut safe: String = characters
        .by_ref()
        .take(longest)
        .map(
            |character| {
                if is_hidden(character) { '?' } else { character }
            },
        )
        .collect();
    if characters.next().is_some() {
        safe.push('…');
    }
    safe
}

/// Reads an object from its bytes.
pub(in crate::objects) fn from_slice<'a, T>(kind: &str, raw: &'a [u8]) -> Result<T, ObjectError>
where
    T: Deserialize<'a>,
{
    seed_from_slice(kind, raw, || PhantomData).map(|Whole(object)| object)
}

/// Reads an object from a tree.
pub(in crate::objects) fn from_value<'a, T>(kind: &str, value: &'a Value) -> Result<T, ObjectError>
where
    T: Deserialize<'a>,
{
    seed_from_value(kind, value, || PhantomData).map(|Whole(object)| object)
}

/// Reads from bytes what the seed makes of them. What cannot be read is read once more, and
/// watched, to say where it went wrong.
pub(in crate::objects) fn seed_from_slice<'a, S: DeserializeSeed<'a>>(
    kind: &str,
    raw: &'a [u8],
    seed: impl Fn() -> S,
) -> Result<S::Value, ObjectError> {
    let read = |track: Option<&mut Track>| {
        let mut deserializer = serde_json::Deserializer::from_slice(raw);
        let value = match track {
            None => seed().deserialize(&mut deserializer)?,
            Some(track) => seed().deserialize(Deserializer::new(&mut deserializer, track))?,
        };
        deserializer.end().map(|()| value)
    };
    explained(kind, read)
}

/// The same from a tree.
pub(in crate::objects) fn seed_from_value<'a, S: DeserializeSeed<'a>>(
    kind: &str,
    value: &'a Value,
    seed: impl Fn() -> S,
) -> Result<S::Value, ObjectError> {
    explained(kind, |track| match track {
        None => seed().deserialize(value),
        Some(track) => seed().deserialize(Deserializer::new(value, track)),
    })
}

fn explained<T>(
    kind: &str,
    read: impl Fn(Option<&mut Track>) -> serde_json::Result<T>,
) -> Result<T, ObjectError> {
    if let Ok(value) = read(None) {
        return Ok(value);
    }
    let mut track = Track::new();
    read(Some(&mut track)).map_err(|error| {
        if !error.is_data() {
            return ObjectError::new(kind, "", &error.to_string());
        }
        // Where a field is says more than its line and column.
        let place = format!(" at line {} column {}", error.line(), error.column());
        let problem = error.to_string();
        let problem = problem.strip_suffix(&place).unwrap_or(&problem);
        let path = track.path().to_string();
        let path = if path == "." { "" } else { &path };
        ObjectError::new(kind, path, problem)
    })
}
