//! What the configuration says of registry hosts and of the cache, with its defaults.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::address::Addresses;
use crate::domain::reference::ImageReference;

/// The settings of the hosts that a pattern matches.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostSettings {
    /// A pattern against `host[:port]` as references have it; `*` matches any text. The first
    /// entry that matches counts.
    #[serde(deserialize_with = "host_pattern")]
    #[cfg_attr(test, schemars(regex(pattern = r"^[^/\s]+$")))]
    pub host: String,
    /// Whether the registry speaks http without TLS.
    #[serde(default)]
    pub plain_http: bool,
    /// A PEM file of certificate authorities to trust besides the public ones.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Which addresses the host may have.
    #[serde(default)]
    pub addresses: Addresses,
    /// `host/prefix` of each mirror, in the order to try them in before the registry itself.
    #[serde(default)]
    pub mirrors: Vec<Mirror>,
    /// Whether the host is never contacted.
    #[serde(default)]
    pub blocked: bool,
    /// How many requests may run at once.
    #[serde(default = "default_concurrency", deserialize_with = "above_zero")]
    #[cfg_attr(test, schemars(range(min = 1, max = 4_294_967_295_u32)))]
    pub concurrency: u32,
    /// How many requests may start in a second; as many may start at once.
    #[serde(default = "default_rate", deserialize_with = "above_zero")]
    #[cfg_attr(test, schemars(range(min = 1, max = 4_294_967_295_u32)))]
    pub requests_per_second: u32,
}

fn default_concurrency() -> u32 {
    8
}

fn default_rate() -> u32 {
    50
}

/// A glob is free to match nothing; a scheme or a path says that something else was meant.
fn host_pattern<'de, D: Deserializer<'de>>(source: D) -> Result<String, D::Error> {
    let host = String::deserialize(source)?;
    if host.contains('/') || host.contains(char::is_whitespace) {
        return Err(D::Error::custom(
            "expected a host, such as registry.example:5000, without scheme and path",
        ));
    }
    Ok(host)
}

impl HostSettings {
    /// The default settings for the hosts that the pattern matches.
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            plain_http: false,
            ca: None,
            addresses: Addresses::default(),
            mirrors: Vec::new(),
            blocked: false,
            concurrency: default_concurrency(),
            requests_per_second: default_rate(),
        }
    }

    /// How many requests may run at once.
    pub(super) fn places(&self) -> usize {
        usize::try_from(self.concurrency).unwrap_or(usize::MAX)
    }

    /// Whether they name no host in particular.
    pub(super) fn is_for_all(&self) -> bool {
        self.host.bytes().all(|letter| letter == b'*')
    }
}

/// Where a mirror keeps repositories.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(with = "String", extend("pattern" = r"^[^/\s:][^\s]*$", "not" = {"pattern": "://"})))]
#[serde(try_from = "String")]
pub struct Mirror {
    pub(super) registry: Arc<str>,
    /// What comes before the repository; empty or with a slash at its end.
    pub(super) prefix: String,
}

impl TryFrom<String> for Mirror {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let text = text.trim_end_matches('/');
        let (registry, prefix) = text.split_once('/').unwrap_or((text, ""));
        // What follows the host must make a valid repository together with any other.
        let reference = format!("{text}/a/a").parse::<ImageReference>();
        if !reference.is_ok_and(|reference| reference.registry() == registry) {
            return Err("expected a mirror as host/prefix, without scheme");
        }
        let slash = if prefix.is_empty() { "" } else { "/" };
        Ok(Self {
            registry: registry.into(),
            prefix: format!("{prefix}{slash}"),
        })
    }
}

/// What the cache keeps, and how long.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct CacheSettings {
    /// A file in which it outlives the process.
    pub file: Option<PathBuf>,
    /// How many documents are kept.
    #[serde(deserialize_with = "above_zero")]
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub digests: u64,
    /// How long a tag's digest counts as fresh, in seconds.
    #[serde(deserialize_with = "above_zero")]
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub tag_seconds: u64,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            file: None,
            digests: 20_000,
            tag_seconds: 300,
        }
    }
}

fn above_zero<'de, D, N>(source: D) -> Result<N, D::Error>
where
    D: Deserializer<'de>,
    N: Deserialize<'de> + Default + PartialEq,
{
    let number = N::deserialize(source)?;
    if number == N::default() {
        return Err(D::Error::custom("expected a whole number above zero"));
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_name_a_host_and_maybe_a_prefix() {
        let with = |mirror: &str| Mirror::try_from(mirror.to_owned());
        let mirror = with("mirror.example:5000/hub/cache/").unwrap();
        assert_eq!(
            (&*mirror.registry, mirror.prefix.as_str()),
            ("mirror.example:5000", "hub/cache/")
        );
        assert_eq!(with("mirror.example").unwrap().prefix, "");
        for wrong in [
            "",
            "mirror",
            "mirror/hub",
            "https://mirror.example",
            "a.b/Upper",
            "a.b//x",
        ] {
            assert!(with(wrong).is_err(), "{wrong}");
        }
    }
}
