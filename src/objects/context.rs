//! What surrounds a workload: namespaces, RuntimeClasses, service accounts, secrets.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroize;

use super::json::{Input, Nested, ObjectError, Pairs, Text, objects};
use super::metadata::Metadata;
use super::pod::{Named, TolerationObject};
use crate::domain::labels::Labels;
use crate::domain::placement::RuntimeClass;
use crate::domain::placement::toleration::Toleration;
use crate::domain::policy::{Level, LevelError};

/// Labels of a namespace that set its levels.
const ENFORCE_LABEL: &str = "archmatch.io/enforce";
const WARN_LABEL: &str = "archmatch.io/warn";
const AUDIT_LABEL: &str = "archmatch.io/audit";

/// The admission plugin PodNodeSelector reads it.
/// Source: <https://github.com/kubernetes/kubernetes/blob/master/plugin/pkg/admission/podnodeselector/admission.go>
const NODE_SELECTOR_ANNOTATION: &str = "scheduler.alpha.kubernetes.io/node-selector";

/// OpenShift reads it for its projects, in the same format.
const OPENSHIFT_NODE_SELECTOR_ANNOTATION: &str = "openshift.io/node-selector";

/// The admission plugin PodTolerationRestriction reads it.
/// Source: <https://github.com/kubernetes/kubernetes/blob/master/plugin/pkg/admission/podtolerationrestriction/admission.go>
const TOLERATIONS_ANNOTATION: &str = "scheduler.alpha.kubernetes.io/defaultTolerations";

/// The part of a namespace that matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// What tells it from an earlier one of the same name; may be empty in files.
    pub uid: Arc<str>,
    /// Value of the label `archmatch.io/enforce`.
    pub enforce: Option<Result<Level, LevelError>>,
    /// Value of the label `archmatch.io/warn`.
    pub warn: Option<Result<Level, LevelError>>,
    /// Value of the label `archmatch.io/audit`.
    pub audit: Option<Result<Level, LevelError>>,
    /// What its pods' selectors get of PodNodeSelector.
    pub node_selector: Labels,
    /// What its pods' selectors get on OpenShift.
    pub project_node_selector: Labels,
    /// What its pods' tolerations get of PodTolerationRestriction.
    pub tolerations: Vec<Toleration>,
}

/// A service account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Names of the pull secrets of pods that name none.
    pub pull_secrets: Vec<String>,
}

/// A secret. Its contents do not show in debug output.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret {
    /// `type`, such as `kubernetes.io/dockerconfigjson`.
    pub kind: String,
    /// Its entries, decoded.
    pub data: BTreeMap<String, Vec<u8>>,
}

impl Drop for Secret {
    fn drop(&mut self) {
        for value in self.data.values_mut() {
            value.zeroize();
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&String> = self.data.keys().collect();
        formatter
            .debug_struct("Secret")
            .field("kind", &self.kind)
            .field("keys", &keys)
            .finish()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct NamespaceObject<'a> {
    metadata: Nested<Metadata<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct RuntimeClassObject<'a> {
    metadata: Nested<Metadata<'a>>,
    scheduling: Nested<Scheduling<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Scheduling<'a> {
    node_selector: Pairs<'a>,
    #[serde(deserialize_with = "objects")]
    tolerations: Vec<TolerationObject<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct ServiceAccountObject<'a> {
    metadata: Nested<Metadata<'a>>,
    #[serde(deserialize_with = "objects")]
    image_pull_secrets: Vec<Named<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct SecretObject<'a> {
    metadata: Nested<Metadata<'a>>,
    #[serde(rename = "type")]
    kind: Text<'a>,
    data: Pairs<'a>,
    string_data: Pairs<'a>,
}

/// Reads a Namespace: its name, itself, and warnings about annotations that cannot be read.
/// The API server refuses pods there; their placement is judged without them.
///
/// # Errors
/// A field of a wrong type.
pub fn read_namespace(value: &Value) -> Result<(String, Namespace, Vec<String>), ObjectError> {
    let NamespaceObject { metadata } = Input::Tree(value).object("Namespace")?;
    let name = metadata.name.to_string();
    let label = |key: &str| metadata.labels.value(key).map(str::parse);
    let mut warnings = Vec::new();
    let mut ignored = |key: &str, expected: &str| {
        warnings.push(format!(
            "namespace {name}: annotation {key} has no effect: expected {expected}"
        ));
    };
    let annotation = |key: &str| metadata.annotations.value(key).unwrap_or("");
    let mut selector = |key: &str| {
        parse_selector(annotation(key)).unwrap_or_else(|| {
            ignored(key, "labels such as disk=ssd,pool=z");
            Labels::new()
        })
    };
    let node_selector = selector(NODE_SELECTOR_ANNOTATION);
    let project_node_selector = selector(OPENSHIFT_NODE_SELECTOR_ANNOTATION);
    let tolerations = parse_tolerations(annotation(TOLERATIONS_ANNOTATION));
    let tolerations = tolerations.unwrap_or_else(|_| {
        ignored(TOLERATIONS_ANNOTATION, "a JSON list of tolerations");
        Vec::new()
    });
    let namespace = Namespace {
        uid: Arc::from(&*metadata.uid),
        enforce: label(ENFORCE_LABEL),
        warn: label(WARN_LABEL),
        audit: label(AUDIT_LABEL),
        node_selector,
        project_node_selector,
        tolerations,
    };
    Ok((name, namespace, warnings))
}

fn parse_tolerations(text: &str) -> serde_json::Result<Vec<Toleration>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let value: Value = serde_json::from_str(text)?;
    objects(&value).map(to_tolerations)
}

fn to_tolerations(objects: Vec<TolerationObject<'_>>) -> Vec<Toleration> {
    objects
        .iter()
        .map(TolerationObject::to_toleration)
        .collect()
}

/// Parses `a=b,c=d`.
/// Source: `ConvertSelectorToLabelsMap` in
/// <https://github.com/kubernetes/apimachinery/blob/master/pkg/labels/labels.go>
fn parse_selector(text: &str) -> Option<Labels> {
    if text.is_empty() {
        return Some(Labels::new());
    }
    let pairs = text.split(',').map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let (key, value) = (key.trim(), value.trim());
        (!key.is_empty() && !value.contains('=')).then(|| (key.to_owned(), value.to_owned()))
    });
    pairs.collect()
}

/// Reads a RuntimeClass: its name and its scheduling rules.
///
/// # Errors
/// A field of a wrong type.
pub fn read_runtime_class(value: &Value) -> Result<(String, RuntimeClass), ObjectError> {
    let RuntimeClassObject {
        metadata,
        scheduling,
    } = Input::Tree(value).object("RuntimeClass")?;
    let class = RuntimeClass {
        node_selector: scheduling.node_selector.to_labels(),
        tolerations: to_tolerations(scheduling.0.tolerations),
    };
    Ok((metadata.name.to_string(), class))
}

/// Reads a ServiceAccount: its namespace and name, and itself.
///
/// # Errors
/// A field of a wrong type.
pub fn read_service_account(
    value: &Value,
) -> Result<((String, String), ServiceAccount), ObjectError> {
    let object: ServiceAccountObject<'_> = Input::Tree(value).object("ServiceAccount")?;
    let pull_secrets = object.image_pull_secrets.iter();
    let account = ServiceAccount {
        pull_secrets: pull_secrets
            .filter_map(|secret| secret.name.non_empty())
            .collect(),
    };
    Ok((object.metadata.address(), account))
}

/// Reads a Secret: its namespace and name, and itself. `stringData` wins over `data`, as
/// in the API server.
///
/// # Errors
/// A field of a wrong type, or an entry that is not base64.
pub fn read_secret(value: &Value) -> Result<((String, String), Secret), ObjectError> {
    // Errors of serde quote values; a secret's must not be.
    let object: SecretObject<'_> = Input::Tree(value)
        .object("Secret")
        .map_err(|error| ObjectError::new("Secret", error.path(), "wrong type"))?;
    let mut data = BTreeMap::new();
    for (key, text) in &object.data.0 {
        let decoded = STANDARD.decode(text.as_bytes()).map_err(|_| {
            ObjectError::new("Secret", &format!("data.{}", &**key), "expected base64")
        })?;
        data.insert(key.to_string(), decoded);
    }
    for (key, text) in &object.string_data.0 {
        data.insert(key.to_string(), text.as_bytes().to_vec());
    }
    let secret = Secret {
        kind: object.kind.to_string(),
        data,
    };
    Ok((object.metadata.address(), secret))
}

#[cfg(test)]
mod tests;
