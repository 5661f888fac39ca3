//! Credentials for registries, as the kubelet has them.
//!
//! In this order: the pod's pull secrets ([`secrets`]), the shared docker config, on the
//! command line what docker and podman have ([`client_files`]), then the kubelet's
//! credential-provider plugins ([`provider`]). [`keyring`] says which of them fit an image,
//! and [`LookupCredentials`] is what one look-up may show of them.

mod chain;
pub mod client_files;
pub mod docker_config;
mod hash;
pub mod keyring;
mod lookup;
mod program;
pub mod provider;
pub mod pull_secrets;
mod shared;

use std::fmt;

use zeroize::Zeroize;

pub(crate) use chain::CredentialChain;
pub use hash::CredentialHash;
pub(crate) use hash::CredentialHasher;
pub use lookup::LookupCredentials;
pub use pull_secrets::{NoSecrets, ReadFailure, SecretReader};
pub(crate) use pull_secrets::{SecretContents, Secrets};
pub(crate) use shared::SharedCredentials;

/// A user name and a password or token, or an identity token that a token server takes for
/// both.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Credential {
    username: String,
    password: String,
    identity_token: String,
}

impl Credential {
    /// A user with a password or token.
    pub fn new(username: &str, password: &str) -> Self {
        Self {
            username: username.to_owned(),
            password: password.to_owned(),
            identity_token: String::new(),
        }
    }

    /// A refresh token, which Docker's client calls an identity token.
    pub fn from_identity_token(token: &str) -> Self {
        Self {
            username: String::new(),
            password: String::new(),
            identity_token: token.to_owned(),
        }
    }

    /// The user; without one the credential is in effect anonymous.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The secret.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The refresh token, if it is one.
    pub fn identity_token(&self) -> Option<&str> {
        Some(&*self.identity_token).filter(|token| !token.is_empty())
    }

    /// Whether there is nothing to show: such an entry counts as a match, and is anonymous.
    pub fn is_anonymous(&self) -> bool {
        self.username.is_empty() && self.identity_token.is_empty()
    }
}

impl Drop for Credential {
    fn drop(&mut self) {
        self.password.zeroize();
        self.identity_token.zeroize();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        for credential in [
            Credential::new("ada", "smash"),
            Credential::from_identity_token("smash"),
        ] {
            assert!(!format!("{credential:?}").contains("smash"));
        }
    }
}
