//! JSON objects without what is large and never read, so that a page of them is not in
//! memory twice.

use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// Fields that make most of an object, and that no decision reads: who wrote which field,
/// and the images that a node holds.
const LARGE_FIELDS: [(&str, &str); 2] = [("metadata", "managedFields"), ("status", "images")];

/// An object, read without these fields.
pub(super) struct WithoutLargeFields(pub(super) Value);

impl<'de> Deserialize<'de> for WithoutLargeFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Part::Object).map(Self)
    }
}

/// What is read: the object, or one of its fields, null or an object without a field.
#[derive(Clone, Copy)]
enum Part {
    Object,
    FieldWithout(&'static str),
}

impl<'de> DeserializeSeed<'de> for Part {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        match self {
            Self::Object => Err(E::invalid_type(Unexpected::Unit, &self)),
            Self::FieldWithout(_) => Ok(Value::Null),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let large = LARGE_FIELDS.iter().find(|(field, _)| *field == key);
            let value = match (self, large) {
                (Self::FieldWithout(large), _) if large == key => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                (Self::Object, Some((_, large))) => {
                    map.next_value_seed(Self::FieldWithout(large))?
                }
                _ => map.next_value()?,
            };
            object.insert(key, value);
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
