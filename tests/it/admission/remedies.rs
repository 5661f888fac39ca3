//! What a denial proposes is read out of its text, done to the pod by the text's own rules,
//! and asked again: it is admitted, and nothing is left to say.

mod rows;

use std::sync::Arc;

use archmatch::checker::Rules;
use archmatch::cluster::DeclaredNodes;
use archmatch::cluster::view::View;
use archmatch::domain::node::NodeOverride;
use archmatch::domain::pick::Entries;
use archmatch::domain::placement::AdmissionPlugin;
use archmatch::domain::policy::{ForeignImages, Level};
use archmatch::objects::kinds::KindRule;
use serde_json::{Value, json};

use self::rows::rows;
use super::{Review, Webhook};
use crate::support::registry::{index, list, manifest};

/// A node as a kubelet registers it, and what is added to it.
fn node(name: &str, platform: &str, more: Value) -> Value {
    let (os, architecture) = platform.split_once('/').unwrap();
    let mut node = json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {
            "kubernetes.io/arch": architecture, "kubernetes.io/os": os,
            "beta.kubernetes.io/arch": architecture, "beta.kubernetes.io/os": os,
            "kubernetes.io/hostname": name,
        }},
        "status": {"nodeInfo": {"operatingSystem": os, "architecture": architecture,
            "containerRuntimeVersion": "containerd://2.1.4"}}});
    merge(&mut node, more);
    node
}

fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
}

fn labels(labels: Value) -> Value {
    json!({"metadata": {"labels": labels}})
}

fn runtime(version: &str) -> Value {
    json!({"status": {"nodeInfo": {"containerRuntimeVersion": version}}})
}

fn taint(key: &str, value: &str) -> Value {
    json!({"spec": {"taints": [{"key": key, "value": value, "effect": "NoSchedule"}]}})
}

/// Two amd64 nodes, one of arm64, two of s390x, in pools.
fn mixed() -> Vec<Value> {
    vec![
        node(
            "a1",
            "linux/amd64",
            labels(json!({"pool": "a", "zone": "1"})),
        ),
        node(
            "a2",
            "linux/amd64",
            labels(json!({"pool": "a", "zone": "2"})),
        ),
        node(
            "r1",
            "linux/arm64",
            labels(json!({"pool": "r", "zone": "1"})),
        ),
        node(
            "z1",
            "linux/s390x",
            labels(json!({"pool": "z", "zone": "1"})),
        ),
        node(
            "z2",
            "linux/s390x",
            labels(json!({"pool": "z", "zone": "2"})),
        ),
    ]
}

fn with(mut nodes: Vec<Value>, further: impl IntoIterator<Item = Value>) -> Vec<Value> {
    nodes.extend(further);
    nodes
}

fn required(expressions: Value) -> Value {
    json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
        {"nodeSelectorTerms": [{"matchExpressions": expressions}]}}})
}

fn is_in(key: &str, values: &[&str]) -> Value {
    json!({"key": key, "operator": "In", "values": values})
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pod,
    Deployment,
    DaemonSet,
    CronJob,
    PodTemplate,
    JobSet,
}

impl Kind {
    /// The object with this pod specification, twice where it has several.
    fn object(self, spec: &Value) -> Value {
        match self {
            Self::Pod => json!({"spec": spec}),
            Self::Deployment | Self::DaemonSet => json!({"spec": {"template": {"spec": spec}}}),
            Self::CronJob => {
                json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}})
            }
            Self::PodTemplate => json!({"template": {"spec": spec}}),
            Self::JobSet => {
                let job = json!({"template": {"spec": {"template": {"spec": spec}}}});
                json!({"spec": {"replicatedJobs": [job, job]}})
            }
        }
    }

    fn review(self, object: Value) -> Review {
        let (group, kind, resource) = match self {
            Self::Pod => ("", "Pod", "pods"),
            Self::Deployment => ("apps", "Deployment", "deployments"),
            Self::DaemonSet => ("apps", "DaemonSet", "daemonsets"),
            Self::CronJob => ("batch", "CronJob", "cronjobs"),
            Self::PodTemplate => ("", "PodTemplate", "podtemplates"),
            Self::JobSet => ("jobset.x-k8s.io", "JobSet", "jobsets"),
        };
        let mut review = Review::of(group, kind, resource, object);
        if self == Self::JobSet {
            review.0["request"]["kind"]["version"] = json!("v1alpha2");
        }
        review
    }
}

/// A pod that is denied.
struct Row {
    name: &'static str,
    nodes: Vec<Value>,
    kind: Kind,
    images: Vec<&'static str>,
    spec: Value,
    enforce: Level,
    /// What its first container requests.
    resource: Option<&'static str>,
}

fn row(name: &'static str, nodes: Vec<Value>, image: &'static str, spec: Value) -> Row {
    Row {
        name,
        nodes,
        kind: Kind::Deployment,
        images: vec![image],
        spec,
        enforce: Level::Runnable,
        resource: None,
    }
}

impl Row {
    fn of(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    fn portable(self) -> Self {
        Self {
            enforce: Level::Portable,
            ..self
        }
    }

    fn also(mut self, image: &'static str) -> Self {
        self.images.push(image);
        self
    }

    fn with_resource(mut self, name: &'static str) -> Self {
        self.resource = Some(name);
        self
    }

    fn object(&self, webhook: &Webhook) -> Value {
        let mut spec = self.spec.clone();
        let containers = self.images.iter().enumerate();
        let containers = containers.map(|(position, image)| {
            json!({"name": format!("c{position}"), "image": webhook.image(image)})
        });
        spec["containers"] = containers.collect();
        if let Some(name) = self.resource {
            spec["containers"][0]["resources"] = json!({"limits": {name: "1"}});
        }
        self.kind.object(&spec)
    }
}

async fn webhook() -> Webhook {
    let webhook = Webhook::start().await;
    let registry = &webhook.registry;
    for (name, platforms) in [
        ("intel:1", &["linux/amd64"] as &[&str]),
        ("two:1", &["linux/amd64", "linux/arm64"]),
        ("arms:1", &["linux/arm64"]),
        ("z:1", &["linux/s390x"]),
        ("old:1", &["linux/386"]),
        ("v6:1", &["linux/arm/v6"]),
        ("v7:1", &["linux/arm/v7"]),
        ("win:1", &["windows/amd64"]),
    ] {
        registry.push(name, &index(platforms.iter().map(|name| manifest(name))));
    }
    let unstated = manifest("linux/amd64").without_platform();
    registry.push("unstated:1", &list([unstated.clone()]));
    registry.push("unstated-oci:1", &index([unstated]));
    webhook.set(|settings| settings.kinds = KindRule::well_known());
    webhook
}

fn settings() -> DeclaredNodes {
    DeclaredNodes {
        overrides: vec![NodeOverride {
            selector: [("board".to_owned(), "v6".to_owned())].into(),
            variant: Some("v6".to_owned()),
            ..NodeOverride::default()
        }],
        ..DeclaredNodes::default()
    }
}

fn show(webhook: &Webhook, nodes: &[Value], settings: &DeclaredNodes) {
    let (view, errors) = View::from_objects(nodes, settings);
    assert!(errors.is_empty(), "{errors:?}");
    webhook.view.store(Arc::new(view));
}

/// Paths of pod specifications, and the lines that say what to do there.
type Change = (Vec<String>, Vec<String>);

/// What a text proposes for the pods' placement: alternatives, each with its changes.
fn proposals(message: &str) -> Vec<Vec<Change>> {
    let (_, remedy) = message.split_once("To fix it, ").expect(message);
    let mut ways: Vec<Vec<Change>> = Vec::new();
    let mut is_open = false;
    for line in remedy.lines() {
        if let Some(line) = line.strip_prefix("  ") {
            if is_open {
                let changes = ways.last_mut().unwrap();
                changes.last_mut().unwrap().1.push(line.to_owned());
            }
            continue;
        }
        let first = line.strip_prefix("run it where its images work, in ");
        let (is_new, paths) = match (first, line.strip_prefix("or in ")) {
            (Some(paths), _) | (None, Some(paths)) => (true, Some(paths)),
            (None, None) => (false, line.strip_prefix("and in ")),
        };
        is_open = paths.is_some();
        let Some(paths) = paths else {
            continue;
        };
        if is_new {
            ways.push(Vec::new());
        }
        let paths = paths.strip_suffix(':').expect(line).split(", ");
        let paths = paths.map(str::to_owned).collect();
        ways.last_mut().unwrap().push((paths, Vec::new()));
    }
    ways
}

/// How a printed `nodeSelector` is understood: both have to work.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Selector {
    /// It is the pod's whole field.
    Whole,
    /// It has the keys that change.
    Keys,
}

/// Does to the object what a reader would.
fn apply(object: &Value, changes: &[Change], selector: Selector) -> Value {
    let mut object = object.clone();
    for (paths, lines) in changes {
        for path in paths {
            let pointer = path.replace(['.', '['], "/").replace(']', "");
            let spec = object.pointer_mut(&format!("/{pointer}")).expect(path);
            let spec = spec.as_object_mut().unwrap();
            for what in lines
                .iter()
                .filter_map(|line| line.strip_prefix("# remove "))
            {
                match what.split_once(" from ") {
                    Some((key, field)) => {
                        let field = spec[field].as_object_mut().unwrap();
                        field.remove(key).expect(what);
                    }
                    None => {
                        let (parents, last) = what.rsplit_once('.').unwrap_or(("", what));
                        let mut parent = &mut *spec;
                        for name in parents.split('.').filter(|name| !name.is_empty()) {
                            parent = parent[name].as_object_mut().unwrap();
                        }
                        parent.remove(last).expect(what);
                    }
                }
            }
            let fields: Option<Value> = serde_saphyr::from_str(&lines.join("\n")).unwrap();
            for (key, value) in fields.iter().filter_map(Value::as_object).flatten() {
                let known = spec.entry(key).or_insert(Value::Null);
                if key == "nodeSelector" && selector == Selector::Keys {
                    merge(known, value.clone());
                } else {
                    *known = value.clone();
                }
            }
        }
    }
    object
}

/// What is wrong with the remedies of a row; nothing where all of them work.
async fn wrong(webhook: &Webhook, row: &Row) -> Vec<String> {
    let object = row.object(webhook);
    let response = webhook.ask(&row.kind.review(object.clone())).await;
    if response["allowed"] == true {
        // It would prove nothing.
        return vec![format!("{}: not denied: {response}", row.name)];
    }
    let message = Webhook::denied(&response);
    let ways = proposals(&message);
    if ways.is_empty() {
        return vec![format!("{}: no remedy in\n{message}", row.name)];
    }
    let mut wrong = Vec::new();
    let both = [Selector::Whole, Selector::Keys];
    for (way, selector) in ways.iter().flat_map(|way| both.map(|both| (way, both))) {
        let then = apply(&object, way, selector);
        let response = webhook.ask(&row.kind.review(then.clone())).await;
        let verdict = &response["auditAnnotations"]["verdict"];
        if response["allowed"] != true || verdict != "pass" || response.get("warnings").is_some() {
            wrong.push(format!("{}: {message}\nthen: {then}\n{response}", row.name));
        }
    }
    wrong
}

#[tokio::test]
async fn every_remedy_works_as_the_text_says() {
    let webhook = webhook().await;
    let rows = rows();
    assert!(rows.len() >= 30);
    let mut all = Vec::new();
    for row in rows {
        show(&webhook, &row.nodes, &settings());
        webhook.set(|settings| settings.levels.enforce = row.enforce);
        all.extend(wrong(&webhook, &row).await);
    }
    assert!(all.is_empty(), "{} wrong\n{}", all.len(), all.join("\n\n"));
}

fn on(architecture: &str) -> Value {
    json!({"nodeSelector": {"kubernetes.io/arch": architecture}})
}

fn namespace(selector: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web",
        "annotations": {"scheduler.alpha.kubernetes.io/node-selector": selector}}})
}

#[tokio::test]
async fn a_remedy_leaves_as_many_architectures_as_there_are() {
    let webhook = webhook().await;
    webhook.set(|settings| settings.levels.enforce = Level::Portable);
    let nodes = with(mixed(), [node("w1", "windows/amd64", json!({}))]);
    show(&webhook, &nodes, &settings());
    let row = row("", nodes, "two:1", json!({}));
    let review = row.kind.review(row.object(&webhook));
    let message = Webhook::denied(&webhook.ask(&review).await);
    let [way] = proposals(&message).try_into().unwrap();
    let then = apply(
        &json!({"spec": {"template": {"spec": {}}}}),
        &way,
        Selector::Whole,
    );
    let wanted = json!([is_in("kubernetes.io/arch", &["amd64", "arm64"])]);
    let mut expected = json!({"nodeSelector": {"kubernetes.io/os": "linux"}});
    expected["affinity"] = required(wanted);
    assert_eq!(then["spec"]["template"]["spec"], expected, "{message}");
}

#[tokio::test]
async fn a_remedy_names_the_nodes_to_avoid_before_it_names_one_to_take() {
    let webhook = webhook().await;
    webhook.set(|settings| settings.levels.enforce = Level::Portable);
    let nodes = vec![
        node("b6", "linux/arm", labels(json!({"board": "v6"}))),
        node("b7", "linux/arm", json!({})),
        node("b8", "linux/arm", json!({})),
    ];
    show(&webhook, &nodes, &settings());
    let row = row("", nodes, "v7:1", json!({}));
    let review = row.kind.review(row.object(&webhook));
    let message = Webhook::denied(&webhook.ask(&review).await);
    let [way] = proposals(&message).try_into().unwrap();
    let then = apply(
        &json!({"spec": {"template": {"spec": {}}}}),
        &way,
        Selector::Whole,
    );
    let avoided = json!([{"key": "board", "operator": "NotIn", "values": ["v6"]}]);
    let expected = json!({"affinity": required(avoided)});
    assert_eq!(then["spec"]["template"]["spec"], expected, "{message}");
}

/// A group of pods, whose leader goes elsewhere than its workers.
#[tokio::test]
async fn each_template_has_its_own_remedy_where_it_goes() {
    let webhook = webhook().await;
    show(&webhook, &mixed(), &settings());
    let spec = |image: &str, mut spec: Value| {
        spec["containers"] = json!([{"name": "c", "image": webhook.image(image)}]);
        json!({"spec": spec})
    };
    let leader = spec("intel:1", json!({"nodeSelector": {"pool": "z"}}));
    let worker = spec(
        "arms:1",
        json!({"nodeSelector": {"kubernetes.io/arch": "amd64"}}),
    );
    let object = json!({"spec": {"leaderWorkerTemplate": {
        "leaderTemplate": leader, "workerTemplate": worker,
    }}});
    let kind = "LeaderWorkerSet";
    let ask = async |object: &Value| {
        let group = "leaderworkerset.x-k8s.io";
        let review = Review::of(group, kind, "leaderworkersets", object.clone());
        webhook.ask(&review).await
    };
    let message = Webhook::denied(&ask(&object).await);
    let ways = proposals(&message);
    assert_eq!(ways.len(), 1, "{message}");
    let paths: Vec<&String> = ways[0].iter().flat_map(|(paths, _)| paths).collect();
    let expected =
        ["leader", "worker"].map(|who| format!("spec.leaderWorkerTemplate.{who}Template.spec"));
    assert_eq!(paths, expected.each_ref(), "{message}");
    let response = ask(&apply(&object, &ways[0], Selector::Whole)).await;
    assert_eq!(
        response["auditAnnotations"]["verdict"], "pass",
        "{response}"
    );
}

#[tokio::test]
async fn a_remedy_counts_on_what_admission_adds() {
    let webhook = webhook().await;
    let settings = DeclaredNodes {
        admission_plugins: [AdmissionPlugin::PodNodeSelector].into(),
        ..settings()
    };
    let class = json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass",
        "metadata": {"name": "zoned"}, "scheduling": {"nodeSelector": {"zone": "1"}}});
    let mut classed = on("s390x");
    classed["runtimeClassName"] = json!("zoned");
    for (row, further, due) in [
        (
            row("a zone", mixed(), "intel:1", on("s390x")),
            namespace("zone=2"),
            true,
        ),
        (row("a class", mixed(), "intel:1", classed), class, true),
        (
            row("a pool", mixed(), "intel:1", on("s390x")),
            namespace("pool=z"),
            false,
        ),
        (
            row("an architecture", mixed(), "intel:1", json!({})),
            namespace("kubernetes.io/arch=s390x"),
            false,
        ),
    ] {
        show(&webhook, &with(mixed(), [further]), &settings);
        if due {
            assert_eq!(wrong(&webhook, &row).await, [] as [String; 0]);
        } else {
            let review = row.kind.review(row.object(&webhook));
            let message = Webhook::denied(&webhook.ask(&review).await);
            assert!(proposals(&message).is_empty(), "{}: {message}", row.name);
        }
    }
}

#[tokio::test]
async fn a_remedy_believes_an_index_no_more_than_the_verdict_does() {
    let webhook = webhook().await;
    webhook.set(|settings| {
        settings.rules = Rules {
            entries: Entries::Verified,
            ..Rules::default()
        };
        settings.levels.enforce = Level::Portable;
    });
    show(&webhook, &mixed(), &settings());
    let anywhere = row("anywhere", mixed(), "two:1", json!({}));
    assert_eq!(wrong(&webhook, &anywhere).await, [] as [String; 0]);
    // What nobody read of the image is not known.
    let elsewhere = row("elsewhere", mixed(), "intel:1", on("s390x"));
    let review = elsewhere.kind.review(elsewhere.object(&webhook));
    webhook.registry.take_requests();
    let message = Webhook::denied(&webhook.ask(&review).await);
    let requests = webhook.registry.take_requests();
    assert!(requests.len() <= 1, "{requests:?}");
    if !proposals(&message).is_empty() {
        assert_eq!(wrong(&webhook, &elsewhere).await, [] as [String; 0]);
    }
}

#[tokio::test]
async fn none_is_proposed_where_none_works() {
    let webhook = webhook().await;
    webhook
        .registry
        .push("none:1", &index([manifest("linux/ppc64le")]));
    let gpu = json!({"nodeSelector": {"kubernetes.io/arch": "s390x"}, "containers": []});
    let bad = row("an image for no node", mixed(), "none:1", json!({}));
    let tainted = || {
        vec![
            node("a1", "linux/amd64", taint("x", "y")),
            node("z1", "linux/s390x", json!({})),
        ]
    };
    let cordoned = vec![
        node(
            "a1",
            "linux/amd64",
            json!({"spec": {"unschedulable": true}}),
        ),
        node("z1", "linux/s390x", json!({})),
    ];
    let rows = [
        bad,
        row(
            "no such node",
            vec![node("z1", "linux/s390x", json!({}))],
            "two:1",
            json!({}),
        ),
        row("a taint", tainted(), "intel:1", gpu),
        row("a cordon", cordoned, "intel:1", on("s390x")),
        row("an unknown image beside", mixed(), "intel:1", on("s390x")).also("gone:1"),
        row("a wrong name beside", mixed(), "intel:1", on("s390x")).also("UPPER"),
        row(
            "images that no node runs together",
            mixed(),
            "z:1",
            on("s390x"),
        )
        .also("intel:1"),
    ];
    for row in rows {
        show(&webhook, &row.nodes, &settings());
        let review = row.kind.review(row.object(&webhook));
        let message = Webhook::denied(&webhook.ask(&review).await);
        assert!(!message.contains("run it where"), "{}: {message}", row.name);
        assert!(message.contains("To fix it, "), "{}: {message}", row.name);
        assert!(
            !message.contains("\nor \n") && !message.ends_with("or"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn a_build_has_a_tag_and_never_a_digest_and_is_said_once() {
    let webhook = webhook().await;
    show(&webhook, &mixed(), &settings());
    let digest = index([manifest("linux/amd64")]).digest();
    let by_tag: &'static str = format!("intel:1@{digest}").leak();
    let by_digest: &'static str = format!("intel@{digest}").leak();
    let row = row("digests", mixed(), by_tag, on("s390x"))
        .also(by_digest)
        .also("intel:1");
    let review = row.kind.review(row.object(&webhook));
    let message = Webhook::denied(&webhook.ask(&review).await);
    let tags: Vec<&str> = message
        .lines()
        .filter_map(|line| line.split_once("--tag "))
        .map(|(_, tag)| tag.split(' ').next().unwrap())
        .collect();
    let expected = ["intel:1", "intel:multi-platform"].map(|name| webhook.image(name));
    assert_eq!(tags, expected, "{message}");
    assert!(message.contains("new digest"), "{message}");
    webhook.set(|settings| settings.foreign_images = ForeignImages(vec!["*/intel".to_owned()]));
    let message = Webhook::denied(&webhook.ask(&review).await);
    assert!(!message.contains("docker buildx"), "{message}");
    assert!(
        message.contains("another tag or image that has linux/s390x"),
        "{message}"
    );
}

#[tokio::test]
async fn images_that_lack_the_same_are_said_once_and_what_is_cut_is_counted() {
    let webhook = webhook().await;
    show(&webhook, &mixed(), &settings());
    let names: Vec<&'static str> = (0..5)
        .map(|number| &*format!("same{number}:1").leak())
        .collect();
    for name in &names {
        webhook
            .registry
            .push(name, &index([manifest("linux/amd64")]));
    }
    let row = Row {
        images: names,
        ..row("same", mixed(), "", on("s390x"))
    };
    let review = row.kind.review(row.object(&webhook));
    let message = Webhook::denied(&webhook.ask(&review).await);
    for once in [
        "has no linux/s390x manifest",
        "the image has: linux/amd64",
        "such a pod ends in",
    ] {
        assert_eq!(message.matches(once).count(), 1, "{message}");
    }
    assert_eq!(
        message.matches("docker buildx build").count(),
        3,
        "{message}"
    );
    assert!(message.ends_with("\n  and 2 more"), "{message}");
}
