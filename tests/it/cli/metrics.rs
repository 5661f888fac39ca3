//! What `serve` shows of itself: probes, and metrics as Prometheus reads them.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::join_all;
use tokio::io::AsyncWriteExt;

use super::World;
use super::webhook::Webhook;
use crate::support::peer::{connect_from, until_closed};

/// The samples of a scrape by name and labels. Each may be there once.
fn samples(text: &str) -> HashMap<&str, f64> {
    let mut samples = HashMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        let before = samples.insert(name, value.parse().expect("a number"));
        assert_eq!(before, None, "twice: {name}");
    }
    samples
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_shows_what_was_asked_answered_and_known() {
    let world = World::new().await;
    let host = world.registry.host();
    let webhook = Webhook::start(&world);
    assert_eq!(webhook.status("/livez").await.0, 200);
    assert_eq!(webhook.status("/readyz").await.0, 200);

    let image = world.image("node:21");
    for _ in 0..2 {
        assert!(webhook.admits(&image).await);
    }
    assert!(!webhook.admits(&world.image("node:22")).await);
    let (status, text) = webhook.status("/metrics").await;
    assert_eq!(status, 200);
    assert!(text.ends_with("# EOF\n"), "{text}");
    let samples = samples(&text);
    let version = env!("CARGO_PKG_VERSION");
    let reviews = |decision: &str| {
        let labels = format!("kind=\"Pod\",operation=\"CREATE\",decision=\"{decision}\"");
        format!("archmatch_admission_requests_total{{{labels}}}")
    };
    let lookups = |result: &str| {
        format!("archmatch_image_lookups_total{{host=\"{host}\",result=\"{result}\"}}")
    };
    for (name, expected) in [
        (
            format!("archmatch_build_info{{version=\"{version}\"}}"),
            1.0,
        ),
        (reviews("allow"), 2.0),
        (reviews("deny"), 1.0),
        ("archmatch_admission_duration_seconds_count".to_owned(), 3.0),
        (lookups("hit"), 1.0),
        (lookups("miss"), 2.0),
        (lookups("stale"), 0.0),
        (
            "archmatch_registry_requests_total{status=\"2xx\"}".to_owned(),
            2.0,
        ),
        (
            "archmatch_registry_requests_total{status=\"5xx\"}".to_owned(),
            0.0,
        ),
        ("archmatch_registry_hosts_failing".to_owned(), 0.0),
        ("archmatch_cache_entries{kind=\"digest\"}".to_owned(), 2.0),
        ("archmatch_cache_entries{kind=\"failure\"}".to_owned(), 0.0),
        (
            "archmatch_connections_open{listener=\"status\"}".to_owned(),
            1.0,
        ),
        (
            "archmatch_connections_refused_total{listener=\"webhook\",cause=\"share\"}".to_owned(),
            0.0,
        ),
    ] {
        assert_eq!(
            samples.get(name.as_str()),
            Some(&expected),
            "{name} in\n{text}"
        );
    }
    let is_future = |name: &str| samples[name] > 1.7e9;
    assert!(is_future("archmatch_certificate_expiry_timestamp_seconds"));
    let nodes = samples
        .iter()
        .filter(|(name, _)| name.starts_with("archmatch_nodes{"));
    assert!(nodes.map(|(_, count)| count).sum::<f64>() > 0.0, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_heads_on_the_status_port_keep_no_probe_out() {
    let world = World::new().await;
    let webhook = Webhook::start(&world);
    let port = webhook.status_port();
    let mut half_heads = Vec::new();
    for number in 0..150 {
        let mut stream = connect_from(1 + number % 7, port).await;
        // A connection that found no place may be closed by now.
        let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nx: ").await;
        let _ = stream.write_all(&[b'x'; 6000]).await;
        half_heads.push(stream);
    }
    assert_eq!(webhook.status("/livez").await.0, 200);
    assert_eq!(webhook.status("/readyz").await.0, 200);
    let (_, text) = webhook.status("/metrics").await;
    let open = samples(&text)["archmatch_connections_open{listener=\"status\"}"];
    assert!(open <= 130.0, "the bound holds: {open}");
    let closed = half_heads.iter_mut().map(until_closed);
    let closed = tokio::time::timeout(Duration::from_secs(60), join_all(closed));
    closed.await.expect("none of them is kept");
}
