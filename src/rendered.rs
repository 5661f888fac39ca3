//! What is published of the program's own types: `make render` writes it, every other run
//! compares. No part of the program.

use std::path::Path;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// Writes a published file, where that is asked for, and fails where it has another text.
#[track_caller]
pub(crate) fn publish(path: &str, text: &str) {
    if std::env::var_os("ARCHMATCH_RENDER").is_some() {
        std::fs::write(root().join(path), text).unwrap();
    }
    assert!(read(path) == text, "run make render and commit {path}");
}

/// A file of the project; nothing where there is none.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_default()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// JSON as published files have it.
pub(crate) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

/// The schema of a type, by these settings and under this name of `archmatch.io/schemas`.
pub(crate) fn schema<T: JsonSchema>(settings: SchemaSettings, name: &str, title: &str) -> Value {
    let generator = settings.into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    schema["$id"] = json!(format!("https://archmatch.io/schemas/{name}.json"));
    schema["title"] = json!(title);
    schema
}

/// Descriptions without the line breaks of comments.
pub(crate) fn unwrap_lines(schema: &mut Value) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
}
