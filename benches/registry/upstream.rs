//! Registries on loopback: one that has every image, and one that never answers.

use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;

use crate::cluster::ARCHITECTURES;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A registry with every image that is asked for, as many milliseconds later as the first
/// part of its repository says: `after-10/app`. Of those below `lacks` there are the tags
/// `22-bookworm`, which lacks the last architecture, and `21-bookworm`. Its `host:port`.
pub(crate) async fn start() -> String {
    let (listener, address) = listen().await;
    let router = Router::new().fallback(answer);
    tokio::spawn(async move {
        let _ = axum::serve(listener, router).await;
    });
    address
}

/// A host that takes connections and never answers. Its `host:port`.
pub(crate) async fn start_dead() -> String {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let mut connections = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            connections.push(connection);
        }
    });
    address
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    (listener, address)
}

async fn answer(uri: Uri) -> Response {
    let path = uri.path();
    let repository = path.strip_prefix("/v2/after-").unwrap_or_default();
    let wait = repository.split('/').next().and_then(|it| it.parse().ok());
    if let Some(wait) = wait {
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    let (platforms, all) = (ARCHITECTURES.len(), ARCHITECTURES.as_slice());
    let has = match path.strip_prefix("/v2/lacks/") {
        None => all,
        Some(image) if image.ends_with("/22-bookworm") => &all[..platforms - 1],
        Some(image) if image.ends_with("/21-bookworm") => all,
        Some(_) => return StatusCode::NOT_FOUND.into_response(),
    };
    ([(CONTENT_TYPE, INDEX)], index(path, has)).into_response()
}

/// An index of these architectures with their attestations, as BuildKit pushes it. No two
/// paths have the same one.
fn index(path: &str, has: &[&str]) -> String {
    let digest = |part: &str| format!("sha256:{:x}", Sha256::digest(format!("{path} {part}")));
    let image = |architecture: &&str| {
        json!({"mediaType": MANIFEST, "size": 1600, "digest": digest(architecture),
            "platform": {"os": "linux", "architecture": architecture}})
    };
    let attestation = |architecture: &&str| {
        json!({"mediaType": MANIFEST, "size": 840, "digest": digest(&format!("{architecture} a")),
            "platform": {"os": "unknown", "architecture": "unknown"},
            "annotations": {"vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": digest(architecture)}})
    };
    let images = has.iter().map(image);
    let entries: Vec<Value> = images.chain(has.iter().map(attestation)).collect();
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string()
}
