//! Proofs for registries: Basic, and tokens from token servers.
//!
//! TokenSource: <https://distribution.github.io/distribution/spec/auth/token/>. Tokens are kept
//! by realm, service, scope and credential: what one credential may see never answers for
//! another. An identity token of docker's is a refresh token: it is posted, and for nothing
//! else. TokenSource: <https://distribution.github.io/distribution/spec/auth/oauth/>.

mod challenge;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod source;

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::FutureExt;
use moka::sync::Cache;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use serde::Deserialize;
use tokio::time::Instant;
use tracing::Instrument;
use zeroize::Zeroizing;

use super::bulkhead::RequestClass;
use super::error::{absent, blocked, hidden, malformed, refused, unsupported};
use super::host::{RegistryHost, authority};
use super::transport::{RegistryRequest, RegistryTransport};
use crate::credentials::Credential;
use crate::credentials::CredentialHash;
use crate::domain::text::printable;
use crate::domain::unknown::{Reason, Unknown};
use crate::work::flight::Flights;
use challenge::Challenge;
use source::{TokenSource, pull_scope};

/// Largest answer of a token server.
const MAX_TOKEN_BYTES: u64 = 64 * 1024;
/// Shortest and longest time that a token is used. TokenSource: the token specification has
/// 60 seconds as the least; a day-long one may have been revoked.
const MIN_TOKEN_LIFETIME: Duration = Duration::from_secs(60);
const MAX_TOKEN_LIFETIME: Duration = Duration::from_secs(3600);
/// Most tokens that are kept, and most repositories whose challenge is.
const MAX_TOKENS: u64 = 10_000;

/// Token servers that registries have on another host and that may see credentials for
/// them: everybody else's must be on the registry's own host.
const KNOWN_REALMS: [(&str, &str); 2] = [
    ("registry-1.docker.io", "auth.docker.io"),
    ("registry.gitlab.com", "gitlab.com"),
];

/// For whom and for what a proof is.
#[derive(Clone)]
pub(super) struct TokenRequest<'a> {
    /// Any URL of the registry.
    pub(super) registry: &'a Url,
    pub(super) peer: RegistryHost<'a>,
    pub(super) repository: &'a str,
    /// `None` is anonymous.
    pub(super) credential: Option<&'a Arc<Credential>>,
    pub(super) class: RequestClass,
}

/// How a registry wants to be asked, as far as it has said so.
#[derive(Clone)]
enum Scheme {
    Basic,
    Bearer(Arc<TokenSource>),
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct TokenKey {
    source: Arc<TokenSource>,
    credential: Option<CredentialHash>,
}

#[derive(Clone)]
struct Token {
    header: HeaderValue,
    until: Instant,
}

/// The proofs that are known.
pub(super) struct Tokens {
    transport: Arc<RegistryTransport>,
    /// By registry and repository; the empty repository stands for those not yet asked for.
    schemes: Cache<(String, String), Scheme>,
    tokens: Cache<TokenKey, Token>,
    flights: Flights<TokenKey, Result<Token, Unknown>>,
}

impl Tokens {
    pub(super) fn new(transport: Arc<RegistryTransport>) -> Arc<Self> {
        Arc::new(Self {
            transport,
            schemes: cache(),
            tokens: cache(),
            flights: Flights::default(),
        })
    }

    /// What to send with the first request: nothing while the registry has asked for
    /// nothing.
    pub(super) async fn preemptive(
        self: &Arc<Self>,
        wanted: &TokenRequest<'_>,
    ) -> Result<Option<HeaderValue>, Unknown> {
        match self.scheme(wanted) {
            Some(scheme) => self.header(wanted, &scheme).await,
            None => Ok(None),
        }
    }

    async fn header(
        self: &Arc<Self>,
        wanted: &TokenRequest<'_>,
        scheme: &Scheme,
    ) -> Result<Option<HeaderValue>, Unknown> {
        match scheme {
            Scheme::Basic => Ok(wanted.credential.and_then(|known| basic(known))),
            Scheme::Bearer(source) => Ok(Some(self.token(wanted, source).await?.header)),
        }
    }

    /// What to send after the registry refused `sent`: `None` when there is nothing else.
    pub(super) async fn answer(
        self: &Arc<Self>,
        wanted: &TokenRequest<'_>,
        refusal: &HeaderMap,
        sent: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, Unknown> {
        let scheme = match challenge::choose(refusal) {
            None => return Ok(None),
            Some(Challenge::Basic) => Scheme::Basic,
            Some(Challenge::Bearer {
                realm,
                service,
                scope,
            }) => {
                let realm = parse_realm(&realm, wanted)?;
                let scope = if scope.is_empty() {
                    pull_scope(wanted.repository)
                } else {
                    scope
                };
                Scheme::Bearer(Arc::new(TokenSource {
                    realm,
                    service,
                    scope,
                }))
            }
        };
        self.remember(wanted, &scheme);
        if let Scheme::Bearer(source) = &scheme {
            self.forget(wanted, source, sent);
        }
        let header = self.header(wanted, &scheme).await?;
        Ok(header.filter(|header| Some(header) != sent))
    }

    fn scheme(&self, wanted: &TokenRequest<'_>) -> Option<Scheme> {
        let authority = wanted.peer.authority.to_ascii_lowercase();
        let own = (authority, wanted.repository.to_owned());
        if let Some(scheme) = self.schemes.get(&own) {
            return Some(scheme);
        }
        match self.schemes.get(&(own.0, String::new()))? {
            Scheme::Basic => Some(Scheme::Basic),
            Scheme::Bearer(source) => Some(Scheme::Bearer(Arc::new(TokenSource {
                scope: pull_scope(wanted.repository),
                ..TokenSource::clone(&source)
            }))),
        }
    }

    /// Remembers for this repository, and for all others if the scope is the usual one.
    fn remember(&self, wanted: &TokenRequest<'_>, scheme: &Scheme) {
        let authority = wanted.peer.authority.to_ascii_lowercase();
        let is_usual = match scheme {
            Scheme::Basic => true,
            Scheme::Bearer(source) => source.scope == pull_scope(wanted.repository),
        };
        if is_usual {
            self.schemes
                .insert((authority.clone(), String::new()), scheme.clone());
        }
        let own = (authority, wanted.repository.to_owned());
        self.schemes.insert(own, scheme.clone());
    }

    /// Drops a token that the registry refused.
    fn forget(
        &self,
        wanted: &TokenRequest<'_>,
        source: &Arc<TokenSource>,
        sent: Option<&HeaderValue>,
    ) {
        let key = TokenKey::new(source, wanted);
        let is_refused = |token: Token| Some(&token.header) == sent;
        if self.tokens.get(&key).is_some_and(is_refused) {
            self.tokens.invalidate(&key);
        }
    }

    async fn token(
        self: &Arc<Self>,
        wanted: &TokenRequest<'_>,
        source: &Arc<TokenSource>,
    ) -> Result<Token, Unknown> {
        // The realm may have been named to somebody without credentials.
        judge_realm(&source.realm, wanted)?;
        let key = TokenKey::new(source, wanted);
        let known = || {
            self.tokens
                .get(&key)
                .filter(|token| Instant::now() < token.until)
        };
        if let Some(token) = known() {
            return Ok(token);
        }
        let audience = &wanted.class.audience;
        let start = |audience| {
            let (tokens, key) = (Arc::clone(self), key.clone());
            let (credential, label) = (wanted.credential.cloned(), wanted.peer.authority.clone());
            let class = RequestClass {
                audience,
                // The deadline of who came first: the others have later ones.
                ..wanted.class.clone()
            };
            let made = async move {
                let (transport, shown) = (&tokens.transport, credential.as_deref());
                let token = fetch(transport, &key.source, shown, &label, class).await?;
                tracing::debug!(
                    host = &*label,
                    scope = printable(&key.source.scope),
                    is_anonymous = shown.is_none(),
                    seconds = (token.until - Instant::now()).as_secs(),
                    "registry token"
                );
                tokens.tokens.insert(key, token.clone());
                Ok(token)
            };
            made.in_current_span().boxed()
        };
        let known_too = || known().map(Ok);
        let flight = self
            .flights
            .join_as(audience, key.clone(), known_too, start);
        let found = flight.wait(audience).await;
        found.unwrap_or_else(|why| Err(absent(&wanted.peer.authority, why)))
    }
}

fn cache<K: Eq + Hash + Send + Sync + 'static, V: Clone + Send + Sync + 'static>() -> Cache<K, V> {
    let builder = Cache::builder().max_capacity(MAX_TOKENS);
    builder.time_to_live(MAX_TOKEN_LIFETIME).build()
}

impl TokenKey {
    fn new(source: &Arc<TokenSource>, wanted: &TokenRequest<'_>) -> Self {
        Self {
            source: Arc::clone(source),
            credential: wanted.credential.map(|credential| credential.hashed()),
        }
    }
}

/// `None` for an identity token, which is for token servers alone.
fn basic(credential: &Credential) -> Option<HeaderValue> {
    if credential.identity_token().is_some() {
        return None;
    }
    let (user, password) = (credential.username(), credential.password());
    let pair = Zeroizing::new(format!("{user}:{password}"));
    let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
    secret(&Zeroizing::new(format!("Basic {}", *encoded)))
}

fn secret(text: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

fn parse_realm(text: &str, wanted: &TokenRequest<'_>) -> Result<Url, Unknown> {
    let label = &wanted.peer.authority;
    let mut realm = Url::parse(text).map_err(|_| blocked(label, "its token server is no URL"))?;
    realm.set_fragment(None);
    Ok(realm)
}

/// A registry names its token server as it likes: what it may name is decided here.
///
/// Over https, save on the very host and port of a registry that is set to plain http;
/// with credentials only where the registry itself is, or a known server of it. Sources:
/// go-containerregistry 2193, CVE-2026-48978 (oras-go), and their kin.
fn judge_realm(realm: &Url, wanted: &TokenRequest<'_>) -> Result<(), Unknown> {
    let refuse = |why: &str| Err(blocked(&wanted.peer.authority, why));
    let is_named = realm.has_host() && realm.username().is_empty() && realm.password().is_none();
    if !is_named {
        return refuse("its token server is no plain URL");
    }
    let is_plain = wanted.registry.scheme() == "http" && realm.origin() == wanted.registry.origin();
    if realm.scheme() != "https" && !is_plain {
        return refuse("its token server is not on https");
    }
    let pair = (
        wanted.registry.host_str().unwrap_or_default(),
        realm.host_str().unwrap_or_default(),
    );
    let may_see_credentials = pair.0 == pair.1 || KNOWN_REALMS.contains(&pair);
    if wanted.credential.is_some() && !may_see_credentials {
        return refuse("its token server is on another host, which may not see the credentials");
    }
    Ok(())
}

/// What a token server answers; both names of the token are in use.
#[derive(Deserialize)]
struct TokenResponse {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<f64>,
}

async fn fetch(
    transport: &RegistryTransport,
    source: &TokenSource,
    credential: Option<&Credential>,
    label: &str,
    class: RequestClass,
) -> Result<Token, Unknown> {
    let mut url = source.realm.clone();
    let refresh = credential.and_then(Credential::identity_token);
    let form = match refresh {
        None => {
            for (name, value) in source.parameters() {
                url.query_pairs_mut().append_pair(name, value);
            }
            None
        }
        Some(token) => Some(source.form(token)),
    };
    let peer = transport.hosts.peer(&authority(&source.realm).into());
    let asked = if *peer.authority == *label {
        label.into()
    } else {
        format!("the token server of {label}").into()
    };
    let request = RegistryRequest {
        method: if form.is_some() {
            Method::POST
        } else {
            Method::GET
        },
        peer,
        url,
        registry: label,
        asked,
        accept: None,
        authorization: credential.and_then(basic),
        form,
        largest: MAX_TOKEN_BYTES,
        class,
    };
    let answer = transport.exchange(&request).await?;
    let outcome = match answer.status.as_u16() {
        200..300 => read(&answer.body),
        300..400 => Err(blocked(label, "its token server redirects")),
        408 | 429 | 500.. => Err(super::error::from_status(answer.status, label)),
        // Other refusals mean that these credentials get no token.
        _ if credential.is_some() => Err(refused(label)),
        _ => Err(hidden(Reason::Unauthorized, label)),
    };
    outcome.map_err(|failure| answer.failure(failure, label))
}

fn read(body: &[u8]) -> Result<Token, Unknown> {
    let answer: TokenResponse = serde_json::from_slice(body)
        .map_err(|_| malformed("the token server's answer is not the expected JSON"))?;
    let text = answer
        .token
        .filter(|token| !token.is_empty())
        .or(answer.access_token)
        .filter(|token| !token.is_empty())
        .ok_or_else(|| malformed("the token server sent no token"))?;
    let header = secret(&format!("Bearer {text}"))
        .ok_or_else(|| unsupported("the token server sent a token that cannot be sent on"))?;
    let [least, most] = [MIN_TOKEN_LIFETIME, MAX_TOKEN_LIFETIME].map(|time| time.as_secs_f64());
    let seconds = answer.expires_in.unwrap_or(least).clamp(least, most);
    Ok(Token {
        header,
        until: Instant::now() + Duration::from_secs_f64(seconds),
    })
}

#[cfg(test)]
mod tests;
