//! What must hold for what registries and docker configs say; see [`crate::registry`].

use std::collections::BTreeSet;

use serde_json::Value;

use super::cache::file::format;
use super::document::{self, Body};
pub use super::token::fuzzing::challenge;
use crate::credentials::docker_config::{self, DockerConfig};
use crate::credentials::keyring::{Keyring, matches};
use crate::domain::inspection::{Content, Entry};
use crate::domain::platform::Platform;
use crate::domain::reference::{ImageReference, RepositoryName};

/// The first line, and what follows it.
fn first_line(bytes: &[u8]) -> (Option<&str>, &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let Some(end) = end else {
        return (None, bytes);
    };
    (std::str::from_utf8(&bytes[..end]).ok(), &bytes[end + 1..])
}

/// A cache file, and one with this body and the right checksum: what is read is within the
/// limits, and reads the same when it is written again.
pub fn cache_file(bytes: &[u8]) {
    let _ = format::decode(bytes);
    let Ok(contents) = format::decode(&format::sealed(bytes)) else {
        return;
    };
    for inspection in &contents.documents {
        check_content(&inspection.content);
    }
    let mut written = Vec::new();
    let outcome = format::encode(&contents, usize::MAX, &mut written);
    assert!(outcome.is_ok());
    assert_eq!(format::decode(&written), Ok(contents));
}

fn check_content(content: &Content) {
    match content {
        Content::Index(entries) => check_entries(entries),
        Content::Manifest(platform) => check_platform(platform),
        Content::Artifact => {}
    }
}

fn check_entries(entries: &[Entry]) {
    assert!(entries.len() <= 1000);
    let platforms = entries.iter().filter_map(|entry| entry.platform.as_ref());
    platforms.for_each(|platform| check_platform(platform));
}

/// A document of a registry, behind a line with its `Content-Type`: the limits hold, and
/// nothing that is index and manifest at once is accepted.
pub fn document(bytes: &[u8]) {
    let (content_type, body) = first_line(bytes);
    if let Ok(platform) = document::parse_config(body) {
        check_platform(&platform);
    }
    let Ok(document) = document::parse(body, content_type.filter(|line| !line.is_empty())) else {
        return;
    };
    let is_index = matches!(document.body, Body::Index(_));
    assert_eq!(is_index, document.media_type.is_index());
    if let Body::Index(entries) = &document.body {
        check_entries(entries);
    }
    // Of keys that differ in case alone the last one counts, which a tree does not show.
    let Ok(Value::Object(tree)) = serde_json::from_slice(body) else {
        return;
    };
    let has = |name: &str| tree.get(name).is_some_and(|value| !value.is_null());
    assert!(!(has("manifests") && (has("config") || has("layers"))));
    if let (Body::Index(entries), Some(Value::Array(list))) =
        (&document.body, tree.get("manifests"))
    {
        let names = tree.keys().map(|key| key.to_lowercase());
        if names.filter(|name| name.contains("manifest")).count() == 1 {
            assert_eq!(entries.len(), list.len());
        }
    }
}

fn check_platform(platform: &Platform) {
    assert!(platform.os_features.len() <= 64);
    let normalized = platform.normalized();
    assert_eq!(normalized.normalized(), normalized);
}

/// A docker config, behind a line with an image: both readings agree, and a credential is
/// found only where its own key leads to the image's registry.
pub fn docker_config(bytes: &[u8]) {
    let (image, text) = first_line(bytes);
    let parsed = docker_config::parse(text);
    let client = docker_config::parse_client(text);
    // The kubelet's reading is the stricter one: it decodes more.
    assert!(parsed.is_err() || client.is_ok());
    if !text.is_empty() {
        let secret = "kubernetes.io/dockerconfigjson";
        let secret = docker_config::parse_secret(secret, ".dockerconfigjson", text);
        assert_eq!(secret, parsed.clone().map(Some));
    }
    let (Some(image), Ok(config)) = (image, parsed) else {
        return;
    };
    let keys: BTreeSet<&String> = config.iter().map(|(key, _)| key).collect();
    assert_eq!(keys.len(), config.len());
    if let Ok(image) = image.parse::<ImageReference>() {
        check_lookup(config, image.name());
    }
}

fn check_lookup(config: DockerConfig, name: &RepositoryName) {
    let found = Keyring::new(config.clone()).find(name);
    // One entry for one key: nothing is offered twice.
    assert!(found.len() <= config.len());
    for credential in &found {
        let keys = config.iter().filter(|(_, known)| known == &**credential);
        assert!(
            keys.into_iter().any(|(key, _)| may_lead_to(key, name)),
            "a credential of another registry is offered to {name}"
        );
    }
}

/// Whether the key alone would be enough. Docker Hub has keys of other names.
fn may_lead_to(key: &str, name: &RepositoryName) -> bool {
    let bare = ["https://", "http://"];
    let bare = bare.iter().find_map(|scheme| key.strip_prefix(scheme));
    let bare = bare.unwrap_or(key);
    let host = bare.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    let is_hub = &**name.registry() == "docker.io" && host == "index.docker.io";
    !host.is_empty() && (is_hub || matches(host, name))
}
