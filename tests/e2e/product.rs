//! The product, installed as an operator would: our image, our chart, Helm.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::cluster::{Cluster, Said, eventually};
use crate::kubectl::merge;
use crate::registries;

/// The release, its namespace, and the objects in it.
pub const NAME: &str = "archmatch";

/// The entries of the webhook configuration. The first one has the failure policy that the
/// operator chose; the second one never holds anybody up.
pub const ENTRIES: [&str; 2] = ["validate.archmatch.io", "observe.archmatch.io"];

/// The label of a namespace for which the API server does not ask us.
pub const UNASKED: (&str, &str) = ("e2e/asked", "no");

/// Whose pull secrets the product may read as installed.
const READABLE_SECRETS: &str = "cluster";

/// Values of the installation. The program itself has to run on the node that runs pods.
fn values() -> Value {
    json!({
        "image": {"repository": "10.99.0.1:5000/archmatch", "tag": "e2e"},
        "nodeSelector": {"kubernetes.io/hostname": "real-amd64"},
        "config": {
            "registries": registries::settings(),
            "credentials": {"secrets": READABLE_SECRETS},
        },
        // The network here knows no policies; the chart wants one where secrets may be read.
        "networkPolicy": {"enabled": true, "apiServer": ["10.99.0.1/32", "10.244.0.1/32"]},
        "webhook": {"namespaceSelector": {"matchExpressions":
            [{"key": UNASKED.0, "operator": "NotIn", "values": [UNASKED.1]}]}},
    })
}

/// Pushes the image and installs the chart; two replicas run when this returns.
pub fn install(cluster: &Cluster) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let archive = std::env::var_os("ARCHMATCH_IMAGE").map_or_else(
        || root.join("target/image/archmatch.oci.tar"),
        PathBuf::from,
    );
    let layout = tempfile::tempdir_in(root.join("target")).expect("a folder");
    let unpacked = Command::new("tar")
        .arg("-xf")
        .arg(&archive)
        .arg("-C")
        .arg(layout.path())
        .status();
    assert!(
        unpacked.is_ok_and(|status| status.success()),
        "unpack {}",
        archive.display()
    );
    let layout = layout.path().to_str().unwrap();
    cluster
        .inside(&[
            "crane",
            "push",
            "--insecure",
            layout,
            "10.99.0.1:5000/archmatch:e2e",
        ])
        .expect_ok();
    let installed = helm(cluster, &[], &json!({}));
    assert!(
        installed.ok,
        "{}\n{}\n{}",
        installed.stdout,
        installed.stderr,
        logs(cluster)
    );
    settle(cluster);
}

/// Installs or upgrades the chart with other values than usual, and waits for the replicas.
fn helm(cluster: &Cluster, files: &[&str], change: &Value) -> Said {
    let words = [
        "helm",
        "upgrade",
        "--install",
        NAME,
        "charts/archmatch",
        "--namespace",
        NAME,
        "--create-namespace",
        "--wait",
        "--timeout",
        "120s",
        // Tests change by kubectl what the chart has set.
        "--force-conflicts",
    ];
    let mut words = words.to_vec();
    for file in files {
        words.extend(["--values", file]);
    }
    words.extend(["--values", "-"]);
    let mut values = values();
    merge(&mut values, change);
    cluster.inside_with(&words, &values.to_string())
}

/// The chart's values are other ones than as installed, for as long as this lives.
pub struct Values<'a>(&'a Cluster);

impl<'a> Values<'a> {
    pub fn change(cluster: &'a Cluster, files: &[&str], change: &Value) -> Self {
        let values = Self(cluster);
        values.set(files, change);
        values
    }

    fn set(&self, files: &[&str], change: &Value) {
        helm(self.0, files, change).expect_ok();
    }
}

impl Drop for Values<'_> {
    fn drop(&mut self) {
        helm(self.0, &[], &json!({}));
    }
}

/// Another configuration for the replicas that run, until this goes. With the chart a change
/// is a rollout; the pods themselves take one in place.
pub struct Reloaded<'a> {
    cluster: &'a Cluster,
    before: String,
}

const CONFIGURATION: &str = "archmatch.io/config";

impl<'a> Reloaded<'a> {
    pub fn new(cluster: &'a Cluster, change: &Value) -> Self {
        let pods = replicas(cluster);
        let before = pods[0]["metadata"]["annotations"][CONFIGURATION].as_str();
        let before = before.expect("its configuration").to_owned();
        let mut changed = serde_saphyr::from_str(&before).expect("YAML");
        merge(&mut changed, change);
        let reloaded = Self { cluster, before };
        reloaded.set(&changed.to_string());
        reloaded
    }

    fn set(&self, text: &str) {
        let annotation = format!("{CONFIGURATION}={text}");
        let words = ["kubectl", "-n", NAME, "annotate", "pods", "--all"];
        let words = [&words[..], &["--overwrite", &annotation]].concat();
        self.cluster.inside(&words).expect_ok();
    }
}

impl Drop for Reloaded<'_> {
    fn drop(&mut self) {
        self.set(&self.before);
    }
}

/// Other pull secrets may be read than as installed, for as long as this lives.
pub struct ReadableSecrets<'a>(Values<'a>);

impl<'a> ReadableSecrets<'a> {
    /// None at all.
    pub fn none(cluster: &'a Cluster) -> Self {
        Self(Values::change(
            cluster,
            &[],
            &readable_secrets(&json!("none")),
        ))
    }

    /// From now on those of these namespaces.
    pub fn of_namespaces(&self, names: &[&str]) {
        let secrets = readable_secrets(&json!({"namespaces": names}));
        self.0.set(&[], &secrets);
    }
}

fn readable_secrets(which: &Value) -> Value {
    json!({"config": {"credentials": {"secrets": which}}})
}

/// Waits until the API server asks us and trusts what answers.
pub fn settle(cluster: &Cluster) {
    let probe = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": "default"},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": "real-amd64"},
            "containers": [{"name": "web", "image": "10.99.0.1:5000/app:noamd64"}],
        },
    })
    .to_string();
    eventually("the webhook answers", || {
        let words = ["kubectl", "create", "--dry-run=server", "-f", "-"];
        let said = cluster.inside_with(&words, &probe);
        if said.stderr.contains("denied the request") {
            Ok(())
        } else {
            Err(format!("{}{}\n{}", said.stdout, said.stderr, logs(cluster)))
        }
    });
}

/// The pods of the product, and the end of what they said.
pub fn logs(cluster: &Cluster) -> String {
    let pods = cluster.inside(&["kubectl", "-n", "archmatch", "get", "pods", "-o", "wide"]);
    let words = [
        "kubectl",
        "-n",
        "archmatch",
        "logs",
        "-l",
        "app.kubernetes.io/name=archmatch",
        "--tail=40",
        "--prefix",
    ];
    let logs = cluster.inside(&words);
    let events = cluster.inside(&["kubectl", "-n", "archmatch", "get", "events"]);
    [pods.stdout, logs.stdout, logs.stderr, events.stdout].join("\n")
}

/// What the command line says, run inside the cluster: `check` with further arguments, for
/// the objects of a snapshot. It reads the configs of index entries, too.
pub fn check(cluster: &Cluster, snapshot: &str, arguments: &[&str], input: &str) -> Value {
    let config = "registries: [{host: '10.99.0.1:5000', plainHttp: true}]\n\
                  policy: {verifyChildren: true}\n";
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/target");
    let folder = tempfile::tempdir_in(target).expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let snapshot = write("snapshot.json", snapshot);
    let config = write("config.yaml", config);
    let program = env!("CARGO_BIN_EXE_archmatch");
    let words = [program, "check", "--config", &config, "-o", "json"];
    let words = [&words[..], &["--snapshot", &snapshot], arguments].concat();
    let said = cluster.inside_with(&words, input);
    serde_json::from_str(&said.stdout).expect(&said.stderr)
}

fn replicas(cluster: &Cluster) -> Vec<Value> {
    let words = ["kubectl", "-n", "archmatch", "get", "pods", "-o", "json"];
    let pods = cluster.inside(&words).expect_ok();
    let mut pods: Value = serde_json::from_str(&pods).unwrap();
    let pods = pods["items"].as_array_mut().map(std::mem::take);
    pods.unwrap_or_default()
}

fn name(object: &Value) -> Option<String> {
    object["metadata"]["name"].as_str().map(str::to_owned)
}

/// How often each replica was restarted, by the pod's name.
pub fn restarts(cluster: &Cluster) -> BTreeMap<String, u64> {
    let restarts = |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"].as_u64();
    let pods = replicas(cluster);
    let pods = pods
        .iter()
        .filter_map(|pod| Some((name(pod)?, restarts(pod)?)));
    pods.collect()
}

/// What each replica says in full of its readiness, by the pod's name.
pub fn readiness(cluster: &Cluster) -> Vec<(String, String)> {
    let pods = ready_replicas(cluster);
    let said = pods.iter().filter_map(|pod| {
        let name = name(pod)?;
        let path = format!("/api/v1/namespaces/{NAME}/pods/{name}:9090/proxy/readyz?verbose");
        let said = cluster.inside(&["kubectl", "get", "--raw", &path]);
        Some((name, said.stdout))
    });
    said.collect()
}

/// Kills the process of a replica, and removes its pod: a new one starts at once, where the
/// old one would be started later each time. Returns the pod's name.
pub fn kill_replica(cluster: &Cluster) -> String {
    let name = kill_process(cluster);
    // Its log goes with the pod.
    assert_eq!(panics(cluster), "");
    let delete = ["kubectl", "-n", NAME, "delete", "pod", &name];
    let now = ["--grace-period=0", "--force", "--wait=false"];
    cluster.inside(&[&delete[..], &now].concat()).expect_ok();
    name
}

/// Kills the process of a replica; the kubelet starts it again. Returns the pod's name.
pub fn kill_process(cluster: &Cluster) -> String {
    let pods = ready_replicas(cluster);
    let metadata = &pods.first().expect("a replica runs")["metadata"];
    let (name, uid) = (metadata["name"].as_str().unwrap(), &metadata["uid"]);
    let kill = format!(
        "for id in $(pgrep -x archmatch); do
           grep -q pod{} /proc/$id/cgroup && kill -KILL $id && exit 0
         done; exit 1",
        uid.as_str().unwrap()
    );
    cluster.inside(&["bash", "-c", &kill]).expect_ok();
    name.to_owned()
}

/// What any container of the product that still has a log said of a panic.
pub fn panics(cluster: &Cluster) -> String {
    let search = "grep -rhi panicked $RUN/pod-logs/archmatch_* || true";
    cluster.inside(&["bash", "-c", search]).expect_ok()
}

/// What the webhook's own configuration says of a webhook that does not answer.
pub fn set_failure_policy(cluster: &Cluster, policy: &str) {
    let validate = &ENTRIES[..1];
    configure(cluster, validate, &json!({"failurePolicy": policy}));
}

/// How many seconds the API server waits for us.
pub fn set_timeout(cluster: &Cluster, seconds: u32) {
    configure(cluster, &ENTRIES, &json!({"timeoutSeconds": seconds}));
}

/// Whom the API server is to trust, in base64; nothing takes it away.
pub fn set_ca_bundle(cluster: &Cluster, bundle: Option<&str>) {
    let change = json!({"clientConfig": {"caBundle": bundle}});
    configure(cluster, &ENTRIES, &change);
}

/// What the entries of the webhook's own configuration say.
pub fn entries(cluster: &Cluster) -> Vec<Value> {
    let words = [
        "kubectl",
        "get",
        "validatingwebhookconfiguration",
        NAME,
        "-o",
        "json",
    ];
    let mut found: Value = serde_json::from_str(&cluster.inside(&words).expect_ok()).unwrap();
    let entries = found["webhooks"].as_array_mut().map(std::mem::take);
    entries.unwrap_or_default()
}

/// Changes the webhook's own configuration; the API server follows a moment later.
fn configure(cluster: &Cluster, entries: &[&str], change: &Value) {
    let changed = entries.iter().map(|name| {
        let mut entry = change.clone();
        entry["name"] = json!(name);
        entry
    });
    let patch = json!({"webhooks": changed.collect::<Vec<_>>()});
    let words = [
        "kubectl",
        "patch",
        "validatingwebhookconfiguration",
        NAME,
        "--type=strategic",
        "-p",
        &patch.to_string(),
    ];
    cluster.inside(&words).expect_ok();
}

/// As installed, whatever an earlier test left when it failed.
pub fn restore(cluster: &Cluster) {
    set_failure_policy(cluster, "Ignore");
    set_timeout(cluster, 5);
    scale(cluster, 2);
    settle(cluster);
}

/// Sets the number of replicas and waits until it is reached.
pub fn scale(cluster: &Cluster, replicas: usize) {
    let count = format!("--replicas={replicas}");
    let words = [
        "kubectl",
        "-n",
        "archmatch",
        "scale",
        "deployment",
        "archmatch",
        &count,
    ];
    cluster.inside(&words).expect_ok();
    eventually("the replicas are there", || {
        let pods = ready_replicas(cluster);
        let pods: BTreeSet<String> = pods.iter().filter_map(name).collect();
        let endpoints = ready_endpoints(cluster);
        // One that is on its way still answers who is connected to it.
        let processes = cluster.inside(&["pgrep", "-x", "archmatch"]).stdout;
        let counts = [pods.len(), processes.lines().count()];
        if pods == endpoints && counts == [replicas; 2] {
            Ok(())
        } else {
            let wanted = format!("{replicas} replicas are wanted");
            let found = format!("ready: {pods:?}, asked: {endpoints:?}, running: {processes:?}");
            Err(format!("{wanted}, {found}"))
        }
    });
}

/// The replicas that say they are ready and are to stay.
fn ready_replicas(cluster: &Cluster) -> Vec<Value> {
    let mut pods = replicas(cluster);
    pods.retain(|pod| {
        let status = &pod["status"]["containerStatuses"][0];
        status["ready"] == true && pod["metadata"]["deletionTimestamp"].is_null()
    });
    pods
}

/// The names of the pods that the Service leads to. A controller that was cut off from the API
/// server sleeps up to a minute; until then these may be pods that are long gone.
fn ready_endpoints(cluster: &Cluster) -> BTreeSet<String> {
    let label = "kubernetes.io/service-name=archmatch";
    let words = ["kubectl", "-n", "archmatch", "get", "endpointslices", "-l"];
    let slices = cluster.inside(&[&words[..], &[label, "-o", "json"]].concat());
    let slices: Value = serde_json::from_str(&slices.expect_ok()).unwrap();
    let lists = slices["items"].as_array().into_iter().flatten();
    let endpoints = lists
        .filter_map(|slice| slice["endpoints"].as_array())
        .flatten();
    let ready = endpoints.filter(|endpoint| endpoint["conditions"]["ready"] == true);
    let name = |endpoint: &Value| endpoint["targetRef"]["name"].as_str().map(str::to_owned);
    ready.filter_map(name).collect()
}
