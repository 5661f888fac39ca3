//! What `check` takes for input, and what it says of what it does not judge.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{World, deployment};
use crate::support::command::{Run, command, run};
use crate::support::registry::Fault;

const ON_Z: [&str; 2] = ["--platform", "linux/s390x"];

fn report(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}", run.stderr))
}

fn rollout(image: &str) -> String {
    deployment("r", image)
        .replace("apps/v1", "argoproj.io/v1alpha1")
        .replace("Deployment", "Rollout")
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_kinds_are_named_and_counted_and_leave_the_exit_code_alone() {
    let world = World::new().await;
    let image = world.image("node:21");
    let others = "---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\n---\n\
                  apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i}\n---\n";
    let odd = deployment("small", &image).replace("Deployment", "deployment");
    let text = [
        &deployment("d", &image),
        "---\n",
        &rollout(&image),
        "---\n",
        &rollout(&image),
        others,
        &odd,
    ]
    .concat();
    let arguments = [&["check", "-f", "-", "-o", "json"][..], &ON_Z].concat();
    let run = world.run_with(&arguments, &text).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(
        report(&run)["skipped"],
        json!([{"kind": "Rollout", "group": "argoproj.io", "count": 2},
               {"kind": "deployment", "group": "apps", "count": 1}])
    );
    let note = "note: not checked: 2 Rollout (argoproj.io), 1 deployment (apps); if they have pods";
    assert!(run.stderr.starts_with(note), "{}", run.stderr);
    assert!(!run.stderr.contains("Service"), "{}", run.stderr);
    // Nothing but such is nothing at all.
    let run = world.run_with(&arguments, &rollout(&image)).await;
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(
        run.stderr.contains("1 Rollout") && run.stderr.contains("nothing to check"),
        "{}",
        run.stderr
    );
    // A path that finds nothing is said.
    let config = world.write(
        "wrong.yaml",
        "kinds: [{group: argoproj.io, version: v1alpha1, resource: rollouts, templates: [spec.tmpl]}]\n",
    );
    let file = world.write("rollout.yaml", &rollout(&image));
    let run = tokio::task::block_in_place(|| {
        let arguments = ["check", "-f", &file, "--config", &config];
        run_bare(&[&arguments[..], &ON_Z].concat())
    });
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(
        run.stdout.contains("Rollout web/r") && run.stdout.contains("no container with an image"),
        "{}",
        run.stdout
    );
}

fn run_bare(arguments: &[&str]) -> Run {
    run(&mut command(arguments), "")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_without_images_is_no_pass_but_its_own_number() {
    let world = World::new().await;
    let typo = deployment("typo", "x").replace("containers:", "container:");
    let good = deployment("good", &world.image("node:21"));
    let json = [&["check", "-f", "-", "-o", "json"][..], &ON_Z].concat();
    let run = world.run_with(&json, &format!("{typo}---\n{good}")).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let report = report(&run);
    assert_eq!(
        report["summary"],
        json!({"workloads": 2, "portable": 1, "runnable": 1, "failing": 0, "undecided": 0, "images": 1, "withoutImages": 1})
    );
    assert_eq!(report["passed"], true);
    let table = [&["check", "-f", "-"][..], &ON_Z].concat();
    let run = world.run_with(&table, &typo).await;
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stdout.contains("1 without images"), "{}", run.stdout);
    assert!(
        run.stderr
            .contains("no workload has a container with an image"),
        "{}",
        run.stderr
    );
    assert!(
        run.stdout.lines().last().unwrap().starts_with("FAIL"),
        "{}",
        run.stdout
    );
    let empty = [&table[..], &["--allow-empty"]].concat();
    let run = world.run_with(&empty, &typo).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_with_errors_never_looks_whole() {
    let world = World::new().await;
    let good = deployment("good", &world.image("node:21"));
    let arguments = [&["check", "-f", "-", "-o", "json"][..], &ON_Z].concat();
    let run = world
        .run_with(&arguments, &format!("{good}---\nkind: [\n"))
        .await;
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    let report = report(&run);
    assert_eq!(report["passed"], false);
    let errors = report["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0]["source"].as_str().unwrap().starts_with("stdin:"),
        "{errors:?}"
    );
    assert!(!errors[0]["problem"].as_str().unwrap().is_empty());
    assert_eq!(
        (&report["scope"], &report["level"]),
        (&json!("files"), &json!("portable"))
    );
    assert_eq!(report["tool"]["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_recognised_and_those_without_objects_passed_over_in_directories() {
    let world = World::new().await;
    let folder = world.folder.path().join("chart");
    std::fs::create_dir(&folder).unwrap();
    let file = world.write("chart/a.yaml", &deployment("a", &world.image("node:21")));
    let values = world.write("chart/values.yaml", "image: {tag: v1}\n");
    world.write("chart/Chart.yaml", "name: c\nversion: 1.0.0\n");
    let folder = folder.to_str().unwrap();
    for (arguments, code, said) in [
        (vec!["check", &file], 0, ""),
        (
            vec!["check", folder],
            0,
            "2 files without Kubernetes objects",
        ),
        (
            vec!["check", "-f", folder],
            0,
            "2 files without Kubernetes objects",
        ),
        (
            vec!["check", &values],
            2,
            "values.yaml:1: expected a Kubernetes object",
        ),
        (
            vec!["check", "./no/such.yaml"],
            2,
            "./no/such.yaml: No such file",
        ),
    ] {
        let run = world.run(&[&arguments[..], &ON_Z].concat()).await;
        assert_eq!(
            run.code,
            Some(code),
            "{arguments:?}: {}{}",
            run.stdout,
            run.stderr
        );
        assert!(run.stderr.contains(said), "{arguments:?}: {}", run.stderr);
    }
    world.write(
        "chart/t.yaml",
        "{{- if .Values.x }}\nkind: Pod\n{{- end }}\n",
    );
    let run = world.run(&[&["check", folder][..], &ON_Z].concat()).await;
    assert_eq!(run.code, Some(2));
    assert!(
        run.stderr.contains("t.yaml:1") && run.stderr.contains("helm template"),
        "{}",
        run.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_line_says_pass_or_fail_at_which_level_and_where() {
    let world = World::new().await;
    let (whole, lacking, absent) = (
        world.image("node:21"),
        world.image("node:22"),
        world.image("absent:1"),
    );
    let both = ["--platform", "linux/amd64,linux/s390x"];
    for (images, level, expected) in [
        (
            vec![&*whole],
            "portable",
            "PASS at level portable: 1 of 1 image, on linux/amd64, linux/s390x",
        ),
        (
            vec![&whole, &lacking],
            "portable",
            "FAIL at level portable: 1 of 2 images fails on linux/s390x",
        ),
        (
            vec![&lacking],
            "runnable",
            "PASS at level runnable: 1 of 1 image, on linux/amd64",
        ),
        (
            vec![&absent],
            "runnable",
            "FAIL at level runnable: 1 of 1 image undecided, on linux/amd64, linux/s390x",
        ),
    ] {
        for format in ["table", "wide"] {
            let arguments = [
                &["check", "-o", format, "--level", level][..],
                &images,
                &both,
            ]
            .concat();
            let run = world.run(&arguments).await;
            assert_eq!(run.stdout.lines().last(), Some(expected), "{}", run.stdout);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_image_is_one_row_however_it_is_spelled_and_a_digest_another() {
    let world = World::new().await;
    world.write(
        "config.yaml",
        "registries: [{host: docker.io, blocked: true}]\n",
    );
    let digest = format!("node:22@sha256:{}", "a".repeat(64));
    let arguments = [
        "check",
        "node:22",
        "docker.io/library/node:22",
        "index.docker.io/node:22",
        &digest,
    ];
    let run = world.run(&[&arguments[..], &ON_Z].concat()).await;
    let rows = run
        .stdout
        .lines()
        .skip_while(|line| !line.starts_with("IMAGE"));
    let rows: Vec<&str> = rows.skip(1).take_while(|line| !line.is_empty()).collect();
    assert_eq!(rows.len(), 2, "{}", run.stdout);
    assert!(
        run.stdout.contains("\n4 workloads, 2 images"),
        "{}",
        run.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_without_a_namespace_get_that_of_the_kube_context() {
    let world = World::new().await;
    let kubeconfig = world.write(
        "kubeconfig",
        "{apiVersion: v1, kind: Config, current-context: a, clusters: [], users: [], contexts: [\
         {name: a, context: {cluster: c, user: u, namespace: shop}},\
         {name: b, context: {cluster: c, user: u}}]}",
    );
    let file = world.write(
        "pod.yaml",
        &format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{generateName: gen-}}\n\
             spec: {{containers: [{{name: c, image: '{}'}}]}}\n",
            world.image("node:21")
        ),
    );
    for (flags, namespace) in [
        (vec![], "shop"),
        (vec!["--context", "b"], "default"),
        (vec!["-n", "web"], "web"),
    ] {
        let arguments = [
            "check",
            "-f",
            &file,
            "-o",
            "json",
            "--kubeconfig",
            &kubeconfig,
        ];
        let run = world.run(&[&arguments[..], &flags, &ON_Z].concat()).await;
        let workload = &report(&run)["workloads"][0];
        assert_eq!(workload["namespace"], namespace, "{flags:?}");
        assert_eq!(workload["name"], "gen-");
    }
    let run = world.run(&["check", "app", "-n", "Prod!"]).await;
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("lower-case"), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_without_nodes_is_named() {
    let world = World::new().await;
    let empty = world.write("failed.json", "");
    let run = world.run(&["check", "node:22", "--snapshot", &empty]).await;
    assert_eq!(run.code, Some(2), "{}", run.stdout);
    assert!(
        run.stderr.contains("failed.json has no Node"),
        "{}",
        run.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_fit_the_width_that_columns_says() {
    let world = World::new().await;
    let (image, config) = (world.image("node:22"), world.path("config.yaml"));
    for arguments in [
        &[
            "check",
            "-o",
            "wide",
            "--platform",
            "amd64,amd64=cri-o,s390x,s390x=docker",
        ][..],
        &["inspect"],
    ] {
        let run = tokio::task::block_in_place(|| {
            let arguments = [arguments, &[&*image, "--config", &config]].concat();
            run(command(&arguments).env("COLUMNS", "80"), "")
        });
        // Lines of text, such as those with labels, are wrapped by the terminal.
        let lines = run.stdout.lines();
        let tables = lines.filter(|line| line.contains("   ") && !line.contains(": "));
        for line in tables {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inspection_says_of_each_thing_once_and_fails_in_its_format() {
    let world = World::new().await;
    let run = world.run(&["inspect", &world.image("node:21")]).await;
    let rows = run.stdout.lines().filter(|line| line.contains("supported"));
    let rows: Vec<&str> = rows.collect();
    assert_eq!(rows.len(), 2, "{}", run.stdout);
    assert!(
        rows.iter().all(|row| row.contains("   all   ")),
        "{}",
        run.stdout
    );
    let run = world
        .run(&["inspect", &world.image("absent:1"), "-o", "json"])
        .await;
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.stderr.starts_with("error: "), "{}", run.stderr);
    let failure: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(failure["reason"], "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_prints_what_is_known_and_says_that_it_is_partial() {
    let world = World::new().await;
    world.registry.misbehave("/v2/absent", Fault::Silence);
    let (known, silent) = (world.image("node:21"), world.image("absent:1"));
    let workloads = [deployment("silent", &silent), deployment("known", &known)];
    let workloads = world.write("workloads.yaml", &workloads.join("---\n"));
    let check = ["check", "-f", &workloads];
    let audit = [
        "audit",
        "--snapshot",
        &workloads,
        "--snapshot",
        &world.path("nodes.yaml"),
    ];
    for (arguments, partial) in [
        (&check[..], "interrupted: 1 of 2 were checked"),
        (&audit, "interrupted: 1 were checked"),
    ] {
        let report = interrupted(&world, arguments).await;
        assert_eq!(report["partial"], json!([partial]));
        assert_eq!(report["passed"], false);
        assert_eq!(report["workloads"][0]["name"], "known");
    }
}

/// What a run prints that is interrupted once it knows all that it will.
async fn interrupted(world: &World, arguments: &[&str]) -> Value {
    let before = world.registry.requests().len();
    let config = world.path("config.yaml");
    let arguments = [arguments, &["--config", &config, "-o", "json"], &ON_Z].concat();
    let child = command(&arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    world.registry.requested(before + 2).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let output = tokio::task::block_in_place(|| {
        let id = child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &id])
                .status()
                .unwrap()
                .success()
        );
        child.wait_with_output().unwrap()
    });
    assert_eq!(output.status.code(), Some(3));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_is_found_where_one_works_or_where_the_environment_says() {
    let world = World::new().await;
    let image = world.image("node:21");
    world.write(
        "archmatch.yaml",
        &std::fs::read_to_string(world.path("config.yaml")).unwrap(),
    );
    let arguments = [&["check", &*image][..], &ON_Z].concat();
    let (here, named, bare) = tokio::task::block_in_place(|| {
        let here = run(command(&arguments).current_dir(world.folder.path()), "");
        let named = run(
            command(&arguments).env("ARCHMATCH_CONFIG", world.path("config.yaml")),
            "",
        );
        (here, named, run_bare(&arguments))
    });
    assert_eq!(
        (here.code, named.code, bare.code),
        (Some(0), Some(0), Some(3)),
        "{}{}",
        here.stderr,
        named.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_helper_that_fails_is_named() {
    let world = World::new().await;
    world.registry.require_basic(&[("ada", "smash")]);
    world.write("config.json", r#"{"credsStore": "absent-helper"}"#);
    let (image, config) = (world.image("node:21"), world.path("config.yaml"));
    let arguments = [&["check", &*image, "--config", &config][..], &ON_Z].concat();
    let run = tokio::task::block_in_place(|| {
        run(
            command(&arguments).env("DOCKER_CONFIG", world.folder.path()),
            "",
        )
    });
    assert_eq!(run.code, Some(3), "{}", run.stdout);
    let said = run.stderr.contains("absent-helper") && run.stderr.contains("could not be started");
    assert!(said, "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn images_may_be_listed_in_a_file_and_colours_asked_for() {
    let world = World::new().await;
    let text = format!(
        "# images\n\n {} \n{}\n",
        world.image("node:21"),
        world.image("node:22")
    );
    let list = world.write("images.txt", &text);
    for (from, input) in [(list.as_str(), ""), ("-", text.as_str())] {
        let arguments = [&["check", "--images-from", from, "-o", "json"][..], &ON_Z].concat();
        let run = world.run_with(&arguments, input).await;
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        assert_eq!(report(&run)["workloads"].as_array().unwrap().len(), 2);
    }
    let absent = [&["check", "--images-from", "/no/list"][..], &ON_Z].concat();
    assert_eq!(world.run(&absent).await.code, Some(2));
    for (color, coloured) in [("always", true), ("auto", false), ("never", false)] {
        let arguments = [
            &["check", "--images-from", &list, "--color", color][..],
            &ON_Z,
        ]
        .concat();
        let run = world.run(&arguments).await;
        assert_eq!(run.stdout.contains('\u{1b}'), coloured, "{color}");
    }
}
