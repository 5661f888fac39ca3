//! Registry, webhook and API server are killed at many moments of a steady stream of
//! applies: nothing hangs, nobody is denied by accident, nothing panics.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Test;
use crate::cluster::{Cluster, PATIENCE, eventually};
use crate::kubectl::{Namespace, deployment, image, on, spec};
use crate::{nodes, product};

pub const TESTS: &[(&str, Test)] = &[("whatever_is_killed_at_any_moment_nothing_hangs", storm)];

/// How often each is killed, each time after another number of answers.
const ROUNDS: usize = 5;

/// The webhook's own limit of 5 s, and kubectl's start on a busy machine.
const LONGEST: Duration = Duration::from_secs(15);

/// What an apply came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Admitted,
    Warned,
    Denied,
    /// The API server was not there, or went away meanwhile.
    Away,
}

/// How the API server's absence reads.
const AWAY: &[&str] = &[
    "connection refused",
    "was refused",
    "connection reset by peer",
    "EOF",
    "client connection lost",
    "http2: ",
    "use of closed network connection",
    "ServiceUnavailable",
    "TLS handshake timeout",
    "the server is currently unable to handle the request",
    // Until its own controllers and caches are ready.
    "not yet ready to handle request",
    "unable to fetch the kubectl.kubernetes.io/last-applied-configuration",
];

/// A workload, and the answers that are no surprise while something is killed.
struct Workload {
    object: Value,
    expected: &'static [Answer],
}

struct Storm<'a> {
    namespace: Namespace<'a>,
    answers: AtomicUsize,
    over: AtomicBool,
    wrong: Mutex<Vec<String>>,
    longest: Mutex<Duration>,
}

impl Storm<'_> {
    fn cluster(&self) -> &Cluster {
        self.namespace.cluster
    }

    /// Applies one workload after the other until the storm is over.
    fn client(&self, workloads: &[Workload]) {
        for workload in workloads.iter().cycle() {
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            let began = Instant::now();
            let said = self
                .namespace
                .apply(&workload.object, &["--dry-run=server"]);
            let took = began.elapsed();
            let answer = if said.ok && said.stderr.contains("Warning: archmatch: ") {
                Some(Answer::Warned)
            } else if said.ok {
                Some(Answer::Admitted)
            } else if said.stderr.contains("denied the request") {
                Some(Answer::Denied)
            } else if AWAY.iter().any(|text| said.stderr.contains(text)) {
                Some(Answer::Away)
            } else {
                None
            };
            let usual = answer.is_some_and(|answer| {
                answer == Answer::Away || workload.expected.contains(&answer)
            });
            if !usual || took > LONGEST {
                let line = format!("{answer:?} after {took:?}: {}", said.stderr);
                self.wrong.lock().unwrap().push(line);
            }
            let mut longest = self.longest.lock().unwrap();
            *longest = took.max(*longest);
            self.answers.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits for so many further answers.
    fn after(&self, count: usize) {
        let (target, deadline) = (self.answers() + count, Instant::now() + PATIENCE);
        while self.answers() < target {
            assert!(Instant::now() < deadline, "the clients hang");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    fn answers(&self) -> usize {
        self.answers.load(Ordering::Relaxed)
    }

    /// The answers are the right ones again, for an image that nobody saw before.
    fn recovered(&self, what: &str) {
        product::settle(self.cluster());
        let tag = format!("{what}-{}", self.answers());
        let words = ["crane", "tag", "--insecure", &image("node:22"), &tag];
        self.cluster().inside(&words).expect_ok();
        let refused = deployment(on("s390x", spec(&format!("node:{tag}"))));
        eventually("it is refused again", || {
            let said = self.namespace.apply(&refused, &["--dry-run=server"]);
            let denied = said.stderr.contains("has no linux/s390x manifest");
            if denied && !said.ok {
                Ok(())
            } else {
                Err(said.stderr)
            }
        });
        // Nothing is ever created: the clients would run into what another one made.
        let good = deployment(on("s390x", spec("node:21")));
        self.namespace
            .apply(&good, &["--dry-run=server"])
            .expect_ok();
    }
}

fn storm(cluster: &Cluster) {
    product::restore(cluster);
    let _nodes = nodes::mixed(cluster);
    let namespace = Namespace::new(cluster, &[]);
    let before = product::restarts(cluster);
    use Answer::{Admitted, Denied, Warned};
    let workloads = [
        // Ignore lets through what is under way when a replica is killed.
        Workload {
            object: deployment(on("s390x", spec("node:22"))),
            expected: &[Denied, Admitted, Warned],
        },
        // Good everywhere: whatever happens, it is never denied.
        Workload {
            object: deployment(on("s390x", spec("node:21"))),
            expected: &[Admitted, Warned],
        },
        Workload {
            object: deployment(spec("node:20")),
            expected: &[Warned, Admitted],
        },
        // Asks the registry each time, and never learns anything.
        Workload {
            object: deployment(spec("storm:unseen")),
            expected: &[Warned, Admitted],
        },
    ];
    let storm = Storm {
        namespace,
        answers: AtomicUsize::new(0),
        over: AtomicBool::new(false),
        wrong: Mutex::default(),
        longest: Mutex::default(),
    };
    let mut killed = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| storm.client(&workloads));
        }
        // The clients have to end with us, however we end.
        let _over = Over(&storm.over);
        for round in 0..ROUNDS {
            storm.after(2 + 3 * round);
            cluster.control("stop", "registry");
            storm.after(4 + round);
            cluster.control("start", "registry");
            storm.recovered("registry");

            storm.after(1 + 2 * round);
            killed.push(product::kill_replica(cluster));
            storm.after(4 + round);
            product::scale(cluster, 2);
            storm.recovered("webhook");

            storm.after(3 + round);
            cluster.control("stop", "apiserver");
            storm.after(4 + round);
            cluster.control("start", "apiserver");
            cluster.restart_clients();
            storm.recovered("apiserver");
        }
    });
    let wrong = storm.wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!(
        "{} applies, the longest took {:?}",
        storm.answers.into_inner(),
        storm.longest.into_inner().unwrap()
    );
    assert_eq!(product::panics(cluster), "");
    for (replica, restarts) in product::restarts(cluster) {
        let expected = before.get(&replica).copied().unwrap_or(0);
        assert_eq!(
            restarts, expected,
            "restarts of {replica}; killed: {killed:?}"
        );
    }
}

/// Ends the storm when it goes.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
