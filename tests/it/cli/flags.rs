//! Every flag of `check` and `inspect` does what its help says, one row each.

use std::process::Stdio;

use serde_json::{Value, json};

use super::{World, deployment};
use crate::support::command::{Run, command, run};
use crate::support::registry::{Fault, artifact, image, index, list, manifest};

#[track_caller]
fn report(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}", run.stderr))
}

/// The names of the workloads that a run judged, each with its namespace.
#[track_caller]
fn judged(run: &Run) -> Vec<String> {
    let report = report(run);
    let workloads = report["workloads"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    workloads
        .map(|workload| {
            format!(
                "{}/{}",
                text(&workload["namespace"]),
                text(&workload["name"])
            )
        })
        .collect()
}

fn pod(name: &str, labels: &str, image: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{{labels}}}}}\n\
         spec: {{containers: [{{name: c, image: '{image}'}}]}}\n---\n"
    )
}

/// A world with a folder of manifests: `web/a.yaml`, `web/deep/b.json`, and what is none.
async fn world_of_files() -> (World, String) {
    let world = World::new().await;
    let image = world.image("node:21");
    let deep = world.folder.path().join("web/deep");
    std::fs::create_dir_all(&deep).unwrap();
    world.write(
        "web/a.yaml",
        &(pod("front", "app: web, tier: front", &image)
            + &pod("back", "app: web, tier: back", &image)
            + &deployment("named", &image)
            + "---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\n"),
    );
    world.write(
        "web/deep/b.json",
        &json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "deep"},
             "spec": {"containers": [{"name": "c", "image": image}]}}]})
        .to_string(),
    );
    world.write("web/README.md", "not: [a manifest");
    let folder = world.path("web");
    (world, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_choose_what_is_judged() {
    let (world, folder) = world_of_files().await;
    let file = world.path("web/a.yaml");
    let deep = world.path("web/deep");
    let image = world.image("node:21");
    let by_name = format!("-/{image}");
    let flat: &[&str] = &["default/front", "default/back", "web/named"];
    for (arguments, expected) in [
        (vec!["-f", &file], flat),
        (vec!["--filename", &folder], flat),
        (
            vec!["-f", &folder, "-R"],
            &["default/front", "default/back", "web/named", "default/deep"],
        ),
        (
            vec!["-f", &folder, "--recursive", "-l", "!app,tier!=x"],
            &["web/named", "default/deep"],
        ),
        (
            vec!["-f", &file, "-f", &deep],
            &["default/front", "default/back", "web/named", "default/deep"],
        ),
        (
            vec!["-f", &file, "-n", "shop"],
            &["shop/front", "shop/back", "web/named"],
        ),
        (
            vec![
                "-f",
                &file,
                "--namespace",
                "shop",
                "-l",
                "app=web,tier in (front)",
            ],
            &["shop/front"],
        ),
        (
            vec!["-f", &file, "--selector", "tier notin (front),app"],
            &["default/back"],
        ),
        // A selector is about objects of files.
        (
            vec![&image, "-f", &file, "-l", "tier=back"],
            &[&by_name, "default/back"],
        ),
    ] {
        let rest = ["-o", "json", "--platform", "linux/s390x"];
        let run = world
            .run(&[&["check"][..], &arguments, &rest].concat())
            .await;
        assert_eq!(run.code, Some(0), "{arguments:?}: {}", run.stderr);
        assert_eq!(judged(&run), expected, "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_is_a_file_or_the_snapshot() {
    let world = World::new().await;
    let nodes = std::fs::read_to_string(world.path("nodes.yaml")).unwrap();
    let (file, image) = (world.path("nodes.yaml"), world.image("node:21"));
    let object = pod("p", "", &image);
    for (arguments, input, code) in [
        (vec!["-f", "-", "--snapshot", &file], &object, 0),
        (vec![&image, "--snapshot", "-"], &nodes, 0),
        (vec!["-f", "-", "--snapshot", "-"], &nodes, 2),
    ] {
        let arguments = [&["check", "-o", "json"][..], &arguments].concat();
        let run = world.run_with(&arguments, input).await;
        assert_eq!(run.code, Some(code), "{arguments:?}: {}", run.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_is_named_and_ends_with_2() {
    let (world, _) = world_of_files().await;
    let file = world.path("web/a.yaml");
    let kubeconfig = world.write(
        "kubeconfig",
        "apiVersion: v1\nkind: Config\ncontexts: []\nclusters: []\nusers: []\n",
    );
    let absent = world.path("absent");
    for (arguments, expected) in [
        (
            vec!["check", "-f", &absent, "--platform", "linux/amd64"],
            "absent",
        ),
        (
            vec!["check", "-f", &file, "-l", "app in web"],
            "no label key",
        ),
        (
            vec![
                "check",
                "-f",
                &file,
                "-l",
                "app=db",
                "--platform",
                "linux/amd64",
            ],
            "labels of -l",
        ),
        (
            vec!["check", "-f", &file, "-A", "--platform", "linux/amd64"],
            "-A",
        ),
        (
            vec!["check", "app", "--platform", "amd64,s390"],
            "nearest is linux/s390x",
        ),
        (
            vec!["check", "app", "--platform", "linux/s390x=podman"],
            "podman",
        ),
        (
            vec!["check", "app", "--level", "off"],
            "runnable or portable",
        ),
        (vec!["check", "app", "--timeout", "5"], "5s"),
        (vec!["check", "app", "-o", "xml"], "xml"),
        (vec!["check", "app", "--snapshot", &absent], "absent"),
        (vec!["check", "app", "--kubeconfig", &absent], "absent"),
        (
            vec![
                "check",
                "app",
                "--kubeconfig",
                &kubeconfig,
                "--context",
                "nowhere",
            ],
            "nowhere",
        ),
        (vec!["inspect"], "IMAGE"),
        (vec!["inspect", "app", "--timeout", "soon"], "soon"),
        (vec!["inspect", "app", "-o", "wide"], "wide"),
    ] {
        let run = world.run(&arguments).await;
        assert_eq!(
            run.code,
            Some(2),
            "{arguments:?}: {}{}",
            run.stdout,
            run.stderr
        );
        assert!(
            run.stderr.contains(expected),
            "{arguments:?}: {}",
            run.stderr
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn platforms_of_flags_are_lists_and_leave_open_what_no_platform_says() {
    let world = World::new().await;
    let image = world.image("node:21");
    let containers = format!(
        "containers: [{{name: c, image: '{image}', resources: {{limits: {{nvidia.com/gpu: 1}}}}}}]"
    );
    let control = "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [\
                   {matchExpressions: [{key: node-role.kubernetes.io/control-plane, operator: Exists}]}]}}}";
    let beta = "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [\
                {matchExpressions: [{key: beta.kubernetes.io/arch, operator: In, values: [s390x]}]}]}}}";
    for (spec, both) in [
        (beta, false),
        ("nodeSelector: {karpenter.sh/nodepool: default}", true),
        ("nodeName: z1", true),
        (control, true),
        ("nodeSelector: {beta.kubernetes.io/arch: s390x}", false),
        ("nodeSelector: {kubernetes.io/arch: s390x, zone: a}", false),
    ] {
        let pod = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  {spec}\n  {containers}\n"
        );
        let arguments = [
            "check",
            "-f",
            "-",
            "-o",
            "json",
            "--platform",
            "linux/amd64,s390x",
        ];
        let run = world.run_with(&arguments, &pod).await;
        assert_eq!(run.code, Some(0), "{spec}: {}{}", run.stdout, run.stderr);
        let candidates = &report(&run)["workloads"][0]["candidates"];
        let platforms = candidates.as_array().unwrap().iter();
        let platforms: Vec<&str> = platforms
            .map(|one| one["platform"].as_str().unwrap())
            .collect();
        let expected: &[&str] = if both {
            &["linux/amd64", "linux/s390x"]
        } else {
            &["linux/s390x"]
        };
        assert_eq!(platforms, expected, "{spec}");
        let notes: Vec<&str> = run.stderr.lines().collect();
        let [note] = &notes[..] else {
            panic!("{spec}: {}", run.stderr)
        };
        assert!(
            note.contains("taken as met") && note.contains("nvidia.com/gpu"),
            "{note}"
        );
        assert!(!note.contains("kubernetes.io/arch"), "{note}");
        assert_eq!(note.contains("zone"), spec.contains("zone"), "{note}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_follow_the_level() {
    let world = World::new().await;
    world.registry.push("arm:1", &manifest("linux/arm64"));
    let (partly, nowhere) = (world.image("node:22"), world.image("arm:1"));
    let absent = world.image("absent:1");
    let both = ["--platform", "linux/amd64", "--platform", "linux/s390x"];
    for (images, level, code) in [
        (vec![&*partly], "portable", 1),
        (vec![&partly], "runnable", 0),
        (vec![&nowhere], "runnable", 1),
        (vec![&absent], "runnable", 3),
        (vec![&partly, &absent], "runnable", 3),
        (vec![&nowhere, &absent], "runnable", 1),
    ] {
        let arguments = [&["check", "--level", level][..], &images, &both].concat();
        let run = world.run(&arguments).await;
        assert_eq!(run.code, Some(code), "{arguments:?}: {}", run.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_in_time_is_a_timeout() {
    let world = World::new().await;
    world.registry.misbehave("/v2/node", Fault::Silence);
    let image = world.image("node:22");
    let asked = ["--platform", "linux/amd64", "--timeout", "200ms"];
    let run = world
        .run(&[&["check", &image, "-o", "json"][..], &asked].concat())
        .await;
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    let outcome = &report(&run)["workloads"][0]["images"][0]["outcomes"][0];
    assert_eq!(outcome["reason"], "timeout");
    assert!(
        outcome["why"]
            .as_str()
            .unwrap()
            .ends_with("did not answer in time")
    );
    let run = world
        .run(&[&["inspect", &image][..], &asked].concat())
        .await;
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.stderr.contains("(timeout)"), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_summary_counts_workloads_and_distinct_references() {
    let world = World::new().await;
    world.registry.push("arm:1", &manifest("linux/arm64"));
    let images =
        ["node:21", "node:22", "node:22", "arm:1", "absent:1"].map(|name| world.image(name));
    let images: Vec<&str> = images.iter().map(String::as_str).collect();
    let nodes = world.path("nodes.yaml");
    let rest = ["--snapshot", &nodes, "-o", "json"];
    let run = world.run(&[&["check"][..], &images, &rest].concat()).await;
    let report = report(&run);
    assert_eq!(
        report["summary"],
        json!({"workloads": 5, "portable": 1, "runnable": 3, "failing": 1, "undecided": 1, "images": 4, "withoutImages": 0})
    );
    assert_eq!(
        report["platforms"],
        json!([{"platform": "linux/amd64", "runtime": "containerd-transfer", "nodes": 1, "sources": ["node"]},
               {"platform": "linux/s390x", "runtime": "cri-o", "nodes": 2, "sources": ["node"]}])
    );
    // Flags replace the nodes of a snapshot.
    let replaced = [
        &["check", images[0], "--platform", "linux/s390x=docker"][..],
        &rest,
    ]
    .concat();
    let run = world.run(&replaced).await;
    assert_eq!(
        self::report(&run)["platforms"],
        json!([{"platform": "linux/s390x", "runtime": "docker", "nodes": 0, "sources": ["flag"]}])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_text_says_what_decided() {
    let world = World::new().await;
    let config = json!({"os": "linux", "architecture": "arm64"});
    world.registry.push("unstated:1", &index([image(&config)]));
    world.registry.push("listed:1", &list([image(&config)]));
    let on = [
        "--platform",
        "linux/amd64",
        "--platform",
        "linux/amd64=cri-o",
    ];
    let names = ["node:21", "unstated:1", "listed:1"].map(|name| world.image(name));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let json = world
        .run(&[&["check", "-o", "json"][..], &names, &on].concat())
        .await;
    let report = report(&json);
    let wide = world
        .run(&[&["check", "-o", "wide"][..], &names, &on].concat())
        .await;
    for (position, expected) in [
        (0, ["entry 1 of its index is for linux/amd64"; 2]),
        (
            1,
            [
                "entry 1 of its index names no platform, its config says linux/arm64, and containerd-transfer tries no other",
                "entry 1 of its index names no platform, and its config says linux/arm64",
            ],
        ),
        (
            2,
            [
                "entry 1 of its index names no platform, its config says linux/arm64, and containerd-transfer tries no other",
                "entry 1 of its index names no platform, and cri-o takes none such from a Docker list",
            ],
        ),
    ] {
        let outcomes = report["workloads"][position]["images"][0]["outcomes"]
            .as_array()
            .unwrap();
        let inspected = world
            .run(&[&["inspect", names[position]][..], &on].concat())
            .await;
        for (outcome, why) in outcomes.iter().zip(expected) {
            assert_eq!(outcome["why"], why);
            assert!(wide.stdout.contains(why), "{why} in {}", wide.stdout);
            assert!(
                inspected.stdout.contains(why),
                "{why} in {}",
                inspected.stdout
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inspection_has_the_published_fields() {
    let world = World::new().await;
    let index = index([manifest("linux/amd64"), manifest("linux/arm64"), artifact()]);
    world.registry.push("app:1", &index);
    let name = world.image("app:1");
    let arguments = [
        "inspect",
        &name,
        "-o",
        "json",
        "--platform",
        "linux/arm64=docker",
    ];
    let run = world.run(&arguments).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let description = report(&run);
    let children = index.children();
    for (key, expected) in [
        ("image", json!(name)),
        ("reference", json!(name)),
        ("digest", json!(index.digest())),
        (
            "mediaType",
            json!("application/vnd.oci.image.index.v1+json"),
        ),
        ("kind", json!("index")),
        ("platforms", json!(["linux/amd64", "linux/arm64"])),
        (
            "entries",
            json!([
            {"digest": children[0].digest(), "kind": "manifest", "platform": "linux/amd64", "attestation": false},
            {"digest": children[1].digest(), "kind": "manifest", "platform": "linux/arm64", "attestation": false},
            {"digest": children[2].digest(), "kind": "manifest", "attestation": false}]),
        ),
        (
            "picks",
            json!([
            {"platform": "linux/arm64", "runtime": "docker", "outcome": "supported",
             "picked": [children[1].digest()], "why": "entry 2 of its index is for linux/arm64"}]),
        ),
    ] {
        assert_eq!(description[key], expected, "{key}");
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_kustomization_is_rendered_by_kubectl() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new().await;
    // Stands for kubectl, which is not on every machine: it says how it was called.
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = kustomize ] && [ -d \"$2\" ] || {{ echo \"no $2\" >&2; exit 1; }}\ncat <<'END'\n{}END\n",
        pod("rendered", "app: web", &world.image("node:21"))
    );
    std::fs::create_dir(world.folder.path().join("bin")).unwrap();
    let kubectl = world.write("bin/kubectl", &script);
    std::fs::set_permissions(&kubectl, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (bin, folder) = (
        world.path("bin"),
        world.folder.path().to_str().unwrap().to_owned(),
    );
    let config = world.path("config.yaml");
    for (directory, code) in [(folder.clone(), 0), (format!("{folder}/absent"), 2)] {
        let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
        let config = config.clone();
        let run = tokio::task::spawn_blocking(move || {
            let arguments = [
                "check",
                "-k",
                &directory,
                "-o",
                "json",
                "--platform",
                "linux/s390x",
                "--config",
                &config,
            ];
            run(command(&arguments).env("PATH", path), "")
        })
        .await
        .unwrap();
        assert_eq!(run.code, Some(code), "{}", run.stderr);
        if code == 0 {
            assert_eq!(judged(&run), ["default/rendered"]);
        } else {
            assert!(run.stderr.contains("absent"), "{}", run.stderr);
        }
    }
}

#[test]
fn a_reader_that_goes_away_does_not_change_the_exit_code() {
    let arguments = [
        "check",
        "UPPER case",
        "--platform",
        "linux/s390x",
        "-o",
        "json",
    ];
    let mut child = command(&arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
