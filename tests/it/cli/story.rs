//! What the log tells of a look-up.

use serde_json::Value;

use super::World;
use crate::support::command::{command, run};
use crate::support::registry::FakeRegistry;

/// The fields of each line at debug that tells of registries or the cache, without times.
fn story(log: &str, names: &[(String, &str)]) -> Vec<String> {
    let lines = log.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line).expect("a line of JSON");
        let fields = line["fields"].as_object()?;
        let text = |name: &str| {
            let value = fields.get(name)?;
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            Some(text)
        };
        let message = text("message")?;
        let of = line["target"].as_str()?.starts_with("archmatch::registry");
        let others = [
            "host",
            "method",
            "path",
            "status",
            "attempt",
            "is_anonymous",
            "reason",
        ];
        let others = others.iter().filter_map(|name| text(name));
        let told = [message].into_iter().chain(others).collect::<Vec<_>>();
        of.then(|| told.join(" "))
    });
    let named = |line: String| {
        let named = names.iter();
        named.fold(line, |line, (host, name)| line.replace(host, name))
    };
    lines.map(named).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_of_a_cold_look_up_can_be_told_from_the_log() {
    let world = World::new().await;
    let mirror = FakeRegistry::start().await;
    for registry in [&world.registry, &mirror] {
        registry.require_token(&[]);
    }
    let (own, other) = (world.registry.host(), mirror.host());
    world.write(
        "config.yaml",
        &format!(
            "registries:\n\
             - {{host: '{own}', plainHttp: true, addresses: any, mirrors: ['{other}']}}\n\
             - {{host: '{other}', plainHttp: true, addresses: any}}\n"
        ),
    );
    let mut inspect = command(&["inspect", &world.image("node:21")]);
    inspect
        .args(["--config", &world.path("config.yaml")])
        .env("ARCHMATCH_LOG", "debug")
        .env("ARCHMATCH_LOG_FORMAT", "json");
    let ran = tokio::task::spawn_blocking(move || run(&mut inspect, ""))
        .await
        .unwrap();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(!ran.stderr.contains("hyper_util"), "{}", ran.stderr);
    let names = [(own, "registry"), (other, "mirror")];
    assert_eq!(
        story(&ran.stderr, &names),
        [
            "cache miss",
            "registry request mirror GET /v2/node/manifests/21 401 1",
            "registry request mirror GET /token 200 1",
            "registry token mirror true",
            "registry request mirror GET /v2/node/manifests/21 404 1",
            "registry request registry GET /v2/node/manifests/21 401 1",
            "registry request registry GET /token 200 1",
            "registry token registry true",
            "registry request registry GET /v2/node/manifests/21 200 1",
            "look-up answered",
            "cache hit",
        ],
        "{}",
        ran.stderr
    );
}
