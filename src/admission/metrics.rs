//! What the webhook counts. Labels come from closed sets: no names, no images, no texts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::leniency::Asker;
use super::turned_away::Cause;
use crate::domain::inspection::Staleness;
use crate::domain::policy::Level;
use crate::domain::unknown::Reason;

/// Counters and timers of the webhook.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    undecided: Family<ReasonLabels, Counter>,
    stale: Family<ReasonLabels, Counter>,
    below_audit: Family<BelowLabels, Counter>,
    would_deny: Family<LevelLabels, Counter>,
    turned_away: Family<CauseLabels, Counter>,
    room: Family<LaneLabels, Gauge>,
    waiting: Gauge,
    duration: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    kind: &'static str,
    operation: &'static str,
    decision: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LevelLabels {
    level: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BelowLabels {
    level: &'static str,
    asked_by: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CauseLabels {
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LaneLabels {
    lane: &'static str,
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
            requests: Family::default(),
            undecided: Family::default(),
            stale: Family::default(),
            below_audit: Family::default(),
            would_deny: Family::default(),
            turned_away: Family::default(),
            room: Family::default(),
            waiting: Gauge::default(),
            duration: Histogram::new(BUCKETS),
        };
        registry.register(
            "admission_requests",
            "Reviews by kind, operation and decision",
            metrics.requests.clone(),
        );
        registry.register(
            "admission_undecided",
            "Reviews in which something could not be found out, by reason",
            metrics.undecided.clone(),
        );
        registry.register(
            "admission_stale",
            "Reviews judged by an old answer of a registry, by why there was no younger one",
            metrics.stale.clone(),
        );
        registry.register(
            "admission_below_audit",
            "Reviews of workloads below the audit level, by that level and by who asked: what \
             controllers ask for shows what was injected after the template",
            metrics.below_audit.clone(),
        );
        registry.register(
            "would_deny",
            "Reviews that were let through and that enforcing this stricter level would deny",
            metrics.would_deny.clone(),
        );
        for level in [Level::Runnable, Level::Portable] {
            let _ = metrics.of_level(level);
            for asker in Asker::ALL {
                let _ = metrics.of_asker(level, asker);
            }
        }
        registry.register(
            "admission_turned_away",
            "Reviews that were not judged, by cause",
            metrics.turned_away.clone(),
        );
        for cause in Cause::ALL {
            let _ = metrics.of_cause(cause);
        }
        registry.register(
            "admission_room_bytes",
            "Room taken by bodies that are read or parsed, by lane",
            metrics.room.clone(),
        );
        registry.register(
            "admission_waiting",
            "Reviews that wait for registries",
            metrics.waiting.clone(),
        );
        registry.register(
            "admission_duration_seconds",
            "Time from the whole body to the answer",
            metrics.duration.clone(),
        );
        metrics
    }

    pub(super) fn answered(&self, kind: &str, operation: &str, decision: &'static str) {
        let kind = KINDS.into_iter().find(|known| *known == kind);
        let operation = ["CREATE", "UPDATE"]
            .into_iter()
            .find(|known| *known == operation);
        self.requests
            .get_or_create(&RequestLabels {
                kind: kind.unwrap_or("other"),
                operation: operation.unwrap_or("other"),
                decision,
            })
            .inc();
    }

    pub(super) fn undecided(&self, reasons: &[Reason]) {
        count(&self.undecided, reasons.iter().copied().map(Reason::name));
    }

    pub(super) fn below_audit(&self, level: Level, asker: Asker) {
        self.of_asker(level, asker).inc();
    }

    fn of_asker(&self, level: Level, asker: Asker) -> Counter {
        self.below_audit.get_or_create_owned(&BelowLabels {
            level: level.name(),
            asked_by: asker.name(),
        })
    }

    pub(super) fn would_deny(&self, levels: impl Iterator<Item = Level>) {
        levels.for_each(|level| {
            self.of_level(level).inc();
        });
    }

    fn of_level(&self, level: Level) -> Counter {
        let level = level.name();
        self.would_deny.get_or_create_owned(&LevelLabels { level })
    }

    pub(super) fn stale(&self, reasons: &[Staleness]) {
        count(&self.stale, reasons.iter().copied().map(Staleness::name));
    }

    pub(super) fn turned_away(&self, cause: Cause) {
        self.of_cause(cause).inc();
    }

    fn of_cause(&self, cause: Cause) -> Counter {
        self.turned_away.get_or_create_owned(&CauseLabels {
            cause: cause.name(),
        })
    }

    /// Bytes in a lane for bodies.
    pub(super) fn room(&self, lane: &'static str) -> Gauge {
        self.room.get_or_create_owned(&LaneLabels { lane })
    }

    pub(super) fn waiting(&self) -> Gauge {
        self.waiting.clone()
    }

    pub(super) fn took(&self, duration: std::time::Duration) {
        self.duration.observe(duration.as_secs_f64());
    }
}

fn count(family: &Family<ReasonLabels, Counter>, reasons: impl IntoIterator<Item = &'static str>) {
    for reason in reasons {
        family.get_or_create(&ReasonLabels { reason }).inc();
    }
}
