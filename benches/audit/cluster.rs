//! An API server that makes up its objects: 20,000 Deployments, a ReplicaSet and five pods of
//! each, pods of 17.5 KB.

use std::collections::HashMap;
use std::fmt::Write;

use axum::Router;
use axum::http::Uri;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde_json::json;

const WORKLOADS: usize = 20_000;
const PODS_OF_EACH: usize = 5;
const IMAGES: usize = 10_000;
const POD_BYTES: usize = 17_500;

/// Serves on a free port of this machine.
pub async fn serve() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let router = Router::new().fallback(list);
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}

/// A page of a list.
async fn list(uri: Uri) -> impl IntoResponse {
    let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let query: HashMap<String, String> = query.into_owned().collect();
    let resource = uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    let number = |key: &str| query.get(key).and_then(|text| text.parse::<usize>().ok());
    let (limit, start) = (
        number("limit").unwrap_or(usize::MAX),
        number("continue").unwrap_or(0),
    );
    let all = match resource.as_str() {
        "deployments" | "replicasets" => WORKLOADS,
        "pods" => WORKLOADS * PODS_OF_EACH,
        _ => 0,
    };
    let end = all.min(start.saturating_add(limit));
    let next = if end < all {
        end.to_string()
    } else {
        String::new()
    };
    let mut body = format!(
        "{{\"kind\":\"List\",\"apiVersion\":\"v1\",\"metadata\":{{\"resourceVersion\":\"1\",\"continue\":\"{next}\"}},\"items\":["
    );
    for position in start..end {
        if position > start {
            body.push(',');
        }
        let _ = write!(body, "{}", object(&resource, position));
    }
    body.push_str("]}");
    ([(CONTENT_TYPE, "application/json")], body)
}

fn object(resource: &str, position: usize) -> String {
    let (kind, workload) = match resource {
        "deployments" => ("d", position),
        "replicasets" => ("r", position),
        _ => ("p", position / PODS_OF_EACH),
    };
    let owner = match kind {
        "r" => Some(("Deployment", format!("d-{workload}"))),
        "p" => Some(("ReplicaSet", format!("r-{workload}"))),
        _ => None,
    };
    let owners: Vec<_> = owner
        .into_iter()
        .map(|(kind, uid)| json!({"apiVersion": "apps/v1", "kind": kind, "name": uid, "uid": uid, "controller": true}))
        .collect();
    let metadata = json!({
        "name": format!("{kind}-{position}"), "namespace": format!("team-{}", workload % 200),
        "uid": format!("{kind}-{position}"), "ownerReferences": owners,
        "managedFields": [{"manager": "controller", "fieldsV1": "x".repeat(1000)}],
    });
    let spec = json!({
        "containers": [
            {"name": "web", "image": format!("registry.example/team/app:{}", workload % IMAGES)},
            {"name": "proxy", "image": "registry.example/mesh/proxy:1"},
        ],
    });
    if kind == "p" {
        let text =
            json!({"metadata": metadata, "spec": spec, "status": {"message": ""}}).to_string();
        // What there is of status and environment in a real one.
        let filling = "y".repeat(POD_BYTES.saturating_sub(text.len()));
        return text.replace("\"message\":\"\"", &format!("\"message\":\"{filling}\""));
    }
    json!({"metadata": metadata, "spec": {"replicas": 5, "template": {"spec": spec}}}).to_string()
}
