//! Image names: what distribution/reference and the kubelet make of them.

use archmatch::domain::reference::{ImageReference, ReferenceError};
use libtest_mimic::Failed;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::compare::Run;

/// What a text names.
#[derive(Debug, PartialEq)]
enum Named {
    /// Registry, repository, tag and digest.
    Image([String; 4]),
    /// A name without any registry, which nobody could pull: `under_score.example/app`.
    NoRegistry,
    Nothing,
}

pub fn table(run: &Run) -> Result<(), Failed> {
    run.agree(
        "reference",
        names(),
        |image| vec![json!({"table": "reference", "image": image})],
        |_, answers| expected(&answers[0]),
        |image| ours(image),
    )
}

fn expected(answer: &Value) -> Named {
    let part = |key: &str| answer[key].as_str().unwrap().to_owned();
    let parts = ["registry", "repository", "tag", "digest"].map(part);
    match answer["valid"] == true {
        true if parts[0].is_empty() => Named::NoRegistry,
        true => Named::Image(parts),
        false => Named::Nothing,
    }
}

fn ours(image: &str) -> Named {
    let reference = match image.parse::<ImageReference>() {
        Ok(reference) => reference,
        Err(ReferenceError::NoRegistry(_)) => return Named::NoRegistry,
        Err(ReferenceError::Invalid(_)) => return Named::Nothing,
    };
    let digest = reference.digest().map(ToString::to_string);
    Named::Image([
        reference.registry().to_owned(),
        reference.repository().to_owned(),
        reference.tag().unwrap_or_default().to_owned(),
        digest.unwrap_or_default(),
    ])
}

/// Names as people write them, names with one thing wrong, and noise over the characters
/// that mean something.
fn names() -> impl Strategy<Value = String> {
    let name = (
        proptest::option::weighted(0.6, domain()),
        proptest::collection::vec(component(), 1..4),
        proptest::option::weighted(0.5, tag()),
        proptest::option::weighted(0.3, digest()),
    )
        .prop_map(|(domain, path, tag, digest)| {
            let domain = domain.map(|domain| domain + "/").unwrap_or_default();
            let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
            let digest = digest
                .map(|digest| format!("@{digest}"))
                .unwrap_or_default();
            format!("{domain}{}{tag}{digest}", path.join("/"))
        })
        .boxed();
    let noise = "[aA0._:/@\\[\\]\\- é\\n]{0,12}";
    let damaged = (
        name.clone(),
        any::<prop::sample::Index>(),
        "[aA.:/@_ -]{0,1}",
    )
        .prop_map(|(name, at, insert)| {
            let positions: Vec<usize> = name.char_indices().map(|(at, _)| at).collect();
            let mut damaged = name.clone();
            if !positions.is_empty() {
                let at = positions[at.index(positions.len())];
                // Either a character more or a character less.
                if insert.is_empty() {
                    damaged.remove(at);
                } else {
                    damaged.insert_str(at, &insert);
                }
            }
            damaged
        });
    prop_oneof![5 => name, 4 => damaged, 1 => noise]
}

fn domain() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "docker.io",
        "index.docker.io",
        "registry-1.docker.io",
        "DOCKER.io",
        "localhost",
        "LOCALHOST",
        "localhost:5000",
        "quay.io",
        "ghcr.io",
        "a",
        "MyOrg",
        "under_score.example",
        "under_score",
        "a.b:5000",
        "a:",
        "a:b",
        "10.0.0.1:99999",
        "[::1]",
        "[::1]:5000",
        "[fe80::1%25eth0]",
        "[::ffff:1.2.3.4]",
        "[]",
        "[::1",
        "xn--7o8h.com",
        "-a.com",
        "a-.com",
        "a..b",
        ".a",
        "a.",
        "https:",
        "user@host",
        "é.example",
        "library",
        "",
    ])
    .prop_map(str::to_owned);
    let made = "[a-zA-Z0-9.-]{1,6}(:[0-9]{0,3})?|\\[[0-9a-fA-F:]{0,5}\\](:[0-9]{1,2})?";
    prop_oneof![2 => known, 1 => made]
}

fn component() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["a", "app", "library", "node", "a-b", "a__b", "a.b", "0"])
            .prop_map(str::to_owned),
        2 => "[a-z0-9]{1,3}([._-]{1,3}[a-z0-9]{1,2}){0,2}",
        1 => "[a-zA-Z0-9._-]{0,5}",
        1 => (0_usize..3, prop::sample::select(vec![63_usize, 64, 65, 120, 127, 128]))
            .prop_map(|(kind, length)| ["a", "0", "g"][kind].repeat(length)),
    ]
}

fn tag() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(vec!["latest", "1", "22-alpine", "_", "V1.2"]).prop_map(str::to_owned),
        2 => "[a-zA-Z0-9_.-]{0,5}",
        1 => "[a-z]{127,130}",
        1 => Just("5000/b".to_owned()),
    ]
}

fn digest() -> impl Strategy<Value = String> {
    let algorithm = prop::sample::select(vec![
        "sha256",
        "sha384",
        "sha512",
        "sha1",
        "md5",
        "SHA256",
        "sha256+b64",
        "blake3",
        "",
    ]);
    let length = prop::sample::select(vec![0_usize, 31, 32, 63, 64, 65, 96, 127, 128]);
    let hex = prop::sample::select(vec!["0", "a", "f", "A", "g"]);
    // Mostly right: the length that belongs to the algorithm, lower-case hex.
    let right = prop::sample::select(vec![("sha256", 64_usize), ("sha384", 96), ("sha512", 128)]);
    prop_oneof![
        2 => right.prop_map(|(algorithm, length)| format!("{algorithm}:{}", "a".repeat(length))),
        1 => (algorithm, length, hex)
            .prop_map(|(algorithm, length, hex)| format!("{algorithm}:{}", hex.repeat(length))),
    ]
}
