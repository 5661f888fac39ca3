//! One request for a page of a list, bounded in time and size.

use std::time::Duration;

use axum::http::Request;
use axum::http::header::ACCEPT;
use form_urlencoded::Serializer;
use http_body_util::BodyExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIGroup;
use kube::Client;
use kube::client::Body;
use kube::core::Status;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::cluster::access::words;

/// How long the API server may take for a page.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// How long until it is asked again, each time.
const RETRY_PAUSES: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// A page of the usual number of usual objects is a quarter of it. No single object is larger.
const MAX_PAGE_BYTES: usize = 16 << 20;

/// The most that is read of an error.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// Versions of a group that are tried.
const MAX_VERSIONS: usize = 16;

/// The longest text that asks for the next page.
const MAX_NEXT_BYTES: usize = 16 << 10;

/// Why there is no page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CallError {
    /// The list is too old to go on with.
    Expired,
    /// There is no such list.
    Absent(String),
    /// The answer has more bytes than are read.
    TooLarge,
    /// It will not be there if it is asked for again.
    Final(String),
    /// It may be there later.
    Passing(String),
}

/// Who asks for pages, and until when.
pub(super) struct Caller {
    pub(super) client: Client,
    pub(super) namespace: Option<String>,
    pub(super) selector: String,
    pub(super) deadline: Instant,
}

/// Which page of which list.
pub(super) struct PageQuery<'a> {
    pub(super) group: &'a str,
    pub(super) version: &'a str,
    pub(super) resource: &'a str,
    pub(super) objects: u32,
    /// What the page before it said; empty for the first one.
    pub(super) next: &'a str,
}

impl Caller {
    /// Reads a page into the buffer.
    pub(super) async fn page(
        &self,
        query: &PageQuery<'_>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), CallError> {
        let mut parts = match query.group {
            "" => vec!["api", query.version],
            group => vec!["apis", group, query.version],
        };
        if let Some(namespace) = &self.namespace {
            parts.extend(["namespaces", namespace]);
        }
        parts.push(query.resource);
        if query.next.len() > MAX_NEXT_BYTES {
            let problem = "what asks for its next page is too long";
            return Err(CallError::Final(problem.to_owned()));
        }
        let objects = query.objects.to_string();
        let parameters = [
            ("limit", objects.as_str()),
            ("continue", query.next),
            ("labelSelector", &self.selector),
        ];
        let given = parameters.iter().filter(|(_, value)| !value.is_empty());
        let parameters = Serializer::new(String::new()).extend_pairs(given).finish();
        let path = format!("{}?{parameters}", path(&parts)?);
        self.get(&path, buffer).await
    }

    /// The versions of a group that the API server has, the preferred one first.
    pub(super) async fn versions(&self, group: &str) -> Result<Vec<String>, CallError> {
        if group.is_empty() {
            return Ok(vec!["v1".to_owned()]);
        }
        let mut buffer = Vec::new();
        self.get(&path(&["apis", group])?, &mut buffer).await?;
        let group: APIGroup = serde_json::from_slice(&buffer)
            .map_err(|error| CallError::Final(format!("read its versions: {error}")))?;
        let preferred = group.preferred_version.into_iter();
        let mut versions: Vec<String> = Vec::new();
        for found in preferred.chain(group.versions) {
            if versions.len() < MAX_VERSIONS && !versions.contains(&found.version) {
                versions.push(found.version);
            }
        }
        Ok(versions)
    }

    /// Asks until there is an answer, or no use in asking.
    async fn get(&self, path: &str, buffer: &mut Vec<u8>) -> Result<(), CallError> {
        let mut pauses = RETRY_PAUSES.iter();
        loop {
            let answer = self.once(path, buffer).await;
            let Err(CallError::Passing(_)) = &answer else {
                return answer;
            };
            let Some(pause) = pauses.next() else {
                return answer;
            };
            let again = Instant::now() + *pause;
            if again >= self.deadline {
                return answer;
            }
            sleep_until(again).await;
        }
    }

    async fn once(&self, path: &str, buffer: &mut Vec<u8>) -> Result<(), CallError> {
        let late = || CallError::Passing("no answer in time".to_owned());
        let now = Instant::now();
        if now >= self.deadline {
            return Err(CallError::Passing("no time was left".to_owned()));
        }
        let request = Request::get(path)
            .header(ACCEPT, "application/json")
            .body(Body::empty())
            .map_err(|error| CallError::Final(error.to_string()))?;
        let answer = async {
            let passing = |error: kube::Error| CallError::Passing(words(&error));
            let response = self.client.send(request).await.map_err(passing)?;
            let code = response.status();
            let most = match code.is_success() {
                true => MAX_PAGE_BYTES,
                false => MAX_ERROR_BYTES,
            };
            let read = read(response.into_body(), most, buffer).await;
            if code.is_success() {
                return read;
            }
            Err(refusal(code.as_u16(), buffer))
        };
        let end = self.deadline.min(now + CALL_LIMIT);
        timeout_at(end, answer).await.map_err(|_| late())?
    }
}

async fn read(mut body: Body, most: usize, buffer: &mut Vec<u8>) -> Result<(), CallError> {
    buffer.clear();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| CallError::Passing(words(&error)))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if data.len() > most.saturating_sub(buffer.len()) {
            return Err(CallError::TooLarge);
        }
        buffer.extend_from_slice(&data);
    }
    Ok(())
}

/// What an answer says that is no list.
fn refusal(code: u16, body: &[u8]) -> CallError {
    let status = serde_json::from_slice::<Status>(body);
    let status = status.unwrap_or_else(|_| Status::failure("", "no words that can be read"));
    let words = words(&kube::Error::Api(status.with_code(code).boxed()));
    match code {
        404 => CallError::Absent(words),
        410 => CallError::Expired,
        408 | 429 | 500.. => CallError::Passing(words),
        _ => CallError::Final(words),
    }
}

/// A path of the API server. What comes from the configuration, from a flag or from an
/// answer must not lead elsewhere.
fn path(parts: &[&str]) -> Result<String, CallError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let is_name = |part: &&str| {
        part.starts_with(|first: char| first.is_ascii_alphanumeric()) && part.bytes().all(allowed)
    };
    match parts.iter().find(|part| !is_name(part)) {
        None => Ok(format!("/{}", parts.join("/"))),
        Some(part) => Err(CallError::Final(format!("{part:?} is no name"))),
    }
}
