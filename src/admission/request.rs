//! A request of the API server, reduced to what matters.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};

use crate::domain::text::shortened;
use crate::domain::workload::Workload;
use crate::objects::ObjectError;
use crate::objects::kinds::KindRef;

/// Who asks in the name of a node: its kubelet.
pub(crate) const NODE_USER_PREFIX: &str = "system:node:";

/// How many characters of a name are kept. The longest honest one is the user name of a
/// service account, which holds the names of two objects.
pub(super) const MAX_TEXT_CHARACTERS: usize = 512;

/// A request of the API server.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) uid: String,
    pub(crate) kind: GroupVersionKind,
    pub(crate) resource: GroupVersionResource,
    /// Empty where it is the object itself.
    pub(crate) sub_resource: String,
    /// Empty where the API server makes it up later.
    pub(crate) name: String,
    /// Empty where the object has none.
    pub(crate) namespace: String,
    pub(crate) operation: String,
    pub(crate) user_info: UserInfo,
    pub(crate) object: Object,
    pub(crate) old_object: Object,
    /// Whether a node asks for an object that says it is a mirror pod.
    pub(crate) claims_mirror_pod: bool,
}

/// The object of a request, or what it was before.
#[derive(Debug, Default)]
pub(crate) enum Object {
    /// There is none.
    #[default]
    Absent,
    /// An object of a kind that has pods.
    Workload(Workload),
    /// An object of a kind that is neither built in nor configured.
    OtherKind,
    /// An object with something wrong.
    Unreadable(ObjectError),
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct GroupVersionKind {
    #[serde(default, deserialize_with = "name")]
    pub(crate) group: String,
    #[serde(default, deserialize_with = "name")]
    pub(crate) version: String,
    #[serde(default, deserialize_with = "name")]
    pub(crate) kind: String,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct GroupVersionResource {
    #[serde(default, deserialize_with = "name")]
    pub(crate) resource: String,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct UserInfo {
    #[serde(default, deserialize_with = "name")]
    pub(crate) username: String,
}

impl Request {
    /// The kind of the object, as the review names it.
    pub(crate) fn kind(&self) -> KindRef<'_> {
        KindRef {
            group: &self.kind.group,
            version: &self.kind.version,
            kind: &self.kind.kind,
            resource: &self.resource.resource,
        }
    }

    /// Creations and updates of whole objects, and of a pod's ephemeral containers. Scaling,
    /// resizing, status and binding name no images.
    pub(super) fn is_judged(&self) -> bool {
        matches!(self.operation.as_str(), "CREATE" | "UPDATE")
            && matches!(self.sub_resource.as_str(), "" | "ephemeralcontainers")
    }

    /// Whether an object was there before.
    pub(super) fn is_update(&self) -> bool {
        self.operation == "UPDATE"
    }

    /// Whether a node's kubelet asks.
    pub(crate) fn is_from_node(&self) -> bool {
        self.user_info.username.starts_with(NODE_USER_PREFIX)
    }
}

impl Object {
    /// Whether something is wrong with it.
    pub(crate) fn is_unreadable(&self) -> bool {
        matches!(self, Self::Unreadable(_))
    }

    /// Bytes that are kept of the object.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Workload(workload) => workload.size(),
            Self::Absent | Self::OtherKind | Self::Unreadable(_) => 0,
        }
    }
}

/// A string, borrowed where it has no escapes.
#[derive(Default, Deserialize)]
pub(super) struct ReviewText<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl ReviewText<'_> {
    pub(super) fn name(self) -> String {
        match shortened(&self.0, MAX_TEXT_CHARACTERS) {
            Cow::Owned(shorter) => shorter,
            Cow::Borrowed(_) => self.0.into_owned(),
        }
    }
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    ReviewText::deserialize(deserializer).map(ReviewText::name)
}
