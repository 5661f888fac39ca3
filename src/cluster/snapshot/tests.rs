use super::*;
use crate::config::Configuration;

const SNAPSHOT: &str = r#"
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Node
  metadata: {name: z1, labels: {pool: z}, annotations: {archmatch.io/emulates: nonsense}}
  status: {nodeInfo: {architecture: s390x, operatingSystem: linux, containerRuntimeVersion: "containerd://2.1.4"}}
- apiVersion: v1
  kind: Namespace
  metadata: {name: web, labels: {archmatch.io/enforce: portable}}
- apiVersion: v1
  kind: ServiceAccount
  metadata: {name: default, namespace: web}
  imagePullSecrets: [{name: pull}]
- apiVersion: v1
  kind: Secret
  metadata: {name: pull, namespace: web}
  type: kubernetes.io/dockerconfigjson
  data: {.dockerconfigjson: e30=}
- apiVersion: v1
  kind: Secret
  metadata: {name: other, namespace: web}
  data: {password: c2VjcmV0}
---
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: gvisor}
scheduling: {nodeSelector: {sandbox: "yes"}}
---
apiVersion: v1
kind: Service
metadata: {name: skipped}
---
apiVersion: v1
kind: Node
metadata: {name: broken, labels: []}
---
not: closed: here
---
apiVersion: v1
kind: Node
metadata: {name: a1}
status: {nodeInfo: {architecture: amd64, operatingSystem: linux}}
"#;

#[test]
fn a_snapshot_is_the_view_of_a_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cluster.yaml");
    std::fs::write(&path, SNAPSHOT).unwrap();
    let configuration = Configuration::parse(
        "nodes: {overrides: [{selector: {pool: z}, runtime: cri-o}]}\npools: [{name: p, platform: linux/arm64}]",
    )
    .unwrap();
    let sources = [path.display().to_string()];
    let (view, errors) = load(&sources, &Settings::from(&configuration));
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let file = path.display();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(
        errors[0].starts_with(&format!("{file}:35: read Node metadata.labels: ")),
        "{errors:?}"
    );
    assert!(errors[1].starts_with(&format!("{file}:39: ")), "{errors:?}");
    let groups: Vec<String> = view
        .nodes
        .groups()
        .map(|(key, nodes)| {
            let names: Vec<&str> = nodes.keys().map(String::as_str).collect();
            let platform = &key.platform;
            let source = key.source.name();
            format!(
                "{} {} {source} {}",
                platform.platform,
                platform.runtime,
                names.join(",")
            )
        })
        .collect();
    assert_eq!(
        groups,
        [
            "linux/amd64 containerd-transfer node a1",
            "linux/arm64 containerd-transfer pool p",
            "linux/s390x cri-o node z1",
        ]
    );
    assert_eq!(
        view.namespace("web").unwrap().enforce.as_deref(),
        Some("portable")
    );
    let defaults = view.placement_defaults("web", Some("gvisor"));
    assert_eq!(
        defaults.runtime_class.unwrap().node_selector["sandbox"],
        "yes"
    );
    let address = |name: &str| ("web".to_owned(), name.to_owned());
    assert_eq!(
        view.service_accounts[&address("default")].pull_secrets,
        ["pull"]
    );
    assert_eq!(view.secrets.keys().collect::<Vec<_>>(), [&address("pull")]);
    assert_eq!(view.warnings.len(), 1);
}

#[test]
fn an_absent_snapshot_is_an_error() {
    let (view, errors) = load(&["/nonexistent".to_owned()], &Settings::default());
    assert!(view.nodes.is_empty());
    assert_eq!(errors.len(), 1);
}
