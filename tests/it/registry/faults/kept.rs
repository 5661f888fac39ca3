//! R15, R22 and R23: what is kept of an answer, and for whom.

use archmatch::checker::{Access, ImageInspector};
use archmatch::registry::HostSettings;
use futures::future::join_all;

use crate::registry::{inspect, inspector, inspector_with, platforms};
use crate::support::registry::{FakeRegistry, Fault, index, manifest};

#[tokio::test]
async fn r15_a_tag_that_moves_between_two_requests_is_one_document() {
    let registry = FakeRegistry::start().await;
    let before = index([manifest("linux/amd64")]);
    registry.push("library/app:1", &before);
    let mut hub = HostSettings::new("docker.io");
    hub.mirrors = vec![registry.host().try_into().unwrap()];
    let inspector = inspector(&[hub, registry.settings()]);
    // The answer to HEAD is on its way when the tag moves.
    let after = index([manifest("linux/s390x")]);
    let moved = registry.push("library/app:moved", &after);
    registry.misbehave(
        "HEAD /v2/library/app/manifests/1",
        Fault::Header("docker-content-digest", before.digest()),
    );
    registry.push("library/app:1", &after);
    let found = inspect(&inspector, &"app:1".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(found.digest.to_string(), before.digest());
    assert_eq!(found.platforms()[0].to_string(), "linux/amd64");
    drop(moved);
}

#[tokio::test]
async fn r22_while_a_registry_is_down_its_answers_stand() {
    let registry = FakeRegistry::start().await;
    let app = index([manifest("linux/amd64")]);
    let image = registry.push("app:1", &app);
    let by_digest = image.with_digest(app.digest().parse().unwrap());
    let inspector = inspector_with(&[registry.settings()], |settings| {
        settings.cache.tag_seconds = 0;
    });
    platforms(&inspector, &image).await;
    registry.misbehave("", Fault::Status(503));
    let before = registry.requests().len();
    for _ in 0..3 {
        platforms(&inspector, &image).await;
        platforms(&inspector, &by_digest).await;
    }
    registry.requested(before + 1).await;
    let host = registry.host();
    let stale = inspector.statistics().lookups()[&(host.as_str(), "stale")];
    assert_eq!(stale, 3);
}

#[tokio::test]
async fn r23_a_thousand_callers_of_an_unseen_image_are_one_request() {
    let registry = FakeRegistry::start().await;
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    let inspector = inspector(&[registry.settings()]);
    // The first one gives up at once.
    {
        let access = Access::default();
        let mut first = inspector.inspect(&image, &access);
        assert!(futures::poll!(&mut first).is_pending());
    }
    let found = join_all((0..1000).map(|_| platforms(&inspector, &image))).await;
    assert_eq!(found.len(), 1000);
    assert_eq!(registry.requests(), ["GET /v2/app/manifests/1"]);
}
