//! The chart as a whole: it is the same each time, and what it can do is written down.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::Test;
use crate::helm::{CHART, programs, render, run, values_of, whole_values};

pub const TESTS: &[(&str, Test)] = &[
    ("rendering_twice_is_the_same_to_the_byte", twice),
    ("both_helms_render_the_same_objects", both_helms),
    ("helm_lints_every_way_to_install", lint),
    ("every_value_is_in_the_readme", readme),
    (
        "every_value_is_in_the_schema_and_unknown_ones_are_refused",
        schema,
    ),
    ("values_ha_survives_a_drain_and_a_full_cluster", values_ha),
    ("the_notes_warn_of_what_was_chosen", notes),
];

fn twice() {
    let values = whole_values();
    assert_eq!(render("a", &values).text, render("a", &values).text);
}

fn both_helms() {
    // Helm 3 would else take a version of its own, which is older than the chart's oldest.
    let version = ["--kube-version", "1.36.0"];
    let words = [&["template", "a", CHART, "--namespace", "b"][..], &version].concat();
    let mut rendered = programs()
        .into_iter()
        .map(|helm| run(&helm, &words, &whole_values()).unwrap());
    let first = rendered.next().unwrap();
    // They order the files differently, and leave other empty lines.
    let lines = |text: &str| {
        let mut lines: Vec<String> = text
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.starts_with("# Source"))
            .map(str::to_owned)
            .collect();
        lines.sort();
        lines
    };
    for other in rendered {
        assert_eq!(lines(&first), lines(&other));
    }
}

fn lint() {
    for values in [json!({}), values_of("values-ha.yaml"), whole_values()] {
        let words = ["lint", "--strict", "--quiet", CHART];
        run(&programs()[0], &words, &values).unwrap();
    }
}

/// The names of values, such as `image.tag`, without those inside of objects of Kubernetes.
fn names_of_values() -> Vec<String> {
    const WHOLE: [&str; 5] = [
        "podSecurityContext",
        "securityContext",
        "resources",
        "config",
        "policy",
    ];
    let values = values_of("values.yaml");
    let mut names = Vec::new();
    for (name, value) in values.as_object().unwrap() {
        match value.as_object() {
            Some(fields) if !fields.is_empty() && !WHOLE.contains(&name.as_str()) => {
                names.extend(fields.keys().map(|field| format!("{name}.{field}")));
            }
            _ => names.push(name.clone()),
        }
    }
    names
}

fn readme() {
    let text = fs::read_to_string(Path::new(CHART).join("README.md")).unwrap();
    let table = text.lines().filter(|line| line.starts_with('|'));
    let table: Vec<&str> = table.collect();
    let missing: Vec<String> = names_of_values()
        .into_iter()
        .filter(|name| {
            let code = format!("`{name}`");
            !table.iter().any(|line| line.contains(&code))
        })
        .collect();
    assert!(missing.is_empty(), "in the table of README.md: {missing:?}");
}

fn schema() {
    let text = fs::read_to_string(Path::new(CHART).join("values.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    for name in names_of_values() {
        let mut place = &schema;
        for part in name.split('.') {
            place = &place["properties"][part];
            if let Some(reference) = place["$ref"].as_str() {
                place = schema.pointer(reference.trim_start_matches('#')).unwrap();
            }
        }
        assert!(place.is_object(), "{name} is in values.schema.json");
    }
    let open = objects_without_bounds(&schema, "");
    // Objects of Kubernetes that the API server judges, and Helm's own.
    let known = [
        "/definitions/resources/properties/claims/items",
        "/properties/affinity/properties/nodeAffinity",
        "/properties/affinity/properties/podAffinity",
        "/properties/affinity/properties/podAntiAffinity",
        "/properties/extraEnv/items/properties/valueFrom",
        "/properties/extraVolumeMounts/items",
        "/properties/extraVolumes/items",
        "/properties/global",
    ];
    assert_eq!(open, known, "objects that may hold unknown keys");
}

/// Where the schema allows an object with any keys.
fn objects_without_bounds(schema: &Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    let is_object = schema["type"] == "object"
        || schema["type"]
            .as_array()
            .is_some_and(|types| types.contains(&json!("object")));
    if is_object && schema.get("additionalProperties").is_none() {
        found.push(path.to_owned());
    }
    match schema {
        Value::Object(fields) => {
            for (key, value) in fields {
                found.extend(objects_without_bounds(value, &format!("{path}/{key}")));
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                found.extend(objects_without_bounds(value, &format!("{path}/{index}")));
            }
        }
        _ => {}
    }
    found.sort();
    found
}

fn values_ha() {
    let rendered = render("a", &values_of("values-ha.yaml"));
    let deployment = &rendered.one("Deployment")["spec"];
    assert_eq!(deployment["replicas"], 3);
    let budget = &rendered.one("PodDisruptionBudget")["spec"];
    assert_eq!(budget["maxUnavailable"], 1);
    let webhooks = &rendered.one("ValidatingWebhookConfiguration")["webhooks"];
    assert_eq!(webhooks[0]["failurePolicy"], "Fail");
    assert_eq!(webhooks[1]["failurePolicy"], "Ignore");
    assert_eq!(
        rendered.pod()["priorityClassName"],
        "system-cluster-critical"
    );
    let scope = &rendered.one("ResourceQuota")["spec"]["scopeSelector"]["matchExpressions"][0];
    let expected = json!({"scopeName": "PriorityClass", "operator": "In", "values": ["system-cluster-critical"]});
    assert_eq!(*scope, expected);
    let spread = rendered.pod()["topologySpreadConstraints"]
        .as_array()
        .unwrap();
    let keys: Vec<&Value> = spread
        .iter()
        .map(|constraint| &constraint["topologyKey"])
        .collect();
    assert_eq!(
        keys,
        ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    );
    for constraint in spread {
        assert!(constraint["labelSelector"]["matchLabels"].is_object());
    }
    // No other class asks for a quota.
    let other = render("a", &json!({"priorityClassName": "important"}));
    assert!(other.all("ResourceQuota").is_empty());
}

/// What Helm prints after an installation.
fn notes_of(values: &Value) -> String {
    let words = [
        "install",
        "shop",
        CHART,
        "--namespace",
        "b",
        "--dry-run=client",
    ];
    let text = run(&programs()[0], &words, values).unwrap();
    text.split_once("NOTES:").expect("notes").1.to_owned()
}

fn notes() {
    let plain = notes_of(&json!({}));
    assert!(plain.contains("failurePolicy is Ignore"), "{plain}");
    assert!(
        plain.contains("Every pod can reach the webhook's port"),
        "{plain}"
    );
    let way_out = "kubectl delete validatingwebhookconfiguration shop";
    assert!(plain.contains(way_out), "{plain}");
    assert!(plain.contains("--set audit.enabled=true"), "{plain}");
    let audited = notes_of(&json!({"audit": {"enabled": true}}));
    for line in [
        "kubectl logs --namespace b deployment/shop-audit",
        "-l app.kubernetes.io/managed-by=archmatch",
    ] {
        assert!(audited.contains(line), "{line} in {audited}");
    }
    let silent = json!({"audit": {"enabled": true}, "config": {"audit": {"reports": "none"}}});
    assert!(!notes_of(&silent).contains("managed-by=archmatch"));
    let ha = notes_of(&values_of("values-ha.yaml"));
    assert!(ha.contains("failurePolicy is Fail"), "{ha}");
    let closed = json!({"replicas": 1, "networkPolicy": {"elsewhere": true}});
    let closed = notes_of(&closed);
    assert!(closed.contains("replicas is 1"), "{closed}");
    assert!(!closed.contains("Every pod"), "{closed}");
}
