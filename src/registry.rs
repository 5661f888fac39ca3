//! OCI registries: what images have, asked politely and believed with care.
//!
//! [`Registry`] asks; [`Cache`] around it remembers. Both are [`ImageInspector`]s, and
//! [`open`] puts them together. The transport is ours: `oci-client` keeps the first
//! credential of a registry for everybody, reads bodies without limit and cannot filter
//! addresses.
//!
//! Absent on purpose: pushing, layers, referrers, and the `urls` of descriptors
//! (CVE-2020-15157).
//!
//! [`ImageInspector`]: crate::checker::ImageInspector

mod address;
pub mod cache;
mod client;
pub mod credentials;
mod document;
mod error;
mod flight;
mod glob;
pub mod host;
mod statistics;
mod token;
mod transport;

use std::sync::Arc;
use std::time::Duration;

pub use address::Addresses;
pub use cache::{Cache, TagInspector};
pub use client::Registry;
pub use host::{HostSettings, Limits, Settings, SettingsError};
pub use statistics::Statistics;

/// The registry with the cache around it, as everything but tests uses it.
///
/// # Errors
/// [`SettingsError`] when the settings cannot be used.
pub fn open(settings: Settings) -> Result<Cache<Registry>, SettingsError> {
    let digests = settings.digests;
    let fresh = Duration::from_secs(settings.tag_seconds);
    let registry = Registry::new(settings)?;
    let statistics = Arc::clone(registry.statistics());
    Ok(Cache::new(registry, digests, fresh, statistics))
}
