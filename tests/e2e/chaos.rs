//! 500 reviews a second through everything that an installation goes through: each of them
//! has an answer. `make chaos` runs these, one line a scenario; `make test` does not.

use std::sync::Mutex;

use serde_json::json;

use crate::Test;
use crate::cluster::Cluster;
use crate::load::{Failure, Load, Report, Step, now};
use crate::nodes;
use crate::product::{self, NAME, Reloaded};

pub const TESTS: &[(&str, Test)] = &[
    ("a_rolling_restart", rolling_restart),
    ("an_api_server_restart", api_server_restart),
    ("a_configuration_reload", reload),
    ("a_replica_killed", replica_killed),
];

/// Reviews a second, unless the environment names another number: a busy machine, or a build
/// without optimisation, answers fewer.
const RATE: u32 = 500;

fn rate() -> u32 {
    let asked = std::env::var("RATE")
        .ok()
        .and_then(|text| text.parse().ok());
    asked.unwrap_or(RATE)
}

/// How long a killed replica may be asked: the kubelet, the controller manager and
/// kube-proxy each need a second or two to take note.
const TAKEN_NOTE_WITHIN: u64 = 10_000;

/// Lines of the scenarios that ran.
static ROWS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Prints a line for each scenario that ran.
pub fn print_rows() {
    let rows = ROWS.lock().unwrap();
    if rows.is_empty() {
        return;
    }
    println!(
        "\n{:<32} {:>7} {:>8} {:>6} {:>10}",
        "scenario", "sent", "answered", "failed", "p99"
    );
    for row in rows.iter() {
        println!("{row}");
    }
}

/// Failures that no program can help, and what to say of them. They are counted apart.
struct Apart<'a> {
    covers: &'a dyn Fn(&Failure) -> bool,
    says: &'a dyn Fn(&[&Failure]) -> String,
}

const NONE_APART: Apart<'_> = Apart {
    covers: &|_| false,
    says: &|_| String::new(),
};

/// Ends the load and keeps its line; a failure that is not covered fails the scenario.
fn conclude(scenario: &str, report: &Report, apart: &Apart<'_>) {
    let covered = |failure: &&Failure| (apart.covers)(failure);
    let (apart_from, failed): (Vec<&Failure>, Vec<&Failure>) =
        report.failures.iter().partition(covered);
    let said = (apart.says)(&apart_from);
    let row = format!(
        "{scenario:<32} {:>7} {:>8} {:>6} {:>7.1} ms{said}",
        report.sent,
        report.answered,
        failed.len(),
        report.p99_milliseconds,
    );
    ROWS.lock().unwrap().push(row.clone());
    assert!(report.connections > 25, "connections were opened");
    assert!(failed.is_empty(), "{row}\n{}", report.complaints());
}

fn rolling_restart(cluster: &Cluster) {
    let _nodes = ready(cluster);
    let load = Load::start(cluster, rate());
    let rollout = |words: &[&str]| {
        let all = [&["kubectl", "-n", NAME, "rollout"], words].concat();
        cluster.inside(&all).expect_ok();
    };
    rollout(&["restart", "deployment", NAME]);
    rollout(&["status", "deployment", NAME, "--timeout=120s"]);
    // Until the old replicas are gone, too.
    product::scale(cluster, 2);
    load.go_on(2);
    conclude("rolling restart, two replicas", &load.finish(), &NONE_APART);
}

fn api_server_restart(cluster: &Cluster) {
    let _nodes = ready(cluster);
    let load = Load::start(cluster, rate());
    cluster.control("restart", "apiserver");
    product::settle(cluster);
    load.go_on(5);
    conclude("an API server restart", &load.finish(), &NONE_APART);
    cluster.restart_clients();
}

fn reload(cluster: &Cluster) {
    let _nodes = ready(cluster);
    let load = Load::start(cluster, rate());
    load.until("reviews are warned", |progress| progress.warned > 0);
    let changed = Reloaded::new(cluster, &json!({"policy": {"warn": "off"}}));
    load.until("nobody is warned", |progress| {
        progress.warned == 0 && progress.answered > 0
    });
    drop(changed);
    load.until("all are warned again", |progress| {
        progress.warned == progress.answered && progress.answered > 0
    });
    conclude("a configuration reload", &load.finish(), &NONE_APART);
}

fn replica_killed(cluster: &Cluster) {
    let _nodes = ready(cluster);
    let load = Load::start(cluster, rate());
    let killed = now();
    product::kill_process(cluster);
    load.go_on(5);
    // The kubelet starts it again.
    product::scale(cluster, 2);
    load.go_on(2);
    let since = |failure: &Failure| failure.at.saturating_sub(killed);
    let lost = [Step::Connect, Step::Handshake, Step::Exchange];
    let apart = Apart {
        covers: &|failure| lost.contains(&failure.step) && since(failure) <= TAKEN_NOTE_WITHIN,
        says: &|apart| {
            let last = apart.iter().map(|failure| since(failure)).max();
            let count = apart.len();
            format!(
                "  of the instant of the kill: {count}, the last after {} ms",
                last.unwrap_or_default()
            )
        },
    };
    conclude("kill -9 of one of two replicas", &load.finish(), &apart);
}

/// As installed, with nodes that the reviews' image lacks a platform for.
fn ready(cluster: &Cluster) -> Vec<nodes::FakeNode<'_>> {
    product::restore(cluster);
    nodes::mixed(cluster)
}
