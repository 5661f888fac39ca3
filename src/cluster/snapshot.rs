//! The view of a cluster that was written to files, as `kubectl get -o json|yaml` prints it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::nodes::to_nodes;
use super::view::{Settings, View};
use crate::files::{self, FileError, FileObject, Recursion};
use crate::objects::{ObjectError, context, node};

/// Reads a snapshot from files, directories, or `-` for standard input. Nodes, namespaces,
/// RuntimeClasses, service accounts and secrets count; other kinds are skipped. What cannot
/// be read is left out and told.
///
/// Absent: Karpenter's NodePools, which come with the other pools.
pub fn load(sources: &[String], settings: &Settings) -> (View, Vec<FileError>) {
    let mut snapshot = Snapshot::default();
    let mut errors = Vec::new();
    files::for_each(sources, Recursion::Flat, |object| match object {
        Ok(object) => {
            if let Err(error) = snapshot.insert(&object) {
                errors.push(FileError::about(&object, error.to_string()));
            }
        }
        Err(error) => errors.push(error),
    });
    (snapshot.into_view(settings), errors)
}

/// What was read. The later of two objects of one name counts.
#[derive(Default)]
struct Snapshot {
    nodes: BTreeMap<String, node::NodeRecord>,
    interner: node::Interner,
    view: View,
    warnings: Vec<String>,
}

impl Snapshot {
    fn insert(&mut self, object: &FileObject) -> Result<(), ObjectError> {
        let value = &object.value;
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        match (text("apiVersion"), text("kind")) {
            ("v1", "Node") => {
                let mut record = node::read(value)?;
                record.intern(&mut self.interner);
                self.nodes.insert(record.name.to_string(), record);
            }
            ("v1", "Namespace") => {
                let (name, namespace, warnings) = context::read_namespace(value)?;
                self.warnings.extend(warnings);
                Arc::make_mut(&mut self.view.namespaces).insert(name, namespace);
            }
            ("v1", "ServiceAccount") => {
                let (address, account) = context::read_service_account(value)?;
                Arc::make_mut(&mut self.view.service_accounts).insert(address, account);
            }
            ("v1", "Secret") => {
                let (address, secret) = context::read_secret(value)?;
                // Only pull secrets matter; others have no place in memory.
                if is_pull_secret(&secret.kind) {
                    Arc::make_mut(&mut self.view.secrets).insert(address, secret);
                }
            }
            (version, "RuntimeClass") if version.starts_with("node.k8s.io/") => {
                let (name, class) = context::read_runtime_class(value)?;
                Arc::make_mut(&mut self.view.runtime_classes).insert(name, class);
            }
            _ => {}
        }
        Ok(())
    }

    fn into_view(self, settings: &Settings) -> View {
        let (nodes, of_nodes) = to_nodes(&self.nodes, settings);
        let mut warnings = self.warnings;
        warnings.extend(of_nodes);
        View {
            nodes: Arc::new(nodes),
            warnings: Arc::new(warnings),
            ..self.view
        }
    }
}

/// Source: <https://kubernetes.io/docs/concepts/configuration/secret/#secret-types>
fn is_pull_secret(kind: &str) -> bool {
    matches!(
        kind,
        "kubernetes.io/dockerconfigjson" | "kubernetes.io/dockercfg"
    )
}

#[cfg(test)]
mod tests;
