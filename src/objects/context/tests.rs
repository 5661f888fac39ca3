use serde_json::json;

use super::*;
use crate::domain::taint::Effect;

#[test]
fn a_namespace_is_read_in_full() {
    let object = json!({"metadata": {
        "name": "web", "uid": "u-1",
        "labels": {"archmatch.io/enforce": "portable", "archmatch.io/audit": "nonsense"},
        "annotations": {
            "scheduler.alpha.kubernetes.io/node-selector": "disk=ssd, pool=z",
            "openshift.io/node-selector": "pool=y,region=east",
            "scheduler.alpha.kubernetes.io/defaultTolerations":
                "[{\"key\":\"z\",\"operator\":\"Exists\",\"effect\":\"NoSchedule\"}]",
        },
    }});
    let (name, namespace, warnings) = read_namespace(&object).unwrap();
    assert_eq!((&*name, warnings), ("web", vec![]));
    let labels = |pairs: [(&str, &str); 2]| {
        let pairs = pairs.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Labels::from(pairs)
    };
    let expected = Namespace {
        uid: "u-1".into(),
        enforce: Some(Ok(Level::Portable)),
        warn: None,
        audit: Some("nonsense".parse()),
        node_selector: labels([("disk", "ssd"), ("pool", "z")]),
        project_node_selector: labels([("pool", "y"), ("region", "east")]),
        tolerations: vec![Toleration::exists("z", Effect::NoSchedule)],
    };
    assert_eq!(namespace, expected);
}

#[test]
fn annotations_that_cannot_be_read_warn() {
    for (key, value, warns) in [
        ("scheduler.alpha.kubernetes.io/node-selector", "", false),
        ("scheduler.alpha.kubernetes.io/node-selector", "a=", false),
        ("scheduler.alpha.kubernetes.io/node-selector", "a", true),
        ("scheduler.alpha.kubernetes.io/node-selector", "a=b=c", true),
        ("openshift.io/node-selector", "a in (b)", true),
        (
            "scheduler.alpha.kubernetes.io/defaultTolerations",
            "",
            false,
        ),
        (
            "scheduler.alpha.kubernetes.io/defaultTolerations",
            "[]",
            false,
        ),
        (
            "scheduler.alpha.kubernetes.io/defaultTolerations",
            "{}",
            true,
        ),
        (
            "scheduler.alpha.kubernetes.io/defaultTolerations",
            "[{\"key\": 1}]",
            true,
        ),
    ] {
        let object = json!({"metadata": {"name": "web", "annotations": {key: value}}});
        let (_, _, warnings) = read_namespace(&object).unwrap();
        assert_eq!(!warnings.is_empty(), warns, "{key}: {value}: {warnings:?}");
    }
}

#[test]
fn runtime_classes_and_service_accounts_are_read() {
    let class = json!({
        "metadata": {"name": "gvisor"}, "handler": "runsc",
        "scheduling": {"nodeSelector": {"sandbox": "yes"}, "tolerations": [{"operator": "Exists"}]},
    });
    let (name, class) = read_runtime_class(&class).unwrap();
    assert_eq!(name, "gvisor");
    assert_eq!(class.node_selector["sandbox"], "yes");
    assert_eq!(class.tolerations, [Toleration::exists("", None)]);

    let bare = json!({"metadata": {"name": "plain"}, "scheduling": null});
    assert_eq!(
        read_runtime_class(&bare).unwrap().1,
        RuntimeClass::default()
    );

    let account = json!({
        "metadata": {"name": "robot", "namespace": "web"},
        "imagePullSecrets": [{"name": "one"}, {"name": ""}],
    });
    let (address, account) = read_service_account(&account).unwrap();
    assert_eq!(address, ("web".to_owned(), "robot".to_owned()));
    assert_eq!(account.pull_secrets, ["one"]);
}

#[test]
fn a_secret_is_decoded_and_never_shown() {
    let object = json!({
        "metadata": {"name": "pull", "namespace": "web"},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": "e30=", "both": "b25l"},
        "stringData": {"both": "two"},
    });
    let (address, secret) = read_secret(&object).unwrap();
    assert_eq!(address, ("web".to_owned(), "pull".to_owned()));
    assert_eq!(secret.kind, "kubernetes.io/dockerconfigjson");
    assert_eq!(secret.data[".dockerconfigjson"], b"{}");
    assert_eq!(secret.data["both"], b"two");
    let shown = format!("{secret:?}");
    assert!(
        shown.contains("both") && !shown.contains("two") && !shown.contains("{}"),
        "{shown}"
    );

    for (data, path) in [
        (json!({"data": {"key": "hunter2!"}}), "data.key"),
        (json!({"data": "hunter2!"}), "data"),
        (
            json!({"stringData": {"key": ["hunter2!"]}}),
            "stringData.key",
        ),
    ] {
        let error = read_secret(&data).expect_err(path);
        assert_eq!(error.path(), path);
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
