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
        let entries = maintained?.iter();
        let mut named = entries
            .filter(|entry| entry.tags.iter().any(|tag| tag == self.tag))
            .peekable();
        named.peek()?;
        // Only Windows is called otherwise there.
        let name = match architecture {
            "winamd64" => "windows-amd64",
            name => name,
        };
        Some(Evidence::Maintainers {
            repository: self.name.to_owned(),
            // Builds for several architectures may share a tag.
            has_architecture: named.any(|entry| entry.architectures.iter().any(|one| one == name)),
        })
    }

    /// Whether all architectures of a tag are built from one revision.
    pub(super) fn has_one_revision(&self) -> bool {
        !COMMITS_BY_ARCHITECTURE.contains(&self.name)
    }
}

/// Reads the maintainers' list of a repository: what it says of tags, entry by entry.
/// Source: <https://github.com/docker-library/official-images#instruction-format>
pub fn parse_maintained(text: &str) -> Vec<Maintained> {
    let mut defaults = vec!["amd64".to_owned()];
    let mut all = Vec::new();
    for paragraph in paragraphs(text) {
        let mut tags = Vec::new();
        let mut architectures = None;
        for (field, value) in &paragraph {
            let names = value.split(',').map(|name| name.trim().to_owned());
            match field.as_str() {
                "tags" | "sharedtags" => tags.extend(names),
                "architectures" => architectures = Some(names.collect()),
                _ => {}
            }
        }
        if tags.is_empty() {
            // The paragraph before the first entry has what holds for all of them.
            defaults = architectures.unwrap_or(defaults);
            continue;
        }
        all.push(Maintained {
            tags,
            architectures: architectures.unwrap_or_else(|| defaults.clone()),
        });
    }
    all
}

/// The fields of each paragraph: names in lower case, continued lines joined.
fn paragraphs(text: &str) -> Vec<Vec<(String, String)>> {
    let mut all: Vec<Vec<(String, String)>> = vec![Vec::new()];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some(fields) = all.last_mut() else { break };
        if line.trim().is_empty() {
            if !fields.is_empty() {
                all.push(Vec::new());
            }
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push_str(line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }
    all
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
    fn the_maintainers_list_says_what_tags_are_meant_to_have() {
        let text = "\
# generated\n\
Maintainers: Ada <ada@example.com>\nArchitectures: amd64, arm64v8\n\n\
Tags: 22-trixie, 22.15.0-trixie,\n 22.15-trixie\nSharedTags: 22-all\n\
Architectures: amd64, s390x\nGitCommit: a1\n\n\n\
Tags: 22, latest\nDirectory: 22\n\n\
Tags: 22-nano\nSharedTags: 22-all\nArchitectures: windows-amd64\n";
        let listed = parse_maintained(text);
        assert_eq!(listed[0].tags[2], "22.15-trixie");
        for (tag, platform, expected) in [
            ("22.15-trixie", "linux/s390x", Some(true)),
            ("22", "linux/s390x", Some(false)),
            ("22", "linux/arm64", Some(true)),
            ("22-all", "windows/amd64", Some(true)),
            ("22-all", "linux/s390x", Some(true)),
            ("23", "linux/s390x", None),
            ("22", "freebsd/amd64", None),
        ] {
            let reference: ImageReference = format!("node:{tag}").parse().unwrap();
            let official = Official::of(&reference).unwrap();
            let found = official.listed(Some(&listed), &platform.parse().unwrap());
            let expected = expected.map(|has_architecture| Evidence::Maintainers {
                repository: "node".to_owned(),
                has_architecture,
            });
            assert_eq!(found, expected, "{tag} {platform}");
        }
        assert_eq!(parse_maintained(""), []);
        assert_eq!(parse_maintained(" a\n:\nTags"), []);
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
