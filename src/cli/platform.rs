//! Platforms of the command line, as docker and people spell them.

use std::str::FromStr;
use std::sync::Arc;

use crate::domain::node::{Node, NodePlatform, Source};
use crate::domain::open_labels::OpenLabels;
use crate::domain::platform::Platform;
use crate::domain::runtime::Runtime;
use crate::domain::text::{nearest, printable, shortened};

/// Operating systems that Go compiles for.
/// Source: `go tool dist list`, <https://go.dev/doc/install/source#environment>
const SYSTEMS: [&str; 15] = [
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "illumos",
    "ios",
    "js",
    "linux",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "wasip1",
    "windows",
];

/// Architectures that Go compiles for.
const ARCHITECTURES: [&str; 14] = [
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64",
    "ppc64le", "riscv64", "s390x", "wasm",
];

/// Longest text that an error repeats, in characters.
const MAX_QUOTED: usize = 64;

/// A platform of the command line, with the runtime whose rules count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlagPlatform {
    platform: Platform,
    /// None where any will do.
    runtime: Option<Runtime>,
}

impl FromStr for FlagPlatform {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (platform, runtime) = match text.split_once('=') {
            Some((platform, name)) => (platform, Some(runtime(name)?)),
            None => (text, None),
        };
        Ok(Self {
            platform: known(platform)?,
            runtime,
        })
    }
}

/// A runtime, also by the name that people call it.
fn runtime(name: &str) -> Result<Runtime, String> {
    match name {
        "containerd" => Ok(Runtime::ContainerdTransfer),
        "crio" => Ok(Runtime::CriO),
        name => name
            .parse()
            .map_err(|error: crate::domain::runtime::RuntimeError| error.to_string()),
    }
}

/// The normalised platform, where Go knows it: a slip of the pen is no platform that nothing
/// runs on.
fn known(text: &str) -> Result<Platform, String> {
    let spelled = match text.contains('/') {
        true => text.to_owned(),
        false => format!("linux/{text}"),
    };
    let Ok(platform) = spelled.parse::<Platform>() else {
        return Err(format!(
            "{:?} is no platform: expected os/architecture or os/architecture/variant, such as linux/s390x{}",
            quoted(text),
            nearest_platform(text)
        ));
    };
    let platform = platform.normalized();
    let (what, unknown) = if !SYSTEMS.contains(&platform.os.as_str()) {
        ("operating system", &platform.os)
    } else if !ARCHITECTURES.contains(&platform.architecture.as_str()) {
        ("architecture", &platform.architecture)
    } else {
        return Ok(platform);
    };
    let unknown = quoted(unknown);
    Err(format!(
        "there is no {what} {unknown:?}{}",
        nearest_platform(text)
    ))
}

fn quoted(text: &str) -> String {
    printable(&shortened(text, MAX_QUOTED))
}

/// Which platform was meant, with a dash for a slash at times.
fn nearest_platform(text: &str) -> String {
    let text = shortened(text, MAX_QUOTED).to_ascii_lowercase();
    let (os, rest) = text
        .split_once(['/', '-'])
        .unwrap_or(("linux", text.as_str()));
    let (architecture, _) = rest.split_once(['/', '-', ' ']).unwrap_or((rest, ""));
    let os = nearest(os, &SYSTEMS).unwrap_or("linux");
    // What uname and docker's per-architecture repositories say.
    let meant = match architecture {
        "armv7l" | "armv7" | "arm32v7" => "arm/v7",
        "armv6l" | "armv6" | "arm32v6" => "arm/v6",
        "armv8" | "armv8l" | "arm64v8" => "arm64",
        "x64" | "x86" => "amd64",
        "s390" => "s390x",
        "ppc64el" => "ppc64le",
        "riscv" => "riscv64",
        other => nearest(other, &ARCHITECTURES).unwrap_or("amd64"),
    };
    format!("; the nearest is {os}/{meant}")
}

impl FlagPlatform {
    /// A node that stands for the platform: whatever else a pod asks of its node is met.
    pub fn to_node(&self) -> Node {
        let name = self.platform.to_string();
        let runtime = self.runtime.unwrap_or_default();
        Node {
            open_labels: Some(Arc::new(OpenLabels::of_platform())),
            ..Node::of_platform(name, self.platform.clone(), runtime, Source::Flag)
        }
    }

    /// Whether nodes have this platform, and the runtime where one is named.
    pub fn is_of(&self, nodes: &NodePlatform) -> bool {
        self.runtime.is_none_or(|runtime| runtime == nodes.runtime)
            && self.platform.normalized() == nodes.platform.normalized()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_spelled_as_docker_and_people_do() {
        for (text, platform, runtime) in [
            ("linux/s390x", "linux/s390x", Runtime::ContainerdTransfer),
            ("s390x", "linux/s390x", Runtime::ContainerdTransfer),
            (" aarch64", "linux/arm64/v8", Runtime::ContainerdTransfer),
            ("x86_64=crio", "linux/amd64", Runtime::CriO),
            ("Linux/AMD64/v3=docker", "linux/amd64/v3", Runtime::Docker),
            (
                "windows/amd64=containerd",
                "windows/amd64",
                Runtime::ContainerdTransfer,
            ),
            ("armhf", "linux/arm/v7", Runtime::ContainerdTransfer),
        ] {
            let flag: FlagPlatform = text.parse().expect(text);
            let node = flag.to_node();
            let Platform {
                os,
                architecture,
                variant,
                ..
            } = &node.platform.platform;
            let parts = [os, architecture, variant].map(String::as_str);
            let shown = parts.join("/");
            assert_eq!(shown.trim_end_matches('/'), platform, "{text}");
            assert_eq!(flag.runtime.unwrap_or_default(), runtime, "{text}");
        }
    }

    #[test]
    fn what_go_does_not_know_is_refused_with_the_nearest() {
        for (text, expected) in [
            (
                "linux/s390",
                "there is no architecture \"s390\"; the nearest is linux/s390x",
            ),
            (
                "s390",
                "there is no architecture \"s390\"; the nearest is linux/s390x",
            ),
            (
                "linux/v8",
                "there is no architecture \"v8\"; the nearest is linux/amd64",
            ),
            (
                "linus/arm64",
                "there is no operating system \"linus\"; the nearest is linux/arm64",
            ),
            (
                "linux-arm64",
                "there is no architecture \"linux-arm64\"; the nearest is linux/arm64",
            ),
            (
                "arm64v8",
                "there is no architecture \"arm64v8\"; the nearest is linux/arm64",
            ),
            (
                "armv7l",
                "there is no architecture \"armv7l\"; the nearest is linux/arm/v7",
            ),
            (
                "linux/arm64 v8",
                "\"linux/arm64 v8\" is no platform: expected os/architecture or \
                 os/architecture/variant, such as linux/s390x; the nearest is linux/arm64",
            ),
        ] {
            assert_eq!(
                text.parse::<FlagPlatform>().unwrap_err(),
                expected,
                "{text}"
            );
        }
        for text in ["", "/", "\u{1b}[2J", &"a".repeat(9000)] {
            let error = text.parse::<FlagPlatform>().unwrap_err();
            assert!(error.len() < 300 && !error.contains('\u{1b}'), "{error}");
        }
        assert!("linux/amd64=podman".parse::<FlagPlatform>().is_err());
    }
}
