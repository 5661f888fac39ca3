//! Image references as the kubelet reads them.
//!
//! Source: <https://github.com/distribution/reference> and the kubelet's `pkg/util/parsers`.

mod digest;
mod name;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

pub use self::digest::Digest;
pub use self::name::RepositoryName;

use self::ReferenceError::{Invalid, NoRegistry};

/// An image reference, normalised: `docker.io/library/node:22`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageReference {
    name: RepositoryName,
    tag: Option<Arc<str>>,
    digest: Option<Digest>,
}

/// Why a text is no image reference or digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReferenceError {
    /// The kubelet refuses the name: InvalidImageName.
    #[error("{0}")]
    Invalid(&'static str),
    /// The kubelet takes the name, which leads to no registry, so that nobody can be asked.
    #[error("{0}")]
    NoRegistry(&'static str),
}

impl ImageReference {
    /// The repository and its registry.
    pub fn name(&self) -> &RepositoryName {
        &self.name
    }

    /// `host[:port]` as written, `docker.io` for Docker Hub.
    pub fn registry(&self) -> &str {
        self.name.registry()
    }

    /// The repository below the registry, such as `library/node`.
    pub fn repository(&self) -> &str {
        self.name.path()
    }

    /// The tag; `latest` when the text had neither tag nor digest.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, which wins over a tag.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The same repository, by this tag alone; none where it may be no tag.
    pub fn with_tag(&self, tag: &str) -> Option<Self> {
        is_tag(tag).then(|| Self {
            name: self.name.clone(),
            tag: Some(tag.into()),
            digest: None,
        })
    }

    /// The same repository, by digest alone.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self {
            name: self.name.clone(),
            tag: None,
            digest: Some(digest),
        }
    }
}

/// Longest repository that is accepted; the registry does not count.
const MAX_REPOSITORY_BYTES: usize = 255;
/// Longest tag that is accepted.
const MAX_TAG_BYTES: usize = 128;
/// The registry of names that name none.
const DOCKER_HUB: &str = "docker.io";
/// The registry's former name, still folded into the present one.
const FORMER_DOCKER_HUB: &str = "index.docker.io";

impl FromStr for ImageReference {
    type Err = ReferenceError;

    /// Reads a name as `ParseNormalizedNamed` and the kubelet do, in one pass without regex.
    ///
    /// Source: <https://github.com/distribution/reference/blob/main/normalize.go>, and
    /// `ParseImageName` in the kubelet's `pkg/util/parsers` for the default tag.
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(Invalid("the image name is empty"));
        }
        if text.len() == 64 && text.bytes().all(is_lower_hex) {
            return Err(Invalid(
                "the image name is 64 hex characters, like an image id",
            ));
        }
        let (registry, remainder) = split_registry(text);
        if !is_registry(registry) {
            // `under_score.example/app` is a name all the same, for want of a registry one
            // that is all repository.
            let is_name = Name::read(text).is_ok_and(|name| check_repository(name.path).is_ok());
            return Err(if is_name {
                NoRegistry("the registry is no host name, so the name has none")
            } else {
                Invalid("the registry is no host name")
            });
        }
        let Name { path, tag, digest } = Name::read(remainder)?;
        let repository = if registry == DOCKER_HUB && !path.contains('/') {
            format!("library/{path}")
        } else {
            path.to_owned()
        };
        if path.is_empty() {
            return Err(Invalid("the repository is empty"));
        }
        check_repository(&repository)?;
        let default_tag = || digest.is_none().then(|| "latest".into());
        Ok(Self {
            name: RepositoryName::new(registry, repository),
            tag: tag.map(Into::into).or_else(default_tag),
            digest,
        })
    }
}

/// A name without its registry.
struct Name<'a> {
    path: &'a str,
    tag: Option<&'a str>,
    digest: Option<Digest>,
}

impl<'a> Name<'a> {
    fn read(text: &'a str) -> Result<Self, ReferenceError> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse()?)),
            None => (text, None),
        };
        let (path, tag) = match name.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (name, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(Invalid(
                "the tag has characters or a length that tags may not have",
            ));
        }
        Ok(Self { path, tag, digest })
    }
}

/// The registry, by the look of the first component, and what follows it.
fn split_registry(text: &str) -> (&str, &str) {
    let Some((first, rest)) = text.split_once('/') else {
        return (DOCKER_HUB, text);
    };
    if first == FORMER_DOCKER_HUB {
        return (DOCKER_HUB, rest);
    }
    let names_a_host =
        first == "localhost" || first.contains(['.', ':']) || first.chars().any(char::is_uppercase);
    if names_a_host {
        (first, rest)
    } else {
        (DOCKER_HUB, text)
    }
}

/// `domain` of the grammar: a name or a bracketed IPv6 address, and maybe a port.
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let Some((address, rest)) = bracketed.split_once(']') else {
                return false;
            };
            let is_address = !address.is_empty()
                && address
                    .bytes()
                    .all(|byte| byte.is_ascii_hexdigit() || byte == b':');
            if !is_address {
                return false;
            }
            return rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    host.split('.').all(is_host_label) && port.is_none_or(is_port)
}

fn is_host_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Any number of digits: what no socket can have fails when it is contacted.
fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text may be the tag of an image.
///
/// Source: <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests>
pub fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= MAX_TAG_BYTES
        && text.bytes().next().is_some_and(word)
        && text
            .bytes()
            .all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

fn check_repository(repository: &str) -> Result<(), ReferenceError> {
    if repository.chars().any(char::is_uppercase) {
        return Err(Invalid("the repository is not lower-case"));
    }
    if !repository.split('/').all(is_path_component) {
        return Err(Invalid(
            "the repository has characters or separators that repositories may not have",
        ));
    }
    if repository.len() > MAX_REPOSITORY_BYTES {
        return Err(Invalid("the repository is longer than 255 characters"));
    }
    Ok(())
}

/// Lower-case words, separated by `.`, `_`, `__` or any run of `-`.
fn is_path_component(component: &str) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    let separators_fit = bytes
        .split(is_word)
        .all(|run| matches!(run, [] | b"." | b"_" | b"__") || run.iter().all(|byte| *byte == b'-'));
    is_word(first) && is_word(last) && separators_fit
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

impl fmt::Display for ImageReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(formatter)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(formatter, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn upstream_vectors_read_as_upstream_reads_them() {
        let file: Value =
            serde_json::from_str(include_str!("../../tests/data/reference-vectors.json")).unwrap();
        for vector in file["vectors"].as_array().unwrap() {
            let input = vector["input"].as_str().unwrap();
            let parsed = input.parse::<ImageReference>();
            if !vector["valid"].as_bool().unwrap() {
                assert!(parsed.is_err(), "{input} was accepted");
                continue;
            }
            let parsed = parsed.unwrap_or_else(|error| panic!("{input}: {error}"));
            assert_eq!(
                parsed.registry(),
                vector["registry"].as_str().unwrap(),
                "{input}"
            );
            assert_eq!(
                parsed.repository(),
                vector["repository"].as_str().unwrap(),
                "{input}"
            );
            assert_eq!(parsed.tag(), vector["tag"].as_str(), "{input}");
            let digest = parsed.digest().map(Digest::to_string);
            assert_eq!(digest.as_deref(), vector["digest"].as_str(), "{input}");
        }
    }

    #[track_caller]
    fn refuses(text: &str, expected: &str) {
        let error = text.parse::<ImageReference>().expect_err(text);
        assert_eq!(error.to_string(), expected, "{text}");
    }

    #[test]
    fn refusals_say_what_is_wrong() {
        refuses("", "the image name is empty");
        refuses(
            &"a".repeat(64),
            "the image name is 64 hex characters, like an image id",
        );
        refuses(
            "https://under_score.example/app",
            "the registry is no host name",
        );
        refuses(
            "https://registry.example/app",
            "the registry is no host name",
        );
        refuses("quay.io./app", "the registry is no host name");
        refuses("quay.io/", "the repository is empty");
        refuses("quay.io/App", "the repository is not lower-case");
        refuses(
            "quay.io/a b",
            "the repository has characters or separators that repositories may not have",
        );
        refuses(
            "app:-1",
            "the tag has characters or a length that tags may not have",
        );
        refuses("app@sha256", "the digest is not algorithm:hex");
        refuses("app@md5:00", "the digest's algorithm is not supported");
        refuses("app@sha256:00", "the digest has the wrong length");
        let upper = format!("app@sha256:{}", "A".repeat(64));
        refuses(&upper, "the digest is not lower-case hex");
    }

    #[test]
    fn a_name_without_any_registry_is_told_from_one_that_is_none() {
        for (text, is_name) in [
            ("registry_example.com/app", true),
            ("under__score.example/team/app:1", true),
            ("under_score:5000/app", false),
            ("under_score.example/App", false),
            ("Under_score.example/app", false),
            ("under_score.example/app:-1", false),
            ("under_score.example/app@sha256:00", false),
            ("under_score.example/", false),
            ("under_.score/app", false),
        ] {
            let error = text.parse::<ImageReference>().expect_err(text);
            assert_eq!(matches!(error, NoRegistry(_)), is_name, "{text}");
        }
    }

    #[test]
    fn a_64_hex_name_is_fine_with_anything_around_it() {
        let name = "a".repeat(64);
        for text in [
            format!("{name}:1"),
            format!("quay.io/{name}"),
            format!("me/{name}"),
        ] {
            assert!(text.parse::<ImageReference>().is_ok(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_the_same(text in "([a-zA-Z0-9.-]{1,8}(:[0-9]{1,4})?/)?[a-z0-9._/-]{1,12}(:[a-zA-Z0-9_.-]{1,8})?") {
            if let Ok(reference) = text.parse::<ImageReference>() {
                prop_assert_eq!(reference.to_string().parse(), Ok(reference));
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,200}") {
            let _ = text.parse::<ImageReference>();
            let _ = text.parse::<Digest>();
        }
    }
}
