//! Who a look-up is to the cache: a keyed hash of what it may show.
//!
//! The key is made at start and kept nowhere, and hashes are never printed, so neither says
//! anything of a secret.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

use super::Credential;

/// Whose answers are kept apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Identity {
    /// Everybody who shows nothing beyond what the operator configured.
    Operator,
    /// Those who may show these credentials first.
    Secrets(Mark),
}

/// The keyed hash of one credential or of several in order.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark([u8; 16]);

/// Collects what a mark stands for.
pub(crate) struct Marking(Sha256);

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

impl Marking {
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

    pub(crate) fn mark(self) -> Mark {
        let hash = self.0.finalize();
        let mut mark = [0; 16];
        mark.copy_from_slice(&hash[..16]);
        Mark(mark)
    }
}

impl Credential {
    /// The mark of this credential alone.
    pub(crate) fn mark(&self) -> Mark {
        let mut marking = Marking::new();
        marking.credential(self);
        marking.mark()
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Mark")
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Operator => "Operator",
            Self::Secrets(_) => "Secrets",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_tell_credentials_apart_and_say_nothing_of_them() {
        let one = Credential::new("ada", "smash");
        assert_eq!(one.mark(), Credential::new("ada", "smash").mark());
        for other in [
            Credential::new("adas", "mash"),
            Credential::new("", "adasmash"),
            Credential::new("ada", "smash2"),
            Credential::from_identity_token("smash"),
        ] {
            assert_ne!(one.mark(), other.mark(), "{other:?}");
        }
        assert_eq!(format!("{:?}", Identity::Secrets(one.mark())), "Secrets");
    }
}
