//! The credentials of all look-ups: what whoever runs the program has configured.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::client_files::ClientFiles;
use super::docker_config::{self, DockerConfigError};
use super::keyring::Keyring;
use super::provider::Providers;
use crate::domain::reference::RepositoryName;

/// The sources of everybody's credentials.
#[derive(Default)]
pub(crate) struct SharedCredentials {
    /// The configured docker config.
    pub(super) keyring: ArcSwap<Keyring>,
    /// On the command line: what docker and podman have.
    pub(super) client_files: ClientFiles,
    /// The kubelet's credential providers.
    pub(super) providers: Option<Providers>,
}

impl SharedCredentials {
    /// The credentials of a docker config, of files of docker and podman, and of providers.
    pub(crate) fn new(
        docker_config: Option<&[u8]>,
        client_files: &[PathBuf],
        providers: Option<Providers>,
    ) -> Result<Self, DockerConfigError> {
        let shared = Self {
            keyring: ArcSwap::default(),
            client_files: ClientFiles::open(client_files),
            providers,
        };
        if let Some(text) = docker_config {
            shared.set_docker_config(text)?;
        }
        Ok(shared)
    }

    /// Shows the credentials of another docker config from now on. When it cannot be read,
    /// the old ones stay.
    pub(crate) fn set_docker_config(&self, text: &[u8]) -> Result<(), DockerConfigError> {
        let keyring = Keyring::new(docker_config::parse_client(text)?.auths);
        self.keyring.store(Arc::new(keyring));
        Ok(())
    }

    /// Whether any source may have something for the repository.
    pub(super) fn may_know(&self, repository: &RepositoryName) -> bool {
        let providers = self.providers.as_ref();
        !self.keyring.load().find(repository).is_empty()
            || self.client_files.may_know(repository)
            || providers.is_some_and(|providers| providers.may_know(repository))
    }
}
