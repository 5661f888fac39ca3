//! Our answers against the code that decides in reality: containerd, containers/image, the
//! Kubernetes scheduling helpers and distribution/reference, each at a pinned version.
//!
//! `tests/oracle/*.go` is a program that answers questions with upstream's code. Here cases
//! are made up, biased to collisions; both sides are asked; any difference is reduced to a
//! minimal case and printed. `make oracle N=200000` asks more of every table. Deviations
//! that are wanted (ARCHITECTURE.md, invariants) are put into the question, so that the
//! comparison itself knows no exception.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests assert by panicking, their helpers too"
)]

#[path = "oracle/compare.rs"]
mod compare;
#[path = "oracle/placement.rs"]
mod placement;
#[path = "oracle/platform.rs"]
mod platform;
#[path = "oracle/process.rs"]
mod process;
#[path = "oracle/reference.rs"]
mod reference;

use std::process::{Command, ExitCode};
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::compare::Run;

type Table = fn(&Run) -> Result<(), Failed>;

const TABLES: [(&str, Table); 9] = [
    (
        "platform_containerd_transfer",
        platform::containerd_transfer,
    ),
    ("platform_containerd_local", platform::containerd_local),
    ("platform_cri_o", platform::cri_o),
    ("platform_docker", platform::docker),
    ("reference", reference::table),
    ("affinity", placement::affinity),
    ("toleration", placement::toleration),
    ("candidates", placement::candidates),
    ("daemonset", placement::daemon_set),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let has_go = Command::new("go").arg("version").output().is_ok();
    if !has_go && !arguments.list {
        eprintln!("the comparison with upstream's code is left out: it needs Go");
        return ExitCode::from(u8::from(std::env::var_os("CI").is_some()));
    }
    let run = Arc::new(if arguments.list {
        Run::default()
    } else {
        Run::from_environment(process::build())
    });
    let trials = TABLES.map(|(name, table)| {
        let run = Arc::clone(&run);
        Trial::test(name, move || table(&run))
    });
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}
