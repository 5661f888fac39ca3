//! How much a search asks for, and when it ends.

use serde_json::json;

use super::{Build, Hub};
use crate::support::registry::Fault;

const AMD64: &str = "linux/amd64";
const BOTH: [&str; 2] = ["linux/amd64", "linux/s390x"];

/// A hub that has much, and nothing that helps.
async fn useless() -> Hub {
    let hub = Hub::new().await;
    for tag in [
        "22.15.1",
        "22.15.1-trixie",
        "22.15.1-bookworm",
        "22.15.1-bullseye",
        "22.15",
        "22",
        "22.15.0",
        "22.14.0",
    ] {
        hub.publish(&format!("library/node:{tag}"), &[AMD64], Build::default());
    }
    hub
}

#[tokio::test]
async fn no_more_than_eight_requests_are_made_and_on_docker_hub_a_digest_comes_first() {
    let hub = useless().await;
    let report = hub.ask("node:22.15.1", &BOTH).await;
    let requests = hub.registry.take_requests();
    assert!((4..=8).contains(&requests.len()), "{requests:#?}");
    for request in &requests {
        let by_digest = request.contains("/manifests/sha256:");
        let listing = request.contains("/tags/list?n=100");
        assert!(
            request.starts_with("HEAD ") || by_digest || listing,
            "{requests:#?}"
        );
    }
    let search = report.workloads[0].images[0].search.unwrap();
    assert_eq!(
        (usize::from(search.requests), search.limit),
        (requests.len(), 8)
    );
}

#[tokio::test]
async fn after_a_refusal_for_asking_too_much_nothing_is_asked_or_said() {
    let hub = useless().await;
    hub.publish("library/node:22.15.1-bookworm", &BOTH, Build::default());
    let too_many = Fault::Status(429);
    hub.registry.misbehave("manifests/22.15.1-trixie", too_many);
    let report = hub.ask("node:22.15.1", &BOTH).await;
    let requests = hub.registry.take_requests();
    assert_eq!(
        requests,
        ["HEAD /v2/library/node/manifests/22.15.1-trixie"],
        "one request, and no retry"
    );
    let image = &report.workloads[0].images[0];
    assert_eq!(image.suggestions.as_deref(), Some(&Vec::new()));
    assert_eq!(
        image.search.unwrap().ended.to_string(),
        "rate-limited",
        "{image:?}"
    );
    assert_eq!(report.findings.len(), 1);
}

#[tokio::test]
async fn with_less_than_a_tenth_of_a_window_left_nothing_is_asked() {
    for (remaining, is_asked) in [(9, false), (0, false), (60, true)] {
        let hub = useless().await;
        hub.publish("library/node:22.15.1-trixie", &BOTH, Build::default());
        let header = |name, value: String| hub.registry.misbehave("/", Fault::Header(name, value));
        header("ratelimit-limit", "100;w=21600".to_owned());
        header("ratelimit-remaining", format!("{remaining};w=21600"));
        let asked = "node:22.15.1";
        let suggestions = hub.suggestions(asked, &BOTH).await;
        let requests = hub.registry.take_requests();
        assert_eq!(!requests.is_empty(), is_asked, "{remaining}: {requests:?}");
        assert_eq!(!suggestions.is_empty(), is_asked, "{remaining}");
    }
}

#[tokio::test]
async fn a_list_of_tags_is_bounded_and_not_believed() {
    let asked = "r/app:9-x";
    let many: Vec<String> = (0..100_000).map(|number| format!("{number}-x")).collect();
    let hostile = json!([
        "8-x",
        "../../x",
        "7-x\u{0}",
        "a".repeat(500),
        "",
        null,
        "🦀"
    ]);
    for tags in [json!(many), hostile] {
        let hub = Hub::new().await;
        let own = hub.registry.host();
        for (tag, platforms) in [("9-x", &BOTH[..1]), ("3-x", &BOTH)] {
            hub.publish(&format!("r/app:{tag}"), platforms, Build::default());
        }
        let body = json!({"name": "r/app", "tags": tags}).to_string();
        hub.registry
            .misbehave("/tags/list", Fault::Body(body.into_bytes()));
        let image = format!("{own}/{asked}");
        let suggestions = hub.suggestions(&image, &BOTH).await;
        assert_eq!(suggestions, [""; 0]);
        let requests = hub.registry.take_requests();
        assert!(requests.len() <= 8, "{requests:#?}");
        let known = "GET /v2/r/app/manifests/";
        for request in &requests {
            let tag = request.strip_prefix(known);
            let is_plain = tag.is_none_or(|tag| tag.bytes().all(|byte| byte.is_ascii_graphic()));
            assert!(is_plain && !request.contains(".."), "{requests:#?}");
        }
    }
}

#[tokio::test]
async fn an_older_version_is_found_in_the_list_of_another_registry() {
    let hub = Hub::new().await;
    let own = hub.registry.host();
    for (tag, platforms) in [
        ("9.5.7-x", &BOTH[..1]),
        ("9.5.5-x", &BOTH),
        ("9.5.6-y", &BOTH),
    ] {
        hub.publish(&format!("r/app:{tag}"), platforms, Build::default());
    }
    let image = format!("{own}/r/app:9.5.7-x");
    let suggestions = hub.suggestions(&image, &BOTH).await;
    let requests = hub.registry.take_requests();
    let expected = format!("older {own}/r/app:9.5.5-x");
    assert_eq!(suggestions, [expected], "{requests:#?}");
    let lists = requests.iter().filter(|one| one.contains("/tags/list?"));
    let lists: Vec<&String> = lists.collect();
    assert!(!lists.is_empty() && lists.len() <= 2, "{requests:#?}");
    assert!(
        lists
            .iter()
            .all(|one| one.contains("n=100") && one.contains("&last=")),
        "{lists:?}"
    );
}
