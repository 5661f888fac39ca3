//! The same view from objects in files: what
//! `kubectl get nodes,ns,sa,runtimeclasses -A -o json` prints, with NodePools and the
//! Cluster API's kinds.

use k8s_openapi::api::core::v1::{Namespace, Node, ServiceAccount};
use k8s_openapi::api::node::v1::RuntimeClass;
use serde_json::Value;

use super::events::Watched;
use super::state::{DeclaredNodes, Record, State};
use super::view::View;
use crate::objects::json::ObjectError;
use crate::objects::pool::{self, PoolKind};

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
    if let Some(kind) = PoolKind::named(group, kind) {
        return Some(pool::read(kind, object).map(Record::Pool));
    }
    match (group, kind) {
        ("v1", "Node") => Some(Node::read(object)),
        ("v1", "Namespace") => Some(Namespace::read(object)),
        ("node.k8s.io", "RuntimeClass") => Some(RuntimeClass::read(object)),
        ("v1", "ServiceAccount") => Some(ServiceAccount::read(object)),
        _ => None,
    }
}
