//! Lists of a pod, read as far as a review looks at them.
//!
//! The list decides nothing about how much memory is taken: what is beyond the limit is read
//! and dropped, and the list says so.

use std::collections::BTreeSet;

use serde::de::{Deserialize, Deserializer};

use super::{Text, each, each_entry, each_object};
use crate::domain::labels::Labels;

/// How much of a list is kept: so many items without text. No honest pod has a tenth of it.
const MOST_WEIGHT: usize = 2000;

/// Bytes of text that weigh as much as an item without any.
const BYTES_AN_ITEM: usize = 64;

/// A list, or the start of one.
#[derive(Clone, Debug)]
pub(in crate::objects) struct Bounded<T> {
    pub(in crate::objects) kept: Vec<T>,
    weight: usize,
}

impl<T> Default for Bounded<T> {
    fn default() -> Self {
        Self {
            kept: Vec::new(),
            weight: 0,
        }
    }
}

impl<T> Bounded<T> {
    /// Adds an item, if there is room for so many bytes of text.
    pub(in crate::objects) fn push(&mut self, bytes: usize, item: impl FnOnce() -> T) {
        self.push_weighing(1 + bytes / BYTES_AN_ITEM, item);
    }

    fn push_weighing(&mut self, weight: usize, item: impl FnOnce() -> T) {
        self.weight = self.weight.saturating_add(weight);
        if !self.is_cut() {
            self.kept.push(item());
        }
    }

    /// Whether there is more than was kept.
    pub(in crate::objects) fn is_cut(&self) -> bool {
        self.weight > MOST_WEIGHT
    }

    /// What it adds to the weight of an item that it belongs to.
    pub(in crate::objects) fn weight(&self) -> usize {
        self.weight
    }
}

/// An object of a list, and what is kept of it.
pub(in crate::objects) trait Item {
    type Kept;

    /// How much it weighs; one without text or parts weighs one.
    fn weight(&self) -> usize;

    fn keep(self) -> Self::Kept;
}

/// The weight of an item with these texts.
pub(in crate::objects) fn weight_of(texts: &[&Text<'_>]) -> usize {
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    1 + bytes / BYTES_AN_ITEM
}

/// Reads a list of objects.
pub(in crate::objects) fn bounded<'de, D, O>(deserializer: D) -> Result<Bounded<O::Kept>, D::Error>
where
    D: Deserializer<'de>,
    O: Item + Deserialize<'de> + Default,
{
    let mut list = Bounded::default();
    each_object(deserializer, |object: O| {
        list.push_weighing(object.weight(), || object.keep());
    })?;
    Ok(list)
}

/// Reads a list of strings.
pub(in crate::objects) fn bounded_texts<'de, D>(
    deserializer: D,
) -> Result<Bounded<String>, D::Error>
where
    D: Deserializer<'de>,
{
    let mut list = Bounded::default();
    each(deserializer, |text: Text<'_>| {
        list.push(text.len(), || text.to_string());
    })?;
    Ok(list)
}

/// Names, each once, or the first of them.
#[derive(Clone, Debug, Default)]
pub(in crate::objects) struct BoundedSet {
    pub(in crate::objects) kept: BTreeSet<String>,
    weight: usize,
}

impl BoundedSet {
    /// Adds the names of a list.
    pub(in crate::objects) fn extend(&mut self, names: Bounded<String>) {
        if names.is_cut() {
            self.weight = names.weight;
        }
        for name in names.kept {
            let weight = 1 + name.len() / BYTES_AN_ITEM;
            if !self.is_cut() && self.kept.insert(name) {
                self.weight = self.weight.saturating_add(weight);
            }
        }
    }

    /// Whether there are more than were kept.
    pub(in crate::objects) fn is_cut(&self) -> bool {
        self.weight > MOST_WEIGHT
    }
}

/// Labels, or the first of them.
#[derive(Clone, Debug, Default)]
pub(in crate::objects) struct BoundedLabels {
    pub(in crate::objects) kept: Labels,
    weight: usize,
}

impl BoundedLabels {
    /// Whether there are more than were kept.
    pub(in crate::objects) fn is_cut(&self) -> bool {
        self.weight > MOST_WEIGHT
    }
}

impl<'de> Deserialize<'de> for BoundedLabels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut labels = Self::default();
        each_entry(deserializer, |key, value: Text<'_>| {
            labels.weight = labels.weight.saturating_add(weight_of(&[&key, &value]));
            if !labels.is_cut() {
                labels.kept.insert(key.to_string(), value.to_string());
            }
        })?;
        Ok(labels)
    }
}
