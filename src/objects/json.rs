//! Reading JSON the way Go does, and saying where it went wrong.

mod error;
mod resources;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

pub use self::error::ObjectError;
pub(super) use self::error::{Readable, from_slice, from_value, locate, readable};
pub(super) use self::resources::{Resources, ZeroQuantities};
use crate::domain::node::Labels;

/// Reads `null` as the default, as Go does.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Reads an object, `null` as one without fields. Derived structs would take a list, too.
pub(super) fn object<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    optional_object(deserializer).map(Option::unwrap_or_default)
}

/// Reads an object, `null` as none.
pub(super) fn optional_object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<Whole<T>>::deserialize(deserializer).map(|read| read.map(|Whole(object)| object))
}

/// Reads a list of objects.
pub(super) fn objects<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    struct ObjectsVisitor<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for ObjectsVisitor<T> {
        type Value = Vec<T>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a list")
        }

        fn visit_unit<E: de::Error>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut objects = Vec::new();
            while let Some(item) = list.next_element::<Option<Whole<T>>>()? {
                objects.push(item.map(|Whole(object)| object).unwrap_or_default());
            }
            Ok(objects)
        }
    }

    deserializer.deserialize_any(ObjectsVisitor(PhantomData))
}

/// An object that is written as an object.
pub(super) struct Whole<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WholeVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for WholeVisitor<T> {
            type Value = Whole<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Whole<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Whole)
            }
        }

        deserializer.deserialize_any(WholeVisitor(PhantomData))
    }
}

/// A string, borrowed where the input has it without escapes. `null` is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text<'a>(Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Text<'_> {
    /// The text, unless it is empty.
    pub(super) fn non_empty(&self) -> Option<String> {
        (!self.is_empty()).then(|| self.to_string())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text)))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
        }

        deserializer.deserialize_any(TextVisitor)
    }
}

/// A map of strings, in the order of the input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs<'a>(pub(super) Vec<(Text<'a>, Text<'a>)>);

impl Pairs<'_> {
    /// The value of a key; the last one counts, as in Go.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        let found = self
            .0
            .iter()
            .rev()
            .find(|(candidate, _)| &**candidate == key);
        found.map(|(_, value)| &**value)
    }

    /// The pairs as labels.
    pub(super) fn to_labels(&self) -> Labels {
        let pairs = self.0.iter();
        pairs
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        entries(deserializer).map(Self)
    }
}

/// The entries of a map in their order.
fn entries<'de, 'a, D, T>(deserializer: D) -> Result<Vec<(Text<'a>, T)>, D::Error>
where
    'de: 'a,
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct EntriesVisitor<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
        type Value = Vec<(Text<'de>, T)>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a map")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = map.next_entry()? {
                entries.push(entry);
            }
            Ok(entries)
        }
    }

    deserializer
        .deserialize_map(EntriesVisitor(PhantomData))
        .map(|entries: Vec<(Text<'de>, T)>| entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_borrowed_unless_it_has_escapes() {
        let plain: Text<'_> = serde_json::from_str("\"plain\"").unwrap();
        assert!(matches!(plain.0, Cow::Borrowed("plain")));
        let escaped: Text<'_> = serde_json::from_str("\"a\\u0062\"").unwrap();
        assert_eq!(&*escaped, "ab");
        let absent: Text<'_> = serde_json::from_str("null").unwrap();
        assert_eq!(&*absent, "");
    }
}
