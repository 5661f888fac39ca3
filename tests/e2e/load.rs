//! Reviews under load, sent as the API server sends them.
//!
//! The sender is this program once more, inside the cluster's network: it knows where the
//! webhook is and whom it may trust only from what the cluster says. It prints a line twice
//! a second, and what came of everything when its standard input is closed.

mod connections;
mod sender;
mod trust;

use std::env;
use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::cluster::{Cluster, PATIENCE};

/// With this in its environment the test program sends so many reviews a second.
const RATE: &str = "ARCHMATCH_E2E_RATE";

/// The other side of [`Load::start`]: sends until its standard input is closed.
pub fn send_if_asked() {
    if let Ok(rate) = env::var(RATE) {
        sender::run(rate.parse().expect("reviews a second"));
        std::process::exit(0);
    }
}

/// A line of the sender.
#[derive(Deserialize, Serialize)]
enum Line {
    Progress(Progress),
    Report(Report),
}

/// What happened since the line before.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Progress {
    pub answered: usize,
    /// Those of them that had a warning.
    pub warned: usize,
    pub failed: usize,
}

/// What came of everything that was sent.
#[derive(Default, Deserialize, Serialize)]
pub struct Report {
    pub sent: usize,
    pub answered: usize,
    pub failures: Vec<Failure>,
    /// From when a review was due until it was answered; 99 of 100 took no longer.
    pub p99_milliseconds: f64,
    /// How many connections were opened.
    pub connections: usize,
    /// How many different certificates were served.
    pub leaves: usize,
    /// What the configuration said whom to trust, one after the other.
    pub bundles: Vec<Bundle>,
}

/// A review that had no good answer.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Failure {
    /// When it was sent, in milliseconds since 1970.
    pub at: u64,
    pub step: Step,
    pub error: String,
    /// The [`Bundle`] that counted.
    pub bundle: String,
}

/// Where a review failed.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub enum Step {
    /// No connection.
    Connect,
    /// No session: the certificate is not trusted, or the peer went away.
    Handshake,
    /// No answer over a connection that was there.
    Exchange,
    /// Another answer than one to this review.
    Answer,
    /// No answer within the API server's time limit.
    Deadline,
}

/// The caBundle of the webhook.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Bundle {
    /// When it was seen, in milliseconds since 1970.
    pub at: u64,
    /// A digest of its bytes.
    pub id: String,
    /// How many certificates it has.
    pub certificates: usize,
}

/// Milliseconds since 1970: the clock that both sides share.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap().as_millis()).unwrap()
}

/// A sender that runs. It ends with this value.
pub struct Load {
    sender: Child,
    lines: Receiver<Line>,
}

impl Load {
    /// Starts to send so many reviews a second; the first are answered when this returns.
    pub fn start(cluster: &Cluster, rate: u32) -> Self {
        let program = env::current_exe().expect("this program");
        let rate = format!("{RATE}={rate}");
        let mut sender = cluster.spawn_inside(&["env", &rate, program.to_str().unwrap()]);
        let output = BufReader::new(sender.stdout.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).expect(&line);
                // Whoever is not interested any more has dropped the other end.
                let _ = send.send(line);
            }
        });
        let load = Self { sender, lines };
        load.until("the first answers", |progress| progress.answered > 0);
        load
    }

    /// Waits until half a second of load was as it should be.
    #[track_caller]
    pub fn until(&self, what: &str, as_it_should_be: impl Fn(&Progress) -> bool) {
        // What happened before does not count.
        while self.lines.try_recv().is_ok() {}
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let progress = self.next();
            if as_it_should_be(&progress) {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "{what}: {progress:?}");
        }
    }

    /// Goes on for so many seconds.
    pub fn go_on(&self, seconds: usize) {
        while self.lines.try_recv().is_ok() {}
        for _ in 0..2 * seconds {
            self.next();
        }
    }

    #[track_caller]
    fn next(&self) -> Progress {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(Line::Progress(progress)) => progress,
            _ => panic!("the sender ended"),
        }
    }

    /// Sends no more, and waits until everything is answered.
    pub fn finish(mut self) -> Report {
        drop(self.sender.stdin.take());
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(Line::Report(report)) => return report,
                Ok(Line::Progress(_)) => {}
                Err(error) => panic!("no report: {error}"),
            }
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.sender.kill();
        let _ = self.sender.wait();
    }
}

impl Report {
    /// The failures, the most frequent first, a line each.
    pub fn complaints(&self) -> String {
        let mut counts = std::collections::BTreeMap::<_, usize>::new();
        for failure in &self.failures {
            let key = format!("{:?}: {}", failure.step, failure.error);
            *counts.entry(key).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let lines = counts
            .iter()
            .take(10)
            .map(|(what, count)| format!("{count} x {what}\n"));
        lines.collect()
    }
}
