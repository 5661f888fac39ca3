//! `cache.file` of the configuration.

use std::time::Duration;

use archmatch::registry::CacheFile;
use serde_json::Value;

use super::World;
use super::webhook::Webhook;
use crate::support::cache::make_older;
use crate::support::registry::Fault;

/// A world whose configuration names a file.
async fn with_file() -> (World, CacheFile) {
    let world = World::new().await;
    let file = CacheFile::new(world.folder.path().join("cache"), 20_000);
    let path = file.path().display();
    let host = world.registry.host();
    let config = format!(
        "registries: [{{host: '{host}', plainHttp: true, addresses: any}}]\ncache: {{file: '{path}'}}\n"
    );
    world.write("config.yaml", &config);
    (world, file)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_file_answers_while_the_registry_is_down_and_says_how_old_that_is() {
    let (world, file) = with_file().await;
    let host = world.registry.host();
    let image = world.image("node:21");
    let check = ["check", &image, "--platform", "linux/s390x"];
    assert_eq!(world.run(&check).await.code, Some(0));

    world.registry.misbehave("/v2/", Fault::Status(503));
    let soon = world.run(&[&check[..], &["-o", "json"]].concat()).await;
    assert_eq!((soon.code, soon.stderr.as_str()), (Some(0), ""));
    assert!(!soon.stdout.contains("stale"), "{}", soon.stdout);

    make_older(&file, Duration::from_secs(7200));
    let late = world.run(&[&check[..], &["-o", "json"]].concat()).await;
    assert_eq!(late.code, Some(0), "{}", late.stderr);
    let report: Value = serde_json::from_str(&late.stdout).unwrap();
    let seconds = &report["workloads"][0]["images"][0]["staleSeconds"];
    assert!(seconds.as_u64().unwrap() >= 7200, "{seconds}");
    let doubt = format!("was judged by what {host} said 2h ago; it is unreachable now");
    for arguments in [
        &check[..],
        &["check", &image, "-o", "wide", "--platform", "linux/s390x"],
        &["inspect", &image],
    ] {
        let run = world.run(arguments).await;
        assert!(run.stdout.contains(&doubt), "{}", run.stdout);
    }

    std::fs::write(file.path(), "nothing of ours").unwrap();
    let without = world.run(&check).await;
    assert_eq!(without.code, Some(3), "nothing is believed");
    let lines = without
        .stderr
        .lines()
        .filter(|line| line.contains("cache file"));
    assert_eq!(lines.count(), 1, "{}", without.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_writes_the_file_when_it_is_stopped_and_reads_it_when_it_starts() {
    let (world, file) = with_file().await;
    let image = world.image("node:21");
    let webhook = Webhook::start(&world);
    assert!(webhook.admits(&image).await);
    webhook.terminate();
    assert_eq!(file.read().unwrap().answers.len(), 2);

    world.registry.misbehave("/v2/", Fault::Status(503));
    let webhook = Webhook::start(&world);
    assert!(webhook.admits(&image).await);
}
