//! What the objects of a cluster have in common.

use serde::Deserialize;

use super::json::{Pairs, Text, objects, or_default};

/// The part of an object's metadata that matters.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) namespace: Text<'a>,
    #[serde(borrow)]
    pub(super) uid: Text<'a>,
    #[serde(borrow, deserialize_with = "or_default")]
    pub(super) labels: Pairs<'a>,
    #[serde(borrow, deserialize_with = "or_default")]
    pub(super) annotations: Pairs<'a>,
    #[serde(borrow)]
    pub(super) deletion_timestamp: Text<'a>,
    #[serde(borrow, deserialize_with = "objects")]
    pub(super) owner_references: Vec<Owner<'a>>,
}

/// What an object belongs to.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Owner<'a> {
    #[serde(borrow)]
    pub(super) kind: Text<'a>,
}

impl Metadata<'_> {
    /// Namespace and name.
    pub(super) fn address(&self) -> (String, String) {
        (self.namespace.to_string(), self.name.to_string())
    }
}
