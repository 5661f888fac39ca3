//! Nodes as an API server sends them, 13 KB of JSON each, in 12 groups.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::Uri;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::{Value, json};

pub(crate) const ARCHITECTURES: [&str; 3] = ["amd64", "arm64", "s390x"];

/// Size of a node's JSON.
const NODE_BYTES: usize = 13 * 1024;

/// A node of a cloud: labels that its pool has, and some of its own.
pub(crate) fn node(number: usize) -> Value {
    let architecture = ARCHITECTURES[number % 3];
    let zone = format!("region-1{}", ["a", "b", "c", "d"][number % 4]);
    let serial = format!("i-{:017x}", number * 7_919);
    let mut node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": format!("node-{number}"),
            "uid": format!("705ab4f5-6393-11e8-b7cc-{number:012}"),
            "resourceVersion": "1",
            "labels": {
                "beta.kubernetes.io/arch": architecture,
                "beta.kubernetes.io/instance-type": "m7.2xlarge",
                "beta.kubernetes.io/os": "linux",
                "cloud.example/instance-id": serial,
                "cloud.example/capacity-type": "on-demand",
                "failure-domain.beta.kubernetes.io/region": "region-1",
                "failure-domain.beta.kubernetes.io/zone": zone,
                "k8s.io/cloud-provider": "example",
                "kubernetes.io/arch": architecture,
                "kubernetes.io/hostname": format!("node-{number}.cloud.example"),
                "kubernetes.io/os": "linux",
                "node.kubernetes.io/instance-type": "m7.2xlarge",
                "node-pool.example/name": format!("pool-{architecture}"),
                "topology.csi.cloud.example/node": serial,
                "topology.kubernetes.io/region": "region-1",
                "topology.kubernetes.io/zone": zone,
            },
            "annotations": {"csi.volume.kubernetes.io/nodeid": serial},
        },
        "spec": {"podCIDR": "10.0.0.0/24", "providerID": format!("example:///{zone}/{serial}")},
        "status": {
            "allocatable": {"cpu": "7910m", "memory": "31482284Ki", "pods": "58"},
            "conditions": [{"type": "Ready", "status": "True",
                "lastHeartbeatTime": "2026-01-01T00:00:00Z"}],
            "nodeInfo": {"operatingSystem": "linux", "architecture": architecture,
                "containerRuntimeVersion": "containerd://2.1.4", "kubeletVersion": "v1.35.0"},
        },
    });
    // The rest of a real node is images that it holds.
    let mut size = node.to_string().len();
    let mut images = Vec::new();
    while size < NODE_BYTES {
        let image = images.len();
        let name = format!("registry.example/team-{image}/app@sha256:{image:064x}");
        let entry = json!({"names": [name], "sizeBytes": 123_456_789 + image});
        size += entry.to_string().len() + 1;
        images.push(entry);
    }
    node["status"]["images"] = images.into();
    node
}

/// An API server with so many nodes and nothing else. Its address.
pub(crate) async fn serve(count: usize) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let router = Router::new().fallback(answer).with_state(count);
    tokio::spawn(async move {
        let _ = axum::serve(listener, router).await;
    });
    address
}

async fn answer(State(count): State<usize>, uri: Uri) -> Response {
    let query: Vec<(&str, &str)> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .collect();
    let number = |wanted: &str| {
        let found = query.iter().find(|(key, _)| *key == wanted);
        found.and_then(|(_, value)| value.parse::<usize>().ok())
    };
    if query.iter().any(|(key, _)| *key == "watch") {
        // Nothing happens.
        let events = stream::pending::<Result<Bytes, std::io::Error>>();
        return Body::from_stream(events).into_response();
    }
    if uri.path() == "/apis" {
        let none = json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": []});
        return ([(CONTENT_TYPE, "application/json")], none.to_string()).into_response();
    }
    let count = if uri.path() == "/api/v1/nodes" {
        count
    } else {
        0
    };
    let start = number("continue").unwrap_or(0);
    let end = count.min(start + number("limit").unwrap_or(count));
    let next = (end < count).then(|| end.to_string());
    let items: Vec<Value> = (start..end).map(node).collect();
    let list = json!({"kind": "List", "apiVersion": "v1", "items": items,
        "metadata": {"resourceVersion": "1", "continue": next}});
    ([(CONTENT_TYPE, "application/json")], list.to_string()).into_response()
}
