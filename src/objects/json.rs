//! Reading JSON the way Go does, and saying where it went wrong.

mod bounded;
mod error;
mod resources;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

pub(super) use self::bounded::{Bounded, Item, bounded, bounded_texts, weight_of};
pub(super) use self::error::Input;
pub use self::error::ObjectError;
pub(super) use self::resources::{Quantities, extended_requests};
use crate::domain::labels::Labels;

/// Reads `null` as the default, as Go does.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A part of an object that is an object, too; `null` is one without fields. Derived structs
/// would take a list.
#[derive(Clone, Debug, Default)]
pub(super) struct Nested<T>(pub(super) T);

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Nested<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        optional_object(deserializer).map(|object| Self(object.unwrap_or_default()))
    }
}

impl<T> Deref for Nested<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Reads an object, `null` as none.
pub(super) fn optional_object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<StrictObject<T>>::deserialize(deserializer)
        .map(|read| read.map(|StrictObject(object)| object))
}

/// Reads a list of objects.
pub(super) fn objects<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    let mut objects = Vec::new();
    each_object(deserializer, |object| objects.push(object))?;
    Ok(objects)
}

/// Reads a list of objects one after the other.
pub(super) fn each_object<'de, D, T>(
    deserializer: D,
    mut take: impl FnMut(T),
) -> Result<(), D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    each(deserializer, |item: Option<StrictObject<T>>| {
        take(item.map(|StrictObject(object)| object).unwrap_or_default());
    })
}

/// Reads a list one item after the other, so that what is not kept takes no room. `null` is
/// an empty list.
pub(super) fn each<'de, D, T>(deserializer: D, take: impl FnMut(T)) -> Result<(), D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Items<F, T>(F, PhantomData<T>);

    impl<'de, T: Deserialize<'de>, F: FnMut(T)> Visitor<'de> for Items<F, T> {
        type Value = ();

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a list")
        }

        fn visit_unit<E: de::Error>(self) -> Result<(), E> {
            Ok(())
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
            while let Some(item) = list.next_element()? {
                (self.0)(item);
            }
            Ok(())
        }
    }

    deserializer.deserialize_any(Items(take, PhantomData))
}

/// An object that is written as an object.
#[derive(Clone, Debug)]
pub(super) struct StrictObject<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for StrictObject<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StrictObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for StrictObjectVisitor<T> {
            type Value = StrictObject<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<StrictObject<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(StrictObject)
            }
        }

        deserializer.deserialize_any(StrictObjectVisitor(PhantomData))
    }
}

/// A string, borrowed where the input has it without escapes. `null` is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text<'a>(Cow<'a, str>);

impl Deref for Text<'_> {
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

            fn visit_unit<E: de::Error>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
        }

        deserializer.deserialize_any(TextVisitor)
    }
}

/// A map of strings, in the order of the input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(super) struct Pairs<'a>(
    #[serde(borrow, deserialize_with = "entries")] pub(super) Vec<(Text<'a>, Text<'a>)>,
);

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

/// The entries of a map in their order.
fn entries<'de, D, T>(deserializer: D) -> Result<Vec<(Text<'de>, T)>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let mut entries = Vec::new();
    each_entry(deserializer, |key, value| entries.push((key, value)))?;
    Ok(entries)
}

/// Reads the entries of a map one after the other. `null` is an empty map.
pub(super) fn each_entry<'de, D, T>(
    deserializer: D,
    take: impl FnMut(Text<'de>, T),
) -> Result<(), D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Entries<F, T>(F, PhantomData<T>);

    impl<'de, T: Deserialize<'de>, F: FnMut(Text<'de>, T)> Visitor<'de> for Entries<F, T> {
        type Value = ();

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a map")
        }

        fn visit_unit<E: de::Error>(self) -> Result<(), E> {
            Ok(())
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some((key, value)) = map.next_entry()? {
                (self.0)(key, value);
            }
            Ok(())
        }
    }

    deserializer.deserialize_any(Entries(take, PhantomData))
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
