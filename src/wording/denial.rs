//! The denial: what is wrong with the images of a workload, and what would help.

use std::fmt::Write;

use serde::Serialize;

use super::nodes::{first_names, in_containers, quoted};
use super::problem::ImageProblem;
use super::remedy::Remedy;
use super::warnings::warnings;
use crate::domain::outcome::Ternary;
use crate::domain::text::printable;
use crate::domain::verdict::{ImageVerdict, Verdict};
use crate::domain::workload::Usage;

/// How many causes a denial has for machines.
const MAX_CAUSES: usize = 100;
/// How many images a denial explains in full.
const MAX_IMAGES: usize = 10;
/// How many platforms of an image it lists.
const MAX_PLATFORMS: usize = 16;

/// A cause of a denial, for machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct DenialCause {
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
            if images > MAX_IMAGES {
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
    if images > MAX_IMAGES {
        let _ = writeln!(text, "and {} more images", images - MAX_IMAGES);
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
fn what(verdict: &Verdict, image: &ImageVerdict, gaps: &[ImageProblem<'_>]) -> String {
    let mut lines = Vec::new();
    let mut has = platforms_of(image);
    for gap in gaps {
        let also = if lines.is_empty() { "" } else { "and " };
        lines.push(format!("{also}{}", gap.required()));
        if let Some(why) = gap.why {
            lines.push(format!("  what decides: {why}"));
        }
        // Once an image.
        if let Some(has) = has.take() {
            lines.push(format!("  the image has: {has}"));
        }
        if let Some(failure) = gap.first.failure() {
            lines.push(format!("  such a pod ends in: {failure}"));
        }
    }
    let caveats = image.caveats(&verdict.candidates.platforms);
    lines.extend(caveats.map(|caveat| format!("  it {caveat}")));
    lines.join("\n")
}

/// What is known to be wrong with an image, the most serious first.
fn gaps<'a>(verdict: &'a Verdict, image: &'a ImageVerdict) -> Vec<ImageProblem<'a>> {
    let mut problems = image.problems(&verdict.candidates.platforms);
    problems.retain(|problem| problem.first.outcome.value() == Ternary::No);
    problems
}

/// Causes for machines: one for each image and platform.
pub(crate) fn denial_causes(verdicts: &[Verdict]) -> Vec<DenialCause> {
    let mut causes = Vec::new();
    for verdict in verdicts {
        for gap in verdict.gaps() {
            if causes.len() >= MAX_CAUSES {
                return causes;
            }
            let image = &gap.image.image;
            let place = match image.usage {
                Usage::Container => "containers",
                Usage::Volume => "volumes",
            };
            let name = image.containers.first().map_or("", String::as_str);
            causes.push(DenialCause {
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

fn platforms_of(image: &ImageVerdict) -> Option<String> {
    let platforms = image.inspection.as_ref()?.platforms();
    let names = platforms.iter().map(ToString::to_string);
    (!platforms.is_empty()).then(|| first_names(names, MAX_PLATFORMS))
}
