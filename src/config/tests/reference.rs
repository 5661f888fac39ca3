//! What is published of the configuration is what its types say: `docs/configuration.md`,
//! `docs/configuration.schema.json`, and the chart's schema of `config:` and `policy:`.
//! `make render` writes them, every other run compares.

use std::fmt::Write as _;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::super::Configuration;
use super::super::document::MAY_BE_EMPTY;
use crate::rendered::{pretty, publish, read, unwrap_lines};

#[test]
fn what_is_published_of_the_configuration_is_what_its_types_say() {
    let schema = schema();
    let of_chart = {
        let path = "charts/archmatch/values.schema.json";
        let mut text = read(path);
        let mut properties = schema["properties"].clone();
        names_alone(&mut properties);
        let config = json!({
            "type": "object",
            "description": "The configuration file; docs/configuration.md lists its keys.",
            "additionalProperties": false,
            "properties": properties,
        });
        text = with_property(&text, "config", &config);
        (path, with_property(&text, "policy", &properties["policy"]))
    };
    let of_file = format!("{}\n", pretty(&schema));
    let published = [
        of_chart,
        ("docs/configuration.schema.json", of_file),
        ("docs/configuration.md", page(&schema)),
    ];
    for (path, text) in published {
        publish(path, &text);
    }
}

fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
    });
    let title = "archmatch configuration";
    let name = "configuration-v1alpha1";
    let mut schema = crate::rendered::schema::<Configuration>(settings, name, title);
    tidy(&mut schema, false);
    schema
}

/// Says what the reader takes: text is not empty, save where it may be; absence is written
/// as absence; a name that is listed twice counts once; and a section's default is that of
/// its keys.
fn tidy(schema: &mut Value, may_be_empty: bool) {
    unwrap_lines(schema);
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    object.remove("format");
    object.remove("uniqueItems");
    let is_of_section = |default: &Value| default.is_null() || default.is_object();
    if object.get("default").is_some_and(is_of_section) {
        object.remove("default");
    }
    if let Some(Value::Array(names)) = object.get_mut("enum") {
        names.retain(|name| !name.is_null());
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        let only = types.remove(0);
        object.insert("type".to_owned(), only);
    }
    if let Some(Value::Array(mut choices)) = object.remove("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        let Value::Object(only) = choices.remove(0) else {
            panic!("an option of a schema");
        };
        for (key, value) in only {
            object.entry(key).or_insert(value);
        }
    }
    let is_free = |key: &str| !object.contains_key(key);
    let is_text = object.get("type").is_some_and(|name| name == "string");
    if is_text && !may_be_empty && ["pattern", "const", "enum"].into_iter().all(is_free) {
        object.insert("minLength".to_owned(), json!(1));
    }
    for (key, value) in object {
        match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                for (name, property) in properties {
                    tidy(property, MAY_BE_EMPTY.contains(&name.as_str()));
                }
            }
            ("additionalProperties", value) => tidy(value, true),
            ("items", value) => tidy(value, false),
            ("oneOf", Value::Array(choices)) => {
                for choice in choices {
                    tidy(choice, false);
                }
            }
            _ => {}
        }
    }
}

/// Names in one list, for which Helm's errors are shorter.
fn names_alone(schema: &mut Value) {
    let names = schema["oneOf"].as_array().and_then(|choices| {
        let names = choices.iter().map(|choice| choice.get("const").cloned());
        names.collect::<Option<Vec<Value>>>()
    });
    if let (Some(names), Some(object)) = (names, schema.as_object_mut()) {
        object.remove("oneOf");
        object.insert("enum".to_owned(), json!(names));
    }
    match schema {
        Value::Object(object) => object.values_mut().for_each(names_alone),
        Value::Array(items) => items.iter_mut().for_each(names_alone),
        _ => {}
    }
}

/// The text of a chart's schema with another schema of one value; the rest stays as it was
/// written.
fn with_property(text: &str, name: &str, schema: &Value) -> String {
    let (head, rest) = text
        .split_once(&format!("\n    \"{name}\": {{\n"))
        .unwrap_or_else(|| panic!("no value {name} in the chart's schema"));
    let (_, tail) = rest.split_once("\n    }").unwrap();
    let schema = pretty(schema).replace('\n', "\n    ");
    format!("{head}\n    \"{name}\": {schema}{tail}")
}

const INTRODUCTION: &str = "\
# Configuration

One YAML file, which `--config` or `ARCHMATCH_CONFIG` names; the chart renders it from `config:`
in its values. Every key is optional unless it says otherwise, and a null is as good as none.
Unknown keys are refused. [A schema](configuration.schema.json) is for editors.

This page is made of the program's types by `make render`.
";

fn page(schema: &Value) -> String {
    let mut page = INTRODUCTION.to_owned();
    let properties = schema["properties"].as_object().unwrap();
    for (name, section) in properties {
        let about = section["description"].as_str().unwrap();
        write!(page, "\n## {name}\n\n{about}\n").unwrap();
        let mut rows = Vec::new();
        if section.get("const").is_some() || section.get("enum").is_some() {
            write!(page, "\nAlways {}.\n", kind(section)).unwrap();
            continue;
        }
        match section["items"].as_object() {
            Some(_) => list(&format!("{name}[]"), &section["items"], &mut rows),
            None => list(name, section, &mut rows),
        }
        page.push_str("\n| key | value | default | meaning |\n|---|---|---|---|\n");
        page.extend(rows);
    }
    page
}

/// A row for each key of a section, and for those of the sections in it.
fn list(path: &str, section: &Value, rows: &mut Vec<String>) {
    let required = section["required"].as_array().cloned().unwrap_or_default();
    let none = Map::new();
    let properties = section["properties"].as_object().unwrap_or(&none);
    for (name, value) in properties {
        let key = format!("{path}.{name}");
        let default = match value.get("default") {
            _ if required.contains(&json!(name)) => "required".to_owned(),
            Some(default) => format!("`{default}`"),
            None => String::new(),
        };
        let about = value["description"].as_str().unwrap_or_default();
        let mut meaning = about.to_owned();
        for choice in value["oneOf"].as_array().into_iter().flatten() {
            if let Some(about) = choice["description"].as_str() {
                write!(meaning, "<br>{}: {about}", kind(choice)).unwrap();
            }
        }
        let meaning = meaning.replace('|', "\\|");
        rows.push(format!(
            "| `{key}` | {} | {default} | {meaning} |\n",
            kind(value)
        ));
        list(&key, value, rows);
        list(&format!("{key}[]"), &value["items"], rows);
    }
}

/// What a value is, for people.
fn kind(schema: &Value) -> String {
    let joined = |choices: &Vec<Value>, kind: fn(&Value) -> String| {
        choices.iter().map(kind).collect::<Vec<_>>().join(", ")
    };
    let name = |value: &Value| format!("`{}`", value.as_str().unwrap());
    if let Some(only) = schema.get("const") {
        return name(only);
    }
    if let Some(names) = schema["enum"].as_array() {
        return joined(names, |value| format!("`{}`", value.as_str().unwrap()));
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        return joined(choices, kind);
    }
    match schema["type"].as_str().unwrap() {
        "string" => "text".to_owned(),
        "integer" => "whole number".to_owned(),
        "boolean" => "true or false".to_owned(),
        "array" => format!("list: {}", kind(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => "map of text".to_owned(),
        _ => match schema["properties"].as_object() {
            Some(keys) => format!(
                "section: {}",
                keys.keys().cloned().collect::<Vec<_>>().join(", ")
            ),
            None => "section".to_owned(),
        },
    }
}
