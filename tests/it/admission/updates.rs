//! Updates: what an object already was is never denied.

use serde_json::json;

use super::{Review, Webhook};

#[tokio::test]
async fn an_update_is_denied_only_for_new_gaps() {
    let webhook = Webhook::start().await;
    let old = webhook.spec("node:22", "s390x");
    let mut restarted = old.clone();
    restarted["terminationGracePeriodSeconds"] = json!(1);
    let update = Review::deployment(&restarted).updating(Review::deployment(&old));
    Webhook::warned(&webhook.ask(&update).await);
    let deleting = update.with(
        "object",
        json!({
            "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"template": {"spec": webhook.spec("node:20", "s390x")}},
        }),
    );
    // A deletionTimestamp, which a finalizer keeps for ever, is no way around.
    Webhook::denied(&webhook.ask(&deleting).await);
    let other = Review::deployment(&webhook.spec("node:20", "s390x"));
    let other = other.updating(Review::deployment(&old));
    Webhook::denied(&webhook.ask(&other).await);
}

#[tokio::test]
async fn an_invalid_name_is_a_gap_like_any_other() {
    let webhook = Webhook::start().await;
    let named = |name: &str| {
        let mut spec = webhook.spec("node:21", "s390x");
        spec["initContainers"] = json!([{"name": "side", "image": name}]);
        Review::deployment(&spec)
    };
    let same = named("quay.io/App").with("name", json!("other"));
    Webhook::warned(&webhook.ask(&same.updating(named("quay.io/App"))).await);
    let another = named("quay.io/Other").updating(named("quay.io/App"));
    Webhook::denied(&webhook.ask(&another).await);
}

#[tokio::test]
async fn a_gated_pod_is_warned_and_judged_when_the_gate_goes() {
    let webhook = Webhook::start().await;
    let open = webhook.spec("node:22", "s390x");
    let mut gated = open.clone();
    gated["schedulingGates"] = json!([{"name": "example.com/gate"}]);
    Webhook::warned(&webhook.ask(&Review::pod(&gated)).await);
    let ungated = Review::pod(&open).updating(Review::pod(&gated));
    Webhook::denied(&webhook.ask(&ungated).await);
}

#[tokio::test]
async fn ephemeral_containers_are_judged_and_other_sub_resources_are_not() {
    let webhook = Webhook::start().await;
    let old = webhook.spec("node:21", "s390x");
    let mut new = old.clone();
    new["ephemeralContainers"] = json!([{"name": "debug", "image": webhook.image("node:22")}]);
    let update = || Review::pod(&new).updating(Review::pod(&old));
    let response = webhook
        .ask(&update().with("subResource", json!("ephemeralcontainers")))
        .await;
    assert!(Webhook::denied(&response).contains("container debug"));
    Webhook::admitted(
        &webhook
            .ask(&update().with("subResource", json!("status")))
            .await,
    );
}
