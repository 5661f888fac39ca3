//! Workloads: what a pod template asks for, whatever kind it came in.

mod size;

use super::access::Access;
use super::placement::Placement;
use super::reference::{ImageReference, ReferenceError};

/// A workload of any kind, reduced to its pod templates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// `apiVersion`, as written.
    pub api_version: String,
    /// `kind`, as written.
    pub kind: String,
    /// Namespace; empty where the object has none yet.
    pub namespace: String,
    /// Name; empty where the API server makes it up later.
    pub name: String,
    /// The pod templates. One, save for a few custom kinds.
    pub templates: Vec<PodTemplate>,
}

impl Workload {
    /// Whether it is a pod, which admission has completed, and no template.
    pub fn is_pod(&self) -> bool {
        self.api_version == "v1" && self.kind == "Pod"
    }
}

/// One pod template, or a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodTemplate {
    /// Every image that the pod names.
    pub images: Vec<ContainerImage>,
    /// Where the pod may go.
    pub placement: Placement,
    /// The pod's service account; empty means `default`.
    pub service_account: String,
    /// Names of the pod's own pull secrets.
    pub pull_secrets: Vec<String>,
    /// Whose credentials its images are looked up with. It depends on the namespace, so it
    /// is set by who knows that.
    pub access: Access,
}

/// One image of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerImage {
    /// The text in the object.
    pub image: String,
    /// What the text means, or why it names no image of any registry.
    pub reference: Result<ImageReference, ReferenceError>,
    /// Names of the containers, or of the volumes, that use it.
    pub containers: Vec<String>,
    /// Where the image is named.
    pub usage: Usage,
    /// Whether the kubelet never asks a registry (`imagePullPolicy: Never`).
    pub preloaded: bool,
}

/// Where a pod names an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Usage {
    /// A container, an init container or an ephemeral container.
    Container,
    /// An image volume, which may also be an artifact without platforms.
    Volume,
}

impl PodTemplate {
    /// Adds an image of a container or volume; containers with the same image share a row.
    pub fn add_image(&mut self, container: &str, image: &str, usage: Usage, preloaded: bool) {
        let known = self.images.iter_mut().find(|known| {
            known.image == image && known.usage == usage && known.preloaded == preloaded
        });
        match known {
            Some(known) => known.containers.push(container.to_owned()),
            None => self.images.push(ContainerImage {
                image: image.to_owned(),
                reference: image.parse(),
                containers: vec![container.to_owned()],
                usage,
                preloaded,
            }),
        }
    }
}
