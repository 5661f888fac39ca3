//! The values of a document that are to change, by their places in it.

use std::collections::BTreeMap;

use serde_json::Value;

/// A text that is to become another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// What it is, as text or as a number.
    pub(super) old: Value,
    /// What it becomes.
    pub(super) new: String,
    /// How many bytes of it stay, from its start.
    pub(super) kept: usize,
}

/// Changes, each at a path of field names and positions.
#[derive(Debug, Default)]
pub(super) struct ChangePlaces {
    root: ChangePlace,
}

/// What changes at a value, or below it.
#[derive(Debug)]
pub(super) enum ChangePlace {
    /// The value itself, by the number of its change.
    Value(usize),
    /// What is below it.
    Below(BTreeMap<String, ChangePlace>),
}

impl Default for ChangePlace {
    fn default() -> Self {
        Self::Below(BTreeMap::new())
    }
}

impl ChangePlace {
    /// What changes below a field, or an item by its position.
    pub(super) fn below(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Below(fields) => fields.get(key),
            Self::Value(_) => None,
        }
    }

    /// Whether two values differ only where they are to, and there as they are to.
    fn explains(&self, changes: &[Option<&Change>], before: &Value, after: &Value) -> bool {
        let nothing = Self::default();
        let below = |key: &str| self.below(key).unwrap_or(&nothing);
        match (self, before, after) {
            (Self::Value(number), ..) => match changes.get(*number) {
                Some(Some(change)) => {
                    *before == change.old && after.as_str() == Some(change.new.as_str())
                }
                _ => before == after,
            },
            (_, Value::Object(before), Value::Object(after)) => {
                before.len() == after.len()
                    && before.iter().all(|(key, value)| {
                        let after = after.get(key);
                        after.is_some_and(|after| below(key).explains(changes, value, after))
                    })
            }
            (_, Value::Array(before), Value::Array(after)) => {
                let mut pairs = before.iter().zip(after).enumerate();
                before.len() == after.len()
                    && pairs.all(|(position, (before, after))| {
                        below(&position.to_string()).explains(changes, before, after)
                    })
            }
            _ => before == after,
        }
    }
}

impl ChangePlaces {
    /// Notes that the value at a path is the one of this number.
    pub(super) fn insert(&mut self, path: &[String], number: usize) {
        let mut place = &mut self.root;
        for key in path {
            let ChangePlace::Below(fields) = place else {
                return;
            };
            place = fields.entry(key.clone()).or_default();
        }
        *place = ChangePlace::Value(number);
    }

    /// Whether nothing changes.
    pub(super) fn is_empty(&self) -> bool {
        matches!(&self.root, ChangePlace::Below(fields) if fields.is_empty())
    }

    /// What changes in one of the values at the top.
    pub(super) fn of_root(&self, position: usize) -> Option<&ChangePlace> {
        self.root.below(&position.to_string())
    }

    /// Whether two lists of values differ by these changes and by nothing else; a change that
    /// is not made is none.
    pub(super) fn explain(
        &self,
        changes: &[Option<&Change>],
        before: &[Value],
        after: &[Value],
    ) -> bool {
        let nothing = ChangePlace::default();
        let mut pairs = before.iter().zip(after).enumerate();
        before.len() == after.len()
            && pairs.all(|(position, (before, after))| {
                let place = self.of_root(position).unwrap_or(&nothing);
                place.explains(changes, before, after)
            })
    }
}
