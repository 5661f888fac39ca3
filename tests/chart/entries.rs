//! The two entries of the webhook configuration. That the API server takes and evaluates the
//! conditions as meant is tried on a real one (`each_request_goes_to_one_entry`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::Test;
use crate::helm::{NAMESPACE, Rendered, render};

pub const TESTS: &[(&str, Test)] = &[
    (
        "one_entry_may_fail_and_the_other_never_holds_up",
        two_entries,
    ),
    ("every_request_goes_to_exactly_one_entry", partition),
    ("the_entries_differ_in_nothing_else", alike),
    (
        "the_chart_and_the_program_know_the_same_controllers",
        controllers,
    ),
    ("controllers_are_globs_with_everything_else_escaped", globs),
    ("strict_owned_pods_go_with_everybody_else", strict),
    ("no_condition_can_fail", cannot_fail),
    (
        "kube_system_and_the_own_namespace_are_always_left_out",
        namespaces,
    ),
    ("configured_kinds_are_asked_for", kinds),
];

fn entries(rendered: &Rendered) -> [Value; 2] {
    let webhooks = &rendered.one("ValidatingWebhookConfiguration")["webhooks"];
    webhooks
        .as_array()
        .unwrap()
        .clone()
        .try_into()
        .expect("two entries")
}

/// An expression in one line.
fn expression(condition: &Value) -> String {
    let text = condition["expression"].as_str().unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What goes to the second entry, as an expression.
fn observed(rendered: &Rendered) -> String {
    let [_, observe] = entries(rendered);
    let condition = &observe["matchConditions"][0];
    assert_eq!(condition["name"], "observed");
    let expression = expression(condition);
    let inner = expression
        .strip_prefix("( ")
        .and_then(|rest| rest.strip_suffix(" )"));
    inner.expect("parentheses around the whole").to_owned()
}

fn two_entries() {
    for policy in ["Ignore", "Fail"] {
        let rendered = render("a", &json!({"webhook": {"failurePolicy": policy}}));
        let [validate, observe] = entries(&rendered);
        assert_eq!(validate["name"], "validate.archmatch.io");
        assert_eq!(validate["failurePolicy"], policy);
        assert_eq!(observe["name"], "observe.archmatch.io");
        assert_eq!(observe["failurePolicy"], "Ignore");
    }
}

/// One condition is the other one, negated as a whole: so they part all requests.
fn partition() {
    for values in [
        json!({}),
        json!({"policy": {"controllers": ["a:*"]}}),
        json!({"policy": {"ownedPods": "enforce"}}),
    ] {
        let rendered = render("a", &values);
        let [validate, _] = entries(&rendered);
        let negated = expression(&validate["matchConditions"][0]);
        assert_eq!(negated, format!("!( {} )", observed(&rendered)));
        // The parentheses at both ends belong together.
        let mut depth = 0_i32;
        for character in observed(&rendered).chars() {
            depth += i32::from(character == '(') - i32::from(character == ')');
            assert!(depth >= 0, "{negated}");
        }
        assert_eq!(depth, 0, "{negated}");
    }
}

fn alike() {
    let [mut validate, mut observe] = entries(&render("a", &json!({})));
    for entry in [&mut validate, &mut observe] {
        entry["name"].take();
        entry["failurePolicy"].take();
        let conditions = entry["matchConditions"].as_array_mut().unwrap();
        assert!(conditions.len() <= 64, "what the API server takes");
        conditions.remove(0);
    }
    assert_eq!(validate, observe);
}

/// Texts between quotes.
fn quoted(text: &str, quote: char) -> BTreeSet<&str> {
    text.split(quote).skip(1).step_by(2).collect()
}

fn controllers() {
    let source = include_str!("../../src/admission/leniency.rs");
    let list = source
        .split("const CONTROLLERS")
        .nth(1)
        .expect("the program's list");
    let list = list.split("];").next().unwrap();
    let observed = observed(&render("a", &json!({})));
    let (_, ours) = observed.split_once(" in [").expect("a list of users");
    let ours = ours.split(']').next().unwrap();
    assert_eq!(quoted(ours, '\''), quoted(list, '"'));
}

fn globs() {
    let users = [
        "system:serviceaccount:cnpg-system:*",
        "a.b+c(d)",
        r#"back\slash'"<"#,
    ];
    let observed = observed(&render("a", &json!({"policy": {"controllers": users}})));
    let (_, pattern) = observed.split_once(".matches(").expect("a pattern");
    let literal = pattern.strip_suffix(')').unwrap();
    // A literal of JSON is one of CEL.
    let pattern: String = serde_json::from_str(literal).unwrap();
    let expected = r#"^(?:system:serviceaccount:cnpg-system:[^:]*|a\.b\+c\(d\)|back\\slash'"<)$"#;
    assert_eq!(pattern, expected);
    // The configuration file's own policy counts as the shortcut does.
    let config = json!({"config": {"policy": {"controllers": ["argo"]}}});
    assert!(super::entries::observed(&render("a", &config)).contains("argo"));
}

fn strict() {
    let rendered = render(
        "a",
        &json!({"policy": {"ownedPods": "enforce", "controllers": ["argo"]}}),
    );
    let observed = observed(&rendered);
    assert!(
        !observed.contains("kube-system") && !observed.contains("argo"),
        "{observed}"
    );
    // Mirror pods and debug containers wait for nobody all the same.
    assert!(observed.contains("'system:node:'") && observed.contains("'ephemeralcontainers'"));
}

fn cannot_fail() {
    let rendered = render("a", &json!({"policy": {"controllers": ["a:*"]}}));
    for entry in entries(&rendered) {
        for condition in entry["matchConditions"].as_array().unwrap() {
            let expression = expression(condition);
            for optional in [
                "request.userInfo",
                "object.spec",
                "oldObject.spec",
                "object.template",
            ] {
                assert!(
                    !expression.contains(optional),
                    "{optional} may be absent: {expression}"
                );
            }
            let asks = expression.contains("request.subResource ==");
            let guarded = expression.contains("has(request.subResource) && request.subResource ==");
            assert!(!asks || guarded, "{expression}");
        }
    }
}

fn namespaces() {
    let own = json!([{"key": "team", "operator": "Exists"}]);
    let values = json!({"webhook": {"namespaceSelector": {"matchExpressions": own}}});
    for entry in entries(&render("a", &values)) {
        let expressions = &entry["namespaceSelector"]["matchExpressions"];
        let always = json!({"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system", NAMESPACE]});
        assert_eq!(*expressions, json!([always, own[0]]));
    }
}

fn kinds() {
    let kind = json!({"group": "argoproj.io", "version": "v1alpha1", "resource": "rollouts", "templates": ["spec.template"]});
    let rendered = render("a", &json!({"config": {"kinds": [kind]}}));
    for entry in entries(&rendered) {
        let rules = entry["rules"].as_array().unwrap();
        let expected = json!({
            "apiGroups": ["argoproj.io"], "apiVersions": ["v1alpha1"], "resources": ["rollouts"],
            "operations": ["CREATE", "UPDATE"], "scope": "Namespaced",
        });
        assert_eq!(rules.last().unwrap(), &expected);
    }
}
