//! The catalogue of rules: name, severity, explanation, help.

use serde::{Deserialize, Serialize};
use strum::{EnumIter, EnumString, IntoEnumIterator, IntoStaticStr};

use crate::domain::text::{nearest, printable, shortened};

/// How much a finding matters, the most serious first.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::Display,
    IntoStaticStr,
    Serialize,
    Deserialize,
)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Severity {
    /// The workload does not run.
    Error,
    /// It does not run everywhere it may be scheduled, or nobody knows.
    Warning,
    /// Worth a look.
    Note,
}

/// What a finding is about. Names are stable: configuration, baselines and dashboards hold
/// them.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::Display,
    EnumIter,
    EnumString,
    IntoStaticStr,
    Serialize,
    Deserialize,
)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Rule {
    /// An index lacks a manifest for a platform that the pod may be scheduled on.
    MissingPlatform,
    /// What would be pulled is for another platform.
    WrongPlatform,
    /// The kubelet refuses the name.
    InvalidImageName,
    /// Nobody could find out.
    CouldNotCheck,
    /// No node may run the pod.
    NowhereToRun,
    /// The index names a manifest that the registry does not have.
    ChildMissing,
    /// The index says one platform, the image's config another.
    EntryContradicts,
    /// A published tag without any manifest.
    EmptyIndex,
    /// The platform is published already, and not in the tag yet.
    StillPublishing,
    /// The image is not built for the platform.
    NotOffered,
    /// The image is no longer built for the platform.
    Dropped,
    /// A base image lacks the platform.
    BaseLacksPlatform,
    /// The digest is one child of an index that has more.
    PinnedToOnePlatform,
    /// Placement is narrower than every image needs.
    NeedlessPin,
    /// Entries of one index come from different revisions.
    VersionSkew,
    /// A tag had the platform before.
    PlatformLost,
    /// A pod template without a container image.
    NoImages,
}

/// What a rule says of itself.
#[derive(Clone, Copy, Debug)]
pub struct RuleText {
    /// The severity, in words where it depends.
    pub severity: &'static str,
    /// What it says, in one sentence.
    pub title: &'static str,
    /// Why it matters, and how it is found out.
    pub explanation: &'static str,
    /// What to do.
    pub help: &'static str,
}

impl Rule {
    /// Every rule, in the order of the catalogue.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::iter()
    }

    /// The name in reports, flags and links.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The rule of a name.
    ///
    /// # Errors
    /// That there is none, with the nearest.
    pub fn named(name: &str) -> Result<Self, String> {
        if let Ok(rule) = name.parse() {
            return Ok(rule);
        }
        let names: Vec<&str> = Self::iter().map(Self::name).collect();
        let shown = printable(&shortened(name, 64));
        Err(match nearest(name, &names) {
            Some(nearest) => format!("there is no rule {shown:?}; the nearest is {nearest}"),
            None => format!(
                "there is no rule {shown:?}; `archmatch explain` lists them: {}",
                names.join(", ")
            ),
        })
    }

    /// Whether a finding says that an image is known not to run on a candidate platform.
    pub fn is_gap(self) -> bool {
        matches!(
            self,
            Self::MissingPlatform | Self::WrongPlatform | Self::InvalidImageName | Self::EmptyIndex
        )
    }

    /// Whether a finding says that a level may hang on what nobody knows.
    pub fn is_open(self) -> bool {
        matches!(self, Self::CouldNotCheck | Self::NowhereToRun)
    }

    /// All that the catalogue says of it, for people.
    pub fn explained(self) -> String {
        let RuleText {
            severity,
            title,
            explanation,
            help,
        } = self.text();
        format!("{self} ({severity})\n\n{title}\n\n{explanation}\n\nWhat to do: {help}\n")
    }

    /// The severity for tools that ask for one of each rule.
    pub fn usual_severity(self) -> Severity {
        match self {
            Self::MissingPlatform
            | Self::WrongPlatform
            | Self::InvalidImageName
            | Self::EmptyIndex => Severity::Error,
            Self::NowhereToRun
            | Self::ChildMissing
            | Self::EntryContradicts
            | Self::StillPublishing
            | Self::NotOffered
            | Self::Dropped
            | Self::BaseLacksPlatform
            | Self::PinnedToOnePlatform
            | Self::PlatformLost => Severity::Warning,
            Self::CouldNotCheck | Self::NeedlessPin | Self::VersionSkew | Self::NoImages => {
                Severity::Note
            }
        }
    }

    /// What the catalogue says of it.
    pub fn text(self) -> RuleText {
        let (severity, title, explanation, help) = match self {
            Self::MissingPlatform => (
                "error where no platform runs every image of the pod, else warning",
                "The image has no manifest for a platform that the pod may be scheduled on.",
                "An image for several platforms is an index, a list of manifests. The node's \
                 container runtime takes the entry for its own platform; where there is none, \
                 the pull fails with `no match for platform in manifest` or a sentence like it, \
                 and the pod stays in ErrImagePull. Which nodes count is what the scheduler \
                 would decide: selector, required affinity, taints, cordons and resources.",
                "Use a tag that is published for the platform, build the image for it with \
                 `docker buildx build --platform`, or keep the pod on nodes that can run it by \
                 a nodeSelector on `kubernetes.io/arch`.",
            ),
            Self::WrongPlatform => (
                "error where no platform runs every image of the pod, else warning",
                "What would be pulled is built for another platform than the node's.",
                "An image without an index is pulled on every node, whatever it is built for. \
                 The same goes for an index entry whose manifest is for another platform than \
                 the entry says. The container then ends with `exec format error`.",
                "Publish the image as an index with a manifest for each platform, or keep the \
                 pod on nodes of the platform that it is built for.",
            ),
            Self::InvalidImageName => (
                "error",
                "The name of the image is no image reference, so the kubelet refuses it.",
                "The kubelet parses the name before it asks any registry. What it cannot parse \
                 ends in InvalidImageName on every node. Frequent causes are upper-case letters \
                 in the repository, blanks, and a template variable that was not filled in.",
                "Correct the name: [HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST], with the repository \
                 in lower case.",
            ),
            Self::CouldNotCheck => (
                "note; warning where a level is undecided by it",
                "It could not be found out whether the image runs.",
                "The registry did not answer, refused, or said what nobody can rely on; or no \
                 registry may be asked. Not knowing is neither yes nor no, so it is counted \
                 apart. The reason is one of a few classes, such as `unauthorized`, \
                 `rate-limited`, `timeout` or `unreachable`.",
                "Do what the reason calls for: give credentials, raise a limit, open an address \
                 in the configuration, or try again later. `--fail-on could-not-check` makes it \
                 count as a failure.",
            ),
            Self::NowhereToRun => (
                "warning",
                "No node, and no pool that could grow one, may run the pod.",
                "Selector, affinity, taints, cordons and resources leave no node. Such a pod \
                 stays Pending, so its images were not compared with anything.",
                "Correct the placement, add such nodes, or declare the pool that grows them \
                 under `pools` in the configuration.",
            ),
            Self::ChildMissing => (
                "warning",
                "The index names a manifest that the registry does not have.",
                "An index lists its manifests by digest. A clean-up, a proxy cache or a copy of \
                 the index alone leaves entries that lead nowhere: the pull then fails with \
                 `not found` although the platform is listed.",
                "Push the image again, or copy it with all platforms (`crane copy`, \
                 `skopeo copy --all`), and keep the clean-up from untagged manifests.",
            ),
            Self::EntryContradicts => (
                "warning",
                "An entry of the index says one platform, the image that it leads to another.",
                "The runtime believes the entry and pulls what it leads to, which then ends in \
                 `exec format error`. Found where `policy.verifyChildren` is on.",
                "Build the index anew from images that were built for their platforms.",
            ),
            Self::EmptyIndex => (
                "error",
                "The tag is published, and lists no manifest at all.",
                "An empty index runs nowhere. Publishers that build one platform after the \
                 other leave it so for a time, or when every build failed.",
                "Use another tag, such as the one before, until this one has manifests.",
            ),
            Self::StillPublishing => (
                "refines missing-platform",
                "The platform is published apart already, and not in the tag yet.",
                "Official images are published for each architecture in a repository of its \
                 own first (s390x/node), and put together into the tag later. Found with \
                 --suggest, where that repository has the tag from the same revision. With \
                 --ask-maintainers, also where their list names the platform for the tag; a \
                 platform whose build keeps failing looks the same from outside.",
                "Wait, or use the suggested tag meanwhile.",
            ),
            Self::NotOffered => (
                "refines missing-platform",
                "The publisher does not build this image for the platform.",
                "Sibling tags of the same version have the platform, this one does not, and the \
                 repository of the architecture has no such tag. Found with --suggest, of official \
                 images; of a release that is younger than two weeks nothing is said.",
                "Use a sibling that has the platform.",
            ),
            Self::Dropped => (
                "refines missing-platform",
                "The publisher no longer builds this image for the platform.",
                "What is published apart for the platform is of another revision than the tag, so it \
                 stays behind. Found with --suggest, of official images.",
                "Use the last version that has the platform, or move to another image.",
            ),
            Self::BaseLacksPlatform => (
                "refines missing-platform",
                "A base image lacks the platform, so the image cannot have it.",
                "An official image has no platform that its base lacks. It names its base by \
                 annotations, which are followed from base to base. Found with --suggest.",
                "Change the base image, or ask its publisher.",
            ),
            Self::PinnedToOnePlatform => (
                "warning",
                "The digest is that of one platform, although the tag has more.",
                "An index and each of its manifests have digests of their own. Who copies the \
                 one of a manifest pins the image to a single platform. Found where the same run \
                 sees the tag of that index, or looks at the tag beside the digest (--suggest).",
                "Pin the digest of the index: `archmatch fix` writes it.",
            ),
            Self::NeedlessPin => (
                "note",
                "The pod is kept on fewer architectures than its images run on.",
                "A nodeSelector or a required affinity on the architecture, and on nothing else, \
                 excludes nodes on which every image of the pod is published. Such pins stay \
                 behind when an image becomes multi-platform.",
                "Drop the selector on the architecture. What the image does when it runs there \
                 is yours to test.",
            ),
            Self::VersionSkew => (
                "note",
                "Manifests of one tag were built from different revisions.",
                "The annotation `org.opencontainers.image.revision` differs between the entries \
                 of the index: the same tag is another program on another platform.",
                "Wait until all platforms are built, or pin the index of a finished release.",
            ),
            Self::PlatformLost => (
                "warning",
                "The tag had the platform before, and has it no longer.",
                "Compared with the pass before, or with the report given as --baseline. Moving \
                 tags lose platforms when one build fails.",
                "Pin the index by the digest that had it, and tell the publisher.",
            ),
            Self::NoImages => (
                "note",
                "No container of the pod template names an image.",
                "There is nothing to check. Somebody else fills the image in, or it was \
                 forgotten.",
                "Nothing, where an operator fills it in.",
            ),
        };
        RuleText {
            severity,
            title,
            explanation,
            help,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_rule_is_refused_with_the_nearest() {
        assert_eq!(Rule::named("needless-pin"), Ok(Rule::NeedlessPin));
        let error = Rule::named("missing-platfrom").unwrap_err();
        assert!(
            error.ends_with("the nearest is missing-platform"),
            "{error}"
        );
        let error = Rule::named("\u{1b}[2Jxyzzyplugh").unwrap_err();
        assert!(
            error.contains("no-images") && !error.contains('\u{1b}'),
            "{error}"
        );
    }

    #[test]
    fn every_rule_says_what_it_is_in_sentences() {
        for rule in Rule::all() {
            let text = rule.text();
            for sentence in [text.title, text.explanation, text.help] {
                assert!(
                    sentence.ends_with('.') && !sentence.contains("  "),
                    "{rule}: {sentence}"
                );
            }
            assert!(text.title.len() <= 120, "{rule}");
        }
    }
}
