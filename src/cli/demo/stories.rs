//! What is asked in the demonstration, and what should be answered.

use serde_json::{Value, json};

/// One request to the webhook.
pub(super) struct Story {
    /// What it shows.
    pub(super) title: &'static str,
    /// Name of the workload, and of its file.
    pub(super) name: &'static str,
    kind: WorkloadKind,
    image: &'static str,
    architecture: Option<&'static str>,
    /// What the webhook has to answer.
    pub(super) expected: Expected,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum WorkloadKind {
    Pod,
    Deployment,
}

impl WorkloadKind {
    /// API group, kind and resource.
    fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Pod => ("", "Pod", "pods"),
            Self::Deployment => ("apps", "Deployment", "deployments"),
        }
    }
}

/// The three answers that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// Not allowed.
    Denied,
    /// Allowed, with a warning.
    Warned,
    /// Allowed without a word.
    Admitted,
}

impl Expected {
    /// What a response amounts to.
    pub(super) fn of(response: &Value) -> Self {
        let has_warnings = response["warnings"]
            .as_array()
            .is_some_and(|list| !list.is_empty());
        match (response["allowed"] == true, has_warnings) {
            (false, _) => Self::Denied,
            (true, true) => Self::Warned,
            (true, false) => Self::Admitted,
        }
    }
}

pub(super) fn all() -> Vec<Story> {
    vec![
        Story {
            title: "node:22-trixie is published for every node: nothing to say",
            name: "blog",
            kind: WorkloadKind::Deployment,
            image: "node:22-trixie",
            architecture: None,
            expected: Expected::Admitted,
        },
        Story {
            title: "node:22 has nothing for s390x: it runs here, but not everywhere",
            name: "shop",
            kind: WorkloadKind::Deployment,
            image: "node:22",
            architecture: None,
            expected: Expected::Warned,
        },
        Story {
            title: "node:22 where only s390x nodes may run it: the denial names the tag to use",
            name: "shop-on-z",
            kind: WorkloadKind::Deployment,
            image: "node:22",
            architecture: Some("s390x"),
            expected: Expected::Denied,
        },
        Story {
            title: "The tag that it names",
            name: "shop-on-z",
            kind: WorkloadKind::Deployment,
            image: "node:22-trixie",
            architecture: Some("s390x"),
            expected: Expected::Admitted,
        },
        Story {
            title: "node:22.15-bullseye-slim has no linux/arm64/v8",
            name: "worker",
            kind: WorkloadKind::Pod,
            image: "node:22.15-bullseye-slim",
            architecture: Some("arm64"),
            expected: Expected::Denied,
        },
        Story {
            title: "The more general tag has it",
            name: "worker",
            kind: WorkloadKind::Pod,
            image: "node:bullseye-slim",
            architecture: Some("arm64"),
            expected: Expected::Admitted,
        },
        Story {
            title: "An image built on an arm64 laptop, for amd64 nodes",
            name: "app",
            kind: WorkloadKind::Deployment,
            image: "team/app:laptop",
            architecture: Some("amd64"),
            expected: Expected::Denied,
        },
    ]
}

impl Story {
    fn pod(&self) -> Value {
        let mut pod = json!({"containers": [{"name": "web", "image": self.image}]});
        if let Some(architecture) = self.architecture {
            pod["nodeSelector"] = json!({"kubernetes.io/arch": architecture});
        }
        pod
    }

    fn object(&self) -> Value {
        let metadata = json!({"name": self.name, "namespace": "default"});
        match self.kind {
            WorkloadKind::Pod => json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": self.pod(),
            }),
            WorkloadKind::Deployment => json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
                "spec": {
                    "selector": {"matchLabels": {"app": self.name}},
                    "template": {"metadata": {"labels": {"app": self.name}}, "spec": self.pod()},
                },
            }),
        }
    }

    /// The request as the API server sends it.
    pub(super) fn review(&self) -> Value {
        let (group, kind, resource) = self.kind.names();
        json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "0df28fbd-5f5f-11e8-bc74-36e6bb280816",
                "kind": {"group": group, "version": "v1", "kind": kind},
                "resource": {"group": group, "version": "v1", "resource": resource},
                "name": self.name,
                "namespace": "default",
                "operation": "CREATE",
                "userInfo": {"username": "ann"},
                "object": self.object(),
                "oldObject": null,
                "dryRun": false,
            },
        })
    }

    /// The lines of the file that matter here.
    pub(super) fn yaml(&self) -> String {
        let (_, kind, _) = self.kind.names();
        let selector = self.architecture.map(|architecture| {
            format!("  nodeSelector: {{kubernetes.io/arch: {architecture}}}\n")
        });
        format!(
            "  kind: {kind}\n  image: {}\n{}",
            self.image,
            selector.unwrap_or_default()
        )
    }

    /// What kubectl calls it once it is there.
    pub(super) fn created_as(&self) -> String {
        match self.kind {
            WorkloadKind::Pod => format!("pod/{}", self.name),
            WorkloadKind::Deployment => format!("deployment.apps/{}", self.name),
        }
    }
}

/// The nodes: three architectures, one node cordoned, one tainted.
pub(super) fn cluster() -> Value {
    let node = |name: &str, architecture: &str, spec: Value| {
        json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {
                "kubernetes.io/arch": architecture,
                "kubernetes.io/os": "linux",
                "kubernetes.io/hostname": name,
            }},
            "spec": spec,
            "status": {"nodeInfo": {
                "operatingSystem": "linux",
                "architecture": architecture,
                "containerRuntimeVersion": "containerd://2.1.4",
            }},
        })
    };
    let taint = json!({"taints": [{"key": "dedicated", "value": "batch", "effect": "NoSchedule"}]});
    json!({"apiVersion": "v1", "kind": "List", "items": [
        node("amd-1", "amd64", json!({})),
        node("amd-2", "amd64", json!({})),
        node("arm-1", "arm64", json!({})),
        node("arm-2", "arm64", json!({"unschedulable": true})),
        node("z-1", "s390x", json!({})),
        node("z-2", "s390x", json!({})),
        node("power-1", "ppc64le", taint),
    ]})
}
