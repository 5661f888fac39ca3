//! Objects as the watcher of kube wants them, without what decisions do not read.

use std::borrow::Cow;
use std::marker::PhantomData;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Deserializer};

use super::Watched;
use super::without_large_fields::WithoutLargeFields;
use crate::cluster::state::Record;

/// An object that is reduced while it is read.
#[derive(Clone, Debug)]
pub(super) struct Reduced<K> {
    /// What a watch needs: name and resource version.
    metadata: ObjectMeta,
    pub(super) record: Record,
    kind: PhantomData<K>,
}

impl<'de, K: Watched> Deserialize<'de> for Reduced<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let WithoutLargeFields(value) = WithoutLargeFields::deserialize(deserializer)?;
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

impl<K: Watched> Resource for Reduced<K> {
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        K::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        K::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        K::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
