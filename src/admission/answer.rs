//! AdmissionReview out.
//!
//! Source: <https://github.com/kubernetes/api/blob/master/admission/v1/types.go>

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use super::review::API_VERSION;
use crate::domain::policy::Action;
use crate::domain::text::printable;
use crate::domain::unknown::Reason;
use crate::domain::verdict::LevelResult;
use crate::wording::DenialCause;

/// Room for an answer without a message, in bytes.
const USUAL_ANSWER_BYTES: usize = 512;

/// What is answered to one review.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub(super) refusal: Option<Box<Refusal>>,
    pub(super) warnings: Vec<String>,
    pub(super) annotations: BTreeMap<&'static str, Cow<'static, str>>,
}

/// Why a request is not allowed, as the review says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Refusal {
    status: &'static str,
    /// HTTP status inside the review: 403 for a denial, 400 for a review that is none.
    code: u16,
    reason: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Details::is_empty")]
    details: Details,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Details {
    causes: Vec<DenialCause>,
}

impl Details {
    fn is_empty(&self) -> bool {
        self.causes.is_empty()
    }
}

impl Answer {
    /// Allowed without a word.
    pub(super) fn allowed() -> Self {
        Self::default()
    }

    /// Allowed with one warning.
    pub(super) fn warned(text: &str) -> Self {
        Self::with_warnings(vec![format!("archmatch: {}", printable(text))])
    }

    /// Allowed with these warnings, or without a word.
    pub(super) fn with_warnings(warnings: Vec<String>) -> Self {
        Self {
            warnings,
            ..Self::default()
        }
    }

    /// Denied by policy.
    ///
    /// Code 403 with reason `Forbidden`: kubectl prints the message for it, while it drops
    /// the message of `Invalid`, and clients retry 429, 503 and 504.
    pub(super) fn denied(message: String, causes: Vec<DenialCause>) -> Self {
        Self::refused(403, "Forbidden", message, causes)
    }

    /// Allowed although the object cannot be read, as it could not before.
    pub(super) fn unreadable(error: &str) -> Self {
        let unknown = LevelResult::Undecided.name();
        let mut answer = Self::warned(&format!("its images were not checked: {error}"));
        answer.annotations.insert("verdict", unknown.into());
        answer
            .annotations
            .insert("undecided", Reason::Malformed.name().into());
        answer
            .annotations
            .insert("mode", Action::Warn.name().into());
        answer
    }

    /// The review itself is wrong.
    pub(super) fn malformed(message: &str) -> Self {
        Self::refused(400, "BadRequest", printable(message), Vec::new())
    }

    fn refused(code: u16, reason: &'static str, message: String, causes: Vec<DenialCause>) -> Self {
        Self {
            refusal: Some(Box::new(Refusal {
                status: "Failure",
                code,
                reason,
                message,
                details: Details { causes },
            })),
            ..Self::default()
        }
    }

    /// What was done.
    pub fn action(&self) -> Action {
        match (&self.refusal, self.warnings.is_empty()) {
            (Some(_), _) => Action::Deny,
            (None, false) => Action::Warn,
            (None, true) => Action::Allow,
        }
    }

    /// The denial's text, if it is one.
    pub fn message(&self) -> Option<&str> {
        self.refusal
            .as_ref()
            .map(|refusal| refusal.message.as_str())
    }

    /// The warnings, in the order in which the API server will send them.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The AdmissionReview to send, as JSON.
    pub(super) fn to_json(&self, uid: &str) -> Vec<u8> {
        let review = ReviewAnswer {
            api_version: API_VERSION,
            kind: "AdmissionReview",
            response: Response {
                uid,
                allowed: self.refusal.is_none(),
                status: self.refusal.as_deref(),
                warnings: &self.warnings,
                audit_annotations: &self.annotations,
            },
        };
        let mut json = Vec::with_capacity(USUAL_ANSWER_BYTES);
        // Strings, numbers and maps with text keys always serialise.
        let _ = serde_json::to_writer(&mut json, &review);
        json
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReviewAnswer<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a Refusal>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: &'a BTreeMap<&'static str, Cow<'static, str>>,
}
