//! Platforms: operating system, architecture and variant, as OCI and Go name them.
//!
//! A [`Platform`] keeps what a document says, letter by letter, since runtimes differ in
//! how much they forgive. [`Platform::normalized`] is the one place that knows aliases.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use thiserror::Error;

/// A platform as a node, an index entry or an image config states it.
///
/// Empty strings mean "not stated". The `Display` form is normalised and safe to print:
/// characters outside the OCI alphabet are replaced, long parts are cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(with = "String", extend("pattern" = "^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)?$")))]
#[serde(try_from = "String")]
pub struct Platform {
    /// Operating system, as in Go's `GOOS`.
    pub os: String,
    /// Architecture, as in Go's `GOARCH`.
    pub architecture: String,
    /// Architecture variant, such as `v7`.
    pub variant: String,
    /// Version of the operating system; only Windows uses it.
    pub os_version: String,
    /// Features that the image demands of the operating system.
    pub os_features: Vec<String>,
}

/// Why a text is no platform.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "parse platform {text:?}: expected os/architecture or os/architecture/variant, such as linux/s390x"
)]
pub struct PlatformError {
    text: String,
}

impl Platform {
    /// A platform with the given operating system, architecture and variant (may be empty).
    pub fn new(os: &str, architecture: &str, variant: &str) -> Self {
        Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
            ..Self::default()
        }
    }

    /// The platform with every alias resolved, by containerd's table.
    ///
    /// An empty operating system stays empty here: what it means depends on the node.
    /// Source: <https://github.com/containerd/platforms/blob/main/database.go>
    #[must_use]
    pub fn normalized(&self) -> Self {
        let normalized = self.normalize();
        Self {
            os: normalized.os.into_owned(),
            architecture: normalized.architecture.into_owned(),
            variant: normalized.variant.into_owned(),
            os_version: self.os_version.clone(),
            os_features: self.os_features.clone(),
        }
    }

    /// The same as [`Platform::normalized`], borrowed: every review compares platforms.
    pub(super) fn normalize(&self) -> Normalized<'_> {
        let os = match lowercase(&self.os) {
            os if os == "macos" => Cow::Borrowed("darwin"),
            os => os,
        };
        let (architecture, variant) =
            normalize_architecture(lowercase(&self.architecture), lowercase(&self.variant));
        Normalized {
            os,
            architecture,
            variant,
        }
    }

    /// Whether this is buildkit's placeholder for attestations, which is never a platform.
    pub fn is_attestation(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }
}

/// Operating system, architecture and variant without aliases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Normalized<'a> {
    pub(super) os: Cow<'a, str>,
    pub(super) architecture: Cow<'a, str>,
    pub(super) variant: Cow<'a, str>,
}

/// Lower case letter by letter, as Go's `strings.ToLower`: no letter becomes two.
fn lowercase(text: &str) -> Cow<'_, str> {
    /// In bytes. Whoever writes more means no platform that there is.
    const MAX_BYTES: usize = 64;
    let is_lowercase = |byte: &u8| byte.is_ascii() && !byte.is_ascii_uppercase();
    if text.len() > MAX_BYTES || text.as_bytes().iter().all(is_lowercase) {
        Cow::Borrowed(text)
    } else if text.is_ascii() {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        let letters = text.chars();
        Cow::Owned(
            letters
                .filter_map(|letter| letter.to_lowercase().next())
                .collect(),
        )
    }
}

fn normalize_architecture<'a>(
    architecture: Cow<'a, str>,
    variant: Cow<'a, str>,
) -> (Cow<'a, str>, Cow<'a, str>) {
    let fixed = |architecture: &'static str, variant: &'static str| {
        (Cow::Borrowed(architecture), Cow::Borrowed(variant))
    };
    match (architecture.as_ref(), variant.as_ref()) {
        ("i386", _) => fixed("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => fixed("amd64", ""),
        ("x86_64" | "x86-64" | "amd64", _) => (Cow::Borrowed("amd64"), variant),
        ("aarch64" | "arm64", "8" | "v8" | "v8.0") => fixed("arm64", ""),
        ("aarch64" | "arm64", "9" | "9.0" | "v9.0") => fixed("arm64", "v9"),
        ("aarch64" | "arm64", _) => (Cow::Borrowed("arm64"), variant),
        ("armhf", _) => fixed("arm", "v7"),
        ("armel", _) => fixed("arm", "v6"),
        ("arm", "" | "7") => fixed("arm", "v7"),
        ("arm", "5") => fixed("arm", "v5"),
        ("arm", "6") => fixed("arm", "v6"),
        ("arm", "8") => fixed("arm", "v8"),
        _ => (architecture, variant),
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        let well_formed = |part: &&str| {
            !part.is_empty() && part.len() <= 32 && part.chars().all(is_platform_character)
        };
        let (2 | 3, true) = (parts.len(), parts.iter().all(well_formed)) else {
            return Err(PlatformError {
                text: text.chars().take(64).collect(),
            });
        };
        Ok(Self::new(
            parts[0],
            parts[1],
            parts.get(2).copied().unwrap_or(""),
        ))
    }
}

impl TryFrom<String> for Platform {
    type Error = PlatformError;

    fn try_from(text: String) -> Result<Self, PlatformError> {
        text.parse()
    }
}

fn is_platform_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-')
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let normalized = self.normalize();
        let (os, architecture) = (&normalized.os, &normalized.architecture);
        write!(
            formatter,
            "{}/{}",
            platform_part(os),
            platform_part(architecture)
        )?;
        match &*normalized.variant {
            "" => Ok(()),
            variant => write!(formatter, "/{}", platform_part(variant)),
        }
    }
}

/// Registries choose these strings, and people and terminals read them.
pub(crate) fn platform_part(part: &str) -> String {
    if part.is_empty() {
        return "unknown".to_owned();
    }
    let safe = |character| match is_platform_character(character) {
        true => character,
        false => '?',
    };
    part.chars().take(32).map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn prints(text: &str, expected: &str) {
        let platform: Platform = text.parse().expect(text);
        assert_eq!(platform.to_string(), expected, "{text}");
    }

    #[test]
    fn aliases_print_normalised() {
        prints("linux/x86_64", "linux/amd64");
        prints("linux/amd64/v1", "linux/amd64");
        prints("linux/amd64/v3", "linux/amd64/v3");
        prints("Linux/AARCH64/v8", "linux/arm64");
        prints("linux/arm64/v9.0", "linux/arm64/v9");
        prints("linux/arm", "linux/arm/v7");
        prints("linux/armel/v7", "linux/arm/v6");
        prints("linux/i386/v1", "linux/386");
        prints("macos/arm64", "darwin/arm64");
        prints("linux/ppc64el", "linux/ppc64el");
    }

    #[test]
    fn hostile_text_prints_safely() {
        let platform = Platform::new("linux\n\u{1b}[31m", &"a".repeat(9000), "");
        assert_eq!(
            platform.to_string(),
            format!("linux???31m/{}", "a".repeat(32))
        );
    }

    #[test]
    fn a_platform_needs_two_or_three_parts() {
        for text in [
            "",
            "linux",
            "linux/",
            "/amd64",
            "a/b/c/d",
            "linux/amd 64",
            "linux//v7",
        ] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(os in "[a-zA-Z]{0,8}", architecture in "[a-zA-Z0-9_]{0,8}|arm|arm64|amd64|armhf", variant in "(v?[0-9](\\.[0-9])?)?") {
            let once = Platform::new(&os, &architecture, &variant).normalized();
            prop_assert_eq!(once.normalized(), once);
        }
    }
}
