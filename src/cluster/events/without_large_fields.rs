//! JSON objects without what is large and never read, so that a page of them is not in
//! memory twice.

use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// Fields that make most of an object, and that no decision reads: who wrote which field,
/// and the images that a node holds.
const LARGE_FIELDS: [(&str, &str); 2] = [("metadata", "managedFields"), ("status", "images")];

/// An object, read without these fields.
pub(super) struct WithoutLargeFields(pub(super) Value);

impl<'de> Deserialize<'de> for WithoutLargeFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor).map(Self)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = match LARGE_FIELDS.into_iter().find(|(parent, _)| *parent == key) {
                Some((_, unread)) => map.next_value_seed(Without(unread))?,
                None => map.next_value()?,
            };
            object.insert(key, value);
        }
        Ok(object.into())
    }
}

/// Any value; where it is an object, without this field.
struct Without(&'static str);

impl<'de> DeserializeSeed<'de> for Without {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Without {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object or null")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if key == self.0 {
                map.next_value::<IgnoredAny>()?;
            } else {
                object.insert(key, map.next_value()?);
            }
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Value, serde_json::Error> {
        serde_json::from_str(text).map(|WithoutLargeFields(value)| value)
    }

    #[test]
    fn large_fields_that_nobody_reads_are_left_out() {
        let object = json!({
            "metadata": {"name": "a", "managedFields": [{"manager": "kubelet"}]},
            "spec": {"images": ["kept"], "managedFields": "kept"},
            "status": {"images": [{"names": ["a"]}], "nodeInfo": {"images": 1}},
        });
        let expected = json!({
            "metadata": {"name": "a"},
            "spec": {"images": ["kept"], "managedFields": "kept"},
            "status": {"nodeInfo": {"images": 1}},
        });
        assert_eq!(read(&object.to_string()).unwrap(), expected);
        // The same where the watch says the type last and the object comes from a buffer.
        let buffered: WithoutLargeFields = serde_json::from_value(object).unwrap();
        assert_eq!(buffered.0, expected);
    }

    #[test]
    fn null_stays_and_other_types_are_errors() {
        let null = r#"{"metadata": null, "status": null, "spec": 1}"#;
        assert_eq!(
            read(null).unwrap(),
            json!({"metadata": null, "status": null, "spec": 1})
        );
        for wrong in ["[]", "1", r#"{"status": []}"#, r#"{"metadata": "a"}"#] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
