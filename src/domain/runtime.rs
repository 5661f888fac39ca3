//! Container runtimes: which rule set a node follows when it chooses from an index.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use strum::{Display, IntoStaticStr};
use thiserror::Error;

/// The rule sets that exist in the field. Each name means the newest version's rules.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Display,
    IntoStaticStr,
    Serialize,
    Deserialize,
)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Runtime {
    /// containerd 2.1 and later: the transfer service fetches the exact platform.
    #[default]
    ContainerdTransfer,
    /// containerd up to 2.0: falls back to 386 on amd64 and to 32-bit arm on arm64.
    ContainerdLocal,
    /// CRI-O: plain string equality; OCI entries without platform match every node.
    CriO,
    /// Docker Engine behind cri-dockerd.
    Docker,
}

/// A runtime name that is none of ours.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "unknown runtime {name:?}: expected containerd-transfer, containerd-local, cri-o or docker"
)]
pub struct RuntimeError {
    name: String,
}

impl Runtime {
    /// Every rule set.
    pub const ALL: [Self; 4] = [
        Self::ContainerdTransfer,
        Self::ContainerdLocal,
        Self::CriO,
        Self::Docker,
    ];

    /// The name in configuration and reports.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The rule set behind `status.nodeInfo.containerRuntimeVersion`, such as
    /// `containerd://2.1.4`.
    ///
    /// A containerd of unknown version counts as current. So does an unknown runtime, whose
    /// version says nothing of containerd's: the others of the field are built on it.
    pub fn from_version(container_runtime_version: &str) -> Self {
        let (name, version) = container_runtime_version
            .split_once("://")
            .unwrap_or((container_runtime_version, ""));
        match name.to_ascii_lowercase().as_str() {
            "cri-o" | "crio" => Self::CriO,
            "docker" => Self::Docker,
            "containerd" if is_before_transfer_service(version) => Self::ContainerdLocal,
            _ => Self::ContainerdTransfer,
        }
    }

    /// What a kubelet reports when the index has no entry for its node.
    pub fn pull_failure(self) -> &'static str {
        match self {
            Self::ContainerdTransfer | Self::ContainerdLocal => {
                "ErrImagePull: no match for platform in manifest"
            }
            Self::CriO => "ErrImagePull: no image found in image index for architecture",
            Self::Docker => "ErrImagePull: no matching manifest in the manifest list entries",
        }
    }
}

/// The transfer service became the default of the CRI plugin in containerd 2.1.
/// Source: <https://github.com/containerd/containerd/blob/main/docs/cri/config.md>
fn is_before_transfer_service(version: &str) -> bool {
    let mut numbers = version
        .trim_start_matches('v')
        .split(|character: char| !character.is_ascii_digit())
        .map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < (2, 1),
        (Some(Ok(major)), _) => major < 2,
        _ => false,
    }
}

impl FromStr for Runtime {
    type Err = RuntimeError;

    fn from_str(name: &str) -> Result<Self, RuntimeError> {
        let known = Self::ALL.iter().find(|runtime| runtime.name() == name);
        known.copied().ok_or_else(|| RuntimeError {
            name: name.chars().take(64).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_set_follows_the_reported_version() {
        for (version, expected) in [
            ("containerd://2.1.4", Runtime::ContainerdTransfer),
            ("containerd://2.3.0-rc.1", Runtime::ContainerdTransfer),
            (
                "containerd://2.1.0-beta.0-12-gabcdef0.m",
                Runtime::ContainerdTransfer,
            ),
            ("containerd://v2.1.3-k3s1", Runtime::ContainerdTransfer),
            ("containerd://2.0.5-k3s2.32", Runtime::ContainerdLocal),
            ("containerd://2.0.0-6.azl3", Runtime::ContainerdLocal),
            ("containerd://1.6.8+unknown", Runtime::ContainerdLocal),
            ("Containerd://1.7.0", Runtime::ContainerdLocal),
            ("containerd://", Runtime::ContainerdTransfer),
            (
                "containerd://99999999999999999999.1",
                Runtime::ContainerdTransfer,
            ),
            ("Unknown", Runtime::ContainerdTransfer),
            ("Unknown://Unknown", Runtime::ContainerdTransfer),
            ("isulad://1.0.1", Runtime::ContainerdTransfer),
            ("cri-o://Unknown", Runtime::CriO),
            ("cri-o://1.33.1-dev+abc", Runtime::CriO),
            ("docker://27", Runtime::Docker),
            ("docker://Unknown", Runtime::Docker),
            ("containerd://v2.10.0", Runtime::ContainerdTransfer),
            ("containerd://2.0.9", Runtime::ContainerdLocal),
            ("containerd://1.7.28-k3s1", Runtime::ContainerdLocal),
            ("containerd://1.7.28~ds1", Runtime::ContainerdLocal),
            ("containerd://Unknown", Runtime::ContainerdTransfer),
            ("cri-o://1.33.1", Runtime::CriO),
            ("docker://27.0.2", Runtime::Docker),
            ("", Runtime::ContainerdTransfer),
        ] {
            assert_eq!(Runtime::from_version(version), expected, "{version}");
        }
    }
}
