//! The caBundles of a webhook configuration, and nothing else of it.

use futures::Stream;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::changes::changes;
use super::{CertificateStoreError, Written, limited, written};

/// A webhook configuration, found by its name.
#[derive(Clone)]
pub struct CaBundleStore {
    configurations: Api<ValidatingWebhookConfiguration>,
    name: String,
}

/// The caBundle of each entry, as one read found them.
pub struct CaBundles {
    version: Option<String>,
    entries: Vec<(String, Option<ByteString>)>,
}

impl CaBundles {
    /// The bundles, empty where an entry has none.
    pub fn bundles(&self) -> Vec<Vec<u8>> {
        let bundles = self.entries.iter().map(|(_, bundle)| bundle.clone());
        bundles.map(|bundle| bundle.unwrap_or_default().0).collect()
    }
}

impl CaBundleStore {
    /// The webhook configuration with this name; nothing is read yet.
    pub fn new(client: Client, name: &str) -> Self {
        Self {
            configurations: Api::all(client),
            name: name.to_owned(),
        }
    }

    /// An item whenever the configuration may have changed, for ever.
    pub fn changes(&self) -> impl Stream<Item = Result<(), kube::Error>> + Send + use<> {
        changes(self.configurations.clone(), &self.name)
    }

    /// The entries, or nothing when the configuration is not there.
    ///
    /// # Errors
    /// When the API server cannot be asked.
    pub async fn read(&self) -> Result<Option<CaBundles>, CertificateStoreError> {
        let read = self.configurations.get_opt(&self.name);
        let found = limited(self.action("read"), read).await?;
        Ok(found.map(|found| CaBundles {
            version: found.metadata.resource_version,
            entries: found
                .webhooks
                .unwrap_or_default()
                .into_iter()
                .map(|webhook| (webhook.name, webhook.client_config.ca_bundle))
                .collect(),
        }))
    }

    /// Writes the bundle into every entry that has another. Somebody who wrote since the
    /// entries were read goes first.
    ///
    /// # Errors
    /// When the API server cannot be asked, or refuses.
    pub async fn write(
        &self,
        found: &CaBundles,
        bundle: &[u8],
    ) -> Result<Written, CertificateStoreError> {
        let wanted = ByteString(bundle.to_vec());
        let others = found.entries.iter();
        let others = others.filter(|(_, bundle)| bundle.as_ref() != Some(&wanted));
        let entries: Vec<Value> = others
            .map(|(name, _)| json!({"name": name, "clientConfig": {"caBundle": wanted}}))
            .collect();
        // A strategic merge finds webhooks by their name and leaves the rest alone.
        let patch = Patch::Strategic(json!({
            "metadata": {"resourceVersion": found.version},
            "webhooks": entries,
        }));
        let parameters = PatchParams::default();
        let write = async {
            let configurations = &self.configurations;
            let patched = configurations.patch(&self.name, &parameters, &patch).await;
            written(patched, &[404, 409])
        };
        limited(self.action("patch"), write).await
    }

    fn action(&self, verb: &str) -> String {
        format!("{verb} validatingwebhookconfiguration {}", self.name)
    }
}
