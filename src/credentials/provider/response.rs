//! What a program answers.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::{Credential, Keyring, PROTOCOL_VERSION};
use crate::go::parse_duration;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProviderResponse {
    api_version: String,
    kind: String,
    cache_key_type: CacheKeyType,
    #[serde(default)]
    cache_duration: Option<String>,
    #[serde(default)]
    auth: Option<BTreeMap<String, Authentication>>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
pub(super) enum CacheKeyType {
    Image,
    Registry,
    Global,
}

#[derive(Deserialize)]
struct Authentication {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

pub(super) type ProviderAnswer = (Keyring, CacheKeyType, Option<Duration>);

/// Errors never hold a part of the output.
pub(super) fn read(output: &[u8]) -> Result<ProviderAnswer, &'static str> {
    let response: ProviderResponse = serde_json::from_slice(output)
        .map_err(|_| "its output is no CredentialProviderResponse")?;
    if response.api_version != PROTOCOL_VERSION || response.kind != "CredentialProviderResponse" {
        return Err("its output is of another kind or version");
    }
    let stated = match &response.cache_duration {
        None => None,
        Some(text) => Some(parse_duration(text).ok_or("its cacheDuration is no duration")?),
    };
    let entries = response.auth.unwrap_or_default().into_iter();
    let config = entries.map(|(key, entry)| {
        let password = zeroize::Zeroizing::new(entry.password);
        (key, Credential::new(&entry.username, &password))
    });
    Ok((
        Keyring::new(config.collect()),
        response.cache_key_type,
        stated,
    ))
}
