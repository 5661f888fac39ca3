//! The cluster as files.

use std::sync::Arc;

use anyhow::{Result, anyhow};

use super::origin::{Target, WorkloadOrigin};
use super::secrets::SnapshotSecrets;
use super::setup;
use crate::cluster;
use crate::cluster::view::View;
use crate::config::Configuration;
use crate::files::{self, FileError, FileObject, Recursion};
use crate::report::Unread;

/// What snapshots amount to.
struct Snapshot {
    target: Target,
    objects: Vec<FileObject>,
    errors: Vec<FileError>,
}

/// What the sources amount to. One broken object is an error for all: a cluster with a hole in
/// it would give wrong answers.
pub fn load(sources: &[String], configuration: &Configuration) -> Result<Target> {
    let Snapshot { target, errors, .. } = read(sources, configuration);
    match errors.into_iter().next() {
        Some(error) => Err(anyhow!(error)),
        None => with_nodes(target, sources),
    }
}

/// The same with the objects that they have, and with what cannot be read of them: a report
/// says that it is not whole.
pub fn load_all(
    sources: &[String],
    configuration: &Configuration,
) -> Result<(Target, Vec<Unread>)> {
    let snapshot = read(sources, configuration);
    let mut target = with_nodes(snapshot.target, sources)?;
    target.origin = WorkloadOrigin::Files(snapshot.objects);
    Ok((target, snapshot.errors.iter().map(Unread::from).collect()))
}

fn with_nodes(target: Target, sources: &[String]) -> Result<Target> {
    if target.view.nodes.is_empty() {
        return Err(anyhow!(
            "{} has no Node, and no pool that could grow one",
            sources.join(", ")
        ));
    }
    Ok(target)
}

fn read(sources: &[String], configuration: &Configuration) -> Snapshot {
    let mut objects = Vec::new();
    let mut errors = Vec::new();
    for object in files::read(sources, Recursion::Flat).objects {
        match object {
            Ok(object) => objects.push(object),
            Err(error) => errors.push(error),
        }
    }
    let values = objects.iter().map(|object| &object.value);
    let (secrets, broken) = cluster::secrets::from_objects(values.clone());
    let (view, mut unreadable) = View::from_objects(values, &setup::node_settings(configuration));
    unreadable.extend(broken);
    unreadable.sort_by_key(|(position, _)| *position);
    errors.extend(unreadable.iter().filter_map(|(position, error)| {
        let object = objects.get(*position)?;
        Some(FileError::about(object, error.to_string()))
    }));
    Snapshot {
        target: Target {
            view,
            secrets: Arc::new(SnapshotSecrets(secrets)),
            origin: WorkloadOrigin::Nowhere,
        },
        objects,
        errors,
    }
}
