//! Counters of requests and cache answers, for the metrics endpoint to read.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::StatusCode;

use super::host::HostClass;

/// What was asked of registries, and what the cache made unnecessary.
#[derive(Debug)]
pub struct Statistics {
    success: AtomicU64,
    redirection: AtomicU64,
    client_error: AtomicU64,
    server_error: AtomicU64,
    failed: AtomicU64,
    lookups: Box<[Lookups]>,
}

/// Look-ups of the images of one class of hosts.
#[derive(Debug)]
struct Lookups {
    class: String,
    hits: AtomicU64,
    misses: AtomicU64,
    stale: AtomicU64,
}

impl Statistics {
    /// Nothing was asked so far. The names are those of the classes of hosts, in their order.
    pub(super) fn new(classes: impl IntoIterator<Item = String>) -> Self {
        let lookups = |class| Lookups {
            class,
            hits: AtomicU64::default(),
            misses: AtomicU64::default(),
            stale: AtomicU64::default(),
        };
        Self {
            success: AtomicU64::default(),
            redirection: AtomicU64::default(),
            client_error: AtomicU64::default(),
            server_error: AtomicU64::default(),
            failed: AtomicU64::default(),
            lookups: classes.into_iter().map(lookups).collect(),
        }
    }

    /// Requests by status class; `error` are those whose answer did not come, or not whole.
    pub fn requests(&self) -> [(&'static str, u64); 5] {
        [
            ("2xx", read(&self.success)),
            ("3xx", read(&self.redirection)),
            ("4xx", read(&self.client_error)),
            ("5xx", read(&self.server_error)),
            ("error", read(&self.failed)),
        ]
    }

    /// Look-ups by the class of the image's host, and by what the cache had: `hit`, `stale`
    /// or `miss`.
    pub fn lookups(&self) -> BTreeMap<(&str, &'static str), u64> {
        let mut sums = BTreeMap::new();
        for lookups in &self.lookups {
            for (result, count) in [
                ("hit", &lookups.hits),
                ("stale", &lookups.stale),
                ("miss", &lookups.misses),
            ] {
                // Two classes have the same name where a pattern was written twice.
                *sums.entry((lookups.class.as_str(), result)).or_default() += read(count);
            }
        }
        sums
    }

    pub(super) fn answered(&self, status: StatusCode) {
        add(match status.as_u16() {
            ..300 => &self.success,
            300..400 => &self.redirection,
            400..500 => &self.client_error,
            500.. => &self.server_error,
        });
    }

    pub(super) fn failed(&self) {
        add(&self.failed);
    }

    pub(super) fn hit(&self, class: HostClass) {
        self.count(class, |lookups| &lookups.hits);
    }

    pub(super) fn missed(&self, class: HostClass) {
        self.count(class, |lookups| &lookups.misses);
    }

    pub(super) fn served_stale(&self, class: HostClass) {
        self.count(class, |lookups| &lookups.stale);
    }

    fn count(&self, class: HostClass, counter: impl Fn(&Lookups) -> &AtomicU64) {
        if let Some(lookups) = self.lookups.get(class.0) {
            add(counter(lookups));
        }
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
