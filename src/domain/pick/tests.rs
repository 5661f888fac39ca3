//! The choice of each runtime, against cases computed by running upstream code
//! (`tests/data/platform-vectors.json` says where each comes from).

use std::collections::HashMap;

use serde_json::Value;

use super::*;

fn digest(number: usize) -> Digest {
    format!("sha256:{number:064x}").parse().unwrap()
}

fn platform(value: &Value) -> Platform {
    let text = |key: &str| value[key].as_str().unwrap_or("").to_owned();
    Platform {
        os: text("os"),
        architecture: text("architecture"),
        variant: text("variant"),
        os_version: text("os.version"),
        os_features: value["os.features"]
            .as_array()
            .map(|list| {
                list.iter()
                    .map(|item| item.as_str().unwrap().to_owned())
                    .collect()
            })
            .unwrap_or_default(),
    }
}

/// `windows(10.0.20348)/amd64`, `linux/arm/v7`, `linux(7.2+f1+f2)/amd64`.
fn short(text: &str) -> Platform {
    let (os, rest) = text.split_once('/').unwrap();
    let (os, version) = match os.split_once('(') {
        Some((os, version)) => (os, version.trim_end_matches(')')),
        None => (os, ""),
    };
    let (architecture, variant) = rest.split_once('/').unwrap_or((rest, ""));
    let mut version = version.split('+').map(str::to_owned);
    Platform {
        os_version: version.next().unwrap_or_default(),
        os_features: version.collect(),
        ..Platform::new(os, architecture, variant)
    }
}

/// A registry of documents, built from a vector.
#[derive(Default)]
struct Documents {
    inspections: HashMap<Digest, Inspection>,
    count: usize,
}

impl Documents {
    fn next(&mut self) -> Digest {
        self.count += 1;
        digest(self.count)
    }

    fn add(&mut self, media_type: MediaType, content: Content) -> Digest {
        let digest = self.next();
        let inspection = Inspection {
            build: None,
            digest: digest.clone(),
            media_type,
            content,
        };
        self.inspections.insert(digest.clone(), inspection);
        digest
    }

    fn entry(&mut self, platform: Option<Platform>, config: Option<Platform>) -> Entry {
        let content = Content::Manifest(config.or_else(|| platform.clone()).unwrap_or_default());
        Entry {
            digest: self.add(MediaType::OciManifest, content),
            kind: EntryKind::Manifest,
            platform: platform.map(Into::into),
            zstd: false,
            build: None,
        }
    }

    /// Nested vectors: `"linux/amd64"` or `{"platform": …, "index": […]}`.
    fn nested(&mut self, list: &Value) -> Vec<Entry> {
        let mut entries = Vec::new();
        for item in list.as_array().unwrap() {
            if let Some(text) = item.as_str() {
                entries.push(self.entry(Some(short(text)), None));
                continue;
            }
            let inner = self.nested(&item["index"]);
            entries.push(Entry {
                digest: self.add(MediaType::OciIndex, Content::Index(inner)),
                kind: EntryKind::Index,
                platform: item["platform"].as_str().map(|text| short(text).into()),
                zstd: false,
                build: None,
            });
        }
        entries
    }
}

/// Positions of the picked digests, from the index down.
fn positions(documents: &Documents, root: &Inspection, path: &[Digest]) -> Vec<usize> {
    let mut positions = Vec::new();
    let mut document = root;
    for step in path {
        let Content::Index(entries) = &document.content else {
            panic!("a path leads through indexes");
        };
        positions.push(
            entries
                .iter()
                .position(|entry| entry.digest == *step)
                .unwrap(),
        );
        document = &documents.inspections[step];
    }
    positions
}

#[test]
fn agrees_with_upstream() {
    let text = include_str!("../../../tests/data/platform-vectors.json");
    let file: Value = serde_json::from_str(text).unwrap();
    let mut seen = 0;
    for vector in file["vectors"].as_array().unwrap() {
        let runtime = match (vector["runtime"].as_str(), vector["mode"].as_str()) {
            (_, Some("transfer")) => Runtime::ContainerdTransfer,
            (_, Some("local" | "default")) => Runtime::ContainerdLocal,
            (Some("cri-o"), _) => Runtime::CriO,
            (Some("docker"), _) => Runtime::Docker,
            // On Windows it is not the matcher that a node uses.
            (_, Some("only")) if !vector["node"].as_str().unwrap().starts_with("windows") => {
                Runtime::ContainerdLocal
            }
            // Matchers that no runtime of ours uses by itself.
            _ => continue,
        };
        seen += 1;
        check(vector, runtime);
    }
    assert!(seen > 350, "{seen} vectors");
}

fn check(vector: &Value, runtime: Runtime) {
    let name = format!("vector {}: {}", vector["id"], vector);
    let node = NodePlatform {
        platform: short(vector["node"].as_str().unwrap()),
        runtime,
        emulates: Vec::new(),
    };
    let mut documents = Documents::default();
    let config = |position: usize| {
        vector["configs"]
            .get(position)
            .filter(|c| !c.is_null())
            .map(platform)
    };
    if vector["document"] == "manifest" {
        let root = Inspection {
            build: None,
            digest: digest(0),
            media_type: MediaType::OciManifest,
            content: Content::Manifest(config(0).unwrap()),
        };
        let picked = pick(&node, &root, |_| None, Entries::Believed);
        assert!(
            !matches!(picked, Ok(Outcome::Missing(_)) | Err(_)),
            "{name}: {picked:?}"
        );
        return;
    }
    let mut entries = match vector["platforms"].as_array() {
        Some(platforms) => {
            let stated = platforms.iter().enumerate().map(|(position, value)| {
                (
                    position,
                    Some(value).filter(|value| !value.is_null()).map(platform),
                )
            });
            stated
                .map(|(position, platform)| documents.entry(platform, config(position)))
                .collect()
        }
        None => documents.nested(&vector["image_platforms"]),
    };
    if let Some(list) = vector["note"].as_str().and_then(|note| {
        note.strip_prefix("entries with the zstd annotation: ")?
            .split(" (")
            .next()
    }) {
        for position in serde_json::from_str::<Vec<usize>>(list).unwrap() {
            entries[position].zstd = true;
        }
    }
    let root = Inspection {
        build: None,
        digest: digest(0),
        media_type: if vector["document"] == "docker-manifest-list" {
            MediaType::DockerManifestList
        } else {
            MediaType::OciIndex
        },
        content: Content::Index(entries),
    };
    let picked = pick(
        &node,
        &root,
        |digest| documents.inspections.get(digest).map(Ok),
        Entries::Believed,
    );
    let expected: Option<Vec<usize>> = match &vector["picked"] {
        Value::Null => None,
        Value::Array(path) => Some(
            path.iter()
                .map(|step| step.as_u64().unwrap() as usize)
                .collect(),
        ),
        one => Some(vec![one.as_u64().unwrap() as usize]),
    };
    let found = match &picked {
        Ok(Outcome::Supported { picked, .. } | Outcome::Mismatched { picked, .. }) => {
            Some(positions(&documents, &root, picked))
        }
        _ => None,
    };
    if runtime == Runtime::CriO && matches!(picked, Ok(Outcome::Unknown(_))) {
        // CRI-O pulls what says too little about itself; whether it runs, nobody knows.
        assert_eq!(
            vector["configs"][0],
            serde_json::json!({}),
            "{name}: {picked:?}"
        );
        return;
    }
    assert_eq!(found, expected, "{name}: {picked:?}");
    assert_eq!(vector["match"], found.is_some(), "{name}: {picked:?}");
}

#[test]
fn of_a_node_that_does_not_say_its_platform_nothing_is_known() {
    let root = Inspection {
        build: None,
        digest: digest(0),
        media_type: MediaType::OciIndex,
        content: Content::Index(Vec::new()),
    };
    for platform in [
        Platform::default(),
        Platform::new("linux", "", ""),
        Platform::new("", "amd64", ""),
    ] {
        let node = NodePlatform {
            platform,
            runtime: Runtime::default(),
            emulates: Vec::new(),
        };
        let picked = pick(&node, &root, |_| None, Entries::Believed);
        assert!(
            matches!(picked, Ok(Outcome::Unknown(_))),
            "{node:?}: {picked:?}"
        );
    }
}

/// Every runtime pulls a plain manifest unread; only isolation may then still run it.
#[test]
fn a_plain_windows_manifest_of_another_build_is_unknown() {
    for (host, image, expected) in [
        ("10.0.20348", "10.0.20348.2340", "supported"),
        ("10.0.26100", "10.0.20348.1", "supported"),
        ("10.0.20348", "", "supported"),
        ("", "", "supported"),
        ("10.0.20348", "10.0.17763.1", "unsupported"),
        ("10.0.17763", "10.0.20348", "unsupported"),
        ("10.0.20348", "10.0", "unsupported"),
        ("", "10.0.20348", "unsupported"),
    ] {
        for runtime in Runtime::ALL {
            let windows = |version: &str, architecture: &str| Platform {
                os_version: version.to_owned(),
                ..Platform::new("windows", architecture, "")
            };
            let picked = |config: Platform| {
                let node = NodePlatform {
                    platform: windows(host, "amd64"),
                    runtime,
                    emulates: Vec::new(),
                };
                let root = Inspection {
                    build: None,
                    digest: digest(0),
                    media_type: MediaType::OciManifest,
                    content: Content::Manifest(config),
                };
                match pick(&node, &root, |_| None, Entries::Believed) {
                    Ok(Outcome::Supported { .. }) => "supported",
                    Ok(Outcome::Mismatched { .. }) => "mismatched",
                    Ok(Outcome::Unknown(unknown)) => unknown.reason.name(),
                    other => panic!("{other:?}"),
                }
            };
            let found = picked(windows(image, "amd64"));
            assert_eq!(found, expected, "{host} {image} {runtime}");
            assert_eq!(picked(windows(image, "arm64")), "mismatched");
        }
    }
}

#[test]
fn cri_o_wants_a_variant_without_a_list_first_and_none_second() {
    for (node, entries, expected) in [
        ("amd64/v3", &["amd64", "amd64/v3"] as &[&str], Some(1)),
        ("amd64/v3", &["amd64/v2", "amd64"], Some(1)),
        ("amd64/v3", &["amd64/v2"], None),
        ("armel/custom", &["armel", "armel/custom"], Some(1)),
        ("arm/custom", &["arm/v7", "arm"], Some(1)),
        ("amd64", &["amd64/v3", "amd64"], Some(1)),
        ("amd64", &["amd64/v3"], None),
        ("arm64", &["arm64/v8"], Some(0)),
    ] {
        let mut documents = Documents::default();
        let platform = |text: &str| short(&format!("linux/{text}"));
        let entries = entries.iter();
        let entries = entries.map(|text| documents.entry(Some(platform(text)), None));
        let entries: Vec<Entry> = entries.collect();
        let node = NodePlatform {
            platform: platform(node),
            runtime: Runtime::CriO,
            emulates: Vec::new(),
        };
        let root = Inspection {
            build: None,
            digest: digest(0),
            media_type: MediaType::OciIndex,
            content: Content::Index(entries),
        };
        let found = match pick(&node, &root, |_| None, Entries::Believed) {
            Ok(Outcome::Supported { picked, .. }) => Some(positions(&documents, &root, &picked)[0]),
            _ => None,
        };
        assert_eq!(found, expected, "{node:?}");
    }
}
