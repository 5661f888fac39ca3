//! What a finding says: what is so, why it matters here, and what to do next.

use std::collections::BTreeSet;

use super::nodes::{counted, nodes_of};
use super::problem::ImageProblem;
use super::suggestion;
use crate::domain::advice::Suggestion;
use crate::domain::candidates::CandidatePlatform;
use crate::domain::inspection::Inspection;
use crate::domain::outcome::{Outcome, Ternary};
use crate::domain::pin::ArchitecturePin;
use crate::domain::platform::Platform;
use crate::domain::text::{printable, visible};
use crate::domain::unknown::{Reason, Unknown};
use crate::domain::verdict::{ImageVerdict, Verdict};

/// How many names of one sort a sentence lists.
pub(super) const MAX_NAMED: usize = 8;

/// How variables of templates begin.
const VARIABLES: [&str; 3] = ["${", "$(", "{{"];

/// How many platforms a build names.
const MAX_BUILT: usize = 16;

/// The sentences of a finding. None is empty, and each stands without the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sentences {
    /// What is so.
    pub(crate) what: String,
    /// Why it matters here.
    pub(crate) why: String,
    /// What to do about it.
    pub(crate) next: String,
}

/// An image lacks something for a platform, or has the wrong thing for it.
pub(crate) fn gap(
    problem: &ImageProblem<'_>,
    verdict: &Verdict,
    is_foreign: bool,
    instead: Option<&Suggestion>,
) -> Sentences {
    let image = problem.first.image;
    let name = visible(&image.image.image);
    let what = match problem.why {
        Some(why) => format!("{name} {problem}: {why}"),
        None => format!("{name} {problem}"),
    };
    let mut why = format!(
        "the pod may be scheduled on {}",
        where_to(&problem.candidates)
    );
    if let Some(has) = has(image) {
        why += &format!("; the image has {has}");
    }
    if let Some(failure) = problem.first.failure() {
        why += &format!("; such a pod would end in: {failure}");
    }
    let wanted = platforms(&problem.candidates);
    let built = match is_foreign {
        true => String::new(),
        false => format!(
            ", build it for all by docker buildx build --platform {}",
            all_platforms(image, &problem.candidates)
        ),
    };
    let mut runs = verdict.platforms().filter_map(|(candidate, value)| {
        let platform = &candidate.platform.platform;
        (value == Ternary::Yes).then(|| platform.architecture.clone())
    });
    let kept = match runs.next() {
        Some(architecture) => format!(
            ", or keep the pod where its images run, such as by nodeSelector \
             kubernetes.io/arch: {architecture}"
        ),
        None => String::new(),
    };
    Sentences {
        what,
        why,
        next: match instead {
            Some(instead) => format!("use {}{built}{kept}", suggestion::suggestion(instead)),
            None => format!("use a tag that has {wanted}{built}{kept}"),
        },
    }
}

/// The kubelet refuses a name.
pub(crate) fn invalid_name(problem: &ImageProblem<'_>) -> Sentences {
    let name = visible(&problem.first.image.image.image);
    Sentences {
        what: format!("{name} {problem}"),
        why: format!(
            "the kubelet refuses it before any pull, on {}",
            platforms(&problem.candidates)
        ),
        next: match VARIABLES.iter().any(|start| name.contains(start)) {
            true => "fill in the variable that the name still has".to_owned(),
            false => "correct the name: [HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST], the repository \
                      in lower case"
                .to_owned(),
        },
    }
}

/// Nobody could find out whether an image runs.
pub(crate) fn could_not_check(image: &str, problem: &ImageProblem<'_>) -> Sentences {
    let reason = problem.first.outcome.reason();
    Sentences {
        what: format!("{} {problem}", visible(image)),
        why: format!(
            "the pod may be scheduled on {}, and whether the image runs there is not known",
            where_to(&problem.candidates)
        ),
        next: reason.map_or("try again later", remedy_of).to_owned(),
    }
}

/// What to do about not knowing.
fn remedy_of(reason: Reason) -> &'static str {
    match reason {
        Reason::NotFound | Reason::Unauthorized => {
            "check the name, and give credentials that may read it: credentials in the \
             configuration says whose are used"
        }
        Reason::RateLimited => {
            "try again later, log in to the registry, or raise requestsPerSecond of the host"
        }
        Reason::Timeout | Reason::Unreachable => {
            "try again later; if it stays so, check that this machine reaches the registry"
        }
        Reason::Tls => "give the registry's CA under registries[].ca in the configuration",
        Reason::Blocked => "open the address in the configuration, if it is meant to be asked",
        Reason::Malformed => "publish the image again: what the registry has contradicts itself",
        Reason::TooLarge => "make it smaller: it is over a limit of what is looked at",
        Reason::Unsupported => {
            "publish the image in an OCI or Docker format that says its platform"
        }
        Reason::Preloaded => {
            "load an image for every platform onto the nodes, or let the kubelet pull it"
        }
        Reason::NoCandidates | Reason::Cordoned => "wait until the nodes are back",
    }
}

/// Part of a pod was not looked at.
pub(crate) fn not_looked_at(why: &Unknown) -> Sentences {
    Sentences {
        what: format!(
            "not all of it was checked: {} ({})",
            printable(&why.detail),
            why.reason
        ),
        why: "what was left out may lack a platform".to_owned(),
        next: "split it into smaller objects".to_owned(),
    }
}

/// Only cordoned nodes may run a pod.
pub(crate) fn cordoned(verdict: &Verdict) -> Sentences {
    let cordoned: Vec<_> = verdict.cordoned().map(|(cordoned, _)| cordoned).collect();
    Sentences {
        what: format!(
            "only cordoned nodes may run it: {} ({})",
            where_to(&cordoned),
            Reason::Cordoned
        ),
        why: "a cordon ends, so it proves nothing; until then no candidate runs every image"
            .to_owned(),
        next: "uncordon such a node, or give the pod images for the others".to_owned(),
    }
}

/// No node may run a pod.
pub(crate) fn nowhere(verdict: &Verdict) -> Sentences {
    let why = verdict.candidates.exclusions(MAX_NAMED);
    Sentences {
        what: match &why {
            Some(why) => format!("no node may run it: {why}"),
            None => "no node may run it: none is known".to_owned(),
        },
        why: "such a pod stays Pending, so its images were not checked".to_owned(),
        next: "correct selector, affinity and tolerations, or declare the pool that grows such \
               nodes under pools in the configuration of archmatch"
            .to_owned(),
    }
}

/// A published tag lists nothing.
pub(crate) fn empty_index(
    image: &str,
    candidates: &[&CandidatePlatform],
    instead: Option<&Suggestion>,
) -> Sentences {
    let name = visible(image);
    Sentences {
        what: format!("{name} is published without any manifest"),
        why: format!(
            "its index is empty, so nothing of it can be pulled on {}",
            where_to(candidates)
        ),
        next: match instead {
            Some(instead) => format!("use {}", suggestion::suggestion(instead)),
            None => format!("use another tag than {name} until it lists manifests"),
        },
    }
}

/// An index names what is not there.
pub(crate) fn child_missing(image: &str, candidates: &[&CandidatePlatform]) -> Sentences {
    let platforms = platforms(candidates);
    Sentences {
        what: format!(
            "{} lists a manifest for {platforms} that its registry does not have",
            visible(image)
        ),
        why: format!("the pull fails with not found on {}", where_to(candidates)),
        next: "push or copy the image again with all of its platforms, and keep clean-ups from \
               untagged manifests"
            .to_owned(),
    }
}

/// An entry of an index says one platform, its config another.
pub(crate) fn entry_contradicts(image: &str, outcome: &Outcome, platforms: &str) -> Sentences {
    let made_for = match outcome {
        Outcome::Mismatched { made_for, .. } => made_for.to_string(),
        _ => "another platform".to_owned(),
    };
    Sentences {
        what: format!(
            "{} lists an entry for {platforms} whose config says {made_for}",
            visible(image)
        ),
        why: "runtimes believe the entry and start what it leads to: exec format error".to_owned(),
        next: format!("build its index anew from an image that was built for {platforms}"),
    }
}

/// Placement is narrower than the images.
pub(crate) fn needless_pin(pin: &ArchitecturePin, platforms: &[String]) -> Sentences {
    let platforms = counted(platforms.iter().cloned(), MAX_NAMED);
    let pin_text = printable(&pin.text);
    Sentences {
        what: format!("{pin_text} keeps it off {platforms}, for which every image is published"),
        why: "such pins stay behind when images become multi-platform".to_owned(),
        next: format!(
            "drop {pin_text} from {}, after testing on {platforms}",
            <&str>::from(pin.field)
        ),
    }
}

/// Entries of one index are of different revisions.
pub(crate) fn version_skew(image: &str, platforms: &[String]) -> Sentences {
    let platforms = counted(platforms.iter().cloned(), MAX_NAMED);
    Sentences {
        what: format!(
            "{} has another revision on {platforms} than on its other platforms",
            visible(image)
        ),
        why: "the same tag is another program there: org.opencontainers.image.revision differs \
              between the entries of its index"
            .to_owned(),
        next: "wait until every platform is built, or pin the index of a finished release"
            .to_owned(),
    }
}

/// A tag had a platform before.
pub(crate) fn platform_lost(image: &str, platforms: &[String]) -> Sentences {
    let platforms = counted(platforms.iter().cloned(), MAX_NAMED);
    let name = visible(image);
    Sentences {
        what: format!("{name} has lost {platforms}"),
        why: format!("the report before said that {name} runs on {platforms}"),
        next: "pin the index by the digest that had it, and tell the publisher".to_owned(),
    }
}

/// A pod template names no image.
pub(crate) fn no_images() -> Sentences {
    Sentences {
        what: "no container with an image".to_owned(),
        why: "nothing of it could be checked".to_owned(),
        next: "nothing, where somebody else fills the image in".to_owned(),
    }
}

/// `linux/s390x, which 2 nodes (z1, z2) have`.
fn where_to(candidates: &[&CandidatePlatform]) -> String {
    let nodes = nodes_of(candidates);
    match nodes.is_empty() {
        true => platforms(candidates),
        false => format!("{}: {nodes}", platforms(candidates)),
    }
}

/// Platform names, each once, in order.
pub(crate) fn platforms(candidates: &[&CandidatePlatform]) -> String {
    let names = candidates
        .iter()
        .map(|candidate| candidate.platform.platform.to_string());
    let names: BTreeSet<String> = names.collect();
    counted(names.into_iter(), MAX_NAMED)
}

/// The platforms that an image has, and those of candidates.
fn all_platforms(image: &ImageVerdict, candidates: &[&CandidatePlatform]) -> String {
    let had = image.inspection.as_deref().map(Inspection::platforms);
    let had = had.unwrap_or_default();
    let wanted = candidates
        .iter()
        .map(|candidate| &candidate.platform.platform);
    let names = had.iter().chain(wanted).map(ToString::to_string);
    let names: BTreeSet<String> = names.take(MAX_BUILT).collect();
    names.into_iter().collect::<Vec<_>>().join(",")
}

/// The platforms that an image has.
fn has(image: &ImageVerdict) -> Option<String> {
    let platforms = image.inspection.as_deref().map(Inspection::platforms)?;
    let names = platforms.iter().map(Platform::to_string);
    (!platforms.is_empty()).then(|| counted(names, MAX_NAMED))
}
