//! The kinds that every API server has: how each is listed and read.

use k8s_openapi::api::core::v1::{Namespace, Node, ServiceAccount};
use k8s_openapi::api::node::v1::RuntimeClass;
use serde_json::Value;

use super::events::Watched;
use super::state::{Record, WatchedKind};
use crate::domain::access::SecretName;
use crate::objects::json::ObjectError;
use crate::objects::{context, node};

impl Watched for Node {
    const KIND: WatchedKind = WatchedKind::Node;
    /// What a page took, the allocator keeps: larger ones stay resident.
    const PAGE_OBJECTS: u32 = 12;

    fn read(object: &Value) -> Result<Record, ObjectError> {
        node::read(object).map(Record::Node)
    }
}

impl Watched for Namespace {
    const KIND: WatchedKind = WatchedKind::Namespace;

    fn read(object: &Value) -> Result<Record, ObjectError> {
        let (name, namespace, warnings) = context::read_namespace(object)?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        Ok(Record::Namespace(name, namespace))
    }
}

impl Watched for RuntimeClass {
    const KIND: WatchedKind = WatchedKind::RuntimeClass;

    fn read(object: &Value) -> Result<Record, ObjectError> {
        let (name, class) = context::read_runtime_class(object)?;
        Ok(Record::RuntimeClass(name, class))
    }
}

impl Watched for ServiceAccount {
    const KIND: WatchedKind = WatchedKind::ServiceAccount;
    const PAGE_OBJECTS: u32 = 500;

    fn read(object: &Value) -> Result<Record, ObjectError> {
        let ((namespace, name), account) = context::read_service_account(object)?;
        let names = account.pull_secrets.iter().map(String::as_str);
        let secrets = SecretName::list(&namespace, names);
        Ok(Record::ServiceAccount(
            format!("{namespace}/{name}"),
            secrets,
        ))
    }
}
