//! What nodes do not say of themselves, and nodes that do not exist yet.

use std::collections::BTreeSet;

use super::super::tree::{Field, Section};
use super::super::{ConfigError, NodeSettings};
use super::texts;
use crate::domain::labels::Labels;
use crate::domain::node::{Node, NodeOverride, Source};
use crate::domain::placement::AdmissionPlugin;
use crate::domain::placement::toleration::ComparisonOperators;
use crate::domain::platform::Platform;
use crate::domain::taint::{Effect, Taint};

pub(super) fn nodes(field: &Field<'_>) -> Result<NodeSettings, ConfigError> {
    let section = field.section(&[
        "countCordoned",
        "tolerationComparison",
        "admissionPlugins",
        "overrides",
    ])?;
    let comparison = section.read("tolerationComparison", Field::boolean)?;
    let plugins = AdmissionPlugin::ALL.map(|plugin| (plugin.name(), plugin));
    Ok(NodeSettings {
        count_cordoned: section
            .read("countCordoned", Field::boolean)?
            .unwrap_or(false),
        toleration_comparison: match comparison {
            Some(true) => ComparisonOperators::Enabled,
            Some(false) | None => ComparisonOperators::Disabled,
        },
        admission_plugins: section
            .list("admissionPlugins", |field| field.one_of(&plugins))?
            .into_iter()
            .collect(),
        overrides: section.list("overrides", node_override)?,
    })
}

fn node_override(field: &Field<'_>) -> Result<NodeOverride, ConfigError> {
    let section = field.section(&[
        "selector",
        "architectures",
        "runtime",
        "variant",
        "osFeatures",
        "emulates",
    ])?;
    Ok(NodeOverride {
        selector: section.read("selector", labels)?.unwrap_or_default(),
        architectures: section.list("architectures", architecture)?,
        runtime: section.read("runtime", Field::parsed)?,
        // Empty is a value here: no variant.
        variant: section.read("variant", |field| {
            field.possibly_empty_text().map(str::to_owned)
        })?,
        os_features: texts(&section, "osFeatures")?,
        emulates: section.list("emulates", Field::parsed)?,
    })
}

/// An architecture as nodes and labels spell it: without alias, without variant.
fn architecture(field: &Field<'_>) -> Result<String, ConfigError> {
    let text = field.text()?;
    let platform = format!("linux/{text}").parse::<Platform>();
    match platform.map(|platform| platform.normalized()) {
        Ok(platform) if platform.architecture == text => Ok(text.to_owned()),
        _ => Err(field.error("expected an architecture such as amd64 or s390x")),
    }
}

fn labels(field: &Field<'_>) -> Result<Labels, ConfigError> {
    let entries = field.entries()?.into_iter();
    entries
        .map(|(key, value)| Ok((key.to_owned(), value.possibly_empty_text()?.to_owned())))
        .collect()
}

pub(super) fn pools(top: &Section<'_>) -> Result<Vec<Node>, ConfigError> {
    let mut names = BTreeSet::new();
    top.list("pools", |field| {
        let pool = pool(field)?;
        if !names.insert(pool.name.clone()) {
            return Err(field.error(format!("a second pool named {:?}", pool.name)));
        }
        Ok(pool)
    })
}

fn pool(field: &Field<'_>) -> Result<Node, ConfigError> {
    let section = field.section(&["name", "platform", "runtime", "labels", "taints"])?;
    let node = Node::of_platform(
        section.required("name", field, Field::text)?.to_owned(),
        section.required("platform", field, Field::parsed)?,
        section.read("runtime", Field::parsed)?.unwrap_or_default(),
        Source::Pool,
    );
    let mut labels = node.labels;
    labels.extend(section.read("labels", self::labels)?.unwrap_or_default());
    Ok(Node {
        labels,
        taints: section.list("taints", taint)?,
        ..node
    })
}

fn taint(field: &Field<'_>) -> Result<Taint, ConfigError> {
    let section = field.section(&["key", "value", "effect"])?;
    let effects = ["NoSchedule", "NoExecute", "PreferNoSchedule"].map(|name| (name, name));
    let effect = section.required("effect", field, |field| field.one_of(&effects))?;
    Ok(Taint {
        key: section.required("key", field, Field::text)?.to_owned(),
        value: section
            .read("value", Field::possibly_empty_text)?
            .unwrap_or("")
            .to_owned(),
        effect: Effect::from_name(effect),
    })
}
