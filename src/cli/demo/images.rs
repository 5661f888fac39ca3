//! The images of the known stories: what `node` had for which platforms.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// An image of the example registry.
pub(super) struct DemoImage {
    /// As a pod names it.
    pub(super) name: String,
    /// Repository on Docker Hub.
    pub(super) repository: &'static str,
    /// Tag.
    pub(super) tag: &'static str,
    /// Every document of it; the last one is what the tag names.
    pub(super) documents: Vec<StoredDocument>,
}

/// A document, with the digest of its bytes.
#[derive(Clone)]
pub(super) struct StoredDocument {
    pub(super) media_type: &'static str,
    pub(super) digest: String,
    pub(super) bytes: Vec<u8>,
}

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// Tags of `node` with linux/s390x, and without: the odd and the old ones were built for
/// it, the newer long-term versions were not, save on another distribution.
const WITH_S390X: [&str; 6] = ["12", "16", "17", "19", "21", "22-trixie"];
const WITHOUT_S390X: [&str; 4] = ["18", "20", "22", "latest"];

pub(super) fn all() -> Vec<DemoImage> {
    let mut images = Vec::new();
    for tag in WITH_S390X {
        let platforms = [
            "linux/amd64",
            "linux/arm64/v8",
            "linux/ppc64le",
            "linux/s390x",
        ];
        images.push(image("library/node", tag, &platforms));
    }
    for tag in WITHOUT_S390X {
        let platforms = ["linux/amd64", "linux/arm64/v8", "linux/ppc64le"];
        images.push(image("library/node", tag, &platforms));
    }
    let slim = ["linux/amd64", "linux/ppc64le", "linux/s390x"];
    images.push(image("library/node", "22.15-bullseye-slim", &slim));
    let all = [
        "linux/amd64",
        "linux/arm64/v8",
        "linux/ppc64le",
        "linux/s390x",
    ];
    images.push(image("library/node", "bullseye-slim", &all));
    images.push(image("library/postgres", "17", &all));
    images.push(image("team/metrics", "7", &all));
    images.push(image("team/agent", "2", &["linux/amd64", "linux/arm64/v8"]));
    images.push(built_on_a_laptop());
    images
}

fn image(repository: &'static str, tag: &'static str, platforms: &[&str]) -> DemoImage {
    let mut documents = Vec::new();
    let mut entries: Vec<Value> = Vec::new();
    for platform in platforms {
        let manifest = manifest(platform, &mut documents);
        entries.push(entry(&manifest, platform_object(platform)));
        documents.push(manifest);
    }
    // What buildkit adds to every index, and what is never a platform.
    let attestation = document(
        MANIFEST,
        &json!({"schemaVersion": 2, "mediaType": MANIFEST, "about": tag}),
    );
    entries.push(entry(
        &attestation,
        json!({"os": "unknown", "architecture": "unknown"}),
    ));
    documents.push(attestation);
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
    documents.push(document(INDEX, &index));
    let short = repository.strip_prefix("library/").unwrap_or(repository);
    DemoImage {
        name: format!("{short}:{tag}"),
        repository,
        tag,
        documents,
    }
}

/// A plain manifest, as `docker build` makes it on the machine at hand.
fn built_on_a_laptop() -> DemoImage {
    let mut documents = Vec::new();
    let manifest = manifest("linux/arm64", &mut documents);
    documents.push(manifest);
    DemoImage {
        name: "team/app:laptop".to_owned(),
        repository: "team/app",
        tag: "laptop",
        documents,
    }
}

fn manifest(platform: &str, documents: &mut Vec<StoredDocument>) -> StoredDocument {
    let mut config = platform_object(platform);
    config["rootfs"] = json!({"type": "layers", "diff_ids": []});
    let config = document(CONFIG, &config);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": config.digest, "size": config.bytes.len()},
        "layers": [],
    });
    documents.push(config);
    document(MANIFEST, &manifest)
}

fn entry(document: &StoredDocument, platform: Value) -> Value {
    json!({
        "mediaType": document.media_type,
        "digest": document.digest,
        "size": document.bytes.len(),
        "platform": platform,
    })
}

fn platform_object(platform: &str) -> Value {
    let mut parts = platform.split('/');
    let mut object = json!({"os": parts.next(), "architecture": parts.next()});
    if let Some(variant) = parts.next() {
        object["variant"] = json!(variant);
    }
    object
}

fn document(media_type: &'static str, value: &Value) -> StoredDocument {
    let bytes = value.to_string().into_bytes();
    StoredDocument {
        media_type,
        digest: format!("sha256:{:x}", Sha256::digest(&bytes)),
        bytes,
    }
}
