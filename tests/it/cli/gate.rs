//! `archmatch gate`, as an update bot or a pipeline runs it.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::live::{api, kubeconfig, status};
use super::{NODES, World, deployment};
use crate::support::command::{Run, run};
use crate::support::registry::{FakeRegistry, Fault, index, manifest};

/// The same nodes, with a taint on the only one of s390x that takes pods.
const TAINTED: &str = "\
apiVersion: v1
kind: Node
metadata: {name: a1}
status: {nodeInfo: {operatingSystem: linux, architecture: amd64, containerRuntimeVersion: 'containerd://2.1.4'}}
---
apiVersion: v1
kind: Node
metadata: {name: z1}
spec: {taints: [{key: dedicated, value: db, effect: NoSchedule}]}
status: {nodeInfo: {operatingSystem: linux, architecture: s390x, containerRuntimeVersion: 'cri-o://1.33.1'}}
";

async fn world() -> World {
    let world = World::new().await;
    world.registry.push("plain:1", &manifest("linux/amd64"));
    world.registry.push("empty:1", &index([]));
    world.write("tainted.yaml", TAINTED);
    let (_, cordoned) = NODES.rsplit_once("---\n").unwrap();
    world.write("cordoned.yaml", cordoned);
    world.write("shop.yaml", &deployment("shop", "node:22"));
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn every_result_has_its_exit_code_and_one_line_an_image() {
    let world = world().await;
    let image = |name: &str| world.image(name);
    let (whole, lacking) = (image("node:21"), image("node:22"));
    let (plain, empty, absent) = (image("plain:1"), image("empty:1"), image("absent:1"));
    let invalid = "UPPER case";
    // Images, exit code, and for each line how it begins and what else is in it.
    type Row<'a> = (&'a [&'a str], i32, &'a [(&'a str, &'a str)]);
    let rows: [Row<'_>; 9] = [
        (&[&whole], 0, &[("PASS", "linux/amd64, linux/s390x")]),
        (&[&lacking], 1, &[("FAIL", "no manifest for linux/s390x")]),
        (&[&plain], 1, &[("FAIL", "not for linux/s390x")]),
        (&[&empty], 1, &[("FAIL", "for linux/amd64, linux/s390x")]),
        (
            &[invalid],
            1,
            &[("FAIL", "linux/amd64, linux/s390x (InvalidImageName)")],
        ),
        (
            &[&absent],
            3,
            &[("UNDECIDED", "linux/amd64, linux/s390x (not-found)")],
        ),
        (&[&whole, &absent], 3, &[("PASS", ""), ("UNDECIDED", "")]),
        (
            &[&absent, &lacking, &whole],
            1,
            &[("UNDECIDED", ""), ("FAIL", ""), ("PASS", "")],
        ),
        (&[&whole, &whole], 0, &[("PASS", "")]),
    ];
    for (images, code, expected) in rows {
        let asked = ["--platform", "linux/amd64,s390x"];
        let run = world.run(&[&["gate"], images, &asked].concat()).await;
        assert_eq!(
            run.code,
            Some(code),
            "{images:?} {}{}",
            run.stdout,
            run.stderr
        );
        assert_eq!(run.stderr, "", "{images:?}");
        let lines: Vec<&str> = run.stdout.lines().collect();
        assert_eq!(lines.len(), expected.len(), "{images:?} {}", run.stdout);
        for ((line, image), (begins, contains)) in lines.iter().zip(images).zip(expected) {
            assert!(
                line.starts_with(begins) && line.contains(contains),
                "{line}"
            );
            assert!(line.contains(image) && line.len() <= 400, "{line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_judged_is_usage_and_says_what_is_missing() {
    let world = world().await;
    let image = world.image("node:21");
    let comments = world.write("images.txt", "# none\n\n");
    let (cordoned, shop) = (world.path("cordoned.yaml"), world.path("shop.yaml"));
    let absent = world.path("absent.yaml");
    let rows: [(&[&str], &str); 10] = [
        (&["--platform", "s390x"], "no image"),
        (&["", "--platform", "s390x"], "IMAGE"),
        (
            &["--images-from", &comments, "--platform", "s390x"],
            "no image",
        ),
        (
            &["--images-from", &absent, "--platform", "s390x"],
            "absent.yaml",
        ),
        (&[&image], "no platform: name them by --platform"),
        (
            &[&image, "--platform", "s390"],
            "the nearest is linux/s390x",
        ),
        (
            &[&image, "--platform", "s390x", "--platforms-from-cluster"],
            "cannot be used with",
        ),
        (&[&image, "--snapshot", &absent], "absent.yaml"),
        (&[&image, "--snapshot", &shop], "shop.yaml has no Node"),
        (&[&image, "--snapshot", &cordoned], "nodes.countCordoned"),
    ];
    for (arguments, words) in rows {
        let run = world.run(&[&["gate"], arguments].concat()).await;
        assert_eq!(
            run.code,
            Some(2),
            "{arguments:?} {}{}",
            run.stdout,
            run.stderr
        );
        assert!(run.stderr.contains(words), "{arguments:?}: {}", run.stderr);
        assert_eq!(run.stdout, "", "{arguments:?}");
    }
    let both = ["gate", "--images-from", "-", "--snapshot", "-"];
    let run = world.run(&both).await;
    assert_eq!(run.code, Some(2), "{}", run.stdout);
    assert!(run.stderr.contains("once only"), "{}", run.stderr);
    assert!(world.registry.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn taints_aside_every_platform_of_the_cluster_counts() {
    let world = world().await;
    let lacking = world.image("node:22");
    let tainted = world.path("tainted.yaml");
    for flags in [
        &["--snapshot"][..],
        &["--platforms-from-cluster", "--snapshot"],
    ] {
        let run = world
            .run(&[&["gate", &lacking], flags, &[&tainted]].concat())
            .await;
        assert_eq!(run.code, Some(1), "{}{}", run.stdout, run.stderr);
        assert!(run.stdout.contains("linux/s390x"), "{}", run.stdout);
    }
    // Cordoned nodes count where the configuration says so.
    let (cordoned, host) = (world.path("cordoned.yaml"), world.registry.host());
    world.write(
        "config.yaml",
        &format!(
            "registries: [{{host: '{host}', plainHttp: true, addresses: any}}]\n\
             nodes: {{countCordoned: true}}\n"
        ),
    );
    let run = world
        .run(&["gate", &lacking, "--snapshot", &cordoned])
        .await;
    assert_eq!(run.code, Some(1), "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("linux/s390x"), "{}", run.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platforms_are_those_of_the_live_cluster() {
    let world = world().await;
    let node = |name: &str, architecture: &str| {
        json!({"metadata": {"name": name, "uid": name, "resourceVersion": "1", "labels": {}},
            "spec": {"taints": [{"key": "dedicated", "effect": "NoExecute"}]},
            "status": {"nodeInfo": {"operatingSystem": "linux", "architecture": architecture,
                "containerRuntimeVersion": "containerd://2.1.4"}}})
    };
    let nodes = json!({"apiVersion": "v1", "kind": "NodeList", "metadata": {"resourceVersion": "1"},
        "items": [node("a1", "amd64"), node("z1", "s390x")]});
    let groups = json!({"apiVersion": "v1", "kind": "APIGroupList", "groups": []});
    let address = api(move |path| match path.split('?').next().unwrap() {
        "/api/v1/nodes" if path.contains("watch") => None,
        "/api/v1/nodes" => Some((200, nodes.to_string())),
        "/apis" | "/apis/" => Some((200, groups.to_string())),
        _ => status(403, "Forbidden", "forbidden: User \"dev\" cannot list it"),
    });
    let config = kubeconfig(&world, address);
    for (tag, code) in [("node:21", 0), ("node:22", 1)] {
        let image = world.image(tag);
        let asked = [
            "gate",
            &image,
            "--platforms-from-cluster",
            "--kubeconfig",
            &config,
        ];
        let run = world.run(&asked).await;
        assert_eq!(run.code, Some(code), "{}{}", run.stdout, run.stderr);
        assert!(run.stdout.contains("linux/s390x"), "{}", run.stdout);
        assert_eq!(run.stdout.lines().count(), 1, "{}", run.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn images_come_from_a_list_and_answers_keep_its_order() {
    let world = world().await;
    let many: Vec<String> = (0..40)
        .map(|number| {
            let name = format!("many/app{number}:1");
            world.registry.push(&name, &manifest("linux/s390x"));
            world.image(&name)
        })
        .collect();
    let list = format!("# all\n{}\n\n", many.join("\n"));
    let asked = [
        "gate",
        &many[7],
        "--images-from",
        "-",
        "--platform",
        "s390x",
    ];
    let run = world.run_with(&asked, &list).await;
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    let first = [&many[7]].into_iter();
    let others = many.iter().filter(|image| **image != many[7]);
    let expected: Vec<String> = first
        .chain(others)
        .map(|image| format!("PASS {image} is published for linux/s390x"))
        .collect();
    assert_eq!(run.stdout.lines().collect::<Vec<_>>(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn registries_that_are_silent_are_given_up_in_time() {
    let world = world().await;
    // Each of them alone is given up after five seconds.
    let mirrors = [FakeRegistry::start().await, FakeRegistry::start().await];
    world.registry.misbehave("GET /v2/node", Fault::Silence);
    for mirror in &mirrors {
        mirror.misbehave("GET /v2/", Fault::Silence);
    }
    let [first, second] = mirrors.each_ref().map(FakeRegistry::host);
    let host = world.registry.host();
    world.write(
        "config.yaml",
        &format!(
            "registries:\n\
             - {{host: '{host}', plainHttp: true, addresses: any, mirrors: ['{first}', '{second}']}}\n\
             - {{host: '{first}', plainHttp: true, addresses: any}}\n\
             - {{host: '{second}', plainHttp: true, addresses: any}}\n"
        ),
    );
    let image = world.image("node:21");
    for (timeout, within) in [("1s", 3), ("2m", 12)] {
        let started = Instant::now();
        let asked = ["gate", &image, "--platform", "s390x", "--timeout", timeout];
        let run = world.run(&asked).await;
        let took = started.elapsed();
        assert_eq!(run.code, Some(3), "{}{}", run.stdout, run.stderr);
        assert!(
            run.stdout.contains("linux/s390x (timeout)"),
            "{}",
            run.stdout
        );
        assert!(took < Duration::from_secs(within), "{timeout}: {took:?}");
    }
}

/// The blocks of `docs/gate.md` in a language, in their order.
fn blocks(language: &str) -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/gate.md");
    let page = std::fs::read_to_string(page).unwrap();
    let fence = format!("```{language}\n");
    let starts = page.split(&fence).skip(1);
    let ends = starts.map(|rest| rest.split("\n```").next().unwrap().to_owned());
    ends.collect()
}

/// Runs a command of the page as a shell does, in the world's folder.
async fn shell(world: &World, script: &str) -> Run {
    let folder = world.folder.path().to_owned();
    let script = script.to_owned();
    let binary = Path::new(env!("CARGO_BIN_EXE_archmatch"));
    let own = binary.parent().unwrap().display().to_string();
    let search = format!("{own}:{}", std::env::var("PATH").unwrap());
    tokio::task::spawn_blocking(move || {
        let mut command = Command::new("sh");
        command.args(["-c", &script]).current_dir(&folder);
        command.env("PATH", search);
        command.env("ARCHMATCH_CONFIG", folder.join("config.yaml"));
        command.env("HOME", &folder);
        run(&mut command, "")
    })
    .await
    .unwrap()
}

/// The commands of the bots' recipes, for a tag of `node` in the world's registry.
fn commands(world: &World, tag: &str) -> Vec<String> {
    let repository = world.image("node");
    let renovate: Value = serde_json::from_str(&blocks("json")[0]).unwrap();
    let renovate = renovate["packageRules"][0]["postUpgradeTasks"]["commands"][0].clone();
    let renovate = renovate.as_str().unwrap();
    let renovate = renovate.replace("{{{depName}}}", &repository);
    let yaml =
        |position: usize| -> Value { serde_saphyr::from_str(&blocks("yaml")[position]).unwrap() };
    let updatecli = yaml(0)["conditions"]["platforms"]["spec"]["command"].clone();
    let updatecli = updatecli
        .as_str()
        .unwrap()
        .replace("{{ source \"node\" }}", tag);
    let hook = yaml(2)["spec"]["template"]["spec"]["containers"][0]["args"].clone();
    let hook: Vec<String> = serde_json::from_value(hook).unwrap();
    let hook = format!(
        "archmatch {}",
        hook.join(" ").replace("node:22", &format!("node:{tag}"))
    );
    vec![
        renovate.replace("{{{newValue}}}", tag),
        updatecli.replace("gate node:", &format!("gate {repository}:")),
        hook.replace("gate node:", &format!("gate {repository}:")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recipes_of_bots_stop_what_lacks_a_platform_and_nothing_else() {
    let world = world().await;
    for (tag, code, said) in [("21", 0, "PASS"), ("22", 1, "FAIL"), ("23", 3, "UNDECIDED")] {
        for command in commands(&world, tag) {
            let run = shell(&world, &command).await;
            assert_eq!(
                run.code,
                Some(code),
                "{command}\n{}{}",
                run.stdout,
                run.stderr
            );
            let shown = match command.ends_with(">&2") {
                true => &run.stderr,
                false => &run.stdout,
            };
            assert!(shown.starts_with(said), "{command}\n{shown}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_for_pull_requests_judges_the_images_that_they_bring() {
    let world = world().await;
    let [script] = &blocks("sh")[..] else {
        panic!("one script is expected");
    };
    let prepare = "git init -q -b main . && git config user.name a && git config user.email a@b.c \
                   && git add shop.yaml && git commit -qm one \
                   && git update-ref refs/remotes/origin/main HEAD && git checkout -qb update";
    let prepared = shell(&world, prepare).await;
    assert_eq!(prepared.code, Some(0), "{}", prepared.stderr);
    let (whole, lacking) = (world.image("node:21"), world.image("node:22"));
    for (lines, code, said) in [
        (
            format!("  - image: \"{whole}\""),
            0,
            format!("PASS {whole} "),
        ),
        (
            format!("    image: {lacking} # {{\"$imagepolicy\": \"flux-system:node\"}}"),
            1,
            format!("FAIL {lacking} "),
        ),
        ("replicas: 2".to_owned(), 0, String::new()),
    ] {
        world.write("shop.yaml", &format!("# {code}\n{lines}\n"));
        let commit = "git commit -qam two && git show --stat HEAD";
        assert_eq!(shell(&world, commit).await.code, Some(0));
        let run = shell(&world, script).await;
        assert_eq!(
            run.code,
            Some(code),
            "{lines}\n{}{}",
            run.stdout,
            run.stderr
        );
        assert!(run.stdout.starts_with(&said), "{lines}\n{}", run.stdout);
        assert_eq!(run.stdout.is_empty(), said.is_empty(), "{}", run.stdout);
    }
}
