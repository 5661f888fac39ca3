//! Names of repositories: what credentials are for, and what mirrors keep under another one.

use std::fmt;
use std::sync::Arc;

/// A repository at its registry, such as `docker.io/library/node`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName {
    // Shared by the references of one repository, of which caches hold many.
    registry: Arc<str>,
    path: Arc<str>,
}

impl RepositoryName {
    /// The repository of that path at `host[:port]`.
    pub fn new(registry: impl Into<Arc<str>>, path: impl Into<Arc<str>>) -> Self {
        Self {
            registry: registry.into(),
            path: path.into(),
        }
    }

    /// `host[:port]` as written, `docker.io` for Docker Hub.
    pub fn registry(&self) -> &Arc<str> {
        &self.registry
    }

    /// The repository below the registry, such as `library/node`.
    pub fn path(&self) -> &Arc<str> {
        &self.path
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.registry, self.path)
    }
}
