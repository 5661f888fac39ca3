use serde_json::json;

use super::*;
use crate::domain::placement::Placer;

fn spec(image: &str) -> Value {
    json!({"containers": [{"name": "c", "image": image}]})
}

fn object(api_version: &str, kind: &str, rest: Value) -> Value {
    let mut object = json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": "n", "namespace": "ns", "uid": "u", "managedFields": [{"a": [1, {"b": null}]}]},
        "status": {"replicas": 3},
    });
    if let (Value::Object(object), Value::Object(rest)) = (&mut object, rest) {
        object.extend(rest);
    }
    object
}

fn images(workload: &Workload) -> Vec<&str> {
    let templates = workload.templates.iter();
    templates
        .flat_map(|template| &template.images)
        .map(|image| image.image.as_str())
        .collect()
}

/// Reads by every way, which must agree.
#[track_caller]
fn reads(object: &Value, rules: &[KindRule]) -> Option<Workload> {
    let from_tree = read(object, rules).expect("tree");
    let api_version = object["apiVersion"].as_str().unwrap();
    let kind = KindRef::from_object(api_version, object["kind"].as_str().unwrap());
    let raw = object.to_string();
    let from_bytes = from_json(&kind, raw.as_bytes(), rules).expect("bytes");
    assert_eq!(from_bytes, from_tree, "{raw}");
    from_tree
}

#[test]
fn every_built_in_kind_is_read() {
    let templated = json!({"spec": {"template": {"metadata": {"labels": {}}, "spec": spec("i")}}});
    for (api_version, kind, rest) in [
        ("v1", "Pod", json!({"spec": spec("i")})),
        (
            "v1",
            "PodTemplate",
            json!({"template": {"spec": spec("i")}}),
        ),
        ("v1", "ReplicationController", templated.clone()),
        ("apps/v1", "Deployment", templated.clone()),
        ("apps/v1beta2", "Deployment", templated.clone()),
        ("apps/v1", "StatefulSet", templated.clone()),
        ("apps/v1", "ReplicaSet", templated.clone()),
        ("apps/v1", "DaemonSet", templated.clone()),
        ("batch/v1", "Job", templated.clone()),
        (
            "batch/v1",
            "CronJob",
            json!({"spec": {"jobTemplate": templated.clone()}}),
        ),
    ] {
        let workload = reads(&object(api_version, kind, rest), &[]).expect(kind);
        assert_eq!(
            (
                &*workload.api_version,
                &*workload.kind,
                &*workload.namespace,
                &*workload.name,
                &*workload.uid
            ),
            (api_version, kind, "ns", "n", "u")
        );
        assert_eq!(images(&workload), ["i"], "{kind}");
        let placer = match kind {
            "DaemonSet" => Placer::DaemonSet,
            _ => Placer::Scheduler,
        };
        assert_eq!(workload.templates[0].placement.placer, placer, "{kind}");
    }
}

#[test]
fn a_kind_without_pods_is_nothing() {
    for (api_version, kind) in [
        ("v1", "Service"),
        ("v1", "Deployment"),
        ("example.com/v1", "Pod"),
        ("apps/v1", "ControllerRevision"),
    ] {
        assert_eq!(
            reads(&object(api_version, kind, json!({})), &[]),
            None,
            "{kind}"
        );
    }
}

#[test]
fn a_template_may_be_absent() {
    for rest in [
        json!({}),
        json!({"spec": null}),
        json!({"spec": {"template": null}}),
    ] {
        let workload = reads(&object("v1", "ReplicationController", rest), &[]).unwrap();
        assert_eq!(workload.templates, []);
    }
}

#[test]
fn a_resource_names_a_kind_too() {
    let raw = json!({"spec": {"template": {"spec": spec("i")}}}).to_string();
    let kind = KindRef {
        group: "apps",
        version: "v1",
        resource: "daemonsets",
        kind: "",
    };
    let workload = from_json(&kind, raw.as_bytes(), &[]).unwrap().unwrap();
    assert_eq!(
        (&*workload.api_version, &*workload.kind),
        ("apps/v1", "daemonsets")
    );
    assert!(kind.has_pods(&[]));
}

#[test]
fn well_known_kinds_are_read_by_their_rules() {
    let rules = KindRule::well_known();
    let template = |image: &str| json!({"template": {"spec": spec(image)}});
    for (api_version, kind, rest, expected) in [
        (
            "argoproj.io/v1alpha1",
            "Rollout",
            json!({"spec": template("i")}),
            vec!["i"],
        ),
        (
            "argoproj.io/v1alpha1",
            "Rollout",
            json!({"spec": {"workloadRef": {"kind": "Deployment"}}}),
            vec![],
        ),
        (
            "serving.knative.dev/v1",
            "Service",
            json!({"spec": template("i")}),
            vec!["i"],
        ),
        (
            "jobset.x-k8s.io/v1alpha2",
            "JobSet",
            json!({"spec": {"replicatedJobs": [
                {"name": "a", "template": {"spec": template("i")}},
                {"name": "b", "template": {"spec": template("j")}},
                {"name": "c"},
            ]}}),
            vec!["i", "j"],
        ),
        (
            "leaderworkerset.x-k8s.io/v1",
            "LeaderWorkerSet",
            json!({"spec": {"leaderWorkerTemplate": {
                "leaderTemplate": null,
                "workerTemplate": {"spec": spec("w")},
            }}}),
            vec!["w"],
        ),
        (
            "apps.kruise.io/v1alpha1",
            "CloneSet",
            json!({"spec": template("i")}),
            vec!["i"],
        ),
    ] {
        let workload = reads(&object(api_version, kind, rest), &rules).expect(kind);
        assert_eq!(images(&workload), expected, "{kind}");
    }
    let other_version = object("argoproj.io/v2", "Rollout", json!({"spec": template("i")}));
    assert_eq!(reads(&other_version, &rules), None);
}

#[test]
fn errors_name_kind_and_path() {
    let rules = [KindRule {
        group: "example.com".to_owned(),
        version: "*".to_owned(),
        resource: "things".to_owned(),
        templates: vec!["spec.parts[*].template".parse().unwrap()],
    }];
    let deployment = |template: Value| {
        object(
            "apps/v1",
            "Deployment",
            json!({"spec": {"template": template}}),
        )
    };
    let thing = |spec: Value| object("example.com/v3", "Thing", json!({"spec": spec}));
    for (object, path, problem) in [
        (
            object("v1", "Pod", json!({"spec": {"containers": "x"}})),
            "spec.containers",
            "string \"x\"",
        ),
        (
            object("v1", "Pod", json!({"spec": [1]})),
            "spec",
            "sequence",
        ),
        (
            object(
                "v1",
                "Pod",
                json!({"spec": {"containers": [{"image": "a"}, {"image": 7}]}}),
            ),
            "spec.containers[1].image",
            "integer `7`, expected a string",
        ),
        (
            object(
                "v1",
                "Pod",
                json!({"spec": {"containers": [{"image": "a"}], "nodeSelector": {"a": true}}}),
            ),
            "spec.nodeSelector.a",
            "boolean",
        ),
        (deployment(json!("x")), "spec.template", "string"),
        (
            object("v1", "Pod", json!({"metadata": {"name": 1}})),
            "metadata.name",
            "integer",
        ),
        (
            thing(json!({"parts": "x"})),
            "spec.parts",
            "expected an object or a list",
        ),
        (
            thing(json!({"parts": [{"template": 3}]})),
            "spec.parts[0].template",
            "expected an object",
        ),
        (
            thing(json!({"parts": {"a": {"template": {"spec": {"volumes": {}}}}}})),
            "spec.parts.a.template.spec.volumes",
            "expected a list",
        ),
    ] {
        let error = read(&object, &rules).expect_err(path);
        assert_eq!(error.path(), path, "{error}");
        let kind = object["kind"].as_str().unwrap();
        let text = error.to_string();
        assert!(text.starts_with(&format!("read {kind} {path}: ")), "{text}");
        assert!(text.contains(problem), "{text}");
        let kind = KindRef::from_object(object["apiVersion"].as_str().unwrap(), kind);
        let raw = object.to_string();
        assert_eq!(from_json(&kind, raw.as_bytes(), &rules), Err(error));
    }
}

#[test]
fn what_is_no_object_is_refused() {
    let kind = KindRef::from_object("v1", "Pod");
    for raw in ["", "null", "[]", "1", "{", "{\"spec\":", "\u{1}"] {
        let error = from_json(&kind, raw.as_bytes(), &[]).expect_err(raw);
        assert!(error.to_string().starts_with("read Pod"), "{raw}: {error}");
    }
    for value in [
        json!({}),
        json!({"kind": "Pod"}),
        json!({"apiVersion": "v1"}),
        json!(3),
        json!(null),
    ] {
        assert!(read(&value, &[]).is_err(), "{value}");
    }
}

#[test]
fn hostile_text_stays_printable_and_short() {
    let object = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": "\u{1b}[31m\n".repeat(999)}});
    let text = read(&object, &[]).unwrap_err().to_string();
    assert!(
        text.len() < 500 && !text.contains(char::is_control),
        "{text}"
    );
}

#[test]
fn deep_nesting_is_an_error() {
    let raw = format!("{{\"spec\":{{\"x\":{}", "[".repeat(100_000));
    assert!(from_json(&KindRef::from_object("v1", "Pod"), raw.as_bytes(), &[]).is_err());
}

#[test]
fn resources_are_guessed_as_upstream_does() {
    for (kind, resource) in [
        ("Rollout", "rollouts"),
        ("Policy", "policies"),
        ("Ingress", "ingresses"),
        ("JobSet", "jobsets"),
    ] {
        assert_eq!(guess_resource(kind), resource);
    }
}

#[test]
fn template_paths_print_as_they_parse() {
    for text in [
        "spec.template",
        "spec.a[*].b",
        "template",
        "spec.a[*][*].b-c_d",
    ] {
        let path: TemplatePath = text.parse().expect(text);
        assert_eq!(path.to_string(), text);
    }
    for text in [
        "",
        ".",
        "spec.",
        ".spec",
        "spec..a",
        "spec.a[0]",
        "[*]",
        "spec.a[*",
        "spec.a*",
        "a b",
    ] {
        assert!(text.parse::<TemplatePath>().is_err(), "{text}");
    }
}

#[test]
fn owners_stand_before_what_they_own() {
    let rule = |group: &str, version: &str, resource: &str| KindRule {
        group: group.to_owned(),
        version: version.to_owned(),
        resource: resource.to_owned(),
        templates: vec!["spec.template".parse().unwrap()],
    };
    let rules = [rule("a.example", "*", "as"), rule("b.example", "v1", "bs")];
    let rank = |api_version, kind| KindRef::from_object(api_version, kind).rank(&rules);
    let kinds = [
        ("a.example/v2", "A"),
        ("b.example/v1", "B"),
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("apps/v1", "DaemonSet"),
        ("batch/v1", "CronJob"),
        ("v1", "ReplicationController"),
        ("apps/v1", "ReplicaSet"),
        ("batch/v1", "Job"),
        ("v1", "PodTemplate"),
        ("v1", "Pod"),
    ];
    for (position, (api_version, kind)) in kinds.into_iter().enumerate() {
        assert_eq!(rank(api_version, kind), Some(position), "{kind}");
    }
    for (api_version, kind) in [("b.example/v2", "B"), ("v1", "Service"), ("", "")] {
        assert_eq!(rank(api_version, kind), None, "{kind}");
    }
    let listed = KindRef::built_in().map(|kind| kind.kind);
    let expected = kinds.iter().skip(rules.len()).map(|(_, kind)| *kind);
    assert!(listed.eq(expected));
    assert!(KindRef::built_in().all(|kind| kind.is_built_in()));
    assert_eq!(KindRef::built_in().filter(KindRef::is_pod).count(), 1);
}
