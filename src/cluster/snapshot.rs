//! The same view from objects in files: what
//! `kubectl get nodes,ns,sa,runtimeclasses -A -o json` prints, with NodePools and the
//! Cluster API's kinds.

use serde_json::Value;

use super::state::{DeclaredNodes, Record, State};
use super::view::View;
use crate::domain::access::SecretName;
use crate::objects::json::ObjectError;
use crate::objects::{context, node, pool};

impl View {
    /// The view that the objects amount to; kinds that do not count are skipped. An object
    /// that cannot be read is left out and returned, with its position.
    pub fn from_objects<'a>(
        objects: impl IntoIterator<Item = &'a Value>,
        settings: &DeclaredNodes,
    ) -> (Self, Vec<(usize, ObjectError)>) {
        let mut state = State::new(settings.clone());
        let mut errors = Vec::new();
        for (position, object) in objects.into_iter().enumerate() {
            match read(object) {
                Some(Ok(record)) => {
                    state.apply(record);
                }
                Some(Err(error)) => errors.push((position, error)),
                None => {}
            }
        }
        (state.view(), errors)
    }
}

/// An object that counts, or nothing.
fn read(object: &Value) -> Option<Result<Record, ObjectError>> {
    let kind = object["kind"].as_str()?;
    let group = object["apiVersion"].as_str()?.split('/').next()?;
    if let Some((source, group)) = pool::kind(group, kind) {
        return Some(pool::read(source, group, object).map(Record::Pool));
    }
    match (group, kind) {
        ("v1", "Node") => Some(node::read(object).map(Record::Node)),
        ("v1", "Namespace") => Some(read_namespace(object)),
        ("node.k8s.io", "RuntimeClass") => Some(read_runtime_class(object)),
        ("v1", "ServiceAccount") => Some(read_service_account(object)),
        _ => None,
    }
}

pub(super) fn read_namespace(object: &Value) -> Result<Record, ObjectError> {
    let (name, namespace, warnings) = context::read_namespace(object)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok(Record::Namespace(name, namespace))
}

pub(super) fn read_service_account(object: &Value) -> Result<Record, ObjectError> {
    let ((namespace, name), account) = context::read_service_account(object)?;
    let names = account.pull_secrets.iter().map(String::as_str);
    let secrets = SecretName::list(&namespace, names);
    Ok(Record::ServiceAccount(
        format!("{namespace}/{name}"),
        secrets,
    ))
}

pub(super) fn read_runtime_class(object: &Value) -> Result<Record, ObjectError> {
    let (name, class) = context::read_runtime_class(object)?;
    Ok(Record::RuntimeClass(name, class))
}
