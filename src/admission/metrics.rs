//! What the webhook counts. Labels come from closed sets: no names, no images, no texts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};
use strum::VariantArray;

use super::cause::Cause;
use super::leniency::Asker;
use crate::domain::inspection::StaleCause;
use crate::domain::policy::Level;
use crate::domain::unknown::Reason;

/// Labels with their values.
type LabelPairs<const N: usize> = [(&'static str, &'static str); N];

/// Counters and timers of the webhook.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<LabelPairs<3>, Counter>,
    undecided: Family<LabelPairs<1>, Counter>,
    stale: Family<LabelPairs<1>, Counter>,
    below_audit: Family<LabelPairs<2>, Counter>,
    would_deny: Family<LabelPairs<1>, Counter>,
    turned_away: Family<LabelPairs<1>, Counter>,
    room: Family<LabelPairs<1>, Gauge>,
    waiting: Gauge,
    duration: Histogram,
}

/// Upper bounds in seconds: from a warm answer to the longest webhook timeout.
const BUCKETS: [f64; 14] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 30.0,
];

/// Kinds that get a label of their own; the rest is `other`.
const KINDS: [&str; 9] = [
    "Pod",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "ReplicaSet",
    "ReplicationController",
    "Job",
    "CronJob",
    "PodTemplate",
];

impl Metrics {
    /// The metrics, registered for exposition.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: registered(
                registry,
                "admission_requests",
                "Reviews by kind, operation and decision",
                Family::default(),
            ),
            undecided: registered(
                registry,
                "admission_undecided",
                "Reviews in which something could not be found out, by reason",
                Family::default(),
            ),
            stale: registered(
                registry,
                "admission_stale",
                "Reviews judged by an old answer of a registry, by why there was no younger one",
                Family::default(),
            ),
            below_audit: registered(
                registry,
                "admission_below_audit",
                "Reviews of workloads below the audit level, by that level and by who asked: \
                 what controllers ask for shows what was injected after the template",
                Family::default(),
            ),
            would_deny: registered(
                registry,
                "would_deny",
                "Reviews that were let through and that enforcing this stricter level would deny",
                Family::default(),
            ),
            turned_away: registered(
                registry,
                "admission_turned_away",
                "Reviews that were not judged, by cause",
                Family::default(),
            ),
            room: registered(
                registry,
                "admission_room_bytes",
                "Room taken by bodies that are read or parsed, by lane",
                Family::default(),
            ),
            waiting: registered(
                registry,
                "admission_waiting",
                "Reviews that wait for registries",
                Gauge::default(),
            ),
            duration: registered(
                registry,
                "admission_duration_seconds",
                "Time from the whole body to the answer",
                Histogram::new(BUCKETS),
            ),
        };
        // What may be counted shows from the start.
        for level in [Level::Runnable, Level::Portable] {
            let _ = metrics.of_level(level);
            for asker in Asker::VARIANTS {
                let _ = metrics.of_asker(level, *asker);
            }
        }
        for cause in Cause::VARIANTS {
            let _ = metrics.of_cause(*cause);
        }
        metrics
    }

    pub(super) fn answered(&self, kind: &str, operation: &str, decision: &'static str) {
        let known = |names: &[&'static str], name: &str| {
            let known = names.iter().find(|known| **known == name);
            known.copied().unwrap_or("other")
        };
        let labels = [
            ("kind", known(&KINDS, kind)),
            ("operation", known(&["CREATE", "UPDATE"], operation)),
            ("decision", decision),
        ];
        self.requests.get_or_create(&labels).inc();
    }

    pub(super) fn undecided(&self, reasons: &[Reason]) {
        for reason in reasons {
            let labels = [("reason", reason.name())];
            self.undecided.get_or_create(&labels).inc();
        }
    }

    pub(super) fn below_audit(&self, level: Level, asker: Asker) {
        self.of_asker(level, asker).inc();
    }

    fn of_asker(&self, level: Level, asker: Asker) -> Counter {
        let labels = [("level", level.name()), ("asked_by", asker.name())];
        self.below_audit.get_or_create_owned(&labels)
    }

    pub(super) fn would_deny(&self, levels: impl Iterator<Item = Level>) {
        levels.for_each(|level| {
            self.of_level(level).inc();
        });
    }

    fn of_level(&self, level: Level) -> Counter {
        let labels = [("level", level.name())];
        self.would_deny.get_or_create_owned(&labels)
    }

    pub(super) fn stale(&self, reasons: &[StaleCause]) {
        for reason in reasons {
            let labels = [("reason", reason.name())];
            self.stale.get_or_create(&labels).inc();
        }
    }

    pub(super) fn turned_away(&self, cause: Cause) {
        self.of_cause(cause).inc();
    }

    fn of_cause(&self, cause: Cause) -> Counter {
        let labels = [("cause", cause.name())];
        self.turned_away.get_or_create_owned(&labels)
    }

    /// Bytes in a lane for bodies.
    pub(super) fn room(&self, lane: &'static str) -> Gauge {
        self.room.get_or_create_owned(&[("lane", lane)])
    }

    pub(super) fn waiting(&self) -> Gauge {
        self.waiting.clone()
    }

    pub(super) fn took(&self, duration: std::time::Duration) {
        self.duration.observe(duration.as_secs_f64());
    }
}

fn registered<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}
