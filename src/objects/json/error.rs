//! What is wrong with an object, and where.

use serde::de::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::Whole;

/// Objects beyond this size get no path in their error: looking for it costs a tree.
const LARGEST_EXPLAINED: usize = 1 << 20;

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
        .map(|character| {
            if character.is_control() {
                '?'
            } else {
                character
            }
        })
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
    T: Readable,
{
    let read = serde_json::from_slice(raw).map(|Whole(object)| object);
    read.map_err(|error| {
        if raw.len() <= LARGEST_EXPLAINED
            && let Ok(value) = serde_json::from_slice::<Value>(raw)
            && let Some(problem) = T::problem(&value)
        {
            return ObjectError::new(kind, &locate(&value, &T::problem), &problem);
        }
        ObjectError::new(kind, "", &error.to_string())
    })
}

/// Reads an object from a tree.
pub(in crate::objects) fn from_value<'a, T>(kind: &str, value: &'a Value) -> Result<T, ObjectError>
where
    T: Deserialize<'a>,
    T: Readable,
{
    T::deserialize(value)
        .map_err(|error| ObjectError::new(kind, &locate(value, &T::problem), &error.to_string()))
}

/// A type that can be read from any tree, whatever it borrows.
///
/// It exists since a borrowed type is another type for each lifetime: the search for the
/// wrong field reads many short-lived trees.
pub(in crate::objects) trait Readable {
    /// What is wrong with the tree, if anything.
    fn problem(value: &Value) -> Option<String>;
}

/// Implements [`Readable`] for types with one lifetime.
macro_rules! readable {
    ($($name:ident),+) => {
        $(impl crate::objects::json::Readable for $name<'_> {
            fn problem(value: &serde_json::Value) -> Option<String> {
                type Whole<'a> = crate::objects::json::Whole<$name<'a>>;
                <Whole<'_> as serde::Deserialize>::deserialize(value)
                    .err()
                    .map(|error| error.to_string())
            }
        })+
    };
}
pub(in crate::objects) use readable;

/// A step into a tree.
#[derive(Clone, Copy)]
enum Step<'a> {
    Field(&'a str),
    Item(usize),
}

/// The path of the first field that cannot be read.
///
/// Every field of ours may be absent, so a part can be tried alone: the search goes down to
/// where the part is wrong even when emptied. Each level copies the tree once at most.
pub(in crate::objects) fn locate(
    value: &Value,
    problem: &dyn Fn(&Value) -> Option<String>,
) -> String {
    let mut steps = Vec::new();
    let mut here = value;
    loop {
        let emptied = match here {
            Value::Object(_) => Value::Object(Map::new()),
            Value::Array(_) => Value::Array(Vec::new()),
            _ => break,
        };
        if problem(&wrapped(&steps, emptied)).is_some() {
            break;
        }
        let children: Vec<(Step<'_>, &Value)> = match here {
            Value::Object(fields) => fields
                .iter()
                .map(|(key, child)| (Step::Field(key), child))
                .collect(),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(index, child)| (Step::Item(index), child))
                .collect(),
            _ => break,
        };
        let wrong = children.into_iter().find(|(step, child)| {
            steps.push(*step);
            let fails = problem(&wrapped(&steps, (*child).clone())).is_some();
            steps.pop();
            fails
        });
        let Some((step, child)) = wrong else { break };
        steps.push(step);
        here = child;
    }
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Field(key) if path.is_empty() => path.push_str(key),
            Step::Field(key) => {
                path.push('.');
                path.push_str(key);
            }
            Step::Item(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

fn wrapped(steps: &[Step<'_>], value: Value) -> Value {
    steps.iter().rev().fold(value, |inner, step| match step {
        Step::Field(key) => Value::Object(Map::from_iter([((*key).to_owned(), inner)])),
        Step::Item(_) => Value::Array(vec![inner]),
    })
}
