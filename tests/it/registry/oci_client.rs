//! Why the transport is ours: what `oci-client` does with credentials.

use ::oci_client::client::{ClientConfig, ClientProtocol};
use ::oci_client::secrets::RegistryAuth;
use ::oci_client::{Client, Reference};
use archmatch::checker::{Access, ImageInspector};

use super::inspector;
use crate::support::install_crypto_provider;
use crate::support::registry::{FakeRegistry, index, manifest};

#[tokio::test]
async fn its_client_shows_the_first_credential_for_everybody_and_ours_does_not() {
    install_crypto_provider();
    let registry = FakeRegistry::start().await;
    let ours = registry.push("app:1", &index([manifest("linux/amd64")]));
    registry.require_basic(&[("alice", "secret")]);
    let client = Client::try_from(ClientConfig {
        protocol: ClientProtocol::HttpsExcept(vec![registry.host()]),
        ..ClientConfig::default()
    })
    .unwrap();
    let theirs: Reference = format!("{}/app:1", registry.host()).parse().unwrap();
    let accepted = [::oci_client::manifest::OCI_IMAGE_INDEX_MEDIA_TYPE];
    let alice = RegistryAuth::Basic("alice".to_owned(), "secret".to_owned());
    let pulled = client.pull_manifest_raw(&theirs, &alice, &accepted).await;
    assert!(pulled.is_ok(), "{pulled:?}");
    // Somebody without credentials, and the same answer: in a webhook that serves many
    // namespaces, one would see through the eyes of another.
    let nobody = RegistryAuth::Anonymous;
    let pulled = client.pull_manifest_raw(&theirs, &nobody, &accepted).await;
    assert!(
        pulled.is_ok(),
        "oci-client changed; read ARCHITECTURE.md again: {pulled:?}"
    );

    let inspector = inspector(&[registry.settings()]);
    let refused = inspector.inspect(&ours, &Access::default()).await;
    assert!(refused.is_err(), "no credentials are configured for us");
}
