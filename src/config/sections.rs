//! The sections of the configuration, from the tree.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::tree::{Field, Section};
use super::{
    Addresses, AuditSettings, CacheSettings, ClientAuth, ConfigError, Configuration,
    CredentialProviders, CredentialSettings, KindSettings, NodeSettings, PolicySettings,
    RegistrySettings, Reports, SecretAccess,
};
use crate::domain::node::{
    Effect, Labels, Node, NodeOverride, NodePlatform, Source, Taint, default_variant,
};
use crate::domain::placement::toleration::ComparisonOperators;
use crate::domain::platform::Platform;
use crate::domain::policy::{OnUnknown, OwnedPods};

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
    policy.verify_children = section
        .read("verifyChildren", Field::boolean)?
        .unwrap_or(false);
    Ok(policy)
}

fn nodes(field: &Field<'_>) -> Result<NodeSettings, ConfigError> {
    let section = field.section(&["countCordoned", "tolerationComparison", "overrides"])?;
    let comparison = section.read("tolerationComparison", Field::boolean)?;
    Ok(NodeSettings {
        count_cordoned: section
            .read("countCordoned", Field::boolean)?
            .unwrap_or(false),
        toleration_comparison: match comparison {
            Some(true) => ComparisonOperators::Enabled,
            Some(false) | None => ComparisonOperators::Disabled,
        },
        overrides: section.list("overrides", node_override)?,
    })
}

fn node_override(field: &Field<'_>) -> Result<NodeOverride, ConfigError> {
    let section = field.section(&[
        "selector",
        "architectures",
        "runtime",
        "variant",
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

fn pools(top: &Section<'_>) -> Result<Vec<Node>, ConfigError> {
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
    let mut platform: Platform = section.required("platform", field, Field::parsed)?;
    if platform.variant.is_empty() {
        platform.variant = default_variant(&platform.architecture).to_owned();
    }
    let mut labels = section.read("labels", labels)?.unwrap_or_default();
    // The kubelet puts these on every node, and selectors count on them.
    // Source: <https://kubernetes.io/docs/reference/node/node-labels/>
    for (key, value) in [
        ("kubernetes.io/os", &platform.os),
        ("kubernetes.io/arch", &platform.architecture),
        ("beta.kubernetes.io/os", &platform.os),
        ("beta.kubernetes.io/arch", &platform.architecture),
    ] {
        labels
            .entry(key.to_owned())
            .or_insert_with(|| value.clone());
    }
    Ok(Node {
        name: section.required("name", field, Field::text)?.to_owned(),
        labels,
        taints: section.list("taints", taint)?,
        unschedulable: false,
        extended_resources: BTreeSet::new(),
        platform: NodePlatform {
            platform,
            runtime: section.read("runtime", Field::parsed)?.unwrap_or_default(),
            emulates: Vec::new(),
        },
        source: Source::Pool,
        latitude: None,
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

fn registry(field: &Field<'_>) -> Result<RegistrySettings, ConfigError> {
    let section = field.section(&[
        "host",
        "plainHttp",
        "ca",
        "addresses",
        "mirrors",
        "blocked",
        "concurrency",
        "requestsPerSecond",
    ])?;
    let default = RegistrySettings::default();
    let addresses = [
        ("public", Addresses::Public),
        ("private", Addresses::Private),
        ("any", Addresses::Any),
    ];
    Ok(RegistrySettings {
        host: section.required("host", field, host)?,
        plain_http: section.read("plainHttp", Field::boolean)?.unwrap_or(false),
        ca: section.read("ca", path)?,
        addresses: section
            .read("addresses", |field| field.one_of(&addresses))?
            .unwrap_or_default(),
        mirrors: section.list("mirrors", mirror)?,
        blocked: section.read("blocked", Field::boolean)?.unwrap_or(false),
        concurrency: section
            .read("concurrency", small)?
            .unwrap_or(default.concurrency),
        requests_per_second: section
            .read("requestsPerSecond", small)?
            .unwrap_or(default.requests_per_second),
    })
}

/// A glob is free to match nothing; a scheme or a path says that something else was meant.
fn host(field: &Field<'_>) -> Result<String, ConfigError> {
    let text = field.text()?;
    if text.contains('/') || text.contains(char::is_whitespace) {
        return Err(
            field.error("expected a host, such as registry.example:5000, without scheme and path")
        );
    }
    Ok(text.to_owned())
}

fn mirror(field: &Field<'_>) -> Result<String, ConfigError> {
    let text = field.text()?.trim_end_matches('/');
    if text.is_empty()
        || text.contains("://")
        || text.starts_with('/')
        || text.contains(char::is_whitespace)
    {
        return Err(field.error("expected a mirror as host/prefix, without scheme"));
    }
    Ok(text.to_owned())
}

fn credentials(field: &Field<'_>) -> Result<CredentialSettings, ConfigError> {
    let section = field.section(&["secrets", "dockerConfig", "providers"])?;
    Ok(CredentialSettings {
        secrets: section.read("secrets", secrets)?.unwrap_or_default(),
        docker_config: section.read("dockerConfig", path)?,
        providers: section.read("providers", |field| {
            let section = field.section(&["config", "binDir"])?;
            Ok(CredentialProviders {
                config: section.required("config", field, path)?,
                bin_dir: section.required("binDir", field, path)?,
            })
        })?,
    })
}

/// `none`, `cluster`, or `{namespaces: [a, b]}`.
fn secrets(field: &Field<'_>) -> Result<SecretAccess, ConfigError> {
    if field.is_map() {
        let section = field.section(&["namespaces"])?;
        return texts(&section, "namespaces").map(SecretAccess::Namespaces);
    }
    match field.text()? {
        "none" => Ok(SecretAccess::None),
        "cluster" => Ok(SecretAccess::Cluster),
        _ => Err(field.error("expected none, cluster, or namespaces with a list")),
    }
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

/// A duration as Go writes it, in hours, minutes and seconds: `1h30m`.
fn duration(field: &Field<'_>) -> Result<Duration, ConfigError> {
    let wrong = || field.error("expected a duration such as 30s, 15m or 1h30m");
    let mut rest = field.text()?;
    let mut seconds = 0_u64;
    while !rest.is_empty() {
        let digits = rest
            .find(|character: char| !character.is_ascii_digit())
            .ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit = match rest.as_bytes()[digits] {
            b'h' => 3600,
            b'm' => 60,
            b's' => 1,
            _ => return Err(wrong()),
        };
        let part = number.checked_mul(unit).ok_or_else(wrong)?;
        seconds = seconds.checked_add(part).ok_or_else(wrong)?;
        rest = &rest[digits + 1..];
    }
    if seconds == 0 {
        return Err(wrong());
    }
    Ok(Duration::from_secs(seconds))
}

fn path(field: &Field<'_>) -> Result<PathBuf, ConfigError> {
    field.text().map(PathBuf::from)
}

fn small(field: &Field<'_>) -> Result<u32, ConfigError> {
    let number = field.positive()?;
    u32::try_from(number).map_err(|_| field.error("expected a smaller number"))
}

fn texts(section: &Section<'_>, key: &str) -> Result<BTreeSet<String>, ConfigError> {
    let texts = section.list(key, |field| field.text().map(str::to_owned))?;
    Ok(texts.into_iter().collect())
}
