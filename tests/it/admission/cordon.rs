//! A cordon proves nothing: nodes that come back are no reason to deny.

use archmatch::domain::candidates::Cordoned;
use archmatch::domain::policy::{Level, OnUnknown};
use serde_json::{Value, json};

use super::{Review, Webhook};

/// A bare pod, as an operator makes one: the API server sees a user like any other.
fn bare(spec: &Value) -> Review {
    Review::pod(spec).by("system:serviceaccount:databases:operator")
}

#[tokio::test]
async fn the_last_node_of_an_architecture_drains_without_denying_an_operators_pod() {
    let webhook = Webhook::start().await;
    let pod = bare(&webhook.spec("node:20", "amd64"));
    for enforce in [Level::Runnable, Level::Portable] {
        for on_unknown in [OnUnknown::Warn, OnUnknown::Deny] {
            webhook.set(|settings| {
                settings.levels.enforce = enforce;
                settings.on_unknown = on_unknown;
            });
            webhook.cordon(&[]);
            Webhook::admitted(&webhook.ask(&pod).await);
            webhook.cordon(&["a1", "a2"]);
            let response = webhook.ask(&pod).await;
            let warning = Webhook::warned(&response);
            assert!(warning.contains("no node may run this pod"), "{warning}");
            assert!(warning.contains("2 cordoned"), "{warning}");
            assert_eq!(
                response["auditAnnotations"],
                json!({"verdict": "undecided", "mode": "warn", "undecided": "no-candidates"})
            );
        }
    }
}

/// Without a selector the s390x nodes stay candidates. They lack the image with the cordon
/// as without it: `portable` fails for them, and only `runnable` hangs on the cordon.
#[tokio::test]
async fn a_cordon_leaves_runnable_undecided_and_changes_nothing_in_portable() {
    let webhook = Webhook::start().await;
    let mut spec = webhook.spec("node:20", "");
    spec["nodeSelector"] = json!({});
    let pod = bare(&spec);
    for cordoned in [&[] as &[&str], &["a1", "a2"]] {
        webhook.cordon(cordoned);
        webhook.set(|settings| settings.levels.enforce = Level::Portable);
        Webhook::denied(&webhook.ask(&pod).await);
        webhook.set(|settings| settings.levels.enforce = Level::Runnable);
        Webhook::warned(&webhook.ask(&pod).await);
    }
    for on_unknown in [OnUnknown::Warn, OnUnknown::Deny] {
        webhook.set(|settings| settings.on_unknown = on_unknown);
        let response = webhook.ask(&pod).await;
        let warning = Webhook::warned(&response);
        assert!(
            warning.contains("only cordoned nodes may run this pod: 2 nodes (a1, a2)"),
            "{warning}"
        );
        assert_eq!(response["auditAnnotations"]["undecided"], "cordoned");
        assert_eq!(response["auditAnnotations"]["missing"], "linux/s390x");
    }
    webhook.cordon(&["z1"]);
    Webhook::warned(&webhook.ask(&pod).await);
    assert!(
        webhook.ask(&pod).await["auditAnnotations"]
            .get("undecided")
            .is_none()
    );
}

#[tokio::test]
async fn what_runs_on_no_node_is_denied_whatever_is_cordoned() {
    let webhook = Webhook::start().await;
    let mut spec = webhook.spec("app:laptop", "");
    spec["nodeSelector"] = json!({});
    webhook.cordon(&["a1", "a2"]);
    Webhook::denied(&webhook.ask(&bare(&spec)).await);
    spec["tolerations"] = json!([{"operator": "Exists"}]);
    Webhook::denied(&webhook.ask(&bare(&spec)).await);
}

#[tokio::test]
async fn a_counted_cordon_asks_for_its_platform() {
    let webhook = Webhook::start().await;
    webhook.set(|settings| settings.rules.candidates.cordoned = Cordoned::Counted);
    webhook.cordon(&["a1", "a2"]);
    let response = webhook.ask(&bare(&webhook.spec("node:20", "amd64"))).await;
    Webhook::admitted(&response);
    let mut spec = webhook.spec("node:20", "");
    spec["nodeSelector"] = json!({});
    let response = webhook.ask(&bare(&spec)).await;
    Webhook::warned(&response);
    assert!(response["auditAnnotations"].get("undecided").is_none());
}
