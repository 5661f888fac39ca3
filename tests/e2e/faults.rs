//! Registry, webhook and API server fail; nobody is denied by accident, nothing hangs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::Test;
use crate::cluster::{Cluster, eventually};
use crate::kubectl::{Namespace, deployment, on, spec};
use crate::{nodes, product};

pub const TESTS: &[(&str, Test)] = &[
    (
        "without_a_registry_workloads_are_warned_and_admitted",
        registry_down,
    ),
    ("without_a_webhook_the_failure_policy_decides", webhook_down),
    ("a_lost_replica_loses_no_review", replica_lost),
    ("a_crashed_replica_holds_nobody_up", replica_crashed),
    (
        "a_restarted_api_server_is_answered_again",
        api_server_restarted,
    ),
];

fn registry_down(cluster: &Cluster) {
    let namespace = Namespace::new(cluster, &[]);
    cluster.control("stop", "registry");
    // A name that nobody asked for before, so that no cache has it.
    let said = namespace.apply(&deployment(spec("unseen:1")), &[]);
    cluster.control("start", "registry");
    assert!(said.ok, "{}", said.stderr);
    assert!(
        said.stderr.contains("could not be checked"),
        "{}",
        said.stderr
    );
}

fn webhook_down(cluster: &Cluster) {
    product::restore(cluster);
    let _nodes = nodes::mixed(cluster);
    let namespace = Namespace::new(cluster, &[]);
    let refused = deployment(on("s390x", spec("node:22")));
    product::scale(cluster, 0);
    let ignored = eventually("nobody answers", || {
        let said = namespace.apply(&refused, &["--dry-run=server"]);
        if said.ok { Ok(said) } else { Err(said.stderr) }
    });
    assert!(!ignored.stderr.contains("archmatch"), "{}", ignored.stderr);
    product::set_failure_policy(cluster, "Fail");
    eventually("the policy counts", || {
        let said = namespace.apply(&refused, &["--dry-run=server"]);
        let failed = said
            .stderr
            .contains("failed calling webhook \"validate.archmatch.io\"");
        if failed { Ok(()) } else { Err(said.stderr) }
    });
    product::set_failure_policy(cluster, "Ignore");
    product::scale(cluster, 2);
    product::settle(cluster);
    namespace.rejects(&refused);
}

fn replica_lost(cluster: &Cluster) {
    product::restore(cluster);
    let _nodes = nodes::mixed(cluster);
    let namespace = Namespace::new(cluster, &[]);
    let refused = deployment(on("s390x", spec("node:22")));
    let path = "jsonpath={.items[0].metadata.name}";
    let label = "app.kubernetes.io/name=archmatch";
    let words = [
        "kubectl",
        "-n",
        "archmatch",
        "get",
        "pods",
        "-l",
        label,
        "-o",
        path,
    ];
    let victim = cluster.inside(&words).expect_ok();
    let gone = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Deleted in order: it drains. Returns when the pod is gone.
            cluster
                .inside(&["kubectl", "-n", "archmatch", "delete", "pod", &victim])
                .expect_ok();
            gone.store(true, Ordering::Relaxed);
        });
        let mut asked = 0;
        while !gone.load(Ordering::Relaxed) || asked < 20 {
            let said = namespace.apply(&refused, &["--dry-run=server"]);
            assert!(
                said.stderr.contains("denied the request"),
                "{}{}",
                said.stdout,
                said.stderr
            );
            asked += 1;
        }
    });
    product::scale(cluster, 2);
}

fn replica_crashed(cluster: &Cluster) {
    product::restore(cluster);
    let _nodes = nodes::mixed(cluster);
    let namespace = Namespace::new(cluster, &[]);
    let refused = deployment(on("s390x", spec("node:22")));
    namespace.rejects(&refused);
    // Inside, only the cluster's own processes can be seen.
    let found = cluster.inside(&["pgrep", "-x", "archmatch"]).expect_ok();
    assert_eq!(found.lines().count(), 2, "two replicas: {found}");
    for replica in found.lines() {
        cluster.inside(&["kill", "-KILL", replica]).expect_ok();
        // Ignore lets through what was under way; but nobody waits longer than the webhook's
        // own time limit.
        let began = Instant::now();
        let said = namespace.apply(&refused, &["--dry-run=server"]);
        let decided = said.ok || said.stderr.contains("denied the request");
        assert!(decided, "{}", said.stderr);
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{:?}",
            began.elapsed()
        );
    }
    product::scale(cluster, 2);
    product::settle(cluster);
    namespace.rejects(&refused);
    let logs = product::logs(cluster);
    assert!(!logs.contains("panicked"), "{logs}");
}

fn api_server_restarted(cluster: &Cluster) {
    product::restore(cluster);
    let _nodes = nodes::mixed(cluster);
    let namespace = Namespace::new(cluster, &[]);
    cluster.control("restart", "apiserver");
    product::settle(cluster);
    namespace.rejects(&deployment(on("s390x", spec("node:22"))));
    // The watches came back too: a node that joins now is seen.
    let _late = nodes::add(cluster, "late-power", "ppc64le", serde_json::json!({}));
    eventually("the new node counts", || {
        let said = namespace.apply(&deployment(spec("app:multi")), &["--dry-run=server"]);
        if said.stderr.contains("linux/ppc64le") {
            Ok(())
        } else {
            Err(said.stderr)
        }
    });
}
