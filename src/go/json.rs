//! JSON objects as Go's `encoding/json` reads them into structs.
//!
//! Source: <https://pkg.go.dev/encoding/json#Unmarshal>: keys match in any case, the last
//! of several wins, null leaves a field as it was, unknown keys are skipped.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};

/// A struct that is read field by field, in the order of the document.
pub(crate) trait GoObject: Default {
    /// Reads the value behind a key.
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error>;
}

/// The key as Go compares it: simple case folding maps two more letters to ASCII.
pub(crate) fn folded(key: &str) -> String {
    let fold = |letter| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        letter => letter.to_ascii_lowercase(),
    };
    key.chars().map(fold).collect()
}

/// Reads a value into a field; null leaves it as it was.
pub(crate) fn assign<'de, A: MapAccess<'de>, V: DeserializeOwned, T: From<V>>(
    field: &mut T,
    map: &mut A,
) -> Result<(), A::Error> {
    if let Some(value) = map.next_value::<Option<V>>()? {
        *field = value.into();
    }
    Ok(())
}

/// Skips a value.
pub(crate) fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(drop)
}

pub(crate) struct ObjectVisitor<T>(pub(crate) PhantomData<T>);

impl<'de, T: GoObject> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut object = T::default();
        while let Some(key) = map.next_key::<String>()? {
            object.field(&key, &mut map)?;
        }
        Ok(object)
    }
}

/// Has serde read types as [`GoObject`]s.
macro_rules! deserialize_go_objects {
    ($($name:ident),+) => {$(
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let visitor = $crate::go::json::ObjectVisitor(std::marker::PhantomData);
                deserializer.deserialize_map(visitor)
            }
        }
    )+};
}

pub(crate) use deserialize_go_objects;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_fold_as_in_go() {
        for (key, field) in [
            ("OS.Features", "os.features"),
            ("fSLayers", "fslayers"),
            ("fs\u{17f}", "fss"),
            ("\u{212a}ind", "kind"),
            // Only full case folding makes two letters of it.
            ("\u{df}", "\u{df}"),
            ("\u{c4}", "\u{c4}"),
        ] {
            assert_eq!(folded(key), field, "{key}");
        }
    }
}
