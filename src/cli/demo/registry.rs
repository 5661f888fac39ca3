//! The example registry: the part of the distribution API that pulls need.
//!
//! Source: <https://github.com/opencontainers/distribution-spec/blob/main/spec.md>

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::images::{DemoImage, StoredDocument};

/// Documents by `repository@digest` and `repository:tag`.
type Documents = Arc<HashMap<String, StoredDocument>>;

/// Routes that serve the images.
pub(super) fn router(images: Vec<DemoImage>) -> Router {
    let mut documents = HashMap::new();
    for image in images {
        let named = image.documents.last().cloned();
        for document in image.documents {
            documents.insert(
                format!("{}@{}", image.repository, document.digest),
                document,
            );
        }
        if let Some(named) = named {
            documents.insert(format!("{}:{}", image.repository, image.tag), named);
        }
    }
    Router::new()
        .route("/v2/", get(|| async { "{}" }))
        .route("/v2/{*path}", get(serve))
        .with_state(Arc::new(documents))
}

async fn serve(State(documents): State<Documents>, Path(path): Path<String>) -> Response {
    let kinds = ["/manifests/", "/blobs/"];
    let found = kinds.into_iter().find_map(|kind| path.split_once(kind));
    let found = found.and_then(|(repository, name)| {
        let separator = if name.contains(':') { '@' } else { ':' };
        documents.get(&format!("{repository}{separator}{name}"))
    });
    match found {
        Some(document) => {
            let headers = [
                (CONTENT_TYPE.as_str(), document.media_type),
                ("docker-content-digest", document.digest.as_str()),
            ];
            (headers, Body::from(document.bytes.clone())).into_response()
        }
        None => {
            let error = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
            (
                StatusCode::NOT_FOUND,
                [(CONTENT_TYPE, "application/json")],
                error,
            )
                .into_response()
        }
    }
}
