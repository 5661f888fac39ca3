//! What registries cost: an unseen image, several at once, a dead host beside a healthy
//! one, and the memory of what was found.
//!
//! The webhook is the real program in a process of its own; API server and registries are
//! in this one. The registry's own time is that of a bare client in the same run.
//!
//!     cargo bench --bench registry             # everything
//!     cargo bench --bench registry -- cold     # one part: cold, eight, dead, memory, suggest

#![expect(clippy::expect_used, reason = "a benchmark ends at the first surprise")]

#[path = "decision/cluster.rs"]
mod cluster;
#[path = "decision/product.rs"]
mod product;
#[path = "registry/upstream.rs"]
mod upstream;

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use product::{Product, review};

/// What an unseen image adds to the registry's own time.
const COLD: Duration = Duration::from_millis(2);
/// A pod with eight unseen images, to one with the slowest of them.
const EIGHT: f64 = 1.5;
/// The 99th percentile beside a dead host, to that beside as many reviews that ask nothing.
const DEAD: f64 = 1.2;
/// Resident memory with 5,000 nodes and 10,000 images.
const MEMORY_MIB: f64 = 48.0;

/// What suggestions for 100 images add to a check of them.
const SUGGESTIONS: Duration = Duration::from_secs(1);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let parts: Vec<&String> = arguments
        .iter()
        .filter(|it| !it.starts_with("--"))
        .collect();
    let asked = |part: &str| parts.is_empty() || parts.iter().any(|asked| *asked == part);
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let registry = upstream::start().await;
        if asked("cold") {
            cold(&registry).await;
        }
        if asked("eight") {
            eight(&registry).await;
        }
        if asked("dead") {
            dead(&registry).await;
        }
        if asked("memory") {
            memory(&registry).await;
        }
        if asked("suggest") {
            suggest(&registry).await;
        }
    });
}

/// The configuration for registries on loopback. Their rate is not what is measured.
fn configuration(registries: &[&str]) -> String {
    let each = registries.iter().map(|host| {
        format!("{{host: '{host}', plainHttp: true, addresses: any, requestsPerSecond: 10000}}")
    });
    format!("registries: [{}]\n", each.collect::<Vec<_>>().join(", "))
}

fn quantile(mut times: Vec<Duration>, quantile: f64) -> Duration {
    times.sort_unstable();
    let position = (times.len().saturating_sub(1) as f64 * quantile).round() as usize;
    times
        .get(position)
        .copied()
        .expect("something was measured")
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn mark(reached: bool) -> &'static str {
    if reached { "ok" } else { "OVER" }
}

/// How long the review took of a pod whose images fit, which only their registry knows.
async fn fitting(product: &Product, client: &reqwest::Client, review: &str) -> Duration {
    let (took, fits) = product.send(client, review, "5s").await;
    assert!(fits, "the registry was asked");
    took
}

/// The whole review of a pod with one unseen image, against a bare request for another.
async fn cold(registry: &str) {
    const TURNS: usize = 500;
    let product = Product::start(12, &configuration(&[registry])).await;
    let (client, bare) = (product.client(), product.client());
    let (mut own, mut whole) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        let start = Instant::now();
        let url = format!("http://{registry}/v2/bare/manifests/{turn}");
        let answer = bare.get(url).send().await.expect("an answer");
        answer.bytes().await.expect("a document");
        own.push(start.elapsed());
        let review = review(&[format!("{registry}/cold:{turn}")]);
        whole.push(fitting(&product, &client, &review).await);
    }
    let (own, whole) = (quantile(own, 0.5), quantile(whole, 0.5));
    let added = whole.saturating_sub(own);
    println!(
        "an unseen image, median: the registry {:.2} ms, the review {:.2} ms, added {:.2} ms (target {:.1}: {})",
        milliseconds(own),
        milliseconds(whole),
        milliseconds(added),
        milliseconds(COLD),
        mark(added <= COLD)
    );
}

/// A pod with eight unseen images, the slowest after 10 ms, against a pod with that one.
async fn eight(registry: &str) {
    const TURNS: usize = 100;
    let product = Product::start(12, &configuration(&[registry])).await;
    let client = product.client();
    let (mut one, mut all) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        let slowest = review(&[format!("{registry}/after-10/one:{turn}")]);
        one.push(fitting(&product, &client, &slowest).await);
        let images = (3..=10).map(|wait| format!("{registry}/after-{wait}/eight:{turn}"));
        let pod = review(&images.collect::<Vec<_>>());
        all.push(fitting(&product, &client, &pod).await);
    }
    let (one, all) = (quantile(one, 0.5), quantile(all, 0.5));
    let ratio = all.as_secs_f64() / one.as_secs_f64();
    println!(
        "eight unseen images, median: the slowest alone {:.2} ms, all {:.2} ms, ratio {ratio:.2} (target {EIGHT:.1}: {})",
        milliseconds(one),
        milliseconds(all),
        mark(ratio <= EIGHT)
    );
}

/// Reviews of unseen images of a healthy host, beside as many of a dead one, and beside as
/// many that ask for nothing, since more reviews take more time wherever they lead. Two
/// webhooks take turns: what is asked of the dead host goes on after its reviews.
async fn dead(registry: &str) {
    const ROUNDS: usize = 9;
    let silent = upstream::start_dead().await;
    let configuration = configuration(&[registry, &silent]);
    let first = Arc::new(Product::start(12, &configuration).await);
    let second = Arc::new(Product::start(12, &configuration).await);
    let clients = [&first, &first, &second, &second].map(|webhook| webhook.client());
    let healthy = |round: usize| format!("{registry}/round-{round}");
    let known = format!("{registry}/known");
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (without, _) = tokio::join!(
            stream(&first, &clients[0], healthy(round), Outcome::Fits),
            stream(&first, &clients[1], known.clone(), Outcome::Fits),
        );
        let silent = format!("{silent}/round-{round}");
        let (with, _) = tokio::join!(
            stream(&second, &clients[2], healthy(round), Outcome::Fits),
            stream(&second, &clients[3], silent, Outcome::Unknown),
        );
        // The first round opens the connections, and makes the known images known.
        if round > 0 {
            alone.push(quantile(without, 0.99));
            beside.push(quantile(with, 0.99));
        }
    }
    let (alone, beside) = (quantile(alone, 0.5), quantile(beside, 0.5));
    let ratio = beside.as_secs_f64() / alone.as_secs_f64();
    println!(
        "p99 of a healthy host: beside 1,000 known images {:.2} ms, beside 1,000 of a dead host {:.2} ms, ratio {ratio:.2} (target {DEAD:.1}: {})",
        milliseconds(alone),
        milliseconds(beside),
        mark(ratio <= DEAD)
    );
}

/// What comes of a review.
#[derive(Clone, Copy)]
enum Outcome {
    Fits,
    /// The registry does not answer in the second that the review may take.
    Unknown,
}

/// 1,000 reviews of 1,000 images of the repository, 200 a second, whether or not earlier
/// ones were answered; times count from when a review was due.
async fn stream(
    product: &Arc<Product>,
    client: &reqwest::Client,
    repository: String,
    expected: Outcome,
) -> Vec<Duration> {
    const REVIEWS: u32 = 1000;
    const A_SECOND: u32 = 200;
    let start = tokio::time::Instant::now();
    let mut sent = Vec::new();
    for number in 0..REVIEWS {
        let due = start + Duration::from_secs(1) * number / A_SECOND;
        let review = review(&[format!("{repository}:{number}")]);
        tokio::time::sleep_until(due).await;
        let (product, client) = (Arc::clone(product), client.clone());
        sent.push(tokio::spawn(async move {
            match expected {
                Outcome::Fits => {
                    fitting(&product, &client, &review).await;
                }
                Outcome::Unknown => {
                    let (_, fits) = product.send(&client, &review, "1s").await;
                    assert!(!fits, "a dead host says nothing");
                }
            }
            due.elapsed()
        }));
    }
    let times = join_all(sent).await;
    times
        .into_iter()
        .map(|time| time.expect("a time"))
        .collect()
}

/// What a webhook at work has resident that knows 5,000 nodes and has seen 10,000 images.
async fn memory(registry: &str) {
    const SENDERS: usize = 4;
    const IMAGES: usize = 10_000;
    const WORK: Duration = Duration::from_secs(3);
    let product = Product::start(5000, &configuration(&[registry])).await;
    let client = product.client();
    let send = |image: usize| {
        let (product, client) = (&product, &client);
        let review = review(&[format!("{registry}/team-{}/app:{image}", image % 500)]);
        async move { fitting(product, client, &review).await }
    };
    join_all((0..SENDERS).map(|sender| async move {
        for image in (sender..IMAGES).step_by(SENDERS) {
            send(image).await;
        }
    }))
    .await;
    let (start, mut image) = (Instant::now(), 0);
    while start.elapsed() < WORK {
        send(image % IMAGES).await;
        image += 1;
    }
    let resident = product.resident() as f64 / 1024.0;
    println!(
        "resident with 5,000 nodes and 10,000 images: {resident:.1} MiB (target {MEMORY_MIB:.0}: {})",
        mark(resident <= MEMORY_MIB)
    );
}

/// A check of 100 images that all lack something, with suggestions and without.
async fn suggest(registry: &str) {
    const IMAGES: usize = 100;
    const TURNS: usize = 5;
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("write a file");
        path
    };
    let names = (0..IMAGES).map(|image| format!("{registry}/lacks/app-{image}:22-bookworm\n"));
    let images = file("images", &names.collect::<String>());
    let configuration = file("config.yaml", &configuration(&[registry]));
    let platforms = cluster::ARCHITECTURES.join(",");
    let check = |more: &'static [&'static str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_archmatch"));
        command
            .args(["check", "-o", "json", "--platform", &platforms])
            .arg("--images-from")
            .arg(&images)
            .arg("--config")
            .arg(&configuration)
            .args(more);
        async move {
            let start = Instant::now();
            let output = tokio::task::spawn_blocking(move || command.output());
            let output = output.await.expect("a result").expect("run the check");
            let text = String::from_utf8(output.stdout).expect("a text");
            (
                start.elapsed(),
                text.matches("\"change\": \"older\"").count(),
            )
        }
    };
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let (took, found) = check(&[]).await;
        assert_eq!(found, 0, "nobody asked for suggestions");
        without.push(took);
        let (took, found) = check(&["--suggest"]).await;
        assert_eq!(found, IMAGES, "each image has one");
        with.push(took);
    }
    let (without, with) = (quantile(without, 0.5), quantile(with, 0.5));
    let added = with.saturating_sub(without);
    println!(
        "a check of {IMAGES} images: {:.0} ms, with suggestions {:.0} ms, added {:.0} ms (target {:.0}: {})",
        milliseconds(without),
        milliseconds(with),
        milliseconds(added),
        milliseconds(SUGGESTIONS),
        mark(added <= SUGGESTIONS)
    );
}
