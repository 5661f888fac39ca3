//! Where further kinds keep their pod templates.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;
use thiserror::Error;

/// A workload kind that is not built in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindRule {
    /// API group.
    pub group: String,
    /// Version in the group; `*` for every version.
    pub version: String,
    /// Resource, in the plural.
    pub resource: String,
    /// Where its pod templates are.
    pub templates: Vec<TemplatePath>,
}

/// The path of a pod template: an object that has a pod specification as its `spec`.
///
/// Fields are separated by dots; `[*]` after a field stands for every item of a list, or
/// for every value of an object: `spec.replicatedJobs[*].template.spec.template`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplatePath {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Each,
}

/// A text that is no path of a pod template.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
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
    /// The templates at this path, each with where it was found; absent ones are none.
    ///
    /// # Errors
    /// The path of a value that is neither absent nor of the shape that the path asks for.
    pub(super) fn find<'v>(&self, object: &'v Value) -> Result<Vec<(String, &'v Value)>, String> {
        let mut found = vec![(String::new(), object)];
        for step in &self.steps {
            let mut next = Vec::new();
            for (at, value) in found {
                match (step, value) {
                    (_, Value::Null) => {}
                    (Step::Field(name), Value::Object(fields)) => {
                        if let Some(child) = fields.get(name) {
                            let dot = if at.is_empty() { "" } else { "." };
                            next.push((format!("{at}{dot}{name}"), child));
                        }
                    }
                    (Step::Each, Value::Array(items)) => {
                        let items = items.iter().enumerate();
                        next.extend(items.map(|(index, item)| (format!("{at}[{index}]"), item)));
                    }
                    (Step::Each, Value::Object(fields)) => {
                        let fields = fields.iter();
                        next.extend(fields.map(|(name, child)| (format!("{at}.{name}"), child)));
                    }
                    _ => return Err(at),
                }
            }
            found = next;
        }
        found.retain(|(_, value)| !value.is_null());
        match found.iter().position(|(_, value)| !value.is_object()) {
            Some(wrong) => Err(found.swap_remove(wrong).0),
            None => Ok(found),
        }
    }
}

impl FromStr for TemplatePath {
    type Err = TemplatePathError;

    fn from_str(text: &str) -> Result<Self, TemplatePathError> {
        let mut steps = Vec::new();
        let well_formed = text.split('.').all(|part| {
            let name = part.trim_end_matches("[*]");
            steps.push(Step::Field(name.to_owned()));
            let repeats = (part.len() - name.len()) / "[*]".len();
            steps.extend(std::iter::repeat_n(Step::Each, repeats));
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

impl fmt::Display for TemplatePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            match step {
                Step::Field(name) if index == 0 => formatter.write_str(name)?,
                Step::Field(name) => write!(formatter, ".{name}")?,
                Step::Each => formatter.write_str("[*]")?,
            }
        }
        Ok(())
    }
}
