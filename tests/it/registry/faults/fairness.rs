//! What one namespace asks for, and what one repository does, harms no other.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use archmatch::checker::{Access, ImageInspector};
use archmatch::domain::access::Tenant;
use archmatch::domain::reference::ImageReference;
use archmatch::domain::unknown::{Reason, Unknown};
use archmatch::registry::{Addresses, HostSettings, Inspector};
use futures::future::{join_all, select};
use tokio::sync::Semaphore;
use tokio::task::yield_now;

use super::{REQUEST, hasty};
use crate::registry::{inspect, inspector, inspector_with, is_unknown, platforms};
use crate::support::raw::{NameServer, Named, RawServer};
use crate::support::registry::{FakeRegistry, Fault, index, manifest};

/// Longer than any test takes.
const FOREVER: Duration = Duration::from_secs(600);

fn of(namespace: &str) -> Access {
    Access {
        tenant: Tenant::Namespace(namespace.into()),
        ..Access::default()
    }
}

fn push(registry: &FakeRegistry, name: &str) -> ImageReference {
    registry.push(name, &index([manifest("linux/amd64")]))
}

/// What look-ups of all these images end with, on the account of one namespace.
async fn found_of(
    inspector: &Inspector,
    images: &[ImageReference],
    namespace: &str,
) -> Vec<Option<Unknown>> {
    let access = of(namespace);
    let found = images.iter().map(|image| inspector.inspect(image, &access));
    let found = join_all(found).await.into_iter();
    found.map(Result::err).collect()
}

#[tokio::test]
async fn the_unseen_images_of_one_namespace_do_not_keep_another_from_an_answer() {
    let registry = FakeRegistry::start().await;
    let gate = Arc::new(Semaphore::new(0));
    let many: Vec<_> = (0..150)
        .map(|tag| push(&registry, &format!("app:{tag}")))
        .collect();
    let wanted = push(&registry, "wanted:1");
    registry.misbehave("GET", Fault::Gate(Arc::clone(&gate)));
    let inspector = inspector(&[registry.settings()]);
    let flood = Box::pin(found_of(&inspector, &many, "a"));
    let other = Box::pin(async {
        registry.requested(8).await;
        let images = [wanted];
        let opened = async {
            // One round of those that are in, and a few more.
            for answered in 1..=12 {
                gate.add_permits(1);
                registry.requested(8 + answered).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            found = found_of(&inspector, &images, "b") => found,
            () = opened => Vec::new(),
        }
    });
    let ended = tokio::time::timeout(FOREVER, select(flood, other)).await;
    match ended.expect("one of them ends") {
        futures::future::Either::Right((found, _)) => assert_eq!(found, [None]),
        futures::future::Either::Left(_) => panic!("the flood ends first"),
    }
}

#[tokio::test]
async fn silent_images_of_one_namespace_take_no_place_that_another_waits_for() {
    let registry = FakeRegistry::start().await;
    registry.misbehave("GET /v2/silent", Fault::Silence);
    let silent: Vec<_> = (0..40)
        .map(|number| registry.reference(&format!("silent-{number}:1")))
        .collect();
    let wanted: Vec<_> = (0..9)
        .map(|tag| push(&registry, &format!("app:{tag}")))
        .collect();
    let inspector = inspector_with(&[registry.settings()], |settings| {
        settings.limits.request = FOREVER;
        settings.limits.lookup = FOREVER;
    });
    let flood = Box::pin(found_of(&inspector, &silent, "a"));
    let other = Box::pin(async {
        registry.requested(8).await;
        found_of(&inspector, &wanted, "b").await
    });
    match select(flood, other).await {
        futures::future::Either::Right((found, _)) => {
            assert!(found.iter().all(Option::is_none), "{found:?}");
        }
        futures::future::Either::Left(_) => panic!("the silent ones end first"),
    }
}

#[tokio::test(start_paused = true)]
async fn slow_images_of_one_repository_silence_no_other() {
    let registry = FakeRegistry::start().await;
    let slow: Vec<_> = (0..7)
        .map(|tag| registry.reference(&format!("slow:{tag}")))
        .collect();
    let other = push(&registry, "other:1");
    registry.misbehave("GET /v2/slow/", Fault::Silence);
    let inspector = hasty(&[registry.settings()]);
    let found = found_of(&inspector, &slow, "a").await;
    assert!(
        found
            .iter()
            .flatten()
            .all(|unknown| unknown.reason == Reason::Timeout)
    );
    assert_eq!(found.iter().flatten().count(), 7);
    assert_eq!(inspector.failing_hosts(), 0);
    platforms(&inspector, &other).await;
    // The repository itself is left alone, whatever else is asked for in it.
    registry.take_requests();
    let next = registry.reference("slow:next");
    is_unknown(inspect(&inspector, &next).await, Reason::Timeout);
    assert!(registry.requests().is_empty());
}

#[tokio::test]
async fn a_host_has_one_budget_however_it_is_spelled() {
    let registry = FakeRegistry::start().await;
    let gate = Arc::new(Semaphore::new(0));
    registry.misbehave("GET", Fault::Gate(Arc::clone(&gate)));
    push(&registry, "app:1");
    let port = registry.port();
    let mut settings = HostSettings::new("127.0.0.1:*");
    settings.addresses = Addresses::Any;
    settings.plain_http = true;
    settings.concurrency = 3;
    let images: Vec<ImageReference> = (0..30)
        .map(|zeros| {
            let image = format!("127.0.0.1:{}{port}/app:1", "0".repeat(zeros));
            image.parse().expect("a reference")
        })
        .collect();
    let inspector = inspector(&[settings]);
    let open = async {
        for answered in 0..30 {
            registry.requested((answered + 3).min(30)).await;
            assert!(registry.requests().len() <= answered + 3);
            gate.add_permits(1);
        }
    };
    let found = join_all(images.iter().map(|image| inspect(&inspector, image)));
    let (found, ()) = tokio::join!(found, open);
    assert!(found.iter().all(Result::is_ok));
}

#[tokio::test]
async fn one_review_makes_few_connections_whatever_hosts_it_names() {
    let silent = RawServer::start(async |stream| {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let names = NameServer::start(Named::Addresses(vec![here])).await;
    let healthy = FakeRegistry::start().await;
    let (_, port) = silent
        .host()
        .rsplit_once(':')
        .map(|(host, port)| (host.to_owned(), port.to_owned()))
        .unwrap();
    let mut settings = HostSettings::new("*.example:*");
    settings.addresses = Addresses::Any;
    settings.plain_http = true;
    let images: Vec<ImageReference> = (0..700)
        .map(|number| format!("h{number}.example:{port}/app:1").parse().unwrap())
        .collect();
    let inspector = inspector_with(&[healthy.settings(), settings], |settings| {
        settings.name_server = Some(names.address);
        settings.limits.request = FOREVER;
    });
    let others: Vec<_> = (0..30)
        .map(|tag| push(&healthy, &format!("app:{tag}")))
        .collect();
    let review = Box::pin(found_of(&inspector, &images, "a"));
    let other = Box::pin(async {
        while silent.connections() < 32 {
            yield_now().await;
        }
        // Nobody else waits for it, and there is time for more connections.
        for image in &others {
            platforms(&inspector, image).await;
        }
    });
    drop(select(review, other).await);
    for tag in 0..30 {
        let image = push(&healthy, &format!("later:{tag}"));
        platforms(&inspector, &image).await;
    }
    // Those that nobody waits for any more are not started.
    assert_eq!(silent.connections(), 32);
}

#[tokio::test(start_paused = true)]
async fn what_is_found_after_everybody_left_answers_the_retry() {
    for waits_until_the_end in [true, false] {
        let registry = FakeRegistry::start().await;
        let gate = Arc::new(Semaphore::new(0));
        let image = push(&registry, "app:1");
        registry.misbehave("GET", Fault::Gate(Arc::clone(&gate)));
        let inspector = inspector_with(&[registry.settings()], |settings| {
            settings.limits.request = if waits_until_the_end {
                REQUEST
            } else {
                FOREVER
            };
        });
        if waits_until_the_end {
            is_unknown(inspect(&inspector, &image).await, Reason::Timeout);
        } else {
            let left = Box::pin(inspect(&inspector, &image));
            let arrived = Box::pin(registry.requested(1));
            drop(select(left, arrived).await);
        }
        let retry = platforms(&inspector, &image);
        let open = async {
            // A retry that is early waits its turn: it makes no second request.
            yield_now().await;
            gate.add_permits(1);
        };
        let (found, ()) = tokio::join!(retry, open);
        assert_eq!(found, ["linux/amd64"]);
        assert_eq!(registry.requests().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_nobody_waits_for_leave_their_places_to_others() {
    let registry = FakeRegistry::start().await;
    registry.misbehave("GET /v2/silent", Fault::Silence);
    let silent = ["silent-1:1", "silent-2:1"].map(|name| registry.reference(name));
    let wanted = push(&registry, "app:1");
    let mut settings = registry.settings();
    settings.concurrency = 2;
    let inspector = inspector_with(&[settings], |settings| {
        settings.limits.request = FOREVER;
        settings.limits.lookup = FOREVER;
    });
    let left = Box::pin(found_of(&inspector, &silent, "a"));
    let arrived = Box::pin(registry.requested(2));
    drop(select(left, arrived).await);
    let access = of("a");
    let found = inspector.inspect(&wanted, &access).await;
    assert!(found.is_ok(), "the same namespace, too");
}
