//! What the objects of a cluster have in common.

use serde::Deserialize;

use super::json::{Pairs, Text, objects};

/// The part of an object's metadata that matters.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(super) struct Metadata<'a> {
    pub(super) name: Text<'a>,
    pub(super) namespace: Text<'a>,
    pub(super) uid: Text<'a>,
    pub(super) labels: Pairs<'a>,
    pub(super) annotations: Pairs<'a>,
    pub(super) deletion_timestamp: Text<'a>,
    #[serde(deserialize_with = "objects")]
    pub(super) owner_references: Vec<Owner<'a>>,
}

/// What an object belongs to.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Owner<'a> {
    pub(super) kind: Text<'a>,
}

impl Metadata<'_> {
    /// Namespace and name.
    pub(super) fn address(&self) -> (String, String) {
        (self.namespace.to_string(), self.name.to_string())
    }
}
