//! One look-up: from an image reference to an inspection of its document.
//!
//! A look-up tries each mirror and then the registry itself, and at each the credentials
//! that fit, in the kubelet's order. All of it has one deadline.

mod repository_path;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Url};
use tokio::time::{Instant, sleep_until, timeout_at};

use self::repository_path::RepositoryPath;
use super::bulkhead::RequestClass;
use super::cache::{RegistryId, Resolved, Served, TagInspector, TagPage};
use super::digest::{contradiction, digest_of, stated, verify};
use super::document::{self, Body};
use super::error::{blocked, concealed, from_status, refused, timeout};
use super::host::{Endpoint, LookupTarget};
use super::token::{TokenRequest, Tokens};
use super::transport::{RegistryRequest, RegistryResponse, RegistryTransport};
use crate::credentials::{Credential, CredentialChain, LookupCredentials};
use crate::domain::inspection::{Content, Inspection};
use crate::domain::platform::Platform;
use crate::domain::reference::{Digest, ImageReference};
use crate::domain::unknown::{Origin, Reason, Unknown};

/// What runtimes ask for, in containerd's order.
const MANIFEST_TYPES: &str = "application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json";

/// Looks images up in their registries. It remembers tokens and connections, no answers.
pub struct Registry {
    transport: Arc<RegistryTransport>,
    tokens: Arc<Tokens>,
}

/// Where one attempt asks, and as whom.
struct Attempt<'a> {
    registry: &'a Registry,
    image: &'a ImageReference,
    endpoint: &'a Endpoint<'a>,
    /// The registry's own URL, without a path.
    url: Url,
    credential: Option<Arc<Credential>>,
    credentials: &'a LookupCredentials,
    /// Whether nobody is asked after this one.
    is_last: bool,
    deadline: Instant,
}

impl Registry {
    pub(super) fn new(transport: RegistryTransport) -> Self {
        let transport = Arc::new(transport);
        Self {
            tokens: Tokens::new(Arc::clone(&transport)),
            transport,
        }
    }

    /// Tries every endpoint and credential until one answers, in bounded time. A failure of
    /// which nothing is told is told at whole seconds, since its time would tell.
    async fn attempt<'a, T>(
        &'a self,
        image: &'a ImageReference,
        target: &'a LookupTarget<'a>,
        credentials: &'a LookupCredentials,
        ask: impl Fn(Attempt<'a>) -> BoxFuture<'a, Result<T, Unknown>> + Send + Sync,
    ) -> Result<T, Unknown> {
        let started = Instant::now();
        let deadline = started + self.transport.limits.lookup;
        let tried = timeout_at(deadline, async {
            let mut last = blocked(image.registry(), "the configuration blocks it");
            let mut mirrors = Vec::new();
            let mut chain = credentials.chain();
            for (position, endpoint) in target.endpoints.iter().enumerate() {
                let url = endpoint.url()?;
                let attempt = |credential| {
                    ask(Attempt {
                        registry: self,
                        image,
                        endpoint,
                        url: url.clone(),
                        credential,
                        credentials,
                        is_last: position + 1 == target.endpoints.len(),
                        deadline,
                    })
                };
                chain.restart();
                match with_each(&mut chain, endpoint, attempt).await {
                    Ok(found) => return Ok(found),
                    Err(failure) if self.transport.hosts.conceals(&url) => {
                        last = concealed(failure, image.registry());
                    }
                    Err(failure) => last = failure,
                }
                if position + 1 < target.endpoints.len() {
                    mirrors.push(last.reason);
                }
            }
            if let Origin::Unconnected { is_absent } = &mut last.origin {
                *is_absent = mirrors.contains(&Reason::NotFound);
            }
            // Of what is concealed there is one text.
            if !mirrors.is_empty() && last.origin != Origin::Concealed {
                let mirrors: Vec<&str> = mirrors.into_iter().map(Reason::name).collect();
                last.detail =
                    format!("{} (its mirrors: {})", last.detail, mirrors.join(", ")).into();
            }
            Err(last)
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
}

impl TagInspector for Registry {
    fn inspect<'a>(
        &'a self,
        image: &'a ImageReference,
        target: &'a LookupTarget<'a>,
        credentials: &'a LookupCredentials,
    ) -> BoxFuture<'a, Result<Served, Unknown>> {
        let ask = |attempt: Attempt<'a>| {
            async move {
                Ok(Served {
                    inspection: Arc::new(attempt.document().await?),
                    by: RegistryId::of(&attempt.url),
                })
            }
            .boxed()
        };
        self.attempt(image, target, credentials, ask).boxed()
    }

    fn resolve<'a>(
        &'a self,
        image: &'a ImageReference,
        target: &'a LookupTarget<'a>,
        credentials: &'a LookupCredentials,
    ) -> BoxFuture<'a, Result<Option<Resolved>, Unknown>> {
        let ask = |attempt: Attempt<'a>| {
            async move {
                let digest = attempt.digest().await?;
                let by = RegistryId::of(&attempt.url);
                Ok(digest.map(|digest| Resolved { digest, by }))
            }
            .boxed()
        };
        self.attempt(image, target, credentials, ask).boxed()
    }

    fn tags<'a>(
        &'a self,
        page: &'a TagPage<'a>,
        target: &'a LookupTarget<'a>,
        credentials: &'a LookupCredentials,
    ) -> BoxFuture<'a, Result<Vec<String>, Unknown>> {
        let after = page.after;
        let ask = move |attempt: Attempt<'a>| async move { attempt.tags(after).await }.boxed();
        self.attempt(page.image, target, credentials, ask).boxed()
    }
}

impl Attempt<'_> {
    async fn document(&self) -> Result<Inspection, Unknown> {
        let path = format!("manifests/{}", selector(self.image));
        let answer = self.get(Method::GET, &path).await?;
        let read = self.read(&answer).await;
        read.map_err(|failure| answer.failure(failure, self.label()))
    }

    async fn read(&self, answer: &RegistryResponse) -> Result<Inspection, Unknown> {
        let digest = verify(answer, self.image.digest())?;
        let content_type = answer.headers.get(CONTENT_TYPE);
        // A header that is not text names no type that we know.
        let content_type = content_type.map(|value| value.to_str().unwrap_or("unknown"));
        let document = document::parse(&answer.body, content_type)?;
        let content = match document.body {
            Body::Index(entries) => Content::Index(entries),
            Body::Artifact => Content::Artifact,
            Body::Image { config } => Content::Manifest(self.config(&config).await??),
            Body::PerhapsImage { config } => match self.config(&config).await? {
                Ok(platform) => Content::Manifest(platform),
                Err(_) => Content::Artifact,
            },
        };
        Ok(Inspection {
            digest,
            media_type: document.media_type,
            content,
            build: document.build.map(Arc::new),
        })
    }

    /// The outer result is the registry's, the inner one what the config itself says.
    async fn config(&self, digest: &Digest) -> Result<Result<Platform, Unknown>, Unknown> {
        let path = format!("blobs/{digest}");
        let answer = self.get(Method::GET, &path).await?;
        if &digest_of(&answer.body, Some(digest))? != digest {
            return Err(contradiction());
        }
        Ok(document::parse_config(&answer.body))
    }

    /// The digest that the registry names for the image; `None` if it names none.
    async fn digest(&self) -> Result<Option<Digest>, Unknown> {
        let path = format!("manifests/{}", selector(self.image));
        match self.get(Method::HEAD, &path).await {
            Ok(answer) => Ok(self
                .image
                .digest()
                .cloned()
                .or_else(|| stated(&answer.headers).ok()?)),
            // There are registries without HEAD; a GET will tell.
            Err(failure) if failure.reason == Reason::Unsupported => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn get(&self, method: Method, path: &str) -> Result<RegistryResponse, Unknown> {
        self.request(method, RepositoryPath::document(path)).await
    }

    /// One request with the proof that the registry asks for, and at most one further try
    /// when it asks for another.
    async fn request(
        &self,
        method: Method,
        what: RepositoryPath<'_>,
    ) -> Result<RegistryResponse, Unknown> {
        let path = what.path;
        let Registry { transport, tokens } = self.registry;
        let wanted = TokenRequest {
            registry: &self.url,
            peer: self.endpoint.peer.clone(),
            repository: self.endpoint.repository.path(),
            credential: self.credential.as_ref(),
            class: RequestClass {
                limit: None,
                ..self.class(false)
            },
        };
        // Registries that count pulls count the documents that are fetched.
        // Source: <https://docs.docker.com/docker-hub/usage/pulls/>
        let is_document = path.starts_with("manifests/");
        let is_counted = is_document && method == Method::GET;
        let send = |authorization| {
            transport.follow(RegistryRequest {
                method: method.clone(),
                url: self.url_of(&what),
                peer: self.endpoint.peer.clone(),
                registry: self.label(),
                asked: self.label().into(),
                accept: Some(if is_document { MANIFEST_TYPES } else { "*/*" }),
                authorization,
                form: None,
                largest: what.largest,
                class: self.class(is_counted),
            })
        };
        let sent = tokens.preemptive(&wanted).await?;
        let mut answer = send(sent.clone()).await?;
        let mut shown = sent.clone();
        // Only the registry itself may ask for a proof (CVE-2020-15157).
        if answer.status.as_u16() == 401 && answer.is_direct {
            let proof = tokens.answer(&wanted, &answer.headers, sent.as_ref());
            let proof = proof.await?;
            if proof.is_some() {
                answer = send(proof.clone()).await?;
                shown = proof;
            }
        }
        let label = self.label();
        let failure = match answer.status.as_u16() {
            200 => return Ok(answer),
            // A password that was shown is refused itself. Who got a token for his is not known
            // to be wrong: that is about the image.
            401 if shown.is_some_and(|proof| is_basic(&proof)) => refused(label),
            _ => from_status(answer.status, label),
        };
        Err(answer.failure(failure, label))
    }

    fn class(&self, is_counted: bool) -> RequestClass {
        RequestClass {
            audience: self.credentials.audience().clone(),
            repository: Arc::clone(self.endpoint.repository.path()),
            account: self
                .credential
                .as_ref()
                .map(|credential| credential.hashed()),
            is_counted,
            may_go_on: self.is_last,
            limit: self.credentials.limit().cloned(),
            deadline: self.deadline,
        }
    }

    /// The host that failures are told about.
    fn label(&self) -> &str {
        &self.endpoint.peer.authority
    }

    /// Every part of the path comes from a parsed reference or digest.
    fn url_of(&self, what: &RepositoryPath<'_>) -> Url {
        let mut url = self.url.clone();
        let path = what.path;
        url.set_path(&format!("/v2/{}/{path}", self.endpoint.repository.path()));
        url.set_query(what.query);
        url
    }
}

/// Shows an endpoint one credential after the other, until one is not refused.
async fn with_each<'a, T>(
    chain: &mut CredentialChain<'_>,
    endpoint: &Endpoint<'_>,
    attempt: impl Fn(Option<Arc<Credential>>) -> BoxFuture<'a, Result<T, Unknown>> + Send + Sync,
) -> Result<T, Unknown> {
    let mut last = None;
    while let Some(credential) = chain.next(&endpoint.repository).await? {
        let shown = Some(credential).filter(|credential| !credential.is_anonymous());
        match attempt(shown).await {
            Err(failure) if may_depend_on_credential(&failure) => last = Some(failure),
            outcome => return outcome,
        }
    }
    Err(chain.exhausted(last))
}

/// Whether another credential may fare better. It would wait in the same queue.
fn may_depend_on_credential(failure: &Unknown) -> bool {
    let may = matches!(
        failure.reason,
        Reason::NotFound | Reason::Unauthorized | Reason::RateLimited
    );
    may && failure.origin != Origin::Budget
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
