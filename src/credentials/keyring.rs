//! Which credentials fit an image, and in which order they are tried.
//!
//! The kubelet's rules to the letter, odd ones included: what it would not use, we must not.
//! One is stricter here: see [`is_default_registry`].
//! Source: Kubernetes `pkg/credentialprovider/keyring.go`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Credential;
use super::docker_config::DockerConfig;
use crate::domain::glob;
use crate::domain::reference::RepositoryName;

/// The key that stands for Docker Hub when no other matched.
const DEFAULT_REGISTRY: &str = "index.docker.io";

/// Credentials by normalised key.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    entries: BTreeMap<String, KeyringEntry>,
}

#[derive(Clone, Debug)]
struct KeyringEntry {
    /// The key read as a URL once more, as upstream does; `None` matches nothing.
    pattern: Option<Location>,
    credentials: Vec<Arc<Credential>>,
}

/// A credential that fits, and the position of the keyring that it is from.
pub type FoundCredential = (usize, Arc<Credential>);

impl Keyring {
    /// The keyring of a docker config. Keys that are no URL offer nothing.
    pub fn new(config: DockerConfig) -> Self {
        let mut keyring = Self::default();
        for (location, credential) in config {
            let Some(url) = Location::parse(without_scheme(&location)) else {
                continue;
            };
            let path = match url.path.get(..4) {
                Some("/v1/" | "/v2/") => &url.path[3..],
                _ => &*url.path,
            };
            let path = if path == "/" { "" } else { path };
            let key = format!("{}{path}", url.host);
            let pattern = Location::parse(&key);
            let entry = keyring.entries.entry(key).or_insert(KeyringEntry {
                pattern,
                credentials: Vec::new(),
            });
            entry.credentials.push(Arc::new(credential));
        }
        keyring
    }

    /// The credentials for the repository, in the order to try them in. When there is none,
    /// the image is pulled anonymously; when there is one, it is not.
    pub fn find(&self, repository: &RepositoryName) -> Vec<Arc<Credential>> {
        let found = find([(0, self)], repository).into_iter();
        found.map(|(_, credential)| credential).collect()
    }
}

/// The credentials of several keyrings, by position, as if they were one, which is how the
/// kubelet takes the pull secrets of a pod.
pub fn find<'a>(
    keyrings: impl IntoIterator<Item = (usize, &'a Keyring)>,
    repository: &RepositoryName,
) -> Vec<FoundCredential> {
    let target = Location::of(repository);
    let mut matching = Vec::new();
    let mut default = Vec::new();
    for (position, keyring) in keyrings {
        for (key, entry) in &keyring.entries {
            if entry
                .pattern
                .as_ref()
                .is_some_and(|key| is_match(key, &target))
            {
                matching.push((key.as_str(), position, &entry.credentials));
            }
        }
        let entry = keyring.entries.get(DEFAULT_REGISTRY);
        default.extend(entry.map(|entry| (position, &entry.credentials)));
    }
    // In reverse order, longer paths come before shorter ones. The sort is stable: of equal
    // keys, the earlier keyring's comes first.
    matching.sort_by(|one, other| other.0.cmp(one.0));
    let mut found: Vec<_> = matching
        .into_iter()
        .map(|(_, position, credentials)| (position, credentials))
        .collect();
    if found.is_empty() && is_default_registry(repository) {
        found = default;
    }
    found
        .into_iter()
        .flat_map(|(position, credentials)| {
            let credentials = credentials.iter().cloned();
            credentials.map(move |credential| (position, credential))
        })
        .collect()
}

/// Whether a pattern of the kubelet (`matchImages` of a credential provider) matches the
/// repository.
pub fn matches(pattern: &str, repository: &RepositoryName) -> bool {
    Location::parse(pattern).is_some_and(|key| is_match(&key, &Location::of(repository)))
}

fn without_scheme(location: &str) -> &str {
    location
        .strip_prefix("https://")
        .or_else(|| location.strip_prefix("http://"))
        .unwrap_or(location)
}

/// Names have their host here. The kubelet counts every host without a dot or a port as
/// Docker Hub (`localhost/app`, `MyOrg/app`); we show a credential to its own host only.
fn is_default_registry(repository: &RepositoryName) -> bool {
    matches!(&**repository.registry(), "docker.io" | DEFAULT_REGISTRY)
}

/// Equal ports, equally many host labels that match one by one, and a path that begins
/// with the key's, in the middle of a component too.
fn is_match(key: &Location, image: &Location) -> bool {
    let (key_host, key_port) = split_port(&key.host);
    let (image_host, image_port) = split_port(&image.host);
    key_port == image_port
        && image.path.starts_with(&*key.path)
        && key_host.split('.').count() == image_host.split('.').count()
        && key_host
            .split('.')
            .zip(image_host.split('.'))
            .all(|(pattern, label)| is_label_match(pattern, label))
}

/// `*` is the only wildcard that survives as part of a URL's host. In Go's patterns a
/// bracket opens a class, so a bracketed address never matches itself.
fn is_label_match(pattern: &str, label: &str) -> bool {
    !pattern.contains('[') && glob::is_match(pattern, label)
}

/// Go's `net.SplitHostPort`; a host that it refuses counts whole, without port.
fn split_port(host: &str) -> (&str, &str) {
    if let Some((address, rest)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return match rest.strip_prefix(':') {
            Some(port) => (address, port),
            None => (host, ""),
        };
    }
    match host.split_once(':') {
        Some((name, port)) if !port.contains(':') => (name, port),
        _ => (host, ""),
    }
}

/// Host and path as Go's `url.Parse` finds them behind `https://`.
#[derive(Clone, Debug)]
struct Location {
    host: String,
    path: String,
}

impl Location {
    /// References allow nothing that a URL would read otherwise.
    fn of(repository: &RepositoryName) -> Self {
        Self {
            host: repository.registry().to_string(),
            path: format!("/{}", repository.path()),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if text.chars().any(|letter| letter.is_ascii_control()) {
            return None;
        }
        let text = text.split('#').next()?.split('?').next()?;
        let (authority, path) = match text.find('/') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        Some(Self {
            host: is_host(host).then(|| host.to_owned())?,
            path: unescape(path)?,
        })
    }
}

fn is_host(host: &str) -> bool {
    let port = match host.strip_prefix('[') {
        Some(rest) => match rest.rsplit_once(']') {
            Some((_, port)) => port,
            None => return false,
        },
        None if host.contains('[') => return false,
        None => host.rfind(':').map_or("", |at| &host[at..]),
    };
    let port_fits = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    // Escapes are allowed for other than ASCII only, which no image's host has.
    let allowed = |letter: char| {
        !letter.is_ascii()
            || letter.is_ascii_alphanumeric()
            || "-_.~!$&'()*+,;=:[]<>\"".contains(letter)
    };
    port_fits && host.chars().all(allowed)
}

fn unescape(path: &str) -> Option<String> {
    let mut bytes = path.bytes();
    let mut plain = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            plain.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            plain.push(byte);
        }
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::super::docker_config::{parse, parse_secret};
    use super::*;
    use serde_json::{Value, json};

    fn vectors(kind: &str) -> Vec<Value> {
        let text = include_str!("../../tests/data/keyring-vectors.json");
        let file: Value = serde_json::from_str(text).unwrap();
        let vectors = file["vectors"].as_array().unwrap().clone();
        let of_kind: Vec<_> = vectors
            .into_iter()
            .filter(|vector| vector["kind"] == kind)
            .collect();
        assert!(!of_kind.is_empty(), "{kind}");
        of_kind
    }

    fn named(image: &str) -> RepositoryName {
        let (registry, path) = image.split_once('/').unwrap_or((image, ""));
        RepositoryName::new(registry, path)
    }

    fn found(config: DockerConfig, image: &str) -> Value {
        Keyring::new(config)
            .find(&named(image))
            .iter()
            .map(|found| json!({"username": found.username(), "password": found.password()}))
            .collect()
    }

    #[test]
    fn keys_match_as_upstream_matches_them() {
        for vector in vectors("urls_match") {
            let (key, image) = (
                vector["glob"].as_str().unwrap(),
                vector["image"].as_str().unwrap(),
            );
            assert_eq!(
                matches(key, &named(image)),
                vector["match"].as_bool().unwrap(),
                "{vector}"
            );
        }
    }

    #[test]
    fn lookups_find_what_upstream_finds_in_its_order() {
        for vector in vectors("lookup") {
            let config = parse(json!({"auths": vector["auths"]}).to_string().as_bytes());
            assert_eq!(config.is_err(), vector["error"].is_string(), "{vector}");
            let found = found(
                config.unwrap_or_default(),
                vector["image"].as_str().unwrap(),
            );
            assert_eq!(found, vector["credentials"], "{vector}");
        }
    }

    #[test]
    fn entries_decode_as_upstream_decodes_them() {
        for vector in vectors("auth_entry") {
            let config = parse(
                json!({"auths": {"a.b": vector["entry"]}})
                    .to_string()
                    .as_bytes(),
            );
            assert_eq!(
                config.is_ok(),
                vector["valid"].as_bool().unwrap(),
                "{vector}"
            );
            assert_eq!(
                found(config.unwrap_or_default(), "a.b/c"),
                vector["credentials"],
                "{vector}"
            );
        }
    }

    #[test]
    fn secrets_are_read_by_type_and_key() {
        for vector in vectors("secret") {
            let text = |name: &str| vector[name].as_str().unwrap().to_owned();
            let payload = vector["payload"].to_string();
            let config = parse_secret(&text("secret_type"), &text("data_key"), payload.as_bytes());
            let found = found(config.unwrap().unwrap_or_default(), &text("image"));
            assert_eq!(found, vector["credentials"], "{vector}");
        }
    }

    #[test]
    fn secrets_of_a_pod_are_one_keyring() {
        let keyring = |entries: &[(&str, &str)]| {
            let entry = |(key, user): &(&str, &str)| ((*key).to_owned(), Credential::new(user, ""));
            Keyring::new(entries.iter().map(entry).collect())
        };
        let first = keyring(&[("r.example", "a"), ("index.docker.io", "hub-a")]);
        let second = keyring(&[
            ("r.example", "b"),
            ("r.example/team", "c"),
            ("index.docker.io", "hub-b"),
        ]);
        let users = |image| -> Vec<(usize, String)> {
            let found = find([(0, &first), (1, &second)], &named(image)).into_iter();
            found
                .map(|(position, found)| (position, found.username().to_owned()))
                .collect()
        };
        let expected = [(1, "c"), (0, "a"), (1, "b")].map(|(at, user)| (at, user.to_owned()));
        assert_eq!(users("r.example/team/app"), expected);
        let expected = [(0, "hub-a"), (1, "hub-b")].map(|(at, user)| (at, user.to_owned()));
        assert_eq!(users("docker.io/library/node"), expected);
        for other in ["other.example/app", "localhost/app", "MyOrg/app"] {
            assert!(users(other).is_empty(), "{other}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_key_panics(key in r"([a-z.*:/\[\]@%?#0-9]|\PC){0,40}", image in r"[a-z.:/\[\]0-9]{0,40}") {
            Keyring::new(vec![(key.clone(), Credential::default())]).find(&named(&image));
            matches(&key, &named(&image));
        }
    }
}
