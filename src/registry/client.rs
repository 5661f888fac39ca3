//! One look-up: from an image reference to an inspection of its document.
//!
//! A look-up tries each mirror and then the registry itself, and at each the credentials
//! that fit, in the kubelet's order. All of it has one deadline.

mod tags;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Url};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::bulkhead::RequestClass;
use super::digest::{contradiction, digest_of, stated, verify};
use super::document::{self, Body, MAX_DOCUMENT_BYTES};
use super::error::{blocked, concealed, from_status, malformed, refused, timeout};
use super::host::{DOCKER_HUB, DOCKER_HUB_API, Hosts, LookUpSettings, SettingsError};
use super::statistics::Statistics;
use super::token::{TokenRequest, Tokens};
use super::transport::{RegistryResponse, Request, Target, Transport};
use crate::credentials::Credential;
use crate::credentials::client_files::ClientFiles;
use crate::credentials::docker_config::DockerConfigError;
use crate::credentials::grant::{LookupCredentials, SharedCredentials, Tries};
use crate::credentials::keyring::Keyring;
use crate::domain::access::Tenant;
use crate::domain::inspection::{Content, Inspection};
use crate::domain::reference::{Digest, ImageReference, RepositoryName};
use crate::domain::unknown::{Origin, Reason, Unknown};

/// What runtimes ask for, in containerd's order.
const MANIFEST_TYPES: &str = "application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json";

/// Looks images up in their registries. It remembers tokens and connections, no answers.
pub struct Registry {
    transport: Arc<Transport>,
    tokens: Arc<Tokens>,
    operator: SharedCredentials,
}

/// Where one attempt asks, and as whom.
struct Attempt<'a> {
    target: Target<'a>,
    /// The registry's own URL, without a path.
    url: Url,
    repository: Arc<str>,
    credential: Option<Arc<Credential>>,
    grant: &'a LookupCredentials,
    /// Whether nobody is asked after this one.
    is_last: bool,
    deadline: Instant,
}

impl Registry {
    /// Prepares a look-up for the settings.
    ///
    /// # Errors
    /// [`SettingsError`] for settings that cannot be used.
    pub fn new(settings: LookUpSettings) -> Result<Self, SettingsError> {
        let mut operator = SharedCredentials {
            providers: settings.providers,
            ..SharedCredentials::default()
        };
        if let Some(text) = &settings.docker_config {
            operator.set_docker_config(text)?;
        }
        if !settings.client_files.is_empty() {
            operator.client_files = Some(ClientFiles::open(&settings.client_files));
        }
        let hosts = Hosts::new(
            settings.hosts,
            settings.limits,
            settings.name_server,
            settings.discretion,
        )?;
        Ok(Self {
            transport: Arc::new(Transport {
                statistics: Arc::new(Statistics::new(hosts.class_names().map(str::to_owned))),
                hosts,
                limits: settings.limits,
            }),
            tokens: Arc::default(),
            operator,
        })
    }

    /// Shows the operator's credentials of another docker config from now on.
    ///
    /// # Errors
    /// When it cannot be read: the old ones stay.
    pub(super) fn set_docker_config(&self, text: &[u8]) -> Result<(), DockerConfigError> {
        self.operator.set_docker_config(text)
    }

    /// The counters of requests, shared with the cache around this registry.
    pub fn statistics(&self) -> &Arc<Statistics> {
        &self.transport.statistics
    }

    /// How many hosts are not asked at the moment, since they keep failing.
    pub fn failing_hosts(&self) -> usize {
        self.transport.hosts.failing()
    }

    /// The least that is left of the windows of registries that count requests, by the
    /// settings of their hosts.
    pub fn rate_limit_remaining(&self) -> BTreeMap<&str, u64> {
        self.transport.hosts.remaining()
    }

    /// What a pod of the tenant's with these keyrings, at these positions of its secrets, may
    /// show for the image: to the registry, and to each mirror what is for the mirror.
    pub(super) fn grant(
        &self,
        image: &ImageReference,
        tenant: Tenant,
        keyrings: Vec<(usize, Arc<Keyring>)>,
    ) -> LookupCredentials {
        if keyrings.is_empty() {
            return LookupCredentials::without_secrets(tenant);
        }
        let places = self.places(image).unwrap_or_default();
        LookupCredentials::of_secrets(tenant, keyrings, places.iter().map(|(_, name)| name))
    }

    /// Tries every place and credential until one answers, in bounded time. A failure of
    /// which nothing is told is told at whole seconds, since its time would tell.
    async fn attempt<'a, T>(
        &'a self,
        image: &'a ImageReference,
        grant: &'a LookupCredentials,
        ask: impl Fn(Attempt<'a>) -> BoxFuture<'a, Result<T, Unknown>> + Send + Sync,
    ) -> Result<T, Unknown> {
        let started = Instant::now();
        let deadline = started + self.transport.limits.lookup;
        let tried = timeout_at(deadline, async {
            let mut last = None;
            let mut tries = Tries::default();
            let places = self.places(image)?;
            let count = places.len();
            for (position, (target, name)) in places.into_iter().enumerate() {
                let url = base_url(&target)?;
                let attempt = |credential| {
                    ask(Attempt {
                        target: target.clone(),
                        url: url.clone(),
                        repository: Arc::clone(name.path()),
                        credential,
                        grant,
                        is_last: position + 1 == count,
                        deadline,
                    })
                };
                match self
                    .operator
                    .with_each_credential(grant, &name, &mut tries, attempt)
                    .await
                {
                    Ok(found) => return Ok(found),
                    Err(failure) if self.transport.hosts.conceals(&url) => {
                        last = Some(concealed(failure, image.registry()));
                    }
                    Err(failure) => last = Some(failure),
                }
            }
            Err(last.unwrap_or_else(|| malformed("there is no registry to ask")))
        });
        let found = tried
            .await
            .unwrap_or_else(|_| Err(timeout(image.registry())));
        if matches!(&found, Err(failure) if failure.origin == Origin::Concealed) {
            let waited = started.elapsed().as_millis().div_ceil(1000).max(1);
            let seconds = u64::try_from(waited).unwrap_or(u64::MAX);
            sleep_until(started + Duration::from_secs(seconds)).await;
        }
        found
    }

    /// The mirrors in their order, then the registry itself.
    fn places<'a>(
        &'a self,
        image: &'a ImageReference,
    ) -> Result<Vec<(Target<'a>, RepositoryName)>, Unknown> {
        let host = self.transport.hosts.of(image.registry());
        if host.settings.blocked {
            return Err(blocked(image.registry(), "the configuration blocks it"));
        }
        let target = |authority: &'a str| Target {
            authority: authority.into(),
            host: self.transport.hosts.of(authority),
        };
        let mirrors = host.mirrors.iter().map(|mirror| {
            let path = format!("{}{}", mirror.prefix, image.repository());
            let name = RepositoryName::new(mirror.registry.as_str(), path);
            (target(&mirror.registry), name)
        });
        let origin = (target(image.registry()), image.name().clone());
        Ok(mirrors.chain([origin]).collect())
    }

    async fn document(
        &self,
        attempt: &Attempt<'_>,
        image: &ImageReference,
    ) -> Result<Inspection, Unknown> {
        let path = format!("manifests/{}", selector(image));
        let answer = self.get(attempt, Method::GET, &path).await?;
        let read = self.read(attempt, image, &answer).await;
        read.map_err(|failure| answer.failure(failure, &attempt.target.authority))
    }

    async fn read(
        &self,
        attempt: &Attempt<'_>,
        image: &ImageReference,
        answer: &RegistryResponse,
    ) -> Result<Inspection, Unknown> {
        let digest = verify(answer, image.digest())?;
        let content_type = answer.headers.get(CONTENT_TYPE);
        // A header that is not text names no type that we know.
        let content_type = content_type.map(|value| value.to_str().unwrap_or("unknown"));
        let document = document::parse(&answer.body, content_type)?;
        let content = match document.body {
            Body::Index(entries) => Content::Index(entries),
            Body::Artifact => Content::Artifact,
            Body::Image { config } => Content::Manifest(self.config(attempt, &config).await??),
            Body::PerhapsImage { config } => match self.config(attempt, &config).await? {
                Ok(platform) => Content::Manifest(platform),
                Err(_) => Content::Artifact,
            },
        };
        Ok(Inspection {
            digest,
            media_type: document.media_type,
            content,
        })
    }

    /// The outer result is the registry's, the inner one what the config itself says.
    async fn config(
        &self,
        attempt: &Attempt<'_>,
        digest: &Digest,
    ) -> Result<Result<crate::domain::platform::Platform, Unknown>, Unknown> {
        let path = format!("blobs/{digest}");
        let answer = self.get(attempt, Method::GET, &path).await?;
        if &digest_of(&answer.body, Some(digest))? != digest {
            return Err(contradiction());
        }
        Ok(document::parse_config(&answer.body))
    }

    /// The digest that the registry names for the image; `None` if it names none.
    async fn digest(
        &self,
        attempt: &Attempt<'_>,
        image: &ImageReference,
    ) -> Result<Option<Digest>, Unknown> {
        let path = format!("manifests/{}", selector(image));
        match self.get(attempt, Method::HEAD, &path).await {
            Ok(answer) => Ok(image
                .digest()
                .cloned()
                .or_else(|| stated(&answer.headers).ok()?)),
            // There are registries without HEAD; a GET will tell.
            Err(failure) if failure.reason == Reason::Unsupported => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// One request with the proof that the registry asks for, and at most one further try
    /// when it asks for another.
    async fn get(
        &self,
        attempt: &Attempt<'_>,
        method: Method,
        path: &str,
    ) -> Result<RegistryResponse, Unknown> {
        let wanted = TokenRequest {
            registry: &attempt.url,
            target: attempt.target.clone(),
            repository: &attempt.repository,
            credential: attempt.credential.as_ref(),
            class: attempt.class(false),
        };
        // Registries that count pulls count the documents that are fetched.
        // Source: <https://docs.docker.com/docker-hub/usage/pulls/>
        let is_document = path.starts_with("manifests/");
        let is_counted = is_document && method == Method::GET;
        let send = |authorization| {
            self.transport.follow(Request {
                method: method.clone(),
                url: attempt.url_of(path),
                target: attempt.target.clone(),
                registry: &attempt.target.authority,
                asked: attempt.target.authority.as_ref().into(),
                accept: Some(if is_document { MANIFEST_TYPES } else { "*/*" }),
                authorization,
                form: None,
                largest: MAX_DOCUMENT_BYTES,
                class: attempt.class(is_counted),
            })
        };
        let sent = self.tokens.preemptive(&self.transport, &wanted).await?;
        let mut answer = send(sent.clone()).await?;
        let mut shown = sent.clone();
        // Only the registry itself may ask for a proof (CVE-2020-15157).
        if answer.status.as_u16() == 401 && answer.is_direct {
            let proof = self
                .tokens
                .answer(&self.transport, &wanted, &answer.headers, sent.as_ref())
                .await?;
            if proof.is_some() {
                answer = send(proof.clone()).await?;
                shown = proof;
            }
        }
        let label = &attempt.target.authority;
        let failure = match answer.status.as_u16() {
            200 => return Ok(answer),
            // A password that was shown is refused itself. Who got a token for his is not known
            // to be wrong: that is about the image.
            401 if shown.is_some_and(|proof| is_basic(&proof)) => refused(label),
            _ => from_status(answer.status, label),
        };
        Err(answer.failure(failure, label))
    }
}

impl Attempt<'_> {
    fn class(&self, is_counted: bool) -> RequestClass {
        RequestClass {
            audience: self.grant.audience().clone(),
            repository: Arc::clone(&self.repository),
            account: self
                .credential
                .as_ref()
                .map(|credential| credential.hashed()),
            is_counted,
            may_go_on: self.is_last,
            deadline: self.deadline,
        }
    }

    /// Every part of the path comes from a parsed reference or digest.
    fn url_of(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("/v2/{}/{path}", self.repository));
        url
    }
}

fn base_url(target: &Target<'_>) -> Result<Url, Unknown> {
    let scheme = if target.host.settings.plain_http {
        "http"
    } else {
        "https"
    };
    let host = match &*target.authority {
        DOCKER_HUB => DOCKER_HUB_API,
        host => host,
    };
    Url::parse(&format!("{scheme}://{host}/"))
        .map_err(|_| malformed("the registry is no host that can be contacted"))
}

fn is_basic(proof: &HeaderValue) -> bool {
    proof.as_bytes().starts_with(b"Basic ")
}

fn selector(image: &ImageReference) -> String {
    match image.digest() {
        Some(digest) => digest.to_string(),
        None => image.tag().unwrap_or("latest").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::registry::host::{HostSettings, LookUpLimits};

    #[track_caller]
    fn asks(image: &str, expected: &[&str]) {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut hub = HostSettings::new("docker.io");
        hub.mirrors = vec!["mirror.example:5000/hub".to_owned()];
        let mut plain = HostSettings::new("plain.example");
        plain.plain_http = true;
        let settings = LookUpSettings {
            hosts: vec![hub, plain],
            limits: LookUpLimits::default(),
            ..LookUpSettings::default()
        };
        let registry = Registry::new(settings).unwrap();
        let image: ImageReference = image.parse().expect(image);
        let urls: Vec<String> = registry
            .places(&image)
            .unwrap()
            .iter()
            .map(|(target, name)| format!("{}v2/{}", base_url(target).unwrap(), name.path()))
            .collect();
        assert_eq!(urls, expected);
    }

    #[test]
    fn references_lead_to_the_hosts_that_serve_them() {
        asks(
            "node",
            &[
                "https://mirror.example:5000/v2/hub/library/node",
                "https://registry-1.docker.io/v2/library/node",
            ],
        );
        asks("plain.example/a/b:1", &["http://plain.example/v2/a/b"]);
        asks("[2001:DB8::1]:5000/a", &["https://[2001:db8::1]:5000/v2/a"]);
        asks("MyOrg/app", &["https://myorg/v2/app"]);
    }

    #[tokio::test]
    async fn credentials_are_those_that_match_else_none() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let config = br#"{"auths":{"https://index.docker.io/v1/":{"username":"u"},"a.b":{}}}"#;
        let settings = LookUpSettings {
            docker_config: Some(config.to_vec()),
            ..LookUpSettings::default()
        };
        let registry = Registry::new(settings).unwrap();
        let grant = LookupCredentials::without_secrets(Tenant::Operator);
        for (host, expected) in [
            ("docker.io", vec![Some("u".to_owned())]),
            // An entry without a user name counts as a match, and is anonymous.
            ("a.b", vec![None]),
            ("c.d", vec![None]),
        ] {
            let name = RepositoryName::new(host, "library/node");
            let tried = std::sync::Mutex::new(Vec::new());
            let refuse = |credential: Option<Arc<Credential>>| {
                let user = credential.map(|known| known.username().to_owned());
                tried.lock().unwrap().push(user);
                let refused = Unknown::new(Reason::Unauthorized, "no");
                std::future::ready(Err::<(), _>(refused)).boxed()
            };
            let outcome = registry
                .operator
                .with_each_credential(&grant, &name, &mut Tries::default(), refuse)
                .await;
            assert!(outcome.is_err());
            assert_eq!(*tried.lock().unwrap(), expected, "{name}");
        }
    }
}
