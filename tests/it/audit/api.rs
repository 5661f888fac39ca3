//! A small API server for report objects: kinds that are there or not, lists of all
//! namespaces in pages, single writes with versions and preconditions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;
use axum::routing::any;
use serde_json::{Value, json};

/// How a test talks to its server.
#[derive(Clone, Default)]
pub(super) struct Api(Arc<Mutex<Objects>>);

#[derive(Default)]
pub(super) struct Objects {
    /// Groups with their versions, such as `openreports.io/v1alpha1`.
    pub(super) served: BTreeSet<&'static str>,
    /// By path, such as `/apis/G/V/namespaces/N/reports/NAME`.
    pub(super) objects: BTreeMap<String, Value>,
    /// Writes so far, such as `POST /apis/…`.
    pub(super) writes: Vec<String>,
    pub(super) terminating: BTreeSet<&'static str>,
    pub(super) gone: BTreeSet<&'static str>,
    /// Objects that somebody else changes just before the next write to them.
    pub(super) races: BTreeSet<String>,
    /// Lists that go on are too old, so often.
    pub(super) expire: usize,
    /// Every write is answered so.
    pub(super) refuse: Option<u16>,
    /// Appears when the first list was made.
    pub(super) late: Option<(String, Value)>,
    /// No write is answered.
    pub(super) silent: bool,
    version: u64,
}

impl Api {
    pub(super) fn serving(served: &[&'static str]) -> Self {
        crate::support::install_crypto_provider();
        let api = Self::default();
        api.state().served.extend(served);
        api
    }

    pub(super) fn state(&self) -> MutexGuard<'_, Objects> {
        self.0.lock().unwrap()
    }

    /// A client that calls the server as a function.
    pub(super) fn client(&self) -> kube::Client {
        let router = axum::Router::new()
            .fallback(any(answer))
            .with_state(self.clone());
        kube::Client::new(router, "default")
    }

    pub(super) fn put(&self, path: &str, object: Value) {
        self.state().put(path, object);
    }

    /// The only object of a resource with its path.
    pub(super) fn all(&self, plural: &str) -> Vec<Value> {
        let state = self.state();
        let of = state.objects.iter();
        let of = of.filter(|(path, _)| path.contains(&format!("/{plural}/")));
        of.map(|(_, object)| object.clone()).collect()
    }

    /// The writes since they were taken last.
    pub(super) fn take_writes(&self) -> Vec<String> {
        std::mem::take(&mut self.state().writes)
    }
}

impl Objects {
    fn put(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        let metadata = &mut object["metadata"];
        metadata["resourceVersion"] = json!(self.version.to_string());
        if metadata["uid"].is_null() {
            metadata["uid"] = json!(format!("uid-{}", self.version));
        }
        self.objects.insert(path.to_owned(), object.clone());
        object
    }

    fn page(&mut self, path: &str, query: &BTreeMap<String, String>) -> Response {
        let after = query.get("continue").cloned().unwrap_or_default();
        if !after.is_empty() && self.expire > 0 {
            self.expire -= 1;
            return status(410, "Expired", json!({}));
        }
        let limit: usize = query["limit"].parse().unwrap();
        let selector = query["labelSelector"].clone();
        let (label, value) = selector.split_once('=').unwrap();
        let (version, plural) = path.rsplit_once('/').unwrap();
        let found = self.objects.iter().filter(|(path, object)| {
            path.starts_with(version)
                && path.contains(&format!("/{plural}/"))
                && path.as_str() > after.as_str()
                && object["metadata"]["labels"][label] == value
        });
        let mut found: Vec<(&String, &Value)> = found.collect();
        let more = found.len() > limit;
        found.truncate(limit);
        let next = match found.last() {
            Some((path, _)) if more => path.as_str(),
            _ => "",
        };
        let items: Vec<&Value> = found.iter().map(|(_, object)| *object).collect();
        let list = json!({"kind": "List", "apiVersion": version.trim_start_matches("/apis/"),
            "metadata": {"continue": next, "resourceVersion": "1"}, "items": items});
        let response = respond(200, &list);
        if let Some((path, object)) = self.late.take() {
            self.put(&path, object);
        }
        response
    }

    fn write(&mut self, method: &Method, path: &str, sent: &Value) -> Response {
        if let Some(code) = self.refuse {
            return status(code, "Refused", json!({}));
        }
        if *method == Method::POST {
            let namespace = path.split('/').nth(5).unwrap();
            if self.gone.contains(namespace) {
                let details = json!({"name": namespace, "kind": "namespaces"});
                return status(404, "NotFound", details);
            }
            if self.terminating.contains(namespace) {
                let causes = json!({"causes": [{"reason": "NamespaceTerminating"}]});
                return status(403, "Forbidden", causes);
            }
            let made = || {
                let prefix = sent["metadata"]["generateName"].as_str().unwrap();
                format!("{prefix}{}", self.version)
            };
            let name = sent["metadata"]["name"].as_str().map(str::to_owned);
            let path = format!("{path}/{}", name.unwrap_or_else(made));
            if self.objects.contains_key(&path) {
                return status(409, "AlreadyExists", json!({}));
            }
            return respond(201, &self.put(&path, sent.clone()));
        }
        if self.races.remove(path) {
            let object = self.objects[path].clone();
            self.put(path, object);
        }
        let Some(object) = self.objects.get(path).cloned() else {
            return status(404, "NotFound", json!({"kind": "reports"}));
        };
        let expected = match *method {
            Method::DELETE => &sent["preconditions"]["resourceVersion"],
            _ => &sent["metadata"]["resourceVersion"],
        };
        if *expected != object["metadata"]["resourceVersion"] {
            return status(409, "Conflict", json!({}));
        }
        match *method {
            Method::PUT => respond(200, &self.put(path, sent.clone())),
            Method::DELETE => respond(200, &self.objects.remove(path).unwrap()),
            _ => panic!("{method} {path}"),
        }
    }
}

fn status(code: u16, reason: &str, details: Value) -> Response {
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": reason, "reason": reason, "details": details, "code": code});
    respond(code, &body)
}

fn respond(code: u16, body: &Value) -> Response {
    Response::builder()
        .status(StatusCode::from_u16(code).unwrap())
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

async fn answer(State(api): State<Api>, method: Method, uri: Uri, body: Bytes) -> Response {
    let path = uri.path().to_owned();
    let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let query: BTreeMap<String, String> = query.into_owned().collect();
    if method != Method::GET {
        let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
        let silent = {
            let mut state = api.state();
            state.writes.push(format!("{method} {path}"));
            assert!(
                method == Method::DELETE || query["fieldManager"] == "archmatch",
                "{query:?}"
            );
            state.silent
        };
        if silent {
            std::future::pending::<()>().await;
        }
        return api.state().write(&method, &path, &sent);
    }
    let mut state = api.state();
    let mut parts: Vec<&str> = path.trim_start_matches("/apis/").split('/').collect();
    let plural = (parts.len() > 2).then(|| parts.remove(2));
    if !state.served.contains(parts.join("/").as_str()) {
        return status(404, "NotFound", json!({}));
    }
    if plural.is_some() {
        return state.page(&path, &query);
    }
    let resources = ["reports", "policyreports"].map(|plural| {
        json!({"name": plural, "singularName": "", "namespaced": true, "kind": plural,
            "verbs": ["list"]})
    });
    let list = json!({"kind": "APIResourceList", "apiVersion": "v1",
        "groupVersion": parts.join("/"), "resources": resources});
    respond(200, &list)
}
