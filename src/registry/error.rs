//! The few failures of registries that the rest of the program can tell apart.
//!
//! Every failure becomes an [`Unknown`] here, in our own words: a text never holds what a
//! registry sent, since a pod's creator chooses the registry and reads the answer.

use std::error::Error;

use reqwest::StatusCode;
use rustls::InvalidMessage;

use super::address::AddressRefused;
use super::bulkhead::{Blame, EntryRefusal, Failure};
use crate::domain::unknown::{Origin, Reason, Unknown};
use crate::work::flight::Absent;

/// The same text for a missing and for a hidden image: the difference would tell who may
/// not read an image that it exists.
pub(super) fn hidden(reason: Reason, host: &str) -> Unknown {
    Unknown::new(
        reason,
        format!("{host} has no such image, or we may not read it"),
    )
}

/// The registry did not take the credentials that it was shown.
pub(super) fn refused(host: &str) -> Unknown {
    let detail = format!("{host} refused the credentials");
    Unknown {
        origin: Origin::Credentials { end: detail.len() },
        ..Unknown::new(Reason::Unauthorized, detail)
    }
}

/// One text for whatever a host did: closed and open ports, silence and odd answers would
/// tell whoever names images what is in a network that he cannot look into. The class is
/// kept for those who try another credential.
pub(super) fn concealed(failure: Unknown, host: &str) -> Unknown {
    let text = format!(
        "{host} could not be asked; why is told only of hosts that the configuration names"
    );
    match failure.origin {
        Origin::Budget => failure,
        _ => Unknown {
            origin: Origin::Concealed,
            ..Unknown::new(failure.reason, text)
        },
    }
}

pub(super) fn blocked(host: &str, why: &str) -> Unknown {
    Unknown::new(Reason::Blocked, format!("{host} is not contacted: {why}"))
}

pub(super) fn address_refused(host: &str) -> Unknown {
    let why = "its address is one that images may not come from unless `addresses` of its \
        entry in `registries` allows it";
    blocked(host, why)
}

pub(super) fn timeout(host: &str) -> Unknown {
    Unknown::new(Reason::Timeout, format!("{host} did not answer in time"))
}

/// What it means that a look-up has no answer.
pub(super) fn absent(host: &str, absent: Absent) -> Unknown {
    match absent {
        Absent::Late => timeout(host),
        Absent::Ended => {
            let why = "the look-up ended without an answer";
            Unknown::new(Reason::Unreachable, why)
        }
    }
}

/// What a bulkhead's refusal means. Nothing was sent.
pub(super) fn refused_entry(host: &str, refusal: EntryRefusal) -> Unknown {
    let (reason, detail) = match refusal {
        EntryRefusal::Busy => {
            return Unknown::over_budget(format!(
                "too many requests of ours are waiting for {host}"
            ));
        }
        EntryRefusal::LimitReached => {
            let why = "as many requests were made as may be made for one image";
            return Unknown::over_budget(why);
        }
        EntryRefusal::Paused => (
            Reason::RateLimited,
            format!("{host} limits our requests, and asked us to wait"),
        ),
        EntryRefusal::ShareSpent => {
            return Unknown::over_budget(format!(
                "what is left of the pulls that {host} allows is for other namespaces"
            ));
        }
        EntryRefusal::HalfSpent => (
            Reason::RateLimited,
            format!("half of the pulls that {host} allows are left to the nodes"),
        ),
        EntryRefusal::Failing(reason) => {
            let why =
                format!("{host} failed several times in a row ({reason}); it is asked again soon");
            return unconnected(Unknown::new(reason, why));
        }
    };
    Unknown::new(reason, detail)
}

pub(super) fn malformed(what: &str) -> Unknown {
    Unknown::new(Reason::Malformed, what)
}

pub(super) fn too_large(what: &str) -> Unknown {
    Unknown::new(Reason::TooLarge, what)
}

pub(super) fn unsupported(what: &str) -> Unknown {
    Unknown::new(Reason::Unsupported, what)
}

/// What a status that is no success means.
pub(super) fn from_status(status: StatusCode, host: &str) -> Unknown {
    match status.as_u16() {
        404 | 410 => hidden(Reason::NotFound, host),
        401 | 403 => hidden(Reason::Unauthorized, host),
        429 => Unknown::new(Reason::RateLimited, format!("{host} limits our requests")),
        408 => timeout(host),
        500.. => Unknown::new(Reason::Unreachable, format!("{host} is failing")),
        _ => Unknown::new(
            Reason::Unsupported,
            format!("{host} answered in a way that registries do not"),
        ),
    }
}

/// What a failed exchange means: the cause is found in the chain of sources.
pub(super) fn from_transport(error: &reqwest::Error, host: &str) -> Failure {
    let unknown = cause(error, host);
    if !error.is_connect() {
        return unknown.into();
    }
    Failure {
        unknown: unconnected(unknown),
        blame: Blame::Host,
    }
}

/// A failure of which nothing but the connection is to blame.
fn unconnected(unknown: Unknown) -> Unknown {
    match unknown.reason {
        Reason::Unreachable | Reason::Timeout => Unknown {
            origin: Origin::Unconnected { is_absent: false },
            ..unknown
        },
        _ => unknown,
    }
}

fn cause(error: &reqwest::Error, host: &str) -> Unknown {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = source {
        if cause.is::<AddressRefused>() {
            return address_refused(host);
        }
        if let Some(error) = cause.downcast_ref::<rustls::Error>() {
            return handshake(error, host);
        }
        // What an `io::Error` wraps is not its source: `source` would skip one level.
        source = match cause.downcast_ref::<std::io::Error>() {
            Some(wrapper) => wrapper.get_ref().map(|wrapped| wrapped as _),
            None => cause.source(),
        };
    }
    if error.is_timeout() {
        return timeout(host);
    }
    let what = if error.is_connect() {
        "there is no connection to"
    } else {
        "the answer broke off from"
    };
    Unknown::new(Reason::Unreachable, format!("{what} {host}"))
}

fn handshake(error: &rustls::Error, host: &str) -> Unknown {
    let detail = match error {
        // What comes is no record of TLS at all.
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => format!(
            "{host} does not speak TLS; `plainHttp` of its entry in `registries` allows plain http"
        ),
        _ => format!(
            "the TLS handshake with {host} failed (its certificate may be unknown or expired; `ca` \
             of its entry in `registries` names another authority)"
        ),
    };
    Unknown::new(Reason::Tls, detail)
}
