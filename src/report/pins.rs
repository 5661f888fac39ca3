//! Digests that are one manifest of an index which was seen in the same run.

use std::collections::HashMap;
use std::sync::Arc;

use super::lost::identity;
use super::model::ReportedWorkload;
use crate::domain::inspection::{Content, Inspection};
use crate::domain::reference::ImageReference;
use crate::domain::verdict::ImageVerdict;
use crate::findings::{Finding, JudgedWorkload, PinnedImage, Rule, pinned_to_one_platform};

/// The indexes that tags stand for, and the manifests that images are pinned to.
#[derive(Default)]
pub(super) struct Pins {
    indexes: HashMap<ImageReference, Arc<Inspection>>,
    pinned: Vec<Pin>,
}

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
            (Content::Index(_), None) if !self.indexes.contains_key(reference) => {
                self.indexes.insert(reference.clone(), Arc::clone(found));
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
            let (tag, index) = self.index_of(&pin.reference)?;
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

    /// The index that has the digest, with its tag; the first tag in the alphabet of several,
    /// and the one that the image names where it names one.
    fn index_of(&self, pinned: &ImageReference) -> Option<(&str, &Inspection)> {
        let digest = pinned.digest()?;
        let seen = self.indexes.iter();
        let having = seen.filter(|(reference, index)| {
            reference.name() == pinned.name() && index.has_among(digest)
        });
        let tagged = having.filter_map(|(reference, index)| Some((reference.tag()?, &**index)));
        let named = tagged.filter(|(tag, _)| pinned.tag().is_none_or(|named| named == *tag));
        named.min_by_key(|(tag, _)| *tag)
    }
}
