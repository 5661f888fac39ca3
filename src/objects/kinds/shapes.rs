//! The objects of the built-in kinds, down to their pod specifications.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{KindRef, kind_name};
use crate::domain::text::{LONGEST_NAME, shortened};
use crate::domain::workload::{PodTemplate, Workload};
use crate::objects::json::{Nested, StrictObject, Text};
use crate::objects::pod::{PodSpec, SpecOrigin};

/// What an object is.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(super) struct TypeMeta<'a> {
    pub(super) api_version: Text<'a>,
    pub(super) kind: Text<'a>,
}

/// An object, with the part that describes its pods.
#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    rename_all = "camelCase",
    bound(deserialize = "'de: 'a, S: Deserialize<'de> + Default, T: Deserialize<'de> + Default")
)]
pub(super) struct BuiltInObject<'a, S = IgnoredAny, T = IgnoredAny> {
    api_version: Text<'a>,
    kind: Text<'a>,
    metadata: Nested<ObjectName<'a>>,
    spec: S,
    template: T,
}

/// What an object is called.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct ObjectName<'a> {
    name: Text<'a>,
    namespace: Text<'a>,
    uid: Text<'a>,
}

/// A pod template of which a configured path says where it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct PathTemplate<'a> {
    pub(super) spec: Option<StrictObject<PodSpec<'a>>>,
}

/// A pod template, where there is one.
pub(super) type MaybeTemplate<'a> = Option<StrictObject<Template<'a>>>;

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Template<'a> {
    spec: Nested<PodSpec<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Templated<'a> {
    pub(super) template: MaybeTemplate<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(super) struct CronJobSpec<'a> {
    pub(super) job_template: Nested<JobTemplate<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct JobTemplate<'a> {
    pub(super) spec: Nested<Templated<'a>>,
}

/// The template at a path, if it is there.
pub(super) fn templates(
    template: MaybeTemplate<'_>,
    origin: SpecOrigin,
    path: &'static str,
) -> Vec<PodTemplate> {
    let template = template.map(|StrictObject(template)| PodTemplate {
        path: Cow::Borrowed(path),
        ..template.spec.0.into_template(origin)
    });
    template.into_iter().collect()
}

impl<S, T> BuiltInObject<'_, S, T> {
    /// The workload, with what is made of `spec` and `template`. Items of lists may leave out
    /// what they are.
    pub(super) fn into_workload(
        self,
        asked: &KindRef<'_>,
        templates: impl FnOnce(S, T) -> Vec<PodTemplate>,
    ) -> Workload {
        let name = |text: &str| shortened(text, LONGEST_NAME).into_owned();
        let or = |text: &Text<'_>, other: String| match text.is_empty() {
            true => other,
            false => name(text),
        };
        Workload {
            api_version: or(&self.api_version, asked.api_version()),
            kind: or(&self.kind, kind_name(asked).to_owned()),
            namespace: name(&self.metadata.namespace),
            name: name(&self.metadata.name),
            uid: name(&self.metadata.uid),
            templates: templates(self.spec, self.template),
        }
    }
}
