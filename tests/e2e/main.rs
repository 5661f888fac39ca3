//! The product on a real cluster: a real API server, scheduler and node; nodes of other
//! architectures are objects that kwok keeps alive.
//!
//! `make e2e` builds what is needed. The tests run one after the other, since some change
//! nodes; each makes what it needs in a namespace of its own, so their order is free.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "tests assert by panicking, their helpers too"
)]

mod accounts;
mod cluster;
mod faults;
mod hostile;
mod kinds;
mod kubectl;
mod lifecycle;
mod mirrors;
mod nodes;
mod product;
mod reality;
mod registries;
mod scale;
mod scheduling;
mod stories;
mod storm;

use std::process::{Command, ExitCode};
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use crate::cluster::Cluster;

type Test = fn(&Cluster);

fn tests() -> Vec<(&'static str, Test)> {
    [
        stories::TESTS,
        kinds::TESTS,
        reality::TESTS,
        scheduling::TESTS,
        accounts::TESTS,
        mirrors::TESTS,
        faults::TESTS,
        hostile::TESTS,
        storm::TESTS,
        scale::TESTS,
        lifecycle::TESTS,
    ]
    .concat()
}

/// Whether a cluster can run here; the script says in one line why it cannot.
fn possible() -> bool {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/can-run-cluster.sh");
    Command::new(script)
        .status()
        .is_ok_and(|status| status.success())
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    if arguments.list {
        let trials = tests()
            .into_iter()
            .map(|(name, _)| Trial::test(name, || Ok(())));
        return libtest_mimic::run(&arguments, trials.collect()).exit_code();
    }
    if !possible() {
        let insisted = std::env::var_os("CI").is_some();
        return ExitCode::from(u8::from(insisted));
    }
    lifecycle::hold_if_asked();
    // The cluster ends with this value, whatever the tests do.
    let cluster = Arc::new(Cluster::start());
    product::install(&cluster);
    let trials = tests().into_iter().map(|(name, test)| {
        let cluster = Arc::clone(&cluster);
        Trial::test(name, move || {
            test(&cluster);
            Ok(())
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if conclusion.has_failed() {
        eprintln!("{}", product::logs(&cluster));
    }
    drop(cluster);
    conclusion.exit_code()
}
