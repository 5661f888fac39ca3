//! What the chart renders, by Helm itself. No cluster is needed; those of its promises that
//! only a cluster can show are in `tests/e2e/installs.rs`.
//!
//! Helm is named by `HELM`, is in the path, or was built for the end-to-end tests.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests assert by panicking, their helpers too"
)]

mod audit;
mod documents;
mod entries;
mod helm;
mod names;
mod network;
mod observability;
mod pods;
mod refusals;
mod rights;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

type Test = fn();

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if helm::programs().is_empty() {
        eprintln!("the tests of the chart are left out: they need Helm (HELM=/path/to/helm)");
        return ExitCode::from(u8::from(std::env::var_os("CI").is_some()));
    }
    let tests: [&[(&str, Test)]; 9] = [
        audit::TESTS,
        documents::TESTS,
        entries::TESTS,
        names::TESTS,
        network::TESTS,
        observability::TESTS,
        pods::TESTS,
        refusals::TESTS,
        rights::TESTS,
    ];
    let trials = tests.concat().into_iter().map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
