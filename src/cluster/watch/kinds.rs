//! The kinds that are watched: how each is listed and read.

use serde_json::Value;

use crate::cluster::events::Watched;
use crate::cluster::snapshot::{read_namespace, read_runtime_class, read_service_account};
use crate::cluster::state::{Kind, Record};
use crate::objects::json::ObjectError;
use crate::objects::node;

pub(super) struct NodeKind;
pub(super) struct NamespaceKind;
pub(super) struct RuntimeClassKind;
pub(super) struct ServiceAccountKind;

impl Watched for NodeKind {
    const KIND: Kind = Kind::Node;
    const GROUP: &'static str = "";
    const NAME: &'static str = "Node";
    const PLURAL: &'static str = "nodes";
    /// What a page took, the allocator keeps: larger ones stay resident.
    const PAGE: u32 = 12;

    fn read(object: &Value) -> Result<Record, ObjectError> {
        node::read(object).map(Record::Node)
    }
}

impl Watched for NamespaceKind {
    const KIND: Kind = Kind::Namespace;
    const GROUP: &'static str = "";
    const NAME: &'static str = "Namespace";
    const PLURAL: &'static str = "namespaces";

    fn read(object: &Value) -> Result<Record, ObjectError> {
        read_namespace(object)
    }
}

impl Watched for RuntimeClassKind {
    const KIND: Kind = Kind::RuntimeClass;
    const GROUP: &'static str = "node.k8s.io";
    const NAME: &'static str = "RuntimeClass";
    const PLURAL: &'static str = "runtimeclasses";

    fn read(object: &Value) -> Result<Record, ObjectError> {
        read_runtime_class(object)
    }
}

impl Watched for ServiceAccountKind {
    const KIND: Kind = Kind::ServiceAccount;
    const GROUP: &'static str = "";
    const NAME: &'static str = "ServiceAccount";
    const PLURAL: &'static str = "serviceaccounts";
    const PAGE: u32 = 500;

    fn read(object: &Value) -> Result<Record, ObjectError> {
        read_service_account(object)
    }
}
