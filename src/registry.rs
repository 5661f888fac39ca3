//! Looks images up in OCI registries.
//!
//! [`Registry`] asks, [`Cache`] around it remembers, and [`Inspector`], the [`ImageInspector`]
//! of the program, asks as whoever has the credentials. [`open`] puts them together. The
//! transport is ours: `oci-client` keeps the first credential of a registry for everybody,
//! reads bodies without limit and cannot filter addresses.
//!
//! Absent on purpose: pushing, layers, referrers, and the `urls` of descriptors
//! (CVE-2020-15157).
//!
//! [`ImageInspector`]: crate::checker::ImageInspector

mod address;
mod bulkhead;
pub mod cache;
mod client;
mod digest;
mod document;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub mod host;
mod inspector;
mod jitter;
mod settings;
mod statistics;
mod token;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use crate::credentials::{SecretReader, Secrets, SharedCredentials};
use cache::Cache;
use host::Hosts;
use transport::RegistryTransport;

pub use address::Addresses;
pub use cache::file::CacheFile;
pub use cache::writer::CacheWriter;
pub use client::Registry;
pub use host::{Discretion, HostClass, LookUpLimits, LookUpSettings, SettingsError};
pub use inspector::Inspector;
pub use settings::{CacheSettings, HostSettings, Mirror};
pub use statistics::Statistics;

/// Registries as everything uses them, with the pull secrets that the reader can read.
///
/// # Errors
/// [`SettingsError`] when the settings cannot be used.
pub fn open(
    settings: LookUpSettings,
    secrets: Arc<dyn SecretReader>,
) -> Result<Inspector, SettingsError> {
    let hosts = Arc::new(Hosts::new(&settings)?);
    let config = settings.docker_config.as_deref();
    let shared = SharedCredentials::new(config, &settings.client_files, settings.providers)?;
    let statistics = Arc::new(Statistics::new(hosts.class_names().map(str::to_owned)));
    let registry = Registry::new(RegistryTransport {
        hosts: Arc::clone(&hosts),
        limits: settings.limits,
        statistics: Arc::clone(&statistics),
    });
    let fresh = Duration::from_secs(settings.cache.tag_seconds);
    let cache = Cache::new(
        registry,
        Arc::clone(&hosts),
        settings.cache.digests,
        fresh,
        statistics,
    );
    Ok(Inspector::new(hosts, shared, Secrets::new(secrets), cache))
}
