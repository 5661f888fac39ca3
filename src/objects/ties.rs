//! Whose an object is, by its metadata.

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::Value;

use super::json::{Input, Nested, ObjectError, Text, each_object};
use crate::domain::ownership::Ties;
use crate::domain::text::{LONGEST_NAME, printable, shortened};

/// What an object is called, and whose it is. The rest of the object is skipped.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct ObjectTies<'a> {
    metadata: Nested<TiesMetadata<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct TiesMetadata<'a> {
    name: Text<'a>,
    namespace: Text<'a>,
    uid: Text<'a>,
    #[serde(deserialize_with = "controller")]
    owner_references: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct OwnerReference<'a> {
    uid: Text<'a>,
    controller: Option<bool>,
}

/// The uid of the first owner that is the controller; the API server lets no second one be.
/// Source: `GetControllerOf` in
/// <https://github.com/kubernetes/apimachinery/blob/master/pkg/apis/meta/v1/controller_ref.go>
fn controller<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Text<'de>, D::Error> {
    let mut found = None;
    each_object(deserializer, |owner: OwnerReference<'de>| {
        if found.is_none() && owner.controller == Some(true) {
            found = Some(owner.uid);
        }
    })?;
    Ok(found.unwrap_or_default())
}

impl<'a> ObjectTies<'a> {
    /// Reads them from a tree.
    ///
    /// # Errors
    /// A field of a wrong type.
    pub(super) fn read(object: &'a Value) -> Result<Self, ObjectError> {
        Input::Tree(object).object("object")
    }

    /// The object's name.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// What decides about it.
    pub fn ties(&self) -> Ties<'_> {
        Ties {
            namespace: &self.metadata.namespace,
            uid: &self.metadata.uid,
            controller: &self.metadata.owner_references,
        }
    }
}

/// Namespace and name of an object that cannot be read, as far as these can.
pub fn address(raw: &[u8]) -> Option<String> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Named {
        metadata: NamedMetadata,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct NamedMetadata {
        name: String,
        namespace: String,
    }
    let Named { metadata } = serde_json::from_slice(raw).ok()?;
    let parts = [metadata.namespace, metadata.name];
    let parts = parts.iter().filter(|part| !part.is_empty());
    let parts: Vec<_> = parts.map(|part| shortened(part, LONGEST_NAME)).collect();
    (!parts.is_empty()).then(|| printable(&parts.join("/")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_that_cannot_be_read_is_still_called_by_its_name() {
        for (object, expected) in [
            (
                json!({"metadata": {"name": "n", "namespace": "ns"}}),
                Some("ns/n"),
            ),
            (
                json!({"metadata": {"name": "n", "uid": 1}, "spec": 1}),
                Some("n"),
            ),
            (
                json!({"metadata": {"name": "a\u{1b}[1m\u{202e}"}}),
                Some("a?[1m?"),
            ),
            (json!({"metadata": {"name": 1}}), None),
            (json!({"metadata": {}}), None),
            (json!(null), None),
        ] {
            let found = address(object.to_string().as_bytes());
            assert_eq!(found.as_deref(), expected, "{object}");
        }
        let long = json!({"metadata": {"name": "n".repeat(1 << 20)}});
        assert!(address(long.to_string().as_bytes()).unwrap().len() < 600);
    }

    #[test]
    fn the_controller_is_the_first_owner_that_controls() {
        for (owners, expected) in [
            (json!(null), Some("")),
            (json!([]), Some("")),
            (json!([{"uid": "a"}]), Some("")),
            (json!([{"uid": "a", "controller": null}]), Some("")),
            (json!([{"uid": "a", "controller": false}]), Some("")),
            (json!([{"uid": "a", "controller": true}]), Some("a")),
            (
                json!([{"uid": "a"}, {"uid": "b", "controller": true}]),
                Some("b"),
            ),
            (
                json!([{"uid": "a", "controller": true}, {"uid": "b", "controller": true}]),
                Some("a"),
            ),
            (json!([null, {"controller": true}]), Some("")),
            (json!({"uid": "a"}), None),
            (json!([["a"]]), None),
            (json!([{"uid": "a", "controller": "true"}]), None),
            (json!([{"uid": 1, "controller": true}]), None),
        ] {
            let object = json!({"metadata": {
                "name": "n", "namespace": "ns", "uid": "u", "ownerReferences": owners,
            }, "spec": [[[]]]});
            let read = ObjectTies::read(&object);
            let found = read.as_ref().ok().map(|read| read.ties().controller);
            assert_eq!(found, expected, "{owners}");
            if let Ok(read) = read {
                let Ties { namespace, uid, .. } = read.ties();
                assert_eq!((read.name(), namespace, uid), ("n", "ns", "u"));
            }
        }
    }
}
