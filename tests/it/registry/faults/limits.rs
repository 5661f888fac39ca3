//! R5 to R7: registries that limit us, and registries that fail.

use archmatch::domain::unknown::Reason;

use super::{Failure, faulty, hasty};
use crate::registry::{inspect, is_unknown, platforms};
use crate::support::registry::{FakeRegistry, Fault, index, manifest};

fn header(name: &'static str, value: &str) -> Fault {
    Fault::Header(name, value.to_owned())
}

#[tokio::test]
async fn r5_a_limited_repository_is_left_alone_and_the_host_once_a_second_one_is() {
    for asked in ["600", "Fri, 31 Dec 2100 23:59:59 GMT", "1000000000", "soon"] {
        let registry = FakeRegistry::start().await;
        let push = |name: &str| registry.push(name, &index([manifest("linux/amd64")]));
        let (image, same) = (push("app:1"), push("app:2"));
        let others = [push("other:1"), push("third:1"), push("third:2")];
        registry.misbehave("GET /v2/app/", header("retry-after", asked));
        registry.misbehave("GET /v2/app/", Fault::Status(429));
        let inspector = hasty(&[registry.settings()]);
        super::fails(&inspector, &image, Reason::RateLimited, "4xx").await;
        assert_eq!(registry.take_requests().len(), 1);
        is_unknown(inspect(&inspector, &same).await, Reason::RateLimited);
        assert!(registry.requests().is_empty(), "{asked}");
        platforms(&inspector, &others[1]).await;

        registry.misbehave("GET /v2/other/", Fault::Status(429));
        is_unknown(inspect(&inspector, &others[0]).await, Reason::RateLimited);
        registry.take_requests();
        is_unknown(inspect(&inspector, &others[2]).await, Reason::RateLimited);
        assert!(registry.requests().is_empty(), "{asked}: two agree");
    }
}

#[tokio::test(start_paused = true)]
async fn r5_a_pause_that_fits_the_deadline_is_waited_for() {
    let registry = FakeRegistry::start().await;
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    registry.misbehave_times(1, "GET", header("retry-after", "1"));
    registry.misbehave_times(1, "GET", Fault::Status(429));
    platforms(&hasty(&[registry.settings()]), &image).await;
    assert_eq!(registry.requests().len(), 2);
}

#[tokio::test]
async fn r5_half_of_a_counted_window_is_left_to_the_nodes() {
    let registry = FakeRegistry::start().await;
    let inspector = hasty(&[registry.settings()]);
    registry.misbehave("GET", header("ratelimit-limit", "100;w=21600"));
    registry.misbehave("GET", header("ratelimit-remaining", "51;w=21600"));
    let pushed = |tag: i32| registry.push(&format!("app:{tag}"), &index([manifest("linux/amd64")]));
    platforms(&inspector, &pushed(1)).await;
    platforms(&inspector, &pushed(2)).await;
    // The registry says 51 again, whatever we counted.
    platforms(&inspector, &pushed(3)).await;
    registry.recover();
    registry.misbehave("GET", header("ratelimit-limit", "100;w=21600"));
    registry.misbehave("GET", header("ratelimit-remaining", "50;w=21600"));
    platforms(&inspector, &pushed(4)).await;
    let found = inspect(&inspector, &pushed(5)).await;
    assert!(
        found
            .as_ref()
            .is_err_and(|unknown| unknown.detail.contains("left to the nodes"))
    );
    is_unknown(found, Reason::RateLimited);
    assert_eq!(registry.requests().len(), 4);
    assert_eq!(
        inspector
            .rate_limit_remaining()
            .values()
            .collect::<Vec<_>>(),
        [&50]
    );
}

#[tokio::test]
async fn r6_a_limit_may_come_as_a_web_page() {
    let limited = Failure {
        reason: Reason::RateLimited,
        requests: 1,
        status: "4xx",
    };
    let page = vec![
        Fault::Body(b"<html><h1>evil 429 Too Many Requests</h1></html>".to_vec()),
        header("content-type", "text/html"),
        Fault::Status(429),
    ];
    faulty(&index([manifest("linux/amd64")]), "GET", page, limited).await;
}

#[tokio::test(start_paused = true)]
async fn r7_failures_are_asked_again_once_and_are_never_a_missing_image() {
    let app = index([manifest("linux/amd64")]);
    for (status, requests) in [(500, 2), (502, 2), (503, 2), (504, 2), (501, 1), (599, 1)] {
        let failing = Failure {
            reason: Reason::Unreachable,
            requests,
            status: "5xx",
        };
        faulty(&app, "GET", vec![Fault::Status(status)], failing).await;
    }
}

#[tokio::test]
async fn r7_a_host_that_stumbles_is_forgiven() {
    let registry = FakeRegistry::start().await;
    let image = registry.push("app:1", &manifest("linux/amd64"));
    registry.misbehave_times(1, "GET /v2/app/manifests", Fault::Status(502));
    registry.misbehave_times(1, "GET /v2/app/blobs", Fault::Status(503));
    platforms(&hasty(&[registry.settings()]), &image).await;
    assert_eq!(registry.requests().len(), 4);
}

#[tokio::test]
async fn statuses_that_registries_do_not_use_have_their_reasons() {
    let app = index([manifest("linux/amd64")]);
    for (status, reason, class) in [
        (418, Reason::Unsupported, "4xx"),
        (204, Reason::Unsupported, "2xx"),
        (304, Reason::Malformed, "3xx"),
        (408, Reason::Timeout, "4xx"),
    ] {
        let failure = Failure {
            reason,
            requests: 1,
            status: class,
        };
        faulty(&app, "GET", vec![Fault::Status(status)], failure).await;
    }
}
