//! The recipes of `docs/ci.md`, as far as they are ours: each line that runs `archmatch` is
//! run, in a folder like that of a project.

use std::path::Path;

use serde_json::Value;

use super::{World, deployment};
use crate::support::command::{Run, command, run};

/// A folder with manifests that lack a platform, beside YAML that is none of Kubernetes.
async fn project() -> World {
    let world = World::new().await;
    std::fs::create_dir_all(world.folder.path().join("manifests/web")).unwrap();
    world.write(
        "manifests/web/shop.yaml",
        &deployment("shop", &world.image("node:22")),
    );
    world.write("manifests/values.yaml", "replicas: 2\n");
    world.write("cluster.json", super::NODES);
    world
}

async fn in_folder(world: &World, words: &[&str], input: &str) -> Run {
    let folder = world.folder.path().to_owned();
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let input = input.to_owned();
    tokio::task::spawn_blocking(move || {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = command(&words);
        command.current_dir(&folder);
        command.env("ARCHMATCH_CONFIG", folder.join("config.yaml"));
        command.env("GITHUB_STEP_SUMMARY", folder.join("summary.md"));
        run(&mut command, &input)
    })
    .await
    .unwrap()
}

/// The command lines of the page that check something, without what other programs do.
fn recipes() -> Vec<(String, bool)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci.md");
    let page = std::fs::read_to_string(page).unwrap();
    let lines = page.lines().map(str::trim_start);
    let commands = lines.filter_map(|line| {
        let starts = ["$ ", "- run: ", "- "];
        starts
            .into_iter()
            .find_map(|start| line.strip_prefix(start))
    });
    let ours = commands.filter_map(|line| {
        let parts: Vec<&str> = line.split(" | ").collect();
        let own = parts
            .iter()
            .position(|part| part.starts_with("archmatch check "))?;
        Some((parts[own].to_owned(), own > 0))
    });
    ours.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recipe_finds_what_is_missing() {
    let world = project().await;
    let rendered = deployment("shop", &world.image("node:22"));
    let recipes = recipes();
    assert_eq!(recipes.len(), 7, "{recipes:#?}");
    for (line, reads_input) in recipes {
        if line.contains(" -k ") {
            // It needs kubectl, which the tests on the real cluster have.
            continue;
        }
        let words: Vec<&str> = line.split(' ').skip(1).collect();
        let input = if reads_input { rendered.as_str() } else { "" };
        let found = in_folder(&world, &words, input).await;
        assert_eq!(
            found.code,
            Some(1),
            "{line}\n{}{}",
            found.stdout,
            found.stderr
        );
    }
    let read = |name: &str| std::fs::read_to_string(world.path(name)).expect(name);
    let json = |name: &str| serde_json::from_str::<Value>(&read(name)).expect(name);
    assert_eq!(
        json("quality.json")[0]["location"]["path"],
        "manifests/web/shop.yaml"
    );
    let sarif = json("archmatch.sarif");
    let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "manifests/web/shop.yaml");
    assert!(read("junit.xml").contains("<failure type=\"missing-platform\""));
    assert!(
        read("summary.md").contains("| linux/s390x | 0 | 1 | 0 |"),
        "{}",
        read("summary.md")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hook_of_pre_commit_judges_the_whole_project() {
    let world = project().await;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(".pre-commit-hooks.yaml");
    let hooks: Value = serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let hook = &hooks[0];
    assert_eq!(
        (&hook["id"], &hook["pass_filenames"]),
        (&"archmatch".into(), &false.into())
    );
    let entry = hook["entry"].as_str().unwrap();
    let words: Vec<&str> = entry.split(' ').skip(1).collect();
    let own = ["--platform", "linux/amd64,linux/s390x"];
    let found = in_folder(&world, &[&words[..], &own].concat(), "").await;
    assert_eq!(found.code, Some(1), "{}{}", found.stdout, found.stderr);
    assert!(
        found.stdout.contains("manifests/web/shop.yaml:1"),
        "{}",
        found.stdout
    );
    std::fs::remove_dir_all(world.folder.path().join("manifests")).unwrap();
    std::fs::remove_file(world.path("nodes.yaml")).unwrap();
    std::fs::remove_file(world.path("cluster.json")).unwrap();
    let nothing = in_folder(&world, &[&words[..], &own].concat(), "").await;
    assert_eq!(
        nothing.code,
        Some(0),
        "{}{}",
        nothing.stdout,
        nothing.stderr
    );
}
