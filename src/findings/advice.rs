//! Findings that are made of what was found beyond an image: whether waiting helps, which tag
//! to use instead, which digest to pin.

use std::collections::BTreeMap;

use super::identity::{ImageIdentity, WorkloadIdentity};
use super::{Finding, Fix, FixKind, Rule, Severity};
use crate::domain::advice::{PublicationState, Suggestion};
use crate::domain::inspection::Inspection;
use crate::domain::platform::Platform;
use crate::domain::reference::{Digest, ImageReference};
use crate::domain::tag::TagChange;
use crate::domain::verdict::ImageVerdict;
use crate::wording::advice as sentences;
use crate::wording::sentences::Sentences;

/// Why an image lacks platforms: one answer, with what decided.
pub(crate) struct PublicationAnswer {
    /// The rule that it is a finding of.
    pub(crate) rule: Rule,
    /// The platforms that it is about.
    pub(crate) platforms: Vec<String>,
    /// What is so, why, and what next.
    pub(crate) text: Sentences,
    /// What decided, a sentence each.
    pub(crate) evidence: Vec<String>,
}

/// Why an image lacks platforms, as far as it was found out.
pub(crate) fn publications(image: &ImageVerdict) -> Vec<PublicationAnswer> {
    let Some(advice) = &image.advice else {
        return Vec::new();
    };
    let mut answers: BTreeMap<Rule, (PublicationState, Vec<String>, Vec<String>)> = BTreeMap::new();
    for publication in &advice.publications {
        let state = publication.state;
        let answer = answers.entry(rule_of(state));
        let (_, platforms, evidence) = answer.or_insert((state, Vec::new(), Vec::new()));
        platforms.push(publication.platform.to_string());
        for sentence in sentences::evidence(publication) {
            if !evidence.contains(&sentence) {
                evidence.push(sentence);
            }
        }
    }
    let answers = answers.into_iter();
    let answers = answers.map(|(rule, (state, mut platforms, evidence))| {
        platforms.sort();
        let first = advice.suggestions.first();
        let text = sentences::publication(&image.image.image, state, &platforms, first);
        PublicationAnswer {
            rule,
            platforms,
            text,
            evidence,
        }
    });
    answers.collect()
}

/// The same as findings of a workload.
pub(super) fn refinements(workload: WorkloadIdentity<'_>, image: &ImageVerdict) -> Vec<Finding> {
    let answers = publications(image).into_iter();
    let findings = answers.map(|answer| {
        let PublicationAnswer {
            rule,
            platforms,
            text,
            evidence,
        } = answer;
        let image = ImageIdentity::of(image);
        Finding {
            evidence,
            ..workload.image_finding(rule, Severity::Warning, image, platforms, text)
        }
    });
    findings.collect()
}

fn rule_of(state: PublicationState) -> Rule {
    match state {
        PublicationState::StillPublishing => Rule::StillPublishing,
        PublicationState::NotOffered => Rule::NotOffered,
        PublicationState::Dropped => Rule::Dropped,
        PublicationState::BaseLacksPlatform => Rule::BaseLacksPlatform,
    }
}

/// Another tag for each container that names the image. The repository of one architecture is
/// a stop-gap and no fix.
pub(super) fn retags(suggestion: &Suggestion, image: &ImageVerdict, path: &str) -> Vec<Fix> {
    if suggestion.candidate.change == TagChange::PerArch {
        return Vec::new();
    }
    changes(
        FixKind::Retag,
        path,
        &image.image.containers,
        &image.image.image,
        &suggestion.image,
    )
}

/// The same change of the image in each container; of an image given by name, in itself.
fn changes(kind: FixKind, path: &str, containers: &[String], old: &str, new: &str) -> Vec<Fix> {
    let fix = |path: String| Fix {
        kind,
        path,
        old: old.to_owned(),
        new: new.to_owned(),
    };
    if containers.is_empty() {
        return vec![fix("image".to_owned())];
    }
    let path = if path.is_empty() { "spec" } else { path };
    let containers = containers.iter();
    containers
        .map(|container| fix(format!("{path}.containers[{container}].image")))
        .collect()
}

/// A digest of one manifest, beside the index that has it.
pub(crate) struct PinnedImage<'a> {
    /// Where it is used.
    pub(crate) workload: WorkloadIdentity<'a>,
    /// The path of its pod template.
    pub(crate) path: &'a str,
    /// The image.
    pub(crate) image: ImageIdentity,
    /// Its digest.
    pub(crate) digest: &'a Digest,
}

/// That an image is pinned to one platform of the index that this tag stands for.
pub(crate) fn pinned_to_one_platform(
    pinned: PinnedImage<'_>,
    tag: &str,
    index: &Inspection,
) -> Finding {
    let PinnedImage {
        workload,
        path,
        image,
        digest,
    } = pinned;
    let platforms = others(index, digest);
    let name = image.image.split('@').next().unwrap_or_default();
    let name = match name
        .strip_suffix(tag)
        .is_some_and(|rest| rest.ends_with(':'))
    {
        true => name.to_owned(),
        false => format!("{name}:{tag}"),
    };
    let text = sentences::pinned_to_one_platform(&image.image, &name, &platforms);
    let new = format!("{name}@{}", index.digest);
    let fixes = changes(FixKind::Repin, path, &image.containers, &image.image, &new);
    let rule = Rule::PinnedToOnePlatform;
    Finding {
        fixes,
        evidence: vec![format!(
            "{name} is an index with this digest among its manifests"
        )],
        ..workload.image_finding(rule, Severity::Warning, image, platforms, text)
    }
}

/// The platforms of an index beside those of one entry.
fn others(index: &Inspection, digest: &Digest) -> Vec<String> {
    let own = index.entry(digest);
    let own = own.and_then(|entry| entry.platform.as_deref());
    let own = own.map(Platform::normalized);
    let platforms = index.platforms().into_iter();
    let others = platforms.filter(|platform| Some(platform) != own.as_ref());
    let mut others: Vec<String> = others.map(|platform| platform.to_string()).collect();
    others.sort();
    others
}

/// The finding for an image by tag and digest, where the tag was looked at.
pub(super) fn pin(
    workload: WorkloadIdentity<'_>,
    image: &ImageVerdict,
    path: &str,
) -> Option<Finding> {
    let index = image.advice.as_ref()?.index_of_pin.as_ref()?;
    let reference: &ImageReference = image.image.reference.as_ref().ok()?;
    let pinned = PinnedImage {
        workload,
        path,
        image: ImageIdentity::of(image),
        digest: reference.digest()?,
    };
    Some(pinned_to_one_platform(pinned, reference.tag()?, index))
}
