//! R21: names that do not lead to a registry.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use archmatch::domain::reference::ImageReference;
use archmatch::domain::unknown::Reason;
use archmatch::registry::{Addresses, Inspector};

use super::{REQUEST, fails};
use crate::registry::{inspector_with, platforms};
use crate::support::raw::{NameServer, Named};
use crate::support::registry::{FakeRegistry, index, manifest};

/// An inspector for which every name is what the name server says, and an image under a
/// name.
fn named(
    registry: &FakeRegistry,
    names: &NameServer,
    addresses: Addresses,
) -> (Inspector, ImageReference) {
    let mut settings = registry.settings();
    settings.host = "*".to_owned();
    settings.addresses = addresses;
    let inspector = inspector_with(&[settings], |settings| {
        settings.name_server = Some(names.address);
        settings.limits.connect = REQUEST;
        settings.limits.request = 2 * REQUEST;
    });
    let image = format!("registry.example:{}/app:1", registry.port());
    (inspector, image.parse().unwrap())
}

async fn registry() -> FakeRegistry {
    let registry = FakeRegistry::start().await;
    registry.push("app:1", &index([manifest("linux/amd64")]));
    registry
}

#[tokio::test]
async fn r21_names_without_an_address_are_unreachable() {
    let registry = registry().await;
    let no_address = Named::Addresses(Vec::new());
    for answer in [Named::Error(3), Named::Error(2), no_address] {
        let names = NameServer::start(answer).await;
        let (inspector, image) = named(&registry, &names, Addresses::Any);
        fails(&inspector, &image, Reason::Unreachable, "error").await;
    }
}

#[tokio::test]
async fn r21_a_name_server_that_does_not_answer_is_cut() {
    let registry = registry().await;
    let names = NameServer::start(Named::Silence).await;
    let (inspector, image) = named(&registry, &names, Addresses::Any);
    fails(&inspector, &image, Reason::Timeout, "error").await;
}

#[tokio::test]
async fn r21_a_dead_address_beside_a_live_one_does_no_harm() {
    let registry = registry().await;
    let both = vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
    let names = NameServer::start(Named::Addresses(both)).await;
    let (inspector, image) = named(&registry, &names, Addresses::Any);
    let found = tokio::time::timeout(Duration::from_secs(5), platforms(&inspector, &image));
    assert_eq!(found.await.unwrap(), ["linux/amd64"]);
}

#[tokio::test]
async fn names_are_judged_by_the_address_that_they_lead_to() {
    let registry = registry().await;
    for address in [
        "127.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "64:ff9b::7f00:1",
    ] {
        let names = NameServer::start(Named::Addresses(vec![address.parse().unwrap()])).await;
        let (inspector, image) = named(&registry, &names, Addresses::Private);
        fails(&inspector, &image, Reason::Blocked, "error").await;
    }
    assert!(registry.requests().is_empty());
}
