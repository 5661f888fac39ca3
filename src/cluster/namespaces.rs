//! Namespaces and RuntimeClasses as they are kept.

use super::lean::{Kept, Named};
use crate::domain::placement::RuntimeClass;
use crate::objects::context::{Namespace, NamespaceObject, RuntimeClassObject};

/// A namespace, with what in it could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NamespaceRecord {
    pub(super) namespace: Namespace,
    pub(super) warnings: Vec<String>,
}

impl Kept for NamespaceRecord {
    const GROUP: &'static str = "";
    const VERSION: &'static str = "v1";
    const KIND: &'static str = "Namespace";
    const PLURAL: &'static str = "namespaces";

    type Object<'a> = NamespaceObject<'a>;

    fn keep(object: &NamespaceObject<'_>) -> Named<Self> {
        let (namespace, warnings) = object.to_namespace();
        Named {
            name: object.name().to_owned(),
            resource_version: object.resource_version().to_owned(),
            value: Self {
                namespace,
                warnings,
            },
        }
    }
}

impl Kept for RuntimeClass {
    const GROUP: &'static str = "node.k8s.io";
    const VERSION: &'static str = "v1";
    const KIND: &'static str = "RuntimeClass";
    const PLURAL: &'static str = "runtimeclasses";

    type Object<'a> = RuntimeClassObject<'a>;

    fn keep(object: &RuntimeClassObject<'_>) -> Named<Self> {
        Named {
            name: object.name().to_owned(),
            resource_version: object.resource_version().to_owned(),
            value: object.to_runtime_class(),
        }
    }
}
