//! What people read: the denial, the warnings, and the pieces that both are made of.
//!
//! Text of users and registries is cut and stripped of control characters here, since the
//! API server drops a warning that has one, and terminals obey them.

mod remedy;

use std::collections::BTreeSet;
use std::fmt::Write;

pub(crate) use self::remedy::Remedy;
use super::finding::Finding;
use crate::domain::candidates::CandidatePlatform;
use crate::domain::node::PoolName;
use crate::domain::outcome::{Outcome, Ternary};
use crate::domain::platform::Platform;
use crate::domain::text::printable;
use crate::domain::verdict::{ImageVerdict, Verdict};
use crate::domain::workload::{ContainerImage, Usage};

/// How many node names a message shows.
const NAMES: usize = 3;
/// How long a warning may be, in characters; the API server cuts longer ones when all of a
/// request's warnings pass [`ALL_WARNINGS`].
/// Source: `staging/src/k8s.io/apiserver/pkg/endpoints/filters/warning.go`
const WARNING: usize = 256;
/// How every warning begins.
const PREFIX: &str = "archmatch: ";
/// How long all warnings of a request may be together.
const ALL_WARNINGS: usize = 4096;
/// How many causes a denial has for machines.
const CAUSES: usize = 100;
/// How many images a denial explains in full.
const IMAGES: usize = 10;

/// A cause of a denial, for machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    /// The outcome's name.
    pub(crate) reason: &'static str,
    /// One line.
    pub(crate) message: String,
    /// Where in the object.
    pub(crate) field: String,
}

/// The denial: every gap of the verdicts, what to expect, and what would help.
pub(crate) fn denial(verdicts: &[Verdict], remedy: &Remedy<'_>) -> String {
    // Images of which the same is to say are said once.
    let mut said: Vec<(String, Vec<String>)> = Vec::new();
    let mut images = 0;
    for verdict in verdicts {
        for image in &verdict.images {
            let gaps = gaps(verdict, image);
            if gaps.is_empty() {
                continue;
            }
            images += 1;
            if images > IMAGES {
                continue;
            }
            let name = format!("{}{}", quoted(&image.image), in_containers(&image.image));
            let what = what(verdict, image, &gaps);
            match said.iter_mut().find(|(known, _)| *known == what) {
                Some((_, names)) if names.contains(&name) => {}
                Some((_, names)) => names.push(name),
                None => said.push((what, vec![name])),
            }
        }
    }
    let mut text = String::new();
    for (what, names) in &said {
        let _ = match names.as_slice() {
            [one] => writeln!(text, "image {one} {what}"),
            several => writeln!(text, "images {}: each {what}", several.join(", ")),
        };
    }
    if images > IMAGES {
        let _ = writeln!(text, "and {} more images", images - IMAGES);
    }
    if images == 0 {
        for line in warnings(verdicts, &[]) {
            let _ = writeln!(text, "{line}");
        }
    }
    text.push_str(&remedy.text(verdicts));
    text.truncate(text.trim_end().len());
    text
}

/// What is to say of an image, without its name.
fn what(verdict: &Verdict, image: &ImageVerdict, gaps: &[Finding<'_>]) -> String {
    let mut lines = Vec::new();
    let mut has = platforms_of(image);
    for gap in gaps {
        let also = if lines.is_empty() { "" } else { "and " };
        lines.push(format!("{also}{}", predicate(gap)));
        if let Some(why) = gap.why {
            lines.push(format!("  what decides: {why}"));
        }
        // Once an image.
        if let Some(has) = has.take() {
            lines.push(format!("  the image has: {has}"));
        }
        if let Some(expect) = gap.expect() {
            lines.push(format!("  such a pod ends in: {expect}"));
        }
    }
    let caveats = image.caveats(&verdict.candidates.platforms);
    lines.extend(caveats.map(|caveat| format!("  it {caveat}")));
    lines.join("\n")
}

/// The warnings: one line an image, the most serious first, and what speaks against them.
pub(crate) fn warnings(verdicts: &[Verdict], extra: &[String]) -> Vec<String> {
    let mut known = Vec::new();
    let mut unknown = Vec::new();
    let mut beyond = Vec::new();
    for verdict in verdicts {
        let not_looked_at = verdict.not_looked_at();
        beyond.extend(
            not_looked_at.map(|why| format!("not all of this was checked: {why} ({})", why.reason)),
        );
        if verdict.candidates.is_empty() {
            if verdict.candidates.undetermined.is_none() {
                unknown.push(no_candidates(verdict));
            }
            continue;
        }
        for image in &verdict.images {
            let findings = image.findings(&verdict.candidates.platforms);
            // The first is the most serious one.
            match findings.first() {
                None => {}
                Some(finding) if matches!(finding.outcome, Outcome::Unknown(_)) => {
                    unknown.push(format!("image {} {finding}", quoted(&image.image)));
                }
                Some(gap) => known.push(warning(image, gap)),
            }
        }
        if verdict.waits_for_cordon() {
            let cordoned: Vec<_> = verdict.cordoned().map(|(cordoned, _)| cordoned).collect();
            let nodes = nodes_of(&cordoned);
            unknown.push(format!("only cordoned nodes may run this pod: {nodes}"));
        }
    }
    let all: Vec<String> = known
        .into_iter()
        .chain(beyond)
        .chain(unknown)
        .chain(caveats(verdicts))
        .chain(extra.iter().cloned())
        .collect();
    bounded(&all)
}

/// What is said where nothing is wrong: what speaks against that all the same.
pub(crate) fn reminders(verdicts: &[Verdict], extra: Vec<String>) -> Vec<String> {
    let mut all = caveats(verdicts);
    if all.is_empty() {
        return extra;
    }
    all.extend(extra);
    bounded(&all)
}

fn caveats(verdicts: &[Verdict]) -> Vec<String> {
    let mut lines = Vec::new();
    for (image, caveat) in verdicts.iter().flat_map(Verdict::caveats) {
        let line = format!("image {} {caveat}", quoted(&image.image));
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// Causes for machines: one for each image and platform.
pub(crate) fn causes(verdicts: &[Verdict]) -> Vec<Cause> {
    let mut causes = Vec::new();
    for verdict in verdicts {
        for gap in verdict.gaps() {
            if causes.len() >= CAUSES {
                return causes;
            }
            let image = &gap.image.image;
            let place = match image.usage {
                Usage::Container => "containers",
                Usage::Volume => "volumes",
            };
            let name = image.containers.first().map_or("", String::as_str);
            causes.push(Cause {
                reason: gap.outcome.name(),
                message: format!(
                    "{} on {}: {}",
                    quoted(image),
                    gap.candidate.platform.platform,
                    gap.explain()
                ),
                field: format!("{place}[{}].image", printable(name)),
            });
        }
    }
    causes
}

/// The platforms that lack something, for the audit log.
pub(crate) fn missing_platforms(verdicts: &[Verdict]) -> Vec<String> {
    let gaps = verdicts.iter().flat_map(Verdict::gaps);
    let platforms: BTreeSet<String> = gaps
        .map(|gap| gap.candidate.platform.platform.to_string())
        .collect();
    platforms.into_iter().collect()
}

/// What is known to be wrong with an image, the most serious first.
fn gaps<'a>(verdict: &'a Verdict, image: &'a ImageVerdict) -> Vec<Finding<'a>> {
    let mut findings = image.findings(&verdict.candidates.platforms);
    findings.retain(|finding| finding.outcome.value() == Ternary::No);
    findings
}

/// A gap in one line.
fn line(image: &ImageVerdict, gap: &Finding<'_>) -> String {
    let (named, containers) = (quoted(&image.image), in_containers(&image.image));
    format!("image {named}{containers} {}", predicate(gap))
}

fn predicate(gap: &Finding<'_>) -> String {
    match gap.outcome {
        // Whatever the nodes are.
        Outcome::Invalid(_) => gap.to_string(),
        _ => format!("{gap}, {}", required_by(&gap.candidates)),
    }
}

/// The same with what decided, where that has room.
fn warning(image: &ImageVerdict, gap: &Finding<'_>) -> String {
    let line = line(image, gap);
    match gap.why.map(|why| format!("{line}: {why}")) {
        Some(longer) if longer.chars().count() + PREFIX.len() <= WARNING => longer,
        _ => line,
    }
}

fn no_candidates(verdict: &Verdict) -> String {
    match verdict.candidates.exclusions(NAMES) {
        None => "no node is known, so no image was checked".to_owned(),
        Some(why) => format!("no node may run this pod ({why}), so no image was checked"),
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

fn required_by(candidates: &[&CandidatePlatform]) -> String {
    format!("required by {}", nodes_of(candidates))
}

/// `2 nodes (a1, a2) and NodePool arm`.
fn nodes_of(candidates: &[&CandidatePlatform]) -> String {
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
    sources.join(" and ")
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
        let mut line = format!("{PREFIX}{text}");
        if line.chars().count() > WARNING {
            line = line.chars().take(WARNING - 1).collect();
            line.push('…');
        }
        let length = line.chars().count();
        if length > room {
            warnings.push(format!("{PREFIX}and {} more", all.len() - position));
            break;
        }
        room -= length;
        warnings.push(line);
    }
    warnings
}

#[cfg(test)]
mod tests;
