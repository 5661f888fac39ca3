//! A small Kubernetes API server: lists in pages, watches, single objects, conflicts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;
use axum::routing::any;
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// How a test talks to its server.
#[derive(Clone)]
pub(super) struct Api {
    state: Arc<Mutex<Cluster>>,
    changed: Arc<watch::Sender<u64>>,
    pub(super) address: std::net::SocketAddr,
    began: (SystemTime, Instant),
}

/// How the server says that a version is gone.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Gone {
    /// As an event in the stream.
    #[default]
    Event,
    /// As the status of the answer.
    Status,
}

#[derive(Default)]
struct Cluster {
    /// By path of the object, such as `/api/v1/nodes/a`.
    objects: BTreeMap<String, Value>,
    version: u64,
    /// Version, path of the collection, event.
    events: Vec<(u64, String, Value)>,
    /// Watches from before this version are gone.
    oldest: u64,
    gone: Gone,
    /// Every request is refused.
    down: bool,
    /// Ends of the paths that may not be read.
    forbidden: Vec<&'static str>,
    /// Running watches end when it changes.
    connection: u64,
    requests: Vec<String>,
    /// Writes that lose a race first.
    conflicts: usize,
    /// Plurals of the kinds that are installed, by group and version.
    installed: BTreeMap<String, Vec<String>>,
    /// Connections are accepted, and nothing is ever answered.
    silent: bool,
    /// How far the clock is ahead.
    ahead: Duration,
    /// Paths and queries of all requests.
    queries: Vec<String>,
    /// What is answered to the next requests for a path: status and text.
    answers: BTreeMap<String, VecDeque<(u16, String)>>,
    /// How many further pages are asked for too late.
    expired_pages: usize,
}

impl Api {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = Self {
            state: Arc::default(),
            changed: Arc::new(watch::Sender::new(0)),
            address: listener.local_addr().unwrap(),
            began: (SystemTime::now(), Instant::now()),
        };
        let router = api.router();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        api
    }

    /// Without a socket, for tests whose clock stands still.
    pub(super) fn in_memory() -> Self {
        crate::support::install_crypto_provider();
        Self {
            state: Arc::default(),
            changed: Arc::new(watch::Sender::new(0)),
            address: ([127, 0, 0, 1], 0).into(),
            began: (SystemTime::now(), Instant::now()),
        }
    }

    fn router(&self) -> axum::Router {
        axum::Router::new()
            .fallback(any(dated))
            .with_state(self.clone())
    }

    /// A client that calls the server as a function.
    pub(super) fn direct_client(&self) -> kube::Client {
        kube::Client::new(self.router(), "default")
    }

    /// The server's time. It goes on with the clock of the test.
    pub(super) fn now(&self) -> SystemTime {
        let (began, instant) = self.began;
        began + instant.elapsed() + self.state().ahead
    }

    pub(super) fn set_clock_ahead(&self, by: Duration) {
        self.state().ahead = by;
    }

    /// Accepts requests and never answers them; running watches fall silent.
    pub(super) fn set_silent(&self, silent: bool) {
        self.state().silent = silent;
        self.wake();
    }

    pub(super) fn client(&self) -> kube::Client {
        crate::support::install_crypto_provider();
        let url = format!("http://{}", self.address);
        kube::Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap()
    }

    fn state(&self) -> MutexGuard<'_, Cluster> {
        self.state.lock().unwrap()
    }

    fn wake(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    pub(super) fn put(&self, path: &str, object: Value) {
        self.state().put(path, object);
        self.wake();
    }

    pub(super) fn get(&self, path: &str) -> Option<Value> {
        self.state().objects.get(path).cloned()
    }

    pub(super) fn delete(&self, path: &str) {
        self.state().delete(path);
        self.wake();
    }

    /// Ends running watches; what happened until now can no longer be watched.
    pub(super) fn forget_history(&self, gone: Gone) {
        {
            let mut state = self.state();
            state.version += 1;
            state.oldest = state.version;
            state.gone = gone;
            state.connection += 1;
        }
        self.wake();
    }

    pub(super) fn set_down(&self, down: bool) {
        {
            let mut state = self.state();
            state.down = down;
            state.connection += 1;
        }
        self.wake();
    }

    /// Installs kinds, such as `nodepools` in `karpenter.sh/v1`.
    pub(super) fn install(&self, version: &str, plurals: &[&str]) {
        let plurals = plurals.iter().map(|plural| (*plural).to_owned());
        let mut state = self.state();
        state
            .installed
            .insert(version.to_owned(), plurals.collect());
    }

    /// Removes kinds and their objects; their watches end without a word.
    pub(super) fn uninstall(&self, version: &str) {
        {
            let mut state = self.state();
            state.installed.remove(version);
            let folder = format!("/apis/{version}/");
            state.objects.retain(|path, _| !path.starts_with(&folder));
            state.connection += 1;
        }
        self.wake();
    }

    pub(super) fn forbid(&self, end: &'static str) {
        self.state().forbidden.push(end);
    }

    /// The next requests for a path are answered so, one after the other.
    pub(super) fn answer_next(&self, path: &str, code: u16, text: impl Into<String>) {
        let mut state = self.state();
        let answers = state.answers.entry(path.to_owned()).or_default();
        answers.push_back((code, text.into()));
    }

    /// So many pages that are not the first of their list are gone.
    pub(super) fn expire_pages(&self, count: usize) {
        self.state().expired_pages = count;
    }

    /// Paths and queries of the requests so far that start so.
    pub(super) fn queries(&self, start: &str) -> Vec<String> {
        let state = self.state();
        let queries = state.queries.iter();
        queries
            .filter(|line| line.starts_with(start))
            .cloned()
            .collect()
    }

    pub(super) fn lose_races(&self, count: usize) {
        self.state().conflicts = count;
    }

    /// Waits until there were so many requests whose line starts so.
    pub(super) async fn asked(&self, start: &str, count: usize) {
        let mut changed = self.changed.subscribe();
        let enough = changed.wait_for(|_| self.requests(start) >= count);
        enough.await.unwrap();
    }

    /// Requests so far whose line starts so.
    pub(super) fn requests(&self, start: &str) -> usize {
        let state = self.state();
        state
            .requests
            .iter()
            .filter(|line| line.starts_with(start))
            .count()
    }
}

/// Groups that a cluster may or may not have.
const OPTIONAL: [&str; 4] = [
    "karpenter.sh",
    "cluster.x-k8s.io",
    "machine.openshift.io",
    "argoproj.io",
];

/// What can be listed, by its plural.
const LISTS: [&str; 13] = [
    "nodes",
    "namespaces",
    "runtimeclasses",
    "serviceaccounts",
    "deployments",
    "statefulsets",
    "daemonsets",
    "cronjobs",
    "replicationcontrollers",
    "replicasets",
    "/jobs",
    "podtemplates",
    "pods",
];

impl Cluster {
    /// The answer to a question for kinds, and to any request for one that is not there.
    fn discovery(&self, path: &str) -> Option<Response> {
        let version = |name: &str| {
            let (_, version) = name.split_once('/').unwrap();
            json!({"groupVersion": name, "version": version})
        };
        if path == "/apis" {
            let groups = self.installed.keys().map(|name| {
                let (group, _) = name.split_once('/').unwrap();
                json!({"name": group, "versions": [version(name)], "preferredVersion": version(name)})
            });
            let groups: Vec<Value> = groups.collect();
            let list = json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups});
            return Some(respond(200, &list));
        }
        let inside = path.strip_prefix("/apis/")?;
        if let Some(plurals) = self.installed.get(inside) {
            let resources = plurals.iter().map(|plural| {
                json!({"name": plural, "singularName": "", "namespaced": false, "kind": plural, "verbs": ["list"]})
            });
            let resources: Vec<Value> = resources.collect();
            let list = json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": inside, "resources": resources});
            return Some(respond(200, &list));
        }
        let Some((group, _)) = inside.split_once('/') else {
            let in_group = |name: &&String| name.split_once('/').unwrap().0 == inside;
            let versions = self.installed.keys().filter(in_group);
            let versions: Vec<Value> = versions.map(|name| version(name)).collect();
            let Some(last) = versions.last() else {
                return OPTIONAL.contains(&inside).then(|| status(404, "NotFound"));
            };
            let group = json!({"name": inside, "versions": versions, "preferredVersion": last});
            return Some(respond(200, &group));
        };
        let is_there = self.installed.iter().any(|(version, plurals)| {
            let rest = inside.strip_prefix(version.as_str());
            let plural = rest.and_then(|rest| rest.strip_prefix('/'));
            plural.is_some_and(|plural| plurals.iter().any(|known| known == plural))
        });
        (OPTIONAL.contains(&group) && !is_there).then(|| status(404, "NotFound"))
    }

    fn put(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        let (collection, name) = path.rsplit_once('/').unwrap();
        object["metadata"]["name"] = name.into();
        let old = self.objects.insert(path.to_owned(), object.clone());
        let kind = if old.is_some() { "MODIFIED" } else { "ADDED" };
        let event = json!({"type": kind, "object": object});
        self.events
            .push((self.version, collection.to_owned(), event));
        object
    }

    fn delete(&mut self, path: &str) {
        self.version += 1;
        let mut object = self.objects.remove(path).unwrap();
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        let (collection, _) = path.rsplit_once('/').unwrap();
        let event = json!({"type": "DELETED", "object": object});
        self.events
            .push((self.version, collection.to_owned(), event));
    }

    fn list(&self, collection: &str, limit: usize, after: &str) -> Value {
        let inside = self.objects.iter().filter(|(path, _)| {
            let (parent, name) = path.rsplit_once('/').unwrap();
            parent == collection && name > after
        });
        let mut items: Vec<&Value> = inside.map(|(_, object)| object).collect();
        let more = items.len() > limit;
        items.truncate(limit);
        let next = match items.last() {
            Some(last) if more => last["metadata"]["name"].clone(),
            _ => Value::Null,
        };
        let metadata = json!({"resourceVersion": self.version.to_string(), "continue": next});
        json!({"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items})
    }
}

fn status(code: u16, reason: &str) -> Response {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": reason, "reason": reason, "code": code,
    });
    respond(code, &body)
}

fn respond(code: u16, body: &Value) -> Response {
    Response::builder()
        .status(StatusCode::from_u16(code).unwrap())
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

async fn dated(State(api): State<Api>, method: Method, uri: Uri, body: Bytes) -> Response {
    let silent = api.state().silent;
    if silent {
        std::future::pending::<()>().await;
    }
    let date = httpdate::fmt_http_date(api.now());
    let mut response = answer(api, method, uri, body).await;
    response.headers_mut().insert("date", date.parse().unwrap());
    response
}

async fn answer(api: Api, method: Method, uri: Uri, body: Bytes) -> Response {
    let path = uri.path();
    let query: BTreeMap<&str, &str> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .collect();
    let watching = query.contains_key("watch");
    let verb = if watching { "WATCH" } else { method.as_str() };
    api.state().requests.push(format!("{verb} {path}"));
    api.wake();
    let mut state = api.state();
    state.queries.push(uri.to_string());
    let answers = state.answers.get_mut(path);
    if let Some((code, text)) = answers.and_then(VecDeque::pop_front) {
        return Response::builder()
            .status(StatusCode::from_u16(code).unwrap())
            .body(Body::from(text))
            .unwrap();
    }
    if query.contains_key("continue") && state.expired_pages > 0 {
        state.expired_pages -= 1;
        return status(410, "Expired");
    }
    if state.down {
        return status(500, "Down");
    }
    if state.forbidden.iter().any(|end| path.ends_with(end)) {
        return status(403, "Forbidden");
    }
    if let Some(answer) = state.discovery(path) {
        return answer;
    }
    if watching {
        let from = query
            .get("resourceVersion")
            .map_or(0, |text| text.parse().unwrap());
        let connection = state.connection;
        let name = query.get("fieldSelector");
        let name = name.and_then(|selector| selector.strip_prefix("metadata.name%3D"));
        drop(state);
        let seconds = query
            .get("timeoutSeconds")
            .map_or(300, |text| text.parse().unwrap());
        let watch = Watch {
            collection: path.to_owned(),
            name: name.map(str::to_owned),
            connection,
            end: Instant::now() + Duration::from_secs(seconds),
        };
        return watch_events(api, watch, from);
    }
    let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
    if method == Method::POST {
        let created = format!("{path}/{}", sent["metadata"]["name"].as_str().unwrap());
        if state.conflicts > 0 {
            state.conflicts -= 1;
            state.put(&created, json!({}));
        }
        if state.objects.contains_key(&created) {
            return status(409, "AlreadyExists");
        }
        return respond(201, &state.put(&created, sent));
    }
    let Some(object) = state.objects.get(path).cloned() else {
        let is_optional = OPTIONAL.iter().any(|group| path.contains(group));
        if is_optional || LISTS.iter().any(|plural| path.ends_with(plural)) {
            let limit = query
                .get("limit")
                .map_or(usize::MAX, |text| text.parse().unwrap());
            let after = query.get("continue").copied().unwrap_or_default();
            return respond(200, &state.list(path, limit, after));
        }
        return status(404, "NotFound");
    };
    if method == Method::GET {
        return respond(200, &object);
    }
    if state.conflicts > 0 {
        state.conflicts -= 1;
        state.put(path, object.clone());
    }
    let current = state.objects[path]["metadata"]["resourceVersion"].clone();
    let expected = &sent["metadata"]["resourceVersion"];
    if !expected.is_null() && *expected != current {
        return status(409, "Conflict");
    }
    if method == Method::PUT {
        return respond(200, &state.put(path, sent));
    }
    assert_eq!(method, Method::PATCH);
    let mut patched = object;
    merge(&mut patched, &sent);
    respond(200, &state.put(path, patched))
}

/// A merge patch, in which webhooks merge by name.
fn merge(into: &mut Value, patch: &Value) {
    for (key, change) in patch.as_object().unwrap() {
        match (&mut into[key], change) {
            (old @ Value::Object(_), Value::Object(_)) => merge(old, change),
            (Value::Array(old), Value::Array(changes)) if key == "webhooks" => {
                for change in changes {
                    let found = old.iter_mut().find(|entry| entry["name"] == change["name"]);
                    merge(found.unwrap(), change);
                }
            }
            (old, change) => *old = change.clone(),
        }
    }
}

struct Watch {
    collection: String,
    /// The only object that counts, if there is one.
    name: Option<String>,
    connection: u64,
    end: Instant,
}

impl Watch {
    fn counts(&self, collection: &str, object: &Value) -> bool {
        let named = self.name.as_deref();
        self.collection == collection && named.is_none_or(|name| object["metadata"]["name"] == name)
    }
}

fn watch_events(api: Api, watch: Watch, from: u64) -> Response {
    let (oldest, gone, version) = {
        let state = api.state();
        (state.oldest, state.gone, state.version)
    };
    // From any version means from what there is now.
    let mut first = Vec::new();
    if from == 0 && watch.name.is_some() {
        let state = api.state();
        for (path, object) in &state.objects {
            let (collection, _) = path.rsplit_once('/').unwrap();
            if watch.counts(collection, object) {
                first.push(json!({"type": "ADDED", "object": object}));
            }
        }
    } else if from < oldest {
        if matches!(gone, Gone::Status) {
            return status(410, "Expired");
        }
        let gone = json!({"type": "ERROR", "object": {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "too old resource version", "reason": "Expired", "code": 410,
        }});
        return respond(200, &gone);
    }
    let from = if from == 0 && watch.name.is_some() {
        version
    } else {
        from
    };
    let changed = api.changed.subscribe();
    let line = |event: Value| Ok::<_, std::convert::Infallible>(format!("{event}\n"));
    let first = stream::iter(first.into_iter().map(line));
    let watch = Arc::new(watch);
    let lines = stream::unfold((from, changed), move |(seen, mut changed)| {
        let (api, watch) = (api.clone(), Arc::clone(&watch));
        async move {
            loop {
                {
                    let state = api.state();
                    if state.connection != watch.connection {
                        return None;
                    }
                    let next = state.events.iter().find(|(version, collection, event)| {
                        *version > seen && watch.counts(collection, &event["object"])
                    });
                    if let (Some((version, _, event)), false) = (next, state.silent) {
                        return Some((line(event.clone()), (*version, changed)));
                    }
                }
                if timeout_at(watch.end, changed.changed()).await.is_err() {
                    let silent = api.state().silent;
                    if silent {
                        std::future::pending::<()>().await;
                    }
                    return None;
                }
            }
        }
    });
    Response::builder()
        .header("content-type", "application/json")
        .body(Body::from_stream(first.chain(lines)))
        .unwrap()
}
