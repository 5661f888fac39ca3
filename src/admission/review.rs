//! AdmissionReview in: only the fields that matter, read in one pass. Nothing of the body is
//! kept, so that its room is free while registries are waited for.
//!
//! Source: <https://github.com/kubernetes/api/blob/master/admission/v1/types.go>

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use thiserror::Error;

use super::request::{MAX_TEXT_CHARACTERS, Object, Request, ReviewText};
use crate::objects::kinds::{self, KindRef, KindRule, KindSeed};

/// The one version that the API server and we speak.
pub(crate) const API_VERSION: &str = "admission.k8s.io/v1";

/// Why a body is no review.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub(crate) struct ReviewError {
    /// The uid to echo, where one could be read.
    pub(crate) uid: Option<String>,
    /// One line for a person.
    pub(crate) message: String,
}

/// Reads a review, its objects by what is built in and by the rules.
///
/// # Errors
/// When the body is no JSON, no AdmissionReview, of another version, or has no uid.
pub(crate) fn parse(body: &[u8], rules: &[KindRule]) -> Result<Request, ReviewError> {
    // What cannot be read in one pass is read in two, so that the error can say where; so is
    // the object of a node that is named behind it.
    let read = match read(body, Objects::Inline) {
        Ok(review) if !review.request.user_came_late() => Ok(review),
        Ok(_) | Err(_) => read(body, Objects::Bytes),
    };
    let review = read.map_err(|error| ReviewError {
        uid: read_uid(body),
        message: format!("read AdmissionReview: {error}"),
    })?;
    let mut request = review.request.read;
    let (api_version, kind) = (review.api_version.0, review.kind.0);
    if kind != "AdmissionReview" || api_version != API_VERSION {
        let found = format!("{api_version} {kind}");
        let found: String = found.chars().filter(|c| !c.is_control()).take(80).collect();
        let message = format!(
            "read AdmissionReview: expected {API_VERSION} AdmissionReview, found {found:?}"
        );
        let uid = Some(request.uid).filter(|uid| is_uid(uid));
        return Err(ReviewError { uid, message });
    }
    if !is_uid(&request.uid) {
        let message = "read AdmissionReview: request.uid is empty or too long".to_owned();
        return Err(ReviewError { uid: None, message });
    }
    if let Some(object) = review.request.object {
        request.claims_mirror_pod =
            request.is_from_node() && kinds::is_mirror_pod(object.get().as_bytes());
        request.object = Object::read(&request.kind(), object, rules);
    }
    if let Some(old) = review.request.old_object {
        request.old_object = Object::read(&request.kind(), old, rules);
    }
    Ok(request)
}

impl Object {
    fn read(kind: &KindRef<'_>, raw: &RawValue, rules: &[KindRule]) -> Self {
        match kinds::from_json(kind, raw.get().as_bytes(), rules) {
            Ok(Some(workload)) => Self::Workload(workload),
            Ok(None) => Self::OtherKind,
            Err(error) => Self::Unreadable(error),
        }
    }
}

/// A uid is echoed, so it is not any text.
fn is_uid(text: &str) -> bool {
    !text.is_empty() && text.len() < MAX_TEXT_CHARACTERS
}

fn read(body: &[u8], objects: Objects) -> serde_json::Result<Review<'_>> {
    let mut review = Review::default();
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    deserializer.deserialize_map(ReviewFields(&mut review, objects))?;
    deserializer.end()?;
    Ok(review)
}

/// Who asks for what, as far as the beginning of a body says so. None without a uid. The
/// API server writes the objects last.
pub(crate) fn head(beginning: &[u8]) -> Option<Request> {
    let mut review = Review::default();
    let mut deserializer = serde_json::Deserializer::from_slice(beginning);
    // It ends in the middle of something. What stands before that has been read.
    let _ = deserializer.deserialize_map(ReviewFields(&mut review, Objects::Skipped));
    let request = review.request.read;
    is_uid(&request.uid).then_some(request)
}

#[derive(Default)]
struct Review<'a> {
    api_version: ReviewText<'a>,
    kind: ReviewText<'a>,
    request: Reading<'a>,
}

/// A request, and those of its objects that are still bytes: of a kind that is not built in,
/// a node's own pod, or with something wrong that the second look will name.
#[derive(Default)]
struct Reading<'a> {
    read: Request,
    object: Option<&'a RawValue>,
    old_object: Option<&'a RawValue>,
}

impl Reading<'_> {
    /// Whether a node asks, and that came too late to keep the object's bytes.
    fn user_came_late(&self) -> bool {
        matches!(self.read.object, Object::Workload(_)) && self.read.is_from_node()
    }
}

/// How the objects of a request are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Objects {
    /// In the same pass, where their kind is built in.
    Inline,
    /// Later, whatever they are.
    Bytes,
    /// Not at all.
    Skipped,
}

/// Fills a review as far as it is there.
struct ReviewFields<'r, 'de>(&'r mut Review<'de>, Objects);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum ReviewField {
    ApiVersion,
    Kind,
    Request,
    #[serde(other)]
    Other,
}

impl<'de> Visitor<'de> for ReviewFields<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an AdmissionReview")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(review, objects) = self;
        let mut has_request = false;
        while let Some(field) = map.next_key()? {
            match field {
                ReviewField::ApiVersion => review.api_version = map.next_value()?,
                ReviewField::Kind => review.kind = map.next_value()?,
                ReviewField::Request => {
                    review.request = Reading::default();
                    map.next_value_seed(RequestFields(&mut review.request, objects))?;
                    has_request = true;
                }
                ReviewField::Other => skip(&mut map)?,
            }
        }
        match has_request {
            true => Ok(()),
            false => Err(A::Error::missing_field("request")),
        }
    }
}

/// Fills a request as far as it is there.
struct RequestFields<'r, 'de>(&'r mut Reading<'de>, Objects);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum RequestField {
    Uid,
    Kind,
    Resource,
    SubResource,
    Name,
    Namespace,
    Operation,
    UserInfo,
    Object,
    OldObject,
    #[serde(other)]
    Other,
}

impl<'de> DeserializeSeed<'de> for RequestFields<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RequestFields<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(reading, objects) = self;
        let request = &mut reading.read;
        while let Some(field) = map.next_key()? {
            match field {
                RequestField::Uid => request.uid = text(&mut map)?,
                RequestField::Kind => request.kind = map.next_value()?,
                RequestField::Resource => request.resource = map.next_value()?,
                RequestField::SubResource => request.sub_resource = optional_text(&mut map)?,
                RequestField::Name => request.name = optional_text(&mut map)?,
                RequestField::Namespace => request.namespace = optional_text(&mut map)?,
                RequestField::Operation => request.operation = text(&mut map)?,
                RequestField::UserInfo => request.user_info = map.next_value()?,
                RequestField::Object => {
                    (request.object, reading.object) = objects.read(request, &mut map)?;
                }
                RequestField::OldObject => {
                    (request.old_object, reading.old_object) = objects.read(request, &mut map)?;
                }
                RequestField::Other => skip(&mut map)?,
            }
        }
        Ok(())
    }
}

impl Objects {
    /// The API server writes kind and user before the objects.
    fn read<'de, A: MapAccess<'de>>(
        self,
        request: &Request,
        map: &mut A,
    ) -> Result<(Object, Option<&'de RawValue>), A::Error> {
        if self == Self::Skipped {
            return skip(map).map(|()| (Object::Absent, None));
        }
        if self == Self::Inline
            && !request.is_from_node()
            && let Some(seed) = KindSeed::of(request.kind())
        {
            let workload = map.next_value_seed(seed)?;
            return Ok((workload.map_or(Object::Absent, Object::Workload), None));
        }
        Ok((Object::Absent, map.next_value()?))
    }
}

fn text<'de, A: MapAccess<'de>>(map: &mut A) -> Result<String, A::Error> {
    map.next_value().map(ReviewText::name)
}

fn optional_text<'de, A: MapAccess<'de>>(map: &mut A) -> Result<String, A::Error> {
    let text: Option<ReviewText<'de>> = map.next_value()?;
    Ok(text.map(ReviewText::name).unwrap_or_default())
}

fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value().map(|IgnoredAny| ())
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
    Some(review.request.uid).filter(|uid| is_uid(uid))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &[u8]) -> Result<Request, ReviewError> {
        super::parse(body, &KindRule::well_known())
    }

    #[test]
    fn a_review_is_read() {
        let body = br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":
            {"uid":"u1","kind":{"group":"","version":"v1","kind":"Pod"},"operation":"CREATE",
             "namespace":"web","userInfo":{"username":"ann"},"object":{"spec":{}},"oldObject":null}}"#;
        let request = parse(body).unwrap();
        assert_eq!(request.uid, "u1");
        assert!(matches!(request.object, Object::Workload(_)));
        assert!(matches!(request.old_object, Object::Absent));
        assert_eq!(request.namespace, "web");
        assert_eq!(request.user_info.username, "ann");
    }

    #[test]
    fn what_else_a_body_claims_to_be_is_repeated_in_short() {
        for kind in ["Pod".repeat(10_000), "Pod\\u001b[2J".repeat(10)] {
            let body = format!(r#"{{"apiVersion":"v1","kind":"{kind}","request":{{"uid":"u"}}}}"#);
            let message = parse(body.as_bytes()).unwrap_err().message;
            let found = message.split_once("found ").unwrap().1;
            let length = found.trim_matches('"').chars().count();
            assert!(length <= 80 && found.contains("v1 Pod"), "{message}");
            assert!(!found.contains("\\u"), "{message}");
        }
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

    fn review(user: &str, kind: &str, object: &str, old: &str) -> String {
        let (group, version, kind) = match kind {
            "Rollout" => ("argoproj.io", "v1alpha1", "Rollout"),
            other => ("", "v1", other),
        };
        format!(
            r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":
            {{"uid":"u","kind":{{"group":"{group}","version":"{version}","kind":"{kind}"}},
            "operation":"UPDATE","userInfo":{{"username":"{user}"}},
            "object":{object},"oldObject":{old}}}}}"#
        )
    }

    #[test]
    fn each_object_is_read_for_itself() {
        let what = |object: &Object| match object {
            Object::Absent => "absent",
            Object::Workload(_) => "workload",
            Object::OtherKind => "other kind",
            Object::Unreadable(_) => "unreadable",
        };
        let (sound, wrong) = (
            r#"{"spec":{}}"#,
            r#"{"spec":{"template":[],"containers":7}}"#,
        );
        for (user, kind, object, old, expected) in [
            ("ann", "Pod", sound, "null", ["workload", "absent"]),
            ("ann", "Pod", sound, wrong, ["workload", "unreadable"]),
            ("ann", "Pod", wrong, sound, ["unreadable", "workload"]),
            (
                "system:node:a1",
                "Pod",
                sound,
                sound,
                ["workload", "workload"],
            ),
            ("ann", "Gadget", sound, sound, ["other kind", "other kind"]),
            ("ann", "Rollout", sound, wrong, ["workload", "unreadable"]),
            ("ann", "Pod", "null", "null", ["absent", "absent"]),
        ] {
            let body = review(user, kind, object, old);
            let request = parse(body.as_bytes()).unwrap();
            let found = [&request.object, &request.old_object].map(what);
            assert_eq!(found, expected, "{body}");
        }
    }

    #[test]
    fn the_user_may_stand_behind_the_object() {
        let object = r#"{"metadata":{"annotations":{"kubernetes.io/config.mirror":"x"}}}"#;
        let body = format!(
            r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":
            {{"uid":"u","kind":{{"group":"","version":"v1","kind":"Pod"}},"object":{object},
            "userInfo":{{"username":"system:node:a1"}}}}}}"#
        );
        assert!(parse(body.as_bytes()).unwrap().claims_mirror_pod);
        let user = review("ann", "Pod", object, "null");
        assert!(!parse(user.as_bytes()).unwrap().claims_mirror_pod);
    }

    #[test]
    fn names_are_bounded_where_they_are_read_and_a_uid_is_no_novel() {
        let long = "n".repeat(100_000);
        let request = parse(review(&long, &long, "{}", "null").as_bytes()).unwrap();
        assert!(request.user_info.username.chars().count() <= MAX_TEXT_CHARACTERS + 1);
        assert!(request.kind.kind.chars().count() <= MAX_TEXT_CHARACTERS + 1);
        let body = review("ann", "Pod", "{}", "null")
            .replace("\"uid\":\"u\"", &format!("\"uid\":\"{long}\""));
        assert_eq!(parse(body.as_bytes()).unwrap_err().uid, None);
    }

    #[test]
    fn depth_does_not_overflow_the_stack() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let body = format!(
            r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u","object":{deep}}}}}"#
        );
        assert!(parse(body.as_bytes()).is_ok());
    }

    #[test]
    fn the_beginning_of_a_review_says_who_asks_for_what() {
        let body = br#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u-7",
            "kind":{"group":"apps","version":"v1","kind":"Deployment"},"namespace":"web","operation":"UPDATE",
            "userInfo":{"username":"ann","groups":["a","b"]},"object":{"spec":[[[{}]]]},"oldObject":{}}}"#;
        let position = |text: &str| String::from_utf8_lossy(body).find(text).unwrap();
        for length in 0..=body.len() {
            let request = head(&body[..length]);
            assert_eq!(request.is_some(), length >= position("u-7") + 4, "{length}");
            let Some(request) = request else { continue };
            assert_eq!(request.uid, "u-7");
            if length > position("\"object\"") {
                assert_eq!(request.kind.kind, "Deployment");
                assert_eq!(request.operation, "UPDATE");
                assert_eq!(request.user_info.username, "ann");
            }
        }
        assert!(head(br#"{"request":{"uid":""}}"#).is_none());
        assert!(head(br#"{"metadata":{"uid":"u"},"request":{"a":{"uid":"u"}}}"#).is_none());
        assert!(head("[".repeat(4096).as_bytes()).is_none());
    }
}
