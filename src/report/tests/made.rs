//! Reports that tests make.

use std::path::{Path, PathBuf};

use crate::domain::outcome::Outcome;
use crate::domain::policy::Level;
use crate::domain::unknown::Reason;
use crate::findings::samples::*;
use crate::findings::{Finding, JudgedWorkload};
use crate::report::*;

pub(super) const AMD64: &str = "linux/amd64";
pub(super) const S390X: &str = "linux/s390x";
pub(super) const TODAY: &str = "2026-11-28T10:00:00Z";

pub(super) fn report_at(
    level: Level,
    scope: Scope,
    workloads: &[JudgedWorkload],
    baseline: Option<Baseline>,
) -> Report {
    let mut builder = ReportBuilder::new(ReportRequest {
        scope,
        level,
        ..ReportRequest::default()
    });
    for (place, judged) in workloads.iter().enumerate() {
        builder.add(place, judged);
    }
    let circumstances = Circumstances {
        created: TODAY.to_owned(),
        baseline,
        ..Circumstances::default()
    };
    builder.finish(&nodes(&[AMD64, S390X]), circumstances)
}

pub(super) fn report(workloads: &[JudgedWorkload]) -> Report {
    report_at(Level::Portable, Scope::Cluster, workloads, None)
}

/// A workload whose images have these outcomes on amd64 and on s390x.
pub(super) fn workload(title: &str, images: &[(&str, [Outcome; 2])]) -> JudgedWorkload {
    let platforms = [candidate(AMD64, &["a1"]), candidate(S390X, &["z1"])];
    let images = images.iter().map(|(name, outcomes)| {
        let container = name.split([':', '/']).next().unwrap_or_default();
        image(&[container], name, outcomes.to_vec())
    });
    let images: Vec<_> = images.collect();
    judged(title, vec![verdict(&platforms, &images)])
}

/// One that may go to amd64 alone.
pub(super) fn on_amd64(title: &str, name: &str) -> JudgedWorkload {
    let platforms = [candidate(AMD64, &["a1"])];
    let image = image(&["c"], name, vec![supported()]);
    judged(title, vec![verdict(&platforms, &[image])])
}

pub(super) fn runs() -> [Outcome; 2] {
    [supported(), supported()]
}

pub(super) fn lacks() -> [Outcome; 2] {
    [supported(), missing()]
}

pub(super) fn open() -> [Outcome; 2] {
    [supported(), unknown(Reason::Timeout)]
}

/// The findings with the titles of their workloads in place of positions.
pub(super) fn without_positions(report: &Report) -> Vec<(String, Finding)> {
    let findings = report.findings.iter().cloned();
    findings
        .map(|finding| {
            let title = report.workloads[finding.workload].title();
            let finding = Finding {
                workload: 0,
                ..finding
            };
            (title, finding)
        })
        .collect()
}

/// A file of `tests/data`.
pub(super) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}
