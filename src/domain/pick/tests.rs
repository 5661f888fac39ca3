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
            digest: digest(0),
            media_type: MediaType::OciManifest,
            content: Content::Manifest(config(0).unwrap()),
        };
        let picked = pick(&node, &root, |_| None, Entries::Believed);
        assert!(
            !matches!(picked, Pick::Missing(_) | Pick::Needs(_)),
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
        Pick::Supported { path, .. } | Pick::Mismatched { path, .. } => {
            Some(positions(&documents, &root, path))
        }
        _ => None,
    };
    if runtime == Runtime::CriO && matches!(picked, Pick::Unknown(_)) {
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
        assert!(matches!(picked, Pick::Unknown(_)), "{node:?}: {picked:?}");
    }
}
