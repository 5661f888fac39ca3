//! `archmatch audit --observe`: what is said beside what became of pods.

use serde_json::{Value, json};

use super::World;
use super::live::{api, kubeconfig, status};
use crate::support::command::Run;
use crate::support::registry::{Document, index, manifest};

/// A pod on a node, with one container of an image.
fn pod(name: &str, node: &str, image: &str, container: &Value) -> Value {
    let mut status = json!({"name": "web"});
    let fields = container.as_object().unwrap().clone();
    status.as_object_mut().unwrap().extend(fields);
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "web", "uid": name, "labels": {"app": name}},
        "spec": {"nodeName": node, "containers": [{"name": "web", "image": image}]},
        "status": {"containerStatuses": [status]}})
}

fn ran(digest: &str) -> Value {
    json!({"imageID": format!("r.example/app@{digest}"), "state":
        {"running": {"startedAt": "2026-01-01T00:00:00Z"}}})
}

fn no_match() -> Value {
    json!({"state": {"waiting": {"reason": "ErrImagePull", "message":
        "no image found in image index for architecture \"s390x\", variant \"\", OS \"linux\""}}})
}

fn not_executed(digest: &str) -> Value {
    json!({"imageID": format!("r.example/app@{digest}"), "state": {"waiting":
        {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 255,
        "reason": "Error", "message": "exec /app: exec format error"}}})
}

fn crashed(digest: &str) -> Value {
    json!({"imageID": format!("r.example/app@{digest}"), "state": {"waiting":
        {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 255}}})
}

/// Images with what they are.
struct Images {
    whole: Document,
    lacking: Document,
    plain: Document,
}

fn push(world: &World) -> Images {
    let images = Images {
        whole: index([manifest("linux/amd64"), manifest("linux/s390x")]),
        lacking: index([manifest("linux/amd64")]),
        plain: manifest("linux/amd64"),
    };
    world.registry.push("app:whole", &images.whole);
    world.registry.push("app:lacking", &images.lacking);
    world.registry.push("app:plain", &images.plain);
    images
}

/// Pods that became what is said, on the nodes of the world.
fn as_said(world: &World, images: &Images) -> Vec<Value> {
    let (whole, lacking, plain) = (
        world.image("app:whole"),
        world.image("app:lacking"),
        world.image("app:plain"),
    );
    let of_manifest = images.whole.children()[1].digest();
    vec![
        pod("ran", "a1", &lacking, &ran(&images.lacking.digest())),
        pod("ran-z", "z1", &whole, &ran(&images.whole.digest())),
        // The runtime may name the manifest in place of the index, and a cordon stops no pod.
        pod("ran-z2", "z2", &whole, &ran(&of_manifest)),
        pod("not-pulled", "z1", &lacking, &no_match()),
        pod(
            "not-executed",
            "z1",
            &plain,
            &not_executed(&images.plain.digest()),
        ),
        pod(
            "no-name",
            "a1",
            "UPPER",
            &json!({"state": {"waiting": {"reason": "InvalidImageName"}}}),
        ),
    ]
}

/// Pods that tell nothing, or of which nothing can be said.
fn untold(world: &World, images: &Images) -> Vec<Value> {
    let (whole, absent) = (world.image("app:whole"), world.image("absent:1"));
    let other = format!("sha256:{:064x}", 1);
    let mut preloaded = pod("preloaded", "z1", &whole, &ran(&images.whole.digest()));
    preloaded["spec"]["containers"][0]["imagePullPolicy"] = json!("Never");
    vec![
        pod("crashed", "z1", &whole, &crashed(&images.whole.digest())),
        pod("moved", "z1", &world.image("app:lacking"), &ran(&other)),
        pod("elsewhere", "gone", &whole, &ran(&images.whole.digest())),
        pod("undecided", "a1", &absent, &ran(&other)),
        preloaded,
    ]
}

async fn observe(world: &World, pods: &[Value], more: &[&str]) -> Run {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": pods});
    let pods = world.write("pods.json", &list.to_string());
    let nodes = world.path("nodes.yaml");
    let asked = [
        "audit",
        "--observe",
        "--snapshot",
        &nodes,
        "--snapshot",
        &pods,
    ];
    world.run(&[&asked, more].concat()).await
}

#[track_caller]
fn observed(run: &Run) -> Value {
    let report: Value = serde_json::from_str(&run.stdout).expect(&run.stderr);
    report["observed"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_that_became_what_is_said_are_counted_beside_those_that_tell_nothing() {
    let world = World::new().await;
    let images = push(&world);
    let pods = [as_said(&world, &images), untold(&world, &images)].concat();
    let run = observe(&world, &pods, &["-o", "json"]).await;
    let expected = json!({"right": 6, "wrong": 0, "undecided": 1, "silent": 4, "differences": []});
    assert_eq!(observed(&run), expected, "{}", run.stderr);
    let table = observe(&world, &pods, &[]).await;
    let line =
        "Observed: 6 of 6 containers became what is said, 0 did not; 1 undecided, 4 tell nothing\n";
    assert!(table.stdout.contains(line), "{}", table.stdout);
    let selected = observe(&world, &pods, &["-l", "app in (ran, moved)", "-o", "json"]).await;
    let expected = json!({"right": 1, "wrong": 0, "undecided": 0, "silent": 1, "differences": []});
    assert_eq!(observed(&selected), expected);
    let elsewhere = observe(
        &world,
        &pods,
        &["-n", "shop", "--allow-empty", "-o", "json"],
    )
    .await;
    let expected = json!({"right": 0, "wrong": 0, "undecided": 0, "silent": 0, "differences": []});
    assert_eq!(observed(&elsewhere), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_became_something_else_is_a_line_and_fails_the_run() {
    let world = World::new().await;
    let images = push(&world);
    let whole = world.image("app:whole");
    let right = pod("right", "z1", &whole, &ran(&images.whole.digest()));
    let wrong = pod("wrong", "z1", &whole, &not_executed(&images.whole.digest()));
    let passing = observe(&world, std::slice::from_ref(&right), &[]).await;
    assert_eq!(
        passing.code,
        Some(0),
        "{}{}",
        passing.stdout,
        passing.stderr
    );
    let run = observe(&world, &[right.clone(), wrong.clone()], &[]).await;
    assert_eq!(run.code, Some(1), "{}{}", run.stdout, run.stderr);
    let line = format!(
        "  Pod web/wrong (container web) on z1: {whole} is said to be supported on linux/s390x, \
         and ended in exec format error\n"
    );
    assert!(run.stdout.contains(&line), "{}", run.stdout);
    let last = run.stdout.lines().last().unwrap();
    assert!(
        last.starts_with("FAIL") && last.contains("1 container did not become what is said"),
        "{last}"
    );
    // A saved report says the same.
    let saved = observe(&world, &[right, wrong], &["-o", "json"]).await;
    let file = world.write("saved.json", &saved.stdout);
    let again = world.run(&["report", &file]).await;
    assert_eq!(again.stdout, run.stdout);
    let difference = json!({"namespace": "web", "pod": "wrong", "container": "web", "image": whole,
        "node": "z1", "platform": "linux/s390x", "said": "supported",
        "happened": "exec-format-error"});
    assert_eq!(observed(&saved)["differences"], json!([difference]));
    let without = [
        "audit",
        "--snapshot",
        &world.path("nodes.yaml"),
        "--snapshot",
        &world.path("pods.json"),
    ];
    let without = world.run(&without).await;
    assert_eq!(without.code, Some(0), "{}", without.stdout);
    assert!(!without.stdout.contains("Observed"), "{}", without.stdout);
    for flag in ["--platform", "--add-platform", "--drop-platform"] {
        let run = observe(&world, &[], &[flag, "s390x"]).await;
        assert_eq!(run.code, Some(2), "{flag}");
        assert!(run.stderr.contains("cannot be used with"), "{}", run.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_whose_state_cannot_be_read_is_named_once() {
    let world = World::new().await;
    let images = push(&world);
    let whole = world.image("app:whole");
    let mut broken = pod("broken", "z1", &whole, &ran(&images.whole.digest()));
    broken["status"]["containerStatuses"][0]["state"] = json!([]);
    let mut unreadable = pod("unreadable", "z1", &whole, &json!({}));
    unreadable["spec"]["containers"] = json!({});
    let run = observe(&world, &[broken, unreadable], &[]).await;
    assert_eq!(run.code, Some(2), "{}{}", run.stdout, run.stderr);
    let errors: Vec<&str> = run
        .stderr
        .lines()
        .filter(|line| line.starts_with("error:"))
        .collect();
    assert_eq!(errors.len(), 2, "{}", run.stderr);
    assert!(
        run.stderr.contains("status.containerStatuses[0].state"),
        "{}",
        run.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_of_a_live_cluster_are_listed_for_it() {
    let world = World::new().await;
    let images = push(&world);
    let node = json!({"metadata": {"name": "z1", "uid": "z1", "resourceVersion": "1", "labels": {}},
        "status": {"nodeInfo": {"operatingSystem": "linux", "architecture": "s390x",
            "containerRuntimeVersion": "cri-o://1.33.1"}}});
    let list = |kind: &str, items: Value| {
        json!({"apiVersion": "v1", "kind": kind, "metadata": {"resourceVersion": "1"}, "items": items})
            .to_string()
    };
    let pods = [as_said(&world, &images), untold(&world, &images)].concat();
    let (nodes, pods) = (
        list("NodeList", json!([node])),
        list("PodList", json!(pods)),
    );
    let groups = json!({"apiVersion": "v1", "kind": "APIGroupList", "groups": []});
    let address = api(move |path| match path.split('?').next().unwrap() {
        "/api/v1/nodes" if path.contains("watch") => None,
        "/api/v1/nodes" => Some((200, nodes.clone())),
        "/api/v1/pods" => Some((200, pods.clone())),
        "/apis" | "/apis/" => Some((200, groups.to_string())),
        _ => status(403, "Forbidden", "forbidden: User \"dev\" cannot list it"),
    });
    let config = kubeconfig(&world, address);
    let run = world
        .run(&["audit", "--observe", "--kubeconfig", &config, "-o", "json"])
        .await;
    // Of the nodes there is one.
    let expected = json!({"right": 3, "wrong": 0, "undecided": 0, "silent": 8, "differences": []});
    assert_eq!(observed(&run), expected, "{}", run.stderr);
}
