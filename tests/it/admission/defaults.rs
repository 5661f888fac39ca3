//! What admission adds to pods: templates do not carry it yet, pods do.

use archmatch::domain::placement::AdmissionPlugin;
use serde_json::{Value, json};

use super::{Review, Webhook};

fn namespace(annotations: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "shop", "annotations": annotations}})
}

/// Verdicts on a pod and on a Deployment that may go anywhere, in a namespace.
async fn verdicts(webhook: &Webhook, image: &str, more: Value) -> [String; 2] {
    let mut spec = json!({"containers": [{"name": "web", "image": webhook.image(image)}]});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    let mut found = [String::new(), String::new()];
    for (found, review) in found
        .iter_mut()
        .zip([Review::pod(&spec), Review::deployment(&spec)])
    {
        let response = webhook.ask(&review.with("namespace", json!("shop"))).await;
        *found = response["auditAnnotations"]["verdict"]
            .as_str()
            .unwrap()
            .to_owned();
    }
    found
}

#[tokio::test]
async fn a_namespaces_selector_counts_for_templates_where_the_plugin_is_on_and_never_for_pods() {
    const NODE_SELECTOR: &str = "scheduler.alpha.kubernetes.io/node-selector";
    const PROJECT: &str = "openshift.io/node-selector";
    let webhook = Webhook::start().await;
    for (annotation, plugin, other) in [
        (
            NODE_SELECTOR,
            AdmissionPlugin::PodNodeSelector,
            AdmissionPlugin::OpenShift,
        ),
        (
            PROJECT,
            AdmissionPlugin::OpenShift,
            AdmissionPlugin::PodNodeSelector,
        ),
    ] {
        let namespace = namespace(json!({annotation: "kubernetes.io/arch=amd64"}));
        for (plugins, template) in [
            (&[] as &[AdmissionPlugin], "fail"),
            (&[other], "fail"),
            (&[plugin], "pass"),
            (&[plugin, other], "pass"),
        ] {
            webhook.extend(std::slice::from_ref(&namespace), plugins);
            let found = verdicts(&webhook, "node:20", json!({})).await;
            assert_eq!(found, ["fail", template], "{annotation} {plugins:?}");
        }
    }
}

#[tokio::test]
async fn a_namespaces_tolerations_count_for_templates_where_the_plugin_is_on() {
    let webhook = Webhook::start().await;
    let taint = json!([{"key": "z", "value": "1", "effect": "NoSchedule"}]);
    let tainted = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "r1"},
        "spec": {"taints": taint}, "status": {"nodeInfo": {"operatingSystem": "linux",
        "architecture": "riscv64", "containerRuntimeVersion": "containerd://2.1.4"}}});
    let tolerations = r#"[{"key": "z", "operator": "Exists"}]"#;
    let namespace =
        namespace(json!({"scheduler.alpha.kubernetes.io/defaultTolerations": tolerations}));
    let plugin = AdmissionPlugin::PodTolerationRestriction;
    for (plugins, template) in [(&[] as &[AdmissionPlugin], "pass"), (&[plugin], "fail")] {
        webhook.extend(&[namespace.clone(), tainted.clone()], plugins);
        let found = verdicts(&webhook, "node:21", json!({})).await;
        assert_eq!(found, ["pass", template], "{plugins:?}");
    }
}

#[tokio::test]
async fn a_runtime_class_is_added_to_templates_alone() {
    let webhook = Webhook::start().await;
    let class = json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass",
        "metadata": {"name": "amd"}, "handler": "amd",
        "scheduling": {"nodeSelector": {"kubernetes.io/arch": "amd64"}}});
    webhook.extend(&[namespace(json!({})), class], &[]);
    let found = verdicts(&webhook, "node:20", json!({"runtimeClassName": "amd"})).await;
    assert_eq!(found, ["fail", "pass"]);
}
