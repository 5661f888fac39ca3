//! YAML as a tree in which every value knows its line and its path.
//!
//! Typed reading by serde would say what is wrong but not where: neither the path of a key
//! nor, for values that parse but do not mean anything, the line.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::ConfigError;
use crate::domain::text::nearest;

/// A configuration is written by hand; these bounds are far from every real one.
const BYTES: usize = 1 << 20;

#[derive(Debug)]
enum Tree {
    Null,
    Bool(bool),
    Integer(u64),
    Number,
    Text(String),
    List(Vec<Spanned<Tree>>),
    Map(Vec<(Spanned<String>, Spanned<Tree>)>),
}

impl Tree {
    fn name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Integer(_) | Self::Number => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TreeVisitor;

        impl<'de> Visitor<'de> for TreeVisitor {
            type Value = Tree;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a value")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Tree, E> {
                Ok(Tree::Null)
            }

            fn visit_none<E: de::Error>(self) -> Result<Tree, E> {
                Ok(Tree::Null)
            }

            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Tree, D::Error> {
                Tree::deserialize(inner)
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Tree, E> {
                Ok(Tree::Bool(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Tree, E> {
                Ok(Tree::Integer(value))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Tree, E> {
                Ok(u64::try_from(value).map_or(Tree::Number, Tree::Integer))
            }

            fn visit_i128<E: de::Error>(self, _: i128) -> Result<Tree, E> {
                Ok(Tree::Number)
            }

            fn visit_u128<E: de::Error>(self, _: u128) -> Result<Tree, E> {
                Ok(Tree::Number)
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Tree, E> {
                Ok(Tree::Number)
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Tree, E> {
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
pub(super) struct Document(Spanned<Tree>);

impl Document {
    /// Parses one YAML document.
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        if text.len() > BYTES {
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
                ConfigError::new(line, "", &describe(&error))
            })?;
        match documents.len() {
            0 => Ok(Self(Spanned::new(
                Tree::Map(Vec::new()),
                Location::UNKNOWN,
                Location::UNKNOWN,
            ))),
            1 => Ok(Self(documents.swap_remove(0))),
            _ => {
                let line = documents[1].referenced.line();
                Err(ConfigError::new(line, "", "expected one document"))
            }
        }
    }

    /// The top of the tree.
    pub(super) fn root(&self) -> Field<'_> {
        Field {
            path: String::new(),
            value: &self.0,
        }
    }
}

/// The message alone: the printer adds where.
fn describe(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let text = text.lines().next().unwrap_or_default();
    let end = text.find(" at line ").unwrap_or(text.len());
    let message = text[..end].trim_end_matches([':', ',', ' ']);
    message
        .strip_prefix("error: ")
        .unwrap_or(message)
        .to_owned()
}

/// A value that is there, with its path.
#[derive(Clone, Debug)]
pub(super) struct Field<'a> {
    path: String,
    value: &'a Spanned<Tree>,
}

impl<'a> Field<'a> {
    /// An error about this value.
    pub(super) fn error(&self, problem: impl Into<String>) -> ConfigError {
        ConfigError::new(self.value.referenced.line(), &self.path, &problem.into())
    }

    fn expected<T>(&self, what: &str) -> Result<T, ConfigError> {
        let found = self.value.value.name();
        Err(self.error(format!("expected {what}, found {found}")))
    }

    /// The value as a map with no other keys than these.
    pub(super) fn section(
        &self,
        keys: &'static [&'static str],
    ) -> Result<Section<'a>, ConfigError> {
        let entries = match &self.value.value {
            Tree::Map(entries) => entries.as_slice(),
            _ => return self.expected("a map"),
        };
        let section = Section {
            path: self.path.clone(),
            entries,
        };
        for (key, _) in entries {
            if !keys.contains(&key.value.as_str()) {
                let problem = match keys {
                    [one] => format!("unknown key, expected {one}"),
                    _ => format!("unknown key, expected one of {}", keys.join(", ")),
                };
                let path = section.path_of(&key.value);
                return Err(ConfigError::new(key.referenced.line(), &path, &problem));
            }
        }
        Ok(section)
    }

    /// The items of a list.
    pub(super) fn items(&self) -> Result<Vec<Field<'a>>, ConfigError> {
        let Tree::List(items) = &self.value.value else {
            return self.expected("a list");
        };
        let items = items.iter().enumerate().map(|(index, value)| Field {
            path: format!("{}[{index}]", self.path),
            value,
        });
        Ok(items.collect())
    }

    /// The entries of a map whose keys are the writer's.
    pub(super) fn entries(&self) -> Result<Vec<(&'a str, Field<'a>)>, ConfigError> {
        let Tree::Map(entries) = &self.value.value else {
            return self.expected("a map");
        };
        let entries = entries.iter().map(|(key, value)| {
            let path = format!("{}.{}", self.path, key.value);
            (key.value.as_str(), Field { path, value })
        });
        Ok(entries.collect())
    }

    /// A text that is not empty.
    pub(super) fn text(&self) -> Result<&'a str, ConfigError> {
        match self.possibly_empty_text()? {
            "" => Err(self.error("expected text, found nothing")),
            text => Ok(text),
        }
    }

    /// A text.
    pub(super) fn possibly_empty_text(&self) -> Result<&'a str, ConfigError> {
        match &self.value.value {
            Tree::Text(text) => Ok(text),
            Tree::Bool(_) | Tree::Integer(_) | Tree::Number => {
                let found = self.value.value.name();
                Err(self.error(format!("expected text, found {found}; write it in quotes")))
            }
            _ => self.expected("text"),
        }
    }

    /// A whole number that is not zero.
    pub(super) fn positive(&self) -> Result<u64, ConfigError> {
        match self.value.value {
            Tree::Integer(number) if number > 0 => Ok(number),
            Tree::Integer(_) | Tree::Number => {
                Err(self.error("expected a whole number above zero"))
            }
            _ => self.expected("a number"),
        }
    }

    /// True or false.
    pub(super) fn boolean(&self) -> Result<bool, ConfigError> {
        match self.value.value {
            Tree::Bool(value) => Ok(value),
            _ => self.expected("true or false"),
        }
    }

    /// Whether the value is a map.
    pub(super) fn is_map(&self) -> bool {
        matches!(self.value.value, Tree::Map(_))
    }

    /// A text that means something.
    pub(super) fn parsed<T>(&self) -> Result<T, ConfigError>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let parsed = self.text()?.parse();
        parsed.map_err(|error: T::Err| self.error(error.to_string()))
    }

    /// A text out of a closed set.
    pub(super) fn one_of<T: Copy>(&self, names: &[(&str, T)]) -> Result<T, ConfigError> {
        let text = self.text()?;
        match names.iter().find(|(name, _)| *name == text) {
            Some((_, value)) => Ok(*value),
            None => {
                let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
                let shown: String = text.chars().take(64).collect();
                let nearest = nearest(&shown, &names);
                let nearest = nearest.map(|name| format!("; the nearest is {name}"));
                Err(self.error(format!(
                    "unknown value {shown:?}, expected one of {}{}",
                    names.join(", "),
                    nearest.unwrap_or_default()
                )))
            }
        }
    }
}

/// A map with known keys.
pub(super) struct Section<'a> {
    path: String,
    entries: &'a [(Spanned<String>, Spanned<Tree>)],
}

impl<'a> Section<'a> {
    fn path_of(&self, key: &str) -> String {
        let key: String = key.chars().take(64).collect();
        if self.path.is_empty() {
            key
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// The value of a key; nothing written is as good as absent.
    pub(super) fn field(&self, key: &str) -> Option<Field<'a>> {
        let found = self.entries.iter().find(|(name, _)| name.value == key);
        let (_, value) = found.filter(|(_, value)| !matches!(value.value, Tree::Null))?;
        Some(Field {
            path: self.path_of(key),
            value,
        })
    }

    /// Reads the value of a key, where there is one.
    pub(super) fn read<T>(
        &self,
        key: &str,
        read: impl FnOnce(&Field<'a>) -> Result<T, ConfigError>,
    ) -> Result<Option<T>, ConfigError> {
        self.field(key).as_ref().map(read).transpose()
    }

    /// Reads every item of the list at a key; none where the key is absent.
    pub(super) fn list<T>(
        &self,
        key: &str,
        mut read: impl FnMut(&Field<'a>) -> Result<T, ConfigError>,
    ) -> Result<Vec<T>, ConfigError> {
        match self.field(key) {
            Some(field) => field.items()?.iter().map(&mut read).collect(),
            None => Ok(Vec::new()),
        }
    }

    /// Reads the value of a key that must be there.
    pub(super) fn required<T>(
        &self,
        key: &str,
        owner: &Field<'a>,
        read: impl FnOnce(&Field<'a>) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        match self.field(key) {
            Some(field) => read(&field),
            None => Err(owner.error(format!("key {key} is missing"))),
        }
    }
}
