//! Pods that are denied, each for which a remedy is due.

use serde_json::{Value, json};

use super::{
    Kind, Row, is_in, labels, merge, mixed, node, on, required, row, runtime, taint, with,
};

pub(super) fn rows() -> Vec<Row> {
    let selector = |selector: Value| json!({"nodeSelector": selector});
    let affine = |expressions: Value| json!({"affinity": required(expressions)});
    let windows = || {
        node(
            "w1",
            "windows/amd64",
            labels(json!({"node.kubernetes.io/windows-build": "10.0.20348"})),
        )
    };
    let pool = |requirements: Value| {
        json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "any"},
            "spec": {"template": {"spec": {"requirements": requirements}}}})
    };
    let machines = json!({"apiVersion": "cluster.x-k8s.io/v1beta1", "kind": "MachineDeployment",
        "metadata": {"name": "m", "namespace": "capi", "annotations": {
            "cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size": "0",
            "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size": "3",
            "capacity.cluster-autoscaler.kubernetes.io/labels": "kubernetes.io/arch=amd64,kubernetes.io/os=linux"}},
        "spec": {"replicas": 0}});
    let gpu = json!({"status": {"allocatable": {"nvidia.com/gpu": "1"}}});
    let only_z = || vec![node("z1", "linux/s390x", json!({}))];
    let mut pinned_and_preferred = affine(json!([is_in("kubernetes.io/arch", &["s390x"])]));
    pinned_and_preferred["affinity"]["podAntiAffinity"] =
        json!({"preferredDuringSchedulingIgnoredDuringExecution": []});
    let mut other_and_selector = on("s390x");
    other_and_selector["affinity"] = json!({"podAffinity": {}});
    let tolerating = |mut spec: Value| {
        spec["tolerations"] = json!([{"key": "dedicated", "operator": "Exists"}]);
        spec
    };
    vec![
        row(
            "a selector of the architecture",
            mixed(),
            "two:1",
            on("s390x"),
        ),
        row("the same in a pod", mixed(), "two:1", on("s390x")).of(Kind::Pod),
        row("the same in a CronJob", mixed(), "two:1", on("s390x")).of(Kind::CronJob),
        row("the same in a DaemonSet", mixed(), "two:1", on("s390x")).of(Kind::DaemonSet),
        row("the same in a PodTemplate", mixed(), "two:1", on("s390x")).of(Kind::PodTemplate),
        row("several templates", mixed(), "two:1", on("s390x")).of(Kind::JobSet),
        row(
            "the label's former name",
            mixed(),
            "two:1",
            selector(json!({"beta.kubernetes.io/arch": "s390x"})),
        ),
        row(
            "both names",
            mixed(),
            "two:1",
            selector(json!({"beta.kubernetes.io/arch": "s390x", "kubernetes.io/arch": "s390x"})),
        ),
        row(
            "a pool by a label of its own",
            mixed(),
            "two:1",
            selector(json!({"pool": "z"})),
        ),
        row(
            "a pool and a zone",
            mixed(),
            "intel:1",
            selector(json!({"pool": "z", "zone": "1"})),
        ),
        row(
            "a pool and its architecture",
            mixed(),
            "intel:1",
            selector(json!({"pool": "z", "kubernetes.io/arch": "s390x"})),
        ),
        row(
            "an operating system",
            with(mixed(), [windows()]),
            "two:1",
            selector(json!({"kubernetes.io/os": "windows"})),
        ),
        row(
            "spec.os",
            with(mixed(), [windows()]),
            "two:1",
            json!({"os": {"name": "windows"}}),
        ),
        row(
            "a node by name",
            mixed(),
            "two:1",
            json!({"nodeName": "z1"}),
        )
        .of(Kind::Pod),
        row(
            "a node by name, and its architecture",
            mixed(),
            "intel:1",
            json!({"nodeName": "z1", "nodeSelector": {"kubernetes.io/arch": "s390x"}}),
        )
        .of(Kind::Pod),
        row(
            "a host name",
            mixed(),
            "intel:1",
            selector(json!({"kubernetes.io/hostname": "z2"})),
        ),
        row(
            "affinity to the architecture",
            mixed(),
            "two:1",
            affine(json!([is_in("kubernetes.io/arch", &["s390x"])])),
        ),
        row(
            "affinity to a zone, too",
            mixed(),
            "two:1",
            affine(json!([
                is_in("kubernetes.io/arch", &["s390x"]),
                is_in("zone", &["1"])
            ])),
        ),
        row(
            "affinity that excludes",
            mixed(),
            "intel:1",
            affine(
                json!([{"key": "kubernetes.io/arch", "operator": "NotIn", "values": ["amd64"]}]),
            ),
        ),
        row(
            "affinity to a pool",
            mixed(),
            "two:1",
            affine(json!([is_in("pool", &["z"])])),
        ),
        row(
            "affinity to a node by name",
            mixed(),
            "intel:1",
            json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
            {"nodeSelectorTerms": [{"matchFields": [is_in("metadata.name", &["z1"])]}]}}}}),
        ),
        row(
            "affinity that also says something of pods",
            mixed(),
            "two:1",
            pinned_and_preferred,
        ),
        row(
            "a selector beside affinity to pods",
            mixed(),
            "two:1",
            other_and_selector,
        ),
        row(
            "everywhere, where all has to run",
            mixed(),
            "two:1",
            json!({}),
        )
        .portable(),
        row(
            "everywhere, for one architecture",
            mixed(),
            "intel:1",
            json!({}),
        )
        .portable(),
        row(
            "everywhere, affinity to pods",
            mixed(),
            "two:1",
            json!({"affinity": {"podAffinity": {}}}),
        )
        .portable(),
        row(
            "a zone, where all has to run",
            mixed(),
            "two:1",
            affine(json!([is_in("zone", &["1"])])),
        )
        .portable(),
        row(
            "a zone by selector",
            mixed(),
            "two:1",
            selector(json!({"zone": "1"})),
        )
        .portable(),
        row(
            "a Windows node among others",
            with(mixed()[..3].to_vec(), [windows()]),
            "two:1",
            json!({}),
        )
        .portable(),
        row(
            "Windows and s390x among others",
            with(mixed(), [windows()]),
            "two:1",
            json!({}),
        )
        .portable(),
        row(
            "an image for Windows alone",
            with(mixed(), [windows()]),
            "win:1",
            on("s390x"),
        ),
        row("a plain manifest", mixed(), "app:laptop", on("amd64")),
        row(
            "a plain manifest, everywhere",
            mixed(),
            "app:laptop",
            json!({}),
        )
        .portable(),
        row("two images", mixed(), "two:1", on("s390x")).also("intel:1"),
        row(
            "two images that lack the same",
            mixed(),
            "two:1",
            on("s390x"),
        )
        .also("arms:1")
        .also("two:1"),
        row(
            "a taint that is tolerated",
            vec![
                node("a1", "linux/amd64", json!({})),
                node("z1", "linux/s390x", taint("dedicated", "z")),
            ],
            "intel:1",
            tolerating(json!({})),
        )
        .portable(),
        row(
            "a node that is tainted, beside one that is not",
            with(mixed(), [node("a3", "linux/amd64", taint("x", "y"))]),
            "intel:1",
            on("s390x"),
        ),
        row(
            "tainted nodes that the pod tolerates and cannot use",
            with(
                mixed(),
                [node("z3", "linux/s390x", taint("dedicated", "z"))],
            ),
            "two:1",
            tolerating(on("s390x")),
        ),
        row(
            "a cordoned node beside",
            with(
                mixed(),
                [node(
                    "p1",
                    "linux/ppc64le",
                    json!({"spec": {"unschedulable": true}}),
                )],
            ),
            "two:1",
            on("s390x"),
        ),
        row(
            "runtimes that differ",
            vec![
                node("a1", "linux/amd64", runtime("containerd://1.7.28")),
                node("a2", "linux/amd64", runtime("containerd://2.1.4")),
                node("z1", "linux/s390x", json!({})),
            ],
            "old:1",
            on("s390x"),
        ),
        row(
            "runtimes that differ, in pools",
            vec![
                {
                    let mut node = node("a1", "linux/amd64", runtime("containerd://1.7.28"));
                    merge(&mut node, labels(json!({"pool": "old"})));
                    node
                },
                node("a2", "linux/amd64", labels(json!({"pool": "new"}))),
            ],
            "old:1",
            json!({}),
        )
        .portable(),
        row(
            "variants",
            vec![
                node("b6", "linux/arm", labels(json!({"board": "v6"}))),
                node("b7", "linux/arm", json!({})),
                node("b8", "linux/arm", json!({})),
            ],
            "v7:1",
            json!({}),
        )
        .portable(),
        row(
            "a variant by its label",
            vec![
                node("b6", "linux/arm", labels(json!({"board": "v6"}))),
                node("b7", "linux/arm", json!({})),
            ],
            "v7:1",
            selector(json!({"board": "v6"})),
        ),
        row(
            "an older variant",
            vec![
                node("b6", "linux/arm", labels(json!({"board": "v6"}))),
                node("z1", "linux/s390x", json!({})),
            ],
            "v6:1",
            on("s390x"),
        ),
        row(
            "an entry without platform, CRI-O",
            vec![
                node("a1", "linux/amd64", runtime("cri-o://1.33.1")),
                node("z1", "linux/s390x", runtime("cri-o://1.33.1")),
            ],
            "unstated-oci:1",
            on("s390x"),
        ),
        row(
            "an entry without platform, containerd",
            mixed(),
            "unstated:1",
            on("s390x"),
        ),
        row(
            "a node without labels",
            vec![
                json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "bare"},
                "status": {"nodeInfo": {"operatingSystem": "linux", "architecture": "amd64"}}}),
                node("z1", "linux/s390x", json!({})),
            ],
            "intel:1",
            on("s390x"),
        ),
        row(
            "a pool of Karpenter",
            with(
                only_z(),
                [pool(json!([is_in("kubernetes.io/arch", &["amd64"])]))],
            ),
            "intel:1",
            on("s390x"),
        ),
        row(
            "a pool that leaves its architecture open",
            with(only_z(), [pool(json!([]))]),
            "two:1",
            json!({}),
        )
        .portable(),
        row(
            "a pool of machines",
            with(only_z(), [machines]),
            "intel:1",
            on("s390x"),
        ),
        row(
            "labels that need quotes",
            vec![
                {
                    let mut node = node("a1", "linux/amd64", runtime("containerd://1.7.28"));
                    merge(&mut node, labels(json!({"only": "true"})));
                    node
                },
                node("a2", "linux/amd64", labels(json!({"only": "1e3"}))),
            ],
            "old:1",
            selector(json!({"only": "1e3"})),
        ),
        row(
            "a resource that few nodes have",
            vec![
                node("a1", "linux/amd64", gpu.clone()),
                node("a2", "linux/amd64", json!({})),
                node("z1", "linux/s390x", gpu),
            ],
            "intel:1",
            on("s390x"),
        )
        .with_resource("nvidia.com/gpu"),
        row(
            "a taint that evicts",
            with(
                mixed(),
                [node(
                    "a3",
                    "linux/amd64",
                    json!({"spec": {"taints": [{"key": "x", "effect": "NoExecute"}]}}),
                )],
            ),
            "intel:1",
            json!({"nodeName": "z1"}),
        )
        .of(Kind::Pod),
        row(
            "a node that emulates",
            vec![
                node(
                    "a1",
                    "linux/amd64",
                    json!({"metadata": {"annotations": {"archmatch.io/emulates": "linux/arm64"}}}),
                ),
                node("a2", "linux/amd64", json!({})),
            ],
            "app:laptop",
            on("amd64"),
        )
        .portable(),
        row(
            "terms of which one will do",
            mixed(),
            "intel:1",
            json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
            {"nodeSelectorTerms": [
                {"matchExpressions": [is_in("pool", &["z"])]},
                {"matchExpressions": [is_in("pool", &["a"]), is_in("zone", &["1"])]},
            ]}}}}),
        )
        .portable(),
        row(
            "a node by name in a template, all taints tolerated",
            mixed(),
            "intel:1",
            json!({"nodeName": "z2", "affinity": {"podAffinity": {}}, "tolerations": [{"operator": "Exists"}]}),
        ),
        row(
            "taints of Arm nodes, which a template that selects them tolerates",
            vec![
                node("r1", "linux/arm64", labels(json!({"pool": "plain"}))),
                {
                    let mut node = node("r2", "linux/arm64", taint("kubernetes.io/arch", "arm64"));
                    merge(&mut node, runtime("containerd://1.7.28"));
                    node
                },
                node("z1", "linux/s390x", json!({})),
            ],
            "arms:1",
            on("s390x"),
        ),
    ]
}
