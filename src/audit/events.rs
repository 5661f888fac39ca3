//! Writes an event on a workload when drift appears in it.
//!
//! kube's own recorder is not for this: it takes a second event of one reason on one object for
//! a repetition of the first and drops its note, and a workload may lose platforms of several
//! images.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Client;
use kube::api::{Api, PostParams};
use tokio::time::timeout;

use super::drift::reason;
use crate::cluster::access::words;
use crate::findings::Finding;
use crate::report::{Report, ReportedWorkload};

/// How many events one pass writes.
const MOST_EVENTS: usize = 100;

/// After so many that failed, the rest is left out: each may take as long as a write may.
const MAX_FAILURES: usize = 5;

/// How long one write may take.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// The most that a note may have, in bytes.
/// Source: `NoteLengthLimit` in
/// <https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/core/validation/events.go>
const MAX_NOTE_BYTES: usize = 1024;

/// Who reports, as a qualified name.
const CONTROLLER: &str = "archmatch.io/audit";

/// What became of the events of a pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// Events that were written.
    pub written: usize,
    /// Events that were not: there are too many, or too many failed.
    pub left_out: usize,
    /// Events that could not be written.
    pub failed: usize,
    /// Why the last of them could not.
    pub problem: Option<String>,
}

/// Writes events.
pub struct EventWriter {
    client: Client,
    /// Which of its processes reports.
    instance: String,
}

impl EventWriter {
    /// A writer for this process; nothing is asked yet.
    pub fn new(client: Client, instance: String) -> Self {
        Self { client, instance }
    }

    /// Writes an event for each finding of drift, on the workload that it is of. A cluster
    /// that refuses costs no more than a few writes.
    pub async fn write(&self, report: &Report, findings: &[&Finding]) -> EventCounts {
        let mut counts = EventCounts::default();
        let events = findings.iter().filter_map(|finding| {
            let workload = report.workloads.get(finding.workload)?;
            self.event(workload, finding)
        });
        for event in events {
            let is_over = counts.failed >= MAX_FAILURES;
            if is_over || counts.written + counts.failed >= MOST_EVENTS {
                counts.left_out += 1;
                continue;
            }
            match self.create(&event).await {
                Ok(()) => counts.written += 1,
                Err(problem) => {
                    counts.failed += 1;
                    counts.problem = Some(problem);
                }
            }
        }
        counts
    }

    async fn create(&self, event: &Event) -> Result<(), String> {
        let namespace = event.metadata.namespace.as_deref().unwrap_or_default();
        let events = Api::namespaced(self.client.clone(), namespace);
        let parameters = PostParams {
            field_manager: Some("archmatch".to_owned()),
            ..PostParams::default()
        };
        match timeout(WRITE_LIMIT, events.create(&parameters, event)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(words(&error)),
            Err(_) => Err(format!("no answer within {WRITE_LIMIT:?}")),
        }
    }

    /// The event about a finding; none where it is no drift, or of nothing in a namespace.
    fn event(&self, workload: &ReportedWorkload, finding: &Finding) -> Option<Event> {
        let reason = reason(finding.rule)?;
        let namespace = workload.namespace.clone()?;
        Some(Event {
            metadata: ObjectMeta {
                // The API server adds what tells it from others.
                generate_name: Some("archmatch-".to_owned()),
                namespace: Some(namespace.clone()),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(k8s_openapi::jiff::Timestamp::now())),
            type_: Some("Warning".to_owned()),
            reason: Some(reason.to_owned()),
            action: Some("Audit".to_owned()),
            note: Some(note(finding)),
            regarding: Some(ObjectReference {
                api_version: Some(workload.api_version.clone()),
                kind: Some(workload.kind.clone()),
                namespace: Some(namespace),
                name: Some(workload.name.clone()),
                uid: workload.uid.clone(),
                ..ObjectReference::default()
            }),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            ..Event::default()
        })
    }
}

/// What is so and what to do, as far as there is room.
fn note(finding: &Finding) -> String {
    let mut note = format!("{}; {}", finding.what, finding.next);
    if note.len() > MAX_NOTE_BYTES {
        let room = MAX_NOTE_BYTES - '…'.len_utf8();
        let ends = note.char_indices().map(|(start, _)| start);
        let end = ends.take_while(|end| *end <= room).last();
        note.truncate(end.unwrap_or_default());
        note.push('…');
    }
    note
}
