//! `archmatch fix` as far as registries and files decide it.

use std::fs;

use super::{World, deployment};
use crate::support::command::Run;
use crate::support::registry::{index, manifest};

const ON_Z: [&str; 2] = ["--platform", "linux/s390x"];

async fn fix(world: &World, arguments: &[&str], input: &str) -> Run {
    world
        .run_with(&[&["fix"], arguments, &ON_Z].concat(), input)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_is_a_usage_error() {
    let world = World::new().await;
    let file = world.write("good.yaml", &deployment("good", &world.image("node:21")));
    let absent = world.path("absent.yaml");
    for (arguments, said) in [
        (vec!["--apply"], "--apply writes files"),
        (vec!["-f", "-", "--apply"], "standard input"),
        (vec!["-f", &file, "-f", "-", "--apply"], "standard input"),
        (vec!["-f", "-", "-f", "-"], "read once only"),
        (vec!["-f", &absent], "absent.yaml"),
        (vec!["-f", &file, "-f", &absent], "absent.yaml"),
        (vec!["-k", &absent], "absent.yaml"),
        (vec!["node:22"], "node:22 is no file"),
        (vec!["-f", &file, "--no-such-flag"], "--no-such-flag"),
    ] {
        let run = fix(&world, &arguments, "").await;
        assert_eq!(
            run.code,
            Some(2),
            "{arguments:?}\n{}{}",
            run.stdout,
            run.stderr
        );
        assert!(run.stderr.contains(said), "{arguments:?}\n{}", run.stderr);
        assert_eq!(run.stdout, "", "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_to_do_is_success_and_what_is_left_is_not() {
    let world = World::new().await;
    let good = world.write("good.yaml", &deployment("good", &world.image("node:21")));
    let bad = world.write("bad.yaml", &deployment("bad", &world.image("alone:1")));
    let only = index([manifest("linux/amd64")]);
    world.registry.push("alone:1", &only);
    let settings = world.write("settings.yaml", "apiVersion: v1\nkind: ConfigMap\n");
    let template = world.write("template.yaml", "{{ if .x }}\nkind: Pod\n{{ end }}\n");
    let broken = world.write("broken.yaml", "kind: [\n");
    let absent = world.write("other.yaml", &deployment("other", &world.image("absent:1")));
    let twice = deployment("twice", "a").replace("name: web,", "image: 'a', name: web,");
    let twice = world.write("twice.yaml", &twice);
    for (file, code, said) in [
        (&good, 0, ""),
        (&settings, 0, ""),
        (&bad, 1, "no fix: "),
        (&absent, 1, "no fix: "),
        (&template, 1, "has template expressions"),
        (&broken, 1, "left alone: "),
        (&twice, 1, "duplicate mapping key"),
    ] {
        let text = fs::read_to_string(file).unwrap();
        for apply in [&[][..], &["--apply"]] {
            let run = fix(&world, &[&["-f", file], apply].concat(), "").await;
            assert_eq!(run.code, Some(code), "{file}\n{}", run.stderr);
            assert_eq!(run.stdout, "", "{file}");
            assert!(run.stderr.contains(said), "{file}\n{}", run.stderr);
            let is_named = code == 0 || run.stderr.contains(file.as_str());
            assert!(is_named, "{file}\n{}", run.stderr);
        }
        assert_eq!(fs::read_to_string(file).unwrap(), text);
    }
    // A file without -f, and standard input.
    assert_eq!(fix(&world, &[&good], "").await.code, Some(0));
    let text = deployment("bad", &world.image("alone:1"));
    let run = fix(&world, &["-f", "-"], &text).await;
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("no fix: -:1: "), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_files_the_workloads_of_a_snapshot_are_looked_at() {
    let world = World::new().await;
    let nodes = world.path("nodes.yaml");
    let only = index([manifest("linux/amd64")]);
    world.registry.push("alone:1", &only);
    for (image, code, said) in [("node:21", 0, ""), ("alone:1", 1, "no fix: ")] {
        let workloads = world.write("w.yaml", &deployment("w", &world.image(image)));
        let arguments = ["fix", "--snapshot", &nodes, "--snapshot", &workloads];
        let run = world.run(&arguments).await;
        assert_eq!(run.code, Some(code), "{image}: {}", run.stderr);
        assert_eq!(run.stdout, "", "{image}");
        assert!(run.stderr.contains(said), "{image}: {}", run.stderr);
    }
}

/// Manifests of many shapes; `IMAGE` lacks a platform, `OTHER` as well.
fn shapes() -> Vec<(&'static str, String)> {
    let deployment = |image: &str| {
        format!(
            "# IMAGE stays in comments\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n\
             spec:\n  template:\n    spec:\n      containers:\n      - name: web\n        image: {image}\n"
        )
    };
    let pod = |containers: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers: {containers}\n"
        )
    };
    let of_kind = |group: &str, kind: &str, spec: &str| {
        format!("apiVersion: {group}\nkind: {kind}\nmetadata: {{name: w}}\nspec: {spec}\n")
    };
    let template = "{template: {spec: {containers: [{name: a, image: IMAGE}]}}}";
    let plain = deployment("IMAGE");
    vec![
        ("plain.yaml", plain.clone()),
        ("single.yaml", deployment("'IMAGE'")),
        ("double.yml", deployment("\"IMAGE\"   # why")),
        ("returns.yaml", plain.replace('\n', "\r\n")),
        ("unfinished.yaml", plain.trim_end().to_owned()),
        ("mark.yaml", format!("\u{feff}{plain}")),
        ("directive.yaml", format!("%YAML 1.2\n---\n{plain}...\n")),
        ("documents.yaml", format!("{plain}---\n{}---\n# end\n", deployment("OTHER"))),
        (
            "list.yaml",
            format!("apiVersion: v1\nkind: List\nitems:\n- {}\n", plain.trim_end().replace('\n', "\n  ")),
        ),
        (
            "object.json",
            r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "image": "IMAGE"}]}}"#.to_owned(),
        ),
        ("flow.yaml", pod("[{name: a, image: 'IMAGE'}, {name: b, image: \"OTHER\"}]")),
        ("anchor.yaml", pod("[{name: a, image: &i 'IMAGE'}, {name: b, image: *i}]")),
        ("merge.yaml", pod("[&c {name: a, image: 'IMAGE'}, {<<: *c, name: b}]")),
        ("folded.yaml", deployment(">-\n          IMAGE")),
        ("tagged.yaml", deployment("!!str IMAGE")),
        ("init.yaml", pod("[{name: a, image: 'IMAGE'}]\n  initContainers: [{name: i, image: 'OTHER'}]")),
        ("long.yaml", deployment(&format!("IMAGE # {}", "x".repeat(10_000)))),
        ("letters.yaml", deployment("IMAGE # ä 字 🦀")),
        ("set.yaml", of_kind("apps/v1", "StatefulSet", template)),
        ("daemon.yaml", of_kind("apps/v1", "DaemonSet", template)),
        ("job.yaml", of_kind("batch/v1", "Job", template)),
        ("cron.yaml", of_kind("batch/v1", "CronJob", &format!("{{jobTemplate: {{spec: {template}}}}}"))),
        ("pinned.yaml", deployment("PINNED")),
    ]
}

/// A world with two repositories, in each of which another tag has what one lacks.
async fn world_to_fix() -> (World, [(String, String); 3]) {
    let world = World::new().await;
    let both = |about: &str| {
        let platforms = ["linux/amd64", "linux/s390x"];
        index(platforms.map(|platform| manifest(platform).annotated("about", about)))
    };
    let single = index([manifest("linux/amd64")]);
    let pinned = both("pinned");
    for (name, document) in [
        ("node:22-trixie", &both("node")),
        ("redis:7-bookworm", &single),
        ("redis:7-trixie", &both("redis")),
        ("app:1", &pinned),
    ] {
        world.registry.push(name, document);
    }
    let child = pinned.children()[0].digest();
    let pairs = [
        ("node:22".to_owned(), "node:22-trixie".to_owned()),
        ("redis:7-bookworm".to_owned(), "redis:7-trixie".to_owned()),
        (
            format!("app:1@{child}"),
            format!("app:1@{}", pinned.digest()),
        ),
    ];
    let pairs = pairs.map(|(old, new)| (world.image(&old), world.image(&new)));
    (world, pairs)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_fix_a_check_passes_and_nothing_else_has_changed() {
    let (world, pairs) = world_to_fix().await;
    let folder = world.path("manifests");
    fs::create_dir(&folder).unwrap();
    let fill = |text: &str, new: bool| {
        let words = ["IMAGE", "OTHER", "PINNED"].into_iter().zip(&pairs);
        words.fold(text.to_owned(), |text, (word, (old, fixed))| {
            text.replace(word, if new { fixed } else { old })
        })
    };
    let shapes = shapes();
    assert!(shapes.len() >= 20);
    for (name, text) in &shapes {
        fs::write(format!("{folder}/{name}"), fill(text, false)).unwrap();
    }
    let platforms = ["--platform", "linux/amd64,linux/s390x"];
    let run = |arguments: Vec<String>| {
        let world = &world;
        async move {
            let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
            world.run(&words).await
        }
    };
    let command = |name: &str, more: &[&str]| {
        let words = [name, "-f", &folder].into_iter().chain(platforms);
        let words = words.chain(more.iter().copied());
        words.map(str::to_owned).collect::<Vec<String>>()
    };
    assert_eq!(run(command("check", &[])).await.code, Some(1));

    let shown = run(command("fix", &[])).await;
    assert_eq!(shown.code, Some(1), "{}", shown.stderr);
    assert!(shown.stdout.starts_with("--- a/"), "{}", shown.stdout);
    let lines = shown.stdout.lines();
    let changed = lines.filter(|line| line.starts_with('+') && !line.starts_with("+++"));
    assert!(changed.clone().count() >= shapes.len(), "{}", shown.stdout);

    let applied = run(command("fix", &["--apply"])).await;
    assert_eq!(
        (applied.code, applied.stdout.as_str()),
        (Some(0), ""),
        "{}",
        applied.stderr
    );
    for (name, text) in &shapes {
        let is_comment = "# IMAGE stays in comments";
        let expected = fill(&text.replace(is_comment, "# COMMENT"), true);
        let comment = format!("# {} stays in comments", pairs[0].0);
        let expected = expected.replace("# COMMENT", &comment);
        let now = fs::read_to_string(format!("{folder}/{name}")).unwrap();
        assert_eq!(now, expected, "{name}");
    }
    let check = run(command("check", &[])).await;
    assert_eq!(check.code, Some(0), "{}{}", check.stdout, check.stderr);
    let again = run(command("fix", &[])).await;
    assert_eq!(
        (again.code, again.stdout.as_str()),
        (Some(0), ""),
        "{}",
        again.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_files_a_workload_gets_a_patch() {
    let (world, pairs) = world_to_fix().await;
    let nodes = world.path("nodes.yaml");
    let workloads = world.write("w.yaml", &deployment("shop", &pairs[0].0));
    let arguments = ["fix", "--snapshot", &nodes, "--snapshot", &workloads];
    let run = world.run(&arguments).await;
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let expected = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: shop\n  \
                    namespace: web\nspec:\n  template:\n    spec:\n      containers:\n";
    assert!(run.stdout.contains(expected), "{}", run.stdout);
    assert!(run.stdout.contains(&pairs[0].1), "{}", run.stdout);
}
