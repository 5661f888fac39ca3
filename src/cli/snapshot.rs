//! The cluster as files.

use anyhow::{Result, anyhow};

use super::setup;
use crate::cluster::view::View;
use crate::config::Configuration;
use crate::files::{self, FileError, Recursion};

/// The view that snapshots amount to.
///
/// # Errors
/// When a file cannot be read, or an object that counts is broken: a cluster with a hole in
/// it would give wrong answers.
pub fn load(sources: &[String], configuration: &Configuration) -> Result<View> {
    let mut objects = Vec::new();
    for object in files::read(sources, Recursion::Flat) {
        objects.push(object?);
    }
    let values = objects.iter().map(|object| &object.value);
    let (view, errors) = View::from_objects(values, &setup::node_settings(configuration));
    let first = errors.first().and_then(|(position, error)| {
        let object = objects.get(*position)?;
        Some(FileError::about(object, error.to_string()))
    });
    match first {
        Some(error) => Err(anyhow!(error)),
        None => Ok(view),
    }
}
