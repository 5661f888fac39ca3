//! A registry on loopback that holds images and can misbehave.
//!
//! ```ignore
//! let registry = FakeRegistry::start().await;
//! let image = registry.push("app:1", &index([manifest("linux/amd64"), manifest("linux/s390x")]));
//! registry.misbehave("GET /v2/app", Fault::Status(503));
//! assert_eq!(registry.requests(), ["GET /v2/app/manifests/1"]);
//! ```

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use archmatch::domain::platform::Platform;
use archmatch::domain::reference::ImageReference;
use archmatch::registry::{Addresses, HostSettings};
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::routing::Router;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt, stream};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// A document with everything that it refers to.
#[derive(Clone)]
pub(crate) struct Document {
    pub(crate) media_type: &'static str,
    pub(crate) body: Vec<u8>,
    /// What an index says of it.
    pub(crate) platform: Option<Value>,
    /// Whether an index says that it is compressed with zstd.
    pub(crate) zstd: bool,
    /// What else an index says of it.
    annotations: Vec<(String, String)>,
    blobs: Vec<Vec<u8>>,
    children: Vec<Document>,
}

impl Document {
    pub(crate) fn digest(&self) -> String {
        digest_of(&self.body)
    }

    /// The documents that an index lists.
    pub(crate) fn children(&self) -> &[Document] {
        &self.children
    }

    /// The same document with this annotation, in itself and where an index lists it.
    pub(crate) fn annotated(mut self, key: &str, value: &str) -> Self {
        let mut body: Value = serde_json::from_slice(&self.body).unwrap();
        body["annotations"][key] = json!(value);
        self.body = body.to_string().into_bytes();
        self.annotations.push((key.to_owned(), value.to_owned()));
        self
    }

    /// The same document, of which an index says nothing.
    pub(crate) fn without_platform(mut self) -> Self {
        self.platform = None;
        self
    }
}

pub(crate) fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

/// A plain manifest, with a config that names the platform.
pub(crate) fn manifest(platform: &str) -> Document {
    let Platform {
        os,
        architecture,
        variant,
        ..
    } = platform.parse().expect(platform);
    let mut named = json!({"os": os, "architecture": architecture});
    if !variant.is_empty() {
        named["variant"] = variant.into();
    }
    manifest_of(OCI_CONFIG, &named, Some(named.clone()))
}

/// A plain manifest with this config.
pub(crate) fn image(config: &Value) -> Document {
    manifest_of(OCI_CONFIG, config, None)
}

/// A manifest whose config is no image config.
pub(crate) fn artifact() -> Document {
    manifest_of("application/vnd.oci.empty.v1+json", &json!({}), None)
}

fn manifest_of(config_type: &str, config: &Value, platform: Option<Value>) -> Document {
    let config = config.to_string().into_bytes();
    let body = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [],
        "config": {"mediaType": config_type, "digest": digest_of(&config), "size": config.len()},
    });
    Document {
        media_type: OCI_MANIFEST,
        body: body.to_string().into_bytes(),
        platform,
        zstd: false,
        annotations: Vec::new(),
        blobs: vec![config],
        children: Vec::new(),
    }
}

/// An OCI index of the documents.
pub(crate) fn index(children: impl IntoIterator<Item = Document>) -> Document {
    index_of(OCI_INDEX, children)
}

/// A Docker manifest list of the documents.
pub(crate) fn list(children: impl IntoIterator<Item = Document>) -> Document {
    index_of(DOCKER_LIST, children)
}

fn index_of(media_type: &'static str, children: impl IntoIterator<Item = Document>) -> Document {
    let children: Vec<Document> = children.into_iter().collect();
    let entry = |child: &Document| {
        let mut entry = json!({
            "mediaType": child.media_type, "digest": child.digest(), "size": child.body.len(),
        });
        if let Some(platform) = &child.platform {
            entry["platform"] = platform.clone();
        }
        if child.zstd {
            entry["annotations"]["io.github.containers.compression.zstd"] = json!("true");
        }
        for (key, value) in &child.annotations {
            entry["annotations"][key] = json!(value);
        }
        entry
    };
    let entries: Vec<Value> = children.iter().map(entry).collect();
    let body = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": entries});
    Document {
        media_type,
        body: body.to_string().into_bytes(),
        platform: None,
        zstd: false,
        annotations: Vec::new(),
        blobs: Vec::new(),
        children,
    }
}

/// What goes wrong with a request.
#[derive(Clone)]
pub(crate) enum Fault {
    /// This status, with a body that says so.
    Status(u16),
    /// A redirect to this URL.
    Redirect(String),
    /// The request is never answered.
    Silence,
    /// It is answered once the gate has a permit for it.
    Gate(Arc<Semaphore>),
    /// This body, with the headers of the right one.
    Body(Vec<u8>),
    /// No such header.
    Without(&'static str),
    /// A further header, or another value for one.
    Header(&'static str, String),
    /// The body ends before its declared length.
    Truncated,
    /// The body is declared to be this long, and stalls after its first byte.
    Stalled(u64),
    /// The body never ends.
    Endless,
}

/// Who may read.
#[derive(Clone, Default)]
enum Access {
    #[default]
    Everybody,
    Basic(Vec<(String, String)>),
    /// Tokens come from this realm, for everybody or for these.
    Token(String, Vec<(String, String)>),
}

struct Stored {
    media_type: &'static str,
    body: Vec<u8>,
}

#[derive(Default)]
struct Held {
    documents: HashMap<String, Arc<Stored>>,
    /// Each with the requests that it is for, and how many of them are left.
    faults: Vec<(String, Fault, usize)>,
    access: Access,
    requests: Vec<String>,
    /// Authorization headers, as they came.
    proofs: Vec<String>,
    /// Forms that were posted.
    forms: Vec<String>,
}

struct Shared {
    held: Mutex<Held>,
    count: watch::Sender<usize>,
}

/// A running registry. It ends when it is dropped.
pub(crate) struct FakeRegistry {
    address: SocketAddr,
    /// A file with the certificate, if it speaks TLS.
    certificate: Option<NamedTempFile>,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Drop for FakeRegistry {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl FakeRegistry {
    /// Over plain http.
    pub(crate) async fn start() -> Self {
        Self::serve(None).await
    }

    /// Over TLS, with a certificate of its own for `127.0.0.1` and `localhost`.
    pub(crate) async fn start_tls() -> Self {
        super::install_crypto_provider();
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        Self::start_as(generate_simple_self_signed(names).unwrap()).await
    }

    /// Over TLS, with this certificate.
    pub(crate) async fn start_as(identity: CertifiedKey<rcgen::KeyPair>) -> Self {
        Self::serve(Some(identity)).await
    }

    async fn serve(identity: Option<CertifiedKey<rcgen::KeyPair>>) -> Self {
        super::install_crypto_provider();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shared = Arc::new(Shared {
            held: Mutex::default(),
            count: watch::Sender::new(0),
        });
        let certificate = identity.as_ref().map(|identity| {
            let file = NamedTempFile::new().unwrap();
            std::fs::write(file.path(), identity.cert.pem()).unwrap();
            file
        });
        let acceptor = identity.map(|identity| {
            let key = PrivatePkcs8KeyDer::from(identity.signing_key.serialize_der());
            let config = rustls::ServerConfig::builder()
                .with_no_client_auth()
                .with_single_cert(vec![identity.cert.der().clone()], PrivateKeyDer::Pkcs8(key))
                .unwrap();
            TlsAcceptor::from(Arc::new(config))
        });
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        Self {
            address: listener.local_addr().unwrap(),
            certificate,
            shared,
            server: tokio::spawn(accept(listener, acceptor, router)),
        }
    }

    /// `127.0.0.1:port`.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.certificate.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.address)
    }

    /// Settings under which archmatch may contact this registry.
    pub(crate) fn settings(&self) -> HostSettings {
        let mut settings = HostSettings::new(self.host());
        settings.addresses = Addresses::Any;
        settings.plain_http = self.certificate.is_none();
        settings.ca = self.certificate.as_ref().map(|file| file.path().to_owned());
        settings
    }

    /// Stores a document and what it refers to; `name` is `repository:tag`.
    pub(crate) fn push(&self, name: &str, document: &Document) -> ImageReference {
        let (repository, tag) = name.split_once(':').expect("repository:tag");
        let mut held = self.shared.held.lock().unwrap();
        let stored = held.store(repository, document);
        held.documents
            .insert(format!("/v2/{repository}/manifests/{tag}"), stored);
        self.reference(name)
    }

    /// The reference of a name in this registry.
    pub(crate) fn reference(&self, name: &str) -> ImageReference {
        format!("{}/{name}", self.host()).parse().expect(name)
    }

    /// From now on, requests that contain the text (`GET /v2/app`) go wrong. Several faults
    /// of one request add up; the newest comes first.
    pub(crate) fn misbehave(&self, request: &str, fault: Fault) {
        self.misbehave_times(usize::MAX, request, fault);
    }

    /// The same for the next so many requests.
    pub(crate) fn misbehave_times(&self, times: usize, request: &str, fault: Fault) {
        let mut held = self.shared.held.lock().unwrap();
        held.faults.insert(0, (request.to_owned(), fault, times));
    }

    /// From now on, everything is as it should be.
    pub(crate) fn recover(&self) {
        self.shared.held.lock().unwrap().faults.clear();
    }

    /// Asks for Basic with one of these pairs of user and password.
    pub(crate) fn require_basic(&self, pairs: &[(&str, &str)]) {
        self.shared.held.lock().unwrap().access = Access::Basic(owned(pairs));
    }

    /// Asks for tokens from its own `/token`, open to everybody if there is no pair.
    pub(crate) fn require_token(&self, pairs: &[(&str, &str)]) {
        self.require_token_from(&format!("{}/token", self.url()), pairs);
    }

    /// Asks for tokens from another realm.
    pub(crate) fn require_token_from(&self, realm: &str, pairs: &[(&str, &str)]) {
        let access = Access::Token(realm.to_owned(), owned(pairs));
        self.shared.held.lock().unwrap().access = access;
    }

    /// The requests so far, as `GET /v2/app/manifests/1`.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.shared.held.lock().unwrap().requests.clone()
    }

    /// The requests since the last call.
    pub(crate) fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.held.lock().unwrap().requests)
    }

    /// The Authorization headers so far.
    pub(crate) fn proofs(&self) -> Vec<String> {
        self.shared.held.lock().unwrap().proofs.clone()
    }

    /// The forms that were posted so far.
    pub(crate) fn forms(&self) -> Vec<String> {
        self.shared.held.lock().unwrap().forms.clone()
    }

    /// Waits until so many requests have come in all.
    pub(crate) async fn requested(&self, count: usize) {
        let mut receiver = self.shared.count.subscribe();
        receiver.wait_for(|seen| *seen >= count).await.unwrap();
    }
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(user, password): &(&str, &str)| ((*user).to_owned(), (*password).to_owned());
    pairs.iter().map(owned).collect()
}

impl Held {
    fn store(&mut self, repository: &str, document: &Document) -> Arc<Stored> {
        for child in &document.children {
            self.store(repository, child);
        }
        for blob in &document.blobs {
            let stored = Stored {
                media_type: "application/octet-stream",
                body: blob.clone(),
            };
            let path = format!("/v2/{repository}/blobs/{}", digest_of(blob));
            self.documents.insert(path, Arc::new(stored));
        }
        let stored = Arc::new(Stored {
            media_type: document.media_type,
            body: document.body.clone(),
        });
        let path = format!("/v2/{repository}/manifests/{}", document.digest());
        self.documents.insert(path, Arc::clone(&stored));
        stored
    }
}

impl Held {
    /// A page of tags, if that is what is asked for and there is such a repository.
    fn tags(&self, request: &Request) -> Option<Arc<Stored>> {
        let repository = request.uri().path().strip_suffix("/tags/list")?;
        let prefix = format!("{repository}/manifests/");
        let names = self
            .documents
            .keys()
            .filter_map(|path| path.strip_prefix(&prefix));
        let mut tags: Vec<&str> = names.filter(|name| !name.contains(':')).collect();
        tags.sort_unstable();
        let query = request.uri().query().unwrap_or_default();
        let parameter = |name: &str| query.split('&').find_map(|part| part.strip_prefix(name));
        let after = parameter("last=").unwrap_or_default();
        tags.retain(|tag| *tag > after);
        tags.truncate(parameter("n=")?.parse().unwrap());
        (!self.documents.is_empty()).then(|| {
            let body = json!({"name": repository.trim_start_matches("/v2/"), "tags": tags});
            Arc::new(Stored {
                media_type: "application/json",
                body: body.to_string().into_bytes(),
            })
        })
    }
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, router: Router) {
    // Connections end with the registry.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, service) = (acceptor.clone(), TowerToHyperService::new(router.clone()));
        connections.spawn(async move {
            let builder = hyper::server::conn::http1::Builder::new();
            // A client that goes away is no trouble of the registry.
            match acceptor {
                None => drop(
                    builder
                        .serve_connection(TokioIo::new(stream), service)
                        .await,
                ),
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        drop(
                            builder
                                .serve_connection(TokioIo::new(stream), service)
                                .await,
                        );
                    }
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let form = axum::body::to_bytes(body, 64 * 1024).await.unwrap();
    let form = String::from_utf8(form.to_vec()).unwrap();
    let request = Request::from_parts(head, Body::empty());
    let line = format!("{} {}", request.method(), request.uri());
    let (faults, stored, access) = {
        let mut held = shared.held.lock().unwrap();
        held.requests.push(line.clone());
        if !form.is_empty() {
            held.forms.push(form.clone());
        }
        if let Some(proof) = request.headers().get(header::AUTHORIZATION) {
            held.proofs.push(proof.to_str().unwrap().to_owned());
        }
        let mut faults = Vec::new();
        for (part, fault, left) in &mut held.faults {
            if line.contains(part.as_str()) && *left > 0 {
                *left -= 1;
                faults.push(fault.clone());
            }
        }
        let stored = held.documents.get(request.uri().path()).cloned();
        let stored = stored.or_else(|| held.tags(&request));
        (faults, stored, held.access.clone())
    };
    shared.count.send_modify(|count| *count += 1);
    let mut response = match request.uri().path() {
        "/token" => token(&request, &form, &access),
        _ => access
            .refusal(&request)
            .unwrap_or_else(|| document(stored.as_deref())),
    };
    for fault in faults {
        apply(fault, &mut response).await;
    }
    response
}

impl Access {
    fn refusal(&self, request: &Request) -> Option<Response<Body>> {
        let proof = proof(request.headers());
        let challenge = match self {
            Self::Everybody => return None,
            Self::Basic(pairs) => {
                if pairs.iter().any(|pair| proof == basic(pair)) {
                    return None;
                }
                "Basic realm=\"here\"".to_owned()
            }
            Self::Token(realm, _) => {
                let path = request.uri().path();
                let repository = path.trim_start_matches("/v2/");
                let end = repository
                    .find("/manifests/")
                    .or_else(|| repository.find("/blobs/"));
                let scope = format!("repository:{}:pull", &repository[..end.unwrap_or(0)]);
                if proof == format!("Bearer for-{scope}") {
                    return None;
                }
                format!(r#"Bearer realm="{realm}",service="fake",scope="{scope}""#)
            }
        };
        let mut response = Response::new(Body::from("no entry, says the registry"));
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        set(&mut response, "www-authenticate", &challenge);
        Some(response)
    }
}

fn token(request: &Request, form: &str, access: &Access) -> Response<Body> {
    let posted = |token: &str| form.contains(&format!("refresh_token={token}&"));
    let is_welcome = match access {
        Access::Token(_, pairs) if !pairs.is_empty() => {
            let proof = proof(request.headers());
            // A refresh token is the password of somebody whose name does not matter.
            pairs
                .iter()
                .any(|pair| proof == basic(pair) || posted(&pair.1))
        }
        _ => true,
    };
    if !is_welcome {
        let mut response = Response::new(Body::from("no entry, says the token server"));
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        return response;
    }
    let parameters = match form {
        "" => request.uri().query().unwrap_or_default(),
        form => form,
    };
    let query = parameters.replace("%3A", ":").replace("%2F", "/");
    let scope = query
        .split('&')
        .find_map(|part| part.strip_prefix("scope="));
    let token = format!("for-{}", scope.unwrap_or_default());
    Response::new(Body::from(
        json!({"token": token, "expires_in": 300}).to_string(),
    ))
}

fn document(stored: Option<&Stored>) -> Response<Body> {
    let Some(stored) = stored else {
        let mut response = Response::new(Body::from("no such thing, says the registry"));
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    };
    let mut response = Response::new(Body::from(stored.body.clone()));
    set(&mut response, "content-type", stored.media_type);
    set(
        &mut response,
        "docker-content-digest",
        &digest_of(&stored.body),
    );
    response
}

async fn apply(fault: Fault, response: &mut Response<Body>) {
    match fault {
        Fault::Status(status) => {
            *response = Response::new(Body::from("evil text of a registry"));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
        }
        Fault::Redirect(to) => {
            *response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
            set(response, "location", &to);
        }
        Fault::Silence => std::future::pending().await,
        Fault::Gate(gate) => gate.acquire().await.unwrap().forget(),
        Fault::Body(body) => *response.body_mut() = Body::from(body),
        Fault::Header(name, value) => set(response, name, &value),
        Fault::Without(name) => drop(response.headers_mut().remove(name)),
        Fault::Truncated => {
            set(response, "content-length", "100000");
            let start = stream::iter([Ok(Bytes::from_static(b"{")), Err("cut")]);
            *response.body_mut() = Body::from_stream(start);
        }
        Fault::Stalled(length) => {
            set(response, "content-length", &length.to_string());
            let start = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{"))]);
            *response.body_mut() = Body::from_stream(start.chain(stream::pending()));
        }
        Fault::Endless => {
            let chunk = Bytes::from(vec![b' '; 64 * 1024]);
            let chunks = stream::repeat(chunk).map(Ok::<_, std::io::Error>);
            *response.body_mut() = Body::from_stream(chunks);
        }
    }
}

fn set(response: &mut Response<Body>, name: &'static str, value: &str) {
    response
        .headers_mut()
        .insert(name, HeaderValue::from_str(value).unwrap());
}

fn proof(headers: &HeaderMap) -> &str {
    headers
        .get(header::AUTHORIZATION)
        .map_or("", |value| value.to_str().unwrap())
}

fn basic((user, password): &(String, String)) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}
