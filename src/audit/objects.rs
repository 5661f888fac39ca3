//! Writes report objects: what differs from what the API server has, and nothing else.
//!
//! An object is ours by its label; any other is never touched, whatever its name. Each write
//! stands on the version that was read, so that whoever was faster wins, and the next pass
//! looks again.

mod store;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use kube::Client;
use kube::core::DynamicObject;
use serde_json::Value;
use thiserror::Error;
use tokio::time::sleep;

use self::store::{ObjectStore, PageError, WriteEnd};
use crate::config::ReportObjects;
use crate::report::{
    MANAGED_BY, ObjectPlace, ObjectPlan, RESULT_ID, Report, ReportGroup, ReportObject, ResultTime,
};

/// Writes at once.
const CONCURRENCY: usize = 8;

/// After so many writes that failed, the rest waits for the next pass.
const MAX_FAILURES: usize = 20;

/// How often a list may begin again because it expired.
const MAX_RESTARTS: usize = 3;

/// How often objects are listed until none is left of them.
const MAX_ROUNDS: usize = 20;

/// From one such list to the next.
const ROUND_PAUSE: Duration = Duration::from_millis(500);

/// What an object has beside its metadata, as we write it.
const FIELDS: [&str; 4] = ["source", "scope", "summary", "results"];

/// Why report objects could not be written at all.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("report objects: {0}")]
pub struct ReportWriteError(String);

/// What a pass did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteCounts {
    /// The API group that was written to; none where there is none.
    pub group: Option<ReportGroup>,
    /// Objects that were not there.
    pub created: usize,
    /// Objects that were there with other content.
    pub updated: usize,
    /// Objects that are no longer so.
    pub deleted: usize,
    /// Objects that were there as they should be.
    pub unchanged: usize,
    /// Objects of workloads of which this pass does not know whether they are there.
    pub kept: usize,
    /// Objects without a namespace to be in, or whose namespace is going.
    pub skipped: usize,
    /// Writes that somebody else was faster than: the next pass looks again.
    pub overtaken: usize,
    /// Writes that failed.
    pub failed: usize,
    /// Why the last of them did, or what else went wrong.
    pub problem: Option<String>,
}

/// Keeps the report objects of a cluster as reports say.
pub struct ReportWriter {
    client: Client,
    reports: ReportObjects,
}

/// One write that is due.
enum Write {
    Create(DynamicObject),
    Replace(DynamicObject),
    Delete(DynamicObject),
}

/// Objects by namespace and name.
type ObjectPlaces<'p> = HashMap<(&'p str, &'p str), ObjectPlace<'p>>;

impl ReportWriter {
    /// A writer of these objects; nothing is asked yet.
    pub fn new(client: Client, reports: ReportObjects) -> Self {
        Self { client, reports }
    }

    /// Makes the objects of the cluster those of a report on the whole cluster. Where the
    /// report is partial, objects of workloads that are not in it stay.
    ///
    /// # Errors
    /// When the API server has no such objects, cannot be asked, or refuses the list.
    pub async fn write(&self, report: &Report) -> Result<WriteCounts, ReportWriteError> {
        let mut counts = WriteCounts::default();
        let Some(group) = self.group().await? else {
            return Ok(counts);
        };
        counts.group = Some(group);
        let store = self.store(group);
        let plan = ObjectPlan::of(report, group);
        let places: ObjectPlaces<'_> = plan
            .places()
            .map(|place| ((place.namespace.unwrap_or_default(), place.name), place))
            .collect();
        let there = compare(&store, &plan, &places, &mut counts).await?;
        let missing = plan.places().filter(|place| {
            let namespace = place.namespace.unwrap_or_default();
            place.is_wanted && !there.contains(&(namespace.to_owned(), place.name.to_owned()))
        });
        let creations = missing.filter_map(|place| {
            let object = plan.object(place.position)?;
            dynamic(&object).map(Write::Create)
        });
        carry_out(&store, creations, &mut counts).await;
        for other in ReportGroup::ALL.into_iter().filter(|one| *one != group) {
            self.leave(other, &mut counts).await;
        }
        Ok(counts)
    }

    /// Removes every object of ours of both groups, until none is left.
    ///
    /// # Errors
    /// When the API server cannot be asked or refuses, or objects do not go.
    pub async fn delete_all(&self) -> Result<usize, ReportWriteError> {
        let mut deleted = 0;
        for group in ReportGroup::ALL {
            let store = self.store(group);
            if store.is_served().await? {
                deleted += delete_until_none(&store).await?;
            }
        }
        Ok(deleted)
    }

    fn store(&self, group: ReportGroup) -> ObjectStore {
        ObjectStore::new(self.client.clone(), group)
    }

    /// The group to write to, as the API server is now.
    async fn group(&self) -> Result<Option<ReportGroup>, ReportWriteError> {
        let fixed = match self.reports {
            ReportObjects::None => return Ok(None),
            ReportObjects::Auto => None,
            ReportObjects::Openreports => Some(ReportGroup::OpenReports),
            ReportObjects::Policyreport => Some(ReportGroup::PolicyReport),
        };
        let asked = ReportGroup::ALL.into_iter();
        for group in asked.filter(|group| fixed.is_none_or(|fixed| fixed == *group)) {
            if self.store(group).is_served().await? {
                return Ok(Some(group));
            }
        }
        match fixed {
            None => Ok(None),
            Some(group) => Err(ReportWriteError(format!(
                "config.audit.reports wants {} of {}, which the API server does not have: install \
                 their CustomResourceDefinition, or set it to auto",
                group.plural(),
                group.api_version()
            ))),
        }
    }

    /// Removes what was written to a group that is not written to any more. Who may not look
    /// there has nothing there.
    async fn leave(&self, group: ReportGroup, counts: &mut WriteCounts) {
        let store = self.store(group);
        let left = match store.is_served().await {
            Ok(false) => return,
            Ok(true) => delete_once(&store, counts).await,
            Err(error) => Err(PageError::Failed(error)),
        };
        match left {
            Ok(_) | Err(PageError::Refused(_)) => {}
            Err(PageError::Expired) => {
                counts.problem = Some(store.problem("list", "the list expired").0);
            }
            Err(PageError::Failed(ReportWriteError(problem))) => counts.problem = Some(problem),
        }
    }
}

/// Sets right what is there, and tells which of it is there.
async fn compare(
    store: &ObjectStore,
    plan: &ObjectPlan<'_>,
    places: &ObjectPlaces<'_>,
    counts: &mut WriteCounts,
) -> Result<HashSet<(String, String)>, ReportWriteError> {
    let mut there = HashSet::new();
    let mut restarts = 0;
    let mut next = String::new();
    loop {
        let page = match store.page(&next).await {
            Ok(page) => page,
            // What was seen before is not counted again.
            Err(PageError::Expired) if restarts < MAX_RESTARTS => {
                restarts += 1;
                next.clear();
                continue;
            }
            Err(PageError::Expired) => {
                return Err(store.problem("list", "the list expired again and again"));
            }
            Err(PageError::Refused(error) | PageError::Failed(error)) => return Err(error),
        };
        next = page.metadata.continue_.unwrap_or_default();
        let ours = page.items.into_iter().filter(is_ours);
        let new = ours.filter(|found| there.insert(key_of(found)));
        let new: Vec<DynamicObject> = new.collect();
        let mut writes = Vec::new();
        for found in new {
            writes.extend(due(found, plan, places, counts));
        }
        carry_out(store, writes, counts).await;
        if next.is_empty() {
            return Ok(there);
        }
    }
}

/// What is to be done about an object that is there.
fn due(
    found: DynamicObject,
    plan: &ObjectPlan<'_>,
    places: &ObjectPlaces<'_>,
    counts: &mut WriteCounts,
) -> Option<Write> {
    let (namespace, name) = key_of(&found);
    let place = places.get(&(namespace.as_str(), name.as_str()));
    if found.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let Some(place) = place else {
        if plan.is_partial() {
            counts.kept += 1;
            return None;
        }
        return Some(Write::Delete(found));
    };
    let Some(mut wanted) = plan.object(place.position) else {
        return Some(Write::Delete(found));
    };
    wanted.keep_times(&times(&found));
    let mut wanted = dynamic(&wanted)?;
    if is_same(&found, &wanted) {
        counts.unchanged += 1;
        return None;
    }
    // What others added to its metadata stays, and its version is what the write stands on.
    let owners = wanted.metadata.owner_references.take();
    wanted.metadata = found.metadata;
    wanted.metadata.owner_references = owners;
    wanted.metadata.managed_fields = None;
    Some(Write::Replace(wanted))
}

/// Carries out writes, so many at once, and counts how they ended.
async fn carry_out(
    store: &ObjectStore,
    writes: impl IntoIterator<Item = Write>,
    counts: &mut WriteCounts,
) {
    if counts.failed >= MAX_FAILURES {
        return;
    }
    let calls = stream::iter(writes).map(|write| async move {
        let end = match &write {
            Write::Create(object) if object.metadata.namespace.is_none() => WriteEnd::NoPlace,
            Write::Create(object) => store.create(object).await,
            Write::Replace(object) => store.replace(object).await,
            Write::Delete(object) => store.delete(object).await,
        };
        (write, end)
    });
    let mut ends = std::pin::pin!(calls.buffer_unordered(CONCURRENCY));
    while let Some((write, end)) = ends.next().await {
        match (end, &write) {
            (WriteEnd::Done, Write::Create(_)) => counts.created += 1,
            (WriteEnd::Done, Write::Replace(_)) => counts.updated += 1,
            (WriteEnd::Done, Write::Delete(_)) => counts.deleted += 1,
            (WriteEnd::Overtaken, _) => counts.overtaken += 1,
            (WriteEnd::NoPlace, _) => counts.skipped += 1,
            (WriteEnd::Failed(words), _) => {
                counts.failed += 1;
                let action = match &write {
                    Write::Create(_) => "create",
                    Write::Replace(_) => "update",
                    Write::Delete(_) => "delete",
                };
                counts.problem = Some(store.problem(action, &words).0);
                if counts.failed >= MAX_FAILURES {
                    return;
                }
            }
        }
    }
}

/// Lists what is ours once, deletes it, and tells how much there was.
async fn delete_once(store: &ObjectStore, counts: &mut WriteCounts) -> Result<usize, PageError> {
    let mut found = 0;
    let mut next = String::new();
    loop {
        let page = store.page(&next).await?;
        next = page.metadata.continue_.unwrap_or_default();
        let ours: Vec<DynamicObject> = page.items.into_iter().filter(is_ours).collect();
        found += ours.len();
        let going = ours.into_iter();
        let going = going.filter(|object| object.metadata.deletion_timestamp.is_none());
        carry_out(store, going.map(Write::Delete), counts).await;
        if next.is_empty() {
            return Ok(found);
        }
    }
}

/// Two lists at least: what was under way when the first was made is in the second.
async fn delete_until_none(store: &ObjectStore) -> Result<usize, ReportWriteError> {
    let mut deleted = 0;
    let mut left = 0;
    let mut problem = None;
    for round in 0..MAX_ROUNDS {
        if round > 0 {
            sleep(ROUND_PAUSE).await;
        }
        let mut counts = WriteCounts::default();
        left = match delete_once(store, &mut counts).await {
            Ok(found) => found,
            Err(PageError::Expired) => continue,
            Err(PageError::Refused(error)) => return Err(error),
            Err(PageError::Failed(error)) => {
                problem = Some(error.0);
                continue;
            }
        };
        deleted += counts.deleted;
        problem = counts.problem.or(problem);
        if left == 0 && round > 0 {
            return Ok(deleted);
        }
    }
    let why = problem.map_or_else(String::new, |problem| format!(": {problem}"));
    let words = format!("{left} do not go{why}");
    Err(store.problem("delete", &words))
}

/// The object as the API server takes it.
fn dynamic(object: &ReportObject) -> Option<DynamicObject> {
    // Text, numbers and maps of text: this cannot fail.
    let value = serde_json::to_value(object).ok()?;
    serde_json::from_value(value).ok()
}

fn key_of(object: &DynamicObject) -> (String, String) {
    let metadata = &object.metadata;
    (
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    )
}

/// Whether an object has our label: the API server was asked for those alone.
fn is_ours(object: &DynamicObject) -> bool {
    let (label, value) = MANAGED_BY;
    let labels = object.metadata.labels.as_ref();
    labels
        .and_then(|labels| labels.get(label))
        .map(String::as_str)
        == Some(value)
}

/// Whether what is there says what it should.
fn is_same(found: &DynamicObject, wanted: &DynamicObject) -> bool {
    found.metadata.owner_references == wanted.metadata.owner_references
        && FIELDS
            .iter()
            .all(|field| found.data.get(field) == wanted.data.get(field))
}

/// The times of an object's results, by their ids.
fn times(found: &DynamicObject) -> HashMap<String, ResultTime> {
    let results = found.data.get("results").and_then(Value::as_array);
    let results = results.into_iter().flatten();
    let times = results.filter_map(|result| {
        let id = result.get("properties")?.get(RESULT_ID)?.as_str()?;
        let time = serde_json::from_value(result.get("timestamp")?.clone()).ok()?;
        Some((id.to_owned(), time))
    });
    times.collect()
}
