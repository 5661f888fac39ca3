//! What people read: the denial, the warnings, and the pieces that both are made of.
//!
//! Text of users and registries is cut and stripped of control characters here, since the
//! API server drops a warning that has one, and terminals obey them.

mod remedy;

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::domain::candidates::CandidatePlatform;
use crate::domain::node::{Nodes, PoolName};
use crate::domain::platform::Platform;
use crate::domain::text::printable;
use crate::domain::verdict::{ImageVerdict, Outcome, Verdict};
use crate::domain::workload::{ContainerImage, Usage};

/// How many node names a message shows.
const NAMES: usize = 3;
/// How long a warning may be, in characters; the API server cuts longer ones when all of a
/// request's warnings pass [`ALL_WARNINGS`].
/// Source: `staging/src/k8s.io/apiserver/pkg/endpoints/filters/warning.go`
const WARNING: usize = 256;
/// How long all warnings of a request may be together.
const ALL_WARNINGS: usize = 4096;
/// How many images a denial explains in full.
const IMAGES: usize = 10;

/// A cause of a denial, for machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    /// The outcome's name.
    pub(super) reason: &'static str,
    /// One line.
    pub(super) message: String,
    /// Where in the object.
    pub(super) field: String,
}

/// The denial: every gap of the verdicts, what to expect, and what would help.
pub(super) fn denial(verdicts: &[Verdict], nodes: &Nodes) -> String {
    let mut text = String::new();
    let mut shown = 0;
    let images = || {
        verdicts
            .iter()
            .flat_map(|verdict| verdict.images.iter().map(move |image| (verdict, image)))
    };
    for (verdict, image) in images() {
        let Some(problem) = problem(verdict, image) else {
            continue;
        };
        shown += 1;
        if shown > IMAGES {
            continue;
        }
        let _ = writeln!(text, "{}", problem.line);
        if let Some(has) = platforms_of(image) {
            let _ = writeln!(text, "  the image has: {has}");
        }
        if let Some(expect) = problem.expect {
            let _ = writeln!(text, "  such a pod ends in: {expect}");
        }
    }
    if shown > IMAGES {
        let _ = writeln!(text, "and {} more images", shown - IMAGES);
    }
    if shown == 0 {
        for line in warnings(verdicts, &[]) {
            let _ = writeln!(text, "{line}");
        }
    }
    text.push_str(&remedy::remedy(verdicts, nodes));
    text.truncate(text.trim_end().len());
    text
}

/// The warnings: one line an image, the most serious first.
pub(super) fn warnings(verdicts: &[Verdict], extra: &[String]) -> Vec<String> {
    let mut known = Vec::new();
    let mut unknown = Vec::new();
    for verdict in verdicts {
        if verdict.candidates.is_empty() {
            unknown.push(no_candidates(verdict));
            continue;
        }
        for image in &verdict.images {
            if let Some(problem) = problem(verdict, image) {
                known.push(problem.line);
            } else if let Some(reason) = image.unknown() {
                unknown.push(format!(
                    "image {} could not be checked: {} ({})",
                    quoted(&image.image),
                    printable(&reason.detail),
                    reason.reason
                ));
            }
        }
    }
    let all: Vec<String> = known
        .into_iter()
        .chain(unknown)
        .chain(extra.iter().cloned())
        .collect();
    bounded(&all)
}

/// Causes for machines: one for each image and platform.
pub(super) fn causes(verdicts: &[Verdict]) -> Vec<Cause> {
    let mut causes = Vec::new();
    for verdict in verdicts {
        for (image, position) in verdict.gaps() {
            let (Some(candidate), Some(outcome)) = (
                verdict.candidates.platforms.get(position),
                image.outcomes.get(position),
            ) else {
                continue;
            };
            let place = match image.image.usage {
                Usage::Container => "containers",
                Usage::Volume => "volumes",
            };
            let name = image.image.containers.first().map_or("", String::as_str);
            causes.push(Cause {
                reason: outcome.name(),
                message: format!(
                    "{} on {}",
                    quoted(&image.image),
                    candidate.platform.platform
                ),
                field: format!("{place}[{}].image", printable(name)),
            });
        }
    }
    causes.truncate(100);
    causes
}

/// The platforms that lack something, for the audit log.
pub(super) fn missing_platforms(verdicts: &[Verdict]) -> Vec<String> {
    let platforms: BTreeSet<String> = verdicts
        .iter()
        .flat_map(|verdict| {
            verdict
                .gaps()
                .filter_map(|(_, position)| verdict.candidates.platforms.get(position))
        })
        .map(|candidate| candidate.platform.platform.to_string())
        .collect();
    platforms.into_iter().collect()
}

struct Problem {
    line: String,
    expect: Option<&'static str>,
}

/// What is wrong with an image, in one line.
fn problem(verdict: &Verdict, image: &ImageVerdict) -> Option<Problem> {
    let on = |wanted: fn(&Outcome) -> bool| -> Vec<&CandidatePlatform> {
        let outcomes = image.outcomes.iter().zip(&verdict.candidates.platforms);
        outcomes
            .filter(|(outcome, _)| wanted(outcome))
            .map(|(_, candidate)| candidate)
            .collect()
    };
    let missing = on(|outcome| matches!(outcome, Outcome::Missing));
    let mismatched = on(|outcome| matches!(outcome, Outcome::Mismatched { .. }));
    let made_for = image.outcomes.iter().find_map(|outcome| match outcome {
        Outcome::Mismatched { made_for, .. } => Some(made_for),
        _ => None,
    });
    let subject = format!(
        "image {}{}",
        quoted(&image.image),
        in_containers(&image.image)
    );
    if let Some(first) = missing.first() {
        return Some(Problem {
            line: format!(
                "{subject} has no {} manifest, {}",
                names(&missing),
                required_by(&missing)
            ),
            expect: Some(first.platform.runtime.pull_failure()),
        });
    }
    let made_for = made_for?;
    Some(Problem {
        line: format!(
            "{subject} is built for {made_for}, not for {}, {}",
            names(&mismatched),
            required_by(&mismatched)
        ),
        expect: Some("exec format error"),
    })
}

fn no_candidates(verdict: &Verdict) -> String {
    let why: Vec<String> = verdict
        .candidates
        .excluded
        .iter()
        .take(NAMES)
        .map(|(why, count)| format!("{count} {why}"))
        .collect();
    if why.is_empty() {
        "no node is known, so no image was checked".to_owned()
    } else {
        format!(
            "no node may run this pod ({}), so no image was checked",
            printable(&why.join(", "))
        )
    }
}

fn in_containers(image: &ContainerImage) -> String {
    let what = match (image.usage, image.containers.len()) {
        (Usage::Container, 1) => "container",
        (Usage::Container, _) => "containers",
        (Usage::Volume, 1) => "volume",
        (Usage::Volume, _) => "volumes",
    };
    let names: Vec<&str> = image
        .containers
        .iter()
        .take(NAMES)
        .map(String::as_str)
        .collect();
    let more = if image.containers.len() > NAMES {
        ", …"
    } else {
        ""
    };
    format!(" ({what} {}{more})", printable(&names.join(", ")))
}

/// Platform names without repetition: one platform may be there with several runtimes.
fn names(candidates: &[&CandidatePlatform]) -> String {
    let names: BTreeSet<String> = candidates
        .iter()
        .map(|candidate| candidate.platform.platform.to_string())
        .collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

fn required_by(candidates: &[&CandidatePlatform]) -> String {
    let count: usize = candidates
        .iter()
        .map(|candidate| candidate.node_count)
        .sum();
    let names: Vec<&str> = candidates
        .iter()
        .flat_map(|candidate| &candidate.nodes)
        .take(NAMES)
        .map(AsRef::as_ref)
        .collect();
    let more = if count > names.len() { ", …" } else { "" };
    let nodes = match count {
        0 => None,
        1 => Some(format!("1 node ({})", names.join(", "))),
        _ => Some(format!("{count} nodes ({}{more})", names.join(", "))),
    };
    let sources: Vec<String> = nodes.into_iter().chain(pools(candidates)).collect();
    format!("required by {}", sources.join(" and "))
}

/// The pools that could grow such nodes, such as `NodePool arm, the declared pool z`.
fn pools(candidates: &[&CandidatePlatform]) -> Option<String> {
    let pools: BTreeSet<&PoolName> = candidates
        .iter()
        .flat_map(|candidate| &candidate.pools)
        .collect();
    let shown = pools.iter().take(NAMES).map(ToString::to_string);
    let shown = shown.collect::<Vec<_>>().join(", ");
    let more = if pools.len() > NAMES { ", …" } else { "" };
    (!pools.is_empty()).then(|| format!("{}{more}", printable(&shown)))
}

fn platforms_of(image: &ImageVerdict) -> Option<String> {
    let platforms = image.inspection.as_ref()?.platforms();
    let shown: Vec<String> = platforms.iter().take(16).map(Platform::to_string).collect();
    let more = if platforms.len() > shown.len() {
        ", …"
    } else {
        ""
    };
    (!shown.is_empty()).then(|| format!("{}{more}", shown.join(", ")))
}

/// A name of an image, in quotes; long names lose their middle.
fn quoted(image: &ContainerImage) -> String {
    const LONGEST: usize = 100;
    let text = printable(&image.image);
    let length = text.chars().count();
    if length <= LONGEST {
        return format!("\"{text}\"");
    }
    let head: String = text.chars().take(LONGEST / 2).collect();
    let tail: String = text.chars().skip(length - LONGEST / 2).collect();
    format!("\"{head}…{tail}\"")
}

/// Warnings within the API server's limits, with a last line for those that do not fit.
fn bounded(all: &[String]) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut room = ALL_WARNINGS - 40;
    for (position, text) in all.iter().enumerate() {
        let mut line = format!("archmatch: {text}");
        if line.chars().count() > WARNING {
            line = line.chars().take(WARNING - 1).collect();
            line.push('…');
        }
        let length = line.chars().count();
        if length > room {
            warnings.push(format!("archmatch: and {} more", all.len() - position));
            break;
        }
        room -= length;
        warnings.push(line);
    }
    warnings
}

#[cfg(test)]
mod tests;
