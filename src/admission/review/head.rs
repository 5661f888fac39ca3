//! The beginning of a review, for one that is not read to its end.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};

use super::{Request, ReviewField, is_uid, skip};

/// Who asks for what, as far as the beginning of a body says so. None without a uid. The
/// API server writes the objects last.
pub(crate) fn head(beginning: &[u8]) -> Option<Request> {
    let mut request = Request::default();
    let mut deserializer = serde_json::Deserializer::from_slice(beginning);
    // It ends in the middle of something. What stands before that has been read.
    let _ = HeadSeed(&mut request).deserialize(&mut deserializer);
    is_uid(&request.uid).then_some(request)
}

/// Fills a request as far as it is there.
struct HeadSeed<'r>(&'r mut Request);

impl<'de> DeserializeSeed<'de> for HeadSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for HeadSeed<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an AdmissionReview")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key()? {
            match field {
                ReviewField::Request => map.next_value_seed(RequestHeadSeed(&mut *self.0))?,
                _ => skip(&mut map)?,
            }
        }
        Ok(())
    }
}

struct RequestHeadSeed<'r>(&'r mut Request);

impl<'de> DeserializeSeed<'de> for RequestHeadSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RequestHeadSeed<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key()? {
            self.0.read(field, &mut map)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
