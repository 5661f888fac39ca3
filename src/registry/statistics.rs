//! Counters of requests and cache answers, for the metrics endpoint to read.

use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::StatusCode;

/// What was asked of registries, and what the cache made unnecessary.
#[derive(Debug, Default)]
pub struct Statistics {
    success: AtomicU64,
    redirection: AtomicU64,
    client_error: AtomicU64,
    server_error: AtomicU64,
    failed: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
    stale: AtomicU64,
}

impl Statistics {
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

    /// Answers by where they came from: `hit`, `stale` or `miss`.
    pub fn lookups(&self) -> [(&'static str, u64); 3] {
        [
            ("hit", read(&self.hits)),
            ("stale", read(&self.stale)),
            ("miss", read(&self.misses)),
        ]
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

    pub(super) fn hit(&self) {
        add(&self.hits);
    }

    pub(super) fn missed(&self) {
        add(&self.misses);
    }

    pub(super) fn served_stale(&self) {
        add(&self.stale);
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
