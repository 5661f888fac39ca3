//! Platforms that an image had in an earlier report.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::model::{Report, ReportedImage, ReportedWorkload};
use crate::domain::outcome::OutcomeKind;
use crate::domain::reference::ImageReference;
use crate::findings::{Finding, ImageIdentity, WorkloadIdentity, platform_lost};

/// A finding for each image of each workload that no longer runs on a platform where the
/// earlier report says that it does.
pub(super) fn lost_platforms(before: &Report, workloads: &[ReportedWorkload]) -> Vec<Finding> {
    let images = before
        .workloads
        .iter()
        .flat_map(|workload| &workload.images);
    let had = images.flat_map(|image| {
        let supported = on(image, OutcomeKind::Supported).into_iter();
        supported.map(|platform| (image.key(), platform))
    });
    let had: HashSet<(&str, &str)> = had.collect();
    let mut found = Vec::new();
    for (position, workload) in workloads.iter().enumerate() {
        // Containers that name one image share a finding.
        let mut lost: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for image in &workload.images {
            let lacking =
                [OutcomeKind::Missing, OutcomeKind::Mismatched].map(|kind| on(image, kind));
            let lacking = lacking.iter().flatten();
            let such = lacking.filter(|platform| had.contains(&(image.key(), **platform)));
            let such: BTreeSet<&str> = such.copied().collect();
            if !such.is_empty() {
                lost.entry(&image.image).or_default().extend(such);
            }
        }
        for (image, platforms) in lost {
            if let Some(image) = workload.images.iter().find(|one| one.image == image) {
                let platforms: Vec<String> = platforms.into_iter().map(str::to_owned).collect();
                found.push(Finding {
                    workload: position,
                    ..platform_lost(workload.identity(), identity(image), platforms)
                });
            }
        }
    }
    found
}

/// The platforms on which an image has such an outcome.
fn on(image: &ReportedImage, kind: OutcomeKind) -> BTreeSet<&str> {
    let outcomes = image.outcomes.iter().filter(|one| one.outcome == kind);
    outcomes.map(|one| &*one.platform).collect()
}

fn identity(image: &ReportedImage) -> ImageIdentity {
    let reference = image
        .reference
        .as_deref()
        .and_then(|text| text.parse().ok());
    ImageIdentity {
        image: image.image.clone(),
        repository: reference
            .map_or_else(String::new, |one: ImageReference| one.name().to_string()),
        containers: image.containers.clone(),
    }
}

impl ReportedWorkload {
    fn identity(&self) -> WorkloadIdentity<'_> {
        WorkloadIdentity {
            api_version: &self.api_version,
            kind: &self.kind,
            namespace: self.namespace.as_deref(),
            name: &self.name,
            source: self.source.as_deref(),
        }
    }
}
