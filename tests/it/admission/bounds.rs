//! What one review may hold and how long it may be thought about: whoever sends more gets an
//! answer that says so, and nobody else waits.

use std::sync::Arc;
use std::time::Duration;

use archmatch::domain::policy::OnUnknown;
use archmatch::objects::kinds::{self, KindRef, KindRule};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use tracing_subscriber::util::SubscriberInitExt;

use super::{Review, Webhook, cluster, view};
use crate::support::registry::{index, manifest};

/// The answer to a review of which not all was looked at: a warning and an annotation.
async fn warned_of_too_much(webhook: &Webhook, review: &Review, what: &str) {
    let response = webhook.ask(review).await;
    let warning = Webhook::warned(&response);
    assert!(warning.contains(what), "{warning}");
    assert!(warning.contains("(too-large)"), "{warning}");
    let undecided = &response["auditAnnotations"]["undecided"];
    assert!(undecided.as_str().unwrap().contains("too-large"));

    webhook.set(|settings| settings.on_unknown = OnUnknown::Deny);
    let message = Webhook::denied(&webhook.ask(review).await);
    assert!(message.contains("(too-large)"), "{message}");
    webhook.set(|settings| settings.on_unknown = OnUnknown::Allow);
    let response = webhook.ask(review).await;
    let undecided = &response["auditAnnotations"]["undecided"];
    assert!(undecided.as_str().unwrap().contains("too-large"));
    webhook.set(|settings| settings.on_unknown = OnUnknown::Warn);
}

/// Containers with as many images, of which no registry is asked.
fn containers(count: usize) -> Vec<Value> {
    let one = |number| {
        json!({"name": format!("c{number}"), "image": format!("r.example/app{number}:1"),
            "imagePullPolicy": "Never"})
    };
    (0..count).map(one).collect()
}

#[tokio::test]
async fn images_beyond_the_limit_are_unknown_and_said() {
    let webhook = Webhook::start().await;
    let within = Review::pod(&json!({"containers": containers(256)}));
    let response = webhook.ask(&within).await;
    assert_eq!(response["auditAnnotations"]["undecided"], "preloaded");
    for count in [257, 9000] {
        let beyond = Review::pod(&json!({"containers": containers(count)}));
        warned_of_too_much(&webhook, &beyond, "256 images").await;
    }
    // The same image does not count twice.
    let spec = webhook.spec("node:21", "s390x");
    let container = &spec["containers"][0];
    let many: Vec<&Value> = std::iter::repeat_n(container, 5000).collect();
    Webhook::admitted(
        &webhook
            .ask(&Review::pod(&json!({"containers": many})))
            .await,
    );
}

#[tokio::test]
async fn what_is_known_to_lack_a_platform_is_denied_whatever_lies_beyond() {
    let webhook = Webhook::start().await;
    let mut spec = webhook.spec("node:22", "s390x");
    let list = spec["containers"].as_array_mut().unwrap();
    list.extend(containers(400));
    Webhook::denied(&webhook.ask(&Review::pod(&spec)).await);
}

#[tokio::test]
async fn an_old_object_beyond_the_limit_is_bounded_too() {
    let webhook = Webhook::start().await;
    let mut spec = webhook.spec("node:22", "s390x");
    let new = Review::pod(&spec);
    spec["containers"].as_array_mut().unwrap().truncate(0);
    let list = spec["containers"].as_array_mut().unwrap();
    list.extend(containers(3000));
    let update = new.updating(Review::pod(&spec));
    Webhook::denied(&webhook.ask(&update).await);
}

#[tokio::test]
async fn pull_secrets_beyond_the_limit_are_unknown_and_said() {
    let webhook = Webhook::start().await;
    let mut spec = webhook.spec("node:21", "s390x");
    let secrets = |count: usize| (0..count).map(|n| json!({"name": format!("s{n}")}));
    spec["imagePullSecrets"] = secrets(64).collect();
    Webhook::admitted(&webhook.ask(&Review::pod(&spec)).await);
    for count in [65, 3000] {
        spec["imagePullSecrets"] = secrets(count).collect();
        warned_of_too_much(&webhook, &Review::pod(&spec), "64 pull secrets").await;
    }
}

#[tokio::test]
async fn limits_count_over_all_templates_of_an_object() {
    let webhook = Webhook::start().await;
    webhook.set(|settings| settings.kinds = KindRule::well_known());
    let job_set = |templates: usize, images: usize| {
        let job = |number: usize| {
            let containers = containers((number + 1) * images).split_off(number * images);
            json!({"template": {"spec": {"template": {"spec": {"containers": containers}}}}})
        };
        let jobs: Vec<Value> = (0..templates).map(job).collect();
        let mut review = Review::of(
            "jobset.x-k8s.io",
            "JobSet",
            "jobsets",
            json!({"spec": {"replicatedJobs": jobs}}),
        );
        review.0["request"]["kind"]["version"] = json!("v1alpha2");
        review
    };
    let response = webhook.ask(&job_set(8, 32)).await;
    assert_eq!(response["auditAnnotations"]["undecided"], "preloaded");
    warned_of_too_much(&webhook, &job_set(9, 32), "256 images").await;
    warned_of_too_much(&webhook, &job_set(257, 1), "256 pod templates").await;
    // Empty ones, too, each ask where they may go.
    warned_of_too_much(&webhook, &job_set(20_000, 0), "256 pod templates").await;
}

/// A cluster of as many nodes, each with a taint of its own.
fn large_cluster(count: usize) -> Vec<Value> {
    let node = |number: usize| {
        let name = format!("n{number}");
        json!({"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
            "spec": {"taints": [{"key": "own", "value": name, "effect": "NoSchedule"}]},
            "status": {"nodeInfo": {"operatingSystem": "linux", "architecture": "amd64",
                "containerRuntimeVersion": "containerd://2.1.4"}}})
    };
    (0..count).map(node).collect()
}

fn affinity(terms: usize) -> Value {
    let term = |number: usize| {
        json!({"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "Exists"},
            {"key": format!("k{number}"), "operator": "Exists"},
        ]})
    };
    let terms: Vec<Value> = (0..terms).map(term).collect();
    json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}})
}

#[tokio::test]
async fn what_asks_too_much_of_too_many_nodes_is_unknown_and_said() {
    let mut nodes = large_cluster(3000);
    nodes.extend(cluster());
    let webhook = Webhook::start().await;
    webhook.view.store(Arc::new(view(&nodes)));
    let pod = |field: &str, value: Value| {
        Review::pod(&json!({"containers": containers(1), field: value}))
    };
    // 3,004 nodes times 40 requirements.
    let response = webhook.ask(&pod("affinity", affinity(20))).await;
    assert_eq!(response["auditAnnotations"]["undecided"], "no-candidates");
    let beyond = pod("affinity", affinity(600));
    warned_of_too_much(&webhook, &beyond, "compared with them").await;
    let tolerations = |count: usize| {
        let one = |number| json!({"key": format!("k{number}"), "operator": "Exists"});
        (0..count).map(one).collect::<Vec<Value>>()
    };
    let response = webhook
        .ask(&pod("tolerations", json!(tolerations(500))))
        .await;
    assert_eq!(response["auditAnnotations"]["undecided"], "preloaded");
    let beyond = pod("tolerations", json!(tolerations(900)));
    warned_of_too_much(&webhook, &beyond, "compared with them").await;
}

#[tokio::test]
async fn lists_that_no_pod_has_are_not_kept() {
    let webhook = Webhook::start().await;
    let many = |count: usize, one: &dyn Fn(usize) -> Value| (0..count).map(one).collect::<Vec<_>>();
    let affinity = |expression: Value| {
        json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [expression]}]}}})
    };
    let values = many(5000, &|number| json!(format!("v{number}")));
    let labels: Value = (0..5000)
        .map(|number| (format!("k{number}"), json!("v")))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let requests: Value = (0..5000)
        .map(|number| (format!("x.example/r{number}"), json!("1")))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let greedy = json!([{"name": "c", "image": "app", "resources": {"requests": requests}}]);
    for (field, value) in [
        ("tolerations", json!(many(5000, &|_| json!({})))),
        (
            "affinity",
            affinity(json!({"key": "a", "operator": "NotIn", "values": values})),
        ),
        (
            "affinity",
            affinity(json!({"key": "a".repeat(300_000), "operator": "Exists"})),
        ),
        ("nodeSelector", labels),
        ("nodeName", json!("n".repeat(300_000))),
        ("initContainers", greedy),
    ] {
        let mut spec = json!({"containers": containers(1)});
        spec[field] = value;
        warned_of_too_much(&webhook, &Review::pod(&spec), "than is looked at").await;
    }
}

#[tokio::test]
async fn what_a_review_does_not_look_at_may_be_as_deep_as_it_likes() {
    let webhook = Webhook::start().await;
    webhook.set(|settings| settings.kinds = KindRule::well_known());
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    for (kind, resource, group) in [
        ("Deployment", "deployments", "apps"),
        ("Rollout", "rollouts", "argoproj.io"),
    ] {
        for place in ["status", "spec.foreign", "spec.template.foreign"] {
            let spec = webhook.spec("node:22", "s390x");
            let mut object = json!({"spec": {"template": {"spec": spec}}});
            let (parents, field) = place.rsplit_once('.').unwrap_or(("", place));
            let parent = parents.split('.').filter(|key| !key.is_empty());
            parent.fold(&mut object, |object, key| &mut object[key])[field] = json!("DEEP");
            let mut review = Review::of(group, kind, resource, object);
            if group == "argoproj.io" {
                review.0["request"]["kind"]["version"] = json!("v1alpha1");
            }
            let body = review.json().replace("\"DEEP\"", &deep);
            let (status, answer) = webhook.post(body).await;
            assert_eq!(status, 200);
            assert!(
                answer.contains("no linux/s390x manifest"),
                "{kind} {place}: {answer}"
            );
        }
    }
}

#[tokio::test]
async fn an_error_is_explained_in_a_body_of_any_size() {
    let webhook = Webhook::start().await;
    let spec = json!({"containers": [{"image": "a"}, {"image": 7}], "x": "y".repeat(3 << 20)});
    let review = Review::pod(&spec);
    let response = webhook.ask(&review).await;
    assert_eq!(response["status"]["code"], 400);
    let message = response["status"]["message"].as_str().unwrap();
    assert!(message.contains("spec.containers[1].image"), "{message}");
    assert!(message.len() < 500, "{message}");
}

#[tokio::test]
async fn an_answer_is_short_whatever_a_review_names() {
    let webhook = Webhook::start().await;
    let long = "A".repeat(1 << 20);
    let pod = json!({"containers": [{"name": long, "image": long}]});
    let named = Review::pod(&pod).with("name", json!(long)).by(&long);
    let (status, answer) = webhook.post(named.json()).await;
    assert_eq!(status, 200);
    assert!(answer.len() < 16 * 1024, "{}", answer.len());
    let kind = Review::of(&long, &long, &long, json!({}));
    let (status, answer) = webhook.post(kind.json()).await;
    assert_eq!(status, 200);
    assert!(answer.len() < 16 * 1024, "{}", answer.len());
    let (status, answer) = webhook
        .post(Review::pod(&pod).with("uid", json!(long)).json())
        .await;
    assert_eq!((status.as_u16(), answer.lines().count()), (400, 1));
}

#[tokio::test]
async fn the_log_of_a_denial_is_short_whatever_a_review_names() {
    let webhook = Webhook::start().await;
    let (honest, long) = ("n".repeat(253), "m".repeat(254));
    let pod = || Review::pod(&webhook.spec("node:22", "s390x"));
    // The place that logs is known to tracing before anybody listens: meeting it for the first
    // time while another test does may leave it silent for good.
    Webhook::denied(&webhook.ask(&pod()).await);
    let file = tempfile::NamedTempFile::new().unwrap();
    let writer = Arc::new(file.reopen().unwrap());
    let log = tracing_subscriber::fmt().with_writer(writer).finish();
    let _logging = log.set_default();
    for name in [&honest, &long] {
        let review = pod().with("name", json!(name));
        let review = review.with("namespace", json!(name));
        Webhook::denied(&webhook.ask(&review).await);
    }
    let log = std::fs::read_to_string(file.path()).unwrap();
    assert!(log.contains(&honest), "{log}");
    assert!(!log.contains(&long), "{log}");
    assert!(log.contains(&long[..253]), "{log}");
}

#[tokio::test]
async fn long_platforms_cost_a_known_image_no_more_than_short_ones() {
    let webhook = Webhook::start().await;
    let push = |name: &str, length: usize| {
        let entries = (0..999).map(|number| {
            let architecture = format!("{}{number:03}", "X".repeat(length));
            let mut entry = manifest("linux/riscv64");
            entry.platform = Some(json!({"os": "linux", "architecture": architecture}));
            entry
        });
        webhook.registry.push(name, &index(entries));
        Review::pod(&webhook.spec(name, "s390x"))
    };
    let (short, long) = (push("short:1", 2), push("long:1", 3500));
    let message = Webhook::denied(&webhook.ask(&long).await);
    assert!(message.contains("no linux/s390x manifest"), "{message}");
    let (short, long) = (time(&webhook, &short).await, time(&webhook, &long).await);
    assert!(long < short * 4, "{short:?}, {long:?}");
}

/// What this thread has computed so far: others who share the machine do not count.
fn computed() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.try_into().unwrap()
}

/// What a known review takes of this thread, on which all of it runs.
async fn time(webhook: &Webhook, review: &Review) -> Duration {
    let body = review.json();
    let mut least = Duration::MAX;
    for _ in 0..5 {
        let before = computed();
        let (status, _) = webhook.post(body.clone()).await;
        assert_eq!(status, 200);
        least = least.min(computed() - before);
    }
    least
}

#[test]
fn the_work_of_reading_grows_with_the_size_and_not_with_its_square() {
    type One<'a> = &'a dyn Fn(usize) -> Value;
    let image = |number| json!({"name": "c", "image": format!("r.example/app{number}")});
    let few = |number| json!({"name": "c", "image": format!("app{}", number % 255)});
    let greedy = |number: usize| {
        let resource = format!("x.example/r{}", number % 1500);
        json!({"image": "app", "resources": {"requests": {resource: "1"}}})
    };
    let secret = |number| json!({"name": format!("s{number}")});
    let toleration = |number| json!({"key": format!("k{}", number % 1000)});
    for (field, one) in [
        ("containers", &image as One<'_>),
        ("containers", &few),
        ("containers", &greedy),
        ("imagePullSecrets", &secret),
        ("tolerations", &toleration),
    ] {
        let work = |count: usize| {
            let list: Vec<Value> = (0..count).map(one).collect();
            let pod = json!({"spec": {field: list}}).to_string();
            let kind = KindRef::from_object("v1", "Pod");
            let works = (0..3).map(|_| {
                let before = computed();
                kinds::from_json(&kind, pod.as_bytes(), &[]).unwrap();
                computed() - before
            });
            works.min().unwrap()
        };
        let (small, large) = (work(5000), work(40_000));
        // Eight times as much; squared it would be 64.
        assert!(large < small * 20, "{field}: {small:?}, {large:?}");
    }
}
