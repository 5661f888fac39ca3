//! `archmatch fix` as far as registries and files decide it.

use std::fs;

use super::{World, deployment};
use crate::support::command::Run;

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
    let only = crate::support::registry::index([crate::support::registry::manifest("linux/amd64")]);
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
    let only = crate::support::registry::index([crate::support::registry::manifest("linux/amd64")]);
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
