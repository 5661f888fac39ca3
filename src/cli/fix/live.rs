//! The workloads of a cluster: a patch for each that changes. Nothing is written there.

use anyhow::Result;
use kube::Client;
use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::outcome::FixOutcome;
use super::plan::replacements;
use crate::cli::origin::WorkloadOrigin;
use crate::edit::{ImageOwner, has_strategic_merge, patch};
use crate::files::FileObject;
use crate::objects::kinds::KindRef;
use crate::report::{Report, ReportedWorkload, yaml};

/// Where the objects are that patches are of.
pub enum PatchedObjects {
    /// At the API server, which is asked again for those that change.
    Live(Client),
    /// In a snapshot.
    Files(Vec<FileObject>),
}

impl PatchedObjects {
    /// Those of an origin.
    pub fn of(origin: &WorkloadOrigin) -> Self {
        match origin {
            WorkloadOrigin::Live(client) => Self::Live(client.clone()),
            WorkloadOrigin::Files(objects) => Self::Files(objects.clone()),
            WorkloadOrigin::Nowhere => Self::Files(Vec::new()),
        }
    }

    async fn find(&self, workload: &ReportedWorkload, deadline: Instant) -> Result<Value, String> {
        match self {
            Self::Live(client) => {
                let asked = timeout_at(deadline, get(client, workload));
                asked
                    .await
                    .map_err(|_| "there was no time to read it".to_owned())?
            }
            Self::Files(objects) => {
                let mut objects = objects.iter().map(|object| &object.value);
                let found = objects.find(|object| is_of(object, workload));
                found.cloned().ok_or_else(|| "it was not found".to_owned())
            }
        }
    }
}

fn namespace_of(workload: &ReportedWorkload) -> &str {
    workload.namespace.as_deref().unwrap_or("default")
}

fn is_of(object: &Value, workload: &ReportedWorkload) -> bool {
    let metadata = &object["metadata"];
    let namespace = metadata["namespace"]
        .as_str()
        .filter(|name| !name.is_empty());
    object["apiVersion"] == workload.api_version
        && object["kind"] == workload.kind
        && metadata["name"] == workload.name
        && namespace.unwrap_or("default") == namespace_of(workload)
}

async fn get(client: &Client, workload: &ReportedWorkload) -> Result<Value, String> {
    let kind = KindRef::from_object(&workload.api_version, &workload.kind);
    let mut built_in = KindRef::built_in();
    let known = built_in.find(|known| (known.group, known.kind) == (kind.group, kind.kind));
    let resource = known.map_or("", |known| known.resource);
    let kind = GroupVersionKind::gvk(kind.group, kind.version, kind.kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, resource);
    let namespace = namespace_of(workload);
    let objects: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let object = objects.get(&workload.name).await;
    let object = object.map_err(|error| format!("it cannot be read: {error}"))?;
    serde_json::to_value(object).map_err(|error| error.to_string())
}

/// The patches as YAML documents, for the workloads in the report that change.
pub async fn patches(
    report: &Report,
    objects: &PatchedObjects,
    deadline: Instant,
    outcome: &mut FixOutcome,
) -> Result<String> {
    let mut documents = Vec::new();
    for (workload, replacements) in report.workloads.iter().zip(replacements(report)) {
        if replacements.is_empty() {
            continue;
        }
        let name = workload.title();
        if !has_strategic_merge(&workload.api_version, &workload.kind) {
            for (old, new) in &replacements {
                let why = "its kind has no strategic merge patch; set the image where it is made";
                outcome.leave(&name, format_args!("{old} → {new}: {why}"));
            }
            continue;
        }
        let object = match objects.find(workload, deadline).await {
            Ok(object) => object,
            Err(why) => {
                outcome.leave(&name, why);
                continue;
            }
        };
        let wanted = |_: &ImageOwner<'_>, image: &str| replacements.get(image).cloned();
        let patch = patch(&object, namespace_of(workload), &wanted);
        for change in &patch.changed {
            outcome.tell_change(&name, &change.old, &change.new);
        }
        for left in &patch.left_alone {
            outcome.leave(&name, format_args!("{} {}", left.image, left.why));
        }
        if let Some(value) = &patch.value {
            documents.push(yaml(value)?);
        }
    }
    Ok(documents.join("---\n"))
}
