//! The fast integration tests: one binary, no cluster, no network beyond loopback.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests assert by panicking, their helpers too"
)]

#[cfg(test)]
mod cluster;
mod layering;
mod registry;
mod support;
