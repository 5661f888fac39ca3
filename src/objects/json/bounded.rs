//! Lists of a pod, read as far as a review looks at them.
//!
//! The list decides nothing about how much memory is taken: what is beyond the limit is read
//! and dropped, and the list says so.

use std::collections::BTreeSet;

use serde::de::{Deserialize, Deserializer};

use super::{Text, each, each_entry, each_object};
use crate::domain::labels::Labels;

/// How much of a list is kept: so many items without text. No honest pod has a tenth of it.
const MAX_WEIGHT: usize = 2000;

/// Bytes of text that weigh as much as an item without any.
const BYTES_AN_ITEM: usize = 64;

/// A collection, or the start of one.
#[derive(Clone, Debug, Default)]
pub(in crate::objects) struct Bounded<C> {
    pub(in crate::objects) kept: C,
    weight: usize,
}

impl<C> Bounded<C> {
    /// Adds what weighs so much, if there is room for it.
    pub(in crate::objects) fn add(&mut self, weight: usize, item: impl FnOnce(&mut C)) {
        self.weight = self.weight.saturating_add(weight);
        if !self.is_cut() {
            item(&mut self.kept);
        }
    }

    /// Whether there is more than was kept.
    pub(in crate::objects) fn is_cut(&self) -> bool {
        self.weight > MAX_WEIGHT
    }

    /// What it adds to the weight of an item that it belongs to.
    pub(in crate::objects) fn weight(&self) -> usize {
        self.weight
    }
}

impl Bounded<BTreeSet<String>> {
    /// Adds the names of a list; those that are known add no weight.
    pub(in crate::objects) fn extend(&mut self, names: Bounded<Vec<String>>) {
        if names.is_cut() {
            self.weight = names.weight;
        }
        for name in names.kept {
            if !self.kept.contains(&name) {
                self.add(weight_of(&[&name]), |kept| {
                    kept.insert(name);
                });
            }
        }
    }
}

impl<'de> Deserialize<'de> for Bounded<Labels> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut labels = Self::default();
        each_entry(deserializer, |key, value: Text<'_>| {
            labels.add(weight_of(&[&key, &value]), |kept| {
                kept.insert(key.to_string(), value.to_string());
            });
        })?;
        Ok(labels)
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
pub(in crate::objects) fn weight_of(texts: &[&str]) -> usize {
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    1 + bytes / BYTES_AN_ITEM
}

/// Reads a list of objects.
pub(in crate::objects) fn bounded<'de, D, O>(
    deserializer: D,
) -> Result<Bounded<Vec<O::Kept>>, D::Error>
where
    D: Deserializer<'de>,
    O: Item + Deserialize<'de> + Default,
{
    let mut list = Bounded::default();
    each_object(deserializer, |object: O| {
        list.add(object.weight(), |kept: &mut Vec<_>| {
            kept.push(object.keep());
        });
    })?;
    Ok(list)
}

/// Reads a list of strings.
pub(in crate::objects) fn bounded_texts<'de, D>(
    deserializer: D,
) -> Result<Bounded<Vec<String>>, D::Error>
where
    D: Deserializer<'de>,
{
    let mut list = Bounded::default();
    each(deserializer, |text: Text<'_>| {
        list.add(weight_of(&[&text]), |kept: &mut Vec<_>| {
            kept.push(text.to_string());
        });
    })?;
    Ok(list)
}
