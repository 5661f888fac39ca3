//! A digest that one registry served answers for no other: whoever runs that one would be
//! told what he cannot see, or that somebody here has seen it.

use std::time::Duration;

use archmatch::checker::{Access, ImageInspector};
use archmatch::domain::reference::{Digest, ImageReference};
use archmatch::domain::unknown::Reason;
use archmatch::registry::CacheFile;
use tokio::time::Instant;

use super::{inspect, inspector, inspector_with, is_unknown, platforms};
use crate::support::registry::{Document, FakeRegistry, Fault, index, manifest};

/// A registry that claims to have every document, and has the bytes of none.
async fn liar(document: &Document) -> (FakeRegistry, ImageReference) {
    let registry = FakeRegistry::start().await;
    let image = registry.push("x:1", document);
    registry.misbehave("GET /v2/x", Fault::Status(404));
    let by_digest = image.with_digest(document.digest().parse().unwrap());
    (registry, by_digest)
}

#[tokio::test]
async fn who_has_not_served_a_document_proves_nothing_without_its_bytes() {
    let honest = FakeRegistry::start().await;
    let seen = index([manifest("linux/ppc64le"), manifest("linux/s390x")]);
    let image = honest.push("team/app:3", &seen);
    let unseen = index([manifest("linux/riscv64")]);
    let (knows, digest) = liar(&seen).await;
    let (guesses, other) = liar(&unseen).await;
    let inspector = inspector(&[honest.settings(), knows.settings(), guesses.settings()]);
    platforms(&inspector, &image).await;

    is_unknown(inspect(&inspector, &digest).await, Reason::NotFound);
    is_unknown(inspect(&inspector, &other).await, Reason::NotFound);
    // Nor is a digest that was seen here asked for in another way than one that was not.
    let asked = |registry: &FakeRegistry, image: &ImageReference| {
        let digest = image.digest().unwrap();
        assert_eq!(
            registry.take_requests(),
            [format!("GET /v2/x/manifests/{digest}")]
        );
    };
    asked(&knows, &digest);
    asked(&guesses, &other);
}

#[tokio::test]
async fn who_has_served_a_document_is_not_asked_for_it_again() {
    let (first, second) = (FakeRegistry::start().await, FakeRegistry::start().await);
    let document = index([manifest("linux/arm/v6")]);
    let digest: Digest = document.digest().parse().unwrap();
    let image = first.push("app:1", &document);
    let copies = ["a", "b", "c"].map(|name| second.push(&format!("{name}/copy:1"), &document));
    let inspector = inspector(&[first.settings(), second.settings()]);
    platforms(&inspector, &image).await;
    for copy in &copies {
        platforms(&inspector, &copy.with_digest(digest.clone())).await;
    }
    let requests = second.take_requests();
    let methods: Vec<_> = requests
        .iter()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(methods, ["GET", "HEAD", "HEAD"]);
}

#[tokio::test]
async fn a_tag_that_moves_to_a_foreign_digest_is_fetched() {
    let (honest, evil) = (FakeRegistry::start().await, FakeRegistry::start().await);
    let private = index([manifest("linux/s390x"), manifest("linux/amd64")]);
    let image = honest.push("team/app:9", &private);
    let tag = evil.push("x:latest", &index([manifest("linux/386")]));
    let hosts = [honest.settings(), evil.settings()];
    let inspector = inspector_with(&hosts, |settings| {
        settings.cache.tag_seconds = 0;
    });
    platforms(&inspector, &image).await;
    platforms(&inspector, &tag).await;
    evil.take_requests();

    evil.push("x:latest", &private);
    let by_digest = format!("GET /v2/x/manifests/{}", private.digest());
    evil.misbehave(&by_digest, Fault::Status(404));
    let deadline = Instant::now() + Duration::from_secs(20);
    let found = inspector.confirm(&tag, &Access::default(), deadline).await;
    is_unknown(found.map(|found| found.inspection), Reason::NotFound);
    let requests = evil.take_requests();
    assert_eq!(requests, ["HEAD /v2/x/manifests/latest", &by_digest]);
}

#[tokio::test]
async fn the_next_process_does_not_know_who_served_a_document() {
    let folder = tempfile::tempdir().unwrap();
    let file = CacheFile::new(folder.path().join("cache"), 100);
    let registry = FakeRegistry::start().await;
    let document = index([manifest("linux/arm64")]);
    let image = registry.push("app:1", &document);
    let copy = registry.push("copy:1", &document);
    let copy = copy.with_digest(document.digest().parse().unwrap());
    let first = inspector(&[registry.settings()]);
    let mut keeper = first.keep_in(file.clone()).await;
    platforms(&first, &image).await;
    keeper.write().await;
    registry.take_requests();

    let next = inspector(&[registry.settings()]);
    let _keeper = next.keep_in(file).await;
    platforms(&next, &copy).await;
    assert!(registry.requests()[0].starts_with("GET "));
}
