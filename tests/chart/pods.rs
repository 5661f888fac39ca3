//! The pods: their rights on the node, their configuration, and what an operator adds.

use serde_json::{Value, json};

use crate::Test;
use crate::helm::{many_values, render};

pub const TESTS: &[(&str, Test)] = &[
    ("pods_meet_the_restricted_standard", restricted),
    (
        "a_null_field_of_a_security_context_is_the_platforms",
        nullable,
    ),
    ("a_security_context_may_be_left_out_whole", left_out),
    (
        "the_configuration_belongs_to_the_revision_of_the_pod",
        configuration,
    ),
    ("what_an_operator_adds_is_added", additions),
    ("a_budget_is_for_more_than_one_replica", budget),
];

fn restricted() {
    let rendered = render("a", &json!({}));
    let pod = &rendered.pod()["securityContext"];
    assert_eq!(pod["runAsNonRoot"], true);
    assert_eq!(pod["runAsUser"], 65532);
    assert_eq!(pod["seccompProfile"]["type"], "RuntimeDefault");
    let expected = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    });
    assert_eq!(rendered.container()["securityContext"], expected);
}

fn nullable() {
    let ranges = json!({"runAsUser": null, "runAsGroup": null, "fsGroup": null});
    let rendered = render("a", &json!({"podSecurityContext": ranges}));
    let expected = json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
    assert_eq!(rendered.pod()["securityContext"], expected);
}

fn left_out() {
    let values = json!({"podSecurityContext": null, "securityContext": null});
    let rendered = render("a", &values);
    assert!(rendered.pod().get("securityContext").is_none());
    assert!(rendered.container().get("securityContext").is_none());
}

/// The text itself is in the pod, so that a revision which the program refuses stays one of
/// its own: no object is shared with the replicas that run.
fn configuration() {
    let values = json!({
        "policy": {"enforce": "portable"},
        "config": {"policy": {"warn": "off"}, "pools": [{"name": "z", "platform": "linux/s390x"}]},
        "credentials": {"secretName": "regcred"},
    });
    let rendered = render("a", &values);
    assert!(rendered.all("ConfigMap").is_empty());
    let template = &rendered.one("Deployment")["spec"]["template"];
    let text = template["metadata"]["annotations"]["archmatch.io/config"]
        .as_str()
        .unwrap();
    let configuration: Value = serde_saphyr::from_str(text).unwrap();
    let expected = json!({
        "apiVersion": "archmatch.io/v1alpha1", "kind": "Configuration",
        "policy": {"enforce": "portable", "warn": "off"},
        "pools": [{"name": "z", "platform": "linux/s390x"}],
        "credentials": {"dockerConfig": "/etc/archmatch/registry/config.json"},
    });
    assert_eq!(configuration, expected);
    let volume = &template["spec"]["volumes"][0];
    let file = json!({"path": "config.yaml", "fieldRef": {"fieldPath": "metadata.annotations['archmatch.io/config']"}});
    assert_eq!(
        *volume,
        json!({"name": "config", "downwardAPI": {"items": [file]}})
    );
}

fn additions() {
    let rendered = render("a", &many_values());
    let (pod, container) = (rendered.pod(), rendered.container());
    let last = |list: &Value| list.as_array().unwrap().last().unwrap().clone();
    assert_eq!(last(&container["args"]), "--drain-delay=9s");
    assert_eq!(last(&container["env"]), json!({"name": "A", "value": "1"}));
    assert_eq!(last(&container["volumeMounts"])["mountPath"], "/ca");
    assert_eq!(last(&pod["volumes"])["name"], "ca");
    assert_eq!(container["imagePullPolicy"], "Always");
    assert_eq!(pod["dnsPolicy"], "None");
    assert_eq!(pod["dnsConfig"]["nameservers"], json!(["10.0.0.10"]));
    let annotations = &rendered.one("Deployment")["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(annotations["a"], "1");
    let level = render("a", &json!({"logLevel": "debug"}));
    let expected = json!({"name": "ARCHMATCH_LOG", "value": "debug"});
    assert_eq!(level.container()["env"][0], expected);
}

fn budget() {
    let budgets = |values: Value| render("a", &values).all("PodDisruptionBudget").len();
    assert_eq!(budgets(json!({})), 1);
    assert_eq!(budgets(json!({"replicas": 1})), 0);
    assert_eq!(
        budgets(json!({"podDisruptionBudget": {"enabled": false}})),
        0
    );
    let half = render(
        "a",
        &json!({"replicas": 4, "podDisruptionBudget": {"maxUnavailable": "50%"}}),
    );
    assert_eq!(
        half.one("PodDisruptionBudget")["spec"]["maxUnavailable"],
        "50%"
    );
}
