//! What a pass of the audit found, and what passes did. Labels come from closed sets and from
//! the platforms of the nodes: no names, no images, no texts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};

use super::drift;
use super::objects::WriteCounts;
use crate::findings::Finding;
use crate::report::{Report, ReportedLevels};

/// Two labels with their values.
type TwoLabels = [(&'static str, String); 2];

/// One label with a value out of a closed set.
type OneLabel = [(&'static str, &'static str); 1];

/// How passes end.
const RESULTS: [&str; 3] = ["whole", "partial", "failed"];

/// What happens to report objects; `failed` is a write that the API server refused.
const OPERATIONS: [&str; 4] = ["create", "update", "delete", "failed"];

/// Gauges and counters of the audit. Clones share them.
#[derive(Clone, Debug)]
pub struct AuditMetrics {
    workloads: LastPass,
    levels: LastPass,
    findings: LastPass,
    last_pass: Gauge,
    duration: Gauge<f64, std::sync::atomic::AtomicU64>,
    partial: Gauge,
    report_objects: Gauge,
    passes: Family<OneLabel, Counter>,
    report_writes: Family<OneLabel, Counter>,
    drift: Family<OneLabel, Counter>,
}

impl AuditMetrics {
    /// The metrics, registered for exposition.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            workloads: LastPass::register(
                registry,
                "audit_workloads",
                "Workloads by node platform and state: ready, blocked, undecided, or elsewhere",
                ["platform", "state"],
            ),
            levels: LastPass::register(
                registry,
                "audit_levels",
                "Workloads by level and by whether they pass it, fail it or are undecided",
                ["level", "result"],
            ),
            findings: LastPass::register(
                registry,
                "audit_findings",
                "Findings by rule and severity",
                ["rule", "severity"],
            ),
            last_pass: registered(
                registry,
                "audit_last_pass_timestamp_seconds",
                "When the last pass that did not fail ended, in seconds since 1970; 0 before the first",
                Gauge::default(),
            ),
            duration: registered(
                registry,
                "audit_pass_duration_seconds",
                "How long the last pass took",
                Gauge::default(),
            ),
            partial: registered(
                registry,
                "audit_partial",
                "Whether the last pass could not list all of the cluster",
                Gauge::default(),
            ),
            report_objects: registered(
                registry,
                "audit_report_objects",
                "Report objects that are in the cluster",
                Gauge::default(),
            ),
            passes: registered(
                registry,
                "audit_passes",
                "Passes by result",
                Family::default(),
            ),
            report_writes: registered(
                registry,
                "audit_report_writes",
                "Writes of report objects by operation, and those that failed",
                Family::default(),
            ),
            drift: registered(
                registry,
                "audit_drift",
                "Findings of drift that appeared from one pass to the next, by rule",
                Family::default(),
            ),
        };
        // What may be counted shows from the start.
        for result in RESULTS {
            let _ = metrics.passes.get_or_create(&[("result", result)]);
        }
        for operation in OPERATIONS {
            let _ = metrics.report_writes.get_or_create(&labelled(operation));
        }
        for rule in drift::rules() {
            let _ = metrics.drift.get_or_create(&[("rule", rule.name())]);
        }
        metrics
    }

    /// What a pass found, and how long it took.
    pub fn show(&self, report: &Report, took: Duration) {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let workloads = report.readiness.iter().flat_map(|row| {
            let states = [
                ("ready", row.ready),
                ("blocked", row.blocked),
                ("undecided", row.undecided),
                ("elsewhere", row.elsewhere),
            ];
            states.map(|(state, number)| (&*row.platform, state, count(number)))
        });
        self.set_workloads(workloads);
        let mut levels: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for workload in report.workloads.iter().filter(|one| !one.images.is_empty()) {
            let ReportedLevels { runnable, portable } = workload.levels;
            *levels.entry(("runnable", runnable.name())).or_default() += 1;
            *levels.entry(("portable", portable.name())).or_default() += 1;
        }
        let levels = levels.into_iter();
        self.set_levels(levels.map(|((level, result), number)| (level, result, count(number))));
        let mut findings: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for finding in &report.findings {
            let labels = (finding.rule.name(), finding.severity.into());
            *findings.entry(labels).or_default() += 1;
        }
        let findings = findings.into_iter();
        self.set_findings(
            findings.map(|((rule, severity), number)| (rule, severity, count(number))),
        );
        let ended = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let ended = ended.map_or(0, |since| {
            i64::try_from(since.as_secs()).unwrap_or_default()
        });
        self.passed(!report.partial.is_empty(), took, ended);
    }

    /// Workloads by platform and state, in place of what the last pass found.
    fn set_workloads<'a>(&self, found: impl IntoIterator<Item = (&'a str, &'a str, i64)>) {
        self.workloads.replace(found);
    }

    /// Workloads by level and result, in place of what the last pass found.
    fn set_levels<'a>(&self, found: impl IntoIterator<Item = (&'a str, &'a str, i64)>) {
        self.levels.replace(found);
    }

    /// Findings by rule and severity, in place of what the last pass found.
    fn set_findings<'a>(&self, found: impl IntoIterator<Item = (&'a str, &'a str, i64)>) {
        self.findings.replace(found);
    }

    /// A pass saw what it could see, at a time in seconds since 1970.
    fn passed(&self, is_partial: bool, took: Duration, ended: i64) {
        let result = if is_partial { "partial" } else { "whole" };
        self.partial.set(i64::from(is_partial));
        self.duration.set(took.as_secs_f64());
        self.last_pass.set(ended);
        self.passes.get_or_create(&[("result", result)]).inc();
    }

    /// A pass came to nothing. What the last one found still counts.
    pub fn failed(&self) {
        self.passes.get_or_create(&[("result", "failed")]).inc();
    }

    /// What happened to report objects, and how many there are now.
    pub fn count_writes(&self, counts: &WriteCounts) {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        for (operation, count) in [
            ("create", counts.created),
            ("update", counts.updated),
            ("delete", counts.deleted),
            ("failed", counts.failed),
        ] {
            let counter = self.report_writes.get_or_create(&labelled(operation));
            counter.inc_by(number(count));
        }
        let there = counts.created + counts.updated + counts.unchanged + counts.kept;
        self.report_objects
            .set(i64::try_from(there).unwrap_or(i64::MAX));
    }

    /// The drift that appeared.
    pub fn count_drift(&self, appeared: &[&Finding]) {
        for finding in appeared {
            let labels = [("rule", finding.rule.name())];
            self.drift.get_or_create(&labels).inc();
        }
    }

    /// No report object could be looked at.
    pub fn report_write_failed(&self) {
        self.report_writes.get_or_create(&labelled("failed")).inc();
    }
}

const fn labelled(operation: &'static str) -> OneLabel {
    [("operation", operation)]
}

fn registered<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

/// Numbers of the last pass by two labels. A series that it did not find is gone: a platform
/// whose last node left, a rule without a finding.
#[derive(Clone, Debug)]
struct LastPass {
    names: [&'static str; 2],
    series: Family<TwoLabels, Gauge>,
    /// The labels of the last pass, of which the family shows no list.
    known: Arc<Mutex<BTreeSet<TwoLabels>>>,
}

impl LastPass {
    fn register(registry: &mut Registry, name: &str, help: &str, names: [&'static str; 2]) -> Self {
        Self {
            names,
            series: registered(registry, name, help, Family::default()),
            known: Arc::default(),
        }
    }

    /// Series that stay are never absent in between, so that a scrape at any time finds them.
    fn replace<'a>(&self, found: impl IntoIterator<Item = (&'a str, &'a str, i64)>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut now = BTreeSet::new();
        for (first, second, count) in found {
            let [first_name, second_name] = self.names;
            let labels = [
                (first_name, first.to_owned()),
                (second_name, second.to_owned()),
            ];
            self.series.get_or_create(&labels).set(count);
            now.insert(labels);
        }
        for gone in known.difference(&now) {
            self.series.remove(gone);
        }
        *known = now;
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    fn shown(registry: &Registry) -> Vec<String> {
        let mut text = String::new();
        encode(&mut text, registry).unwrap();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let mut samples: Vec<String> = samples.map(str::to_owned).collect();
        samples.sort();
        samples
    }

    #[test]
    fn a_platform_that_left_is_no_longer_shown() {
        let mut registry = Registry::default();
        let metrics = AuditMetrics::register(&mut registry);
        let both = [
            ("linux/amd64", "ready", 7),
            ("linux/s390x", "ready", 3),
            ("linux/s390x", "blocked", 4),
        ];
        metrics.set_workloads(both);
        metrics.set_workloads([("linux/amd64", "ready", 8)]);
        let workloads: Vec<String> = shown(&registry)
            .into_iter()
            .filter(|line| line.starts_with("audit_workloads"))
            .collect();
        assert_eq!(
            workloads,
            ["audit_workloads{platform=\"linux/amd64\",state=\"ready\"} 8"]
        );
    }

    #[test]
    fn a_pass_that_failed_leaves_the_last_one_as_it_was() {
        let mut registry = Registry::default();
        let metrics = AuditMetrics::register(&mut registry);
        metrics.passed(true, Duration::from_millis(1500), 1_700_000_000);
        metrics.failed();
        metrics.count_writes(&WriteCounts {
            created: 1,
            ..WriteCounts::default()
        });
        let shown = shown(&registry);
        for line in [
            "audit_last_pass_timestamp_seconds 1700000000",
            "audit_pass_duration_seconds 1.5",
            "audit_partial 1",
            "audit_passes_total{result=\"failed\"} 1",
            "audit_passes_total{result=\"partial\"} 1",
            "audit_passes_total{result=\"whole\"} 0",
            "audit_report_writes_total{operation=\"create\"} 1",
            "audit_report_writes_total{operation=\"failed\"} 0",
        ] {
            assert!(
                shown.iter().any(|found| found == line),
                "{line} in {shown:#?}"
            );
        }
    }
}
