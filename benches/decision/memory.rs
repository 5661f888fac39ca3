//! What nodes add to the resident memory of a webhook at work.

use std::time::{Duration, Instant};

use crate::product::{Product, review};

/// How often each size is started.
const STARTS: usize = 3;

/// How long reviews are sent. The allocator gives back what the lists of nodes left to it
/// after a second, when it is at work.
const WORK: Duration = Duration::from_secs(3);

/// What 5,000 nodes add to the resident memory of a webhook at work.
pub(crate) async fn memory(target: f64) {
    let mut resident: [Vec<u64>; 2] = Default::default();
    for _ in 0..STARTS {
        for (count, figures) in [12, 5000].into_iter().zip(&mut resident) {
            let product = Product::start(count, "{}").await;
            work(&product).await;
            figures.push(product.resident());
        }
    }
    let [small, large] = resident.map(|mut figures| {
        figures.sort_unstable();
        figures[STARTS / 2]
    });
    let added = large.saturating_sub(small) as f64 / 1024.0;
    let mark = if added <= target { "ok" } else { "OVER" };
    println!(
        "resident at work: 12 nodes {small} KiB, 5,000 nodes {large} KiB, added {added:.1} MiB (target {target:.1}: {mark})"
    );
}

/// Sends reviews of a pod whose registry may not be asked.
async fn work(product: &Product) {
    let client = product.client();
    let review = review(&["127.0.0.1:1/web:1".to_owned()]);
    let start = Instant::now();
    while start.elapsed() < WORK {
        let (_, fits) = product.send(&client, &review, "5s").await;
        assert!(!fits, "the registry is not asked");
    }
}
