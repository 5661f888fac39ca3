//! The sections of the configuration, from the tree.

mod nodes;
mod registries;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use self::nodes::{nodes, pools};
use self::registries::{credentials, registry};
use super::tree::{Field, Section};
use super::{
    AuditSettings, CacheSettings, ClientAuth, ConfigError, Configuration, KindSettings,
    PolicySettings, Reports,
};
use crate::domain::policy::{ForeignImages, OnUnknown, OwnedPods};
use crate::go::parse_duration;

const API_VERSION: &str = "archmatch.io/v1alpha1";
const KIND: &str = "Configuration";

pub(super) fn configuration(root: &Field<'_>) -> Result<Configuration, ConfigError> {
    let top = root.section(&[
        "apiVersion",
        "kind",
        "policy",
        "nodes",
        "pools",
        "registries",
        "credentials",
        "clientAuth",
        "kinds",
        "cache",
        "audit",
    ])?;
    for (key, expected) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        top.read(key, |field| field.one_of(&[(expected, ())]))?;
    }
    Ok(Configuration {
        policy: top.read("policy", policy)?.unwrap_or_default(),
        nodes: top.read("nodes", nodes)?.unwrap_or_default(),
        pools: pools(&top)?,
        registries: top.list("registries", registry)?,
        credentials: top.read("credentials", credentials)?.unwrap_or_default(),
        client_auth: top.read("clientAuth", client_auth)?,
        kinds: top.list("kinds", kind)?,
        cache: top.read("cache", cache)?.unwrap_or_default(),
        audit: top.read("audit", audit)?.unwrap_or_default(),
    })
}

fn policy(field: &Field<'_>) -> Result<PolicySettings, ConfigError> {
    let section = field.section(&[
        "enforce",
        "warn",
        "audit",
        "onUnknown",
        "ownedPods",
        "controllers",
        "foreignImages",
        "verifyChildren",
    ])?;
    let mut policy = PolicySettings::default();
    let levels = &mut policy.levels;
    for (key, level) in [
        ("enforce", &mut levels.enforce),
        ("warn", &mut levels.warn),
        ("audit", &mut levels.audit),
    ] {
        if let Some(found) = section.read(key, Field::parsed)? {
            *level = found;
        }
    }
    let on_unknown = [
        ("allow", OnUnknown::Allow),
        ("warn", OnUnknown::Warn),
        ("deny", OnUnknown::Deny),
    ];
    if let Some(found) = section.read("onUnknown", |field| field.one_of(&on_unknown))? {
        policy.on_unknown = found;
    }
    let owned_pods = [("warn", OwnedPods::Warn), ("enforce", OwnedPods::Enforce)];
    if let Some(found) = section.read("ownedPods", |field| field.one_of(&owned_pods))? {
        policy.owned_pods = found;
    }
    policy.controllers = texts(&section, "controllers")?;
    if let Some(found) = section.read("foreignImages", images)? {
        policy.foreign_images = found;
    }
    policy.verify_children = section
        .read("verifyChildren", Field::boolean)?
        .unwrap_or(false);
    Ok(policy)
}

fn client_auth(field: &Field<'_>) -> Result<ClientAuth, ConfigError> {
    let section = field.section(&["ca", "names"])?;
    Ok(ClientAuth {
        ca: section.required("ca", field, path)?,
        names: texts(&section, "names")?,
    })
}

fn kind(field: &Field<'_>) -> Result<KindSettings, ConfigError> {
    let section = field.section(&["group", "version", "resource", "templates"])?;
    let text = |key| section.required(key, field, |field| field.text().map(str::to_owned));
    let templates = section.required("templates", field, |field| {
        let items = field.items()?;
        if items.is_empty() {
            return Err(field.error("expected at least one path"));
        }
        items.iter().map(template_path).collect()
    })?;
    Ok(KindSettings {
        group: text("group")?,
        version: text("version")?,
        resource: text("resource")?,
        templates,
    })
}

/// The grammar of `objects::kinds::TemplatePath`, which is no business of the configuration:
/// fields separated by dots, each with any number of `[*]`.
fn template_path(field: &Field<'_>) -> Result<String, ConfigError> {
    let text = field.text()?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let well_formed = text.split('.').all(|part| {
        let name = part.trim_end_matches("[*]");
        !name.is_empty() && name.bytes().all(allowed)
    });
    if !well_formed {
        return Err(field.error(
            "expected the path of a pod template, such as spec.template or spec.jobs[*].template",
        ));
    }
    Ok(text.to_owned())
}

fn cache(field: &Field<'_>) -> Result<CacheSettings, ConfigError> {
    let section = field.section(&["file", "digests", "tagSeconds"])?;
    let default = CacheSettings::default();
    let seconds = section.read("tagSeconds", Field::positive)?;
    Ok(CacheSettings {
        file: section.read("file", path)?,
        digests: section
            .read("digests", Field::positive)?
            .unwrap_or(default.digests),
        tag_lifetime: seconds.map_or(default.tag_lifetime, Duration::from_secs),
    })
}

fn audit(field: &Field<'_>) -> Result<AuditSettings, ConfigError> {
    let section = field.section(&["interval", "reports"])?;
    let reports = [
        ("openreports", Reports::Openreports),
        ("policyreport", Reports::Policyreport),
        ("auto", Reports::Auto),
        ("none", Reports::None),
    ];
    Ok(AuditSettings {
        interval: section.read("interval", duration)?,
        reports: section.read("reports", |field| field.one_of(&reports))?,
    })
}

/// A duration as Go writes it, above zero.
fn duration(field: &Field<'_>) -> Result<Duration, ConfigError> {
    let found = parse_duration(field.text()?).filter(|duration| !duration.is_zero());
    found.ok_or_else(|| field.error("expected a duration such as 30s, 15m or 1h30m"))
}

fn path(field: &Field<'_>) -> Result<PathBuf, ConfigError> {
    field.text().map(PathBuf::from)
}

fn small(field: &Field<'_>) -> Result<u32, ConfigError> {
    let number = field.positive()?;
    u32::try_from(number).map_err(|_| field.error("expected a smaller number"))
}

fn images(field: &Field<'_>) -> Result<ForeignImages, ConfigError> {
    let items = field.items()?;
    let patterns = items.iter().map(|item| item.text().map(str::to_owned));
    patterns.collect::<Result<_, _>>().map(ForeignImages)
}

fn texts(section: &Section<'_>, key: &str) -> Result<BTreeSet<String>, ConfigError> {
    let texts = section.list(key, |field| field.text().map(str::to_owned))?;
    Ok(texts.into_iter().collect())
}
