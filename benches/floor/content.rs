//! Reviews of any content, up to the largest body.

use std::fmt::Write;

use serde_json::json;

use crate::world::review;

/// A little below the limit of 7 MiB: the envelope comes on top.
const BYTES: usize = 7_300_000;

/// Bodies by what is in them.
pub(crate) fn bodies() -> Vec<(&'static str, String)> {
    let pod = |field: &str, items: &str| {
        let spec = json!({"containers": [{"name": "a", "image": "localhost:1/a"}]});
        // Many small values would take gigabytes as a tree.
        let body = review("", "Pod", "pods", &spec);
        body.replacen(
            "\"containers\":[",
            &format!("\"{field}\":{items},\"containers\":["),
            1,
        )
    };
    let many = |item: &dyn Fn(usize) -> String| {
        let mut items = String::from("[");
        let mut number = 0;
        while items.len() < BYTES {
            let separator = if number == 0 { "" } else { "," };
            let _ = write!(items, "{separator}{}", item(number));
            number += 1;
        }
        items.push(']');
        items
    };
    let affinity = |terms: String| {
        format!(
            r#"{{"nodeAffinity":{{"requiredDuringSchedulingIgnoredDuringExecution":{{"nodeSelectorTerms":{terms}}}}}}}"#
        )
    };
    vec![
        (
            "one long text",
            pod("note", &format!("\"{}\"", "x".repeat(BYTES))),
        ),
        (
            "small objects",
            pod("note", &many(&|_| "{\"\":0}".to_owned())),
        ),
        (
            "deep nesting",
            pod(
                "note",
                &format!("{}{}", "[".repeat(BYTES / 2), "]".repeat(BYTES / 2)),
            ),
        ),
        (
            "distinct images",
            pod(
                "initContainers",
                &many(&|number| {
                    format!(r#"{{"name":"c{number}","image":"localhost:1/a:{number}"}}"#)
                }),
            ),
        ),
        (
            "tolerations",
            pod(
                "tolerations",
                &many(&|number| format!(r#"{{"key":"k{number}","operator":"Exists"}}"#)),
            ),
        ),
        (
            "affinity terms",
            pod(
                "affinity",
                &affinity(many(&|number| {
                    format!(
                        r#"{{"matchExpressions":[{{"key":"kubernetes.io/hostname","operator":"In","values":["n{number}"]}}]}}"#
                    )
                })),
            ),
        ),
        (
            "pull secrets",
            pod(
                "imagePullSecrets",
                &many(&|number| format!(r#"{{"name":"s{number}"}}"#)),
            ),
        ),
        (
            "a wrong type at the end",
            pod("tolerations", &many(&|_| "{}".to_owned())).replacen(
                "\"containers\":[",
                "\"containers\":7,\"x\":[",
                1,
            ),
        ),
    ]
}
