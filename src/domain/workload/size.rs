//! What a workload takes in memory, for those who have to bound it.

use std::mem::{size_of, size_of_val};

use super::{ContainerImage, PodTemplate, Workload};
use crate::domain::placement::Placement;
use crate::domain::placement::affinity::{Requirement, Term};

impl Workload {
    /// Bytes that the workload takes, to some tenths: what users may make long is counted.
    pub fn size(&self) -> usize {
        let names = [
            &self.api_version,
            &self.kind,
            &self.namespace,
            &self.name,
            &self.uid,
        ];
        size_of::<Self>() + texts(names) + sum(&self.templates, PodTemplate::size)
    }
}

impl PodTemplate {
    fn size(&self) -> usize {
        size_of::<Self>()
            + sum(&self.images, ContainerImage::size)
            + self.placement.size()
            + self.service_account.len()
            + self.path.len()
            + texts(&self.pull_secrets)
    }
}

impl ContainerImage {
    fn size(&self) -> usize {
        // The reference has the text once more, in parts.
        size_of::<Self>() + 2 * self.image.len() + texts(&self.containers)
    }
}

impl Placement {
    fn size(&self) -> usize {
        let affinity = self.required_affinity.iter();
        let tolerations = sum(&self.tolerations, |one| {
            size_of_val(one) + one.key.len() + one.value.len()
        });
        texts(self.node_selector.keys())
            + texts(self.node_selector.values())
            + tolerations
            + texts(&self.extended_resources)
            + affinity
                .map(|one| sum(&one.terms, Term::size))
                .sum::<usize>()
    }
}

impl Term {
    fn size(&self) -> usize {
        let requirements = sum(&self.expressions, Requirement::size);
        size_of::<Self>() + requirements + sum(&self.fields, Requirement::size)
    }
}

impl Requirement {
    fn size(&self) -> usize {
        size_of::<Self>() + self.key.len() + texts(&self.values)
    }
}

fn sum<T>(all: &[T], size: impl Fn(&T) -> usize) -> usize {
    all.iter().map(size).sum()
}

fn texts<'a>(texts: impl IntoIterator<Item = &'a String>) -> usize {
    let sizes = texts
        .into_iter()
        .map(|text| size_of::<String>() + text.len());
    sizes.sum()
}
