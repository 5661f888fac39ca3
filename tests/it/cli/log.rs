//! The log of `serve`: one line an event, which any parser of JSON reads.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::World;
use super::webhook::Webhook;

/// Any JSON in which no object has a key twice.
struct Strict;

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Strict;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_str<E>(self, _: &str) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Strict, A::Error> {
        while items.next_element::<Strict>()?.is_some() {}
        Ok(Strict)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Strict, A::Error> {
        let mut known = BTreeSet::new();
        while let Some((key, Strict)) = fields.next_entry::<String, Strict>()? {
            if !known.insert(key.clone()) {
                return Err(A::Error::custom(format!("{key} is there twice")));
            }
        }
        Ok(Strict)
    }
}

#[test]
fn a_key_twice_is_refused_at_any_depth() {
    let strict = |text| serde_json::from_str::<Strict>(text).is_ok();
    assert!(strict(r#"{"a": [1, {"b": null}], "b": "c"}"#));
    assert!(!strict(r#"{"a": [{"b": 1, "b": 1.5}]}"#));
}

/// What a webhook logs that denies one pod.
async fn log_of_a_denial(format: &str) -> String {
    let world = World::new().await;
    let webhook = Webhook::start_logging(&world, format);
    assert!(!webhook.admits(&world.image("node:22")).await);
    tokio::task::block_in_place(|| webhook.terminate())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_is_one_line_of_json_with_the_text_that_the_user_saw() {
    let log = log_of_a_denial("json").await;
    let mut denials = Vec::new();
    for line in log.lines() {
        if let Err(error) = serde_json::from_str::<Strict>(line) {
            panic!("{error}: {line}");
        }
        let line: Value = serde_json::from_str(line).unwrap();
        if line["fields"]["message"] == "denied" {
            denials.push(line["fields"]["text"].as_str().unwrap().to_owned());
        }
    }
    let [text] = &denials[..] else {
        panic!("{log}");
    };
    assert!(
        text.contains("linux/s390x") && text.contains('\n'),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_is_one_line_of_text_with_its_line_breaks_escaped() {
    let log = log_of_a_denial("text").await;
    for line in log.lines() {
        let time = line.split(' ').next().unwrap();
        assert!(time.ends_with('Z') && time.contains('T'), "{line}");
    }
    let mut lines = log.lines();
    let denial = lines.find(|line| line.contains(" denied ")).expect(&log);
    assert!(denial.contains(r"\n"), "{denial}");
}
