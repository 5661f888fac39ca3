//! Secrets, one at a time: never listed, never watched.

use std::collections::HashMap;

use k8s_openapi::api::core::v1;
use kube::{Api, Client};
use serde_json::Value;
use thiserror::Error;

use crate::domain::access::SecretName;
use crate::objects::context::{self, Secret};
use crate::objects::json::ObjectError;

/// Why a secret could not be read.
#[derive(Debug, Error)]
pub enum SecretError {
    /// There is none.
    #[error("there is no such secret")]
    Missing,
    /// The API server does not let us.
    #[error("the API server forbids it")]
    Forbidden,
    /// The API server could not be asked.
    #[error("ask the API server")]
    Api(#[source] Box<kube::Error>),
}

/// Reads one secret of a live cluster.
///
/// # Errors
/// [`SecretError`]
pub async fn read(client: &Client, name: &SecretName) -> Result<Secret, SecretError> {
    let secrets: Api<v1::Secret> = Api::namespaced(client.clone(), name.namespace());
    let found = secrets.get(name.name()).await;
    let secret = found.map_err(|error| match error {
        kube::Error::Api(status) if status.code == 404 => SecretError::Missing,
        kube::Error::Api(status) if matches!(status.code, 401 | 403) => SecretError::Forbidden,
        error => SecretError::Api(Box::new(error)),
    })?;
    let data = secret.data.unwrap_or_default().into_iter();
    Ok(Secret {
        kind: secret.type_.unwrap_or_default(),
        data: data.map(|(key, bytes)| (key, bytes.0)).collect(),
    })
}

/// The secrets among the objects of a snapshot. One that cannot be read is left out and
/// returned, with its position.
pub fn from_objects<'a>(
    objects: impl IntoIterator<Item = &'a Value>,
) -> (HashMap<SecretName, Secret>, Vec<(usize, ObjectError)>) {
    let mut secrets = HashMap::new();
    let mut errors = Vec::new();
    for (position, object) in objects.into_iter().enumerate() {
        if object["kind"] != "Secret" || object["apiVersion"] != "v1" {
            continue;
        }
        match context::read_secret(object) {
            Ok(((namespace, name), secret)) => {
                let named = SecretName::new(&namespace, &name);
                secrets.extend(named.map(|name| (name, secret)));
            }
            Err(error) => errors.push((position, error)),
        }
    }
    (secrets, errors)
}
