//! What is special about Docker's official images: a repository for each architecture, and a
//! list that their maintainers keep.

use crate::domain::advice::Evidence;
use crate::domain::platform::Platform;
use crate::domain::reference::ImageReference;

/// Repositories in which every architecture is built from a commit of its own, so that another
/// revision says nothing.
/// Source: the `GitCommit` fields with an architecture in
/// <https://github.com/docker-library/official-images/tree/master/library>
const COMMITS_BY_ARCHITECTURE: [&str; 7] = [
    "amazonlinux",
    "busybox",
    "debian",
    "oraclelinux",
    "photon",
    "rockylinux",
    "ubuntu",
];

/// How an architecture's repositories are called.
/// Source: <https://github.com/docker-library/bashbrew/blob/master/architecture/oci-platform.go>
const ARCHITECTURES: [(&str, &str); 10] = [
    ("linux/386", "i386"),
    ("linux/amd64", "amd64"),
    ("linux/arm/v5", "arm32v5"),
    ("linux/arm/v6", "arm32v6"),
    ("linux/arm/v7", "arm32v7"),
    ("linux/arm64", "arm64v8"),
    ("linux/ppc64le", "ppc64le"),
    ("linux/riscv64", "riscv64"),
    ("linux/s390x", "s390x"),
    ("windows/amd64", "winamd64"),
];

/// What the maintainers' list says of some tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maintained {
    /// The tags.
    pub tags: Vec<String>,
    /// The architectures, by the names of the build tools.
    pub architectures: Vec<String>,
}

/// An official image.
#[derive(Clone, Copy)]
pub(super) struct Official<'a> {
    /// The repository, such as `node`.
    pub(super) name: &'a str,
    tag: &'a str,
}

impl<'a> Official<'a> {
    /// None where the image is somebody else's.
    pub(super) fn of(reference: &'a ImageReference) -> Option<Self> {
        if reference.registry() != "docker.io" {
            return None;
        }
        Some(Self {
            name: reference.repository().strip_prefix("library/")?,
            tag: reference.tag()?,
        })
    }

    /// The same tag in the repository of an architecture.
    pub(super) fn apart(&self, architecture: &str) -> Option<ImageReference> {
        let Self { name, tag } = self;
        format!("docker.io/{architecture}/{name}:{tag}")
            .parse()
            .ok()
    }

    /// What the maintainers' list says of the tag and an architecture of it; nothing where the
    /// tag is not on the list.
    pub(super) fn listed(
        &self,
        maintained: Option<&[Maintained]>,
        platform: &Platform,
    ) -> Option<Evidence> {
        let architecture = architecture(platform)?;
        let mut entries = maintained?.iter();
        let entry = entries.find(|entry| entry.tags.iter().any(|tag| tag == self.tag))?;
        // Only Windows is called otherwise there.
        let name = match architecture {
            "winamd64" => "windows-amd64",
            name => name,
        };
        Some(Evidence::Maintainers {
            repository: self.name.to_owned(),
            has_architecture: entry.architectures.iter().any(|known| known == name),
        })
    }

    /// Whether all architectures of a tag are built from one revision.
    pub(super) fn has_one_revision(&self) -> bool {
        !COMMITS_BY_ARCHITECTURE.contains(&self.name)
    }
}

/// The name of a platform's repositories; none where there are none.
pub(super) fn architecture(platform: &Platform) -> Option<&'static str> {
    let name = platform.to_string();
    let mut known = ARCHITECTURES.iter();
    known.find_map(|(platform, repository)| (*platform == name).then_some(*repository))
}

/// The official image that a base is, by its name in an annotation; none for any other.
pub(super) fn base(name: &str) -> Option<ImageReference> {
    let is_short = !name.contains(['/', '@', '\\']) && name != "scratch";
    let base: ImageReference = is_short.then(|| name.parse().ok())??;
    (base.registry() == "docker.io").then_some(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_called_as_the_build_tools_have_it() {
        for (platform, expected) in [
            ("linux/s390x", Some("s390x")),
            ("linux/arm64/v8", Some("arm64v8")),
            ("linux/arm", Some("arm32v7")),
            ("linux/x86_64", Some("amd64")),
            ("freebsd/amd64", None),
        ] {
            let platform: Platform = platform.parse().unwrap();
            assert_eq!(architecture(&platform), expected, "{platform}");
        }
    }

    #[test]
    fn a_base_is_followed_by_a_short_name_alone() {
        let name = |base: ImageReference| base.to_string();
        assert_eq!(
            base("debian:bookworm").map(name).as_deref(),
            Some("docker.io/library/debian:bookworm")
        );
        let digest = format!("debian@sha256:{}", "a".repeat(64));
        for other in [
            "scratch",
            "",
            "library/debian:12",
            "r.example/debian:12",
            "localhost:5000/x",
            "../debian",
            "UPPER",
            "debian:",
            "debian:a b",
            &digest,
        ] {
            assert_eq!(base(other), None, "{other}");
        }
    }
}
