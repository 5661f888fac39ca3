//! Where the replicas keep the certificate that they share, and how the API server learns
//! whom to trust.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use thiserror::Error;

/// A certificate, its key and its CA, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedPair {
    /// The CA that the API server is to trust.
    pub ca: String,
    /// The serving certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

/// Why the shared certificate cannot be kept.
#[derive(Debug, Error)]
pub enum CertificateStoreError {
    /// The API server refused, or is away.
    #[error("{action}")]
    Api {
        /// What was tried.
        action: String,
        /// What came back.
        #[source]
        source: Box<kube::Error>,
    },
}

/// The Secret that the replicas of one release share.
#[derive(Clone)]
pub struct CertificateStore {
    secrets: Api<Secret>,
    name: String,
}

impl CertificateStore {
    /// The Secret with this name; nothing is read yet.
    pub fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self {
            secrets: Api::namespaced(client, namespace),
            name: name.to_owned(),
        }
    }

    /// What the Secret holds; nothing when there is none or it is incomplete.
    ///
    /// # Errors
    /// When the API server cannot be asked.
    pub async fn read(&self) -> Result<Option<SharedPair>, CertificateStoreError> {
        let secret = self.secrets.get_opt(&self.name).await;
        let secret = secret.map_err(|error| self.failed("read", error))?;
        Ok(secret.and_then(|secret| pair(&secret)))
    }

    /// Stores a new pair in place of the one that was found unfit, or of none. Where another
    /// replica was first, that one's pair is returned instead, so that all serve the same.
    ///
    /// # Errors
    /// When the API server cannot be asked, or refuses.
    pub async fn offer(
        &self,
        offered: SharedPair,
        unfit: Option<&SharedPair>,
    ) -> Result<SharedPair, CertificateStoreError> {
        let existing = self.secrets.get_opt(&self.name).await;
        let existing = existing.map_err(|error| self.failed("read", error))?;
        // What nobody found unfit was stored since the caller read: making a pair takes
        // long enough for the other replica.
        if let Some(theirs) = existing.as_ref().and_then(pair)
            && unfit != Some(&theirs)
        {
            return Ok(theirs);
        }
        let secret = self.secret(&offered, existing.as_ref());
        let parameters = PostParams::default();
        // With the resource version that was read, a second writer is refused.
        let written = match &existing {
            None => self.secrets.create(&parameters, &secret).await,
            Some(_) => self.secrets.replace(&self.name, &parameters, &secret).await,
        };
        match written {
            Ok(_) => Ok(offered),
            Err(kube::Error::Api(status)) if status.code == 409 => {
                Ok(self.read().await?.unwrap_or(offered))
            }
            Err(error) => Err(self.failed("write", error)),
        }
    }

    fn secret(&self, pair: &SharedPair, existing: Option<&Secret>) -> Secret {
        let data = [
            ("ca.crt", &pair.ca),
            ("tls.crt", &pair.certificate),
            ("tls.key", &pair.key),
        ];
        let metadata = ObjectMeta {
            name: Some(self.name.clone()),
            labels: Some(BTreeMap::from([(
                "app.kubernetes.io/managed-by".to_owned(),
                "archmatch".to_owned(),
            )])),
            resource_version: existing.and_then(|found| found.metadata.resource_version.clone()),
            ..ObjectMeta::default()
        };
        Secret {
            metadata,
            type_: Some("kubernetes.io/tls".to_owned()),
            data: Some(
                data.into_iter()
                    .map(|(key, text)| (key.to_owned(), ByteString(text.clone().into_bytes())))
                    .collect(),
            ),
            ..Secret::default()
        }
    }

    fn failed(&self, verb: &str, error: kube::Error) -> CertificateStoreError {
        CertificateStoreError::Api {
            action: format!("{verb} secret {}", self.name),
            source: Box::new(error),
        }
    }
}

fn pair(secret: &Secret) -> Option<SharedPair> {
    let data = secret.data.as_ref()?;
    let text = |key: &str| String::from_utf8(data.get(key)?.0.clone()).ok();
    Some(SharedPair {
        ca: text("ca.crt")?,
        certificate: text("tls.crt")?,
        key: text("tls.key")?,
    })
}

/// Makes the API server trust a CA: patches the caBundle of every webhook in the
/// configuration, and nothing else of it. Tells whether anything had to change.
///
/// # Errors
/// When the configuration is not there, or the API server refuses.
pub async fn trust(
    client: Client,
    configuration: &str,
    ca: &str,
) -> Result<bool, CertificateStoreError> {
    let failed = |verb: &str, error| CertificateStoreError::Api {
        action: format!("{verb} validatingwebhookconfiguration {configuration}"),
        source: Box::new(error),
    };
    let api: Api<ValidatingWebhookConfiguration> = Api::all(client);
    let found = api
        .get(configuration)
        .await
        .map_err(|error| failed("read", error))?;
    let webhooks = found.webhooks.unwrap_or_default();
    let wanted = ByteString(ca.as_bytes().to_vec());
    let stale: Vec<Value> = webhooks
        .iter()
        .filter(|webhook| webhook.client_config.ca_bundle.as_ref() != Some(&wanted))
        .map(|webhook| json!({"name": webhook.name, "clientConfig": {"caBundle": wanted}}))
        .collect();
    if stale.is_empty() {
        return Ok(false);
    }
    // A strategic merge finds webhooks by their name and leaves the rest alone.
    let patch = Patch::Strategic(json!({"webhooks": stale}));
    api.patch(configuration, &PatchParams::default(), &patch)
        .await
        .map_err(|error| failed("patch", error))?;
    Ok(true)
}
