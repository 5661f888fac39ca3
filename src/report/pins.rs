//! Digests that are one manifest of an index which was seen in the same run.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::lost::identity;
use super::model::ReportedWorkload;
use crate::checker::ImageInspector;
use crate::domain::access::Access;
use crate::domain::inspection::{Content, Inspection};
use crate::domain::reference::{ImageReference, RepositoryName};
use crate::findings::{
    Finding, JudgedTemplate, JudgedWorkload, PinnedImage, Rule, pinned_to_one_platform,
};

/// The manifests that images are pinned to.
#[derive(Default)]
pub(super) struct Pins {
    pinned: Vec<Pin>,
}

/// An image by the digest of a manifest.
struct Pin {
    /// The position of its workload.
    workload: usize,
    template: JudgedTemplate,
    /// The name as written.
    image: String,
    reference: ImageReference,
}

impl Pins {
    /// Takes in the images of a workload at its position.
    pub(super) fn add(&mut self, position: usize, judged: &JudgedWorkload) {
        for (verdict, template) in judged.verdicts.iter().zip(&judged.templates) {
            for image in &verdict.images {
                let reference = image.image.reference.as_ref();
                let reference = reference.ok().filter(|one| one.digest().is_some());
                let found = image.inspection.as_deref();
                let is_manifest =
                    found.is_some_and(|found| matches!(found.content, Content::Manifest(_)));
                self.pinned
                    .extend(reference.filter(|_| is_manifest).map(|reference| Pin {
                        workload: position,
                        template: template.clone(),
                        image: image.image.image.clone(),
                        reference: reference.clone(),
                    }));
            }
        }
    }

    /// A finding for each pin to a manifest of an index that a tag of its repository stands
    /// for, save for those that there are.
    pub(super) fn findings(
        &self,
        workloads: &[ReportedWorkload],
        known: &[Finding],
        inspector: &dyn ImageInspector,
    ) -> Vec<Finding> {
        if self.pinned.is_empty() {
            return Vec::new();
        }
        let tagged = self.tagged(workloads, inspector);
        let known = known.iter();
        let known = known.filter(|finding| finding.rule == Rule::PinnedToOnePlatform);
        let known: HashSet<(usize, Option<&str>)> = known
            .map(|finding| (finding.workload, finding.image.as_deref()))
            .collect();
        let pinned = self.pinned.iter();
        let pinned = pinned.filter(|pin| !known.contains(&(pin.workload, Some(&pin.image))));
        let findings = pinned.filter_map(|pin| {
            let workload = workloads.get(pin.workload)?;
            let (tag, index) = index_of(&pin.reference, &tagged)?;
            let image = workload.images.iter().find(|one| one.image == pin.image)?;
            let pinned = PinnedImage {
                workload: workload.identity(),
                path: &pin.template.path,
                image: identity(image),
                digest: pin.reference.digest()?,
            };
            Some(Finding {
                workload: pin.workload,
                ..pinned_to_one_platform(pinned, tag, index)
            })
        });
        findings.collect()
    }

    /// The indexes that tags stand for, of the repositories that have pins, as far as whoever
    /// uses the pin may know them.
    fn tagged(
        &self,
        workloads: &[ReportedWorkload],
        inspector: &dyn ImageInspector,
    ) -> TaggedIndexes {
        let pinned = self.pinned.iter();
        let access: HashMap<&RepositoryName, &Access> = pinned
            .map(|pin| (pin.reference.name(), &pin.template.access))
            .collect();
        let mut tagged = TaggedIndexes::new();
        for image in workloads.iter().flat_map(|workload| &workload.images) {
            let reference = image.reference.as_deref();
            let reference = reference.and_then(|text| text.parse::<ImageReference>().ok());
            let Some(reference) = reference.filter(|one| one.digest().is_none()) else {
                continue;
            };
            let access = access.get(reference.name());
            let index = access.and_then(|access| inspector.known(&reference, access));
            if let (Some(tag), Some(index)) = (reference.tag(), index) {
                let tags = tagged.entry(reference.name().clone()).or_default();
                tags.insert(tag.to_owned(), index);
            }
        }
        tagged
    }
}

/// The indexes of repositories, by tag.
type TaggedIndexes = HashMap<RepositoryName, BTreeMap<String, Arc<Inspection>>>;

/// The index that has the digest, with its tag; the first tag in the alphabet of several, and
/// the one that the image names where it names one.
fn index_of<'a>(
    pinned: &ImageReference,
    tagged: &'a TaggedIndexes,
) -> Option<(&'a str, &'a Inspection)> {
    let digest = pinned.digest()?;
    let mut tags = tagged.get(pinned.name())?.iter();
    let is_named = |tag: &str| pinned.tag().is_none_or(|named| named == tag);
    tags.find(|(tag, index)| is_named(tag) && index.has_among(digest))
        .map(|(tag, index)| (tag.as_str(), &**index))
}
