//! The warnings of a review, within the limits of the API server.

use super::caveat::caveats;
use super::nodes::{MAX_NAMES, in_containers, nodes_of, quoted};
use super::problem::ImageProblem;
use crate::domain::outcome::OutcomeKind;
use crate::domain::verdict::{ImageVerdict, Verdict};
use crate::domain::workload::ContainerImage;

/// How long a warning may be, in characters; the API server cuts longer ones when all of a
/// request's warnings pass [`MAX_ALL_CHARACTERS`].
/// Source: `staging/src/k8s.io/apiserver/pkg/endpoints/filters/warning.go`
const MAX_WARNING_CHARACTERS: usize = 256;
/// How long all warnings of a request may be together.
const MAX_ALL_CHARACTERS: usize = 4096;
/// How every warning begins.
const PREFIX: &str = "archmatch: ";

/// The warnings: one line an image, the most serious first, and what speaks against them.
pub(crate) fn warnings(verdicts: &[Verdict], extra: &[String]) -> Vec<String> {
    let mut known = Vec::new();
    let mut unknown = Vec::new();
    let mut beyond = Vec::new();
    for verdict in verdicts {
        beyond.extend(verdict.unchecked());
        if verdict.candidates.is_empty() {
            if verdict.candidates.undetermined.is_none() {
                unknown.push(no_candidates(verdict));
            }
            continue;
        }
        for image in &verdict.images {
            let problems = image.problems(&verdict.candidates.platforms);
            // The first is the most serious one.
            match problems.first() {
                None => {}
                Some(problem) if problem.first.outcome.kind() == OutcomeKind::Unknown => {
                    unknown.push(format!("image {} {problem}", quoted(&image.image)));
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
        .chain(caveats(verdicts, image_name))
        .chain(extra.iter().cloned())
        .collect();
    bounded(&all)
}

/// What is said where nothing is wrong: what speaks against that all the same.
pub(crate) fn reminders(verdicts: &[Verdict], extra: Vec<String>) -> Vec<String> {
    let mut all = caveats(verdicts, image_name);
    if all.is_empty() {
        return extra;
    }
    all.extend(extra);
    bounded(&all)
}

/// A gap in one line.
fn line(image: &ImageVerdict, gap: &ImageProblem<'_>) -> String {
    let (named, containers) = (quoted(&image.image), in_containers(&image.image));
    format!("image {named}{containers} {}", gap.required())
}

/// The same with what decided, where that has room.
fn warning(image: &ImageVerdict, gap: &ImageProblem<'_>) -> String {
    let line = line(image, gap);
    match gap.why.map(|why| format!("{line}: {why}")) {
        Some(longer) if longer.chars().count() + PREFIX.len() <= MAX_WARNING_CHARACTERS => longer,
        _ => line,
    }
}

fn image_name(image: &ContainerImage) -> String {
    format!("image {}", quoted(image))
}

fn no_candidates(verdict: &Verdict) -> String {
    match verdict.candidates.exclusions(MAX_NAMES) {
        None => "no node is known, so no image was checked".to_owned(),
        Some(why) => format!("no node may run this pod ({why}), so no image was checked"),
    }
}

/// Warnings within the API server's limits, with a last line for those that do not fit.
fn bounded(all: &[String]) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut room = MAX_ALL_CHARACTERS - 40;
    for (position, text) in all.iter().enumerate() {
        let mut line = format!("{PREFIX}{text}");
        if line.chars().count() > MAX_WARNING_CHARACTERS {
            line = line.chars().take(MAX_WARNING_CHARACTERS - 1).collect();
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
