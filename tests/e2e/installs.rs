//! The chart as operators install it: other releases beside the first one, each asked for a
//! namespace of its own only.

use serde_json::{Value, json};

use crate::Test;
use crate::cluster::{Cluster, Said, eventually};
use crate::kubectl::{Namespace, deployment, merge, on_real_node, pod, spec};
use crate::product::{ENTRIES, UNASKED};
use crate::registries;

pub const TESTS: &[(&str, Test)] = &[
    ("each_request_goes_to_one_entry", entries),
    (
        "a_release_that_looks_like_a_number_judges_on_the_nodes_network_with_a_brought_certificate",
        odd,
    ),
    (
        "a_refused_configuration_never_reaches_the_replicas_that_run",
        refused_configuration,
    ),
];

/// The label of the namespaces for which a release is asked.
const ASKED: &str = "e2e/release";

/// A release beside the first one. It is removed at the end.
pub struct Release<'a> {
    name: &'a str,
    home: Namespace<'a>,
    /// Where it is asked, and nobody else.
    judged: Namespace<'a>,
}

impl<'a> Release<'a> {
    /// A name with its namespaces; nothing is installed yet.
    pub fn new(cluster: &'a Cluster, name: &'a str) -> Self {
        Self {
            name,
            home: Namespace::new(cluster, &[]),
            judged: Namespace::new(cluster, &[UNASKED, (ASKED, name)]),
        }
    }

    /// Installs or upgrades it, with values on top of those that every release needs here.
    fn helm(&self, values: &Value, more: &[&str]) -> Said {
        let mut all = json!({
            "image": {"repository": "10.99.0.1:5000/archmatch", "tag": "e2e"},
            "nodeSelector": {"kubernetes.io/hostname": "real-amd64"},
            "config": {"registries": registries::settings()},
            "webhook": {"namespaceSelector": {"matchLabels": {ASKED: self.name}}},
        });
        merge(&mut all, values);
        let words = [
            "helm",
            "upgrade",
            "--install",
            self.name,
            "charts/archmatch",
        ];
        let place = ["--namespace", &self.home.name];
        let words = [&words[..], &place, more, &["--values", "-"]].concat();
        self.home.cluster.inside_with(&words, &all.to_string())
    }

    /// The same, and waits until all replicas are ready.
    #[track_caller]
    pub fn install(&self, values: &Value, more: &[&str]) {
        let wait = ["--wait", "--timeout", "90s"];
        let said = self.helm(values, &[&wait[..], more].concat());
        let pods = self.home.kubectl(&["describe", "pods"]);
        let logs = ["logs", "-l", "app.kubernetes.io/name=archmatch"];
        let logs = self.home.kubectl(&logs);
        let seen = [said.stderr, pods.stdout, logs.stdout].join("\n");
        assert!(said.ok, "{seen}");
    }

    /// What it says of something that cannot run.
    #[track_caller]
    fn refuses(&self) {
        let object = pod(on_real_node(spec("app:noamd64")));
        // A Service that leads nowhere yet fails the request, too.
        let denial = eventually("it answers and is trusted", || {
            let said = self.judged.apply(&object, &["--dry-run=server"]);
            if said.stderr.contains("denied the request") {
                Ok(said.stderr)
            } else {
                Err(format!("{}{}", said.stdout, said.stderr))
            }
        });
        assert!(denial.contains("has no linux/amd64 manifest"), "{denial}");
    }

    /// The replicas as they are now.
    fn pods(&self) -> Vec<Value> {
        let found = self
            .home
            .kubectl(&["get", "pods", "-o", "json"])
            .expect_ok();
        let found: Value = serde_json::from_str(&found).unwrap();
        found["items"].as_array().cloned().unwrap_or_default()
    }
}

impl Drop for Release<'_> {
    fn drop(&mut self) {
        let words = [
            "helm",
            "uninstall",
            self.name,
            "--namespace",
            &self.home.name,
        ];
        self.home.cluster.inside(&words);
    }
}

/// Who asks for what, and the entry that has to be asked. A configuration of its own leads
/// nowhere, so that an entry which may fail says its name.
fn entries(cluster: &Cluster) {
    const PROBE: &str = "entries";
    const CONTROLLER: &str = "system:serviceaccount:kube-system:replicaset-controller";
    let namespace = Namespace::new(cluster, &[UNASKED, (ASKED, PROBE)]);
    let running = pod(on_real_node(spec("app:multi")));
    namespace.apply(&running, &[]).expect_ok();
    let ready = ["wait", "--for=condition=Ready", "pod/web", "--timeout=60s"];
    namespace.kubectl(&ready).expect_ok();
    let mut mirror = running.clone();
    mirror["metadata"]["name"] = json!("mirror");
    let other = mirror.clone();
    let mut replica_set = deployment(spec("app:multi"));
    replica_set["kind"] = json!("ReplicaSet");
    let table: [(&str, &Value, usize); 15] = [
        ("ann", &other, 0),
        (
            "system:serviceaccount:kube-system:namespace-controller",
            &other,
            0,
        ),
        (CONTROLLER, &other, 1),
        (CONTROLLER, &replica_set, 1),
        ("ann", &replica_set, 0),
        (
            "system:serviceaccount:kube-system:daemon-set-controller",
            &other,
            1,
        ),
        ("system:kube-controller-manager", &other, 1),
        ("system:kube-controller-manager:more", &other, 0),
        ("system:serviceaccount:cnpg-system:operator", &other, 1),
        ("system:serviceaccount:cnpg-system:operator:more", &other, 0),
        ("xsystem:serviceaccount:cnpg-system:operator", &other, 0),
        ("ci.bot+7", &other, 1),
        ("ci-bot+7", &other, 0),
        ("system:node:real-amd64", &mirror, 1),
        ("system:node:real-amd64", &replica_set, 0),
    ];
    let values = json!({
        "policy": {"controllers": ["system:serviceaccount:cnpg-system:*", "ci.bot+*"]},
        "webhook": {"namespaceSelector": {"matchLabels": {ASKED: PROBE}}},
    });
    let words = [
        "helm",
        "template",
        PROBE,
        "charts/archmatch",
        "--namespace",
        "nowhere",
    ];
    let only = ["--show-only", "templates/webhook.yaml", "--values", "-"];
    let rendered = cluster.inside_with(&[&words[..], &only].concat(), &values.to_string());
    let rendered = rendered.expect_ok();
    let apply = ["kubectl", "apply", "-f", "-"];
    cluster.inside_with(&apply, &rendered).expect_ok();
    let _gone = Configuration(cluster, PROBE);
    let debug = [
        "debug",
        "web",
        "--image=10.99.0.1:5000/app:multi",
        "--profile=general",
        "-q",
    ];
    for (entry, name) in ENTRIES.iter().enumerate() {
        // Only this one may fail, so that who is not sent to it is admitted.
        let policies = ENTRIES.map(|other| {
            let policy = if other == *name { "Fail" } else { "Ignore" };
            json!({"name": other, "failurePolicy": policy})
        });
        let patch = json!({"webhooks": policies}).to_string();
        let words = [
            "kubectl",
            "patch",
            "validatingwebhookconfiguration",
            PROBE,
            "--type=strategic",
            "-p",
            &patch,
        ];
        cluster.inside(&words).expect_ok();
        let failed = format!("failed calling webhook \"{name}\"");
        let probe = |user: &str, object: &Value| {
            let user = format!("--as={user}");
            let words = [
                "create",
                "-f",
                "-",
                "--dry-run=server",
                "--as-group=system:masters",
                &user,
            ];
            let said = namespace.kubectl_with(&words, &object.to_string());
            assert!(
                said.ok || said.stderr.contains("failed calling webhook"),
                "{}",
                said.stderr
            );
            said.stderr.contains(&failed)
        };
        let user = ["ann", CONTROLLER][entry];
        eventually("the policy counts", || {
            if probe(user, &other) {
                Ok(())
            } else {
                Err(user.to_owned())
            }
        });
        for (user, object, expected) in &table {
            let kind = &object["kind"];
            assert_eq!(
                probe(user, object),
                *expected == entry,
                "{user} {kind} {name}"
            );
        }
        // A debug session by anybody; the first one is refused, the second one is not.
        let said = namespace.kubectl(&debug);
        assert_eq!(said.stderr.contains(&failed), entry == 1, "{}", said.stderr);
    }
}

/// A webhook configuration that goes at the end.
struct Configuration<'a>(&'a Cluster, &'a str);

impl Drop for Configuration<'_> {
    fn drop(&mut self) {
        let words = [
            "kubectl",
            "delete",
            "validatingwebhookconfiguration",
            self.1,
        ];
        self.0.inside(&words);
    }
}

fn odd(cluster: &Cluster) {
    let release = Release::new(cluster, "1e3");
    // What the API server verifies is the Service's name.
    let host = format!("archmatch-1e3.{}.svc", release.home.name);
    let certificate = format!(
        "cd $(mktemp -d) && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
         -nodes -days 2 -subj /CN=brought -addext subjectAltName=DNS:{host} -keyout key -out crt \
         2> /dev/null && kubectl -n {} create secret tls brought --key key --cert crt > /dev/null \
         && cat crt",
        release.home.name
    );
    let certificate = cluster.inside(&["bash", "-c", &certificate]).expect_ok();
    let values = json!({
        "replicas": 1, "hostNetwork": true,
        "webhook": {"port": 18443}, "status": {"port": 19090},
        "certificates": {"mode": "existing-secret", "secretName": "brought", "caBundle": certificate},
        "service": {"ipFamilyPolicy": "PreferDualStack"},
        "podSecurityContext": {"runAsUser": null, "runAsGroup": null, "fsGroup": null},
        "serviceAccount": {"name": "on"},
        "commonLabels": {"team": "123"},
    });
    release.install(&values, &[]);
    release.refuses();
    // A cluster of either family has only one of these.
    for address in ["127.0.0.1", "::1"] {
        for port in [18443, 19090] {
            let connect = format!("exec 3<> /dev/tcp/{address}/{port}");
            let said = cluster.inside(&["bash", "-c", &connect]);
            assert!(said.ok, "{address} {port}: {}", said.stderr);
        }
    }
}

/// The chart for availability, then an upgrade to a configuration that the chart's schema
/// takes and the program refuses.
fn refused_configuration(cluster: &Cluster) {
    let release = Release::new(cluster, "steady");
    let ha = ["--values", "charts/archmatch/values-ha.yaml"];
    release.install(&json!({}), &ha);
    release.refuses();
    let names = |pods: &[Value]| -> Vec<String> {
        let names = pods.iter().map(|pod| &pod["metadata"]["name"]);
        names
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    };
    let before = names(&release.pods());
    assert_eq!(before.len(), 3, "{before:?}");

    let missing = json!({"config": {"registries": [
        {"host": "10.99.0.1:*", "plainHttp": true, "addresses": "any", "ca": "/nowhere/ca.pem"},
    ]}});
    release.helm(&missing, &ha).expect_ok();
    eventually("the new replica refuses its configuration", || {
        let pods = release.pods();
        let ended = pods.iter().find(|pod| {
            let status = &pod["status"]["containerStatuses"][0];
            let is_new = !before
                .iter()
                .any(|name| pod["metadata"]["name"] == name.as_str());
            is_new && status["restartCount"].as_u64() > Some(0)
        });
        ended.map(|_| ()).ok_or(format!("{:?}", names(&pods)))
    });
    // One of the replicas that run starts again, as when its node is drained.
    let victim = before[0].as_str();
    release
        .home
        .kubectl(&["delete", "pod", victim, "--grace-period=1"])
        .expect_ok();
    eventually("three replicas of the old revision are ready", || {
        let pods = release.pods();
        let ready = pods
            .iter()
            .filter(|pod| pod["status"]["containerStatuses"][0]["ready"] == true);
        let ready = names(&ready.cloned().collect::<Vec<_>>());
        if ready.len() == 3 && !ready.contains(&before[0]) {
            Ok(())
        } else {
            Err(format!("{ready:?}"))
        }
    });
    release.refuses();
}
