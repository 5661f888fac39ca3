use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// The names of the items, `!` for one that cannot be read; what asks for the next page, or
/// what is wrong with the page.
fn read(text: &str) -> (Vec<String>, Result<String, String>) {
    let mut page = ListPage::new(text.as_bytes().to_vec());
    let mut names = Vec::new();
    loop {
        match page.next_item() {
            Ok(Some(item)) => names.push(match item.ties {
                Ok(ties) => ties.name().to_owned(),
                Err(_) => "!".to_owned(),
            }),
            Ok(None) => return (names, Ok(page.next_page().to_owned())),
            Err(error) => {
                // Whoever asks again gets no more.
                assert!(page.next_item().unwrap().is_none());
                return (names, Err(error.to_string()));
            }
        }
    }
}

#[test]
fn items_are_read_one_by_one_in_any_order_of_fields() {
    let item = |name: &str| json!({"spec": {"a": [1, "]}"]}, "metadata": {"name": name}});
    let items = json!([item("a"), item("b"), item("c")]);
    for text in [
        format!(r#"{{"kind":"PodList","metadata":{{"continue":"next"}},"items":{items}}}"#),
        format!(
            r#" {{ "apiVersion" : "v1" , "items" : {items} , "metadata" : {{"continue":"next"}} }} "#
        ),
        format!(
            "{{\"items\":\n{items:#}\n,\"metadata\":{{\"a\":[{{}}],\"continue\":\"ne\\u0078t\"}}}}\n"
        ),
    ] {
        let expected = ["a", "b", "c"].map(str::to_owned).to_vec();
        assert_eq!(read(&text), (expected, Ok("next".to_owned())), "{text}");
    }
}

#[test]
fn a_list_may_be_empty() {
    for text in [
        "{}",
        r#"{"items":[]}"#,
        r#"{"items":null}"#,
        r#"{"metadata":null,"items": [ ] }"#,
        r#"{"metadata":{"continue":null}}"#,
    ] {
        assert_eq!(read(text), (Vec::new(), Ok(String::new())), "{text}");
    }
}

#[test]
fn an_item_that_cannot_be_read_does_not_stop_the_others() {
    for broken in [
        "null",
        "1",
        "\"a\"",
        "[]",
        r#"[{"metadata":{"name":"n"}}]"#,
        r#"{"metadata":[]}"#,
        r#"{"metadata":{"name":1}}"#,
        r#"{"metadata":{"ownerReferences":{}}}"#,
    ] {
        let good = r#"{"metadata":{"name":"good"}}"#;
        let text = format!(r#"{{"items":[{good},{broken},{good}]}}"#);
        let expected = ["good", "!", "good"].map(str::to_owned).to_vec();
        assert_eq!(read(&text), (expected, Ok(String::new())), "{text}");
    }
}

#[test]
fn what_is_no_list_is_an_error() {
    for (text, items) in [
        ("", 0),
        ("null", 0),
        ("[]", 0),
        ("{", 0),
        ("{} {}", 0),
        (r#"{"items"}"#, 0),
        (r#"{"items":{}}"#, 0),
        (r#"{"items":[}"#, 0),
        (r#"{"items":[],}"#, 0),
        (r#"{"items":[{}"#, 1),
        (r#"{"items":[{},]}"#, 1),
        (r#"{"items":[{}{}]}"#, 1),
        (r#"{"items":[{},{"a":]}"#, 1),
        (r#"{"items":[],"metadata":[]}"#, 0),
        (r#"{"items":[] "metadata":{}}"#, 0),
        (r#"{"metadata":{"continue":1}}"#, 0),
        ("<html>", 0),
    ] {
        let (found, end) = read(text);
        assert_eq!(found.len(), items, "{text}");
        let problem = end.expect_err(text);
        assert!(problem.starts_with("read list: "), "{problem}");
    }
}

#[test]
fn the_raw_item_is_the_item() {
    let items = [r#"{"a":"\u0062", "c":[1, 2]}"#, "{}", r#" {"metadata":{}}"#];
    let text = format!(r#"{{"items":[{}]}}"#, items.join(" ,"));
    let mut page = ListPage::new(text.into_bytes());
    for item in items {
        let found = page.next_item().unwrap().unwrap();
        assert_eq!(found.raw, item.trim().as_bytes());
    }
    assert!(page.next_item().unwrap().is_none());
    assert!(page.next_item().unwrap().is_none());
    assert!(page.into_buffer().is_empty());
}

#[test]
fn neither_depth_nor_number_of_items_takes_stack_or_room() {
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    for item in [
        format!(r#"{{"spec":{deep}}}"#),
        format!(r#"{{"metadata":{{"managedFields":{deep}}}}}"#),
    ] {
        let (found, end) = read(&format!(r#"{{"items":[{item}]}}"#));
        assert_eq!((found.len(), end), (1, Ok(String::new())));
    }
    let (found, _) = read(&format!(r#"{{"items":[{{"metadata":{deep}}}]}}"#));
    assert_eq!(found, ["!"]);
    let tiny = vec!["{}"; 1_000_000].join(",");
    let mut page = ListPage::new(format!(r#"{{"items":[{tiny}]}}"#).into_bytes());
    let mut count = 0;
    while page.next_item().unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 1_000_000);
}

proptest! {
    /// What is read as a list is JSON, and its items are those that serde_json finds.
    #[test]
    fn a_list_is_what_serde_json_takes_for_one(
        at in any::<prop::sample::Index>(),
        cut in 0usize..3,
        added in prop::sample::select(vec!["", "{", "}", "[", "]", ",", ":", "\"", "null", "1", " "]),
    ) {
        let mut text = concat!(
            r#"{"metadata":{"continue":"c"},"items":[{"metadata":{"name":"a"}},"#,
            r#"{"spec":[1]},null,"]"] ,"kind":"L"}"#,
        ).to_owned();
        let at = at.index(text.len());
        let end = (at + cut).min(text.len());
        text.replace_range(at..end, added);
        let tree = serde_json::from_str::<Value>(&text);
        let (found, end) = read(&text);
        match tree {
            Err(_) => prop_assert!(end.is_err(), "{}", text),
            Ok(tree) if end.is_ok() => {
                let items = tree["items"].as_array().map_or(0, Vec::len);
                prop_assert_eq!(found.len(), items, "{}", text);
            }
            // Fields of wrong types.
            Ok(tree) => {
                let is_list = |field: &str| tree[field].is_null() || tree[field].is_array();
                let next = &tree["metadata"]["continue"];
                let metadata = &tree["metadata"];
                let fits = (metadata.is_null() || metadata.is_object())
                    && (next.is_null() || next.is_string());
                prop_assert!(!(tree.is_object() && is_list("items") && fits), "{}", text);
            }
        }
    }
}
