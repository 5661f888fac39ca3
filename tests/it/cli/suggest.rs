//! `--suggest`, pins, and denials that name another tag.

use serde_json::{Value, json};

use super::World;
use super::webhook::Webhook;
use crate::support::registry::{index, manifest};

const PLATFORMS: [&str; 2] = ["--platform", "linux/amd64,linux/s390x"];

/// A world in which `node:22-trixie` has what `node:22` lacks.
async fn world() -> World {
    let world = World::new().await;
    let both = index([
        manifest("linux/amd64").annotated("about", "trixie"),
        manifest("linux/s390x")
            .annotated("org.opencontainers.image.created", "2026-06-02T10:00:00Z"),
    ]);
    world.registry.push("node:22-trixie", &both);
    world
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tag_is_suggested_where_that_is_asked_for_and_only_there() {
    let world = world().await;
    let (asked, instead) = (world.image("node:22"), world.image("node:22-trixie"));
    let check = ["check", &asked, PLATFORMS[0], PLATFORMS[1]];
    let plain = world.run(&[&check[..], &["-o", "json"]].concat()).await;
    assert_eq!(plain.code, Some(1), "{}", plain.stderr);
    let image = &parsed(&plain.stdout)["workloads"][0]["images"][0];
    assert_eq!(image.get("suggestions"), None);
    assert_eq!(
        world.registry.take_requests(),
        ["GET /v2/node/manifests/22"]
    );

    let run = world.run(&[&check[..], &["--suggest"]].concat()).await;
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let line = format!("    use instead: {instead} (the same version, on trixie");
    let lines = run.stdout.lines().filter(|one| one.starts_with(&line));
    assert_eq!(lines.count(), 1, "{}", run.stdout);
    assert!(run.stdout.contains("; built 2026-06-02)"), "{}", run.stdout);

    let run = world
        .run(&[&check[..], &["--suggest", "-o", "json"]].concat())
        .await;
    let report = parsed(&run.stdout);
    let suggestion = &report["workloads"][0]["images"][0]["suggestions"][0];
    assert_eq!(suggestion["image"], json!(instead));
    assert_eq!(suggestion["change"], "flavour");
    assert_eq!(
        suggestion["platforms"],
        json!(["linux/amd64", "linux/s390x"])
    );
    assert_eq!(suggestion["created"], "2026-06-02T10:00:00Z");
    let fix = &report["findings"][0]["fixes"][0];
    assert_eq!(
        (&fix["type"], &fix["new"]),
        (&json!("retag"), &json!(instead))
    );

    let inspect = ["inspect", &asked, PLATFORMS[0], PLATFORMS[1], "--suggest"];
    let run = world.run(&inspect).await;
    assert!(run.stdout.contains(&instead), "{}", run.stdout);
    let run = world.run(&[&inspect[..], &["-o", "json"]].concat()).await;
    assert_eq!(
        parsed(&run.stdout)["suggestions"][0]["image"],
        json!(instead)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_suggests_as_well() {
    let world = world().await;
    let asked = world.image("node:22");
    let workloads = world.write(
        "workloads.yaml",
        &format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: a, namespace: web}}, \
              spec: {{containers: [{{name: web, image: '{asked}'}}]}}}}\n"
        ),
    );
    let nodes = world.path("nodes.yaml");
    let sources = ["--snapshot", &nodes, "--snapshot", &workloads];
    let run = world
        .run(&[&["audit", "--suggest", "-o", "json"], &sources[..]].concat())
        .await;
    let report = parsed(&run.stdout);
    let fix = &report["findings"][0]["fixes"][0];
    assert_eq!(fix["path"], "spec.containers[web].image", "{report}");
    assert_eq!(fix["new"], json!(world.image("node:22-trixie")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_of_one_platform_is_told_from_that_of_the_index() {
    let world = world().await;
    let document = index([
        manifest("linux/amd64").annotated("about", "pins"),
        manifest("linux/s390x").annotated("about", "pins"),
    ]);
    world.registry.push("app:1", &document);
    let (child, whole) = (document.children()[0].digest(), document.digest());
    let repin = |report: &Value| {
        let findings = report["findings"].as_array().unwrap().clone();
        let pins = findings
            .into_iter()
            .filter(|one| one["rule"] == "pinned-to-one-platform");
        let fixes = pins.map(|one| one["fixes"][0]["new"].as_str().unwrap().to_owned());
        fixes.collect::<Vec<String>>()
    };
    let pinned = world.image(&format!("app@{child}"));
    let both = world.image(&format!("app:1@{child}"));
    let to_index = world.image(&format!("app:1@{whole}"));
    let tagged = world.image("app:1");
    for (arguments, expected) in [
        // By digest alone, where the same run sees the index.
        (vec![&pinned, &tagged], vec![&to_index]),
        (vec![&pinned], vec![]),
        // By tag and digest, with a look at the tag.
        (vec![&both], vec![]),
        (vec![&to_index, &tagged], vec![]),
    ] {
        let names: Vec<&str> = arguments.iter().map(|name| name.as_str()).collect();
        let check = ["check", "--platform", "linux/amd64", "-o", "json"];
        let run = world.run(&[&check[..], &names].concat()).await;
        let found = repin(&parsed(&run.stdout));
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{names:?}");
    }
    let check = [
        "check",
        "--platform",
        "linux/amd64",
        "-o",
        "json",
        "--suggest",
    ];
    let run = world.run(&[&check[..], &[&both]].concat()).await;
    assert_eq!(repin(&parsed(&run.stdout)), [to_index.as_str()]);
    // It is one finding where both ways lead to it.
    let run = world.run(&[&check[..], &[&both, &tagged]].concat()).await;
    assert_eq!(repin(&parsed(&run.stdout)), [to_index]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_maintainers_are_asked_by_those_who_look_for_tags() {
    let world = world().await;
    let run = world
        .run(&[
            "check",
            "--ask-maintainers",
            "--platform",
            "s390x",
            "node:22",
        ])
        .await;
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("--suggest"), "{}", run.stderr);
}

/// What another workload uses is known; nothing is asked for the sake of a suggestion.
#[tokio::test(flavor = "multi_thread")]
async fn a_denial_names_another_tag_where_one_is_known_and_asks_for_none() {
    let world = world().await;
    let webhook = Webhook::start(&world);
    let (asked, instead) = (world.image("node:22"), world.image("node:22-trixie"));
    let message = |response: &Value| response["status"]["message"].as_str().unwrap().to_owned();
    let before = webhook.review(&asked).await;
    assert_eq!(before["allowed"], false);
    assert!(!message(&before).contains("trixie"), "{before}");
    assert_eq!(
        world.registry.take_requests(),
        ["GET /v2/node/manifests/22"]
    );
    assert!(webhook.admits(&instead).await);
    assert_eq!(
        world.registry.take_requests(),
        ["GET /v2/node/manifests/22-trixie"]
    );
    let after = webhook.review(&asked).await;
    let line = format!("or use {instead} (the same version, on trixie");
    assert!(message(&after).contains(&line), "{}", message(&after));
    assert_eq!(world.registry.take_requests(), [""; 0]);
}
