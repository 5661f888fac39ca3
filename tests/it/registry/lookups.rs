//! What look-ups find, and how many requests they cost.

use std::sync::Arc;

use archmatch::checker::{Access, ImageInspector};
use archmatch::domain::inspection::{Content, MediaType};
use archmatch::domain::unknown::Reason;
use archmatch::registry::HostSettings;
use futures::future::join_all;
use tokio::sync::Semaphore;

use super::{inspect, inspector, inspector_with, is_unknown, platforms};
use crate::support::registry::{FakeRegistry, Fault, artifact, index, list, manifest};

#[tokio::test]
async fn an_unseen_index_costs_one_request() {
    let registry = FakeRegistry::start().await;
    let document = index([manifest("linux/amd64"), manifest("linux/arm/v7")]);
    let image = registry.push("app:1", &document);
    let inspector = inspector(&[registry.settings()]);

    assert_eq!(
        platforms(&inspector, &image).await,
        ["linux/amd64", "linux/arm/v7"]
    );
    assert_eq!(registry.requests(), ["GET /v2/app/manifests/1"]);
    let found = inspect(&inspector, &image).await.unwrap();
    assert_eq!(found.digest.to_string(), document.digest());
    assert_eq!(found.media_type, MediaType::OciIndex);
}

#[tokio::test]
async fn an_entry_without_platform_names_none() {
    let registry = FakeRegistry::start().await;
    let document = index([manifest("linux/amd64").without_platform()]);
    let image = registry.push("app:1", &document);
    let inspector = inspector(&[registry.settings()]);

    assert!(platforms(&inspector, &image).await.is_empty());
    assert_eq!(
        registry.requests().len(),
        1,
        "configs of entries are asked for one by one"
    );
}

#[tokio::test]
async fn an_unseen_plain_manifest_costs_two_requests() {
    let registry = FakeRegistry::start().await;
    let image = registry.push("app:1", &manifest("linux/s390x"));
    let inspector = inspector(&[registry.settings()]);

    assert_eq!(platforms(&inspector, &image).await, ["linux/s390x"]);
    assert_eq!(registry.requests().len(), 2);
}

#[tokio::test]
async fn an_artifact_has_no_platform_and_its_config_is_not_fetched() {
    let registry = FakeRegistry::start().await;
    let image = registry.push("chart:1", &artifact());
    let inspector = inspector(&[registry.settings()]);

    assert_eq!(
        inspect(&inspector, &image).await.unwrap().content,
        Content::Artifact
    );
    assert_eq!(registry.requests().len(), 1);
}

#[tokio::test]
async fn what_was_seen_costs_no_request() {
    let registry = FakeRegistry::start().await;
    let document = list([manifest("linux/amd64")]);
    let image = registry.push("app:1", &document);
    let inspector = inspector(&[registry.settings()]);
    platforms(&inspector, &image).await;
    registry.take_requests();

    let by_digest = image.with_digest(document.digest().parse().unwrap());
    let both = registry.reference(&format!("app:other@{}", document.digest()));
    for seen in [&image, &by_digest, &both] {
        assert_eq!(platforms(&inspector, seen).await, ["linux/amd64"]);
        assert!(inspector.cached(seen, &Access::default()).is_some());
    }
    assert!(registry.requests().is_empty());
    assert_eq!(inspector.statistics().requests()[0], ("2xx", 1));
    // Under the pattern of the settings that the host has.
    let host = registry.host();
    let lookups = inspector.statistics().lookups();
    assert_eq!(lookups[&(host.as_str(), "hit")], 6);
    assert_eq!(lookups[&(host.as_str(), "miss")], 1);
    assert_eq!(lookups.values().sum::<u64>(), 7, "{lookups:?}");
}

#[tokio::test]
async fn another_repository_must_prove_a_known_digest_by_a_request_without_body() {
    let registry = FakeRegistry::start().await;
    let document = manifest("linux/amd64");
    let image = registry.push("app:1", &document);
    let copy = registry.push("copy:1", &document);
    let inspector = inspector(&[registry.settings()]);
    platforms(&inspector, &image).await;
    registry.take_requests();

    let digest = document.digest();
    let by_digest = copy.with_digest(digest.parse().unwrap());
    assert_eq!(platforms(&inspector, &by_digest).await, ["linux/amd64"]);
    assert_eq!(
        registry.take_requests(),
        [format!("HEAD /v2/copy/manifests/{digest}")]
    );
    let hidden = registry.reference(&format!("hidden@{digest}"));
    is_unknown(inspect(&inspector, &hidden).await, Reason::NotFound);
}

#[tokio::test]
async fn callers_of_one_unseen_image_share_one_fetch() {
    let registry = FakeRegistry::start().await;
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    let inspector = inspector(&[registry.settings()]);

    let found = join_all((0..500).map(|_| inspect(&inspector, &image))).await;
    assert!(found.iter().all(Result::is_ok));
    assert_eq!(registry.requests().len(), 1);
}

#[tokio::test]
async fn a_cancelled_caller_strands_nobody_and_leaves_the_answer_behind() {
    let registry = FakeRegistry::start().await;
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    let gate = Arc::new(Semaphore::new(0));
    registry.misbehave("GET", Fault::Gate(Arc::clone(&gate)));
    let inspector = inspector(&[registry.settings()]);

    let first = tokio::spawn({
        let (inspector, image) = (inspector.clone(), image.clone());
        async move { inspect(&inspector, &image).await }
    });
    registry.requested(1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    gate.add_permits(1);
    assert_eq!(platforms(&inspector, &image).await, ["linux/amd64"]);
    assert_eq!(registry.requests().len(), 1);
}

/// Docker Hub itself is not on loopback: a mirror stands in for it.
fn docker_hub_on(registry: &FakeRegistry) -> [HostSettings; 2] {
    let mut hub = HostSettings::new("docker.io");
    hub.mirrors = vec![registry.host().try_into().unwrap()];
    [hub, registry.settings()]
}

#[tokio::test]
async fn docker_hub_is_asked_for_the_digest_first() {
    let registry = FakeRegistry::start().await;
    let document = index([manifest("linux/amd64")]);
    registry.push("library/node:22", &document);
    registry.push("library/node:jod", &document);
    let inspector = inspector(&docker_hub_on(&registry));

    assert_eq!(
        platforms(&inspector, &"node:22".parse().unwrap()).await,
        ["linux/amd64"]
    );
    let by_digest = format!("GET /v2/library/node/manifests/{}", document.digest());
    assert_eq!(
        registry.take_requests(),
        ["HEAD /v2/library/node/manifests/22", &by_digest]
    );
    assert_eq!(
        platforms(&inspector, &"node:jod".parse().unwrap()).await,
        ["linux/amd64"]
    );
    assert_eq!(
        registry.take_requests(),
        ["HEAD /v2/library/node/manifests/jod"]
    );
}

#[tokio::test]
async fn mirrors_are_tried_in_order_and_the_registry_last() {
    let (first, second, origin) = (
        FakeRegistry::start().await,
        FakeRegistry::start_tls().await,
        FakeRegistry::start().await,
    );
    second.push("cache/hub/app:1", &index([manifest("linux/arm64")]));
    let image = origin.push("app:1", &index([manifest("linux/amd64")]));
    let mut settings = origin.settings();
    settings.mirrors = [first.host(), format!("{}/cache/hub", second.host())]
        .map(|mirror| mirror.try_into().unwrap())
        .into();
    let hosts = [settings, first.settings(), second.settings()];

    let with_mirror = inspector(&hosts);
    assert_eq!(platforms(&with_mirror, &image).await, ["linux/arm64"]);
    assert_eq!(first.take_requests(), ["GET /v2/app/manifests/1"]);
    assert_eq!(
        second.take_requests(),
        ["GET /v2/cache/hub/app/manifests/1"]
    );
    assert!(origin.requests().is_empty());

    second.misbehave("GET", Fault::Status(500));
    assert_eq!(platforms(&inspector(&hosts), &image).await, ["linux/amd64"]);
}

#[tokio::test]
async fn a_failure_says_what_the_mirrors_said() {
    let (mirror, origin) = (FakeRegistry::start().await, FakeRegistry::start().await);
    mirror.misbehave("GET", Fault::Status(503));
    mirror.misbehave("GET", Fault::Status(503));
    let mut settings = origin.settings();
    settings.mirrors = vec![mirror.host().try_into().unwrap()];
    let image = origin.reference("app:1");
    let hosts = [settings, mirror.settings()];
    let unknown = inspect(&inspector(&hosts), &image).await.unwrap_err();
    assert_eq!(unknown.reason, Reason::NotFound);
    let told = "we may not read it (its mirrors: unreachable)";
    assert!(unknown.detail.ends_with(told), "{}", unknown.detail);
}

#[tokio::test]
async fn a_mirror_is_judged_by_its_own_settings() {
    let (mirror, origin) = (FakeRegistry::start().await, FakeRegistry::start().await);
    mirror.push("app:1", &index([manifest("linux/arm64")]));
    let image = origin.push("app:1", &index([manifest("linux/amd64")]));
    let mut settings = origin.settings();
    settings.mirrors = vec![mirror.host().try_into().unwrap()];

    // Without settings of its own the mirror is on loopback, and not contacted.
    assert_eq!(
        platforms(&inspector(&[settings]), &image).await,
        ["linux/amd64"]
    );
    assert!(mirror.requests().is_empty());
}

#[tokio::test]
async fn a_mirror_gets_its_own_credentials_only() {
    let (mirror, origin) = (FakeRegistry::start().await, FakeRegistry::start().await);
    let image = origin.push("app:1", &index([manifest("linux/amd64")]));
    origin.require_basic(&[("ada", "smash")]);
    mirror.require_basic(&[("eve", "other")]);
    let mut settings = origin.settings();
    settings.mirrors = vec![mirror.host().try_into().unwrap()];
    let inspector = inspector_with(&[settings, mirror.settings()], |settings| {
        let config = format!(
            r#"{{"auths":{{"{}":{{"auth":"YWRhOnNtYXNo"}}}}}}"#,
            origin.host()
        );
        settings.docker_config = Some(config.into_bytes());
    });

    assert_eq!(platforms(&inspector, &image).await, ["linux/amd64"]);
    assert!(mirror.proofs().is_empty());
    assert_eq!(origin.proofs(), ["Basic YWRhOnNtYXNo"]);
}
