//! AdmissionReview in: only the fields that matter, borrowed from the body.
//!
//! Source: <https://github.com/kubernetes/api/blob/master/admission/v1/types.go>

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

/// The one version that the API server and we speak.
pub(crate) const API_VERSION: &str = "admission.k8s.io/v1";

/// A request of the API server. Objects stay bytes until their kind is known.
#[derive(Debug, Deserialize)]
pub(crate) struct Request<'a> {
    #[serde(borrow)]
    pub(crate) uid: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) kind: GroupVersionKind<'a>,
    #[serde(borrow, default)]
    pub(crate) resource: GroupVersionResource<'a>,
    #[serde(borrow, default, rename = "subResource")]
    pub(crate) sub_resource: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) namespace: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) operation: Cow<'a, str>,
    #[serde(borrow, default, rename = "userInfo")]
    pub(crate) user_info: UserInfo<'a>,
    #[serde(borrow, default)]
    pub(crate) object: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "oldObject")]
    pub(crate) old_object: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct GroupVersionKind<'a> {
    #[serde(borrow, default)]
    pub(crate) group: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) version: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) kind: Cow<'a, str>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct GroupVersionResource<'a> {
    #[serde(borrow, default)]
    pub(crate) resource: Cow<'a, str>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct UserInfo<'a> {
    #[serde(borrow, default)]
    pub(crate) username: Cow<'a, str>,
}

/// Why a body is no review.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub(crate) struct ReviewError {
    /// The uid to echo, where one could be read.
    pub(crate) uid: Option<String>,
    /// One line for a person.
    pub(crate) message: String,
}

#[derive(Deserialize)]
struct Review<'a> {
    #[serde(borrow, default, rename = "apiVersion")]
    api_version: Cow<'a, str>,
    #[serde(borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    request: Request<'a>,
}

/// Reads a review.
///
/// # Errors
/// When the body is no JSON, no AdmissionReview, of another version, or has no uid.
pub(crate) fn parse(body: &[u8]) -> Result<Request<'_>, ReviewError> {
    let review: Review<'_> = serde_json::from_slice(body).map_err(|error| ReviewError {
        uid: read_uid(body),
        message: format!("read AdmissionReview: {error}"),
    })?;
    let refuse = |message: String| ReviewError {
        uid: (!review.request.uid.is_empty()).then(|| review.request.uid.to_string()),
        message,
    };
    if review.kind != "AdmissionReview" || review.api_version != API_VERSION {
        let found: String = format!("{} {}", review.api_version, review.kind);
        let found: String = found.chars().filter(|c| !c.is_control()).take(80).collect();
        return Err(refuse(format!(
            "read AdmissionReview: expected {API_VERSION} AdmissionReview, found {found:?}"
        )));
    }
    if review.request.uid.is_empty() {
        return Err(refuse(
            "read AdmissionReview: request.uid is empty".to_owned(),
        ));
    }
    Ok(review.request)
}

/// The uid of a review whose other fields are wrong.
fn read_uid(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct OnlyRequest {
        request: OnlyUid,
    }
    #[derive(Deserialize)]
    struct OnlyUid {
        uid: String,
    }
    let review: OnlyRequest = serde_json::from_slice(body).ok()?;
    Some(review.request.uid).filter(|uid| !uid.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_review_is_borrowed_from_the_body() {
        let body = br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":
            {"uid":"u1","kind":{"group":"","version":"v1","kind":"Pod"},"operation":"CREATE",
             "namespace":"web","userInfo":{"username":"ann"},"object":{"spec":{}},"oldObject":null}}"#;
        let request = parse(body).unwrap();
        assert!(matches!(request.uid, Cow::Borrowed("u1")));
        assert_eq!(request.object.unwrap().get(), r#"{"spec":{}}"#);
        assert_eq!(request.namespace.as_deref(), Some("web"));
        assert_eq!(request.user_info.username, "ann");
    }

    #[test]
    fn the_uid_of_a_wrong_review_is_still_read() {
        for (body, uid) in [
            (
                r#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{"uid":"u"}}"#,
                Some("u"),
            ),
            (
                r#"{"apiVersion":"v1","kind":"Pod","request":{"uid":"u"}}"#,
                Some("u"),
            ),
            (
                r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","kind":7}}"#,
                Some("u"),
            ),
            (
                r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":""}}"#,
                None,
            ),
            (
                r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#,
                None,
            ),
            (r#"{"request":{"uid":"u""#, None),
            ("", None),
        ] {
            assert_eq!(
                parse(body.as_bytes()).unwrap_err().uid.as_deref(),
                uid,
                "{body}"
            );
        }
    }

    #[test]
    fn depth_does_not_overflow_the_stack() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let body = format!(
            r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u","object":{deep}}}}}"#
        );
        assert!(parse(body.as_bytes()).is_ok());
    }
}
