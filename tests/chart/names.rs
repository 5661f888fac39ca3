//! Names and labels: valid whatever a release or a version is called.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::Test;
use crate::helm::{CHART, Rendered, many_values, render, render_chart, whole_values};

pub const TESTS: &[(&str, Test)] = &[
    ("objects_are_named_by_the_release", by_release),
    ("a_release_that_looks_like_a_number_stays_text", numbers),
    ("every_name_is_valid_for_its_kind", valid_names),
    ("a_version_with_build_metadata_is_a_valid_label", versions),
    ("overrides_rename_objects_and_the_label", overrides),
    (
        "common_labels_are_everywhere_but_in_selectors",
        common_labels,
    ),
    ("no_value_replaces_a_label_of_ours", own_labels),
    ("an_image_has_one_registry", image),
];

/// The longest that Helm takes.
const LONG: &str = "a-release-whose-name-is-as-long-as-helm-allows-it-to-";

fn name(object: &Value) -> &str {
    object["metadata"]["name"]
        .as_str()
        .expect("a name that is text")
}

/// Kind and name of every object.
fn named(rendered: &Rendered) -> Vec<(&str, &str)> {
    let named = rendered
        .objects
        .iter()
        .map(|object| (object["kind"].as_str().unwrap(), name(object)));
    named.collect()
}

fn by_release() {
    for release in ["archmatch", "gate"] {
        let rendered = render(release, &json!({}));
        for (kind, name) in named(&rendered) {
            assert_eq!(name, release, "{kind}");
        }
        let labels = &rendered.one("Service")["spec"]["selector"];
        assert_eq!(labels["app.kubernetes.io/name"], "archmatch");
        assert_eq!(labels["app.kubernetes.io/instance"], release);
    }
}

/// YAML reads each of these as something else when it is not quoted; a Service's name must
/// begin with a letter.
fn numbers() {
    for (release, expected) in [
        ("123", "archmatch-123"),
        ("1e3", "archmatch-1e3"),
        ("7.0", "archmatch-7-0"),
        ("on", "on"),
        ("null", "null"),
        ("y", "y"),
    ] {
        let rendered = render(release, &json!({}));
        for (kind, name) in named(&rendered) {
            assert_eq!(name, expected, "{kind}");
        }
        for object in &rendered.objects {
            let instance = &object["metadata"]["labels"]["app.kubernetes.io/instance"];
            assert_eq!(instance, release, "{}", name(object));
        }
        // A parser that is newer than the API server's might forgive this.
        let bare = [
            format!(": {release}"),
            format!("- {release}"),
            format!(": {expected}"),
        ];
        let is_bare = |line: &&str| bare.iter().any(|end| line.ends_with(end.as_str()));
        let found: Vec<&str> = rendered.text.lines().filter(is_bare).collect();
        let quoted_by_need = expected.starts_with("archmatch-");
        assert!(quoted_by_need || found.is_empty(), "{release}: {found:?}");
    }
}

/// A label of DNS: RFC 1035 for Services, which is the stricter one.
fn is_service_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(allowed)
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
}

fn valid_names() {
    let long = LONG.trim_end_matches('-');
    let dashes = format!("{}-b", "a".repeat(51));
    for release in ["a", "a.b.c", "0-x", long, &dashes, "9".repeat(53).as_str()] {
        let rendered = render(release, &whole_values());
        for (kind, name) in named(&rendered) {
            // Those of rights may be longer than those of Services.
            let mut short = name;
            for suffix in ["-pull-secrets", ".cleanup"] {
                short = short.strip_suffix(suffix).unwrap_or(short);
            }
            assert!(is_service_name(short), "{release}: {kind} {name}");
        }
        labels_are_valid(&rendered);
    }
}

/// Every label of every object, its pods and its selectors.
fn labels(rendered: &Rendered) -> Vec<BTreeMap<String, String>> {
    fn collect(value: &Value, found: &mut Vec<BTreeMap<String, String>>) {
        for (key, inner) in value.as_object().into_iter().flatten() {
            if matches!(key.as_str(), "labels" | "matchLabels") {
                let labels = serde_json::from_value(inner.clone());
                found.push(labels.expect("labels are texts"));
            }
            collect(inner, found);
        }
        for inner in value.as_array().into_iter().flatten() {
            collect(inner, found);
        }
    }
    let mut found = Vec::new();
    for object in &rendered.objects {
        collect(object, &mut found);
    }
    found
}

#[track_caller]
fn labels_are_valid(rendered: &Rendered) {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    for value in labels(rendered).iter().flat_map(BTreeMap::values) {
        let ends = [value.bytes().next(), value.bytes().next_back()];
        let ends_fit = ends.iter().flatten().all(u8::is_ascii_alphanumeric);
        assert!(
            value.len() <= 63 && value.bytes().all(inner) && ends_fit,
            "{value:?}"
        );
    }
}

/// The chart with another version; Flux appends the digest of what it fetched.
fn with_version(version: &str, app_version: &str) -> Rendered {
    let folder = tempfile::tempdir().unwrap();
    copy(Path::new(CHART), folder.path());
    let path = folder.path().join("Chart.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let replaced = text.lines().map(|line| match line.split_once(": ") {
        Some(("version", _)) => format!("version: {version}\n"),
        Some(("appVersion", _)) => format!("appVersion: {app_version:?}\n"),
        _ => format!("{line}\n"),
    });
    fs::write(&path, replaced.collect::<String>()).unwrap();
    render_chart(folder.path().to_str().unwrap(), "a", &json!({}))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}

fn versions() {
    let chart = |rendered: &Rendered| labels(rendered)[0]["helm.sh/chart"].clone();
    let flux = with_version("0.1.0+5d41402abc4b", "0.1.0+5d41402abc4b");
    labels_are_valid(&flux);
    assert_eq!(chart(&flux), "archmatch-0.1.0_5d41402abc4b");
    let long = format!("0.1.0-rc.1+{}", "0a.".repeat(40).trim_end_matches('.'));
    let long = with_version(&long, "v0.1.0 (nightly)");
    labels_are_valid(&long);
    assert!(chart(&long).starts_with("archmatch-0.1.0-rc.1_0a."));
    // A version that YAML would read as a number.
    labels_are_valid(&with_version("1.0.0", "1e3"));
}

fn overrides() {
    let rendered = render(
        "a",
        &json!({"nameOverride": "gate", "fullnameOverride": "platforms"}),
    );
    for (kind, name) in named(&rendered) {
        assert_eq!(name, "platforms", "{kind}");
    }
    for labels in labels(&rendered) {
        assert_eq!(labels["app.kubernetes.io/name"], "gate");
        assert_eq!(labels["app.kubernetes.io/instance"], "a");
    }
    let arguments = &rendered.container()["args"];
    let arguments = arguments.as_array().unwrap();
    for argument in [
        "--tls-service=platforms",
        "--webhook-configuration=platforms",
        "--tls-secret=platforms-tls",
    ] {
        assert!(
            arguments.contains(&json!(argument)),
            "{argument} in {arguments:?}"
        );
    }
}

fn common_labels() {
    let rendered = render("a", &many_values());
    for object in &rendered.objects {
        assert_eq!(
            object["metadata"]["labels"]["team"],
            "123",
            "{}",
            name(object)
        );
    }
    let template = &rendered.one("Deployment")["spec"]["template"]["metadata"]["labels"];
    assert_eq!(template["team"], "123");
    assert_eq!(template["mesh"], "off");
    let selector = &rendered.one("Deployment")["spec"]["selector"]["matchLabels"];
    assert_eq!(
        selector.as_object().unwrap().len(),
        2,
        "it can never change"
    );
    for policy in ["NetworkPolicy", "PodDisruptionBudget"] {
        let spec = &rendered.one(policy)["spec"];
        let found = [
            &spec["podSelector"]["matchLabels"],
            &spec["selector"]["matchLabels"],
        ];
        assert!(found.contains(&selector), "{policy}");
    }
    assert_eq!(rendered.one("Service")["spec"]["selector"], *selector);
}

fn own_labels() {
    let hijack = json!({"app.kubernetes.io/instance": "other", "app.kubernetes.io/name": "other"});
    let rendered = render("a", &json!({"commonLabels": hijack, "podLabels": hijack}));
    for labels in labels(&rendered) {
        assert_eq!(labels["app.kubernetes.io/instance"], "a");
    }
    let annotation = json!({"podAnnotations": {"archmatch.io/config": "kind: Nonsense"}});
    let rendered = render("a", &annotation);
    let annotations = &rendered.one("Deployment")["spec"]["template"]["metadata"]["annotations"];
    assert!(
        annotations["archmatch.io/config"]
            .as_str()
            .unwrap()
            .contains("kind: Configuration")
    );
}

fn image() {
    let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
    for (image, expected) in [
        (
            json!({}),
            concat!("ghcr.io/archmatch/archmatch:", env!("CARGO_PKG_VERSION")).to_owned(),
        ),
        (
            json!({"registry": "mirror.example", "tag": "1"}),
            "mirror.example/archmatch/archmatch:1".to_owned(),
        ),
        (
            json!({"registry": "mirror.example/ghcr", "tag": "1"}),
            "mirror.example/ghcr/archmatch/archmatch:1".to_owned(),
        ),
        (
            json!({"repository": "10.0.0.1:5000/archmatch", "tag": "1"}),
            "10.0.0.1:5000/archmatch:1".to_owned(),
        ),
        (
            json!({"repository": "localhost/a", "registry": "r.example", "tag": "1"}),
            "r.example/a:1".to_owned(),
        ),
        (
            json!({"repository": "team/archmatch", "registry": "r.example:5000", "digest": digest}),
            format!("r.example:5000/team/archmatch@{digest}"),
        ),
    ] {
        let rendered = render("a", &json!({"image": image}));
        assert_eq!(rendered.container()["image"], expected);
    }
    assert_eq!(
        render("a", &json!({})).container()["imagePullPolicy"],
        "IfNotPresent"
    );
}
