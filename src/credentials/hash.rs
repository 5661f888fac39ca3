//! What tells credentials apart: keyed hashes of them.
//!
//! The key is made at start and kept nowhere, and hashes are never printed, so neither says
//! anything of a secret.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

use super::Credential;

/// The keyed hash of one credential or of several in order.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CredentialHash([u8; 16]);

/// Collects what a hash stands for.
pub(crate) struct CredentialHasher(Sha256);

static KEY: LazyLock<[u8; 32]> = LazyLock::new(|| {
    let mut key = [0; 32];
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    if provider.secure_random.fill(&mut key).is_err() {
        // The standard library's own keys are random, too.
        for (position, part) in key.chunks_mut(8).enumerate() {
            let random = RandomState::new().hash_one(position).to_ne_bytes();
            part.copy_from_slice(&random[..part.len()]);
        }
    }
    key
});

impl CredentialHasher {
    pub(crate) fn new() -> Self {
        Self(Sha256::new_with_prefix(*KEY))
    }

    /// Adds a text, told apart from the next one.
    pub(crate) fn text(&mut self, text: &str) {
        self.0.update(text.len().to_le_bytes());
        self.0.update(text);
    }

    pub(crate) fn credential(&mut self, credential: &Credential) {
        self.text(credential.username());
        self.text(credential.password());
        self.text(credential.identity_token().unwrap_or_default());
    }

    pub(crate) fn finish(self) -> CredentialHash {
        let hash = self.0.finalize();
        let mut short = [0; 16];
        short.copy_from_slice(&hash[..16]);
        CredentialHash(short)
    }
}

impl Credential {
    /// The hash of this credential alone.
    pub(crate) fn hashed(&self) -> CredentialHash {
        let mut hasher = CredentialHasher::new();
        hasher.credential(self);
        hasher.finish()
    }
}

impl fmt::Debug for CredentialHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CredentialHash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_tell_credentials_apart_and_say_nothing_of_them() {
        let one = Credential::new("ada", "smash");
        assert_eq!(one.hashed(), Credential::new("ada", "smash").hashed());
        for other in [
            Credential::new("adas", "mash"),
            Credential::new("", "adasmash"),
            Credential::new("ada", "smash2"),
            Credential::from_identity_token("smash"),
        ] {
            assert_ne!(one.hashed(), other.hashed(), "{other:?}");
        }
        assert_eq!(format!("{:?}", one.hashed()), "CredentialHash");
    }
}
