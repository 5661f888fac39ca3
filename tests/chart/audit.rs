//! The audit beside the webhook: a process of its own, with rights of its own.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::Test;
use crate::helm::{NAMESPACE, Rendered, many_values, render, whole_values};

pub const TESTS: &[(&str, Test)] = &[
    ("the_audit_changes_nothing_of_the_webhook", nothing_else),
    ("the_audit_is_one_replica_of_its_own", deployment),
    ("the_audit_has_the_image_the_place_and_the_files", shared),
    ("the_audit_goes_by_its_interval", interval),
    ("a_policy_that_is_off_leaves_the_audit_on", policy_off),
    ("no_selector_finds_the_pods_of_another", selectors),
    ("releases_side_by_side_share_no_object", side_by_side),
    ("the_metrics_of_the_audit_are_scraped", scraped),
    ("only_monitoring_reaches_the_audit", network),
    (
        "the_audit_may_read_what_it_judges_and_write_reports",
        rights,
    ),
    ("the_audit_reads_pull_secrets_by_the_same_choice", secrets),
    (
        "report_objects_are_written_unless_there_are_none",
        no_reports,
    ),
    ("events_are_written_on_request", events),
    ("the_audit_has_an_account_of_its_own", account),
    ("uninstalling_takes_the_reports_along", cleanup),
];

const READ: [&str; 2] = ["list", "watch"];

fn audited(more: &Value) -> Rendered {
    let mut values = json!({"audit": {"enabled": true}});
    for (key, value) in more.as_object().unwrap() {
        values[key] = value.clone();
    }
    render("a", &values)
}

fn pod(rendered: &Rendered) -> &Value {
    &rendered.named("Deployment", "a-audit")["spec"]["template"]["spec"]
}

fn arguments(rendered: &Rendered) -> Vec<String> {
    serde_json::from_value(pod(rendered)["containers"][0]["args"].clone()).unwrap()
}

fn nothing_else() {
    let without = render("a", &many_values());
    for object in &without.objects {
        let name = object["metadata"]["name"].as_str().unwrap();
        assert!(
            !name.contains("audit") && !name.contains("cleanup"),
            "{name}"
        );
    }
    let mut values = many_values();
    values["audit"] = json!({"enabled": true});
    let with = render("a", &values);
    let (before, after) = (&without.objects, &with.objects);
    assert!(before.iter().all(|object| after.contains(object)));
    let added = after.iter().filter(|object| !before.contains(object));
    for object in added {
        let name = object["metadata"]["name"].as_str().unwrap();
        let component = &object["metadata"]["labels"]["app.kubernetes.io/component"];
        assert!(*component == "audit" || *component == "cleanup", "{name}");
    }
}

fn deployment() {
    let rendered = audited(&json!({"hostNetwork": true, "webhook": {"port": 8443},
        "priorityClassName": "system-cluster-critical", "replicas": 3,
        "status": {"port": 8080}, "extraArgs": ["--drain-delay=9s"],
        "audit": {"enabled": true, "extraArgs": ["--pods"]}}));
    let deployment = &rendered.named("Deployment", "a-audit")["spec"];
    assert_eq!(deployment["replicas"], 1);
    assert_eq!(deployment["strategy"], json!({"type": "Recreate"}));
    let pod = pod(&rendered);
    assert_eq!(pod["terminationGracePeriodSeconds"], 5);
    for field in [
        "hostNetwork",
        "priorityClassName",
        "topologySpreadConstraints",
    ] {
        assert!(pod.get(field).is_none(), "{field} is the webhook's");
    }
    assert_eq!(
        arguments(&rendered),
        [
            "audit",
            "--every=1h",
            "--config=/etc/archmatch/config/config.yaml",
            "--status-listen=[::]:8080",
            "--pods",
        ]
    );
    let container = &pod["containers"][0];
    let resources =
        json!({"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}});
    assert_eq!(container["resources"], resources);
    assert_eq!(
        container["ports"],
        json!([{"name": "status", "containerPort": 8080, "protocol": "TCP"}])
    );
    for (probe, path) in [
        ("livenessProbe", "/livez"),
        ("readinessProbe", "/readyz"),
        ("startupProbe", "/readyz"),
    ] {
        let expected = json!({"path": path, "port": "status"});
        assert_eq!(container[probe]["httpGet"], expected, "{probe}");
    }
    // No TLS, so no certificate either.
    let mounts = container["volumeMounts"].as_array().unwrap();
    assert!(mounts.iter().all(|mount| mount["name"] != "tls"));
}

/// What holds for the webhook's pods and has to hold for these.
fn shared() {
    let rendered = audited(&json!({
        "image": {"registry": "mirror.example", "tag": "1", "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "pull"}],
        "nodeSelector": {"pool": "tools"}, "tolerations": [{"key": "z", "operator": "Exists"}],
        "logLevel": "debug", "extraEnv": [{"name": "A", "value": "1"}],
        "credentials": {"secretName": "regcred"}, "podLabels": {"mesh": "off"},
        "config": {"pools": [{"name": "z", "platform": "linux/s390x"}]},
        "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
        "extraVolumeMounts": [{"name": "ca", "mountPath": "/ca"}],
    }));
    let webhook = &rendered.named("Deployment", "a")["spec"]["template"];
    let audit = &rendered.named("Deployment", "a-audit")["spec"]["template"];
    assert_eq!(
        audit["metadata"]["annotations"],
        webhook["metadata"]["annotations"]
    );
    assert_eq!(audit["metadata"]["labels"]["mesh"], "off");
    for field in [
        "imagePullSecrets",
        "nodeSelector",
        "tolerations",
        "affinity",
        "securityContext",
        "volumes",
    ] {
        let (ours, theirs) = (&audit["spec"][field], &webhook["spec"][field]);
        assert!(!ours.is_null() && ours == theirs, "{field}: {ours}");
    }
    let container = |template: &Value| template["spec"]["containers"][0].clone();
    for field in [
        "image",
        "imagePullPolicy",
        "env",
        "securityContext",
        "volumeMounts",
    ] {
        let (ours, theirs) = (&container(audit)[field], &container(webhook)[field]);
        assert!(!ours.is_null() && ours == theirs, "{field}: {ours}");
    }
    // So do the pods that clean up after it, but for the files.
    let cleanup = &rendered.one("Job")["spec"]["template"];
    for field in [
        "imagePullSecrets",
        "nodeSelector",
        "tolerations",
        "affinity",
        "securityContext",
    ] {
        assert_eq!(cleanup["spec"][field], webhook["spec"][field], "{field}");
    }
    for field in ["image", "imagePullPolicy", "env", "securityContext"] {
        assert_eq!(
            container(cleanup)[field],
            container(webhook)[field],
            "{field}"
        );
    }
    let none = audited(&json!({"podSecurityContext": null, "securityContext": null}));
    assert!(pod(&none).get("securityContext").is_none());
}

fn interval() {
    for interval in ["10s", "90m", "1h30m5s"] {
        let values = json!({"config": {"audit": {"interval": interval}}});
        let argument = format!("--every={interval}");
        assert!(arguments(&audited(&values)).contains(&argument));
    }
}

fn policy_off() {
    let off = audited(&json!({"policy": {"enforce": "off", "warn": "off", "audit": "off"}}));
    assert_eq!(arguments(&off)[0], "audit");
}

/// The labels of the pods of every kind that has some, by the name of the object.
fn pods(rendered: &Rendered) -> Vec<(String, Value)> {
    let templates = rendered.objects.iter().filter_map(|object| {
        let labels = object.pointer("/spec/template/metadata/labels")?;
        let name = object["metadata"]["name"].as_str().unwrap();
        Some((name.to_owned(), labels.clone()))
    });
    templates.collect()
}

/// Everything that looks for pods by labels: kind, name, labels.
fn pod_selectors(rendered: &Rendered) -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    for object in &rendered.objects {
        let kind = object["kind"].as_str().unwrap();
        let place = match kind {
            "Deployment" | "PodDisruptionBudget" | "PodMonitor" => "/spec/selector/matchLabels",
            "Service" => "/spec/selector",
            "NetworkPolicy" => "/spec/podSelector/matchLabels",
            _ => continue,
        };
        let labels = object.pointer(place).expect("a selector").clone();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        found.push((kind.to_owned(), name.clone(), labels));
        let spread = object.pointer("/spec/template/spec/topologySpreadConstraints");
        for constraint in spread.and_then(Value::as_array).into_iter().flatten() {
            let labels = constraint["labelSelector"]["matchLabels"].clone();
            found.push(("spread".to_owned(), name.clone(), labels));
        }
    }
    found
}

fn selects(selector: &Value, labels: &Value) -> bool {
    let mut wanted = selector.as_object().unwrap().iter();
    wanted.all(|(key, value)| labels[key] == *value)
}

/// A selector finds the pods of the object that it is named after and of no other, also where
/// an operator's labels say otherwise.
fn selectors() {
    for name in ["", "gate"] {
        let mut values = whole_values();
        values["nameOverride"] = json!(name);
        let hijack = json!({
            "app.kubernetes.io/component": "audit", "app.kubernetes.io/name": "archmatch",
            "app.kubernetes.io/instance": "a",
        });
        (values["podLabels"], values["commonLabels"]) = (hijack.clone(), hijack);
        let rendered = [render("a", &values), render("b", &values)];
        let pods: Vec<_> = rendered.iter().flat_map(pods).collect();
        let names: Vec<&str> = pods.iter().map(|(name, _)| name.as_str()).collect();
        let expected = BTreeSet::from(["a", "a-audit", "a-cleanup", "b", "b-audit", "b-cleanup"]);
        assert_eq!(BTreeSet::from_iter(names), expected);
        let selectors: Vec<_> = rendered.iter().flat_map(pod_selectors).collect();
        for (kind, owner, selector) in &selectors {
            let found = pods.iter().filter(|(_, labels)| selects(selector, labels));
            let found: Vec<&str> = found.map(|(name, _)| name.as_str()).collect();
            assert_eq!(found, [owner.as_str()], "{kind} {owner}");
        }
        // Both webhooks and both audits.
        for kind in ["Deployment", "Service", "NetworkPolicy", "PodMonitor"] {
            let of_kind = selectors.iter().filter(|(found, _, _)| found == kind);
            assert_eq!(of_kind.count(), 4, "{kind}");
        }
    }
}

fn side_by_side() {
    let mut values = whole_values();
    // A name that was given is the same in both, and so is what it names.
    values["serviceAccount"]["name"] = json!("");
    let identity = |release: &str| -> BTreeSet<String> {
        let rendered = render(release, &values);
        let identities = rendered.objects.iter().map(|object| {
            let metadata = &object["metadata"];
            format!(
                "{} {} {}",
                object["kind"], metadata["namespace"], metadata["name"]
            )
        });
        identities.collect()
    };
    // A release that is called like a part of another one.
    for other in ["b", "a-cleanup", "a-dashboard"] {
        let (ours, theirs) = (identity("a"), identity(other));
        let both: Vec<&String> = ours.intersection(&theirs).collect();
        assert!(both.is_empty(), "{other}: {both:?}");
        let count = |release| render(release, &values).objects.len();
        assert_eq!(ours.len(), count("a"), "each object is there once");
    }
}

fn scraped() {
    let on = json!({"enabled": true, "interval": "30s", "labels": {"release": "prometheus"}});
    let rendered = audited(&json!({"podMonitor": on, "serviceMonitor": on}));
    let endpoint = json!([{"port": "status", "path": "/metrics", "interval": "30s"}]);
    for (kind, field) in [
        ("PodMonitor", "podMetricsEndpoints"),
        ("ServiceMonitor", "endpoints"),
    ] {
        let monitor = rendered.named(kind, "a-audit");
        assert_eq!(monitor["spec"][field], endpoint, "{kind}");
        assert_eq!(monitor["metadata"]["labels"]["release"], "prometheus");
    }
    // A ServiceMonitor finds Services by their labels, and each its own.
    for name in ["a", "a-audit"] {
        let monitor = rendered.named("ServiceMonitor", name);
        let selector = &monitor["spec"]["selector"]["matchLabels"];
        let found = rendered.all("Service").into_iter();
        let found = found.filter(|service| selects(selector, &service["metadata"]["labels"]));
        let found: Vec<&Value> = found.map(|service| &service["metadata"]["name"]).collect();
        assert_eq!(found, [name]);
    }
    let service = &rendered.named("Service", "a-audit")["spec"];
    assert_eq!(service["ports"][0]["name"], "status");
    assert_eq!(service["ports"][0]["targetPort"], "status");
    // Nobody else asks for a Service of the audit.
    assert_eq!(audited(&json!({})).all("Service").len(), 1);
}

fn network() {
    let rule = json!({"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 443, "protocol": "TCP"}]});
    let closed = |monitoring: Value| {
        let rendered = audited(&json!({"networkPolicy": {
            "enabled": true, "apiServer": ["10.0.0.0/28"], "egress": [rule], "monitoring": monitoring,
        }}));
        rendered.named("NetworkPolicy", "a-audit")["spec"].clone()
    };
    let prometheus = json!([{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]);
    let spec = closed(prometheus.clone());
    let status = json!({"ports": [{"port": 9090, "protocol": "TCP"}], "from": prometheus});
    assert_eq!(spec["ingress"], json!([status]));
    assert_eq!(spec["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(spec["egress"], json!([rule]));
    // An empty list of peers would let in everybody.
    assert_eq!(closed(json!([]))["ingress"], json!([]));
    assert!(audited(&json!({})).all("NetworkPolicy").is_empty());
}

/// The rules of the audit's ClusterRole.
fn rules(rendered: &Rendered) -> Vec<Value> {
    let role = rendered.named("ClusterRole", "a-audit");
    role["rules"].as_array().unwrap().clone()
}

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> Value {
    json!({"apiGroups": [group], "resources": resources, "verbs": verbs})
}

fn view() -> Vec<Value> {
    vec![
        rule("", &["nodes", "namespaces"], &READ),
        rule("node.k8s.io", &["runtimeclasses"], &READ),
        rule("karpenter.sh", &["nodepools"], &READ),
        rule(
            "cluster.x-k8s.io",
            &["machinedeployments", "machinesets", "machinepools"],
            &READ,
        ),
        rule("machine.openshift.io", &["machinesets"], &READ),
    ]
}

fn workloads() -> Vec<Value> {
    vec![
        rule(
            "",
            &["pods", "podtemplates", "replicationcontrollers"],
            &["list"],
        ),
        rule(
            "apps",
            &["daemonsets", "deployments", "replicasets", "statefulsets"],
            &["list"],
        ),
        rule("batch", &["cronjobs", "jobs"], &["list"]),
    ]
}

fn reports(verbs: &[&str]) -> Vec<Value> {
    vec![
        rule("openreports.io", &["clusterreports", "reports"], verbs),
        rule(
            "wgpolicyk8s.io",
            &["clusterpolicyreports", "policyreports"],
            verbs,
        ),
    ]
}

const WRITE: [&str; 7] = [
    "get",
    "list",
    "create",
    "patch",
    "update",
    "delete",
    "deletecollection",
];

fn rights() {
    let plain = audited(&json!({}));
    assert_eq!(
        rules(&plain),
        [view(), workloads(), reports(&WRITE)].concat()
    );
    let kinds = json!([{"group": "argoproj.io", "version": "v1alpha1", "resource": "rollouts", "templates": ["spec.template"]}]);
    let more = audited(&json!({"config": {"kinds": kinds}}));
    let rollouts = vec![rule("argoproj.io", &["rollouts"], &["list"])];
    assert_eq!(
        rules(&more),
        [view(), workloads(), rollouts, reports(&WRITE)].concat()
    );
    // No Role, so nothing in the release's namespace but what the ClusterRole has.
    let audit = |object: &&Value| object["metadata"]["name"] == "a-audit";
    assert!(!plain.all("Role").iter().any(audit));
    // The webhook gets nothing of it.
    let webhook = plain.named("ClusterRole", "a")["rules"].to_string();
    for resource in ["pods", "deployments", "reports"] {
        assert!(!webhook.contains(&format!("\"{resource}\"")), "{resource}");
    }
}

fn secrets() {
    let readable = |secrets: Value| {
        audited(
            &json!({"config": {"credentials": {"secrets": secrets}}, "networkPolicy": {"elsewhere": true}}),
        )
    };
    let accounts = rule("", &["serviceaccounts"], &READ);
    let get = rule("", &["secrets"], &["get"]);
    let none = rules(&readable(json!("none")));
    assert!(!none.contains(&accounts) && !none.contains(&get));
    let cluster = rules(&readable(json!("cluster")));
    assert!(cluster.contains(&accounts) && cluster.contains(&get));
    let listed = readable(json!({"namespaces": ["web", "shop", "web"]}));
    let found = rules(&listed);
    assert!(found.contains(&accounts) && !found.contains(&get));
    let mut namespaces = Vec::new();
    for kind in ["Role", "RoleBinding"] {
        for object in listed.all(kind) {
            if object["metadata"]["name"] == "a-audit-pull-secrets" {
                namespaces.push(object["metadata"]["namespace"].as_str().unwrap());
                let rules = object.get("rules");
                assert!(rules.is_none_or(|rules| *rules == json!([get])));
                let subjects = object.get("subjects");
                assert!(subjects.is_none_or(|subjects| subjects[0]["name"] == "a-audit"));
            }
        }
    }
    assert_eq!(namespaces, ["shop", "web", "shop", "web"]);
}

fn no_reports() {
    let with = |choice: &str| audited(&json!({"config": {"audit": {"reports": choice}}}));
    for choice in ["auto", "openreports", "policyreport"] {
        let found = rules(&with(choice));
        assert!(
            reports(&WRITE).iter().all(|rule| found.contains(rule)),
            "{choice}"
        );
        assert_eq!(with(choice).all("Job").len(), 1, "{choice}");
    }
    let none = with("none");
    assert_eq!(rules(&none), [view(), workloads()].concat());
    let hook = |object: &&Value| {
        object["metadata"]["annotations"]
            .get("helm.sh/hook")
            .is_some()
    };
    assert!(!none.objects.iter().any(|object| hook(&object)));
}

fn events() {
    let events =
        json!({"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"]});
    let may_write = |more: &Value| rules(&audited(more)).contains(&events);
    assert!(!may_write(&json!({})));
    assert!(!may_write(&json!({"config": {"audit": {"events": false}}})));
    assert!(may_write(&json!({"config": {"audit": {"events": true}}})));
    // The webhook writes none, whatever the audit does.
    let off = render("a", &json!({"config": {"audit": {"events": true}}}));
    assert!(!off.text.contains("events.k8s.io"));
}

fn account() {
    let annotations = json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/a"});
    let made = audited(&json!({"serviceAccount": {"name": "robot", "annotations": annotations}}));
    let account = made.named("ServiceAccount", "a-audit");
    assert_eq!(account["metadata"]["annotations"], annotations);
    assert_eq!(pod(&made)["serviceAccountName"], "a-audit");
    let brought = audited(&json!({
        "serviceAccount": {"create": false, "name": "robot"},
        "audit": {"enabled": true, "serviceAccountName": "auditor"},
    }));
    assert!(brought.all("ServiceAccount").is_empty());
    assert_eq!(pod(&brought)["serviceAccountName"], "auditor");
    let subject = |rendered: &Rendered, name: &str| {
        let binding = rendered.named("ClusterRoleBinding", name);
        assert_eq!(binding["roleRef"]["name"], name);
        binding["subjects"].clone()
    };
    let expected = |name| json!([{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}]);
    assert_eq!(subject(&made, "a-audit"), expected("a-audit"));
    assert_eq!(subject(&brought, "a-audit"), expected("auditor"));
    // Who cleans up has to have an account after everything else is gone.
    assert_eq!(subject(&made, "a.cleanup"), expected("a.cleanup"));
    assert_eq!(subject(&brought, "a.cleanup"), expected("auditor"));
    let job = |rendered: &Rendered| {
        let pod = &rendered.one("Job")["spec"]["template"]["spec"];
        pod["serviceAccountName"].clone()
    };
    assert_eq!(job(&made), "a.cleanup");
    assert_eq!(job(&brought), "auditor");
}

fn cleanup() {
    let rendered = audited(&json!({"serviceAccount": {"annotations": {"role": "r"}}}));
    let hooks: Vec<&Value> = rendered
        .objects
        .iter()
        .filter(|object| {
            object["metadata"]["annotations"]
                .get("helm.sh/hook")
                .is_some()
        })
        .collect();
    let kinds: Vec<&str> = hooks
        .iter()
        .map(|object| object["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    for object in hooks {
        let kind = object["kind"].as_str().unwrap();
        let annotations = &object["metadata"]["annotations"];
        assert_eq!(annotations["helm.sh/hook"], "post-delete", "{kind}");
        let policy = "before-hook-creation,hook-succeeded";
        assert_eq!(annotations["helm.sh/hook-delete-policy"], policy, "{kind}");
        // Rights come before the work.
        let weight = if kind == "Job" { "0" } else { "-1" };
        assert_eq!(annotations["helm.sh/hook-weight"], weight, "{kind}");
    }
    let rules = &rendered.named("ClusterRole", "a.cleanup")["rules"];
    assert_eq!(
        *rules,
        Value::from(reports(&["list", "delete", "deletecollection"]))
    );
    let job = &rendered.one("Job")["spec"];
    let container = &job["template"]["spec"]["containers"][0];
    assert_eq!(container["args"], json!(["audit", "--delete-reports"]));
    assert_eq!(job["template"]["spec"]["restartPolicy"], "Never");
    // It must not hold up an uninstallation for long.
    assert!(job["activeDeadlineSeconds"].as_u64().unwrap() <= 120);
    assert!(render("a", &json!({})).all("Job").is_empty());
}
