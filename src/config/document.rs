//! A YAML document in which every value knows its line, read into settings by serde.
//!
//! `serde_saphyr` alone would take `true` for text, and has nothing to say of where a value is
//! that means nothing.

use std::{fmt, slice};

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{
    Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, Error, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde_saphyr::{Location, Spanned};

use super::ConfigError;
use super::problem::Problem;
use crate::files::yaml_problem;

/// A configuration is written by hand; these bounds are far from every real one.
const MAX_DOCUMENT_BYTES: usize = 1 << 20;

/// Keys whose text may be empty: no variant, and a taint without value. So may values under
/// keys of the writer's own, which are labels. Everywhere else empty text is a slip.
pub(super) const MAY_BE_EMPTY: [&str; 2] = ["variant", "value"];

#[derive(Debug)]
enum Tree {
    Null,
    Bool(bool),
    Integer(u64),
    Number(f64),
    Text(String),
    List(Vec<Spanned<Tree>>),
    Map(Vec<(Spanned<String>, Spanned<Tree>)>),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TreeVisitor;

        impl<'de> Visitor<'de> for TreeVisitor {
            type Value = Tree;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a value")
            }

            fn visit_unit<E: Error>(self) -> Result<Tree, E> {
                Ok(Tree::Null)
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Tree, E> {
                Ok(Tree::Bool(value))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Tree, E> {
                Ok(Tree::Integer(value))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Tree, E> {
                Ok(u64::try_from(value).map_or(Tree::Number(value as f64), Tree::Integer))
            }

            fn visit_i128<E: Error>(self, value: i128) -> Result<Tree, E> {
                Ok(Tree::Number(value as f64))
            }

            fn visit_u128<E: Error>(self, value: u128) -> Result<Tree, E> {
                Ok(Tree::Number(value as f64))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Tree, E> {
                Ok(Tree::Number(value))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Tree, E> {
                Ok(Tree::Text(value.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Tree::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Tree::Map(entries))
            }
        }

        deserializer.deserialize_any(TreeVisitor)
    }
}

/// The whole document.
pub(super) struct YamlDocument(Spanned<Tree>);

impl YamlDocument {
    /// Parses one YAML document.
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        if text.len() > MAX_DOCUMENT_BYTES {
            return Err(ConfigError::new(0, "", "larger than 1 MiB"));
        }
        let options = serde_saphyr::options! {
            strict_booleans: true,
            with_snippet: false,
            budget: serde_saphyr::budget! { max_depth: 32, max_events: 200_000, max_aliases: 100 },
        };
        let mut documents: Vec<Spanned<Tree>> =
            serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
                let line = error.location().map_or(0, |location| location.line());
                ConfigError::new(line, "", &yaml_problem(&error))
            })?;
        if let Some(second) = documents.get(1) {
            let line = second.referenced.line();
            return Err(ConfigError::new(line, "", "expected one document"));
        }
        let empty = || {
            let nowhere = Location::UNKNOWN;
            Spanned::new(Tree::Map(Vec::new()), nowhere, nowhere)
        };
        Ok(Self(documents.pop().unwrap_or_else(empty)))
    }

    /// Reads what the document says.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        let root = ValueReader {
            node: &self.0,
            may_be_empty: false,
        };
        serde_path_to_error::deserialize(root).map_err(|error| {
            let path = match error.path().iter().next() {
                Some(_) => error.path().to_string(),
                None => String::new(),
            };
            let Problem { text, line } = error.into_inner();
            ConfigError::new(line.unwrap_or_else(|| root.line()), &path, &text)
        })
    }

    /// The line of an item of a list under a key at the top.
    pub(super) fn line_of_item(&self, key: &str, position: usize) -> u64 {
        let value = |node: &Spanned<Tree>| match &node.value {
            Tree::List(items) => items.get(position).map(|item| item.referenced.line()),
            _ => None,
        };
        let line = match &self.0.value {
            Tree::Map(entries) => {
                let entry = entries.iter().find(|(name, _)| name.value == key);
                entry.and_then(|(_, list)| value(list))
            }
            _ => None,
        };
        line.unwrap_or_default()
    }
}

/// A value on its way into the settings.
#[derive(Clone, Copy)]
struct ValueReader<'a> {
    node: &'a Spanned<Tree>,
    may_be_empty: bool,
}

impl ValueReader<'_> {
    fn line(&self) -> u64 {
        self.node.referenced.line()
    }
}

impl<'de> Deserializer<'de> for ValueReader<'de> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.node.value {
            Tree::Null => visitor.visit_unit(),
            Tree::Bool(value) => visitor.visit_bool(*value),
            Tree::Integer(value) => visitor.visit_u64(*value),
            Tree::Number(value) => visitor.visit_f64(*value),
            Tree::Text(text) if text.is_empty() && !self.may_be_empty => {
                Err(Problem::custom("expected text, found nothing"))
            }
            Tree::Text(text) => visitor.visit_str(text),
            Tree::List(items) => visitor.visit_seq(ListItems(items.iter())),
            Tree::Map(entries) => visitor.visit_map(MapEntries::of(entries, Keys::Known)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.node.value {
            Tree::Map(entries) => visitor.visit_map(MapEntries::of(entries, Keys::OfWriter)),
            _ => self.deserialize_any(visitor),
        }
    }

    /// Derived settings would take a list of their fields' values, too.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        match &self.node.value {
            Tree::List(_) => Err(Problem::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_some(self)
    }

    /// A name, or a map with a name as its one key.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        match &self.node.value {
            Tree::Text(name) => visitor.visit_enum(name.as_str().into_deserializer()),
            Tree::Map(entries) => {
                let entries = MapEntries::of(entries, Keys::Known);
                visitor.visit_enum(MapAccessDeserializer::new(entries))
            }
            _ => String::deserialize(self).and_then(|_| Err(Problem::custom("expected text"))),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct identifier ignored_any
    }
}

struct ListItems<'a>(slice::Iter<'a, Spanned<Tree>>);

impl<'de> SeqAccess<'de> for ListItems<'de> {
    type Error = Problem;

    fn next_element_seed<S>(&mut self, seed: S) -> Result<Option<S::Value>, Problem>
    where
        S: DeserializeSeed<'de>,
    {
        let item = self.0.next().map(|node| {
            let may_be_empty = false;
            let item = ValueReader { node, may_be_empty };
            seed.deserialize(item)
                .map_err(|problem| problem.at(item.line()))
        });
        item.transpose()
    }
}

/// Whose keys a map has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// Those of a section. A null there is as good as no entry.
    Known,
    /// The writer's, such as labels.
    OfWriter,
}

struct MapEntries<'a> {
    rest: slice::Iter<'a, (Spanned<String>, Spanned<Tree>)>,
    keys: Keys,
    value: Option<ValueReader<'a>>,
}

impl<'a> MapEntries<'a> {
    fn of(entries: &'a [(Spanned<String>, Spanned<Tree>)], keys: Keys) -> Self {
        Self {
            rest: entries.iter(),
            keys,
            value: None,
        }
    }
}

impl<'de> MapAccess<'de> for MapEntries<'de> {
    type Error = Problem;

    fn next_key_seed<S>(&mut self, seed: S) -> Result<Option<S::Value>, Problem>
    where
        S: DeserializeSeed<'de>,
    {
        let is_labels = self.keys == Keys::OfWriter;
        let entries = self.rest.by_ref();
        let counts = |value: &Spanned<Tree>| is_labels || !matches!(value.value, Tree::Null);
        let Some((key, node)) = entries.find(|(_, value)| counts(value)) else {
            return Ok(None);
        };
        let may_be_empty = is_labels || MAY_BE_EMPTY.contains(&key.value.as_str());
        self.value = Some(ValueReader { node, may_be_empty });
        let name: StrDeserializer<'_, Problem> = key.value.as_str().into_deserializer();
        let read = seed.deserialize(name).map(Some);
        read.map_err(|problem| problem.at(key.referenced.line()))
    }

    fn next_value_seed<S>(&mut self, seed: S) -> Result<S::Value, Problem>
    where
        S: DeserializeSeed<'de>,
    {
        let value = self.value.take();
        let value = value.ok_or_else(|| Problem::custom("a value without key"))?;
        seed.deserialize(value)
            .map_err(|problem| problem.at(value.line()))
    }
}
