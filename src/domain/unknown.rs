//! Why a check is undecided. Unknown is a value of its own, never yes and never no.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use strum::{Display, IntoStaticStr};

use super::text::shortened;

/// The longest detail that is kept, in characters: names of users are in it.
const MAX_DETAIL_CHARACTERS: usize = 512;

/// The classes of not knowing, as reports and metrics name them.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Display,
    IntoStaticStr,
    Serialize,
    Deserialize,
)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Reason {
    /// The registry says that there is no such image.
    NotFound,
    /// The registry refused: 401, 403, or no usable credentials.
    Unauthorized,
    /// 429, or our own budget for the host.
    RateLimited,
    /// The deadline passed.
    Timeout,
    /// No connection, a reset, a 5xx answer, a cut body.
    Unreachable,
    /// A certificate or handshake failed.
    Tls,
    /// Our configuration or the address filter refuses the host.
    Blocked,
    /// A digest or media type that contradicts, an ambiguous document, no JSON; a name that
    /// the kubelet takes and no registry can be asked for.
    Malformed,
    /// Over a size or entry limit.
    TooLarge,
    /// A document we do not read: schema 1, unknown types, nesting over the limit.
    Unsupported,
    /// `imagePullPolicy: Never`: the registry says nothing about what runs.
    Preloaded,
    /// No node and no pool may run the pod.
    NoCandidates,
    /// No candidate runs the pod, and a cordoned node might.
    Cordoned,
}

impl Reason {
    /// The name in JSON, metrics and audit annotations.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Why something could not be found out.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Unknown {
    /// The class.
    pub reason: Reason,
    /// What happened, in our own words: it completes "could not be inspected: …".
    /// It never holds text that a registry sent.
    pub detail: Arc<str>,
    /// Whose doing it is: it decides whether the failure is remembered.
    pub origin: Origin,
}

/// Whose doing it is that something could not be found out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// It is so for whoever asks: the registry, the image or the configuration.
    #[default]
    Theirs,
    /// Our own budget: nobody was asked, so it says nothing of the image, and the next one to
    /// ask may fare better.
    Budget,
    /// The registry refused the credentials that it was shown: where the detail has said so,
    /// in bytes, there is room for whose they are.
    Credentials {
        /// The end of these words.
        end: usize,
    },
    /// There is no connection to the registry. What a mirror of it said, is all that is known.
    Unconnected {
        /// Whether one said that there is no such image.
        is_absent: bool,
    },
    /// A host of which nobody is told more than that it could not be asked. The class is for
    /// those who look for another way, see [`Unknown::told`].
    Concealed,
}

impl Unknown {
    /// An unknown of the given class, explained in so many words as anybody reads.
    pub fn new(reason: Reason, detail: impl Into<Arc<str>>) -> Self {
        let detail = detail.into();
        let detail = match shortened(&detail, MAX_DETAIL_CHARACTERS) {
            Cow::Borrowed(_) => detail,
            Cow::Owned(shorter) => shorter.into(),
        };
        Self {
            reason,
            detail,
            origin: Origin::Theirs,
        }
    }

    /// The same as it may be told and kept.
    #[must_use]
    pub fn told(self) -> Self {
        match self.origin {
            Origin::Concealed => Self {
                reason: Reason::Unreachable,
                ..self
            },
            Origin::Theirs
            | Origin::Budget
            | Origin::Credentials { .. }
            | Origin::Unconnected { .. } => self,
        }
    }

    /// Whether whoever could be asked said that there is no such image: the registry, or a
    /// mirror where there is no connection to the registry.
    pub fn is_absence(&self) -> bool {
        self.reason == Reason::NotFound || self.origin == Origin::Unconnected { is_absent: true }
    }

    /// Our own budget does not allow to ask now. Such a failure is never remembered.
    pub fn over_budget(detail: impl Into<Arc<str>>) -> Self {
        Self {
            origin: Origin::Budget,
            ..Self::new(Reason::RateLimited, detail)
        }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.detail)
    }
}

impl std::error::Error for Unknown {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_bounded_where_it_is_made() {
        let unknown = Unknown::new(Reason::Blocked, "ä".repeat(70_000));
        assert_eq!(unknown.detail.chars().count(), MAX_DETAIL_CHARACTERS + 1);
        assert!(unknown.detail.ends_with('…'));
        assert_eq!(&*Unknown::new(Reason::Blocked, "short").detail, "short");
    }
}
