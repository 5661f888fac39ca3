//! Report objects on a real API server, with the definitions that their projects publish.
//!
//! The writer is this program once more, inside the cluster's network: it reads a report from
//! its standard input, writes the objects, and prints what it counted.

use std::env;
use std::io::Read;

use archmatch::audit::{ReportWriter, WriteCounts};
use archmatch::config::ReportObjects;
use archmatch::findings::Rule;
use archmatch::report::{Format, Report, Style};
use serde_json::{Value, json};

use crate::Test;
use crate::cluster::{Cluster, Said, eventually};
use crate::kubectl::{Namespace, deployment, spec};
use crate::product::UNASKED;

pub const TESTS: &[(&str, Test)] = &[
    ("openreports_have_their_reports_written", openreports),
    (
        "policy_reports_are_written_where_only_those_are",
        policy_reports,
    ),
    ("reports_move_to_openreports_and_all_of_them_go", both),
];

/// With this in its environment the test program writes such objects.
const ASKED: &str = "ARCHMATCH_E2E_REPORTS";

/// The other side of [`write`].
pub fn write_if_asked() {
    let Ok(asked) = env::var(ASKED) else { return };
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let outcome = runtime.block_on(async {
        let client = kube::Client::try_default().await.expect("a client");
        let reports = match asked.as_str() {
            "openreports" => ReportObjects::Openreports,
            "policyreport" => ReportObjects::Policyreport,
            _ => ReportObjects::Auto,
        };
        let writer = ReportWriter::new(client, reports);
        if asked == "delete" {
            let deleted = writer
                .delete_all()
                .await
                .map_err(|error| error.to_string())?;
            return Ok(json!({"deleted": deleted}));
        }
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .expect("a report");
        let report = Report::parse(&text).map_err(|error| error.to_string())?;
        let counts = writer
            .write(&report)
            .await
            .map_err(|error| error.to_string())?;
        Ok::<Value, String>(shown(&counts))
    });
    match outcome {
        Ok(counts) => println!("{counts}"),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
    std::process::exit(0);
}

/// What is not 0.
fn shown(counts: &WriteCounts) -> Value {
    let rows = [
        ("created", counts.created),
        ("updated", counts.updated),
        ("deleted", counts.deleted),
        ("unchanged", counts.unchanged),
        ("kept", counts.kept),
        ("skipped", counts.skipped),
        ("overtaken", counts.overtaken),
        ("failed", counts.failed),
    ];
    let rows = rows.into_iter().filter(|(_, count)| *count > 0);
    let mut shown: serde_json::Map<String, Value> = rows
        .map(|(name, count)| (name.to_owned(), json!(count)))
        .collect();
    if let Some(problem) = &counts.problem {
        shown.insert("problem".to_owned(), json!(problem));
    }
    Value::Object(shown)
}

fn run(cluster: &Cluster, asked: &str, report: &Value) -> Said {
    let program = env::current_exe().expect("this program");
    let asked = format!("{ASKED}={asked}");
    let words = ["env", &asked, program.to_str().unwrap()];
    cluster.inside_with(&words, &report.to_string())
}

#[track_caller]
fn write(cluster: &Cluster, report: &Value) -> Value {
    let said = run(cluster, "auto", report).expect_ok();
    serde_json::from_str(&said).expect(&said)
}

/// A kind that the cluster has for as long as this lives.
pub struct Definition<'a> {
    cluster: &'a Cluster,
    resource: &'static str,
}

impl<'a> Definition<'a> {
    fn install(cluster: &'a Cluster, file: &str, resource: &'static str) -> Self {
        let apply = format!("kubectl apply --server-side -f \"$TOOLS/{file}\"");
        cluster.inside(&["sh", "-c", &apply]).expect_ok();
        let definition = Self { cluster, resource };
        eventually("the kind is served", || {
            let said = cluster.inside(&["kubectl", "get", resource, "--all-namespaces"]);
            if said.ok { Ok(()) } else { Err(said.stderr) }
        });
        definition
    }

    pub fn openreports(cluster: &'a Cluster) -> Self {
        Self::install(cluster, "openreports.yaml", "reports.openreports.io")
    }

    pub fn policy_reports(cluster: &'a Cluster) -> Self {
        // The version that is written; a newer one is the one that is stored.
        let resource = "policyreports.v1alpha2.wgpolicyk8s.io";
        Self::install(cluster, "policyreport.yaml", resource)
    }

    /// All objects of the kind.
    pub fn objects(&self) -> Vec<Value> {
        let words = [
            "kubectl",
            "get",
            self.resource,
            "--all-namespaces",
            "-o",
            "json",
        ];
        let list = self.cluster.inside(&words).expect_ok();
        let list: Value = serde_json::from_str(&list).unwrap();
        list["items"].as_array().unwrap().clone()
    }

    /// The versions of all objects, by the names of their workloads.
    fn versions(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let objects = self.objects();
        let mut versions: Vec<_> = objects
            .iter()
            .map(|object| {
                let version = text(&object["metadata"]["resourceVersion"]);
                (text(&object["scope"]["name"]), version)
            })
            .collect();
        versions.sort();
        versions
    }

    fn names(&self) -> Vec<String> {
        self.versions().into_iter().map(|(name, _)| name).collect()
    }

    /// The API server takes objects without leaving a field out.
    #[track_caller]
    fn takes(&self, text: &str) {
        let words = [
            "kubectl",
            "replace",
            "--dry-run=server",
            "--validate=strict",
            "-f",
            "-",
        ];
        let said = self.cluster.inside_with(&words, text);
        assert!(said.ok, "{}", said.stderr);
        assert!(!said.stderr.contains("Warning"), "{}", said.stderr);
    }
}

impl Drop for Definition<'_> {
    fn drop(&mut self) {
        let name = self.resource.replace(".v1alpha2", "");
        self.cluster
            .inside(&["kubectl", "delete", "crd", &name, "--wait=true"]);
    }
}

/// Deployments without pods, for which there are reports.
struct Workloads<'a> {
    namespace: Namespace<'a>,
    /// With the uid of each.
    names: Vec<(&'static str, String)>,
}

impl<'a> Workloads<'a> {
    fn create(cluster: &'a Cluster, names: &[&'static str]) -> Self {
        let namespace = Namespace::new(cluster, &[UNASKED]);
        let create = |name: &&'static str| {
            let mut object = deployment(spec("node:22"));
            object["metadata"]["name"] = json!(name);
            object["spec"]["replicas"] = json!(0);
            let words = ["create", "-f", "-", "-o", "jsonpath={.metadata.uid}"];
            let uid = namespace.kubectl_with(&words, &object.to_string());
            (*name, uid.expect_ok())
        };
        let names = names.iter().map(create).collect();
        Self { namespace, names }
    }

    /// A report with these findings of each, made an hour after the last one.
    fn report(&self, hour: usize, findings: &[&[Value]]) -> Value {
        let text = include_str!("../data/reports/mixed.json");
        let mut report: Value = serde_json::from_str(text).unwrap();
        report["created"] = json!(format!("2026-11-28T{hour:02}:00:00Z"));
        report["partial"] = json!([]);
        report["errors"] = json!([]);
        let workload = report["workloads"][0].clone();
        let workloads = self.names.iter().map(|(name, uid)| {
            let mut workload = workload.clone();
            workload["name"] = json!(name);
            workload["uid"] = json!(uid);
            workload["namespace"] = json!(self.namespace.name);
            workload
        });
        report["workloads"] = workloads.collect();
        let rows = findings.iter().enumerate();
        let all = rows.flat_map(|(position, findings)| {
            let numbered = findings.iter().enumerate();
            numbered.map(move |(number, finding)| {
                let mut finding = finding.clone();
                finding["id"] = json!(format!("{position}-{number}"));
                finding["workload"] = json!(position);
                finding
            })
        });
        report["findings"] = all.collect();
        report
    }
}

fn finding(rule: &str, image: &str) -> Value {
    json!({
        "rule": rule, "severity": "warning", "containers": ["web"], "image": image,
        "platforms": ["linux/s390x"], "what": "what", "why": "why", "next": "next",
    })
}

/// From the first pass to the last one.
fn story(definition: &Definition<'_>) {
    let cluster = definition.cluster;
    let workloads = Workloads::create(cluster, &["every-rule", "tags", "one"]);
    let mut every: Vec<Value> = Rule::all()
        .map(|rule| finding(rule.name(), "node:22"))
        .collect();
    let mut of_whole = finding("nowhere-to-run", "");
    of_whole["image"] = Value::Null;
    of_whole["containers"] = json!([]);
    of_whole["platforms"] = json!([]);
    of_whole["severity"] = json!("error");
    every.push(of_whole);
    // More than an object lists.
    let tags: Vec<Value> = (0..120)
        .map(|number| finding("missing-platform", &format!("app:{number}\u{202e}")))
        .collect();
    let one = [finding("could-not-check", "busybox:1")];

    let first = workloads.report(10, &[&every, &tags, &one]);
    assert_eq!(write(cluster, &first), json!({"created": 3}));
    let versions = definition.versions();
    assert_eq!(definition.names(), ["every-rule", "one", "tags"]);
    for object in definition.objects() {
        definition.takes(&object.to_string());
    }
    // What is printed is what is written.
    let format = match definition.resource.starts_with("reports") {
        true => Format::Openreports,
        false => Format::Policyreport,
    };
    let read: Report = serde_json::from_value(first).unwrap();
    let printed = format.render(&read, Style::PLAIN).unwrap();
    definition.takes(&printed);
    assert_eq!(printed.matches("resultID").count(), every.len() + 101 + 1);

    let second = workloads.report(11, &[&every, &tags, &one]);
    assert_eq!(write(cluster, &second), json!({"unchanged": 3}));
    assert_eq!(definition.versions(), versions);

    let two = [
        finding("could-not-check", "busybox:1"),
        finding("empty-index", "app:2"),
    ];
    let changed = workloads.report(12, &[&every, &tags, &two]);
    let expected = json!({"updated": 1, "unchanged": 2});
    assert_eq!(write(cluster, &changed), expected);
    let after = definition.versions();
    let same: Vec<bool> = versions
        .iter()
        .zip(&after)
        .map(|(one, other)| one == other)
        .collect();
    assert_eq!(same, [true, false, true], "{versions:?} {after:?}");

    let mended = workloads.report(13, &[&every, &[], &two]);
    let expected = json!({"deleted": 1, "unchanged": 2});
    assert_eq!(write(cluster, &mended), expected);
    assert_eq!(definition.names(), ["every-rule", "one"]);

    // Without any pass: its owner takes it along.
    workloads
        .namespace
        .kubectl(&["delete", "deployment", "one"])
        .expect_ok();
    eventually("the report of a deleted workload goes", || {
        let names = definition.names();
        if names == ["every-rule"] {
            Ok(())
        } else {
            Err(format!("{names:?}"))
        }
    });
    going_namespaces(cluster);
}

/// Neither a namespace that ends nor one that is gone holds up anything.
fn going_namespaces(cluster: &Cluster) {
    let workloads = Workloads::create(cluster, &["web"]);
    let stays = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "stays", "finalizers": ["e2e.archmatch.io/stays"]}});
    workloads.namespace.apply(&stays, &[]).expect_ok();
    let name = workloads.namespace.name.as_str();
    let words = ["kubectl", "delete", "namespace", name, "--wait=false"];
    cluster.inside(&words).expect_ok();
    let mut report = workloads.report(10, &[&[finding("empty-index", "app:1")]]);
    report["partial"] = json!(["only one namespace"]);
    let counts = write(cluster, &report);
    assert_eq!(counts["skipped"], 1, "{counts}");
    assert_eq!(counts["failed"], Value::Null, "{counts}");
    let patch = r#"{"metadata":{"finalizers":null}}"#;
    let words = [
        "patch",
        "configmap",
        "stays",
        "--type=merge",
        "--patch",
        patch,
    ];
    workloads.namespace.kubectl(&words).expect_ok();
    report["workloads"][0]["namespace"] = json!("was-never-there");
    let counts = write(cluster, &report);
    assert_eq!(counts["skipped"], 1, "{counts}");
    assert_eq!(counts["failed"], Value::Null, "{counts}");
}

fn openreports(cluster: &Cluster) {
    let definition = Definition::openreports(cluster);
    story(&definition);
    let nothing = Workloads::create(cluster, &[]).report(10, &[]);
    let said = run(cluster, "policyreport", &nothing);
    let problem = "config.audit.reports wants policyreports of wgpolicyk8s.io/v1alpha2";
    assert!(!said.ok && said.stderr.contains(problem), "{}", said.stderr);
}

fn policy_reports(cluster: &Cluster) {
    story(&Definition::policy_reports(cluster));
}

fn both(cluster: &Cluster) {
    let policy = Definition::policy_reports(cluster);
    let workloads = Workloads::create(cluster, &["web"]);
    let report = workloads.report(10, &[&[finding("empty-index", "app:1")]]);
    assert_eq!(write(cluster, &report), json!({"created": 1}));
    let open = Definition::openreports(cluster);
    assert_eq!(write(cluster, &report), json!({"created": 1, "deleted": 1}));
    assert_eq!((policy.objects().len(), open.objects().len()), (0, 1));
    let said = run(cluster, "delete", &Value::Null).expect_ok();
    assert_eq!(said.trim(), r#"{"deleted":1}"#);
    assert!(open.objects().is_empty());
}
