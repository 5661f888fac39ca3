//! The objects of the built-in kinds, down to their pod specifications.

use std::borrow::Cow;

use serde::Deserialize;

use super::{KindRef, kind_name};
use crate::domain::text::{LONGEST_NAME, shortened};
use crate::domain::workload::{PodTemplate, Workload};
use crate::objects::json::{Section, Text, optional_object};
use crate::objects::pod::{PodSpec, SpecOrigin};

/// What an object is.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(super) struct TypeMeta<'a> {
    pub(super) api_version: Text<'a>,
    pub(super) kind: Text<'a>,
}

/// What every object has.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(super) struct Envelope<'a> {
    api_version: Text<'a>,
    kind: Text<'a>,
    metadata: Section<ObjectName<'a>>,
}

/// What an object is called.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct ObjectName<'a> {
    name: Text<'a>,
    namespace: Text<'a>,
}

/// A pod template of which a configured path says where it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct PathTemplate<'a> {
    #[serde(deserialize_with = "optional_object")]
    pub(super) spec: Option<PodSpec<'a>>,
}

/// An object whose pods are described in its `spec`.
#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    rename_all = "camelCase",
    bound(deserialize = "'de: 'a, S: Deserialize<'de> + Default")
)]
pub(super) struct Object<'a, S> {
    api_version: Text<'a>,
    kind: Text<'a>,
    metadata: Section<ObjectName<'a>>,
    spec: Section<S>,
}

pub(super) type PodObject<'a> = Object<'a, PodSpec<'a>>;
pub(super) type TemplatedObject<'a> = Object<'a, Templated<'a>>;
pub(super) type CronJobObject<'a> = Object<'a, CronJobSpec<'a>>;

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Templated<'a> {
    #[serde(deserialize_with = "optional_object")]
    template: Option<Template<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Template<'a> {
    spec: Section<PodSpec<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(super) struct CronJobSpec<'a> {
    job_template: Section<JobTemplate<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct JobTemplate<'a> {
    spec: Section<Templated<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(super) struct PodTemplateObject<'a> {
    api_version: Text<'a>,
    kind: Text<'a>,
    metadata: Section<ObjectName<'a>>,
    #[serde(deserialize_with = "optional_object")]
    template: Option<Template<'a>>,
}

/// What describes pods.
pub(super) trait Templates {
    fn templates(self, origin: SpecOrigin) -> Vec<PodTemplate>;
}

impl Templates for PodSpec<'_> {
    fn templates(self, origin: SpecOrigin) -> Vec<PodTemplate> {
        vec![self.into_template(origin)]
    }
}

impl Template<'_> {
    fn into_template(self, origin: SpecOrigin, path: &'static str) -> PodTemplate {
        PodTemplate {
            path: Cow::Borrowed(path),
            ..self.spec.0.into_template(origin)
        }
    }
}

impl Templates for Templated<'_> {
    fn templates(self, origin: SpecOrigin) -> Vec<PodTemplate> {
        let template = self.template.into_iter();
        template
            .map(|template| template.into_template(origin, "spec.template.spec"))
            .collect()
    }
}

impl Templates for CronJobSpec<'_> {
    fn templates(self, origin: SpecOrigin) -> Vec<PodTemplate> {
        let template = self.job_template.0.spec.0.template.into_iter();
        template
            .map(|template| template.into_template(origin, "spec.jobTemplate.spec.template.spec"))
            .collect()
    }
}

impl<S: Templates> Object<'_, S> {
    pub(super) fn into_workload(self, asked: &KindRef<'_>, origin: SpecOrigin) -> Workload {
        Workload {
            templates: self.spec.0.templates(origin),
            ..workload(asked, &self.api_version, &self.kind, &self.metadata)
        }
    }
}

impl PodTemplateObject<'_> {
    pub(super) fn into_workload(self, asked: &KindRef<'_>) -> Workload {
        let template = self.template.into_iter();
        Workload {
            templates: template
                .map(|template| template.into_template(SpecOrigin::Template, "template.spec"))
                .collect(),
            ..workload(asked, &self.api_version, &self.kind, &self.metadata)
        }
    }
}

impl Envelope<'_> {
    pub(super) fn to_workload(&self, asked: &KindRef<'_>) -> Workload {
        workload(asked, &self.api_version, &self.kind, &self.metadata)
    }
}

/// A workload without templates. Items of lists may leave out what they are.
fn workload(
    asked: &KindRef<'_>,
    api_version: &Text<'_>,
    kind: &Text<'_>,
    metadata: &ObjectName<'_>,
) -> Workload {
    let name = |text: &str| shortened(text, LONGEST_NAME).into_owned();
    let or = |text: &Text<'_>, other: String| match text.is_empty() {
        true => other,
        false => name(text),
    };
    Workload {
        api_version: or(api_version, asked.api_version()),
        kind: or(kind, kind_name(asked).to_owned()),
        namespace: name(&metadata.namespace),
        name: name(&metadata.name),
        templates: Vec::new(),
    }
}
