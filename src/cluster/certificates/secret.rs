//! The Secret that the replicas of one release share.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use futures::Stream;
use http_body_util::BodyExt;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{GetParams, PostParams, Request};
use kube::client::Body;
use kube::core::Status;
use kube::{Api, Client};

use super::changes::changes;
use super::{CertificateStoreError, Written, limited, written};

/// Marks a Secret that every replica watches: earlier versions read it once a minute.
const WATCHED_ANNOTATION: &str = "archmatch.io/replicas-watch";
/// Beyond this much after 1970 a clock is no clock.
const MAX_CLOCK: Duration = Duration::from_secs(300 * 365 * 24 * 60 * 60);

/// The Secret, found by its name.
#[derive(Clone)]
pub struct CertificateStore {
    secrets: Api<Secret>,
    name: String,
}

/// What was found under the name.
pub struct Stored {
    /// Whether every replica that shares it watches it.
    pub all_watch: bool,
    /// What the API server's clock said, if it did.
    pub now: Option<SystemTime>,
    object: Option<Secret>,
}

impl Stored {
    /// What stands under a key; empty when nothing does, or there is no Secret.
    pub fn value(&self, key: &str) -> Vec<u8> {
        let data = self.object.as_ref().and_then(|secret| secret.data.as_ref());
        let value = data.and_then(|data| data.get(key));
        value.map(|value| value.0.clone()).unwrap_or_default()
    }
}

impl CertificateStore {
    /// The Secret with this name; nothing is read yet.
    pub fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self {
            secrets: Api::namespaced(client, namespace),
            name: name.to_owned(),
        }
    }

    /// An item whenever the Secret may have changed, for ever.
    pub fn changes(&self) -> impl Stream<Item = Result<(), kube::Error>> + Send + use<> {
        changes(self.secrets.clone(), &self.name)
    }

    /// What the Secret holds, as the newest write left it.
    ///
    /// # Errors
    /// When the API server cannot be asked.
    pub async fn read(&self) -> Result<Stored, CertificateStoreError> {
        let (object, now) = limited(self.action("read"), self.get()).await?;
        Ok(Stored {
            all_watch: object.as_ref().is_none_or(|secret| {
                let annotations = secret.metadata.annotations.as_ref();
                annotations.is_some_and(|found| found.contains_key(WATCHED_ANNOTATION))
            }),
            now,
            object,
        })
    }

    /// Stores these keys in place of what was found, and leaves everything else of the Secret
    /// alone. `all_watch` marks it for good.
    ///
    /// # Errors
    /// When the API server cannot be asked, or refuses.
    pub async fn write(
        &self,
        found: &Stored,
        data: [(&str, Vec<u8>); 4],
        all_watch: bool,
    ) -> Result<Written, CertificateStoreError> {
        let exists = found.object.is_some();
        let mut secret = found.object.clone().unwrap_or_else(|| self.empty());
        let data = data.map(|(key, value)| (key.to_owned(), ByteString(value)));
        secret.data.get_or_insert_default().extend(data);
        if all_watch {
            let annotations = secret.metadata.annotations.get_or_insert_default();
            annotations.insert(WATCHED_ANNOTATION.to_owned(), "true".to_owned());
        }
        let parameters = PostParams::default();
        let write = async {
            if exists {
                // With the resource version that was read, a second writer is refused.
                let written_over = self.secrets.replace(&self.name, &parameters, &secret).await;
                written(written_over, &[404, 409])
            } else {
                written(self.secrets.create(&parameters, &secret).await, &[409])
            }
        };
        limited(self.action("write"), write).await
    }

    fn empty(&self) -> Secret {
        let mut secret = Secret {
            type_: Some("kubernetes.io/tls".to_owned()),
            ..Secret::default()
        };
        secret.metadata.name = Some(self.name.clone());
        secret.metadata.labels = Some(BTreeMap::from([(
            "app.kubernetes.io/managed-by".to_owned(),
            "archmatch".to_owned(),
        )]));
        secret
    }

    /// The Secret with the time of the answer: its author also checks our certificates.
    async fn get(&self) -> Result<(Option<Secret>, Option<SystemTime>), kube::Error> {
        let request =
            Request::new(self.secrets.resource_url()).get(&self.name, &GetParams::default());
        let request = request.map_err(kube::Error::BuildRequest)?;
        let client = self.secrets.clone().into_client();
        let answer = client.send(request.map(Body::from)).await?;
        let date = answer.headers().get("date");
        let date = date.and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        let now = date.filter(|date| *date < SystemTime::UNIX_EPOCH + MAX_CLOCK);
        let code = answer.status().as_u16();
        let body = answer.into_body().collect().await?.to_bytes();
        if code == 404 {
            return Ok((None, now));
        }
        if code >= 400 {
            let status: Result<Status, _> = serde_json::from_slice(&body);
            let status = status.unwrap_or_else(|_| Status::failure(&code.to_string(), "Unknown"));
            return Err(kube::Error::Api(status.with_code(code).boxed()));
        }
        let secret = serde_json::from_slice(&body).map_err(kube::Error::SerdeError)?;
        Ok((Some(secret), now))
    }

    fn action(&self, verb: &str) -> String {
        format!("{verb} secret {}", self.name)
    }
}
