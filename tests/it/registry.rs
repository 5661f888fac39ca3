//! The registry adapter against a registry on loopback.

mod access;
mod digests;
mod faults;
mod file;
mod lookups;
mod oci_client;
mod secrets;

use std::sync::Arc;
use std::time::Duration;

use archmatch::checker::{Access, ImageInspector};
use archmatch::credentials::{NoSecrets, SecretReader};
use archmatch::domain::inspection::Inspection;
use archmatch::domain::reference::ImageReference;
use archmatch::domain::unknown::{Reason, Unknown};
use archmatch::registry::{HostSettings, Inspector, LookUpSettings, open};

use crate::support::install_crypto_provider;

/// A cached registry with these settings of hosts.
fn inspector(hosts: &[HostSettings]) -> Inspector {
    inspector_with(hosts, |_| {})
}

fn inspector_with(hosts: &[HostSettings], change: impl FnOnce(&mut LookUpSettings)) -> Inspector {
    inspector_of(hosts, Arc::new(NoSecrets), change)
}

fn inspector_of(
    hosts: &[HostSettings],
    secrets: Arc<dyn SecretReader>,
    change: impl FnOnce(&mut LookUpSettings),
) -> Inspector {
    install_crypto_provider();
    let mut settings = LookUpSettings {
        hosts: hosts.to_vec(),
        ..LookUpSettings::default()
    };
    // Tests that are about limits set them; the others must not fail on a busy machine.
    settings.limits.connect = Duration::from_secs(10);
    settings.limits.request = Duration::from_secs(10);
    change(&mut settings);
    open(settings, secrets).unwrap()
}

async fn inspect(
    inspector: &Inspector,
    image: &ImageReference,
) -> Result<Arc<Inspection>, Unknown> {
    let found = inspector.inspect(image, &Access::default()).await;
    found.map(|found| found.inspection)
}

async fn platforms(inspector: &Inspector, image: &ImageReference) -> Vec<String> {
    let found = inspect(inspector, image).await;
    let found = found.unwrap_or_else(|unknown| panic!("{image}: {}: {unknown}", unknown.reason));
    found.platforms().iter().map(ToString::to_string).collect()
}

#[track_caller]
fn is_unknown(found: Result<Arc<Inspection>, Unknown>, reason: Reason) {
    let unknown = found.expect_err("an unknown");
    assert_eq!(unknown.reason, reason, "{unknown}");
    for text in ["evil", "says the", "token-realm"] {
        assert!(!unknown.detail.contains(text), "{unknown}");
    }
}
