//! 500 reviews a second through everything that an installation goes through: each of them
//! has an answer. `make chaos` runs these, one line a scenario; `make test` does not.

use std::sync::Mutex;

use serde_json::json;

use crate::Test;
use crate::certificates::{self, Authority};
use crate::cluster::Cluster;
use crate::load::{Failure, Load, Report, Step, now};
use crate::nodes;
use crate::product::{self, NAME, Reloaded};

pub const TESTS: &[(&str, Test)] = &[
    ("a_rolling_restart", rolling_restart),
    ("a_leaf_each_second_for_a_minute", leaves),
    ("three_changes_of_the_ca", authorities),
    ("a_wiped_ca_bundle", wiped_bundle),
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

/// Leaves of the minute that a client has to have met at least: the rest are overtaken.
const LEAVES_MET: usize = 30;
/// How long a wiped caBundle may stay.
const MENDED_WITHIN: u64 = 5_000;
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

fn leaves(cluster: &Cluster) {
    let _nodes = ready(cluster);
    let authority = Authority::read(cluster);
    let load = Load::start(cluster, rate());
    for _ in 0..60 {
        authority.renew_leaf(cluster);
        load.go_on(1);
    }
    let report = load.finish();
    conclude("a leaf each second, 1 minute", &report, &NONE_APART);
    assert!(
        report.leaves >= LEAVES_MET,
        "{} leaves were served",
        report.leaves
    );
    assert_eq!(
        report.bundles.len(),
        1,
        "a leaf's renewal leaves the caBundle alone"
    );
}

fn authorities(cluster: &Cluster) {
    let _nodes = ready(cluster);
    let load = Load::start(cluster, rate());
    for _ in 0..3 {
        certificates::change_authority(cluster);
    }
    load.go_on(2);
    conclude("three changes of the CA", &load.finish(), &NONE_APART);
}

fn wiped_bundle(cluster: &Cluster) {
    let _nodes = ready(cluster);
    let load = Load::start(cluster, rate());
    let good = certificates::bundles(cluster);
    for wiped in [certificates::foreign_authority(), Vec::new()] {
        certificates::set_bundles(cluster, &wiped);
        load.until("the caBundle is mended", |_| {
            certificates::bundles(cluster) == good
        });
    }
    load.go_on(2);
    let report = load.finish();
    // How long each bundle stayed that nobody but the test wrote.
    let good = &report.bundles[0].id;
    let stays = report.bundles.windows(2).filter(|pair| pair[0].id != *good);
    let stays: Vec<u64> = stays.map(|pair| pair[1].at - pair[0].at).collect();
    let longest = stays.iter().copied().max().unwrap_or_default();
    let apart = Apart {
        covers: &|failure| failure.step == Step::Handshake && failure.bundle != *good,
        says: &|apart| {
            format!(
                "  while the caBundle was foreign: {}, mended after {longest} ms",
                apart.len()
            )
        },
    };
    conclude("a wiped caBundle", &report, &apart);
    assert_eq!(stays.len(), 2, "it was wiped twice");
    assert!(longest <= MENDED_WITHIN, "mended after {stays:?} ms");
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
