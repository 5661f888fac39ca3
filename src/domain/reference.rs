//! Image references as the kubelet reads them.
//!
//! Source: <https://github.com/distribution/reference> and the kubelet's `pkg/util/parsers`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A content digest: a registered algorithm and lower-case hex of the right length.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(Box<str>);

/// An image reference, normalised: `docker.io/library/node:22`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageReference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is no image reference or digest.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ReferenceError(pub(crate) &'static str);

impl ImageReference {
    /// `host[:port]` as written, `docker.io` for Docker Hub.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository below the registry, such as `library/node`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; `latest` when the text had neither tag nor digest.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, which wins over a tag.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The same repository, by digest alone.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self {
            registry: self.registry.clone(),
            repository: self.repository.clone(),
            tag: None,
            digest: Some(digest),
        }
    }
}

impl Digest {
    /// The whole digest, algorithm included.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Digest {
    type Err = ReferenceError;

    fn from_str(_text: &str) -> Result<Self, ReferenceError> {
        Err(ReferenceError("to be written"))
    }
}

impl FromStr for ImageReference {
    type Err = ReferenceError;

    fn from_str(_text: &str) -> Result<Self, ReferenceError> {
        Err(ReferenceError("to be written"))
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(formatter, "@{digest}")?;
        }
        Ok(())
    }
}
