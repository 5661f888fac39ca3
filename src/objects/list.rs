//! A page of a list, as the API server answers it, read item by item: never a tree, and an
//! item that its owner stands for is passed over only once.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::json::{Input, Nested, ObjectError, StrictObject, Text};
use super::ties::ObjectTies;

/// A page, and how far it was read.
#[derive(Debug, Default)]
pub struct ListPage {
    bytes: Vec<u8>,
    position: usize,
    place: Place,
    next: String,
}

/// What is read next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// The list itself.
    #[default]
    Start,
    /// One of its fields; whether it is the first.
    Field { is_first: bool },
    /// One of its items; whether it is the first.
    Item { is_first: bool },
    /// Nothing.
    End,
}

/// An item of a list.
#[derive(Debug)]
pub struct ListItem<'a> {
    /// The whole item.
    pub raw: &'a [u8],
    /// What it is called, and whose it is.
    pub ties: Result<ObjectTies<'a>, ObjectError>,
}

/// What a list says of itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct ListMetadata<'a> {
    #[serde(rename = "continue")]
    next: Text<'a>,
}

impl ListPage {
    /// A page, of which nothing is read yet.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            ..Self::default()
        }
    }

    /// A page of which everything is read, with memory for the next one.
    pub fn read(buffer: Vec<u8>) -> Self {
        Self {
            bytes: buffer,
            place: Place::End,
            ..Self::default()
        }
    }

    /// What the page after this one is asked for with; empty where it is the last one. It is
    /// known when there is no further item.
    pub fn next_page(&self) -> &str {
        &self.next
    }

    /// The memory of a page that is read, for the next one.
    pub fn into_buffer(mut self) -> Vec<u8> {
        self.bytes.clear();
        self.bytes
    }

    /// The next item, if there is one.
    ///
    /// # Errors
    /// This is no list. Nothing further can be read then.
    pub fn next_item(&mut self) -> Result<Option<ListItem<'_>>, ObjectError> {
        // After an error nothing more is read.
        let mut place = std::mem::replace(&mut self.place, Place::End);
        let mut reader = ListReader {
            bytes: &self.bytes,
            position: self.position,
        };
        let found = loop {
            place = match place {
                Place::Start => {
                    reader.expect(b'{')?;
                    Place::Field { is_first: true }
                }
                Place::Field { is_first } => {
                    if reader.goes_on(b'}', is_first)? {
                        reader.field(&mut self.next)?
                    } else {
                        reader.expect_end()?;
                        Place::End
                    }
                }
                Place::Item { is_first } => {
                    if reader.goes_on(b']', is_first)? {
                        place = Place::Item { is_first: false };
                        break Some(reader.item()?);
                    }
                    Place::Field { is_first: false }
                }
                Place::End => break None,
            };
        };
        (self.place, self.position) = (place, reader.position);
        Ok(found)
    }
}

/// Reads what is between the values of a list; serde reads the values.
struct ListReader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> ListReader<'a> {
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    fn peek(&mut self) -> Option<u8> {
        let is_space = |byte: &&u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        self.position += self.rest().iter().take_while(is_space).count();
        self.rest().first().copied()
    }

    fn expect(&mut self, wanted: u8) -> Result<(), ObjectError> {
        if self.peek() != Some(wanted) {
            return Err(self.problem(&format!("expected `{}`", char::from(wanted))));
        }
        self.position += 1;
        Ok(())
    }

    fn expect_end(&mut self) -> Result<(), ObjectError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.problem("trailing characters")),
        }
    }

    /// Whether another value follows, and not the closing bracket.
    fn goes_on(&mut self, closing: u8, is_first: bool) -> Result<bool, ObjectError> {
        if self.peek() == Some(closing) {
            self.position += 1;
            return Ok(false);
        }
        if !is_first {
            self.expect(b',')?;
        }
        Ok(true)
    }

    fn read<T: Deserialize<'a>>(&mut self) -> Result<T, ObjectError> {
        let mut values = serde_json::Deserializer::from_slice(self.rest()).into_iter();
        match values.next() {
            Some(Ok(value)) => {
                self.position += values.byte_offset();
                Ok(value)
            }
            Some(Err(error)) => Err(self.problem(&error.to_string())),
            None => Err(self.problem("the text ends")),
        }
    }

    /// Reads a field of the list, up to its items where it has them.
    fn field(&mut self, next: &mut String) -> Result<Place, ObjectError> {
        let key: Text<'_> = self.read()?;
        self.expect(b':')?;
        match &*key {
            "items" if self.peek() == Some(b'[') => {
                self.expect(b'[')?;
                return Ok(Place::Item { is_first: true });
            }
            // Go writes an empty list as null.
            "items" => self.read()?,
            "metadata" => {
                let metadata: Nested<ListMetadata<'_>> = self.read()?;
                *next = metadata.next.to_string();
            }
            _ => {
                self.read::<IgnoredAny>()?;
            }
        }
        Ok(Place::Field { is_first: false })
    }

    fn item(&mut self) -> Result<ListItem<'a>, ObjectError> {
        self.peek();
        let start = self.position;
        let ties = self.read().map(|StrictObject(ties)| ties);
        if ties.is_ok() {
            let raw = &self.bytes[start..self.position];
            return Ok(ListItem { raw, ties });
        }
        // The others can be read if it is JSON at all.
        self.read::<IgnoredAny>()?;
        let raw = &self.bytes[start..self.position];
        let ties = Input::Bytes(raw).object("item");
        Ok(ListItem { raw, ties })
    }

    fn problem(&self, problem: &str) -> ObjectError {
        let problem = format!("{problem}, after {} bytes", self.position);
        ObjectError::new("list", "", &problem)
    }
}

#[cfg(test)]
mod tests;
