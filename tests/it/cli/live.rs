//! Clusters that refuse, and clusters that do not answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use serde_json::json;

use super::World;
use crate::support::command::{Run, archmatch};

/// An API server that gives each path one answer, for as long as the test runs.
pub(super) fn api(answer: impl Fn(&str) -> Option<(u16, String)> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head);
            let path = head.split(' ').nth(1).unwrap_or_default();
            match answer(path) {
                Some((code, body)) => {
                    let _ = write!(
                        stream,
                        "HTTP/1.1 {code} X\r\ncontent-type: application/json\r\nconnection: close\r\n\
                         content-length: {}\r\n\r\n{body}",
                        body.len()
                    );
                }
                None => silent.push(stream),
            }
        }
    });
    address
}

pub(super) fn status(code: u16, reason: &str, message: &str) -> Option<(u16, String)> {
    let status = json!({"apiVersion": "v1", "kind": "Status", "status": "Failure",
        "code": code, "reason": reason, "message": message});
    Some((code, status.to_string()))
}

/// The kube config of a cluster at this address.
pub(super) fn kubeconfig(world: &World, address: SocketAddr) -> String {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}],
    });
    world.write("kubeconfig", &config.to_string())
}

fn check(world: &World, address: SocketAddr, timeout: &str) -> (Run, Duration) {
    let kubeconfig = kubeconfig(world, address);
    let (config, image) = (world.path("config.yaml"), world.image("node:21"));
    let started = Instant::now();
    let run = tokio::task::block_in_place(|| {
        archmatch(
            &[
                "check",
                &image,
                "--config",
                &config,
                "--kubeconfig",
                &kubeconfig,
                "--timeout",
                timeout,
            ],
            "",
        )
    });
    (run, started.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_refuses_is_one_error_at_once_with_its_address_and_words() {
    let world = World::new().await;
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let forbidden = "nodes is forbidden: User \"dev\" cannot list resource \"nodes\"";
    for (address, words) in [
        (closed, "Connection refused"),
        (
            api(|_| status(401, "Unauthorized", "Unauthorized")),
            "Unauthorized (401)",
        ),
        (api(move |_| status(403, "Forbidden", forbidden)), forbidden),
    ] {
        let (run, took) = check(&world, address, "1m");
        assert_eq!(run.code, Some(2), "{words}: {}", run.stderr);
        assert!(took < Duration::from_secs(5), "{words}: {took:?}");
        assert!(run.stderr.lines().count() <= 3, "{}", run.stderr);
        let first = run.stderr.lines().next().unwrap();
        assert!(
            first.starts_with("error: the cluster at http://127.0.0.1:"),
            "{first}"
        );
        assert!(
            first.contains(&address.to_string()) && first.contains(words),
            "{first}"
        );
        assert!(
            run.stderr.contains("--platform") && run.stderr.contains("--snapshot"),
            "{}",
            run.stderr
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_does_not_answer_has_as_long_as_the_whole_run() {
    let world = World::new().await;
    for (address, words) in [
        (api(|_| None), "no answer in time"),
        (
            api(|_| status(503, "ServiceUnavailable", "starting up")),
            "starting up (503)",
        ),
    ] {
        let (run, took) = check(&world, address, "2s");
        assert_eq!(run.code, Some(2), "{words}: {}", run.stderr);
        assert!(took < Duration::from_secs(5), "{words}: {took:?}");
        assert!(run.stderr.lines().count() <= 3, "{}", run.stderr);
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_may_not_list_is_done_without_and_said() {
    let world = World::new().await;
    let node = json!({"metadata": {"name": "z1", "uid": "u", "resourceVersion": "1", "labels": {}},
        "status": {"nodeInfo": {"operatingSystem": "linux", "architecture": "s390x",
            "containerRuntimeVersion": "containerd://2.1.4"}}});
    let nodes = json!({"apiVersion": "v1", "kind": "NodeList", "metadata": {"resourceVersion": "1"}, "items": [node]});
    let groups = json!({"apiVersion": "v1", "kind": "APIGroupList", "groups": []});
    let address = api(move |path| match path.split('?').next().unwrap() {
        "/api/v1/nodes" if path.contains("watch") => None,
        "/api/v1/nodes" => Some((200, nodes.to_string())),
        "/apis" | "/apis/" => Some((200, groups.to_string())),
        _ => status(403, "Forbidden", "forbidden: User \"dev\" cannot list it"),
    });
    let (run, took) = check(&world, address, "20s");
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert!(took < Duration::from_secs(10), "{took:?}");
    let note = "note: the cluster does not let you list namespaces, runtimeclasses";
    assert!(
        run.stderr.starts_with(note) && run.stderr.lines().count() == 1,
        "{}",
        run.stderr
    );
}

#[test]
fn without_any_cluster_the_error_shows_what_needs_none() {
    let run = archmatch(&["check", "node:22"], "");
    assert_eq!(run.code, Some(2));
    let lines: Vec<&str> = run.stderr.lines().collect();
    let [first, platforms, snapshot] = &lines[..] else {
        panic!("{}", run.stderr);
    };
    assert_eq!(
        *first,
        "error: no cluster: no kube config at /nonexistent/.kube/config"
    );
    assert!(
        platforms.contains("archmatch check --platform"),
        "{platforms}"
    );
    assert!(
        snapshot.contains("archmatch check --snapshot"),
        "{snapshot}"
    );
}
