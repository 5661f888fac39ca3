//! Certificates change while reviews arrive: nobody's handshake fails.

use serde_json::Value;

use crate::Test;
use crate::certificates::{Authority, bundles, change_authority};
use crate::cluster::{Cluster, eventually};
use crate::kubectl::{Namespace, deployment, on, spec};
use crate::load::{Failure, Load, Step};
use crate::nodes;
use crate::product::{self, NAME};

pub const TESTS: &[(&str, Test)] = &[
    (
        "no_handshake_fails_while_leaf_and_ca_change",
        leaf_and_authority,
    ),
    (
        "a_replica_starts_without_the_webhook_configuration_and_is_trusted_when_it_returns",
        configuration_deleted,
    ),
];

/// Reviews a second: enough to meet each moment, few enough for a build without optimisation.
const RATE: u32 = 50;

fn leaf_and_authority(cluster: &Cluster) {
    product::restore(cluster);
    let _nodes = nodes::mixed(cluster);
    let authority = Authority::read(cluster);
    let before = bundles(cluster);
    let load = Load::start(cluster, RATE);
    for _ in 0..3 {
        authority.renew_leaf(cluster);
        load.go_on(2);
    }
    assert_eq!(bundles(cluster), before, "the CA stays");
    change_authority(cluster);
    load.go_on(2);
    let report = load.finish();
    // A busy machine may answer late; what is tried here is whether sessions come about.
    let sessions = [Step::Connect, Step::Handshake, Step::Exchange];
    let lost = |failure: &&Failure| sessions.contains(&failure.step);
    let lost = report.failures.iter().filter(lost).count();
    assert_eq!(lost, 0, "{}", report.complaints());
    assert!(report.answered > report.sent / 2, "{}", report.complaints());
    // The first, three of the old CA, one of the new: some may be overtaken.
    assert!(report.leaves > 3, "{} leaves were served", report.leaves);
}

/// The configuration, gone until [`Deleted::restore`].
struct Deleted<'a> {
    cluster: &'a Cluster,
    configuration: Value,
}

impl<'a> Deleted<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        let kind = "validatingwebhookconfiguration";
        let found = cluster.inside(&["kubectl", "get", kind, NAME, "-o", "json"]);
        let mut configuration: Value = serde_json::from_str(&found.expect_ok()).unwrap();
        // As the chart has it: without what the API server and the program put into it.
        if let Some(metadata) = configuration["metadata"].as_object_mut() {
            metadata.retain(|key, _| ["name", "labels", "annotations"].contains(&key.as_str()));
        }
        for entry in configuration["webhooks"].as_array_mut().unwrap() {
            entry["clientConfig"]
                .as_object_mut()
                .unwrap()
                .remove("caBundle");
        }
        cluster
            .inside(&["kubectl", "delete", kind, NAME])
            .expect_ok();
        Self {
            cluster,
            configuration,
        }
    }

    fn restore(&self) {
        let words = ["kubectl", "create", "-f", "-"];
        self.cluster
            .inside_with(&words, &self.configuration.to_string());
    }
}

impl Drop for Deleted<'_> {
    fn drop(&mut self) {
        self.restore();
    }
}

fn configuration_deleted(cluster: &Cluster) {
    product::restore(cluster);
    let _nodes = nodes::mixed(cluster);
    let namespace = Namespace::new(cluster, &[]);
    // An earlier test may have killed a process.
    let before = product::restarts(cluster);
    let deleted = Deleted::new(cluster);
    let replaced = product::kill_replica(cluster);
    // The new one is ready, and stays.
    product::scale(cluster, 2);
    let new = eventually("the new replica says what it lacks", || {
        let said = product::readiness(cluster);
        let lacks = |said: &&(String, String)| {
            said.1
                .contains("validatingwebhookconfiguration archmatch is missing")
        };
        if said.iter().filter(lacks).count() == 2 {
            Ok(said)
        } else {
            Err(format!("{said:?}\n{}", product::logs(cluster)))
        }
    });
    assert!(new.iter().all(|(name, _)| *name != replaced), "{new:?}");
    deleted.restore();
    let refused = deployment(on("s390x", spec("node:22")));
    let began = std::time::Instant::now();
    eventually("it is trusted again", || {
        let said = namespace.apply(&refused, &["--dry-run=server"]);
        let denied = said.stderr.contains("denied the request");
        if denied { Ok(()) } else { Err(said.stderr) }
    });
    // Within 5 s; a busy machine gets three times as long.
    let took = began.elapsed();
    assert!(took.as_secs() < 15, "trusted after {took:?}");
    let after = product::restarts(cluster);
    let mut pods = after.iter();
    let restarted =
        pods.any(|(name, count)| *count > before.get(name).copied().unwrap_or_default());
    assert!(!restarted, "before: {before:?}, after: {after:?}");
}
