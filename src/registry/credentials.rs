//! Credentials for registries, as the kubelet has them.
//!
//! Pull secrets of pods and service accounts, and the kubelet's credential-provider
//! plugins (`credentials/provider.rs`), come later; they offer keyrings like this one.

pub mod docker_config;
pub mod keyring;

use std::fmt;

/// A user name and a password or token.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Credential {
    /// The user; without one the credential is in effect anonymous.
    pub username: String,
    /// The secret.
    pub password: String,
}

impl Credential {
    /// Whether there is nothing to show: such an entry counts as a match, and is anonymous.
    pub fn is_anonymous(&self) -> bool {
        self.username.is_empty()
    }
}

/// Secrets never reach a log.
impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credential")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}
