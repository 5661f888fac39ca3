//! Pod specifications: their images, and where they may go.
//!
//! Source: <https://github.com/kubernetes/api/blob/master/core/v1/types.go>

use std::collections::BTreeSet;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::json::{
    Bounded, Item, Nested, StrictObject, Text, bounded, bounded_texts, each_object,
    extended_requests, or_default, weight_of,
};
use crate::domain::access::{Access, MOST_PULL_SECRETS};
use crate::domain::labels::Labels;
use crate::domain::placement::affinity::{NodeSelector, Operator, Requirement, Term};
use crate::domain::placement::toleration::{Toleration, TolerationOperator};
use crate::domain::placement::{Placement, Placer};
use crate::domain::taint::Effect;
use crate::domain::text::LONGEST_NAME;
use crate::domain::workload::{Images, Limit, PodTemplate, Usage};

/// What a pod specification belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecOrigin {
    /// A pod: what it says is what runs.
    Pod,
    /// A template, which admission completes when it becomes a pod.
    Template,
    /// The template of a DaemonSet, whose controller adds tolerations.
    DaemonSet,
}

/// The part of a pod specification that matters, as far as a review looks at it: its lists
/// are bounded while they are read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct PodSpec<'a> {
    #[serde(deserialize_with = "containers")]
    containers: Containers,
    #[serde(deserialize_with = "containers")]
    init_containers: Containers,
    #[serde(deserialize_with = "containers")]
    ephemeral_containers: Containers,
    #[serde(deserialize_with = "volumes")]
    volumes: Images,
    node_name: Text<'a>,
    node_selector: Bounded<Labels>,
    affinity: Nested<Affinity>,
    #[serde(deserialize_with = "bounded::<_, TolerationObject<'_>>")]
    tolerations: Bounded<Vec<Toleration>>,
    os: Nested<Named<'a>>,
    runtime_class_name: Text<'a>,
    #[serde(deserialize_with = "or_default")]
    scheduling_gates: Vec<IgnoredAny>,
    service_account_name: Text<'a>,
    #[serde(deserialize_with = "pull_secrets")]
    image_pull_secrets: PullSecrets,
}

/// What the containers of a list name.
#[derive(Clone, Debug, Default)]
struct Containers {
    images: Images,
    resources: Bounded<BTreeSet<String>>,
}

#[derive(Clone, Debug, Default)]
struct PullSecrets {
    names: Vec<String>,
    overflow: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Container<'a> {
    name: Text<'a>,
    image: Text<'a>,
    image_pull_policy: Text<'a>,
    resources: Nested<Requirements>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Requirements {
    #[serde(deserialize_with = "extended_requests")]
    requests: Bounded<Vec<String>>,
    #[serde(deserialize_with = "extended_requests")]
    limits: Bounded<Vec<String>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Volume<'a> {
    name: Text<'a>,
    image: Option<StrictObject<ImageVolume<'a>>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct ImageVolume<'a> {
    reference: Text<'a>,
    pull_policy: Text<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Named<'a> {
    pub(super) name: Text<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Affinity {
    node_affinity: Nested<NodeAffinity>,
    pod_affinity: Option<IgnoredAny>,
    pod_anti_affinity: Option<IgnoredAny>,
}

impl Affinity {
    fn says_more(&self) -> bool {
        let others = [
            &self.pod_affinity,
            &self.pod_anti_affinity,
            &self.node_affinity.preferred,
        ];
        others.iter().any(|other| other.is_some())
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct NodeAffinity {
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    required: Option<StrictObject<NodeSelectorObject>>,
    #[serde(rename = "preferredDuringSchedulingIgnoredDuringExecution")]
    preferred: Option<IgnoredAny>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NodeSelectorObject {
    #[serde(deserialize_with = "bounded::<_, TermObject>")]
    node_selector_terms: Bounded<Vec<Term>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct TermObject {
    #[serde(deserialize_with = "bounded::<_, RequirementObject<'_>>")]
    match_expressions: Bounded<Vec<Requirement>>,
    #[serde(deserialize_with = "bounded::<_, RequirementObject<'_>>")]
    match_fields: Bounded<Vec<Requirement>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RequirementObject<'a> {
    key: Text<'a>,
    operator: Text<'a>,
    #[serde(deserialize_with = "bounded_texts")]
    values: Bounded<Vec<String>>,
}

/// A toleration, of a pod or of what admission adds to it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct TolerationObject<'a> {
    key: Text<'a>,
    operator: Text<'a>,
    value: Text<'a>,
    effect: Text<'a>,
}

impl PodSpec<'_> {
    /// The domain's pod template.
    pub fn into_template(mut self, origin: SpecOrigin) -> PodTemplate {
        let mut images = std::mem::take(&mut self.containers.images);
        images.append(std::mem::take(&mut self.init_containers.images));
        images.append(std::mem::take(&mut self.ephemeral_containers.images));
        images.append(std::mem::take(&mut self.volumes));
        if origin != SpecOrigin::Pod {
            // In a template an image may be left for others to fill in; a pod cannot run so.
            images.retain(|row| !row.image.is_empty());
        }
        let secrets = std::mem::take(&mut self.image_pull_secrets);
        let mut template = PodTemplate {
            images,
            service_account: self.service_account_name.to_string(),
            pull_secrets: secrets.names,
            beyond: secrets.overflow.then_some(Limit::PullSecrets),
            has_other_affinity: self.affinity.says_more(),
            placement: self.into_placement(origin),
            path: Default::default(),
            access: Access::default(),
        };
        if origin == SpecOrigin::Template {
            // A pod has it already; the DaemonSet controller looks at the template as it is.
            template.placement.add_arm64_toleration();
        }
        template
    }

    fn into_placement(self, origin: SpecOrigin) -> Placement {
        let [first, second, third] = [
            self.containers,
            self.init_containers,
            self.ephemeral_containers,
        ]
        .map(|containers| containers.resources);
        let required = self.affinity.0.node_affinity.0.required;
        let terms = required.map(|required| required.0.node_selector_terms);
        let names = [
            &self.node_name,
            &self.runtime_class_name,
            &self.service_account_name,
        ];
        let is_cut = self.node_selector.is_cut()
            || self.tolerations.is_cut()
            || terms.as_ref().is_some_and(Bounded::is_cut)
            || [&first, &second, &third].iter().any(|list| list.is_cut())
            || names.iter().any(|name| name.len() > LONGEST_NAME);
        Placement {
            node_name: self.node_name.non_empty(),
            node_selector: self.node_selector.kept,
            required_affinity: terms.map(|terms| NodeSelector { terms: terms.kept }),
            tolerations: self.tolerations.kept,
            // The API knows these two; anything else is as if unset.
            os: matches!(&*self.os.name, "linux" | "windows").then(|| self.os.name.to_string()),
            extended_resources: [first, second, third]
                .into_iter()
                .flat_map(|list| list.kept)
                .collect(),
            runtime_class: self.runtime_class_name.non_empty(),
            gated: !self.scheduling_gates.is_empty(),
            is_cut,
            placer: match origin {
                SpecOrigin::Pod | SpecOrigin::Template => Placer::Scheduler,
                SpecOrigin::DaemonSet => Placer::DaemonSet,
            },
        }
    }
}

fn containers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Containers, D::Error> {
    let mut read = Containers::default();
    each_object(deserializer, |container: Container<'_>| {
        let preloaded = &*container.image_pull_policy == NEVER;
        let images = &mut read.images;
        images.add(
            &container.name,
            &container.image,
            Usage::Container,
            preloaded,
        );
        // A limit without a request is a request of as much.
        read.resources.extend(container.resources.0.requests);
        read.resources.extend(container.resources.0.limits);
    })?;
    Ok(read)
}

fn volumes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Images, D::Error> {
    let mut images = Images::default();
    each_object(deserializer, |volume: Volume<'_>| {
        if let Some(StrictObject(image)) = &volume.image {
            let preloaded = &*image.pull_policy == NEVER;
            images.add(&volume.name, &image.reference, Usage::Volume, preloaded);
        }
    })?;
    Ok(images)
}

/// The pull policy under which no registry is asked.
const NEVER: &str = "Never";

fn pull_secrets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PullSecrets, D::Error> {
    let mut read = PullSecrets::default();
    each_object(deserializer, |secret: Named<'_>| {
        // What no object can be called is none.
        if secret.name.is_empty() || secret.name.len() > LONGEST_NAME {
            return;
        }
        if read.names.len() < MOST_PULL_SECRETS {
            read.names.push(secret.name.to_string());
        } else {
            read.overflow = true;
        }
    })?;
    Ok(read)
}

impl Item for TermObject {
    type Kept = Term;

    fn weight(&self) -> usize {
        1 + self.match_expressions.weight() + self.match_fields.weight()
    }

    fn keep(self) -> Term {
        Term {
            expressions: self.match_expressions.kept,
            fields: self.match_fields.kept,
        }
    }
}

impl Item for RequirementObject<'_> {
    type Kept = Requirement;

    fn weight(&self) -> usize {
        weight_of(&[&self.key, &self.operator]) + self.values.weight()
    }

    fn keep(self) -> Requirement {
        Requirement {
            key: self.key.to_string(),
            operator: Operator::from_name(&self.operator),
            values: self.values.kept,
        }
    }
}

impl Item for TolerationObject<'_> {
    type Kept = Toleration;

    fn weight(&self) -> usize {
        weight_of(&[&self.key, &self.operator, &self.value, &self.effect])
    }

    fn keep(self) -> Toleration {
        self.to_toleration()
    }
}

impl TolerationObject<'_> {
    /// The toleration as the domain has it.
    pub(super) fn to_toleration(&self) -> Toleration {
        Toleration {
            key: self.key.to_string(),
            operator: TolerationOperator::from_name(&self.operator),
            value: self.value.to_string(),
            effect: Effect::named(&self.effect),
        }
    }
}

#[cfg(test)]
mod tests;
