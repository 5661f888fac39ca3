//! What is denied, what is warned of, and for whom.

use archmatch::domain::policy::{Level, OwnedPods};
use serde_json::{Value, json};

use super::{Review, Webhook};

#[tokio::test]
async fn what_nowhere_runs_is_denied_and_what_lacks_a_platform_is_warned_of() {
    let webhook = Webhook::start().await;
    let pinned = webhook.spec("node:22", "s390x");
    let message = Webhook::denied(&webhook.ask(&Review::deployment(&pinned)).await);
    assert!(
        message.contains("has no linux/s390x manifest, required by 2 nodes (z1, z2)"),
        "{message}"
    );
    let mut anywhere = pinned;
    anywhere["nodeSelector"] = json!({});
    let response = webhook.ask(&Review::deployment(&anywhere)).await;
    let warning = Webhook::warned(&response);
    assert!(warning.contains("linux/s390x"), "{warning}");
    assert_eq!(
        response["auditAnnotations"],
        json!({"verdict": "fail", "mode": "warn", "missing": "linux/s390x"})
    );
    Webhook::admitted(
        &webhook
            .ask(&Review::pod(&webhook.spec("node:21", "s390x")))
            .await,
    );
}

#[tokio::test]
async fn causes_name_each_image_and_platform() {
    let webhook = Webhook::start().await;
    let response = webhook
        .ask(&Review::pod(&webhook.spec("app:laptop", "amd64")))
        .await;
    let message = Webhook::denied(&response);
    assert!(message.contains("exec format error"), "{message}");
    let cause = &response["status"]["details"]["causes"][0];
    assert_eq!(cause["reason"], "mismatched");
    assert_eq!(cause["field"], "containers[web].image");
}

#[tokio::test]
async fn a_name_that_is_no_image_reference_is_denied_and_a_template_may_lack_one() {
    let webhook = Webhook::start().await;
    let mut spec = webhook.spec("node:21", "s390x");
    let image = |name: &str| json!({"name": "side", "image": name});
    for (name, why) in [
        ("quay.io/Team/app", "the repository is not lower-case"),
        ("https://quay.io/app", "the registry is no host name"),
        ("", "the image name is empty"),
    ] {
        spec["initContainers"] = json!([image(name)]);
        let response = webhook.ask(&Review::pod(&spec)).await;
        let message = Webhook::denied(&response);
        let expected = format!("is refused by the kubelet, InvalidImageName: {why}");
        assert!(message.contains(&expected), "{message}");
        assert!(!message.contains("docker buildx build"), "{message}");
        assert_eq!(
            response["status"]["details"]["causes"][0]["reason"],
            "invalid"
        );
        assert_eq!(response["auditAnnotations"]["verdict"], "fail");
    }
    Webhook::admitted(&webhook.ask(&Review::deployment(&spec)).await);
    spec["initContainers"] = json!([image("under_score.example/app")]);
    let response = webhook.ask(&Review::pod(&spec)).await;
    Webhook::warned(&response);
    assert_eq!(response["auditAnnotations"]["undecided"], "malformed");
}

#[tokio::test]
async fn namespace_labels_set_levels_and_a_wrong_one_says_so() {
    let webhook = Webhook::start().await;
    let mut anywhere = webhook.spec("node:22", "");
    anywhere["nodeSelector"] = json!({});
    let ask = |namespace: &'static str| {
        webhook_ask(
            &webhook,
            Review::pod(&anywhere).with("namespace", json!(namespace)),
        )
    };
    Webhook::denied(&ask("strict").await);
    Webhook::admitted(&ask("off").await);
    let warning = Webhook::warned(&ask("typo").await);
    assert!(
        warning.contains("archmatch.io/enforce of namespace typo"),
        "{warning}"
    );
}

async fn webhook_ask(webhook: &Webhook, review: Review) -> Value {
    webhook.ask(&review).await
}

#[tokio::test]
async fn who_asks_decides_what_counts_as_owned() {
    let webhook = Webhook::start().await;
    let spec = webhook.spec("node:22", "s390x");
    let controller = "system:serviceaccount:kube-system:replicaset-controller";
    Webhook::warned(&webhook.ask(&Review::pod(&spec).by(controller)).await);
    let owned = json!({"metadata": {"ownerReferences": [{"kind": "ReplicaSet", "controller": true}]}, "spec": spec});
    Webhook::denied(&webhook.ask(&Review::of("", "Pod", "pods", owned)).await);
    webhook.set(|settings| settings.controllers = vec!["argo".to_owned()]);
    Webhook::warned(&webhook.ask(&Review::pod(&spec).by("argo")).await);
    webhook.set(|settings| settings.owned_pods = OwnedPods::Enforce);
    Webhook::denied(&webhook.ask(&Review::pod(&spec).by(controller)).await);
}

#[tokio::test]
async fn a_star_in_the_configured_controllers_names_a_namespace_and_no_more() {
    let webhook = Webhook::start().await;
    let spec = webhook.spec("node:22", "s390x");
    let pattern = "system:serviceaccount:op-*:*";
    webhook.set(|settings| settings.controllers = vec![pattern.to_owned()]);
    let ask = async |user: &str| webhook.ask(&Review::pod(&spec).by(user)).await;
    Webhook::warned(&ask("system:serviceaccount:op-a:manager").await);
    for other in [
        "system:serviceaccount:op-a",
        "system:serviceaccount:op-a:b:manager",
        "system:serviceaccount:web:op-a:manager",
        "x:system:serviceaccount:op-a:manager",
        "xsystem:serviceaccount:op-a:manager",
    ] {
        Webhook::denied(&ask(other).await);
    }
    // Nothing but the pattern's own end is the end of a name.
    let pattern = "system:serviceaccount:op-*:manager";
    webhook.set(|settings| settings.controllers = vec![pattern.to_owned()]);
    Webhook::warned(&ask("system:serviceaccount:op-b:manager").await);
    Webhook::denied(&ask("system:serviceaccount:op-b:managers").await);
}

#[tokio::test]
async fn a_mirror_pod_passes_only_from_its_own_node() {
    let webhook = Webhook::start().await;
    let mut spec = webhook.spec("node:22", "s390x");
    spec["nodeName"] = json!("z1");
    let object =
        json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}, "spec": spec});
    let mirror = || Review::of("", "Pod", "pods", object.clone());
    Webhook::admitted(&webhook.ask(&mirror().by("system:node:z1")).await);
    Webhook::denied(&webhook.ask(&mirror().by("system:node:z2")).await);
    Webhook::denied(&webhook.ask(&mirror().by("ann")).await);
}

#[tokio::test]
async fn several_images_are_one_answer_and_an_image_volume_counts() {
    let webhook = Webhook::start().await;
    let mut spec = webhook.spec("node:21", "s390x");
    spec["volumes"] = json!([{"name": "data", "image": {"reference": webhook.image("node:20")}}]);
    let message = Webhook::denied(&webhook.ask(&Review::pod(&spec)).await);
    assert!(
        message.contains("(volume data) has no linux/s390x manifest"),
        "{message}"
    );
}

#[tokio::test]
async fn the_levels_off_ask_no_registry() {
    let webhook = Webhook::start().await;
    webhook.set(|settings| {
        settings.levels.enforce = Level::Off;
        settings.levels.warn = Level::Off;
        settings.levels.audit = Level::Off;
    });
    Webhook::admitted(
        &webhook
            .ask(&Review::pod(&webhook.spec("node:22", "s390x")))
            .await,
    );
    assert!(webhook.registry.requests().is_empty());
}
