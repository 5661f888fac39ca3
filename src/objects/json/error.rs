//! What is wrong with an object, and where.

use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Deserializer};
use serde_json::Value;
use serde_path_to_error::Track;
use thiserror::Error;

use super::StrictObject;
use crate::domain::text::{printable, shortened};

/// The longest path, and the longest problem, that is passed on.
const MAX_TEXT_CHARACTERS: usize = 200;
const MAX_KIND_CHARACTERS: usize = 64;

/// Why an object cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("read {kind}{}{path}: {problem}", if path.is_empty() { "" } else { " " })]
pub struct ObjectError {
    kind: String,
    path: String,
    problem: String,
}

impl ObjectError {
    /// Objects come from strangers and errors go to terminals and logs.
    pub(in crate::objects) fn new(kind: &str, path: &str, problem: &str) -> Self {
        let safe = |text, characters| printable(&shortened(text, characters));
        Self {
            kind: safe(kind, MAX_KIND_CHARACTERS),
            path: safe(path, MAX_TEXT_CHARACTERS),
            problem: safe(problem, MAX_TEXT_CHARACTERS),
        }
    }

    /// The path of the field that is wrong, such as `spec.template.spec.containers[0].image`;
    /// empty where it is the object itself or is not known.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// What an object is read from.
#[derive(Clone, Copy)]
pub(in crate::objects) enum Input<'a> {
    Bytes(&'a [u8]),
    Tree(&'a Value),
}

impl<'a> Input<'a> {
    /// Reads the object; `kind` is what an error calls it.
    pub(in crate::objects) fn object<T: Deserialize<'a>>(
        self,
        kind: &str,
    ) -> Result<T, ObjectError> {
        self.read(kind, || PhantomData)
            .map(|StrictObject(object)| object)
    }

    /// Reads what the seed makes of it. What cannot be read is read once more, and watched, to
    /// say where it went wrong.
    pub(in crate::objects) fn read<S: DeserializeSeed<'a>>(
        self,
        kind: &str,
        seed: impl Fn() -> S,
    ) -> Result<S::Value, ObjectError> {
        let read = |track: Option<&mut Track>| match self {
            Self::Bytes(raw) => {
                let mut deserializer = serde_json::Deserializer::from_slice(raw);
                let value = tracked(seed(), &mut deserializer, track)?;
                deserializer.end().map(|()| value)
            }
            Self::Tree(value) => tracked(seed(), value, track),
        };
        if let Ok(value) = read(None) {
            return Ok(value);
        }
        let mut track = Track::new();
        read(Some(&mut track)).map_err(|error| {
            let problem = error.to_string();
            if !error.is_data() {
                return ObjectError::new(kind, "", &problem);
            }
            // Where a field is says more than its line and column.
            let position = format!(" at line {} column {}", error.line(), error.column());
            let problem = problem.strip_suffix(&position).unwrap_or(&problem);
            let path = track.path().to_string();
            ObjectError::new(kind, if path == "." { "" } else { &path }, problem)
        })
    }
}

fn tracked<'de, S, D>(
    seed: S,
    deserializer: D,
    track: Option<&mut Track>,
) -> Result<S::Value, D::Error>
where
    S: DeserializeSeed<'de>,
    D: Deserializer<'de>,
{
    match track {
        None => seed.deserialize(deserializer),
        Some(track) => {
            seed.deserialize(serde_path_to_error::Deserializer::new(deserializer, track))
        }
    }
}
