//! The cluster as files.

use anyhow::{Result, bail};

use super::setup;
use crate::cluster::view::View;
use crate::config::Configuration;

/// The view that snapshots amount to.
///
/// # Errors
/// When a file cannot be read, or an object that counts is broken: a cluster with a hole in
/// it would give wrong answers.
pub fn load(sources: &[String], configuration: &Configuration) -> Result<View> {
    let mut objects = Vec::new();
    for source in sources {
        let text = std::fs::read_to_string(source)?;
        let value: serde_json::Value = serde_json::from_str(&text)?;
        match value["items"].as_array() {
            Some(items) => objects.extend(items.iter().cloned()),
            None => objects.push(value),
        }
    }
    let (view, errors) = View::from_objects(&objects, &setup::node_settings(configuration));
    if let Some((position, error)) = errors.first() {
        bail!("object {position}: {error}");
    }
    Ok(view)
}
