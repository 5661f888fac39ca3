//! The cluster adapter against a small API server.

mod api;
mod certificates;
mod inventory;
mod observability;
mod start;

use std::sync::Arc;
use std::time::Duration;

use archmatch::cluster::secrets::{self, SecretError};
use archmatch::cluster::view::{ServiceAccounts, View};
use archmatch::cluster::{Accounts, Cluster, DeclaredNodes, watch, watch_discovering};
use archmatch::config::Configuration;
use archmatch::domain::access::SecretName;
use archmatch::domain::policy::Level;
use archmatch::domain::workload::PodTemplate;
use futures::FutureExt;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use self::api::{Api, Gone};

/// How long anything may take that should happen soon.
const LIMIT: Duration = Duration::from_secs(30);

/// Runs a test that needs the network.
fn run<F: Future<Output = ()>>(test: F) {
    let limited = async {
        tokio::time::timeout(2 * LIMIT, test)
            .await
            .expect("in time");
    };
    Runtime::new().unwrap().block_on(limited);
}

fn node(architecture: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"labels": {"kubernetes.io/arch": architecture}},
        "status": {
            "conditions": [{"type": "Ready", "lastHeartbeatTime": "2026-01-01T00:00:00Z"}],
            "nodeInfo": {
                "architecture": architecture, "operatingSystem": "linux",
                "containerRuntimeVersion": "containerd://2.1.4",
            },
        },
    })
}

/// Platforms and their nodes, such as `linux/amd64: a1 a2`.
fn platforms(view: &View) -> Vec<String> {
    let groups = view.nodes.groups().map(|(key, nodes)| {
        let names: Vec<&str> = nodes.names().map(AsRef::as_ref).collect();
        format!("{}: {}", key.platform.platform, names.join(" "))
    });
    groups.collect()
}

/// A watched cluster; the task ends with its runtime.
async fn start(api: &Api, settings: DeclaredNodes) -> Cluster {
    start_with(api.client(), settings).await
}

async fn start_with(client: kube::Client, settings: DeclaredNodes) -> Cluster {
    let (cluster, work) = watch(client, settings, Accounts::Watched);
    tokio::spawn(work);
    cluster.synced().await;
    cluster
}

fn view(cluster: &Cluster) -> Arc<View> {
    cluster.view().load_full()
}

/// Waits until the view shows these platforms.
async fn shows(cluster: &Cluster, expected: &[&str]) {
    let mut views = cluster.views();
    let shown = views.wait_for(|_| platforms(&view(cluster)) == expected);
    if tokio::time::timeout(LIMIT, shown).await.is_err() {
        let found = platforms(&view(cluster));
        panic!("found {found:?}, expected {expected:?}");
    }
}

/// The pull secrets of a template in `web` that runs as the service account.
fn pull_secrets(view: &View, account: &str) -> Arc<[SecretName]> {
    let template = PodTemplate {
        service_account: account.to_owned(),
        ..PodTemplate::default()
    };
    view.pull_secrets("web", &template, ServiceAccounts::ToApply)
}

#[test]
fn templates_get_the_pull_secrets_of_their_service_account() {
    run(async {
        let api = Api::start().await;
        api.put("/api/v1/nodes/a1", node("amd64"));
        let account = |namespace: &str, secrets: Value| json!({"metadata": {"namespace": namespace}, "imagePullSecrets": secrets});
        let regcred = json!([{"name": "regcred"}, {"name": ""}, {"name": "../evil"}]);
        api.put("/api/v1/serviceaccounts/default", account("web", regcred));
        api.put("/api/v1/serviceaccounts/plain", account("web", json!(null)));
        let other = account("shop", json!([{"name": "theirs"}]));
        api.put("/api/v1/serviceaccounts/robot", other);
        let cluster = start(&api, DeclaredNodes::default()).await;
        let before = view(&cluster);
        let regcred = SecretName::list("web", ["regcred"]);
        assert_eq!(pull_secrets(&before, ""), regcred);
        assert_eq!(pull_secrets(&before, "default"), regcred);
        for account in ["plain", "robot", "unknown"] {
            assert!(pull_secrets(&before, account).is_empty(), "{account}");
        }
        let mut template = PodTemplate::default();
        let applied = ServiceAccounts::Applied;
        assert!(before.pull_secrets("web", &template, applied).is_empty());
        template.pull_secrets = vec!["own".to_owned()];
        let own = SecretName::list("web", ["own"]);
        assert_eq!(before.pull_secrets("web", &template, applied), own);
        assert_eq!(
            before.pull_secrets("web", &template, ServiceAccounts::ToApply),
            own
        );

        api.delete("/api/v1/serviceaccounts/default");
        api.put("/api/v1/nodes/z1", node("s390x"));
        shows(&cluster, &["linux/amd64: a1", "linux/s390x: z1"]).await;
        let mut views = cluster.views();
        let gone = views.wait_for(|_| pull_secrets(&view(&cluster), "").is_empty());
        let in_time = tokio::time::timeout(LIMIT, gone).await;
        assert!(
            in_time.is_ok(),
            "the service account is gone and still counts"
        );
    });
}

#[test]
fn who_may_not_list_service_accounts_still_sees_the_cluster() {
    run(async {
        let api = Api::start().await;
        api.forbid("/serviceaccounts");
        api.put("/api/v1/nodes/a1", node("amd64"));
        let cluster = start(&api, DeclaredNodes::default()).await;
        assert_eq!(platforms(&view(&cluster)), ["linux/amd64: a1"]);
    });
}

#[test]
fn service_accounts_are_not_asked_for_where_no_pull_secret_may_be_read() {
    run(async {
        let api = Api::start().await;
        api.put("/api/v1/nodes/a1", node("amd64"));
        let (cluster, work) = watch(api.client(), DeclaredNodes::default(), Accounts::Ignored);
        tokio::spawn(work);
        cluster.synced().await;
        assert_eq!(platforms(&view(&cluster)), ["linux/amd64: a1"]);
        assert_eq!(api.requests("GET /api/v1/serviceaccounts"), 0);
    });
}

#[test]
fn secrets_are_read_one_by_one() {
    run(async {
        let api = Api::start().await;
        let secret = json!({"type": "kubernetes.io/dockercfg", "data": {".dockercfg": "e30="}});
        api.put("/api/v1/namespaces/web/secrets/regcred", secret);
        api.forbid("/namespaces/web/secrets/forbidden");
        let name = |name: &str| SecretName::new("web", name).unwrap();
        let client = api.client();
        let found = secrets::read(&client, &name("regcred")).await.unwrap();
        assert_eq!(found.kind, "kubernetes.io/dockercfg");
        assert_eq!(found.data[".dockercfg"], b"{}");
        let missing = secrets::read(&client, &name("missing")).await;
        assert!(matches!(missing, Err(SecretError::Missing)));
        let forbidden = secrets::read(&client, &name("forbidden")).await;
        assert!(matches!(forbidden, Err(SecretError::Forbidden)));
    });
}

#[test]
fn the_view_follows_the_cluster() {
    run(async {
        let api = Api::start().await;
        api.put("/api/v1/nodes/a1", node("amd64"));
        let labels = json!({"metadata": {"labels": {"archmatch.io/enforce": "off"}}});
        api.put("/api/v1/namespaces/web", labels);
        let class = json!({"scheduling": {"nodeSelector": {"sandbox": "yes"}}});
        api.put("/apis/node.k8s.io/v1/runtimeclasses/gvisor", class);
        let cluster = start(&api, DeclaredNodes::default()).await;
        let before = view(&cluster);
        assert_eq!(platforms(&before), ["linux/amd64: a1"]);
        let enforce = &before.namespace("web").unwrap().enforce;
        assert_eq!(*enforce, Some(Ok(Level::Off)));
        let defaults = before.placement_defaults("web", Some("gvisor"));
        assert_eq!(
            defaults.runtime_class.unwrap().node_selector["sandbox"],
            "yes"
        );

        api.put("/api/v1/nodes/z1", node("s390x"));
        shows(&cluster, &["linux/amd64: a1", "linux/s390x: z1"]).await;
        api.delete("/api/v1/nodes/a1");
        shows(&cluster, &["linux/s390x: z1"]).await;
        // Whoever still holds the old view still sees the old cluster.
        assert_eq!(platforms(&before), ["linux/amd64: a1"]);
    });
}

#[test]
fn lists_come_in_pages() {
    run(async {
        let api = Api::start().await;
        for index in 0..30 {
            api.put(&format!("/api/v1/nodes/n{index}"), node("amd64"));
        }
        let cluster = start(&api, DeclaredNodes::default()).await;
        assert_eq!(view(&cluster).nodes.len(), 30);
        assert_eq!(api.requests("GET /api/v1/nodes"), 3);
    });
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_gone_is_listed_anew() {
    for gone in [Gone::Event, Gone::Status] {
        let api = Api::in_memory();
        api.put("/api/v1/nodes/a1", node("amd64"));
        api.put("/api/v1/nodes/a2", node("amd64"));
        let cluster = start_with(api.direct_client(), DeclaredNodes::default()).await;
        // The deletion is never watched: only a new list can tell.
        api.set_down(true);
        api.delete("/api/v1/nodes/a1");
        api.put("/api/v1/nodes/z1", node("s390x"));
        api.forget_history(gone);
        api.set_down(false);
        shows(&cluster, &["linux/amd64: a2", "linux/s390x: z1"]).await;
        assert!(api.requests("GET /api/v1/nodes") >= 2, "{gone:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_view_serves_while_the_api_server_is_away() {
    let api = Api::in_memory();
    api.put("/api/v1/nodes/a1", node("amd64"));
    let cluster = start_with(api.direct_client(), DeclaredNodes::default()).await;
    let asked = api.requests("WATCH /api/v1/nodes");
    api.set_down(true);
    // Whoever asks a second time has seen the first refusal.
    api.asked("WATCH /api/v1/nodes", asked + 2).await;
    assert_eq!(platforms(&view(&cluster)), ["linux/amd64: a1"]);
    api.put("/api/v1/nodes/z1", node("s390x"));
    api.set_down(false);
    shows(&cluster, &["linux/amd64: a1", "linux/s390x: z1"]).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_ready_before_every_list_is_complete() {
    let api = Api::in_memory();
    api.set_down(true);
    let (client, settings) = (api.direct_client(), DeclaredNodes::default());
    let (cluster, work) = watch(client, settings, Accounts::Watched);
    tokio::spawn(work);
    api.asked("GET /api/v1/nodes", 2).await;
    assert!(cluster.synced().now_or_never().is_none() && view(&cluster).nodes.is_empty());
    api.set_down(false);
    let synced = tokio::time::timeout(LIMIT + LIMIT, cluster.synced()).await;
    assert!(synced.is_ok(), "never synced");
}

#[test]
fn new_settings_change_the_view() {
    run(async {
        let api = Api::start().await;
        api.put("/api/v1/nodes/a1", node("arm"));
        let cluster = start(&api, DeclaredNodes::default()).await;
        assert_eq!(platforms(&view(&cluster)), ["linux/arm/v7: a1"]);
        let text = "nodes: {overrides: [{variant: v6}]}\npools: [{name: z, platform: linux/s390x}]";
        let configuration = Configuration::parse(text).unwrap();
        cluster.set_settings(DeclaredNodes {
            overrides: configuration.nodes.overrides,
            pools: configuration.pools,
            ..DeclaredNodes::default()
        });
        shows(&cluster, &["linux/arm/v6: a1", "linux/s390x: z"]).await;
    });
}

/// As [`start`], with many looks for kinds of pools.
async fn start_looking(api: &Api) -> Cluster {
    let every = Duration::from_millis(20);
    let settings = DeclaredNodes::default();
    let (cluster, work) = watch_discovering(api.client(), settings, Accounts::Watched, every);
    tokio::spawn(work);
    cluster.synced().await;
    cluster
}

fn node_pool(architecture: &str) -> Value {
    let wanted = json!({"key": "kubernetes.io/arch", "operator": "In", "values": [architecture]});
    json!({
        "apiVersion": "karpenter.sh/v1", "kind": "NodePool",
        "spec": {"template": {"spec": {"requirements": [wanted]}}},
    })
}

const POOLS: &str = "/apis/karpenter.sh/v1/nodepools";

#[test]
fn pools_are_picked_up_when_their_kind_appears_and_forgotten_when_it_goes() {
    run(async {
        let api = Api::start().await;
        api.put("/api/v1/nodes/a1", node("amd64"));
        let cluster = start_looking(&api).await;
        assert_eq!(platforms(&view(&cluster)), ["linux/amd64: a1"]);
        assert_eq!(api.requests(&format!("GET {POOLS}")), 0);
        api.install("karpenter.sh/v1", &["nodepools", "nodeclaims"]);
        api.put(&format!("{POOLS}/arm"), node_pool("arm64"));
        shows(&cluster, &["linux/amd64: a1", "linux/arm64: arm"]).await;
        api.put(&format!("{POOLS}/arm"), node_pool("s390x"));
        shows(&cluster, &["linux/amd64: a1", "linux/s390x: arm"]).await;
        api.uninstall("karpenter.sh/v1");
        shows(&cluster, &["linux/amd64: a1"]).await;
        // And again, in another version.
        api.install("karpenter.sh/v1beta1", &["nodepools"]);
        let path = "/apis/karpenter.sh/v1beta1/nodepools/z";
        api.put(path, node_pool("s390x"));
        shows(&cluster, &["linux/amd64: a1", "linux/s390x: z"]).await;
        api.delete(path);
        shows(&cluster, &["linux/amd64: a1"]).await;
    });
}

#[tokio::test(start_paused = true)]
async fn openshift_adds_a_projects_selector_by_itself() {
    let api = Api::in_memory();
    api.put("/api/v1/nodes/a1", node("amd64"));
    let annotations = json!({"openshift.io/node-selector": "pool=z",
        "scheduler.alpha.kubernetes.io/node-selector": "pool=y"});
    let project = json!({"metadata": {"annotations": annotations}});
    api.put("/api/v1/namespaces/web", project);
    let cluster = start_with(api.direct_client(), DeclaredNodes::default()).await;
    let pool = |view: &View| {
        let selector = view.placement_defaults("web", None).node_selector;
        selector.get("pool").cloned()
    };
    assert_eq!(pool(&view(&cluster)), None);
    let mut views = cluster.views();
    let mut becomes = async |expected: Option<&str>| {
        let shown = views.wait_for(|_| pool(&view(&cluster)).as_deref() == expected);
        let shown = tokio::time::timeout(LIMIT + LIMIT, shown).await;
        assert!(shown.is_ok(), "never {expected:?}");
    };
    api.install("config.openshift.io/v1", &["clusterversions"]);
    becomes(Some("z")).await;
    api.uninstall("config.openshift.io/v1");
    becomes(None).await;
}

#[test]
fn a_cluster_is_ready_with_the_pools_that_it_has() {
    run(async {
        let api = Api::start().await;
        api.install("karpenter.sh/v1", &["nodepools"]);
        api.install(
            "cluster.x-k8s.io/v1beta2",
            &["machinedeployments", "machinesets"],
        );
        api.put(&format!("{POOLS}/arm"), node_pool("arm64"));
        let key = |which: &str| {
            format!("cluster.x-k8s.io/cluster-api-autoscaler-node-group-{which}-size")
        };
        let labels = "capacity.cluster-autoscaler.kubernetes.io/labels";
        let annotations = json!({
            key("min"): "0", key("max"): "3", labels: "kubernetes.io/arch=s390x",
        });
        api.put(
            "/apis/cluster.x-k8s.io/v1beta2/machinedeployments/z",
            json!({
                "apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "MachineDeployment",
                "metadata": {"namespace": "capi", "annotations": annotations},
            }),
        );
        let cluster = start(&api, DeclaredNodes::default()).await;
        assert_eq!(
            platforms(&view(&cluster)),
            ["linux/arm64: arm", "linux/s390x: capi/z"]
        );
    });
}

#[test]
fn whoever_may_not_read_pools_is_ready_without_them() {
    run(async {
        let api = Api::start().await;
        api.install("karpenter.sh/v1", &["nodepools"]);
        api.forbid(POOLS);
        api.put("/api/v1/nodes/a1", node("amd64"));
        let cluster = start(&api, DeclaredNodes::default()).await;
        assert_eq!(platforms(&view(&cluster)), ["linux/amd64: a1"]);
    });
}

#[test]
fn a_broken_pool_is_left_out_and_repaired() {
    run(async {
        let api = Api::start().await;
        api.install("karpenter.sh/v1", &["nodepools"]);
        let mut broken = node_pool("arm64");
        broken["spec"]["template"]["spec"]["requirements"][0]["operator"] = json!("Near");
        api.put(&format!("{POOLS}/arm"), broken);
        let cluster = start(&api, DeclaredNodes::default()).await;
        assert!(view(&cluster).nodes.is_empty());
        api.put(&format!("{POOLS}/arm"), node_pool("arm64"));
        shows(&cluster, &["linux/arm64: arm"]).await;
    });
}

#[test]
fn configuration_settles_an_architecture_that_a_pool_leaves_open() {
    run(async {
        let api = Api::start().await;
        api.install("karpenter.sh/v1", &["nodepools"]);
        api.put(&format!("{POOLS}/any"), json!({"spec": {}}));
        let cluster = start(&api, DeclaredNodes::default()).await;
        assert_eq!(platforms(&view(&cluster)), ["linux/unknown: any"]);
        let text = "nodes: {overrides: [{selector: {karpenter.sh/nodepool: any}, architectures: [amd64, arm64]}]}";
        let configuration = Configuration::parse(text).unwrap();
        cluster.set_settings(DeclaredNodes {
            overrides: configuration.nodes.overrides,
            pools: configuration.pools,
            ..DeclaredNodes::default()
        });
        shows(&cluster, &["linux/amd64: any", "linux/arm64: any"]).await;
    });
}

#[tokio::test(start_paused = true)]
async fn the_view_ages_while_the_api_server_is_silent_or_refuses() {
    let api = Api::in_memory();
    api.put("/api/v1/nodes/a1", node("amd64"));
    let cluster = start_with(api.direct_client(), DeclaredNodes::default()).await;
    let freshness = cluster.freshness();
    let minute = Duration::from_secs(60);
    let still = |cluster: &Cluster| platforms(&view(cluster)) == ["linux/amd64: a1"];
    for _ in 0..10 {
        tokio::time::sleep(minute).await;
        assert!(freshness.age() <= minute / 2, "{:?}", freshness.age());
    }
    api.set_silent(true);
    tokio::time::sleep(10 * minute).await;
    assert!(freshness.age() >= 9 * minute, "{:?}", freshness.age());
    assert!(still(&cluster));
    api.set_silent(false);
    tokio::time::sleep(3 * minute).await;
    assert!(freshness.age() <= minute, "{:?}", freshness.age());
    api.set_down(true);
    tokio::time::sleep(10 * minute).await;
    assert!(freshness.age() >= 9 * minute, "{:?}", freshness.age());
    api.set_down(false);
    tokio::time::sleep(3 * minute).await;
    assert!(still(&cluster) && freshness.age() <= minute);
}
