//! Platforms that an image was known to run on, and no longer does.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::model::{Report, ReportedImage, ReportedWorkload};
use super::order::sort;
use crate::domain::outcome::OutcomeKind;
use crate::domain::reference::ImageReference;
use crate::findings::{Finding, ImageIdentity, Rule, WorkloadIdentity, platform_lost};

/// Most images that are kept. A cluster of 100,000 pods has some 10,000.
const MAX_IMAGES: usize = 200_000;

/// On which platforms images were known to run, by what tells images apart.
#[derive(Clone, Debug, Default)]
pub struct KnownToRun(HashMap<String, BTreeSet<Arc<str>>>);

impl KnownToRun {
    /// What a report says.
    pub fn of(report: &Report) -> Self {
        let mut known = Self::default();
        known.add(report);
        known
    }

    /// Adds what a later report says. Images that are in use no more are forgotten; platforms
    /// that were lost are not, so that the next report says so, too.
    pub fn follow(&mut self, report: &Report) {
        let images = report
            .workloads
            .iter()
            .flat_map(|workload| &workload.images);
        let used: HashSet<&str> = images.map(|image| image.key()).collect();
        self.0.retain(|key, _| used.contains(key.as_str()));
        self.add(report);
    }

    /// Adds what a report says, and forgets nothing: that of a part of the cluster says nothing
    /// of the rest.
    pub fn add(&mut self, report: &Report) {
        for image in report
            .workloads
            .iter()
            .flat_map(|workload| &workload.images)
        {
            let supported = image.outcomes.iter();
            let supported = supported.filter(|one| one.outcome == OutcomeKind::Supported);
            let mut supported = supported.map(|one| Arc::clone(&one.platform)).peekable();
            let has_room = self.0.len() < MAX_IMAGES || self.0.contains_key(image.key());
            if supported.peek().is_some() && has_room {
                let known = self.0.entry(image.key().to_owned()).or_default();
                known.extend(supported);
            }
        }
    }

    fn has(&self, image: &str, platform: &str) -> bool {
        self.0
            .get(image)
            .is_some_and(|platforms| platforms.contains(platform))
    }
}

impl Report {
    /// The findings, and those of platforms that images have lost since an earlier report,
    /// where nobody looked for them then: all in the order of the report.
    pub(super) fn findings_since(&self, earlier: &Self) -> Vec<Finding> {
        let is_of = |finding: &Finding, lost: &Finding| {
            finding.rule == Rule::PlatformLost
                && (finding.workload, &finding.image) == (lost.workload, &lost.image)
        };
        let mut lost = lost_platforms(&KnownToRun::of(earlier), &self.workloads);
        lost.retain(|lost| !self.findings.iter().any(|finding| is_of(finding, lost)));
        if lost.is_empty() {
            return self.findings.clone();
        }
        let mut all = [&self.findings[..], &lost].concat();
        sort(&mut all, &self.workloads);
        all
    }
}

/// A finding for each image of each workload that no longer runs on a platform where it was
/// known to.
pub(super) fn lost_platforms(known: &KnownToRun, workloads: &[ReportedWorkload]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (position, workload) in workloads.iter().enumerate() {
        // Containers that name one image share a finding.
        let mut lost: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for image in &workload.images {
            let lacking =
                [OutcomeKind::Missing, OutcomeKind::Mismatched].map(|kind| on(image, kind));
            let lacking = lacking.iter().flatten();
            let such = lacking.filter(|platform| known.has(image.key(), platform));
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

/// What an image is to findings.
pub(super) fn identity(image: &ReportedImage) -> ImageIdentity {
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
    /// What it is to findings.
    pub(super) fn identity(&self) -> WorkloadIdentity<'_> {
        WorkloadIdentity {
            api_version: &self.api_version,
            kind: &self.kind,
            namespace: self.namespace.as_deref(),
            name: &self.name,
            source: self.source.as_deref(),
        }
    }
}
