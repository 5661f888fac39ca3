//! What the webhook may do in the cluster.

use serde_json::{Value, json};

use crate::Test;
use crate::helm::{NAMESPACE, Rendered, render};

pub const TESTS: &[(&str, Test)] = &[
    (
        "watched_kinds_are_listed_and_watched_and_nothing_else",
        watched,
    ),
    (
        "service_accounts_are_read_where_pull_secrets_may_be",
        service_accounts,
    ),
    ("pull_secrets_are_only_ever_read_one_by_one", pull_secrets),
    (
        "nothing_is_written_but_the_own_secret_and_configuration",
        writes,
    ),
    ("an_account_may_be_brought_along", account),
];

/// Every rule of a kind of roles.
fn rules(rendered: &Rendered, kind: &str) -> Vec<Value> {
    let roles = rendered.all(kind).into_iter();
    let rules = roles.filter_map(|role| role["rules"].as_array());
    rules.flatten().cloned().collect()
}

fn is_about(rule: &Value, resource: &str) -> bool {
    rule["resources"]
        .as_array()
        .unwrap()
        .contains(&json!(resource))
}

/// Values that let pull secrets be read.
fn readable(secrets: Value) -> Value {
    json!({"config": {"credentials": {"secrets": secrets}}, "networkPolicy": {"elsewhere": true}})
}

fn watched() {
    let rendered = render("a", &json!({}));
    let rules = rules(&rendered, "ClusterRole");
    for resource in [
        "nodes",
        "namespaces",
        "runtimeclasses",
        "nodepools",
        "machinedeployments",
        "machinesets",
        "machinepools",
    ] {
        let about: Vec<&Value> = rules
            .iter()
            .filter(|rule| is_about(rule, resource))
            .collect();
        assert!(!about.is_empty(), "{resource}");
        for rule in about {
            assert_eq!(rule["verbs"], json!(["list", "watch"]), "{resource}");
        }
    }
}

fn service_accounts() {
    let may = |values: &Value| {
        let rules = rules(&render("a", values), "ClusterRole");
        rules.iter().any(|rule| is_about(rule, "serviceaccounts"))
    };
    assert!(!may(&json!({})));
    assert!(!may(&readable(json!("none"))));
    assert!(may(&readable(json!("cluster"))));
    assert!(may(&readable(json!({"namespaces": ["web"]}))));
}

fn pull_secrets() {
    let about_secrets = |rendered: &Rendered, kind: &str| -> Vec<Value> {
        let rules = rules(rendered, kind).into_iter();
        rules.filter(|rule| is_about(rule, "secrets")).collect()
    };
    assert!(about_secrets(&render("a", &json!({})), "ClusterRole").is_empty());
    let cluster = render("a", &readable(json!("cluster")));
    let expected = json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]});
    assert_eq!(
        about_secrets(&cluster, "ClusterRole"),
        vec![expected.clone()]
    );
    let listed = render(
        "a",
        &readable(json!({"namespaces": ["web", "shop", "web"]})),
    );
    assert!(about_secrets(&listed, "ClusterRole").is_empty());
    let mut namespaces = Vec::new();
    for role in listed.all("Role") {
        if role["metadata"]["name"] == "a-pull-secrets" {
            assert_eq!(role["rules"], json!([expected]));
            namespaces.push(role["metadata"]["namespace"].as_str().unwrap());
        }
    }
    assert_eq!(namespaces, ["shop", "web"]);
}

fn writes() {
    const READ: [&str; 3] = ["get", "list", "watch"];
    let rendered = render("a", &json!({}));
    let rules = [rules(&rendered, "ClusterRole"), rules(&rendered, "Role")].concat();
    for rule in rules {
        let verbs = rule["verbs"].as_array().unwrap();
        let reads = verbs
            .iter()
            .all(|verb| READ.contains(&verb.as_str().unwrap()));
        // A creation cannot be limited by a name.
        let creates = *verbs == [json!("create")] && is_about(&rule, "secrets");
        let names = &rule["resourceNames"];
        let by_name = *names == json!(["a"]) || *names == json!(["a-tls"]);
        assert!(reads || creates || by_name, "{rule}");
    }
    let brought = render(
        "a",
        &json!({
            "certificates": {"mode": "existing-secret", "secretName": "tls"},
            "webhook": {"annotations": {"cert-manager.io/inject-ca-from": "a/b"}},
        }),
    );
    assert!(
        brought.all("Role").is_empty(),
        "a brought certificate needs no rights"
    );
}

fn account() {
    let annotations = json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/a"});
    let made = render(
        "a",
        &json!({"serviceAccount": {"name": "robot", "annotations": annotations}}),
    );
    let account = made.one("ServiceAccount");
    assert_eq!(account["metadata"]["name"], "robot");
    assert_eq!(account["metadata"]["annotations"], annotations);
    let brought = render(
        "a",
        &json!({"serviceAccount": {"create": false, "name": "robot"}}),
    );
    assert!(brought.all("ServiceAccount").is_empty());
    for rendered in [made, brought] {
        assert_eq!(rendered.pod()["serviceAccountName"], "robot");
        for kind in ["ClusterRoleBinding", "RoleBinding"] {
            let subject = &rendered.one(kind)["subjects"];
            let expected =
                json!([{"kind": "ServiceAccount", "name": "robot", "namespace": NAMESPACE}]);
            assert_eq!(*subject, expected, "{kind}");
        }
    }
}
