//! What is counted of reviews that were let through: where nobody reads warnings.

use archmatch::domain::policy::Level;
use serde_json::json;

use super::{Review, Webhook};

const CONTROLLER: &str = "system:serviceaccount:kube-system:replicaset-controller";

/// Reviews that a level would deny: `runnable`, `portable`.
fn would_deny(webhook: &Webhook) -> [u64; 2] {
    let name = |level| format!("would_deny_total{{level=\"{level}\"}}");
    ["runnable", "portable"].map(|level| webhook.metric(&name(level)))
}

fn below_audit(webhook: &Webhook, level: &str, asked_by: &str) -> u64 {
    webhook.metric(&format!(
        "admission_below_audit_total{{level=\"{level}\",asked_by=\"{asked_by}\"}}"
    ))
}

#[tokio::test]
async fn reviews_below_the_audit_level_are_counted_by_who_asked() {
    let webhook = Webhook::start().await;
    webhook.set(|settings| {
        settings.levels.enforce = Level::Off;
        settings.levels.warn = Level::Off;
    });
    let lacking = webhook.spec("node:22", "s390x");
    Webhook::admitted(&webhook.ask(&Review::pod(&lacking)).await);
    Webhook::admitted(&webhook.ask(&Review::pod(&lacking).by(CONTROLLER)).await);
    Webhook::admitted(&webhook.ask(&Review::pod(&lacking).by(CONTROLLER)).await);
    let whole = webhook.spec("node:21", "s390x");
    Webhook::admitted(&webhook.ask(&Review::pod(&whole)).await);
    assert_eq!(below_audit(&webhook, "portable", "user"), 1);
    assert_eq!(below_audit(&webhook, "portable", "controller"), 2);
    webhook.set(|settings| settings.levels.audit = Level::Runnable);
    let response = webhook.ask(&Review::pod(&lacking)).await;
    assert_eq!(response["auditAnnotations"]["verdict"], "fail");
    assert_eq!(below_audit(&webhook, "runnable", "user"), 1);
    assert_eq!(below_audit(&webhook, "portable", "user"), 1);
}

#[tokio::test]
async fn what_a_stricter_level_would_deny_is_counted_by_level() {
    let webhook = Webhook::start().await;
    let mut anywhere = webhook.spec("node:20", "");
    anywhere["nodeSelector"] = json!({});
    let pod = |spec| Review::deployment(spec);
    Webhook::warned(&webhook.ask(&pod(&anywhere)).await);
    assert_eq!(would_deny(&webhook), [0, 1]);
    // A denial is none that would be, and a controller is never denied.
    let there = webhook.spec("node:20", "s390x");
    Webhook::denied(&webhook.ask(&pod(&there)).await);
    Webhook::warned(&webhook.ask(&Review::pod(&anywhere).by(CONTROLLER)).await);
    assert_eq!(would_deny(&webhook), [0, 1]);
    webhook.set(|settings| settings.levels.enforce = Level::Off);
    Webhook::warned(&webhook.ask(&pod(&there)).await);
    Webhook::warned(&webhook.ask(&pod(&anywhere)).await);
    assert_eq!(would_deny(&webhook), [1, 3]);
}

#[tokio::test]
async fn an_update_that_brings_nothing_new_would_not_be_denied() {
    let webhook = Webhook::start().await;
    let mut anywhere = webhook.spec("node:20", "");
    anywhere["nodeSelector"] = json!({});
    let old = || Review::deployment(&anywhere);
    let mut more = anywhere.clone();
    more["initContainers"] = json!([{"name": "first", "image": webhook.image("node:21")}]);
    Webhook::warned(&webhook.ask(&old().updating(old())).await);
    Webhook::warned(
        &webhook
            .ask(&Review::deployment(&more).updating(old()))
            .await,
    );
    assert_eq!(would_deny(&webhook), [0, 0]);
    more["initContainers"][0]["image"] = webhook.image("node:22").into();
    Webhook::warned(
        &webhook
            .ask(&Review::deployment(&more).updating(old()))
            .await,
    );
    assert_eq!(would_deny(&webhook), [0, 1]);
}
