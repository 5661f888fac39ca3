//! Helm, as a function from a release and values to objects.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

pub const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/archmatch");

/// Another namespace than the release's name, so that the two are not mistaken.
pub const NAMESPACE: &str = "platform";

/// Helm, and its predecessor where both were built.
pub fn programs() -> Vec<PathBuf> {
    let Some(helm) = program() else {
        return Vec::new();
    };
    let predecessor = helm.with_file_name("helm3");
    [helm, predecessor]
        .into_iter()
        .filter(|program| program.is_file())
        .collect()
}

fn program() -> Option<PathBuf> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/e2e-tools");
    let built = fs::read_dir(tools).into_iter().flatten().flatten();
    let paths = env::var_os("PATH").unwrap_or_default();
    let named = env::var_os("HELM").map(PathBuf::from);
    named
        .into_iter()
        .chain(env::split_paths(&paths).map(|folder| folder.join("helm")))
        .chain(built.map(|entry| entry.path().join("helm")))
        .find(|program| program.is_file())
}

/// One rendering.
pub struct Rendered {
    pub text: String,
    pub objects: Vec<Value>,
}

impl Rendered {
    /// The objects of a kind.
    pub fn all(&self, kind: &str) -> Vec<&Value> {
        let of_kind = self.objects.iter().filter(|object| object["kind"] == kind);
        of_kind.collect()
    }

    /// The only object of a kind.
    #[track_caller]
    pub fn one(&self, kind: &str) -> &Value {
        let found = self.all(kind);
        assert_eq!(found.len(), 1, "one {kind}");
        found[0]
    }

    /// The object of a kind and a name.
    #[track_caller]
    pub fn named(&self, kind: &str, name: &str) -> &Value {
        let mut of_kind = self.all(kind).into_iter();
        let found = of_kind.find(|object| object["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("no {kind} {name}"))
    }

    /// The pods of the webhook, as its Deployment has them.
    pub fn pod(&self) -> &Value {
        &self.one("Deployment")["spec"]["template"]["spec"]
    }

    /// Its container.
    pub fn container(&self) -> &Value {
        &self.pod()["containers"][0]
    }
}

/// Renders the chart, which must work.
#[track_caller]
pub fn render(release: &str, values: &Value) -> Rendered {
    render_chart(CHART, release, values)
}

/// The same, with another folder in place of ours.
#[track_caller]
pub fn render_chart(chart: &str, release: &str, values: &Value) -> Rendered {
    let words = ["template", release, chart, "--namespace", NAMESPACE];
    let text = run(&programs()[0], &words, values).unwrap_or_else(|said| panic!("{said}"));
    let objects = objects(&text);
    Rendered { text, objects }
}

/// What Helm says when it refuses, in a line.
#[track_caller]
pub fn refusal(values: &Value) -> String {
    refusal_in(NAMESPACE, values)
}

/// The same, for another namespace.
#[track_caller]
pub fn refusal_in(namespace: &str, values: &Value) -> String {
    let words = ["template", "archmatch", CHART, "--namespace", namespace];
    match run(&programs()[0], &words, values) {
        Ok(_) => panic!("refused: {values}"),
        Err(said) => said,
    }
}

/// Runs one Helm with values on standard input.
pub fn run(helm: &Path, words: &[&str], values: &Value) -> Result<String, String> {
    let home = tempfile::tempdir().expect("a folder");
    let places = ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"];
    let places = places.map(|name| (name, OsString::from(home.path())));
    let mut child = Command::new(helm)
        .args(words)
        .args(["--values", "-"])
        .envs(places)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run Helm");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(values.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().expect("wait for Helm");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

/// The objects of a text that Helm rendered.
pub fn objects(text: &str) -> Vec<Value> {
    let parse = |document| {
        serde_saphyr::from_str::<Value>(document).unwrap_or_else(|error| {
            panic!("{error}\n{document}");
        })
    };
    text.split("\n---")
        .map(parse)
        .filter(|object| !object.is_null())
        .collect()
}

/// The values of a file that comes with the chart.
pub fn values_of(file: &str) -> Value {
    let text = fs::read_to_string(Path::new(CHART).join(file)).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// Values that set about everything that can be set.
pub fn many_values() -> Value {
    json!({
        "nameOverride": "gate", "commonLabels": {"team": "123"}, "replicas": 3,
        "image": {"registry": "mirror.example:5000", "pullPolicy": "Always"},
        "policy": {"enforce": "portable", "controllers": ["system:serviceaccount:cnpg-system:*"]},
        "config": {
            "kinds": [{"group": "argoproj.io", "version": "v1alpha1", "resource": "rollouts", "templates": ["spec.template"]}],
            "credentials": {"secrets": {"namespaces": ["web", "shop"]}},
        },
        "webhook": {"failurePolicy": "Fail", "port": 8443, "timeoutSeconds": 7},
        "status": {"port": 8080},
        "serviceAccount": {"name": "robot", "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/a"}},
        "networkPolicy": {"enabled": true, "apiServer": ["10.0.0.0/28", "fd00::/64"]},
        "service": {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6", "IPv4"], "trafficDistribution": "PreferClose"},
        "dnsPolicy": "None", "dnsConfig": {"nameservers": ["10.0.0.10"], "options": [{"name": "ndots", "value": "1"}]},
        "podMonitor": {"enabled": true, "interval": "30s", "labels": {"release": "prometheus"}},
        "serviceMonitor": {"enabled": true},
        "priorityClassName": "system-node-critical",
        "podLabels": {"mesh": "off"}, "podAnnotations": {"a": "1"},
        "podSecurityContext": {"runAsUser": null, "fsGroup": null}, "securityContext": null,
        "extraArgs": ["--drain-delay=9s"], "extraEnv": [{"name": "A", "value": "1"}],
        "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
        "extraVolumeMounts": [{"name": "ca", "mountPath": "/ca"}],
    })
}

/// The same, with everything that is installed beside the webhook.
pub fn whole_values() -> Value {
    let mut values = many_values();
    values["audit"] = json!({"enabled": true, "extraArgs": ["--pods"]});
    values["prometheusRule"] = json!({"enabled": true, "labels": {"release": "prometheus"}});
    values["dashboard"] = json!({"enabled": true, "annotations": {"grafana_folder": "Platform"}});
    values
}
