//! What is published of the report is what its types say: `docs/report.schema.json`.

use jsonschema::Validator;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::rendered::{pretty, publish, read, schema as schema_of, unwrap_lines};
use crate::report::Report;

#[test]
fn what_is_published_of_the_report_is_what_its_types_say() {
    publish(
        "docs/report.schema.json",
        &format!("{}\n", pretty(&schema())),
    );
}

#[test]
fn a_saved_report_is_as_the_schema_of_the_reference_says() {
    let saved: Value = serde_json::from_str(&read("tests/data/reports/mixed.json")).unwrap();
    let validator = validator();
    let problems: Vec<String> = validator
        .iter_errors(&saved)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn the_schema_of_the_reference_refuses_what_no_report_has() {
    let validator = validator();
    for (path, value) in [
        ("/kind", json!("List")),
        ("/apiVersion", json!("archmatch.io/v1")),
        ("/level", json!("fast")),
        ("/findings/0/rule", json!("spelling")),
        ("/findings/0/workload", json!(-1)),
        ("/findings/0/next", Value::Null),
        ("/readiness/0/daemonSets/ready", json!("none")),
        ("/workloads/0/images/0/outcomes/0/outcome", json!("maybe")),
        ("/workloads/0/levels/portable", json!("yes")),
    ] {
        let mut saved: Value =
            serde_json::from_str(&read("tests/data/reports/mixed.json")).unwrap();
        *saved.pointer_mut(path).expect(path) = value;
        assert!(!validator.is_valid(&saved), "{path}");
    }
}

/// Each field has a description, of its own or of its type.
#[test]
fn every_field_of_the_reference_is_described() {
    let schema = schema();
    let mut missing = Vec::new();
    undescribed("", &schema, &mut missing);
    let definitions = schema["$defs"].as_object().unwrap();
    for (name, definition) in definitions {
        undescribed(name, definition, &mut missing);
    }
    assert!(missing.is_empty(), "{missing:?}");
    assert!(!pretty(&schema).contains("[`"), "a link that leads nowhere");
}

fn undescribed(path: &str, schema: &Value, missing: &mut Vec<String>) {
    let properties = schema["properties"].as_object().into_iter().flatten();
    for (name, property) in properties {
        let path = format!("{path}/{name}");
        if property["description"].as_str().is_none_or(str::is_empty) {
            missing.push(path.clone());
        }
        undescribed(&path, property, missing);
        undescribed(&path, &property["items"], missing);
    }
}

fn validator() -> Validator {
    jsonschema::validator_for(&schema()).unwrap()
}

fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = schema_of::<Report>(settings, "report-v1alpha1", "archmatch report");
    tidy(&mut schema);
    schema
}

/// Says what is written: absence is absence, and a number has no width.
fn tidy(schema: &mut Value) {
    unwrap_lines(schema);
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    object.remove("format");
    object.remove("default");
    let required = object.get("required").cloned().unwrap_or_default();
    let required = required.as_array().cloned().unwrap_or_default();
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        for (name, property) in properties {
            if !required.contains(&json!(name)) {
                never_null(property);
            }
        }
    }
    for (key, value) in object {
        match (key.as_str(), value) {
            ("properties" | "$defs", Value::Object(parts)) => parts.values_mut().for_each(tidy),
            ("oneOf" | "anyOf", Value::Array(parts)) => parts.iter_mut().for_each(tidy),
            ("items", value) => tidy(value),
            _ => {}
        }
    }
}

/// What is left out where there is none is never null.
fn never_null(property: &mut Value) {
    let Some(object) = property.as_object_mut() else {
        return;
    };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [Value::Object(only)] = &choices[..] {
            let only = only.clone();
            object.remove("anyOf");
            for (key, value) in only {
                object.entry(key).or_insert(value);
            }
        }
    }
}
