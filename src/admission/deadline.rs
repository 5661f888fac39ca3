//! How long a review may take.

use std::time::Duration;

use axum::http::Uri;

use crate::go::parse_duration;

/// The API server's own default, and the longest that it allows.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_TIMEOUT: Duration = Duration::from_secs(30);

/// What the way back to the API server may take.
const WAY_BACK: Duration = Duration::from_millis(500);

/// The API server says in `?timeout=` how long it still waits. A part of it is for the way
/// back.
/// Source: `staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/validating/dispatcher.go`
pub(super) fn time_to_answer(uri: &Uri) -> Duration {
    let stated = uri.query().and_then(|query| {
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix("timeout="))
            .and_then(parse_duration)
    });
    let timeout = stated.unwrap_or(DEFAULT_TIMEOUT).min(MAX_TIMEOUT);
    timeout - WAY_BACK.min(timeout / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_leaves_time_for_the_way_back() {
        for (uri, milliseconds) in [
            ("/validate?timeout=5s", 4500),
            ("/validate?timeout=1s", 750),
            ("/validate?x=1&timeout=30s", 29_500),
            ("/validate?timeout=9999s", 29_500),
            ("/validate?timeout=800ms", 600),
            ("/validate?timeout=-5s", 9500),
            ("/validate?timeout=99999999999999999999s", 9500),
            ("/validate", 9500),
        ] {
            let time = time_to_answer(&uri.parse().unwrap());
            assert_eq!(time, Duration::from_millis(milliseconds), "{uri}");
        }
    }
}
