//! Report objects: one for each workload that has a finding above `note`, as OpenReports and
//! the Policy Working Group define them. What is printed and what is written to a cluster are
//! made here.
//!
//! Sources: <https://github.com/openreports/reports-api> and
//! <https://github.com/kubernetes-sigs/wg-policy-prototypes>. The definitions name no limit of
//! size; the API server's store has one.

mod message;
mod result;

use std::collections::{BTreeMap, HashMap, HashSet};

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde::Serialize;
use serde::ser::Error as _;

use self::message::text;
pub use self::result::{RESULT_ID, ResultTime};
use self::result::{ReportResult, ResultCounts, SOURCE};
use super::model::{Report, ReportedWorkload};
use crate::domain::policy::Level;
use crate::domain::verdict::LevelResult;
use crate::findings::{Finding, Severity, stable_hash};

/// The label of every report object of ours, and its value.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "archmatch");

/// How many findings an object lists; one result more counts the rest.
const MAX_RESULTS: usize = 100;

/// The longest uid that becomes part of a name; those of a cluster have 36 characters.
const MAX_UID_BYTES: usize = 64;

/// The API groups that define report objects. Fields have the same names in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportGroup {
    /// `openreports.io/v1alpha1`
    OpenReports,
    /// `wgpolicyk8s.io/v1alpha2`
    PolicyReport,
}

impl ReportGroup {
    /// Both, the preferred one first.
    pub const ALL: [Self; 2] = [Self::OpenReports, Self::PolicyReport];

    /// Group and version.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::OpenReports => "openreports.io/v1alpha1",
            Self::PolicyReport => "wgpolicyk8s.io/v1alpha2",
        }
    }

    /// The kind.
    pub fn kind(self) -> &'static str {
        match self {
            Self::OpenReports => "Report",
            Self::PolicyReport => "PolicyReport",
        }
    }

    /// The resource.
    pub fn plural(self) -> &'static str {
        match self {
            Self::OpenReports => "reports",
            Self::PolicyReport => "policyreports",
        }
    }
}

/// A report object.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportObject {
    api_version: &'static str,
    kind: &'static str,
    /// Its name, namespace, label and owner.
    pub metadata: ObjectMeta,
    /// Only where the group has such a field.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    scope: ObjectReference,
    summary: ResultCounts,
    results: Vec<ReportResult>,
}

/// The objects of a report, each made when it is asked for.
pub struct ObjectPlan<'r> {
    group: ReportGroup,
    report: &'r Report,
    time: Option<ResultTime>,
    rows: Vec<PlannedObject<'r>>,
}

/// A workload, and what its object would be.
struct PlannedObject<'r> {
    workload: &'r ReportedWorkload,
    name: String,
    findings: Vec<&'r Finding>,
}

/// Where the object of a workload is, whether there is to be one or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectPlace<'p> {
    /// The workload's position in the report.
    pub position: usize,
    /// The namespace; none where the workload has none.
    pub namespace: Option<&'p str>,
    /// The object's name.
    pub name: &'p str,
    /// Whether the workload has a finding for it.
    pub is_wanted: bool,
}

impl<'r> ObjectPlan<'r> {
    /// The objects of a report.
    pub fn of(report: &'r Report, group: ReportGroup) -> Self {
        let counting = report.standing();
        let counting = counting.filter(|finding| finding.severity != Severity::Note);
        let findings = report.by_workload(counting);
        let mut taken: HashMap<(Option<&str>, String), usize> = HashMap::new();
        let rows = report.workloads.iter().zip(findings);
        let rows = rows.map(|(workload, findings)| {
            let name = object_name(workload);
            let count = taken
                .entry((workload.namespace.as_deref(), name.clone()))
                .or_default();
            *count += 1;
            // Files may say one workload twice.
            let name = match *count {
                1 => name,
                count => format!("{name}-{count}"),
            };
            PlannedObject {
                workload,
                name,
                findings,
            }
        });
        let time = report.created.parse::<jiff::Timestamp>().ok();
        Self {
            group,
            report,
            time: time.map(|time| ResultTime {
                seconds: time.as_second(),
                nanos: time.subsec_nanosecond(),
            }),
            rows: rows.collect(),
        }
    }

    /// Where each workload of the report has its object, or would have.
    pub fn places(&self) -> impl Iterator<Item = ObjectPlace<'_>> {
        let rows = self.rows.iter().enumerate();
        rows.map(|(position, row)| ObjectPlace {
            position,
            namespace: namespace_of(row.workload),
            name: &row.name,
            is_wanted: !row.findings.is_empty(),
        })
    }

    /// Whether something of the report is missing: then a workload that is not in it may be
    /// there all the same.
    pub fn is_partial(&self) -> bool {
        !(self.report.partial.is_empty() && self.report.errors.is_empty())
    }

    /// The object of the workload at a position; none where there is nothing to say of it.
    pub fn object(&self, position: usize) -> Option<ReportObject> {
        let row = self.rows.get(position)?;
        if row.findings.is_empty() {
            return None;
        }
        let results = self.results(row);
        let source = match self.group {
            ReportGroup::OpenReports => Some(SOURCE),
            ReportGroup::PolicyReport => None,
        };
        Some(ReportObject {
            api_version: self.group.api_version(),
            kind: self.group.kind(),
            metadata: row.metadata(),
            source,
            scope: row.scope(),
            summary: ResultCounts::of(&results),
            results,
        })
    }

    fn results(&self, row: &PlannedObject<'_>) -> Vec<ReportResult> {
        let policy = match row.workload.levels.runnable {
            LevelResult::Fail => Level::Runnable.name(),
            LevelResult::Pass | LevelResult::Undecided => Level::Portable.name(),
        };
        let mut said = HashSet::new();
        let listed = row.findings.iter().take(MAX_RESULTS);
        let mut results: Vec<ReportResult> = listed
            .map(|finding| {
                let mut result = ReportResult::of(finding, policy, self.time);
                // Policy Reporter knows results without an id by what they say.
                let words = result.message.clone();
                let mut number = 2;
                while !said.insert((result.rule.clone(), result.result, result.message.clone())) {
                    result.message = format!("{words} ({number})");
                    number += 1;
                }
                result
            })
            .collect();
        let more = row.findings.len().saturating_sub(MAX_RESULTS);
        if more > 0 {
            results.push(ReportResult::more(more, &row.name, policy, self.time));
        }
        results
    }
}

impl PlannedObject<'_> {
    fn metadata(&self) -> ObjectMeta {
        let ReportedWorkload {
            api_version,
            kind,
            name,
            uid,
            ..
        } = self.workload;
        let owner = uid.as_ref().filter(|uid| is_name_part(uid));
        let owner = owner.map(|uid| OwnerReference {
            api_version: text(api_version).into_owned(),
            kind: text(kind).into_owned(),
            name: text(name).into_owned(),
            uid: uid.clone(),
            ..OwnerReference::default()
        });
        let (label, value) = MANAGED_BY;
        ObjectMeta {
            name: Some(self.name.clone()),
            namespace: namespace_of(self.workload).map(|name| text(name).into_owned()),
            labels: Some(BTreeMap::from([(label.to_owned(), value.to_owned())])),
            owner_references: owner.map(|owner| vec![owner]),
            ..ObjectMeta::default()
        }
    }

    fn scope(&self) -> ObjectReference {
        let workload = self.workload;
        let api_version = Some(&workload.api_version).filter(|version| !version.is_empty());
        ObjectReference {
            api_version: api_version.map(|version| text(version).into_owned()),
            kind: Some(text(&workload.kind).into_owned()),
            namespace: namespace_of(workload).map(|name| text(name).into_owned()),
            name: Some(text(&workload.name).into_owned()),
            uid: workload.uid.clone().filter(|uid| is_name_part(uid)),
            ..ObjectReference::default()
        }
    }
}

impl ReportObject {
    /// Results that were there before keep their time: who is told of new ones is not told
    /// again.
    pub fn keep_times(&mut self, times: &HashMap<String, ResultTime>) {
        for result in &mut self.results {
            let known = result.properties.get(RESULT_ID);
            if let Some(time) = known.and_then(|id| times.get(id)) {
                result.timestamp = Some(*time);
            }
        }
    }
}

/// All objects of a report as YAML documents.
pub(super) fn render(report: &Report, group: ReportGroup) -> serde_json::Result<String> {
    let plan = ObjectPlan::of(report, group);
    let objects = plan
        .places()
        .filter_map(|place| plan.object(place.position));
    let objects: Vec<ReportObject> = objects.collect();
    serde_saphyr::to_string_multiple(&objects).map_err(serde_json::Error::custom)
}

fn namespace_of(workload: &ReportedWorkload) -> Option<&str> {
    let namespace = workload.namespace.as_deref();
    namespace.filter(|namespace| !namespace.is_empty())
}

/// The name of a workload's object: by its uid, or by what it is called where it has none.
fn object_name(workload: &ReportedWorkload) -> String {
    let uid = workload.uid.as_deref();
    if let Some(uid) = uid.filter(|uid| is_name_part(uid)) {
        return format!("{SOURCE}-{uid}");
    }
    let (group, _) = workload.api_version.split_once('/').unwrap_or_default();
    let namespace = workload.namespace.as_deref().unwrap_or_default();
    let hash = stable_hash([group, &workload.kind, namespace, &workload.name]);
    format!("{SOURCE}-{hash}")
}

/// Whether a uid can be part of an object's name.
fn is_name_part(uid: &str) -> bool {
    let is_edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    uid.len() <= MAX_UID_BYTES
        && uid.bytes().all(|byte| is_edge(byte) || byte == b'-')
        && uid.bytes().last().is_some_and(is_edge)
}

#[cfg(test)]
mod tests;
