//! Pull secrets for look-ups: of the live cluster as far as the configuration lets us, or of
//! a snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures::FutureExt;
use futures::future::{BoxFuture, ready};

use crate::cluster::secrets::{SecretError, read};
use crate::cluster::view::View;
use crate::config::SecretAccess;
use crate::credentials::{ReadFailure, SecretReader};
use crate::domain::access::SecretName;
use crate::objects::context::Secret;

/// The live cluster.
pub struct LiveSecrets {
    /// Where secrets are asked for.
    pub client: kube::Client,
    /// Which may be.
    pub access: SecretAccess,
    /// What is known of the namespaces.
    pub view: Arc<ArcSwap<View>>,
}

impl SecretReader for LiveSecrets {
    fn closed(&self, namespace: &str) -> Option<String> {
        match &self.access {
            SecretAccess::Cluster => None,
            SecretAccess::None => Some("credentials.secrets is none".to_owned()),
            SecretAccess::Namespaces(listed) => {
                let why = || format!("credentials.secrets does not list namespace {namespace}");
                (!listed.contains(namespace)).then(why)
            }
        }
    }

    fn generation(&self, namespace: &str) -> Option<Arc<str>> {
        let view = self.view.load();
        view.namespace(namespace)
            .map(|found| Arc::clone(&found.uid))
    }

    fn read<'a>(&'a self, name: &'a SecretName) -> BoxFuture<'a, Result<Secret, ReadFailure>> {
        async move {
            read(&self.client, name).await.map_err(|error| match error {
                SecretError::Missing => ReadFailure::Missing,
                SecretError::Forbidden => ReadFailure::Refused(
                    "credentials.secrets allows it, the cluster's RBAC does not".to_owned(),
                ),
                SecretError::Api(_) => ReadFailure::Unavailable,
            })
        }
        .boxed()
    }
}

/// The secrets of a snapshot, all of which count.
pub struct SnapshotSecrets(pub HashMap<SecretName, Secret>);

impl SecretReader for SnapshotSecrets {
    fn read<'a>(&'a self, name: &'a SecretName) -> BoxFuture<'a, Result<Secret, ReadFailure>> {
        ready(self.0.get(name).cloned().ok_or(ReadFailure::Missing)).boxed()
    }
}
