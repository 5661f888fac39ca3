//! Objects as the watcher of kube wants them, without what decisions do not read.

use std::borrow::Cow;
use std::marker::PhantomData;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Deserializer};

use super::Watched;
use super::pruned::Pruned;
use crate::cluster::state::Record;

/// An object that is reduced while it is read.
pub(super) struct Lean<K> {
    /// What a watch needs: name and resource version.
    metadata: ObjectMeta,
    pub(super) record: Record,
    kind: PhantomData<K>,
}

impl<K> Clone for Lean<K> {
    fn clone(&self) -> Self {
        Self {
            metadata: self.metadata.clone(),
            record: self.record.clone(),
            kind: PhantomData,
        }
    }
}

impl<K> std::fmt::Debug for Lean<K> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Lean")
            .field("record", &self.record)
            .finish()
    }
}

impl<'de, K: Watched> Deserialize<'de> for Lean<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Pruned(value) = Pruned::deserialize(deserializer)?;
        let text = |key: &str| value["metadata"][key].as_str().map(str::to_owned);
        let metadata = ObjectMeta {
            name: text("name"),
            resource_version: text("resourceVersion"),
            uid: text("uid"),
            ..ObjectMeta::default()
        };
        let record = K::read(&value).map_err(serde::de::Error::custom)?;
        Ok(Self {
            metadata,
            record,
            kind: PhantomData,
        })
    }
}

impl<K: Watched> Resource for Lean<K> {
    /// The version of the API.
    type DynamicType = String;
    type Scope = k8s_openapi::ClusterResourceScope;

    fn kind(_: &String) -> Cow<'_, str> {
        K::NAME.into()
    }

    fn group(_: &String) -> Cow<'_, str> {
        K::GROUP.into()
    }

    fn version(version: &String) -> Cow<'_, str> {
        version.into()
    }

    fn plural(_: &String) -> Cow<'_, str> {
        K::PLURAL.into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
