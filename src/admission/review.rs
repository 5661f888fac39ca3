//! AdmissionReview in: only the fields that matter, borrowed from the body.
//!
//! Source: <https://github.com/kubernetes/api/blob/master/admission/v1/types.go>

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::domain::workload::Workload;
use crate::objects::kinds::{Inline, KindRef};

/// The one version that the API server and we speak.
pub(crate) const API_VERSION: &str = "admission.k8s.io/v1";

/// Who asks in the name of a node: its kubelet.
pub(crate) const NODE_USER_PREFIX: &str = "system:node:";

/// A request of the API server.
#[derive(Debug, Default)]
pub(crate) struct Request<'a> {
    pub(crate) uid: Cow<'a, str>,
    pub(crate) kind: GroupVersionKind<'a>,
    pub(crate) resource: GroupVersionResource<'a>,
    pub(crate) sub_resource: Option<Cow<'a, str>>,
    pub(crate) name: Option<Cow<'a, str>>,
    pub(crate) namespace: Option<Cow<'a, str>>,
    pub(crate) operation: Cow<'a, str>,
    pub(crate) user_info: UserInfo<'a>,
    pub(crate) object: Object<'a>,
    /// Only a denial looks at it, so it stays bytes.
    pub(crate) old_object: Option<&'a RawValue>,
}

/// The object of a request.
#[derive(Debug, Default)]
pub(crate) enum Object<'a> {
    /// There is none.
    #[default]
    Absent,
    /// Read in the same pass as the review: a built-in kind, as nearly always.
    Workload(Workload),
    /// Still bytes: a kind that is not built in, a node's own pod, or an object with
    /// something wrong that the second look will name.
    Bytes(&'a RawValue),
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

impl Request<'_> {
    /// The kind of the object, as the review names it.
    pub(crate) fn kind(&self) -> KindRef<'_> {
        KindRef {
            group: &self.kind.group,
            version: &self.kind.version,
            kind: &self.kind.kind,
            resource: &self.resource.resource,
        }
    }

    fn is_from_node(&self) -> bool {
        self.user_info.username.starts_with(NODE_USER_PREFIX)
    }
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

/// Reads a review.
///
/// # Errors
/// When the body is no JSON, no AdmissionReview, of another version, or has no uid.
pub(crate) fn parse(body: &[u8]) -> Result<Request<'_>, ReviewError> {
    // What cannot be read in one pass is read in two, so that the error can say where.
    let read = read(body, Objects::Inline).or_else(|_| read(body, Objects::Bytes));
    let review = read.map_err(|error| ReviewError {
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

fn read(body: &[u8], objects: Objects) -> serde_json::Result<Review<'_>> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let review = ReviewSeed(objects).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(review)
}

#[derive(Default)]
struct Review<'a> {
    api_version: Cow<'a, str>,
    kind: Cow<'a, str>,
    request: Request<'a>,
}

/// How the object of a request is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Objects {
    /// In the same pass, where its kind is built in.
    Inline,
    /// Later, whatever it is.
    Bytes,
}

struct ReviewSeed(Objects);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum ReviewField {
    ApiVersion,
    Kind,
    Request,
    #[serde(other)]
    Other,
}

impl<'de> DeserializeSeed<'de> for ReviewSeed {
    type Value = Review<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Review<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ReviewSeed {
    type Value = Review<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an AdmissionReview")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Review<'de>, A::Error> {
        let mut review = Review::default();
        let mut request = None;
        while let Some(field) = map.next_key()? {
            match field {
                ReviewField::ApiVersion => review.api_version = text(&mut map)?,
                ReviewField::Kind => review.kind = text(&mut map)?,
                ReviewField::Request => request = Some(map.next_value_seed(RequestSeed(self.0))?),
                ReviewField::Other => skip(&mut map)?,
            }
        }
        review.request = request.ok_or_else(|| A::Error::missing_field("request"))?;
        Ok(review)
    }
}

struct RequestSeed(Objects);

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

impl<'de> DeserializeSeed<'de> for RequestSeed {
    type Value = Request<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Request<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RequestSeed {
    type Value = Request<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Request<'de>, A::Error> {
        let mut request = Request::default();
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
                RequestField::Object => request.object = self.object(&request, &mut map)?,
                RequestField::OldObject => request.old_object = map.next_value()?,
                RequestField::Other => skip(&mut map)?,
            }
        }
        if matches!(request.object, Object::Workload(_)) && request.is_from_node() {
            return Err(A::Error::custom("the user stands behind the object"));
        }
        Ok(request)
    }
}

impl RequestSeed {
    /// The API server writes kind and user before the object. Where the user comes later
    /// and turns out to be a node, the review is read once more.
    fn object<'de, A: MapAccess<'de>>(
        &self,
        request: &Request<'_>,
        map: &mut A,
    ) -> Result<Object<'de>, A::Error> {
        if self.0 == Objects::Inline
            && !request.is_from_node()
            && let Some(inline) = Inline::of(request.kind())
        {
            let workload = map.next_value_seed(inline)?;
            return Ok(workload.map_or(Object::Absent, Object::Workload));
        }
        let bytes: Option<&RawValue> = map.next_value()?;
        Ok(bytes.map_or(Object::Absent, Object::Bytes))
    }
}

/// A string, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn text<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Cow<'de, str>, A::Error> {
    map.next_value().map(|Text(text)| text)
}

fn optional_text<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<Cow<'de, str>>, A::Error> {
    let text: Option<Text<'de>> = map.next_value()?;
    Ok(text.map(|Text(text)| text))
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
        assert!(matches!(request.object, Object::Workload(_)));
        assert!(request.old_object.is_none());
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
    fn what_is_no_sound_object_of_a_built_in_kind_stays_bytes() {
        let review = |kind: &str, user: &str, object: &str| {
            format!(
                r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":
                {{"uid":"u","kind":{{"group":"","version":"v1","kind":"{kind}"}},"operation":"CREATE",
                "userInfo":{{"username":"{user}"}},"object":{object}}}}}"#
            )
        };
        for (kind, user, object, is_bytes) in [
            ("Pod", "ann", r#"{"spec":{}}"#, false),
            ("Pod", "ann", r#"{"spec":{"containers":7}}"#, true),
            ("Pod", "system:node:a1", r#"{"spec":{}}"#, true),
            ("Gadget", "ann", r#"{"spec":{}}"#, true),
        ] {
            let body = review(kind, user, object);
            let request = parse(body.as_bytes()).unwrap();
            let found = matches!(request.object, Object::Bytes(bytes) if bytes.get() == object);
            assert_eq!(found, is_bytes, "{body}");
        }
        let body = review("Pod", "ann", "null");
        assert!(matches!(
            parse(body.as_bytes()).unwrap().object,
            Object::Absent
        ));
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
