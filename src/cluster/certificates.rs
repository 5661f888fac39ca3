//! The two places in a cluster where the webhook's certificate is written: the Secret that
//! the replicas share, and the `caBundle` of the webhook configuration.
//!
//! Several replicas may write at once. The API server lets one of them win, by the object's
//! resource version; the others read what the winner wrote.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;
use thiserror::Error;

/// Keys of the Secret. The first two are those of the type `kubernetes.io/tls`; cert-manager
/// writes the third as well.
const CERTIFICATE_KEY: &str = "tls.crt";
const PRIVATE_KEY_KEY: &str = "tls.key";
const AUTHORITY_KEY: &str = "ca.crt";

const SECRET_TYPE: &str = "kubernetes.io/tls";

/// How often a lost race on the webhook configuration is run again.
const ATTEMPTS: usize = 5;

/// Why a certificate is not where it should be.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// The API server refused, or was not there.
    #[error("{action} {object}")]
    Api {
        /// What was done: `read`, `create`, `patch`.
        action: &'static str,
        /// Kind and name of the object.
        object: String,
        /// What came back.
        source: Box<kube::Error>,
    },
    /// Others kept changing the object.
    #[error("patch {object}: lost the race {ATTEMPTS} times")]
    Contended {
        /// Kind and name of the object.
        object: String,
    },
}

/// Certificate, key and authority, each as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsMaterial {
    /// The serving certificate, with what is between it and the authority.
    pub certificate: String,
    /// Its private key.
    pub private_key: String,
    /// The authorities that clients shall trust; several while one replaces another.
    pub authority: String,
}

impl std::fmt::Debug for TlsMaterial {
    /// Without the private key.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("TlsMaterial")
            .field("certificate", &self.certificate)
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

/// What the Secret held when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTls {
    /// None where the Secret exists and is not filled yet.
    pub material: Option<TlsMaterial>,
    resource_version: String,
}

/// Whose material is in the Secret after a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// What was asked to be written.
    Ours(StoredTls),
    /// Another replica was faster; none where the Secret vanished meanwhile.
    Theirs(Option<StoredTls>),
}

/// A Secret with a certificate.
pub struct TlsSecret {
    api: Api<Secret>,
    name: String,
}

impl TlsSecret {
    /// The Secret of this namespace and name, which need not exist.
    pub fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
        }
    }

    /// Reads the Secret; none where it does not exist.
    ///
    /// # Errors
    /// The API server refuses or is away.
    pub async fn read(&self) -> Result<Option<StoredTls>, CertificateError> {
        let secret = self.api.get_opt(&self.name).await;
        let secret = secret.map_err(|error| self.error("read", error))?;
        Ok(secret.map(|secret| to_stored(&secret)))
    }

    /// Writes the material over what was read before, or creates the Secret. Labels, and
    /// whatever else others put on the Secret, stay.
    ///
    /// # Errors
    /// The API server refuses or is away. A lost race is no error.
    pub async fn write(
        &self,
        material: &TlsMaterial,
        over: Option<&StoredTls>,
    ) -> Result<Written, CertificateError> {
        let (action, written) = match over {
            None => {
                let secret = self.to_secret(material);
                (
                    "create",
                    self.api.create(&PostParams::default(), &secret).await,
                )
            }
            Some(stored) => {
                let patch = Patch::Merge(json!({
                    // The API server refuses the patch of any other version.
                    "metadata": {"resourceVersion": stored.resource_version},
                    "data": to_data(material),
                }));
                let parameters = PatchParams::default();
                (
                    "patch",
                    self.api.patch(&self.name, &parameters, &patch).await,
                )
            }
        };
        match written {
            Ok(secret) => Ok(Written::Ours(to_stored(&secret))),
            // Another replica was faster, or the Secret went between reading and writing.
            Err(kube::Error::Api(status))
                if status.code == 409 || (status.code == 404 && over.is_some()) =>
            {
                self.read().await.map(Written::Theirs)
            }
            Err(error) => Err(self.error(action, error)),
        }
    }

    fn to_secret(&self, material: &TlsMaterial) -> Secret {
        Secret {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            type_: Some(SECRET_TYPE.to_owned()),
            data: Some(to_data(material)),
            ..Secret::default()
        }
    }

    fn error(&self, action: &'static str, error: kube::Error) -> CertificateError {
        CertificateError::Api {
            action,
            object: format!("Secret {}", self.name),
            source: Box::new(error),
        }
    }
}

fn to_data(material: &TlsMaterial) -> BTreeMap<String, ByteString> {
    [
        (CERTIFICATE_KEY, &material.certificate),
        (PRIVATE_KEY_KEY, &material.private_key),
        (AUTHORITY_KEY, &material.authority),
    ]
    .into_iter()
    .map(|(key, pem)| (key.to_owned(), ByteString(pem.as_bytes().to_vec())))
    .collect()
}

fn to_stored(secret: &Secret) -> StoredTls {
    // A chart may create the Secret with empty entries, since the type demands them.
    let entry = |key: &str| {
        let bytes = secret.data.as_ref()?.get(key)?;
        let text = String::from_utf8(bytes.0.clone()).ok()?;
        (!text.is_empty()).then_some(text)
    };
    let material = || {
        Some(TlsMaterial {
            certificate: entry(CERTIFICATE_KEY)?,
            private_key: entry(PRIVATE_KEY_KEY)?,
            authority: entry(AUTHORITY_KEY)?,
        })
    };
    StoredTls {
        material: material(),
        resource_version: secret.metadata.resource_version.clone().unwrap_or_default(),
    }
}

/// What a patch of the webhook configuration did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patched {
    /// Every webhook had the bundle already.
    Unchanged,
    /// Some webhook has it now.
    Changed,
}

/// Puts the authority into the `caBundle` of every webhook of a configuration, and touches
/// nothing else.
///
/// # Errors
/// The API server refuses or is away, or others keep changing the configuration.
pub async fn patch_ca_bundle(
    client: Client,
    configuration: &str,
    authority: &str,
) -> Result<Patched, CertificateError> {
    let api: Api<ValidatingWebhookConfiguration> = Api::all(client);
    let object = || format!("ValidatingWebhookConfiguration {configuration}");
    let bundle = ByteString(authority.as_bytes().to_vec());
    for _ in 0..ATTEMPTS {
        let found = api.get(configuration).await;
        let found = found.map_err(|error| CertificateError::Api {
            action: "read",
            object: object(),
            source: Box::new(error),
        })?;
        let webhooks: Vec<_> = found
            .webhooks
            .iter()
            .flatten()
            .filter(|webhook| webhook.client_config.ca_bundle.as_ref() != Some(&bundle))
            // Entries merge by name: what is not named here stays as it is.
            .map(|webhook| json!({"name": webhook.name, "clientConfig": {"caBundle": bundle}}))
            .collect();
        if webhooks.is_empty() {
            return Ok(Patched::Unchanged);
        }
        let patch = Patch::Strategic(json!({
            // Without it, a webhook that others just removed would be added again.
            "metadata": {"resourceVersion": found.metadata.resource_version},
            "webhooks": webhooks,
        }));
        match api
            .patch(configuration, &PatchParams::default(), &patch)
            .await
        {
            Ok(_) => return Ok(Patched::Changed),
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => {
                return Err(CertificateError::Api {
                    action: "patch",
                    object: object(),
                    source: Box::new(error),
                });
            }
        }
    }
    Err(CertificateError::Contended { object: object() })
}
