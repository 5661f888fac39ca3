//! The real binary, run as a user would.

mod cache_file;
mod fix;
mod flags;
mod gate;
mod inputs;
mod live;
mod log;
mod metrics;
mod observe;
mod recipes;
mod reports;
mod silence;
mod story;
mod suggest;
mod webhook;
mod who_asks;

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::command::{Run, archmatch, command, run};
use crate::support::install_crypto_provider;
use crate::support::registry::{FakeRegistry, index, manifest};

/// A registry with known images, and a configuration that reaches it.
struct World {
    registry: FakeRegistry,
    folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        install_crypto_provider();
        let registry = FakeRegistry::start().await;
        registry.push("node:22", &index([manifest("linux/amd64")]));
        registry.push(
            "node:21",
            &index([manifest("linux/amd64"), manifest("linux/s390x")]),
        );
        let folder = tempfile::tempdir().unwrap();
        let world = Self { registry, folder };
        let host = world.registry.host();
        world.write(
            "config.yaml",
            &format!("registries: [{{host: '{host}', plainHttp: true, addresses: any}}]\n"),
        );
        world.write("nodes.yaml", NODES);
        world
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.registry.host())
    }

    /// Runs off the runtime's thread, which serves the registry.
    async fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(arguments, "").await
    }

    async fn run_with(&self, arguments: &[&str], input: &str) -> Run {
        let config = self.path("config.yaml");
        let mut words: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        words.extend(["--config".to_owned(), config]);
        let input = input.to_owned();
        tokio::task::spawn_blocking(move || {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            archmatch(&words, &input)
        })
        .await
        .unwrap()
    }
}

const NODES: &str = "\
apiVersion: v1
kind: Node
metadata: {name: a1, labels: {kubernetes.io/arch: amd64}}
status: {nodeInfo: {operatingSystem: linux, architecture: amd64, containerRuntimeVersion: 'containerd://2.1.4'}}
---
apiVersion: v1
kind: Node
metadata: {name: z1, labels: {kubernetes.io/arch: s390x}}
status: {nodeInfo: {operatingSystem: linux, architecture: s390x, containerRuntimeVersion: 'cri-o://1.33.1'}}
---
apiVersion: v1
kind: Node
metadata: {name: z2, labels: {kubernetes.io/arch: s390x}}
spec: {unschedulable: true}
status: {nodeInfo: {operatingSystem: linux, architecture: s390x, containerRuntimeVersion: 'cri-o://1.33.1'}}
";

fn deployment(name: &str, image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: web}}\n\
         spec:\n  template:\n    spec:\n      containers: [{{name: web, image: '{image}'}}]\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_tell_findings_from_usage_and_from_not_knowing() {
    let world = World::new().await;
    let (lacking, whole) = (world.image("node:22"), world.image("node:21"));
    let absent = world.image("absent:1");
    let on_z = ["--platform", "linux/s390x"];
    for (arguments, expected) in [
        (vec!["check", &whole], 0),
        (vec!["check", &lacking], 1),
        (vec!["check", &absent], 3),
        (vec!["check", &lacking, &absent], 1),
        (vec!["check"], 2),
        (vec!["check", "--allow-empty"], 0),
        (vec!["check", "--no-such-flag"], 2),
        (vec!["inspect", &whole], 0),
        (vec!["inspect", &lacking], 1),
        (vec!["inspect", &absent], 3),
        (vec!["inspect", "UPPER case"], 2),
    ] {
        let run = world.run(&[&arguments[..], &on_z].concat()).await;
        assert_eq!(
            run.code,
            Some(expected),
            "{arguments:?}\n{}{}",
            run.stdout,
            run.stderr
        );
    }
    let both = [
        "check",
        &lacking,
        "--platform",
        "linux/s390x",
        "--platform",
        "linux/amd64",
    ];
    let runnable = [&both[..], &["--level", "runnable"]].concat();
    assert_eq!(world.run(&both).await.code, Some(1));
    assert_eq!(world.run(&runnable).await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_json_report_has_the_published_fields() {
    let world = World::new().await;
    let file = world.write(
        "shop.yaml",
        &format!("\n---\n{}", deployment("shop", &world.image("node:22"))),
    );
    let nodes = world.path("nodes.yaml");
    let run = world
        .run(&["check", "-f", &file, "--snapshot", &nodes, "-o", "json"])
        .await;
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["apiVersion"], "archmatch.io/v1alpha1");
    assert_eq!(report["kind"], "Report");
    assert_eq!(
        report["summary"],
        serde_json::json!({"workloads": 1, "portable": 0, "runnable": 1, "failing": 0, "undecided": 0, "images": 1, "withoutImages": 0})
    );
    let workload = &report["workloads"][0];
    assert_eq!(workload["source"], format!("{file}:3"));
    assert_eq!(workload["namespace"], "web");
    assert_eq!(
        workload["levels"],
        serde_json::json!({"runnable": "pass", "portable": "fail"})
    );
    let candidate = &workload["candidates"][1];
    assert_eq!(candidate["platform"], "linux/s390x");
    assert_eq!(candidate["runtime"], "cri-o");
    assert_eq!(candidate["nodes"], serde_json::json!(["z1"]));
    assert_eq!(candidate["value"], "no");
    let image = &workload["images"][0];
    assert_eq!(image["containers"], serde_json::json!(["web"]));
    assert!(image["digest"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(image["outcomes"][0]["picked"].as_array().unwrap().len(), 1);
    assert_eq!(image["outcomes"][1]["outcome"], "missing");
    assert!(image["outcomes"][1].get("picked").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_without_a_platform_beside_others_is_doubted_on_containerd_alone() {
    let world = World::new().await;
    let unnamed = || {
        let mut entry = manifest("linux/amd64");
        entry.platform = None;
        entry
    };
    let beside = index([manifest("linux/arm64"), unnamed()]);
    world.registry.push("odd:1", &beside);
    world.registry.push("odd:2", &index([unnamed()]));
    let doubt = "may not start on linux/amd64: entry 2 of its index names no platform beside \
                 others that do, which containerd pulls and its Kubernetes side may then refuse";
    let (image, alone) = (world.image("odd:1"), world.image("odd:2"));
    let check = ["check", &image, "--platform", "linux/amd64"];
    for (arguments, expected) in [
        (check.to_vec(), true),
        ([&check[..], &["-o", "wide"]].concat(), true),
        ([&check[..], &["-o", "json"]].concat(), true),
        (vec!["inspect", &image, "--platform", "linux/amd64"], true),
        (vec!["check", &alone, "--platform", "linux/amd64"], false),
    ] {
        let run = world.run(&arguments).await;
        assert_eq!(run.code, Some(0), "{arguments:?} {}", run.stderr);
        assert_eq!(run.stdout.contains(doubt), expected, "{}", run.stdout);
    }
    let nodes = NODES.replace("containerd://2.1.4", "cri-o://1.33.1");
    let (cri_o, file) = (
        world.write("cri-o.yaml", &nodes),
        world.write("odd.yaml", &deployment("odd", &image)),
    );
    let elsewhere = ["check", "-f", &file, "--snapshot", &cri_o, "-o", "json"];
    let run = world.run(&elsewhere).await;
    assert!(!run.stdout.contains("doubts"), "{}", run.stdout);
}

const NODE_POOLS: &str = r#"
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: z}
spec:
  template:
    spec:
      requirements:
      - {key: kubernetes.io/arch, operator: In, values: [s390x]}
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: any}
spec:
  template: {metadata: {labels: {pool: any}}}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn pools_of_a_snapshot_are_candidates_without_nodes() {
    let world = World::new().await;
    let (fixed, open) = NODE_POOLS.split_once("---").unwrap();
    let pools = world.write("pools.yaml", fixed);
    let image = world.image("node:22");
    let run = world
        .run(&["check", &image, "--snapshot", &pools, "-o", "json"])
        .await;
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        report["platforms"],
        serde_json::json!([{"platform": "linux/s390x", "runtime": "containerd-transfer", "nodes": 0, "sources": ["nodepool"]}])
    );
    let candidate = &report["workloads"][0]["candidates"][0];
    assert_eq!(candidate["sources"], serde_json::json!(["nodepool"]));
    assert_eq!(candidate["nodeCount"], 0);
    let wide = world
        .run(&["check", &image, "--snapshot", &pools, "-o", "wide"])
        .await;
    assert!(
        wide.stdout.contains("no node yet (NodePool z)"),
        "{}",
        wide.stdout
    );

    let pools = world.write("open.yaml", open);
    let arguments = ["check", &image, "--snapshot", &pools, "-o", "json"];
    let run = world.run(&arguments).await;
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(
        run.stderr
            .contains("NodePool any: leaves its architecture open"),
        "{}",
        run.stderr
    );
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let outcome = &report["workloads"][0]["images"][0]["outcomes"][0];
    assert_eq!(outcome["platform"], "linux/unknown");
    assert_eq!(
        (&outcome["outcome"], &outcome["reason"]),
        (&"unknown".into(), &"unsupported".into())
    );
    let settled = format!(
        "registries: [{{host: '{}', plainHttp: true, addresses: any}}]\n\
         nodes: {{overrides: [{{selector: {{pool: any}}, architectures: [amd64]}}]}}\n",
        world.registry.host()
    );
    world.write("config.yaml", &settled);
    let run = world.run(&arguments).await;
    assert_eq!(run.code, Some(0), "{} {}", run.stdout, run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_pool_of_a_snapshot_is_named_with_its_line_and_field() {
    let world = World::new().await;
    let broken = NODE_POOLS.replace("operator: In", "operator: Near");
    let pools = world.write("pools.yaml", &broken);
    let run = world
        .run(&["check", &world.image("node:22"), "--snapshot", &pools])
        .await;
    assert_eq!(run.code, Some(2));
    let expected = "NodePool z spec.template.spec.requirements[0].operator: expected In";
    assert!(run.stderr.contains(expected), "{}", run.stderr);
    assert!(run.stderr.contains("pools.yaml:2"), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_by_name_has_no_namespace_and_a_bad_one_no_reference() {
    let world = World::new().await;
    let run = world
        .run(&[
            "check",
            "UPPER case",
            "--platform",
            "linux/s390x=cri-o",
            "-o",
            "json",
        ])
        .await;
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let workload = &report["workloads"][0];
    assert_eq!(workload["kind"], "Image");
    assert!(workload.get("namespace").is_none());
    let candidate = &workload["candidates"][0];
    assert!(candidate.get("nodes").is_none());
    assert_eq!(candidate["nodeCount"], 0);
    assert_eq!(candidate["runtime"], "cri-o");
    let image = &workload["images"][0];
    assert_eq!(image["reference"], Value::Null);
    assert_eq!(image["outcomes"][0]["outcome"], "invalid");
    let run = world
        .run(&["check", "UPPER case", "--platform", "linux/s390x"])
        .await;
    assert!(run.stdout.contains("✗ invalid"), "{}", run.stdout);
    assert!(run.stdout.contains("InvalidImageName"), "{}", run.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_document_is_named_and_the_others_are_judged() {
    let world = World::new().await;
    let good = deployment("good", &world.image("node:21"));
    let input = format!(
        "{good}---\nkind: Pod\nmetadata: {{name: broken\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{containers: 7}}\n---\n{good}"
    );
    let run = world
        .run_with(
            &[
                "check",
                "-f",
                "-",
                "--platform",
                "linux/s390x",
                "-o",
                "json",
            ],
            &input,
        )
        .await;
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(
        run.stderr.contains("stdin:") && run.stderr.contains("spec.containers"),
        "{}",
        run.stderr
    );
    assert_eq!(
        run.stderr
            .lines()
            .filter(|line| line.starts_with("error:"))
            .count(),
        2
    );
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["summary"]["workloads"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_long_view_says_why_nodes_are_no_candidates() {
    let world = World::new().await;
    let nodes = world.path("nodes.yaml");
    let image = world.image("node:22");
    let run = world
        .run(&["check", "--snapshot", &nodes, "-o", "wide", &image])
        .await;
    assert!(
        run.stdout.contains("Excluded:    1 cordoned"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("no image found in image index"),
        "{}",
        run.stdout
    );
    assert!(!run.stdout.contains('\u{1b}'), "no colours in a pipe");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_of_the_configuration_is_named_with_its_path() {
    let world = World::new().await;
    world.write("config.yaml", "registries: [{hots: example.com}]\n");
    let run = world
        .run(&["check", "node:22", "--platform", "linux/s390x"])
        .await;
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("registries[0].hots"), "{}", run.stderr);
}

#[test]
fn the_demo_ends_well_and_leaves_nothing() {
    let run = archmatch(&["demo"], "");
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    for part in [
        "Warning: archmatch: image \"node:22\" (container web) has no linux/s390x manifest",
        "denied the request: image \"node:22.15-bullseye-slim\"",
        "exec format error",
        "✗ missing",
    ] {
        assert!(run.stdout.contains(part), "{part} in {}", run.stdout);
    }
    // The README shows the same denial, and what follows of it.
    let readme = include_str!("../../README.md");
    let denial = readme.split("denied the request: ").nth(1).unwrap();
    let denial = denial.split("```").next().unwrap();
    assert!(run.stdout.contains(denial), "{denial} in {}", run.stdout);
}

#[test]
fn help_version_and_completions_are_results() {
    assert_eq!(
        archmatch(&["version"], "").stdout.trim(),
        concat!("archmatch ", env!("CARGO_PKG_VERSION"))
    );
    let version = archmatch(&["version", "-o", "json"], "");
    let version: Value = serde_json::from_str(&version.stdout).unwrap();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    let target = version["target"].as_str().unwrap();
    assert!(target.starts_with("linux/") && version.get("commit").is_some());
    let help = archmatch(&["check", "--help"], "");
    assert_eq!(help.code, Some(0));
    assert!(help.stdout.contains("Exit codes:"), "{}", help.stdout);
    let script = archmatch(&["completion", "bash"], "");
    assert!(script.stdout.contains("complete"), "{}", script.stderr);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_archmatch"))
        .args(["completion", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A script that prints a text, as credential helpers and providers do.
fn program(path: &std::path::Path, prints: &str) {
    // Another process writes it: a file that is open for writing cannot be executed, and a test
    // beside this one may fork while this process has it open.
    let write = "printf %s \"$2\" > \"$1\" && chmod 755 \"$1\"";
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", write, "sh"]).arg(path);
    shell.arg(format!("#!/bin/sh\necho '{prints}'\n"));
    assert!(shell.status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_a_snapshot_open_the_images_of_their_namespace() {
    let world = World::new().await;
    world.registry.require_basic(&[("ada", "smash")]);
    let auths = serde_json::json!({"auths": {world.registry.host(): {"username": "ada", "password": "smash"}}});
    let secrets = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "web", "name": "regcred"},
         "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": auths.to_string()}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": "web", "name": "default"},
         "imagePullSecrets": [{"name": "regcred"}]},
    ]});
    let secrets = world.write("secrets.json", &secrets.to_string());
    let shop = deployment("shop", &world.image("node:22"));
    let shop = world.write("shop.yaml", &shop.replace(", namespace: web", ""));
    let nodes = world.path("nodes.yaml");
    for (namespace, reason) in [("web", None), ("shop", Some("unauthorized"))] {
        let run = world
            .run(&[
                "check",
                "-f",
                &shop,
                "-n",
                namespace,
                "--snapshot",
                &nodes,
                "--snapshot",
                &secrets,
                "-o",
                "json",
            ])
            .await;
        let report: Value = serde_json::from_str(&run.stdout).expect(&run.stderr);
        let outcome = &report["workloads"][0]["images"][0]["outcomes"][0];
        assert_eq!(outcome["reason"].as_str(), reason, "{outcome}");
        for text in [&run.stdout, &run.stderr] {
            assert!(!text.contains("smash"), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_use_what_docker_and_podman_have() {
    let world = World::new().await;
    world.registry.require_basic(&[("ada", "smash")]);
    let host = world.registry.host();
    let folder = world.folder.path().to_str().unwrap().to_owned();
    let name = world.folder.path().join("docker-credential-test");
    program(
        &name,
        r#"{"ServerURL":"x","Username":"ada","Secret":"smash"}"#,
    );
    let helpers = serde_json::json!({"credHelpers": {&host: "test"}}).to_string();
    let entries = serde_json::json!({"auths": {&host: {"auth": "YWRhOnNtYXNo"}}}).to_string();
    let search = format!("{folder}:{}", std::env::var("PATH").unwrap());
    let auth_file = format!("{folder}/auth.json");
    let podman = [("REGISTRY_AUTH_FILE", auth_file.as_str())];
    let docker = [
        ("DOCKER_CONFIG", folder.as_str()),
        ("PATH", search.as_str()),
    ];
    let config = world.path("config.yaml");
    let image = world.image("node:21");
    for (file, text, environment, expected) in [
        ("config.json", helpers.as_str(), docker.as_slice(), 0),
        ("config.json", entries.as_str(), docker.as_slice(), 0),
        ("auth.json", entries.as_str(), podman.as_slice(), 0),
        ("auth.json", "{", podman.as_slice(), 3),
        ("auth.json", "{}", &[], 3),
    ] {
        let path = world.write(file, text);
        let run = tokio::task::block_in_place(|| {
            let mut inspect = command(&["inspect", &image, "--config", &config]);
            run(inspect.envs(environment.iter().copied()), "")
        });
        assert_eq!(run.code, Some(expected), "{file} {text}: {}", run.stderr);
        assert!(!run.stderr.contains("smash") && !run.stdout.contains("smash"));
        std::fs::remove_file(path).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credential_providers_of_the_configuration_are_asked() {
    let world = World::new().await;
    world.registry.require_basic(&[("ada", "smash")]);
    let host = world.registry.host();
    let answer = serde_json::json!({
        "apiVersion": "credentialprovider.kubelet.k8s.io/v1", "kind": "CredentialProviderResponse",
        "cacheKeyType": "Registry", "auth": {&host: {"username": "ada", "password": "smash"}},
    });
    program(&world.folder.path().join("cloud"), &answer.to_string());
    let providers = serde_json::json!({
        "apiVersion": "kubelet.config.k8s.io/v1", "kind": "CredentialProviderConfig",
        "providers": [{"name": "cloud", "matchImages": [&host], "defaultCacheDuration": "1h",
            "apiVersion": "credentialprovider.kubelet.k8s.io/v1"}],
    });
    let providers = world.write("providers.yaml", &providers.to_string());
    let folder = world.folder.path().display().to_string();
    world.write(
        "config.yaml",
        &format!(
            "registries: [{{host: '{host}', plainHttp: true, addresses: any}}]\n\
             credentials: {{providers: {{config: {providers}, binDir: {folder}}}}}\n"
        ),
    );
    let run = world.run(&["inspect", &world.image("node:21")]).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    std::fs::remove_file(world.folder.path().join("cloud")).unwrap();
    let run = world.run(&["inspect", &world.image("node:21")]).await;
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(
        run.stderr.contains("binDir has no such program"),
        "{}",
        run.stderr
    );
}
