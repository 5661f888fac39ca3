//! Workload kinds, and where each keeps its pod templates.
//!
//! Built-in kinds are read straight from their bytes, since every review passes here. So are
//! further kinds, which are configured by the paths of their templates: what is beside the
//! paths is skipped, however large or deep it is.

mod image_path;
mod shapes;
mod template_path;

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny};
use serde_json::Value;

pub use self::image_path::ImagePath;
use self::shapes::{BuiltInObject, CronJobSpec, MaybeTemplate, Templated, TypeMeta, templates};
pub use self::template_path::{KindRule, PathStep, TemplatePath, TemplatePathError};
use super::json::{self, Input, Nested, ObjectError};
use super::pod::{PodSpec, SpecOrigin};
use crate::domain::workload::{PodTemplate, Templates, Workload};

/// A kind, as an admission request or an object names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindRef<'a> {
    /// API group; empty for the core group.
    pub group: &'a str,
    /// Version in the group.
    pub version: &'a str,
    /// Kind; empty where only the resource is known.
    pub kind: &'a str,
    /// Resource, in the plural; empty where only the kind is known.
    pub resource: &'a str,
}

/// Where a built-in kind keeps its pod template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TemplateShape {
    /// The object is a pod: `spec`.
    Pod,
    /// `spec.template`
    Templated(SpecOrigin),
    /// `spec.jobTemplate.spec.template`
    CronJob,
    /// `template`
    PodTemplate,
}

/// Built-in kinds: group, kind, resource, shape. Their shape is the same in every version.
/// Owners come before what they own, as [`crate::domain::ownership`] wants it.
/// Source: <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/>
const BUILT_IN: [(&str, &str, &str, TemplateShape); 9] = [
    ("apps", "Deployment", "deployments", TEMPLATED),
    ("apps", "StatefulSet", "statefulsets", TEMPLATED),
    (
        "apps",
        "DaemonSet",
        "daemonsets",
        TemplateShape::Templated(SpecOrigin::DaemonSet),
    ),
    ("batch", "CronJob", "cronjobs", TemplateShape::CronJob),
    (
        "",
        "ReplicationController",
        "replicationcontrollers",
        TEMPLATED,
    ),
    ("apps", "ReplicaSet", "replicasets", TEMPLATED),
    ("batch", "Job", "jobs", TEMPLATED),
    (
        "",
        "PodTemplate",
        "podtemplates",
        TemplateShape::PodTemplate,
    ),
    ("", "Pod", "pods", TemplateShape::Pod),
];

/// The version in which every API server has the built-in kinds.
const BUILT_IN_VERSION: &str = "v1";

const TEMPLATED: TemplateShape = TemplateShape::Templated(SpecOrigin::Template);

impl<'a> KindRef<'a> {
    /// The kind that `apiVersion` and `kind` of an object name.
    pub fn from_object(api_version: &'a str, kind: &'a str) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self {
            group,
            version,
            kind,
            resource: "",
        }
    }

    fn shape(&self) -> Option<TemplateShape> {
        let mut kinds = BUILT_IN.iter();
        let found = kinds.find(|(group, kind, resource, _)| {
            let named = if self.kind.is_empty() {
                *resource == self.resource
            } else {
                *kind == self.kind
            };
            *group == self.group && named
        });
        found.map(|(.., shape)| *shape)
    }

    fn rule<'r>(&self, rules: &'r [KindRule]) -> Option<&'r KindRule> {
        let resource = match self.resource {
            "" => Cow::Owned(guess_resource(self.kind)),
            resource => Cow::Borrowed(resource),
        };
        let mut rules = rules.iter();
        rules.find(|rule| rule.applies_to(self.group, self.version, &resource))
    }

    fn api_version(&self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// The built-in kinds, owners before what they own.
    pub fn built_in() -> impl Iterator<Item = KindRef<'static>> {
        BUILT_IN.iter().map(|(group, kind, resource, _)| KindRef {
            group,
            version: BUILT_IN_VERSION,
            kind,
            resource,
        })
    }

    /// Whether it is built in, whatever the configuration says of it.
    pub fn is_built_in(&self) -> bool {
        self.shape().is_some()
    }

    /// Whether its objects are pods.
    pub fn is_pod(&self) -> bool {
        self.shape() == Some(TemplateShape::Pod)
    }

    /// Where its objects stand among all, owners before what they own: configured kinds in
    /// the order of their rules, then the built-in ones. None where it has no pods.
    pub(super) fn rank(&self, rules: &[KindRule]) -> Option<usize> {
        let mut built_in = BUILT_IN.iter();
        let found =
            built_in.position(|(group, kind, ..)| *group == self.group && *kind == self.kind);
        match found {
            Some(position) => Some(rules.len() + position),
            None => {
                let rule = self.rule(rules)?;
                rules.iter().position(|one| one == rule)
            }
        }
    }

    /// Whether objects of this kind have pods, by what is built in and configured.
    pub fn has_pods(&self, rules: &[KindRule]) -> bool {
        self.shape().is_some() || self.rule(rules).is_some()
    }
}

/// The resource of a kind, where nobody says it.
/// Source: `UnsafeGuessKindToResource` in
/// <https://github.com/kubernetes/apimachinery/blob/master/pkg/api/meta/restmapper.go>
fn guess_resource(kind: &str) -> String {
    let singular = kind.to_lowercase();
    if singular.ends_with('s') {
        return format!("{singular}es");
    }
    match singular.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{singular}s"),
    }
}

/// Reads a workload from its bytes; none when the kind has no pods.
///
/// # Errors
/// Not JSON, or a field of a wrong type.
pub fn from_json(
    kind: &KindRef<'_>,
    raw: &[u8],
    rules: &[KindRule],
) -> Result<Option<Workload>, ObjectError> {
    workload(kind, Input::Bytes(raw), rules)
}

/// Whether a Pod carries the annotation of a mirror pod, which a kubelet makes of a file.
/// Anybody may write the annotation; who asks has to be looked at too.
/// Source: <https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-config-mirror>
pub fn is_mirror_pod(raw: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Object {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    struct Metadata {
        annotations: Annotations,
    }
    #[derive(Deserialize)]
    struct Annotations {
        #[serde(rename = "kubernetes.io/config.mirror")]
        mirror: Option<String>,
    }
    let object = serde_json::from_slice::<Object>(raw);
    object.is_ok_and(|object| object.metadata.annotations.mirror.is_some())
}

/// Reads a workload from a tree; none when the kind has no pods.
///
/// # Errors
/// No `apiVersion` and `kind`, or a field of a wrong type.
pub fn read(value: &Value, rules: &[KindRule]) -> Result<Option<Workload>, ObjectError> {
    let what: TypeMeta<'_> = Input::Tree(value).object("object")?;
    for (key, text) in [("kind", &what.kind), ("apiVersion", &what.api_version)] {
        if text.is_empty() {
            return Err(ObjectError::new("object", key, "not set"));
        }
    }
    let kind = KindRef::from_object(&what.api_version, &what.kind);
    workload(&kind, Input::Tree(value), rules)
}

/// Reads an object of a built-in kind while the document around it is being read, which
/// spares a second pass over its bytes. `null` is none. The error does not say where in the
/// object something is wrong; [`from_json`] does.
#[derive(Clone, Copy, Debug)]
pub struct KindSeed<'k> {
    kind: KindRef<'k>,
    shape: TemplateShape,
}

impl<'k> KindSeed<'k> {
    /// A reader of objects of this kind; none when the kind is not built in.
    pub fn of(kind: KindRef<'k>) -> Option<Self> {
        kind.shape().map(|shape| Self { kind, shape })
    }
}

impl<'de> DeserializeSeed<'de> for KindSeed<'_> {
    type Value = Option<Workload>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match self.shape {
            TemplateShape::Pod => {
                self.read(deserializer, |spec: Nested<PodSpec<'_>>, _: IgnoredAny| {
                    vec![spec.0.into_template(SpecOrigin::Pod)]
                })
            }
            TemplateShape::Templated(origin) => self.read(
                deserializer,
                |spec: Nested<Templated<'_>>, _: IgnoredAny| {
                    templates(spec.0.template, origin, "spec.template.spec")
                },
            ),
            TemplateShape::CronJob => self.read(
                deserializer,
                |spec: Nested<CronJobSpec<'_>>, _: IgnoredAny| {
                    let template = spec.0.job_template.0.spec.0.template;
                    let path = "spec.jobTemplate.spec.template.spec";
                    templates(template, SpecOrigin::Template, path)
                },
            ),
            TemplateShape::PodTemplate => self.read(
                deserializer,
                |_: IgnoredAny, template: MaybeTemplate<'_>| {
                    templates(template, SpecOrigin::Template, "template.spec")
                },
            ),
        }
    }
}

impl KindSeed<'_> {
    fn read<'de, D, S, T>(
        &self,
        deserializer: D,
        templates: impl FnOnce(S, T) -> Vec<PodTemplate>,
    ) -> Result<Option<Workload>, D::Error>
    where
        D: Deserializer<'de>,
        S: Deserialize<'de> + Default,
        T: Deserialize<'de> + Default,
    {
        let object: Option<BuiltInObject<'de, S, T>> = json::optional_object(deserializer)?;
        Ok(object.map(|object| object.into_workload(&self.kind, templates)))
    }
}

fn workload(
    kind: &KindRef<'_>,
    input: Input<'_>,
    rules: &[KindRule],
) -> Result<Option<Workload>, ObjectError> {
    if let Some(seed) = KindSeed::of(*kind) {
        let named = kind_name(kind);
        let workload = input.read(named, || seed)?;
        let null = || ObjectError::new(named, "", "invalid type: null, expected an object");
        return workload.ok_or_else(null).map(Some);
    }
    let rule = kind.rule(rules);
    rule.map(|rule| configured(kind, rule, input)).transpose()
}

fn kind_name<'a>(kind: &KindRef<'a>) -> &'a str {
    match kind.kind {
        "" => kind.resource,
        named => named,
    }
}

/// Reads an object of a configured kind, once for each path.
fn configured(
    kind: &KindRef<'_>,
    rule: &KindRule,
    input: Input<'_>,
) -> Result<Workload, ObjectError> {
    let named = kind_name(kind);
    let object: BuiltInObject<'_> = input.object(named)?;
    let mut templates = Templates::default();
    for path in &rule.templates {
        for template in input.read(named, || path.seed())? {
            templates.push(template);
        }
    }
    Ok(object.into_workload(kind, |_, _| templates.into_vec()))
}

#[cfg(test)]
mod tests;
