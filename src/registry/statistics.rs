//! Counters of requests and cache answers, for the metrics endpoint to read.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::StatusCode;

use super::host::HostClass;

/// What was asked of registries, and what the cache made unnecessary.
#[derive(Debug)]
pub struct Statistics {
    requests: Requests,
    lookups: Box<[Lookups]>,
}

/// Requests by what came of them.
#[derive(Debug, Default)]
struct Requests {
    success: AtomicU64,
    redirection: AtomicU64,
    client_error: AtomicU64,
    server_error: AtomicU64,
    failed: AtomicU64,
}

/// Look-ups of the images of one class of hosts.
#[derive(Debug, Default)]
struct Lookups {
    class: String,
    hits: AtomicU64,
    misses: AtomicU64,
    stale: AtomicU64,
    limited: AtomicU64,
}

impl Statistics {
    /// Nothing was asked so far. The names are those of the classes of hosts, in their order.
    pub(super) fn new(classes: impl IntoIterator<Item = String>) -> Self {
        let lookups = |class| Lookups {
            class,
            ..Lookups::default()
        };
        Self {
            requests: Requests::default(),
            lookups: classes.into_iter().map(lookups).collect(),
        }
    }

    /// Requests by status class; `error` are those whose answer did not come, or not whole.
    pub fn requests(&self) -> [(&'static str, u64); 5] {
        [
            ("2xx", read(&self.requests.success)),
            ("3xx", read(&self.requests.redirection)),
            ("4xx", read(&self.requests.client_error)),
            ("5xx", read(&self.requests.server_error)),
            ("error", read(&self.requests.failed)),
        ]
    }

    /// Look-ups by the class of the image's host, and by what the cache had: `hit`, `stale`
    /// or `miss`; `limited` are those that a limit of our own ended.
    pub fn lookups(&self) -> BTreeMap<(&str, &'static str), u64> {
        let mut sums = BTreeMap::new();
        for lookups in &self.lookups {
            for (result, count) in [
                ("hit", &lookups.hits),
                ("stale", &lookups.stale),
                ("miss", &lookups.misses),
                ("limited", &lookups.limited),
            ] {
                // Two classes have the same name where a pattern was written twice.
                *sums.entry((lookups.class.as_str(), result)).or_default() += read(count);
            }
        }
        sums
    }

    pub(super) fn answered(&self, status: StatusCode) {
        add(match status.as_u16() {
            ..300 => &self.requests.success,
            300..400 => &self.requests.redirection,
            400..500 => &self.requests.client_error,
            500.. => &self.requests.server_error,
        });
    }

    pub(super) fn failed(&self) {
        add(&self.requests.failed);
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

    pub(super) fn limited(&self, class: HostClass) {
        self.count(class, |lookups| &lookups.limited);
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
