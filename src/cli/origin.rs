//! What is judged against, and where the workloads are.

use std::sync::Arc;

use crate::cluster::view::View;
use crate::credentials::{NoSecrets, SecretReader};
use crate::files::FileObject;

/// What is judged against.
pub struct Target {
    /// What decisions need of the cluster.
    pub view: View,
    /// Its pull secrets.
    pub secrets: Arc<dyn SecretReader>,
    /// Where its workloads are.
    pub origin: WorkloadOrigin,
}

impl Target {
    /// No cluster at all, for who judges nothing.
    pub fn nothing() -> Self {
        Self {
            view: View::default(),
            secrets: Arc::new(NoSecrets),
            origin: WorkloadOrigin::Nowhere,
        }
    }
}

/// Where the workloads of a cluster are.
pub enum WorkloadOrigin {
    /// At its API server.
    Live(kube::Client),
    /// Among these objects.
    Files(Vec<FileObject>),
    /// Nobody asked for them.
    Nowhere,
}
