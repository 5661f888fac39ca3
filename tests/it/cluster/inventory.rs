//! What an audit judges of a cluster, and what it says of the rest.

use std::time::Duration;

use archmatch::cluster::inventory::{Inventory, Listed};
use archmatch::domain::ownership::JudgedPods;
use archmatch::objects::kinds::KindRule;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::LIMIT;
use super::api::Api;

const DEPLOYMENTS: &str = "/apis/apps/v1/deployments";
const REPLICA_SETS: &str = "/apis/apps/v1/replicasets";
const PODS: &str = "/api/v1/pods";
const ROLLOUTS: &str = "/apis/argoproj.io/v1alpha1/rollouts";

/// As many lists as there are built-in kinds.
const LISTS: usize = 9;

fn inventory(api: &Api) -> Inventory {
    Inventory {
        client: api.direct_client(),
        kinds: Vec::new(),
        namespace: None,
        selector: String::new(),
        pods: JudgedPods::Bare,
        page_objects: 3,
    }
}

/// What was found: names of workloads, names of what cannot be read, sentences.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    workloads: Vec<String>,
    unread: Vec<String>,
    partial: Vec<String>,
}

async fn list(inventory: Inventory) -> Found {
    let mut found = Found::default();
    let mut listed = std::pin::pin!(inventory.list(Instant::now() + LIMIT));
    while let Some(one) = listed.next().await {
        match one {
            Listed::Object(workload) => {
                assert!(!workload.uid.is_empty());
                let (kind, name) = (&workload.kind, &workload.name);
                found.workloads.push(format!("{kind} {name}"));
            }
            Listed::Unread { object, problem } => found.unread.push(format!("{object}: {problem}")),
            Listed::Partial(sentence) => found.partial.push(sentence),
        }
    }
    found
}

/// The workloads, where everything could be listed.
async fn workloads(inventory: Inventory) -> Vec<String> {
    let found = list(inventory).await;
    assert_eq!((found.unread, found.partial), Default::default());
    found.workloads
}

/// An object whose uid is its name and that the owner controls, if there is one.
fn owned(name: &str, owner: &str, rest: Value) -> Value {
    let controller = json!([{"uid": "other"}, {"uid": owner, "controller": true}]);
    let owners = if owner.is_empty() {
        json!(null)
    } else {
        controller
    };
    let mut object = json!({"metadata": {
        "name": name, "namespace": "web", "uid": name, "ownerReferences": owners,
    }});
    let (object_fields, rest) = (object.as_object_mut().unwrap(), rest.as_object().unwrap());
    object_fields.extend(rest.clone());
    object
}

fn pod_spec() -> Value {
    json!({"containers": [{"name": "c", "image": "i"}]})
}

fn templated() -> Value {
    json!({"spec": {"replicas": 0, "template": {"spec": pod_spec()}}})
}

fn put(api: &Api, list: &str, name: &str, owner: &str) {
    let rest = match list {
        PODS => json!({"spec": pod_spec()}),
        _ => templated(),
    };
    api.put(&format!("{list}/{name}"), owned(name, owner, rest));
}

/// A Deployment with what it makes, a pod of nobody and one of a node.
fn ordinary(api: &Api) {
    put(api, DEPLOYMENTS, "shop", "");
    put(api, REPLICA_SETS, "shop-1", "shop");
    put(api, PODS, "shop-1-a", "shop-1");
    put(api, PODS, "bare", "");
    put(api, PODS, "mirror", "node");
}

fn rollouts(version: &str) -> KindRule {
    KindRule {
        group: "argoproj.io".to_owned(),
        version: version.to_owned(),
        resource: "rollouts".to_owned(),
        templates: vec!["spec.template".parse().unwrap()],
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_judged_object_makes_is_left_out() {
    let api = Api::in_memory();
    ordinary(&api);
    let suspended = json!({"spec": {"suspend": true, "jobTemplate": {"spec": {"template": {"spec": pod_spec()}}}}});
    api.put(
        "/apis/batch/v1/cronjobs/nightly",
        owned("nightly", "", suspended),
    );
    put(&api, "/apis/batch/v1/jobs", "nightly-1", "nightly");
    put(&api, PODS, "nightly-1-a", "nightly-1");
    for (list, name) in [
        ("/apis/apps/v1/statefulsets", "data"),
        ("/apis/apps/v1/daemonsets", "agent"),
        ("/api/v1/replicationcontrollers", "old"),
    ] {
        put(&api, list, name, "");
        put(&api, PODS, &format!("{name}-a"), name);
    }
    let template = json!({"template": {"spec": pod_spec()}});
    api.put("/api/v1/podtemplates/stamp", owned("stamp", "", template));
    let expected = [
        "Deployment shop",
        "StatefulSet data",
        "DaemonSet agent",
        "CronJob nightly",
        "ReplicationController old",
        "PodTemplate stamp",
        "Pod bare",
        "Pod mirror",
    ];
    assert_eq!(workloads(inventory(&api)).await, expected);
    let each = Inventory {
        pods: JudgedPods::Each,
        ..inventory(&api)
    };
    let with_pods = workloads(each).await;
    assert_eq!(with_pods.len(), expected.len() + 5, "{with_pods:?}");
}

#[tokio::test(start_paused = true)]
async fn what_an_object_makes_that_nobody_judges_is_judged() {
    let api = Api::in_memory();
    put(&api, REPLICA_SETS, "canary-1", "canary");
    put(&api, PODS, "canary-1-a", "canary-1");
    assert_eq!(workloads(inventory(&api)).await, ["ReplicaSet canary-1"]);

    api.install("argoproj.io/v1alpha1", &["rollouts"]);
    put(&api, ROLLOUTS, "canary", "");
    for version in ["v1alpha1", "*"] {
        let configured = Inventory {
            kinds: vec![rollouts(version)],
            ..inventory(&api)
        };
        assert_eq!(
            workloads(configured).await,
            ["rollouts canary"],
            "{version}"
        );
    }
    // A Rollout that refers to a Deployment has no template of its own.
    api.put(
        &format!("{ROLLOUTS}/canary"),
        owned("canary", "", json!({"spec": {}})),
    );
    let configured = Inventory {
        kinds: vec![rollouts("*")],
        ..inventory(&api)
    };
    let found = workloads(configured).await;
    assert_eq!(found, ["rollouts canary", "ReplicaSet canary-1"]);
}

#[tokio::test(start_paused = true)]
async fn a_configured_kind_is_found_in_the_version_that_has_it_or_is_none() {
    let api = Api::in_memory();
    for version in ["v1alpha1", "*"] {
        let configured = Inventory {
            kinds: vec![rollouts(version)],
            ..inventory(&api)
        };
        assert!(workloads(configured).await.is_empty(), "{version}");
    }
    // The preferred version does not have it.
    api.install("argoproj.io/v1alpha1", &["rollouts"]);
    api.install("argoproj.io/v2", &["applications"]);
    put(&api, ROLLOUTS, "canary", "");
    let configured = Inventory {
        kinds: vec![rollouts("*")],
        ..inventory(&api)
    };
    assert_eq!(workloads(configured).await, ["rollouts canary"]);
    assert_eq!(api.requests("GET /apis/argoproj.io/v2/rollouts"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_built_in_kind_that_is_configured_is_listed_once() {
    let api = Api::in_memory();
    put(&api, DEPLOYMENTS, "shop", "");
    let rule = KindRule {
        group: "apps".to_owned(),
        resource: "deployments".to_owned(),
        ..rollouts("*")
    };
    let configured = Inventory {
        kinds: vec![rule],
        ..inventory(&api)
    };
    assert_eq!(workloads(configured).await, ["Deployment shop"]);
    assert_eq!(api.requests("GET "), LISTS);
}

#[tokio::test(start_paused = true)]
async fn lists_are_read_page_by_page_as_they_are_taken() {
    let api = Api::in_memory();
    for number in 0..8 {
        put(&api, PODS, &format!("p{number}"), "");
    }
    let mut listed = std::pin::pin!(inventory(&api).list(Instant::now() + LIMIT));
    assert_eq!(api.requests("GET "), 0);
    for number in 0..8 {
        let Some(Listed::Object(pod)) = listed.next().await else {
            panic!("there are eight pods");
        };
        assert_eq!(pod.name, format!("p{number}"));
        assert_eq!(api.requests("GET /api/v1/pods"), 1 + number / 3);
    }
    assert!(listed.next().await.is_none());
    let pages = api.queries(PODS);
    let expected = ["limit=3", "limit=3&continue=p2", "limit=3&continue=p5"];
    assert_eq!(pages, expected.map(|query| format!("{PODS}?{query}")));
}

#[tokio::test(start_paused = true)]
async fn a_namespace_and_a_selector_are_asked_for_and_lead_nowhere_else() {
    let api = Api::in_memory();
    put(&api, "/api/v1/namespaces/web/pods", "mine", "");
    put(&api, PODS, "theirs", "");
    let mine = Inventory {
        namespace: Some("web".to_owned()),
        selector: "app=shop,tier in (a&limit=1)".to_owned(),
        ..inventory(&api)
    };
    // The small server reads the path alone.
    let found = list(mine).await;
    assert_eq!(found.workloads.len() + found.unread.len(), 1, "{found:?}");
    let pages = api.queries("/api/v1/namespaces/web/pods");
    let query = "limit=3&labelSelector=app%3Dshop%2Ctier+in+%28a%26limit%3D1%29";
    assert_eq!(pages, [format!("/api/v1/namespaces/web/pods?{query}")]);

    let before = api.requests("");
    for namespace in ["../secrets", "a/b", "a?b", "", "..", "%2e%2e", "a b"] {
        let elsewhere = Inventory {
            namespace: Some(namespace.to_owned()),
            ..inventory(&api)
        };
        let found = list(elsewhere).await;
        assert_eq!(found.partial.len(), LISTS, "{found:?}");
        assert!(found.partial[0].ends_with("is no name"), "{found:?}");
    }
    assert_eq!(api.requests(""), before);
}

#[tokio::test(start_paused = true)]
async fn pods_on_nodes_are_listed_once_whoever_owns_them() {
    let api = Api::in_memory();
    ordinary(&api);
    for number in 0..8 {
        let spec = json!({"nodeName": "z1", "containers": [{"name": "c", "image": "i"}]});
        let pod = owned(&format!("p{number}"), "shop-1", json!({"spec": spec}));
        api.put(&format!("{PODS}/p{number}"), pod);
    }
    api.put(&format!("{PODS}/a"), owned("a", "", json!({"spec": []})));
    api.expire_pages(2);
    let pods = inventory(&api).observed_pods(
        "2026-11-28T10:00:00Z".parse().unwrap(),
        Instant::now() + LIMIT,
    );
    let (mut names, mut unread) = (Vec::new(), Vec::new());
    let mut pods = std::pin::pin!(pods);
    while let Some(listed) = pods.next().await {
        match listed {
            Listed::Object(pod) => names.push(pod.workload.name),
            Listed::Unread { object, .. } => unread.push(object),
            Listed::Partial(sentence) => panic!("{sentence}"),
        }
    }
    let expected: Vec<String> = (0..8).map(|number| format!("p{number}")).collect();
    assert_eq!((names, unread), (expected, vec!["Pod web/a".to_owned()]));
    assert_eq!(api.requests("GET "), api.requests("GET /api/v1/pods"));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_expired_begins_again_and_counts_nothing_twice() {
    let api = Api::in_memory();
    let names: Vec<String> = (0..8).map(|number| format!("p{number}")).collect();
    for name in &names {
        put(&api, PODS, name, "");
    }
    // One that cannot be read is counted, too.
    api.put(&format!("{PODS}/a"), owned("a", "", json!({"spec": []})));
    api.expire_pages(2);
    let found = list(inventory(&api)).await;
    let expected: Vec<String> = names.iter().map(|name| format!("Pod {name}")).collect();
    assert_eq!(found.workloads, expected);
    assert_eq!(
        (found.unread.len(), found.partial.len()),
        (1, 0),
        "{found:?}"
    );
    assert_eq!(api.requests("GET /api/v1/pods"), 2 + 2 + 3);

    api.expire_pages(usize::MAX);
    let found = list(inventory(&api)).await;
    assert_eq!(found.workloads, ["Pod p0", "Pod p1"]);
    let sentence = "pods could not be listed to the end: the list expired again and again";
    assert_eq!(found.partial, [sentence]);
}

#[tokio::test(start_paused = true)]
async fn an_object_without_uid_counts_once_by_its_name() {
    let api = Api::in_memory();
    for number in 0..5 {
        let mut pod = owned("", "", json!({"spec": pod_spec()}));
        pod["metadata"]["uid"] = json!(null);
        api.put(&format!("{PODS}/p{number}"), pod);
    }
    api.expire_pages(1);
    let mut listed = std::pin::pin!(inventory(&api).list(Instant::now() + LIMIT));
    let mut names = Vec::new();
    while let Some(found) = listed.next().await {
        let Listed::Object(pod) = found else {
            panic!("{found:?}");
        };
        names.push(pod.name);
    }
    assert_eq!(names, ["p0", "p1", "p2", "p3", "p4"]);
    assert_eq!(api.requests("GET /api/v1/pods"), 2 + 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_said_and_the_rest_goes_on() {
    let api = Api::in_memory();
    ordinary(&api);
    api.forbid("/replicasets");
    let found = list(inventory(&api)).await;
    // Nobody knows whose the pod of the ReplicaSet is.
    let expected = ["Deployment shop", "Pod bare", "Pod mirror", "Pod shop-1-a"];
    assert_eq!(found.workloads, expected);
    assert_eq!(
        found.partial,
        ["replicasets could not be listed: Forbidden (403)"]
    );
    assert_eq!(api.requests("GET /apis/apps/v1/replicasets"), 1);

    api.forbid("/rollouts");
    api.install("argoproj.io/v1alpha1", &["rollouts"]);
    let configured = Inventory {
        kinds: vec![rollouts("v1alpha1")],
        ..inventory(&api)
    };
    let found = list(configured).await;
    let sentence = "rollouts.argoproj.io could not be listed: Forbidden (403)";
    assert_eq!(found.partial[0], sentence);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_passes_is_waited_for_and_one_that_stays_is_said() {
    let api = Api::in_memory();
    ordinary(&api);
    for code in [500, 503, 429] {
        api.answer_next(PODS, code, "later");
    }
    assert_eq!(workloads(inventory(&api)).await.len(), 3);

    for _ in 0..100 {
        api.answer_next(DEPLOYMENTS, 503, "<html>\u{1b}[31m");
    }
    let found = list(inventory(&api)).await;
    let expected = ["ReplicaSet shop-1", "Pod bare", "Pod mirror"];
    assert_eq!(found.workloads, expected);
    let [sentence] = &found.partial[..] else {
        panic!("{found:?}");
    };
    assert!(
        sentence.starts_with("deployments could not be listed: "),
        "{sentence}"
    );
    assert!(
        sentence.contains("503") && !sentence.contains('\u{1b}'),
        "{sentence}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_api_server_is_waited_for_until_the_deadline() {
    let api = Api::in_memory();
    ordinary(&api);
    api.set_silent(true);
    let began = Instant::now();
    let found = list(inventory(&api)).await;
    assert!(
        began.elapsed() <= LIMIT + Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    assert!(found.workloads.is_empty());
    assert_eq!(found.partial.len(), LISTS);
    let sentence = "deployments could not be listed: no answer in time";
    assert_eq!(found.partial[0], sentence);

    // Nor does one request take all of a long time.
    let began = Instant::now();
    let mut listed = std::pin::pin!(inventory(&api).list(began + 1000 * LIMIT));
    let Some(Listed::Partial(found)) = listed.next().await else {
        panic!("nothing is ever answered");
    };
    assert_eq!(found, sentence);
    assert!(began.elapsed() < 6 * LIMIT, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_object_that_cannot_be_read_is_named_and_stands_for_nothing() {
    let api = Api::in_memory();
    ordinary(&api);
    let broken = json!({"spec": {"template": {"spec": {"containers": {}}}}});
    api.put(&format!("{DEPLOYMENTS}/shop"), owned("shop", "", broken));
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let spec = pod_spec();
    let items = [
        "null".to_owned(),
        "null".to_owned(),
        "{}".to_owned(),
        r#"{"metadata":null}"#.to_owned(),
        r#"{"metadata":{"name":"w","namespace":"web","ownerReferences":{}}}"#.to_owned(),
        format!(r#"{{"metadata":{{"name":"deep","uid":"1"}},"status":{deep},"spec":{spec}}}"#),
        format!(r#"{{"metadata":{{"name":"deeper","uid":"2"}},"spec":{deep}}}"#),
        format!(r#"{{"metadata":{{"name":"twice","uid":"3"}},"spec":{spec}}}"#),
        format!(r#"{{"metadata":{{"name":"twice","uid":"3"}},"spec":{spec}}}"#),
    ];
    api.answer_next(PODS, 200, format!(r#"{{"items":[{}]}}"#, items.join(",")));
    let found = list(inventory(&api)).await;
    assert_eq!(
        found.workloads,
        ["ReplicaSet shop-1", "Pod deep", "Pod twice"]
    );
    assert!(found.partial.is_empty(), "{found:?}");
    let expected = [
        "Deployment web/shop: ",
        "Pod without a name: read item: invalid type: null",
        "Pod without a name: metadata.name is not set",
        "Pod web/w: read item metadata.ownerReferences: ",
        "Pod deeper: ",
    ];
    assert_eq!(found.unread.len(), expected.len(), "{found:?}");
    for (text, expected) in found.unread.iter().zip(expected) {
        assert!(text.starts_with(expected), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn objects_that_cannot_be_read_are_counted_where_there_are_many() {
    let api = Api::in_memory();
    let broken =
        |number| format!(r#"{{"metadata":{{"name":"p{number}","uid":"{number}"}},"spec":1}}"#);
    let items: Vec<String> = (0..1000).map(broken).collect();
    api.answer_next(PODS, 200, format!(r#"{{"items":[{}]}}"#, items.join(",")));
    let found = list(inventory(&api)).await;
    assert_eq!(found.unread.len(), 100);
    assert_eq!(found.partial, ["900 further pods could not be read"]);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_no_list_ends_its_list_alone() {
    let api = Api::in_memory();
    ordinary(&api);
    let next = "n".repeat(20_000);
    for (text, problem) in [
        ("<html>".to_owned(), "read list: expected `{`"),
        (r#"{"items":[{"#.to_owned(), "read list: EOF"),
        (
            format!(r#"{{"metadata":{{"continue":"{next}"}}}}"#),
            "what asks for its next page is too long",
        ),
    ] {
        api.answer_next(REPLICA_SETS, 200, text);
        let found = list(inventory(&api)).await;
        assert_eq!(found.workloads.len(), 4, "{found:?}");
        let sentence = format!("replicasets could not be listed to the end: {problem}");
        assert!(found.partial[0].starts_with(&sentence), "{found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_too_large_is_asked_for_in_smaller_ones() {
    let api = Api::in_memory();
    let large = json!({"spec": pod_spec(), "status": {"message": "m".repeat(1 << 20)}});
    for number in 0..20 {
        let name = format!("p{number:02}");
        api.put(&format!("{PODS}/{name}"), owned(&name, "", large.clone()));
    }
    let wide = |page_objects| Inventory {
        page_objects,
        ..inventory(&api)
    };
    assert_eq!(workloads(wide(20)).await.len(), 20);
    assert_eq!(api.requests("GET /api/v1/pods"), 1 + 4);

    for _ in 0..2 {
        api.answer_next(PODS, 200, " ".repeat(17 << 20));
    }
    let found = list(wide(2)).await;
    let sentence = "pods could not be listed: an object is larger than 16 MiB";
    assert_eq!(
        (found.workloads.len(), found.partial),
        (0, vec![sentence.to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_owns_itself_hides_nothing() {
    let api = Api::in_memory();
    put(&api, REPLICA_SETS, "self", "self");
    put(&api, REPLICA_SETS, "one", "other");
    put(&api, REPLICA_SETS, "other", "one");
    put(&api, PODS, "first", "second");
    put(&api, PODS, "second", "first");
    let expected = ["ReplicaSet one", "ReplicaSet self", "Pod first"];
    assert_eq!(workloads(inventory(&api)).await, expected);
}
