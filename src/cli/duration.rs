//! Durations as arguments.

use std::time::Duration;

use crate::go;

/// Parses a duration.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    go::parse_duration(text)
        .ok_or_else(|| format!("expected a duration such as 5s, 2m or 1h30m, found {text:?}"))
}
