//! Requests: one exchange within its limits, and the redirects that may be followed.
//!
//! Every host that is contacted is judged by its own settings: blocked or not, TLS or not,
//! which addresses; and waits in its own queue.

mod body;

use std::borrow::Cow;
use std::cmp::min;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION,
};
use reqwest::{Method, StatusCode, Url};
use tokio::time::{Instant, sleep, sleep_until};
use zeroize::Zeroizing;

use self::body::{discard, read};
use super::address::check_literal;
use super::bulkhead::{Blame, EntryRefusal, Failure, Permit, RequestClass};
use super::error::{
    address_refused, blocked, concealed, from_transport, malformed, refused_entry,
    timeout as timed_out, unsupported,
};
use super::host::{Hosts, LookUpLimits, RegistryHost, authority};
use super::jitter::jittered;
use super::statistics::Statistics;
use crate::domain::text::printable;
use crate::domain::unknown::{Reason, Unknown};
use crate::work::audience::Urgency;
use crate::work::limit::RequestLimit;

/// Most redirects of one request.
const MAX_REDIRECTS: usize = 3;
/// Time before the one retry of an answer of 5xx.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// Speaks to registries and token servers.
pub(super) struct RegistryTransport {
    pub(super) hosts: Arc<Hosts>,
    pub(super) limits: LookUpLimits,
    pub(super) statistics: Arc<Statistics>,
}

/// One request.
pub(super) struct RegistryRequest<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) peer: RegistryHost<'a>,
    /// The registry that the look-up is about.
    pub(super) registry: &'a str,
    /// What failures are told about: the registry, or what it sent us to; never by the name
    /// that it gave.
    pub(super) asked: Cow<'a, str>,
    pub(super) accept: Option<&'static str>,
    pub(super) authorization: Option<HeaderValue>,
    /// What is sent, as a form.
    pub(super) form: Option<Zeroizing<String>>,
    /// Most bytes of a successful answer.
    pub(super) largest: u64,
    pub(super) class: RequestClass,
}

/// An answer, read to its end if it is a success.
pub(super) struct RegistryResponse {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// Whether the registry itself answered, not one that it redirected to.
    pub(super) is_direct: bool,
    /// Whether nobody is told anything of whom it is from.
    pub(super) is_concealed: bool,
}

impl RegistryResponse {
    /// What the answer fails by, as far as that is told.
    pub(super) fn failure(&self, failure: Unknown, label: &str) -> Unknown {
        told(failure, self.is_concealed, label)
    }
}

/// The failure, or as much of it as is told of a host that is concealed.
fn told(failure: Unknown, is_concealed: bool, label: &str) -> Unknown {
    if is_concealed {
        concealed(failure, label)
    } else {
        failure
    }
}

impl RegistryTransport {
    /// Sends a request and follows redirects: each to a host that its own settings allow,
    /// and without credentials from the first other host on.
    pub(super) async fn follow<'a>(
        &'a self,
        mut request: RegistryRequest<'a>,
    ) -> Result<RegistryResponse, Unknown> {
        let registry = request.registry;
        let mut is_direct = true;
        // Where a host leads to is something that it says.
        let mut is_concealed = false;
        for _ in 0..=MAX_REDIRECTS {
            let exchanged = self.exchange(&request).await;
            let mut answer = exchanged.map_err(|failure| told(failure, is_concealed, registry))?;
            is_concealed |= answer.is_concealed;
            answer.is_concealed = is_concealed;
            if !answer.status.is_redirection() {
                return Ok(RegistryResponse {
                    is_direct,
                    ..answer
                });
            }
            let next = location(&request, &answer.headers);
            let next = next.map_err(|failure| answer.failure(failure, registry))?;
            tracing::debug!(
                host = %request.peer.authority,
                to = %printable(&authority(&next)),
                "registry redirect"
            );
            if next.origin() != request.url.origin() {
                is_direct = false;
                request.authorization = None;
                request.class.account = None;
                request.class.is_counted = false;
                request.peer = self.hosts.peer(&authority(&next).into());
                request.asked = format!("the host that {registry} redirects to").into();
            }
            request.url = next;
        }
        let failure = unsupported("the registry redirects too often");
        Err(told(failure, is_concealed, registry))
    }

    /// Sends a request, and tells no more of the host than may be told.
    pub(super) async fn exchange(
        &self,
        request: &RegistryRequest<'_>,
    ) -> Result<RegistryResponse, Unknown> {
        // What we refuse ourselves tells nothing of the host.
        self.judge(request)?;
        let exchanged = self.exchange_openly(request).await;
        if !self.hosts.conceals(&request.url) {
            return exchanged;
        }
        match exchanged {
            Ok(answer) => Ok(RegistryResponse {
                is_concealed: true,
                ..answer
            }),
            Err(failure) => Err(concealed(failure, request.registry)),
        }
    }

    /// Sends a request. Redirects are answers like others. Where somebody waits, a host that
    /// stumbles gets one more try, and so does one that asks for a short pause.
    async fn exchange_openly(
        &self,
        request: &RegistryRequest<'_>,
    ) -> Result<RegistryResponse, Unknown> {
        let answer = self.exchange_once(request, 1).await?;
        let pause = match answer.status.as_u16() {
            // The bulkhead waits as long as the registry asks for, or refuses.
            429 => Duration::ZERO,
            500 | 502..=504 => jittered(RETRY_DELAY),
            _ => return Ok(answer),
        };
        if !request.class.audience.is_awaited() || request.method == Method::POST {
            return Ok(answer);
        }
        sleep(pause).await;
        match self.exchange_once(request, 2).await {
            // It was not asked again: what it said counts.
            Err(unknown) if unknown.reason == Reason::RateLimited => Ok(answer),
            second => second,
        }
    }

    async fn exchange_once(
        &self,
        request: &RegistryRequest<'_>,
        attempt: u32,
    ) -> Result<RegistryResponse, Unknown> {
        let bulkhead = self.hosts.bulkhead(&request.url);
        let refused = |refusal| {
            let failure = refused_entry(&request.asked, refusal);
            tracing::debug!(
                host = %request.peer.authority,
                reason = failure.reason.name(),
                error = %failure.detail,
                "registry not asked"
            );
            failure
        };
        let limit = request.class.limit.as_ref();
        if let Some(limit) = limit
            && bulkhead.is_nearly_spent(&request.class)
        {
            limit.stop();
        }
        if limit.is_some_and(|limit| limit.left() == 0) {
            return Err(refused(EntryRefusal::LimitReached));
        }
        let mut permit = bulkhead.enter(&request.class).await.map_err(refused)?;
        if limit.is_some_and(|limit| !limit.take()) {
            return Err(refused(EntryRefusal::LimitReached));
        }
        let started = Instant::now();
        let Some(answer) = self.in_time(request, &mut permit).await else {
            permit.given_up();
            return Err(refused(EntryRefusal::Busy));
        };
        log(request, attempt, started.elapsed(), &answer);
        match answer {
            Ok(answer) => {
                self.statistics.count_request(Some(answer.status));
                permit.answered(answer.status, &answer.headers);
                let is_spent = answer.status == StatusCode::TOO_MANY_REQUESTS
                    || bulkhead.is_nearly_spent(&request.class);
                limit
                    .filter(|_| is_spent)
                    .into_iter()
                    .for_each(RequestLimit::stop);
                Ok(answer)
            }
            Err(failure) => {
                self.statistics.count_request(None);
                let is_unsent = failure.blame == Blame::Host;
                limit
                    .filter(|_| is_unsent)
                    .into_iter()
                    .for_each(RequestLimit::give_back);
                permit.failed(&failure);
                Err(failure.unknown)
            }
        }
    }

    /// What comes of the request, or nothing where its place is another tenant's.
    ///
    /// After the time of a request those who wait are told that it is over, and the host's
    /// health is. The request itself goes on for longer where nobody else is asked instead and
    /// where there is room for such, as it does when those who waited have left: what it finds
    /// answers the retry.
    async fn in_time(
        &self,
        request: &RegistryRequest<'_>,
        permit: &mut Permit,
    ) -> Option<Result<RegistryResponse, Failure>> {
        let (class, limits) = (&request.class, &self.limits);
        let mut changes = class.audience.changes();
        let was_awaited = permit.place.urgency() == Urgency::Awaited;
        let started = Instant::now();
        let longest = if class.may_go_on {
            limits.late.max(limits.request)
        } else {
            limits.request
        };
        let end = min(class.deadline, started + longest);
        let mut overdue = min(end, started + limits.request);
        let mut answer = pin!(self.perform(request));
        loop {
            if was_awaited && !class.audience.is_awaited() {
                // Without room for it, it keeps its place for the rest of its time.
                permit.go_on_late();
            }
            tokio::select! {
                biased;
                answer = &mut answer => return Some(answer),
                () = permit.place.asked_for() => {
                    if !permit.go_on_late() {
                        return None;
                    }
                }
                () = sleep_until(overdue) => {
                    permit.overdue();
                    if end <= overdue || !permit.go_on_late() {
                        return Some(Err(timed_out(&request.asked).into()));
                    }
                    class.audience.delay();
                    overdue = min(end, overdue + limits.request);
                }
                () = changes.next() => {}
            }
        }
    }

    /// Whether the settings let us contact the host of the URL at all. Names are judged
    /// again when they are resolved.
    fn judge(&self, request: &RegistryRequest<'_>) -> Result<(), Unknown> {
        let (url, settings) = (&request.url, &request.peer.host.settings);
        // A reference may spell an address in a way that its settings do not.
        let is_blocked = settings.blocked || self.hosts.of(&authority(url)).settings.blocked;
        if is_blocked {
            return Err(blocked(&request.asked, "the configuration blocks it"));
        }
        let is_http = url.scheme() == "http" && settings.plain_http;
        if url.scheme() != "https" && !is_http {
            return Err(blocked(&request.asked, "it would not be over https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(blocked(&request.asked, "its URL has a user name"));
        }
        check_literal(url, settings.addresses).map_err(|_| address_refused(&request.asked))
    }

    async fn perform(&self, request: &RegistryRequest<'_>) -> Result<RegistryResponse, Failure> {
        let client = &request.peer.host.client;
        let mut builder = client
            .request(request.method.clone(), request.url.clone())
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(accept) = request.accept {
            builder = builder.header(ACCEPT, HeaderValue::from_static(accept));
        }
        if let Some(authorization) = &request.authorization {
            builder = builder.header(AUTHORIZATION, authorization.clone());
        }
        if let Some(form) = &request.form {
            let media_type = HeaderValue::from_static("application/x-www-form-urlencoded");
            builder = builder
                .header(CONTENT_TYPE, media_type)
                .body(form.to_string());
        }
        let mut response = builder
            .send()
            .await
            .map_err(|error| from_transport(&error, &request.asked))?;
        let body = if response.status().is_success() {
            read(&mut response, request).await?
        } else {
            discard(&mut response).await;
            Vec::new()
        };
        Ok(RegistryResponse {
            status: response.status(),
            headers: std::mem::take(response.headers_mut()),
            body,
            is_direct: true,
            is_concealed: false,
        })
    }
}

/// One line a request. Neither queries nor headers: both may hold credentials.
fn log(
    request: &RegistryRequest<'_>,
    attempt: u32,
    time: Duration,
    answer: &Result<RegistryResponse, Failure>,
) {
    let (host, method) = (&request.peer.authority, &request.method);
    let path = || printable(request.url.path());
    let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let status = answer.as_ref().ok().map(|answer| answer.status.as_u16());
    let failure = answer.as_ref().err().map(|failure| &failure.unknown);
    let reason = failure.map(|unknown| unknown.reason.name());
    let error = failure.map(|unknown| tracing::field::display(&unknown.detail));
    tracing::debug!(%host, %method, path = path(), status, reason, error, attempt, milliseconds, "registry request");
}

fn location(request: &RegistryRequest<'_>, headers: &HeaderMap) -> Result<Url, Unknown> {
    headers
        .get(LOCATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| request.url.join(text).ok())
        .ok_or_else(|| malformed("the registry redirects to nowhere"))
}
