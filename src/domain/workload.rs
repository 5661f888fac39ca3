//! Workloads: what a pod template asks for, whatever kind it came in, as far as one review
//! looks at it.

mod images;
mod size;
mod templates;

use std::borrow::Cow;

pub use self::images::{Images, MOST_IMAGES};
pub use self::templates::{MOST_TEMPLATES, Templates};
use super::access::{Access, MOST_PULL_SECRETS};
use super::inspection::{Content, Inspection};
use super::placement::Placement;
use super::reference::{ImageReference, ReferenceError};
use super::unknown::{Reason, Unknown};

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
    /// What the API server calls this very object; empty where it does not have it yet.
    pub uid: String,
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
    /// The images that the pod names.
    pub images: Images,
    /// Where the pod may go.
    pub placement: Placement,
    /// The pod's service account; empty means `default`.
    pub service_account: String,
    /// Names of the pod's own pull secrets.
    pub pull_secrets: Vec<String>,
    /// Where the pod's specification is in the object, such as `spec.template.spec`; empty
    /// where the object is the pod.
    pub path: Cow<'static, str>,
    /// Whether `spec.affinity` says more than what nodes are required to be: what is
    /// preferred, or other pods.
    pub has_other_affinity: bool,
    /// What there is more of than is looked at: in the pod, or in the templates up to it.
    pub beyond: Option<Limit>,
    /// On whose account its images are looked up, and with whose credentials. It depends on
    /// the namespace, so it is set by who knows that.
    pub access: Access,
}

/// A limit of one review, over all pod templates of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// [`MOST_IMAGES`]
    Images,
    /// [`MOST_PULL_SECRETS`]
    PullSecrets,
    /// [`MOST_TEMPLATES`]
    Templates,
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

impl ContainerImage {
    /// Whether it is an artifact that is mounted as a volume: nothing of it is run, so it suits
    /// every platform.
    pub fn is_mounted(&self, found: &Inspection) -> bool {
        self.usage == Usage::Volume && found.content == Content::Artifact
    }
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
        self.images.add(container, image, usage, preloaded);
    }

    /// What of the pod is not looked at, if anything.
    pub fn overlooked(&self) -> Option<Unknown> {
        let images = self.images.overflow().then_some(Limit::Images);
        let (most, what) = match self.beyond.or(images)? {
            Limit::Images => (MOST_IMAGES, "images"),
            Limit::PullSecrets => (MOST_PULL_SECRETS, "pull secrets"),
            Limit::Templates => (MOST_TEMPLATES, "pod templates"),
        };
        let detail = format!("only the first {most} {what} of an object are looked at");
        Some(Unknown::new(Reason::TooLarge, detail))
    }
}
