//! The fast integration tests: one binary, no cluster, no network beyond loopback.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests assert by panicking, their helpers too"
)]

mod admission;
mod audit;
mod cli;
mod cluster;
mod documentation;
mod layering;
mod process;
mod promises;
mod properties;
mod registry;
mod suggest;
mod support;
mod vectors;
