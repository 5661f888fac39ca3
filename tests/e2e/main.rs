//! The product on a real cluster: a real API server, scheduler and node; nodes of other
//! architectures are objects that kwok keeps alive.
//!
//! `make e2e` builds what is needed. The tests run one after the other, since some change
//! nodes; each makes what it needs in a namespace of its own, so their order is free.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests assert by panicking, their helpers too"
)]

mod accounts;
mod audit;
mod certificates;
mod chaos;
mod cluster;
mod faults;
mod hostile;
mod installs;
mod kinds;
mod kubectl;
mod lifecycle;
mod load;
mod mirrors;
mod nodes;
mod observe;
mod outage;
mod product;
mod reality;
mod registries;
mod reports;
mod rotation;
mod scale;
mod scheduling;
mod stories;
mod storm;

use std::process::{Command, ExitCode};
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use crate::cluster::Cluster;

type Test = fn(&Cluster);

/// All tests; those of `make chaos` run only when they are asked for.
fn trials(run: impl Fn(Test) -> Box<dyn FnOnce() + Send>) -> Vec<Trial> {
    let trial = |(name, test): (&str, Test)| {
        let run = run(test);
        Trial::test(name, move || {
            run();
            Ok(())
        })
    };
    let usual = [
        stories::TESTS,
        kinds::TESTS,
        reality::TESTS,
        scheduling::TESTS,
        accounts::TESTS,
        mirrors::TESTS,
        faults::TESTS,
        installs::TESTS,
        audit::TESTS,
        observe::TESTS,
        hostile::TESTS,
        rotation::TESTS,
        outage::TESTS,
        storm::TESTS,
        scale::TESTS,
        lifecycle::TESTS,
        reports::TESTS,
    ];
    let usual = usual.concat().into_iter().map(trial);
    let chaos = chaos::TESTS.iter().copied().map(trial);
    let chaos = chaos.map(|trial| trial.with_kind("chaos").with_ignored_flag(true));
    usual.chain(chaos).collect()
}

/// Whether a cluster can run here; the script says in one line why it cannot.
fn possible() -> bool {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/can-run-cluster.sh");
    Command::new(script)
        .status()
        .is_ok_and(|status| status.success())
}

fn main() -> ExitCode {
    load::send_if_asked();
    reports::write_if_asked();
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    if arguments.list {
        let trials = trials(|_| Box::new(|| ()));
        return libtest_mimic::run(&arguments, trials).exit_code();
    }
    if !possible() {
        let insisted = std::env::var_os("CI").is_some();
        return ExitCode::from(u8::from(insisted));
    }
    lifecycle::hold_if_asked();
    // The cluster ends with this value, whatever the tests do.
    let cluster = Arc::new(Cluster::start());
    product::install(&cluster);
    let trials = trials(|test| {
        let cluster = Arc::clone(&cluster);
        Box::new(move || test(&cluster))
    });
    let conclusion = libtest_mimic::run(&arguments, trials);
    chaos::print_rows();
    if conclusion.has_failed() {
        eprintln!("{}", product::logs(&cluster));
    }
    drop(cluster);
    conclusion.exit_code()
}
