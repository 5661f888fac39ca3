//! Where further kinds keep their pod templates.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor,
};

use super::shapes::PathTemplate;
use crate::domain::text::{LONGEST_NAME, shortened};
use crate::domain::workload::{PodTemplate, Templates};
use crate::objects::json::{StrictObject, Text};
use crate::objects::pod::SpecOrigin;

/// A workload kind that is not built in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct KindRule {
    /// API group.
    pub group: String,
    /// Version in the group; `*` for every version.
    pub version: String,
    /// Resource, in the plural and in lower case, such as `rollouts`.
    #[serde(deserialize_with = "plural")]
    #[cfg_attr(test, schemars(regex(pattern = "^[a-z][a-z0-9-]*$")))]
    pub resource: String,
    /// Where its pod templates are: fields separated by dots, `[*]` for every item of a list
    /// or every value of an object, such as `spec.replicatedJobs[*].template.spec.template`.
    #[serde(deserialize_with = "at_least_one")]
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub templates: Vec<TemplatePath>,
}

/// The path of a pod template: an object that has a pod specification as its `spec`.
///
/// Fields are separated by dots; `[*]` after a field stands for every item of a list, or
/// for every value of an object: `spec.replicatedJobs[*].template.spec.template`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(with = "String", extend("pattern" = r"^[A-Za-z0-9_-]+(\[\*\])*(\.[A-Za-z0-9_-]+(\[\*\])*)*$")))]
#[serde(try_from = "String")]
pub struct TemplatePath {
    steps: Vec<PathStep>,
}

/// One step of a path through an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathStep {
    /// To the field of this name.
    Field(String),
    /// To every item of a list, or every value of an object.
    Each,
}

/// A text that is no path of a pod template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parse path {text:?}: expected fields separated by dots, such as spec.template")]
pub struct TemplatePathError {
    text: String,
}

impl KindRule {
    pub(super) fn applies_to(&self, group: &str, version: &str, resource: &str) -> bool {
        self.group == group
            && (self.version == "*" || self.version == version)
            && self.resource == resource
    }

    /// Rules for well-known kinds, ready to switch on in the configuration:
    ///
    /// - Argo Rollout. One with `workloadRef` has no template; what it refers to is judged.
    ///   <https://argo-rollouts.readthedocs.io/en/stable/features/specification/>
    /// - Knative Service. <https://knative.dev/docs/serving/reference/serving-api/>
    /// - JobSet. <https://jobset.sigs.k8s.io/docs/reference/jobset.v1alpha2/>
    /// - LeaderWorkerSet. <https://lws.sigs.k8s.io/docs/reference/leaderworkerset.v1/>
    /// - OpenKruise CloneSet. <https://openkruise.io/docs/user-manuals/cloneset/>
    pub fn well_known() -> Vec<Self> {
        let rows: [(&str, &str, &str, &[&str]); 5] = [
            ("argoproj.io", "v1alpha1", "rollouts", &["spec.template"]),
            ("serving.knative.dev", "v1", "services", &["spec.template"]),
            (
                "jobset.x-k8s.io",
                "v1alpha2",
                "jobsets",
                &["spec.replicatedJobs[*].template.spec.template"],
            ),
            (
                "leaderworkerset.x-k8s.io",
                "v1",
                "leaderworkersets",
                &[
                    "spec.leaderWorkerTemplate.leaderTemplate",
                    "spec.leaderWorkerTemplate.workerTemplate",
                ],
            ),
            (
                "apps.kruise.io",
                "v1alpha1",
                "clonesets",
                &["spec.template"],
            ),
        ];
        rows.into_iter()
            .map(|(group, version, resource, templates)| Self {
                group: group.to_owned(),
                version: version.to_owned(),
                resource: resource.to_owned(),
                templates: templates
                    .iter()
                    .filter_map(|path| path.parse().ok())
                    .collect(),
            })
            .collect()
    }
}

impl TemplatePath {
    /// The steps from the object to the template.
    pub(super) fn steps(&self) -> &[PathStep] {
        &self.steps
    }

    /// Reads the templates at this path of an object; absent ones are none.
    pub(super) fn seed(&self) -> TemplatesSeed<'_> {
        TemplatesSeed(&self.steps)
    }
}

/// Reads the templates at a path of an object.
pub(super) struct TemplatesSeed<'p>(&'p [PathStep]);

impl<'de> DeserializeSeed<'de> for TemplatesSeed<'_> {
    type Value = Vec<PodTemplate>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let mut templates = Templates::default();
        let below = Below {
            steps: self.0,
            path: String::new(),
            templates: &mut templates,
        };
        below.deserialize(deserializer)?;
        Ok(templates.into_vec())
    }
}

/// Reads what is below a part of the path.
struct Below<'p, 't> {
    steps: &'p [PathStep],
    /// How they were come to.
    path: String,
    templates: &'t mut Templates,
}

impl<'p> Below<'p, '_> {
    /// What is below the field of a name.
    fn field(&mut self, name: &str, steps: &'p [PathStep]) -> Below<'p, '_> {
        let dot = if self.path.is_empty() { "" } else { "." };
        self.next(format!("{}{dot}{name}", self.path), steps)
    }

    fn next(&mut self, path: String, steps: &'p [PathStep]) -> Below<'p, '_> {
        Below {
            steps,
            path,
            templates: self.templates,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Below<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Below<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.steps {
            [] => "an object",
            _ => "an object or a list, as the path has it",
        })
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        match self.steps {
            [] => {
                let template = PathTemplate::deserialize(MapAccessDeserializer::new(map))?;
                if let Some(StrictObject(spec)) = template.spec {
                    self.templates.push(PodTemplate {
                        path: format!("{}.spec", self.path).into(),
                        ..spec.into_template(SpecOrigin::Template)
                    });
                }
            }
            [PathStep::Field(name), below @ ..] => {
                while let Some(key) = map.next_key::<Text<'_>>()? {
                    if *key == **name {
                        map.next_value_seed(self.field(name, below))?;
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
            }
            [PathStep::Each, below @ ..] => {
                while let Some(key) = map.next_key::<Text<'_>>()? {
                    let name = shortened(&key, LONGEST_NAME);
                    map.next_value_seed(self.field(&name, below))?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let [PathStep::Each, below @ ..] = self.steps else {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        };
        let mut item = 0;
        loop {
            let path = format!("{}[{item}]", self.path);
            if list.next_element_seed(self.next(path, below))?.is_none() {
                break;
            }
            item += 1;
        }
        Ok(())
    }
}

impl FromStr for TemplatePath {
    type Err = TemplatePathError;

    fn from_str(text: &str) -> Result<Self, TemplatePathError> {
        let mut steps = Vec::new();
        let well_formed = text.split('.').all(|part| {
            let name = part.trim_end_matches("[*]");
            steps.push(PathStep::Field(name.to_owned()));
            let repeats = (part.len() - name.len()) / "[*]".len();
            steps.extend(std::iter::repeat_n(PathStep::Each, repeats));
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            !name.is_empty() && name.bytes().all(allowed)
        });
        if well_formed {
            Ok(Self { steps })
        } else {
            Err(TemplatePathError {
                text: text.chars().take(100).collect(),
            })
        }
    }
}

impl TryFrom<String> for TemplatePath {
    type Error = TemplatePathError;

    fn try_from(text: String) -> Result<Self, TemplatePathError> {
        text.parse()
    }
}

/// A resource is no kind: a rule for `Rollout` would never apply.
fn plural<'de, D: Deserializer<'de>>(source: D) -> Result<String, D::Error> {
    let name = String::deserialize(source)?;
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.bytes().all(allowed) {
        return Err(Error::custom(
            "expected a resource in the plural and in lower case, such as rollouts",
        ));
    }
    Ok(name)
}

fn at_least_one<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<TemplatePath>, D::Error> {
    let paths = Vec::deserialize(source)?;
    if paths.is_empty() {
        return Err(Error::custom("expected at least one path"));
    }
    Ok(paths)
}

impl fmt::Display for TemplatePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            match step {
                PathStep::Field(name) if index == 0 => formatter.write_str(name)?,
                PathStep::Field(name) => write!(formatter, ".{name}")?,
                PathStep::Each => formatter.write_str("[*]")?,
            }
        }
        Ok(())
    }
}
