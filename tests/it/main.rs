//! The fast integration tests: one binary, no cluster, no network beyond loopback.

mod registry;
mod support;
