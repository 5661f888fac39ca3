//! The cluster as files.

use std::sync::Arc;

use anyhow::{Result, anyhow};

use super::secrets::SnapshotSecrets;
use super::setup;
use crate::cluster;
use crate::cluster::view::View;
use crate::config::Configuration;
use crate::credentials::SecretReader;
use crate::files::{self, FileError, Recursion};

/// What snapshots amount to.
pub struct Snapshot {
    /// What decisions need of the cluster.
    pub view: View,
    /// Its pull secrets.
    pub secrets: Arc<dyn SecretReader>,
}

/// What the sources amount to. One broken object is an error for all: a cluster with a hole in
/// it would give wrong answers.
pub fn load(sources: &[String], configuration: &Configuration) -> Result<Snapshot> {
    let mut objects = Vec::new();
    for object in files::read(sources, Recursion::Flat).objects {
        objects.push(object?);
    }
    let values = objects.iter().map(|object| &object.value);
    let (secrets, broken) = cluster::secrets::from_objects(values.clone());
    let (view, mut errors) = View::from_objects(values, &setup::node_settings(configuration));
    errors.extend(broken);
    let first = errors.iter().min_by_key(|(position, _)| *position);
    let first = first.and_then(|(position, error)| {
        let object = objects.get(*position)?;
        Some(FileError::about(object, error.to_string()))
    });
    match first {
        Some(error) => Err(anyhow!(error)),
        None if view.nodes.is_empty() => Err(anyhow!(
            "{} has no Node, and no pool that could grow one",
            sources.join(", ")
        )),
        None => Ok(Snapshot {
            view,
            secrets: Arc::new(SnapshotSecrets(secrets)),
        }),
    }
}
