//! The order of a report: never that in which workloads became known.

use std::collections::HashMap;

use super::model::{ReportedWorkload, Scope};
use crate::findings::Finding;

/// Puts workloads in order, and with them what their findings point to.
pub(super) fn put_in_order(
    scope: Scope,
    positions: &[usize],
    workloads: &mut [ReportedWorkload],
    findings: &mut [Finding],
) {
    let mut order: Vec<usize> = (0..workloads.len()).collect();
    order.sort_by(|one, other| {
        let name = |position: usize| match scope {
            Scope::Cluster => workloads.get(position).map(|workload: &ReportedWorkload| {
                let namespace = workload.namespace.as_deref().unwrap_or_default();
                (namespace, workload.kind.as_str(), workload.name.as_str())
            }),
            Scope::Files | Scope::Images => None,
        };
        let place = |position: usize| positions.get(position);
        let names = name(*one).cmp(&name(*other));
        names.then_with(|| place(*one).cmp(&place(*other)))
    });
    let mut places = vec![0; order.len()];
    for (place, added) in order.iter().enumerate() {
        if let Some(known) = places.get_mut(*added) {
            *known = place;
        }
    }
    for finding in findings {
        finding.workload = places.get(finding.workload).copied().unwrap_or_default();
    }
    // In place: there may be many.
    for start in 0..places.len() {
        while let Some(place) = places.get(start).copied().filter(|place| *place != start) {
            workloads.swap(start, place);
            places.swap(start, place);
        }
    }
}

/// By severity, namespace, kind, name, rule, image and platform. Where all of these are the
/// same, by what else tells findings apart.
pub(super) fn sort(findings: &mut [Finding], workloads: &[ReportedWorkload]) {
    findings.sort_by(|one, other| {
        let key = |finding: &Finding| {
            let workload = workloads.get(finding.workload);
            let names = workload.map(|workload| {
                let namespace = workload.namespace.as_deref().unwrap_or_default();
                (namespace, workload.kind.as_str(), workload.name.as_str())
            });
            (finding.severity, names, finding.rule.name())
        };
        // Borrowed: there may be many, and each is compared many times.
        let order = key(one).cmp(&key(other));
        let order = order.then_with(|| place(one).cmp(&place(other)));
        order.then_with(|| sentences(one).cmp(&sentences(other)))
    });
}

type FindingPlace<'a> = (Option<&'a str>, &'a [String], &'a [String], Option<&'a str>);

fn place(finding: &Finding) -> FindingPlace<'_> {
    (
        finding.image.as_deref(),
        &finding.platforms,
        &finding.containers,
        finding.source.as_deref(),
    )
}

fn sentences(finding: &Finding) -> [&str; 4] {
    let Finding {
        id,
        what,
        why,
        next,
        ..
    } = finding;
    [id, what, why, next]
}

/// Findings that would have one id, such as of two tags of one repository, are numbered.
pub(super) fn make_unique(findings: &mut [Finding]) {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for finding in findings {
        let count = counts.entry(finding.id.clone()).or_default();
        *count += 1;
        if *count > 1 {
            finding.id = format!("{}-{count}", finding.id);
        }
    }
}
