//! Resources of which little is kept: what a watch delivers is reduced while it is parsed.
//!
//! A node of 13 KB becomes one of about 1 KB, so 5,000 of them fit in a few MiB, and a
//! heartbeat compares equal to what is kept.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Debug;

use kube::core::{ClusterResourceScope, ObjectMeta, Resource};
use kube::runtime::watcher::Event;
use serde::{Deserialize, Deserializer};

use crate::objects::node::Interner;

/// What is kept of a cluster-scoped resource.
pub(super) trait Kept: Clone + Debug + PartialEq + Send + Sync + 'static {
    const GROUP: &'static str;
    const VERSION: &'static str;
    const KIND: &'static str;
    const PLURAL: &'static str;

    /// The object as it arrives.
    type Object<'a>: Deserialize<'a>;

    /// What is kept of an object.
    fn keep(object: &Self::Object<'_>) -> Named<Self>;

    /// Shares strings with other values.
    fn share(&mut self, _interner: &mut Interner) {}
}

/// A kept value with what a watch needs of its object.
pub(super) struct Named<T> {
    pub(super) name: String,
    pub(super) resource_version: String,
    pub(super) value: T,
}

/// A resource as `kube` wants it, around what is kept.
#[derive(Clone, Debug)]
pub(super) struct Lean<T> {
    metadata: ObjectMeta,
    value: T,
}

impl<'de, T: Kept> Deserialize<'de> for Lean<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let named = T::keep(&T::Object::deserialize(deserializer)?);
        let metadata = ObjectMeta {
            name: Some(named.name),
            resource_version: Some(named.resource_version),
            ..ObjectMeta::default()
        };
        Ok(Self {
            metadata,
            value: named.value,
        })
    }
}

impl<T: Kept> Resource for Lean<T> {
    type DynamicType = ();
    type Scope = ClusterResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        T::KIND.into()
    }

    fn group((): &()) -> Cow<'_, str> {
        T::GROUP.into()
    }

    fn version((): &()) -> Cow<'_, str> {
        T::VERSION.into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        T::PLURAL.into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Whether a decision can tell the difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Same,
    Changed,
}

/// All resources of one type, as far as events told.
#[derive(Debug)]
pub(super) struct Collection<T> {
    kept: BTreeMap<String, T>,
    /// A list in progress; what was kept before serves until it is complete.
    listing: BTreeMap<String, T>,
    listed: bool,
    interner: Interner,
}

impl<T> Default for Collection<T> {
    fn default() -> Self {
        Self {
            kept: BTreeMap::new(),
            listing: BTreeMap::new(),
            listed: false,
            interner: Interner::default(),
        }
    }
}

impl<T: Kept> Collection<T> {
    pub(super) fn kept(&self) -> &BTreeMap<String, T> {
        &self.kept
    }

    /// Whether a first list was complete.
    pub(super) fn is_listed(&self) -> bool {
        self.listed
    }

    /// Folds in an event.
    pub(super) fn apply(&mut self, event: Event<Lean<T>>) -> Change {
        let changed = match event {
            Event::Init => {
                self.listing.clear();
                false
            }
            Event::InitApply(object) => {
                let (name, value) = self.shared(object);
                self.listing.insert(name, value);
                false
            }
            Event::InitDone => {
                let listing = std::mem::take(&mut self.listing);
                let changed = !self.listed || listing != self.kept;
                self.kept = listing;
                self.listed = true;
                self.interner.prune();
                changed
            }
            Event::Apply(object) => {
                let (name, value) = self.shared(object);
                let same = self.kept.get(&name) == Some(&value);
                self.kept.insert(name, value);
                !same
            }
            Event::Delete(object) => {
                let name = object.metadata.name.unwrap_or_default();
                let known = self.kept.remove(&name).is_some();
                self.interner.prune();
                known
            }
        };
        if changed {
            Change::Changed
        } else {
            Change::Same
        }
    }

    fn shared(&mut self, object: Lean<T>) -> (String, T) {
        let mut value = object.value;
        value.share(&mut self.interner);
        (object.metadata.name.unwrap_or_default(), value)
    }
}
