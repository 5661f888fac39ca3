//! What must hold for challenges, and for the token servers that they name.

use std::sync::{Arc, LazyLock};

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use tokio::time::Instant;

use super::challenge::{Challenge, choose};
use super::{RequestClass, TokenRequest, judge_realm, parse_realm};
use crate::credentials::Credential;
use crate::domain::access::Tenant;
use crate::domain::unknown::Unknown;
use crate::registry::error::malformed;
use crate::registry::host::{Hosts, LookUpSettings, RegistryHost};
use crate::work::audience::Audience;

/// Registries that may have sent the challenge, and the other host that may see their
/// credentials.
const REGISTRIES: [(&str, Option<&str>); 4] = [
    ("https://r.example/", None),
    ("http://r.example:5000/", None),
    ("https://registry-1.docker.io/", Some("auth.docker.io")),
    ("https://registry.gitlab.com/", Some("gitlab.com")),
];

static HOSTS: LazyLock<Option<Hosts>> = LazyLock::new(|| {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Hosts::new(&LookUpSettings::default()).ok()
});

/// Headers, one a line: a challenge that is written down again reads the same, and no
/// accepted token server is where credentials may not go.
pub fn challenge(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').take(8) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(WWW_AUTHENTICATE, value);
        }
    }
    let Some(challenge) = choose(&headers) else {
        return;
    };
    if let Challenge::Bearer {
        realm,
        service,
        scope,
    } = &challenge
    {
        let quoted = [realm, service, scope].map(|text| quote(text));
        let [realm_text, service, scope] = quoted;
        let written = format!("Bearer realm={realm_text},service={service},scope={scope}");
        let written = HeaderValue::from_str(&written);
        let again = written.map(|value| HeaderMap::from_iter([(WWW_AUTHENTICATE, value)]));
        assert_eq!(
            again.map(|headers| choose(&headers)).ok(),
            Some(Some(challenge.clone()))
        );
        check_realm(realm);
    }
}

fn quote(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

fn check_realm(realm: &str) {
    let credential = Arc::new(Credential::new("ann", "secret"));
    for (registry, other) in REGISTRIES {
        for credential in [None, Some(&credential)] {
            if let Ok(accepted) = judged(registry, credential, realm) {
                check_accepted(accepted.as_str(), registry, credential.is_some(), other);
            }
        }
    }
}

/// The token server, if the registry may name it.
pub(super) fn judged(
    registry: &str,
    credential: Option<&Arc<Credential>>,
    realm: &str,
) -> Result<Url, Unknown> {
    let unusable = || malformed("the registry is no host that can be contacted");
    let url = Url::parse(registry).map_err(|_| unusable())?;
    let wanted = TokenRequest {
        registry: &url,
        peer: RegistryHost {
            authority: "the.registry".into(),
            host: HOSTS.as_ref().ok_or_else(unusable)?.of("the.registry"),
        },
        repository: "a/b",
        credential,
        class: RequestClass {
            repository: "a".into(),
            audience: Audience::Caller(Tenant::Operator),
            may_go_on: false,
            limit: None,
            account: None,
            is_counted: false,
            deadline: Instant::now(),
        },
    };
    let realm = parse_realm(realm, &wanted)?;
    judge_realm(&realm, &wanted).map(|()| realm)
}

/// By the text of the URL alone, as one who connects to it would read it.
fn check_accepted(realm: &str, registry: &str, with_credential: bool, other: Option<&str>) {
    assert!(!realm.contains('#'));
    let own_origin = registry.trim_end_matches('/');
    let (scheme, rest) = realm.split_once("://").unwrap_or_default();
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    assert!(scheme == "https" || format!("{scheme}://{authority}") == own_origin);
    assert!(!authority.contains('@') && !authority.is_empty());
    let own_authority = own_origin.split_once("://").unwrap_or_default().1;
    let host = without_port(authority);
    let may_see = host == without_port(own_authority) || Some(host) == other;
    assert!(!with_credential || may_see);
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    }
}
