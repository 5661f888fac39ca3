//! Digests that are one manifest of an index which was seen in the same run.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::lost::identity;
use super::model::ReportedWorkload;
use crate::domain::inspection::{Content, Inspection};
use crate::domain::reference::{Digest, ImageReference, RepositoryName};
use crate::domain::verdict::ImageVerdict;
use crate::findings::{Finding, JudgedWorkload, PinnedImage, Rule, pinned_to_one_platform};

/// The indexes that were seen, and the manifests that images are pinned to.
#[derive(Default)]
pub(super) struct Pins {
    indexes: HashSet<ByDigest>,
    pinned: Vec<Pin>,
}

/// A document, found by its digest. There are as many as images, so nothing else is kept.
struct ByDigest(Arc<Inspection>);

/// An image by the digest of a manifest.
struct Pin {
    /// The position of its workload.
    workload: usize,
    /// The path of its pod template.
    path: String,
    /// The name as written.
    image: String,
    reference: ImageReference,
}

impl Borrow<Digest> for ByDigest {
    fn borrow(&self) -> &Digest {
        &self.0.digest
    }
}

impl Hash for ByDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Hash::hash(&self.0.digest, state);
    }
}

impl PartialEq for ByDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.digest == other.0.digest
    }
}

impl Eq for ByDigest {}

impl Pins {
    /// Takes in the images of a workload at its position.
    pub(super) fn add(&mut self, position: usize, judged: &JudgedWorkload) {
        for (verdict, path) in judged.templates() {
            for image in &verdict.images {
                self.add_image(position, path, image);
            }
        }
    }

    fn add_image(&mut self, workload: usize, path: &str, image: &ImageVerdict) {
        let (Ok(reference), Some(found)) = (&image.image.reference, &image.inspection) else {
            return;
        };
        match (&found.content, reference.digest()) {
            (Content::Index(_), None) if !self.indexes.contains(&found.digest) => {
                self.indexes.insert(ByDigest(Arc::clone(found)));
            }
            (Content::Manifest(_), Some(_)) => self.pinned.push(Pin {
                workload,
                path: path.to_owned(),
                image: image.image.image.clone(),
                reference: reference.clone(),
            }),
            _ => {}
        }
    }

    /// A finding for each pin to a manifest of an index that a tag of its repository stands
    /// for, save for those that there are.
    pub(super) fn findings(
        &self,
        workloads: &[ReportedWorkload],
        known: &[Finding],
    ) -> Vec<Finding> {
        if self.pinned.is_empty() {
            return Vec::new();
        }
        let tagged = self.tagged(workloads);
        let findings = self.pinned.iter().filter_map(|pin| {
            let workload = workloads.get(pin.workload)?;
            let is_same = |finding: &Finding| {
                finding.rule == Rule::PinnedToOnePlatform
                    && finding.workload == pin.workload
                    && finding.image.as_deref() == Some(&pin.image)
            };
            if known.iter().any(is_same) {
                return None;
            }
            let (tag, index) = index_of(&pin.reference, &tagged)?;
            let image = workload.images.iter().find(|one| one.image == pin.image)?;
            let pinned = PinnedImage {
                workload: workload.identity(),
                path: &pin.path,
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

    /// The indexes that tags stand for, of the repositories that have pins.
    fn tagged(&self, workloads: &[ReportedWorkload]) -> TaggedIndexes<'_> {
        let pinned = self.pinned.iter();
        let mut tagged: TaggedIndexes<'_> = pinned
            .map(|pin| (pin.reference.name().clone(), BTreeMap::new()))
            .collect();
        for image in workloads.iter().flat_map(|workload| &workload.images) {
            let reference = image.reference.as_deref();
            let reference = reference.and_then(|text| text.parse::<ImageReference>().ok());
            let Some(reference) = reference.filter(|one| one.digest().is_none()) else {
                continue;
            };
            let digest = image.digest.as_deref();
            let digest: Option<Digest> = digest.and_then(|text| text.parse().ok());
            let index = digest.and_then(|digest| self.indexes.get(&digest));
            if let (Some(tags), Some(tag), Some(index)) =
                (tagged.get_mut(reference.name()), reference.tag(), index)
            {
                tags.insert(tag.to_owned(), &index.0);
            }
        }
        tagged
    }
}

/// The indexes of repositories, by tag.
type TaggedIndexes<'a> = HashMap<RepositoryName, BTreeMap<String, &'a Inspection>>;

/// The index that has the digest, with its tag; the first tag in the alphabet of several, and
/// the one that the image names where it names one.
fn index_of<'a>(
    pinned: &ImageReference,
    tagged: &'a TaggedIndexes<'_>,
) -> Option<(&'a str, &'a Inspection)> {
    let digest = pinned.digest()?;
    let mut tags = tagged.get(pinned.name())?.iter();
    let is_named = |tag: &str| pinned.tag().is_none_or(|named| named == tag);
    tags.find(|(tag, index)| is_named(tag) && index.has_among(digest))
        .map(|(tag, index)| (tag.as_str(), *index))
}
