//! The documents of one file.
//!
//! The text is split at its `---` lines first: in YAML such a line always ends a document,
//! even inside quotes, so what is broken before it cannot reach beyond it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use serde_saphyr::{DefaultMessageFormatter, MessageFormatter};

use super::{FileError, FileObject, Visit};

/// Lists of lists are flattened to this depth.
const MAX_LIST_DEPTH: usize = 4;

pub(super) fn read(name: &str, text: &str, visit: &mut Visit<'_>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for chunk in split(text) {
        if !chunk.is_empty() {
            Reader { name, chunk, visit }.read();
        }
    }
}

/// A part of a text with one value in it: a YAML document, or one of several JSON values.
#[derive(Debug)]
pub(crate) struct PlacedDocument<'a> {
    /// What is written.
    pub(crate) text: &'a str,
    /// Where it starts in the text around it, in bytes.
    pub(crate) offset: usize,
    /// The line on which it starts.
    pub(crate) line: usize,
    /// What it means; none where it cannot be read.
    pub(crate) values: Option<Vec<Value>>,
}

/// The documents of a text, with their places in it. What is empty is left out.
pub(crate) fn documents(text: &str) -> Vec<PlacedDocument<'_>> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let place = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
    let chunks = split(body).into_iter().filter(|chunk| !chunk.is_empty());
    chunks
        .flat_map(|chunk| {
            let json = chunk.json().and_then(|(text, offset)| {
                let values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
                Some((values.collect::<Result<Vec<_>, _>>().ok()?, offset))
            });
            let Some((values, offset)) = json else {
                let visit: &mut Visit<'_> = &mut |_| {};
                let name = "";
                let reader = Reader { name, chunk, visit };
                return vec![PlacedDocument {
                    text: chunk.text,
                    offset: place(chunk.text),
                    line: chunk.line,
                    values: reader.yaml().ok(),
                }];
            };
            let mut lines = Lines::new(chunk, offset);
            let rest = chunk.text.get(offset..).unwrap_or_default();
            let values = values.into_iter().map(RawValue::get);
            values
                .map(|text| PlacedDocument {
                    text,
                    offset: place(text),
                    line: lines.of(rest, place(text) - place(rest)),
                    values: serde_json::from_str(text).ok().map(|value| vec![value]),
                })
                .collect()
        })
        .collect()
}

/// The first value of a text, which may be no object; none where it cannot be read.
pub fn first_value(text: &str) -> Option<Value> {
    let document = documents(text).into_iter().next()?;
    document.values?.into_iter().next()
}

/// A part of a file between two `---` lines.
#[derive(Clone, Copy, Debug)]
struct Chunk<'a> {
    text: &'a str,
    /// The line of the file on which the text starts.
    line: usize,
}

fn split(text: &str) -> Vec<Chunk<'_>> {
    let mut chunks = Vec::new();
    let (mut start, mut start_line) = (0, 1);
    let mut at = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if at > start && is_marker(line) {
            chunks.push(Chunk {
                text: &text[start..at],
                line: start_line,
            });
            (start, start_line) = (at, index + 1);
        }
        at += line.len();
    }
    chunks.push(Chunk {
        text: &text[start..],
        line: start_line,
    });
    chunks
}

fn is_marker(line: &str) -> bool {
    line.strip_prefix("---")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// A line that says nothing: blank, a comment, a marker or a directive.
fn is_silent(line: &str) -> bool {
    let text = line.strip_prefix("---").unwrap_or(line).trim();
    text.is_empty() || text.starts_with('#') || text == "..." || line.starts_with('%')
}

impl<'a> Chunk<'a> {
    fn is_empty(&self) -> bool {
        self.text.lines().all(is_silent)
    }

    /// The line on which the document itself starts.
    fn first_line(&self) -> usize {
        let silent = self.text.lines().take_while(|line| is_silent(line));
        self.line + silent.count()
    }

    /// The JSON in the chunk, and where it starts, if it looks like JSON.
    fn json(&self) -> Option<(&'a str, usize)> {
        let mut start = 0;
        for line in self.text.split_inclusive('\n') {
            if !is_silent(line) {
                break;
            }
            start += line.len();
        }
        let rest = self.text[start..].trim_start();
        rest.starts_with('{')
            .then(|| (rest, self.text.len() - rest.len()))
    }
}

struct Reader<'a, 'v> {
    name: &'a str,
    chunk: Chunk<'a>,
    visit: &'a mut Visit<'v>,
}

/// An object that may be a list, its items unread.
#[derive(Deserialize)]
struct JsonObject<'a> {
    #[serde(default, borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    items: Option<Vec<&'a RawValue>>,
    #[serde(default, borrow, rename = "apiVersion")]
    api_version: Option<Cow<'a, str>>,
}

impl<'a> Reader<'a, '_> {
    fn read(mut self) {
        match self.chunk.json() {
            Some((text, offset)) => self.read_json(text, offset),
            None => self.read_yaml(),
        }
    }

    fn fail(&mut self, line: usize, problem: &str) {
        let source = format!("{}:{line}", self.name);
        (self.visit)(Err(FileError::new(source, problem)));
    }

    fn emit(&mut self, line: usize, mut value: Value, lists: usize) {
        let source = format!("{}:{line}", self.name);
        if value.get("kind").or(value.get("apiVersion")).is_none() {
            (self.visit)(Err(FileError::no_object(source)));
            return;
        }
        let is_list = is_list(value.get("kind").and_then(Value::as_str));
        let items = match value.get_mut("items") {
            Some(Value::Array(items)) if is_list => std::mem::take(items),
            _ => {
                (self.visit)(Ok(FileObject { value, source }));
                return;
            }
        };
        if lists == 0 {
            self.fail(line, "lists are nested too deep");
            return;
        }
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        let (kind, api_version) = (text("kind"), text("apiVersion"));
        let lines = item_lines(self.chunk, items.len());
        for (index, mut item) in items.into_iter().enumerate() {
            complete(&mut item, kind, api_version);
            let line = lines.as_ref().map_or(line, |lines| lines[index]);
            self.emit(line, item, lists - 1);
        }
    }

    /// One JSON object after the other; YAML's flow style where it is no JSON.
    fn read_json(&mut self, text: &'a str, offset: usize) {
        let mut lines = Lines::new(self.chunk, offset);
        let objects = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
        let mut first = true;
        for object in objects {
            let raw = match object {
                Ok(raw) => raw.get(),
                Err(error) => {
                    // What is no JSON may still be YAML, but then it is all YAML. A template is
                    // neither, which is said there.
                    if first && (text.starts_with("{{") || self.yaml().is_ok()) {
                        self.read_yaml();
                        return;
                    }
                    let line = lines.base + error.line() - 1;
                    self.fail(line, &json_problem(&error));
                    return;
                }
            };
            first = false;
            let start = raw.as_ptr() as usize - text.as_ptr() as usize;
            let line = lines.of(text, start);
            match serde_json::from_str::<JsonObject<'a>>(raw) {
                Ok(JsonObject {
                    kind,
                    items: Some(items),
                    api_version,
                }) if is_list(kind.as_deref()) => {
                    for item in items {
                        let start = item.get().as_ptr() as usize - text.as_ptr() as usize;
                        let line = lines.of(text, start);
                        match serde_json::from_str::<Value>(item.get()) {
                            Ok(mut item) => {
                                let kind = kind.as_deref().unwrap_or_default();
                                complete(&mut item, kind, api_version.as_deref().unwrap_or(""));
                                self.emit(line, item, MAX_LIST_DEPTH);
                            }
                            Err(error) => self.fail(line, &json_problem(&error)),
                        }
                    }
                }
                _ => match serde_json::from_str(raw) {
                    Ok(value) => self.emit(line, value, MAX_LIST_DEPTH),
                    Err(error) => self.fail(line, &json_problem(&error)),
                },
            }
        }
    }

    fn read_yaml(&mut self) {
        match self.yaml() {
            Ok(values) => {
                let line = self.chunk.first_line();
                for value in values {
                    self.emit(line, value, MAX_LIST_DEPTH);
                }
            }
            Err((line, _)) if self.chunk.text.contains("{{") => self.fail(
                line,
                "no YAML; it looks like a template, which has to be rendered first: helm template",
            ),
            Err((line, problem)) => self.fail(line, &problem),
        }
    }

    fn yaml(&self) -> Result<Vec<Value>, (usize, String)> {
        let options = serde_saphyr::options! {
            // YAML 1.2: `no` and `off` are text.
            strict_booleans: true,
            with_snippet: false,
            // As kubectl, which has the API server refuse them (`--validate=strict`).
            duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
            budget: serde_saphyr::budget! {
                // Deeper ones overflow a thread's stack of 2 MiB in debug builds.
                max_depth: 64,
                // A snapshot of 5,000 nodes has about three million.
                max_events: 12_000_000,
                max_nodes: 6_000_000,
                max_recorded_anchor_events: 200_000,
            },
            alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 200_000 },
        };
        serde_saphyr::from_multiple_with_options(self.chunk.text, options).map_err(|error| {
            let line = match error.location().map_or(0, |location| location.line()) {
                0 => self.chunk.first_line(),
                line => self.chunk.line + usize::try_from(line).unwrap_or(1) - 1,
            };
            (line, yaml_problem(&error))
        })
    }
}

fn is_list(kind: Option<&str>) -> bool {
    kind.is_some_and(|kind| kind.ends_with("List"))
}

/// Items of typed lists, such as NodeList, may leave out what they are.
fn complete(item: &mut Value, list_kind: &str, api_version: &str) {
    let kind = list_kind.strip_suffix("List").unwrap_or_default();
    let Value::Object(fields) = item else { return };
    if kind.is_empty() || fields.contains_key("kind") {
        return;
    }
    fields.insert("kind".to_owned(), kind.into());
    if !fields.contains_key("apiVersion") {
        fields.insert("apiVersion".to_owned(), api_version.into());
    }
}

/// The lines on which the items of a YAML list start, if it is written as kubectl writes it:
/// `items:` at the margin, then one dash an item, all in one column.
fn item_lines(chunk: Chunk<'_>, count: usize) -> Option<Vec<usize>> {
    let mut column = None;
    let numbered = chunk.text.lines().enumerate();
    let after = numbered
        .skip_while(|(_, line)| !line.starts_with("items:"))
        .skip(1);
    let lines: Vec<usize> = after
        .filter(|(_, line)| {
            let text = line.trim_start();
            let indent = line.len() - text.len();
            (text == "-" || text.starts_with("- ")) && *column.get_or_insert(indent) == indent
        })
        .map(|(index, _)| chunk.line + index)
        .collect();
    (lines.len() == count).then_some(lines)
}

/// What is wrong with a YAML document, without its line; in our words where those of the
/// library name its types and options.
pub(crate) fn yaml_problem(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error;
    match error.without_snippet() {
        Error::Budget { .. } => "too many values or aliases, or nested too deep".to_owned(),
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("duplicate mapping key: {key}")
        }
        Error::DuplicateMappingKey { key: None, .. } => "duplicate mapping key".to_owned(),
        other => DefaultMessageFormatter.format_message(other).into_owned(),
    }
}

/// What is wrong with a JSON document, without its line.
fn json_problem(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let end = message.rfind(" at line ").unwrap_or(message.len());
    message[..end].to_owned()
}

/// Counts lines as it goes through a text.
struct Lines {
    base: usize,
    line: usize,
    at: usize,
}

impl Lines {
    fn new(chunk: Chunk<'_>, offset: usize) -> Self {
        let base = chunk.line + newlines(&chunk.text[..offset]);
        Self {
            base,
            line: base,
            at: 0,
        }
    }

    /// The line of a position that is not before the last one.
    fn of(&mut self, text: &str, position: usize) -> usize {
        if let Some(passed) = text.get(self.at..position) {
            self.line += newlines(passed);
            self.at = position;
        }
        self.line
    }
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}
