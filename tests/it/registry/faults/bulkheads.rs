//! R24, and what a host may take of us.

use std::sync::Arc;
use std::time::Duration;

use archmatch::domain::unknown::Reason;
use futures::future::join_all;
use tokio::sync::Semaphore;

use super::REQUEST;
use crate::registry::{inspect, inspector, inspector_with, is_unknown, platforms};
use crate::support::registry::{FakeRegistry, Fault, index, manifest};

#[tokio::test(start_paused = true)]
async fn r24_a_thousand_images_of_a_dead_host_do_not_delay_a_healthy_one() {
    let (dead, healthy) = (FakeRegistry::start().await, FakeRegistry::start().await);
    dead.misbehave("GET", Fault::Silence);
    let inspector = inspector_with(&[dead.settings(), healthy.settings()], |settings| {
        settings.limits.request = 3 * REQUEST;
        settings.limits.lookup = 600 * REQUEST;
    });
    let lost: Vec<_> = (0..1000)
        .map(|number| dead.reference(&format!("app-{number}:1")))
        .collect();
    let images: Vec<_> = (0..40)
        .map(|tag| healthy.push(&format!("app:{tag}"), &index([manifest("linux/amd64")])))
        .collect();
    let stuck = join_all(lost.iter().map(|image| inspect(&inspector, image)));
    let served = async {
        dead.requested(8).await;
        join_all(images.iter().map(|image| platforms(&inspector, image))).await
    };
    tokio::pin!(stuck);
    tokio::select! {
        biased;
        found = served => assert_eq!(found.len(), 40),
        _ = &mut stuck => panic!("the dead host ends first"),
    }
    let stuck = stuck.await;
    assert!(stuck.iter().all(|found| {
        found
            .as_ref()
            .is_err_and(|unknown| unknown.reason == Reason::Timeout)
    }));
    // Eight at once, and who takes their places before three repositories have failed.
    let asked = dead.requests().len();
    assert!(asked <= 16, "then nobody asks any more: {asked}");
    assert_eq!(inspector.failing_hosts(), 1);
}

#[tokio::test]
async fn the_rate_of_a_host_is_kept_within_the_deadline() {
    let registry = FakeRegistry::start().await;
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    let other = registry.push("app:2", &index([manifest("linux/amd64")]));
    let mut settings = registry.settings();
    settings.requests_per_second = 1;
    let inspector = inspector_with(&[settings], |settings| {
        settings.limits.lookup = Duration::from_millis(900);
    });
    let (found, queued) = tokio::join!(inspect(&inspector, &image), inspect(&inspector, &other));
    assert!(found.is_ok());
    is_unknown(queued, Reason::RateLimited);
    assert_eq!(registry.requests().len(), 1);
}

#[tokio::test]
async fn a_host_gets_a_limited_number_of_requests_at_once() {
    let registry = FakeRegistry::start().await;
    let gate = Arc::new(Semaphore::new(0));
    registry.misbehave("GET", Fault::Gate(Arc::clone(&gate)));
    let pushed = |tag: i32| registry.push(&format!("app:{tag}"), &index([manifest("linux/amd64")]));
    let images: Vec<_> = (0..20).map(pushed).collect();
    let inspector = inspector(&[registry.settings()]);

    let open = async {
        for answered in 0..20 {
            // Eight are in, and none further comes until one of them is answered.
            registry.requested((answered + 8).min(20)).await;
            assert!(registry.requests().len() <= answered + 8);
            gate.add_permits(1);
        }
    };
    let found = join_all(images.iter().map(|image| inspect(&inspector, image)));
    let (found, ()) = tokio::join!(found, open);
    assert!(found.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_late_counts_as_failed_as_soon_as_those_who_wait_are_told() {
    let registry = FakeRegistry::start().await;
    registry.misbehave("GET", Fault::Silence);
    let inspector = inspector_with(&[registry.settings()], |settings| {
        settings.limits.request = REQUEST;
        settings.limits.late = 600 * REQUEST;
        settings.limits.lookup = 600 * REQUEST;
    });
    // Two of a host may go on; three repositories speak for it.
    let images = ["a:1", "b:1", "c:1"].map(|name| registry.reference(name));
    let asked = join_all(images.iter().map(|image| inspect(&inspector, image)));
    for found in asked.await {
        is_unknown(found, Reason::Timeout);
    }
    assert_eq!(registry.requests().len(), 3);
    assert_eq!(inspector.failing_hosts(), 1);
}
