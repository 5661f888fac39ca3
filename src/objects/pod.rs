//! Pod specifications: their images, and where they may go.
//!
//! Source: <https://github.com/kubernetes/api/blob/master/core/v1/types.go>

use serde::Deserialize;

use super::json::{Pairs, Resources, Text, object, objects, optional_object, or_default};
use crate::domain::access::Access;
use crate::domain::placement::affinity::{NodeSelector, Requirement, Term};
use crate::domain::placement::toleration::Toleration;
use crate::domain::placement::{Placement, Placer};
use crate::domain::workload::{PodTemplate, Usage};

/// What a pod specification belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A pod: what it says is what runs.
    Pod,
    /// A template, which admission completes when it becomes a pod.
    Template,
    /// The template of a DaemonSet, whose controller adds tolerations.
    DaemonSet,
}

/// The part of a pod specification that matters.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodSpec<'a> {
    #[serde(borrow, deserialize_with = "objects")]
    containers: Vec<Container<'a>>,
    #[serde(borrow, deserialize_with = "objects")]
    init_containers: Vec<Container<'a>>,
    #[serde(borrow, deserialize_with = "objects")]
    ephemeral_containers: Vec<Container<'a>>,
    #[serde(borrow, deserialize_with = "objects")]
    volumes: Vec<Volume<'a>>,
    #[serde(borrow)]
    node_name: Text<'a>,
    #[serde(borrow, deserialize_with = "or_default")]
    node_selector: Pairs<'a>,
    #[serde(borrow, deserialize_with = "object")]
    affinity: Affinity<'a>,
    #[serde(borrow, deserialize_with = "objects")]
    tolerations: Vec<TolerationObject<'a>>,
    #[serde(borrow, deserialize_with = "object")]
    os: Named<'a>,
    #[serde(borrow)]
    runtime_class_name: Text<'a>,
    #[serde(deserialize_with = "or_default")]
    scheduling_gates: Vec<serde::de::IgnoredAny>,
    #[serde(deserialize_with = "or_default")]
    host_network: bool,
    #[serde(borrow)]
    service_account_name: Text<'a>,
    #[serde(borrow, deserialize_with = "objects")]
    image_pull_secrets: Vec<Named<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    image: Text<'a>,
    #[serde(borrow)]
    image_pull_policy: Text<'a>,
    #[serde(borrow, deserialize_with = "object")]
    resources: Requirements<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Requirements<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    requests: Resources<'a>,
    #[serde(borrow, deserialize_with = "or_default")]
    limits: Resources<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Volume<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow, deserialize_with = "optional_object")]
    image: Option<ImageVolume<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ImageVolume<'a> {
    #[serde(borrow)]
    reference: Text<'a>,
    #[serde(borrow)]
    pull_policy: Text<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Named<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Affinity<'a> {
    #[serde(borrow, deserialize_with = "object")]
    node_affinity: NodeAffinity<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct NodeAffinity<'a> {
    #[serde(
        borrow,
        rename = "requiredDuringSchedulingIgnoredDuringExecution",
        deserialize_with = "optional_object"
    )]
    required: Option<NodeSelectorObject<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NodeSelectorObject<'a> {
    #[serde(borrow, deserialize_with = "objects")]
    node_selector_terms: Vec<TermObject<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct TermObject<'a> {
    #[serde(borrow, deserialize_with = "objects")]
    match_expressions: Vec<RequirementObject<'a>>,
    #[serde(borrow, deserialize_with = "objects")]
    match_fields: Vec<RequirementObject<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct RequirementObject<'a> {
    #[serde(borrow)]
    key: Text<'a>,
    #[serde(borrow)]
    operator: Text<'a>,
    #[serde(borrow, deserialize_with = "or_default")]
    values: Vec<Text<'a>>,
}

/// A toleration, of a pod or of what admission adds to it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TolerationObject<'a> {
    #[serde(borrow)]
    key: Text<'a>,
    #[serde(borrow)]
    operator: Text<'a>,
    #[serde(borrow)]
    value: Text<'a>,
    #[serde(borrow)]
    effect: Text<'a>,
}

impl PodSpec<'_> {
    /// The domain's pod template.
    pub fn to_template(&self, origin: Origin) -> PodTemplate {
        let mut template = PodTemplate {
            images: Vec::new(),
            placement: self.placement(origin),
            service_account: self.service_account_name.to_string(),
            pull_secrets: self
                .image_pull_secrets
                .iter()
                .filter_map(|secret| secret.name.non_empty())
                .collect(),
            access: Access::default(),
        };
        if origin == Origin::Template {
            // A pod has it already; the DaemonSet controller looks at the template as it is.
            template.placement.add_arm64_toleration();
        }
        let mut add = |name: &str, image: &str, usage, policy: &str| {
            // In a template an image may be left for others to fill in; a pod cannot run so.
            if origin == Origin::Pod || !image.is_empty() {
                template.add_image(name, image, usage, policy == "Never");
            }
        };
        for container in self.containers() {
            let policy = &container.image_pull_policy;
            add(&container.name, &container.image, Usage::Container, policy);
        }
        for volume in &self.volumes {
            if let Some(image) = &volume.image {
                let policy = &image.pull_policy;
                add(&volume.name, &image.reference, Usage::Volume, policy);
            }
        }
        template
    }

    fn containers(&self) -> impl Iterator<Item = &Container<'_>> {
        let first = self.containers.iter().chain(&self.init_containers);
        first.chain(&self.ephemeral_containers)
    }

    fn placement(&self, origin: Origin) -> Placement {
        let resources = self.containers().map(|container| &container.resources);
        Placement {
            node_name: self.node_name.non_empty(),
            node_selector: self.node_selector.to_labels(),
            required_affinity: self
                .affinity
                .node_affinity
                .required
                .as_ref()
                .map(NodeSelectorObject::to_node_selector),
            tolerations: to_tolerations(&self.tolerations),
            // The API knows these two; anything else is as if unset.
            os: matches!(&*self.os.name, "linux" | "windows").then(|| self.os.name.to_string()),
            // A limit without a request is a request of as much.
            extended_resources: resources
                .flat_map(|both| both.requests.extended().chain(both.limits.extended()))
                .map(str::to_owned)
                .collect(),
            runtime_class: self.runtime_class_name.non_empty(),
            gated: !self.scheduling_gates.is_empty(),
            placer: match origin {
                Origin::Pod | Origin::Template => Placer::Scheduler,
                Origin::DaemonSet => Placer::DaemonSet {
                    host_network: self.host_network,
                },
            },
        }
    }
}

impl NodeSelectorObject<'_> {
    fn to_node_selector(&self) -> NodeSelector {
        let requirements = |objects: &[RequirementObject<'_>]| {
            let objects = objects.iter().map(|object| Requirement {
                key: object.key.to_string(),
                operator: object.operator.to_string(),
                values: object
                    .values
                    .iter()
                    .map(|value| value.to_string())
                    .collect(),
            });
            objects.collect()
        };
        NodeSelector {
            terms: self
                .node_selector_terms
                .iter()
                .map(|term| Term {
                    expressions: requirements(&term.match_expressions),
                    fields: requirements(&term.match_fields),
                })
                .collect(),
        }
    }
}

/// Tolerations as the domain has them.
pub(super) fn to_tolerations(objects: &[TolerationObject<'_>]) -> Vec<Toleration> {
    let tolerations = objects.iter().map(|object| Toleration {
        key: object.key.to_string(),
        operator: object.operator.to_string(),
        value: object.value.to_string(),
        effect: object.effect.to_string(),
    });
    tolerations.collect()
}

#[cfg(test)]
mod tests;
