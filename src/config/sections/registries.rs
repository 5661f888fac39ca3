//! Registries, and credentials for them.

use super::super::tree::Field;
use super::super::{
    AllowedAddresses, ConfigError, CredentialProviders, CredentialSettings, RegistrySettings,
    SecretAccess,
};
use super::{path, small, texts};

pub(super) fn registry(field: &Field<'_>) -> Result<RegistrySettings, ConfigError> {
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
        ("public", AllowedAddresses::Public),
        ("private", AllowedAddresses::Private),
        ("any", AllowedAddresses::Any),
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

pub(super) fn credentials(field: &Field<'_>) -> Result<CredentialSettings, ConfigError> {
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
