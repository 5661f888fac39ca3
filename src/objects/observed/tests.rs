//! States as kubelets write them, each with what it proves.

use serde_json::json;

use super::*;

const NOW: &str = "2026-11-28T10:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn pod(status: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "shop-1", "namespace": "web"},
        "spec": {"nodeName": "z1", "containers": [{"name": "web", "image": "node:22"}]},
        "status": {"containerStatuses": [status]}})
}

/// What the states of a container prove.
fn proven(states: &Value) -> Option<Observation> {
    let mut status = json!({"name": "web", "imageID": ""});
    let fields = states.as_object().unwrap().clone();
    status.as_object_mut().unwrap().extend(fields);
    let from_tree = ObservedPod::read(&pod(&status), now()).unwrap().unwrap();
    let bytes = pod(&status).to_string();
    let from_bytes = ObservedPod::from_json(bytes.as_bytes(), now()).unwrap();
    assert_eq!(from_bytes.unwrap().containers, from_tree.containers);
    from_tree.containers[0].observation
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({"waiting": {"reason": reason, "message": message}})
}

fn terminated(exit_code: i64, reason: &str, message: &str, seconds: u32) -> Value {
    json!({"terminated": {"exitCode": exit_code, "reason": reason, "message": message,
        "startedAt": "2026-11-28T09:00:00Z", "finishedAt": format!("2026-11-28T09:00:{seconds:02}Z")}})
}

#[test]
fn a_pull_without_a_match_is_known_by_the_words_of_each_runtime() {
    let pull = "rpc error: code = NotFound desc = failed to pull and unpack image \
                \"docker.io/library/node:22\": ";
    for (reason, message, expected) in [
        // containerd: pulled as a whole, and after the fetch.
        (
            "ErrImagePull",
            format!("{pull}no match for platform in manifest: not found"),
            true,
        ),
        (
            "ErrImagePull",
            "rpc error: code = NotFound desc = get image config descriptor: no match for \
             platform in manifest sha256:abc: not found"
                .to_owned(),
            true,
        ),
        (
            "ImagePullBackOff",
            format!(
                "Back-off pulling image \"node:22\": ErrImagePull: {pull}no match for platform in manifest: not found"
            ),
            true,
        ),
        (
            "ErrImagePull",
            "no unpack platforms defined: invalid argument".to_owned(),
            true,
        ),
        // CRI-O, an index and a list, now and before.
        (
            "ErrImagePull",
            "choosing an image from manifest list docker://quay.io/app:1: no image found in \
             image index for architecture \"arm64\", variant \"v8\", OS \"linux\""
                .to_owned(),
            true,
        ),
        (
            "ErrImagePull",
            "choosing image instance: no image found in manifest list for architecture s390x, \
             variant \"\", OS linux"
                .to_owned(),
            true,
        ),
        // Docker.
        (
            "ErrImagePull",
            "no matching manifest for linux/arm64/v8 in the manifest list entries".to_owned(),
            true,
        ),
        // Other causes, and none.
        (
            "ErrImagePull",
            format!("{pull}failed to resolve reference: not found"),
            false,
        ),
        (
            "ErrImagePull",
            "pull access denied, repository does not exist".to_owned(),
            false,
        ),
        (
            "ImagePullBackOff",
            "Back-off pulling image \"node:22\"".to_owned(),
            false,
        ),
        (
            "ErrImageNeverPull",
            "Container image \"node:22\" is not present".to_owned(),
            false,
        ),
        // A message of something else.
        (
            "CrashLoopBackOff",
            "no match for platform in manifest".to_owned(),
            false,
        ),
    ] {
        let found = proven(&json!({"state": waiting(reason, &message)}));
        assert_eq!(
            found,
            expected.then_some(Observation::NoMatch),
            "{reason}: {message}"
        );
    }
}

#[test]
fn a_program_that_cannot_be_executed_is_known_where_the_runtime_says_it_itself() {
    let runc = "exec /app: exec format error";
    for (state, expected) in [
        // With the log as the termination message.
        (terminated(255, "Error", runc, 0), true),
        (
            terminated(255, "Error", "exec /app: exec format error\n", 0),
            true,
        ),
        (
            terminated(
                1,
                "Error",
                "standard_init_linux.go:228: exec user process caused: exec format error",
                0,
            ),
            true,
        ),
        (
            terminated(
                1,
                "Error",
                "standard_init_linux.go:178: exec user process caused \"exec format error\"",
                0,
            ),
            true,
        ),
        (
            terminated(
                1,
                "Error",
                "exec container process `/app`: Exec format error",
                0,
            ),
            true,
        ),
        (
            terminated(
                128,
                "StartError",
                "failed to create containerd task: OCI runtime create failed: exec: \"/app\": exec format error: unknown",
                0,
            ),
            true,
        ),
        (
            waiting(
                "CreateContainerError",
                "container create failed: open executable: Exec format error",
            ),
            true,
        ),
        (
            waiting(
                "RunContainerError",
                "failed to start container: exec format error",
            ),
            true,
        ),
        // Exit codes alone, other errors, and what a script says of a program that it starts.
        (terminated(255, "Error", "", 0), false),
        (terminated(1, "Error", "", 0), false),
        (
            terminated(
                128,
                "StartError",
                "exec: \"/app\": no such file or directory",
                0,
            ),
            false,
        ),
        (
            terminated(126, "Error", "/run.sh: line 2: /app: Exec format error", 0),
            false,
        ),
        (
            terminated(1, "Error", "starting\nexec /app: exec format error", 0),
            false,
        ),
        (
            waiting(
                "CrashLoopBackOff",
                "back-off 5m0s restarting failed container",
            ),
            false,
        ),
    ] {
        let found = proven(&json!({"state": state.clone()}));
        assert_eq!(
            found,
            expected.then_some(Observation::ExecFormatError),
            "{state}"
        );
        let crashing = waiting(
            "CrashLoopBackOff",
            "back-off 5m0s restarting failed container",
        );
        if state["terminated"].is_object() {
            let found = proven(&json!({"state": crashing, "lastState": state.clone()}));
            assert_eq!(
                found,
                expected.then_some(Observation::ExecFormatError),
                "{state}"
            );
        }
    }
}

#[test]
fn a_program_ran_where_it_ended_well_or_took_a_while() {
    let running = |since: &str| json!({"running": {"startedAt": since}});
    for (states, expected) in [
        (json!({"state": running("2026-11-28T09:59:50Z")}), true),
        // Also what cannot be executed is running for a moment.
        (json!({"state": running("2026-11-28T09:59:51Z")}), false),
        (json!({"state": running("2026-11-28T11:00:00Z")}), false),
        (json!({"state": running("soon")}), false),
        (json!({"state": {"running": {}}}), false),
        (json!({"state": terminated(0, "Completed", "", 0)}), true),
        (
            json!({"state": terminated(0, "Completed", "any words", 0)}),
            true,
        ),
        (json!({"state": terminated(137, "OOMKilled", "", 10)}), true),
        (json!({"state": terminated(1, "Error", "", 9)}), false),
        // It ran before.
        (
            json!({"state": waiting("CrashLoopBackOff", "back-off"), "lastState": terminated(1, "Error", "", 30)}),
            true,
        ),
        (json!({"state": waiting("ContainerCreating", "")}), false),
        (json!({"state": null}), false),
        (json!({}), false),
    ] {
        assert_eq!(
            proven(&states),
            expected.then_some(Observation::Ran),
            "{states}"
        );
    }
    let refused = waiting(
        "InvalidImageName",
        "Failed to apply default image tag \"A b\"",
    );
    let found = proven(&json!({"state": refused}));
    assert_eq!(found, Some(Observation::InvalidImageName));
}

#[test]
fn what_was_pulled_is_known_by_its_digest() {
    let digest = format!("sha256:{:064x}", 7);
    for (image_id, is_known) in [
        (format!("docker.io/library/node@{digest}"), true),
        (format!("docker-pullable://node@{digest}"), true),
        (digest.clone(), false),
        ("node@sha256:7".to_owned(), false),
        (String::new(), false),
    ] {
        let status = json!({"name": "web", "imageID": image_id});
        let read = ObservedPod::read(&pod(&status), now()).unwrap().unwrap();
        let expected = is_known.then(|| digest.parse().unwrap());
        assert_eq!(read.containers[0].digest, expected, "{image_id}");
    }
}

#[test]
fn pods_of_nodes_alone_are_observed_with_containers_of_every_sort() {
    let status = |name: &str| json!([{"name": name}]);
    let mut pod = pod(&json!({"name": "web"}));
    pod["status"]["initContainerStatuses"] = status("first");
    pod["status"]["ephemeralContainerStatuses"] = status("debug");
    let read = ObservedPod::read(&pod, now()).unwrap().unwrap();
    let names: Vec<&str> = read
        .containers
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(
        (read.node.as_str(), names),
        ("z1", vec!["web", "first", "debug"])
    );
    assert_eq!(read.workload.name, "shop-1");

    let many: Vec<Value> = (0..1000)
        .map(|number| json!({"name": format!("c{number}")}))
        .collect();
    pod["status"]["containerStatuses"] = json!(many);
    let read = ObservedPod::read(&pod, now()).unwrap().unwrap();
    assert_eq!(read.containers.len(), MOST_CONTAINERS + 2);

    pod["spec"]["nodeName"] = json!("");
    assert!(ObservedPod::read(&pod, now()).unwrap().is_none());
    pod["kind"] = json!("Node");
    assert!(ObservedPod::read(&pod, now()).unwrap().is_none());
    let broken = json!({"metadata": {"name": "p"}, "spec": {"nodeName": "z1"},
        "status": {"containerStatuses": [{"state": {"terminated": {"exitCode": "0"}}}]}});
    let error = ObservedPod::from_json(broken.to_string().as_bytes(), now()).unwrap_err();
    assert!(error.path().contains("exitCode"), "{error}");
}
