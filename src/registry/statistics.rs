//! Counters of requests and cache answers, for the metrics endpoint to read.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::StatusCode;

use super::host::HostClass;

/// What was asked of registries, and what the cache made unnecessary.
#[derive(Debug)]
pub struct Statistics {
    requests: [AtomicU64; 5],
    /// By class of hosts.
    lookups: Box<[(String, [AtomicU64; 4])]>,
}

/// What the cache had for a look-up, or that a limit of our own ended it.
#[derive(Clone, Copy)]
pub(super) enum LookupResult {
    Hit,
    Stale,
    Miss,
    Limited,
}

/// Status classes of requests; `error` are those whose answer did not come, or not whole.
const REQUEST_RESULTS: [&str; 5] = ["2xx", "3xx", "4xx", "5xx", "error"];
/// The names of look-ups' results, in their order.
const LOOKUP_RESULTS: [&str; 4] = ["hit", "stale", "miss", "limited"];

impl Statistics {
    /// Nothing was asked so far. The names are those of the classes of hosts, in their order.
    pub(super) fn new(classes: impl IntoIterator<Item = String>) -> Self {
        let lookups = |class| (class, Default::default());
        Self {
            requests: Default::default(),
            lookups: classes.into_iter().map(lookups).collect(),
        }
    }

    /// Requests by what came of them.
    pub fn requests(&self) -> [(&'static str, u64); 5] {
        let mut counts = self.requests.iter().map(read);
        REQUEST_RESULTS.map(|result| (result, counts.next().unwrap_or(0)))
    }

    /// Look-ups by the class of the image's host, and by what came of them.
    pub fn lookups(&self) -> BTreeMap<(&str, &'static str), u64> {
        let mut sums = BTreeMap::new();
        for (class, counters) in &self.lookups {
            for (result, counter) in LOOKUP_RESULTS.into_iter().zip(counters) {
                // Two classes have the same name where a pattern was written twice.
                *sums.entry((class.as_str(), result)).or_default() += read(counter);
            }
        }
        sums
    }

    /// Counts a request by its answer, if there was one.
    pub(super) fn count_request(&self, answer: Option<StatusCode>) {
        let [success, redirection, client_error, server_error, failed] = &self.requests;
        add(match answer.map(|status| status.as_u16()) {
            Some(..300) => success,
            Some(300..400) => redirection,
            Some(400..500) => client_error,
            Some(500..) => server_error,
            None => failed,
        });
    }

    pub(super) fn count_lookup(&self, class: HostClass, result: LookupResult) {
        let counters = self.lookups.get(class.0);
        let counter = counters.and_then(|(_, counters)| counters.get(result as usize));
        counter.into_iter().for_each(add);
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
