mod reference;

use proptest::prelude::*;

use super::*;
use crate::domain::node::Source;
use crate::domain::policy::Level;
use crate::domain::runtime::Runtime;
use crate::registry::Addresses;

/// A sample with every key.
const SAMPLE: &str = r#"
apiVersion: archmatch.io/v1alpha1
kind: Configuration
policy: {enforce: runnable, warn: portable, audit: portable, onUnknown: warn, ownedPods: warn, controllers: [], verifyChildren: false}
nodes:
  countCordoned: false
  tolerationComparison: false      # the cluster's TaintTolerationComparisonOperators gate
  admissionPlugins: []             # PodNodeSelector, PodTolerationRestriction, OpenShift: what the cluster adds to pods
  overrides:                       # first match wins; what a node does not say of itself
  - selector: {pool: legacy}
    runtime: docker                # containerd-transfer | containerd-local | cri-o | docker
    variant: v7
    emulates: [linux/arm64]
pools:                             # nodes that do not exist yet
- {name: z, platform: linux/s390x, runtime: containerd-transfer, labels: {pool: z}, taints: [{key: z, value: "1", effect: NoSchedule}]}
registries:                        # by host, glob; first match wins
- host: registry.example:5000
  plainHttp: true
  ca: /etc/ca.pem
  addresses: private               # public | private (public and private ranges, the default) | any (loopback and link-local too)
  mirrors: ["mirror.example/dockerhub"]
  blocked: false
  concurrency: 8                   # default
  requestsPerSecond: 50            # default; bursts of as many
credentials:
  secrets: none                    # none | namespaces: [a, b] | cluster
  dockerConfig: /etc/docker/config.json
  providers: {config: /etc/providers.yaml, binDir: /providers}
clientAuth: {ca: /etc/apiserver-client-ca.crt, names: [kube-apiserver]}
kinds:                             # further workload kinds
- {group: argoproj.io, version: v1alpha1, resource: rollouts, templates: [spec.template]}
cache: {file: /var/cache/archmatch/cache, digests: 20000, tagSeconds: 300}
audit: {interval: 1h, reports: openreports, events: true, suggest: true}   # openreports | policyreport | auto | none
"#;

#[test]
fn the_sample_of_the_contract_is_taken() {
    let found = Configuration::parse(SAMPLE).unwrap();
    assert_eq!(found.policy, PolicySettings::default());
    let text = |text: &str| text.to_owned();
    assert_eq!(
        found.nodes.overrides,
        [NodeOverride {
            architectures: Vec::new(),
            selector: [(text("pool"), text("legacy"))].into(),
            runtime: Some(Runtime::Docker),
            variant: Some(text("v7")),
            os_features: BTreeSet::new(),
            emulates: vec!["linux/arm64".parse().unwrap()],
        }]
    );
    let pool = found.pools[0].to_node();
    assert_eq!((&*pool.name, pool.source), ("z", Source::Pool));
    assert_eq!(pool.platform.platform.to_string(), "linux/s390x");
    assert_eq!(pool.labels["pool"], "z");
    assert_eq!(pool.labels["kubernetes.io/arch"], "s390x");
    assert_eq!(pool.taints[0].to_string(), "z=1:NoSchedule");
    assert_eq!(
        found.registries,
        [HostSettings {
            plain_http: true,
            ca: Some("/etc/ca.pem".into()),
            mirrors: vec![text("mirror.example/dockerhub").try_into().unwrap()],
            ..HostSettings::new("registry.example:5000")
        }]
    );
    assert_eq!(
        found.credentials.docker_config,
        Some("/etc/docker/config.json".into())
    );
    let client_auth = found.client_auth.as_ref().unwrap();
    assert!(client_auth.names.contains("kube-apiserver"));
    assert_eq!(found.kinds[0].templates, ["spec.template".parse().unwrap()]);
    assert_eq!(found.cache.digests, 20_000);
    assert_eq!(found.audit.interval, Some(Duration::from_secs(3600)));
    assert_eq!((found.audit.events, found.audit.suggest), (true, true));
    assert_eq!(found.audit.reports, ReportObjects::Openreports);
}

#[test]
fn nothing_written_is_the_default() {
    for text in [
        "",
        "\n",
        "# only a comment\n",
        "{}",
        "---\n",
        "policy:\nnodes: ~\npools: null\n",
        "nodes: {countCordoned: ~}\ncache: {digests: ~, file: null}\npolicy: {controllers: ~}\n",
    ] {
        let found = Configuration::parse(text).expect(text);
        assert_eq!(found, Configuration::default(), "{text:?}");
    }
}

#[test]
fn every_value_can_be_set() {
    let found = Configuration::parse(
        r#"
policy: {enforce: portable, warn: "off", audit: off, onUnknown: deny, ownedPods: enforce, controllers: [a, b], foreignImages: [quay.io/*], verifyChildren: true}
nodes: {countCordoned: true, tolerationComparison: true, admissionPlugins: [OpenShift, PodNodeSelector, OpenShift], overrides: [{variant: "", osFeatures: [erofs]}]}
pools: [{name: a, platform: linux/arm64, labels: {kubernetes.io/arch: other, empty: ""}, taints: [{key: k, value: "", effect: NoExecute}]}]
registries: [{host: "*", addresses: any, blocked: true, concurrency: 1, requestsPerSecond: 2}]
credentials: {secrets: {namespaces: [x, y]}}
clientAuth: {ca: ca.pem}
cache: {tagSeconds: 7}
audit: {interval: 1h30m5s, reports: none}
"#,
    )
    .unwrap();
    let levels = Levels {
        enforce: Level::Portable,
        warn: Level::Off,
        audit: Level::Off,
    };
    assert_eq!(found.policy.levels(), levels);
    assert_eq!(found.policy.on_unknown, OnUnknown::Deny);
    assert_eq!(found.policy.owned_pods, OwnedPods::Enforce);
    assert_eq!(found.policy.foreign_images.0, ["quay.io/*"]);
    assert!(found.policy.verify_children && found.policy.controllers == ["a", "b"]);
    assert!(found.nodes.count_cordoned);
    let plugins = [AdmissionPlugin::PodNodeSelector, AdmissionPlugin::OpenShift];
    assert_eq!(found.nodes.admission_plugins, plugins.into());
    assert!(found.nodes.toleration_comparison);
    let settings = &found.nodes.overrides[0];
    assert_eq!(settings.variant.as_deref(), Some(""));
    assert!(settings.os_features.contains("erofs"));
    let pool = found.pools[0].to_node();
    assert_eq!(pool.platform.platform.variant, "v8");
    assert_eq!(pool.labels["kubernetes.io/arch"], "other");
    assert_eq!(pool.labels["empty"], "");
    assert_eq!(pool.taints[0].to_string(), "k:NoExecute");
    assert_eq!(found.registries[0].addresses, Addresses::Any);
    let namespaces = ["x", "y"].map(str::to_owned);
    assert_eq!(
        found.credentials.secrets,
        SecretAccess::Namespaces(namespaces.into())
    );
    assert_eq!(found.cache.tag_seconds, 7);
    assert_eq!(found.audit.interval, Some(Duration::from_secs(5405)));
    assert_eq!((found.audit.events, found.audit.suggest), (false, false));
    assert_eq!(found.audit.reports, ReportObjects::None);
}

#[test]
fn what_is_wrong_is_named_with_line_and_path() {
    let mut wrong = Vec::new();
    for (text, expected) in [
        (
            "registries:\n- hots: a\n",
            "line 2: registries[0].hots: unknown key, expected one of host, plainHttp",
        ),
        (
            "polcy: {}",
            "line 1: polcy: unknown key, expected one of apiVersion, kind, policy",
        ),
        (
            "policy:\n  enforce: strict\n",
            "line 2: policy.enforce: unknown value \"strict\", expected one of off, runnable, portable",
        ),
        (
            "policy:\n  enforce: true\n",
            "line 2: policy.enforce: expected text, found true or false",
        ),
        ("policy: []", "line 1: policy: expected a map, found a list"),
        (
            "policy: {onUnknown: deney}",
            "line 1: policy.onUnknown: unknown value \"deney\", expected one of allow, warn, deny; the nearest is deny",
        ),
        (
            "nodes: {admissionPlugins: [podnodeselectors]}",
            "line 1: nodes.admissionPlugins[0]: unknown value \"podnodeselectors\", expected one of \
             PodNodeSelector, PodTolerationRestriction, OpenShift; the nearest is PodNodeSelector",
        ),
        (
            "nodes: {admissionPlugins: OpenShift}",
            "line 1: nodes.admissionPlugins: expected a list, found text",
        ),
        (
            "policy: {verifyChildren: yes}",
            "line 1: policy.verifyChildren: expected true or false, found text",
        ),
        (
            "apiVersion: v1\n",
            "line 1: apiVersion: unknown value \"v1\", expected one of archmatch.io/v1alpha1",
        ),
        (
            "kind: Config\n",
            "line 1: kind: unknown value \"Config\", expected one of Configuration",
        ),
        (
            "nodes:\n  overrides:\n  - runtime: podman\n",
            "line 3: nodes.overrides[0].runtime: unknown value \"podman\", expected one of containerd-transfer, ",
        ),
        (
            "nodes:\n  overrides:\n  - emulates: [arm64]\n",
            "line 3: nodes.overrides[0].emulates[0]: parse platform \"arm64\"",
        ),
        (
            "nodes: {overrides: [{selector: {a: 1}}]}",
            "line 1: nodes.overrides[0].selector.a: expected text, found a number; write it in quotes",
        ),
        (
            "pools:\n- {platform: linux/s390x}\n",
            "line 2: pools[0]: key name is missing",
        ),
        (
            "pools:\n- {name: z}\n",
            "line 2: pools[0]: key platform is missing",
        ),
        (
            "pools:\n- &a {name: z, platform: linux/s390x}\n- *a\n",
            "line 3: pools[1]: a second pool named \"z\"",
        ),
        (
            "pools: [{name: z, platform: linux/s390x, taints: [{key: a, effect: noSchedule}]}]",
            "line 1: pools[0].taints[0].effect: unknown value",
        ),
        (
            "registries: [{host: 'https://a'}]",
            "line 1: registries[0].host: expected a host",
        ),
        (
            "registries: [{host: a, mirrors: ['https://a']}]",
            "line 1: registries[0].mirrors[0]: expected a mirror as host/prefix",
        ),
        (
            "registries: [{host: a, concurrency: 0}]",
            "line 1: registries[0].concurrency: expected a whole number above zero",
        ),
        (
            "registries: [{host: a, concurrency: 1.5}]",
            "line 1: registries[0].concurrency: expected a whole number above zero",
        ),
        (
            "registries: [{host: a, concurrency: -3}]",
            "line 1: registries[0].concurrency: expected a whole number above zero",
        ),
        (
            "registries: [{host: a, concurrency: 4294967296}]",
            "line 1: registries[0].concurrency: expected a whole number above zero and below 4294967296",
        ),
        (
            "cache:\n  tagSeconds: 0\n",
            "line 2: cache.tagSeconds: expected a whole number above zero",
        ),
        (
            "registries: [{host: ''}]",
            "line 1: registries[0].host: expected text, found nothing",
        ),
        (
            "registries: [{host: a, ca: ''}]",
            "line 1: registries[0].ca: expected text, found nothing",
        ),
        (
            "registries: [{host: ~}]",
            "line 1: registries[0]: key host is missing",
        ),
        (
            "registries:\n- host: a\n  mirrors: [mirror]\n",
            "line 3: registries[0].mirrors[0]: expected a mirror as host/prefix",
        ),
        (
            "pools: [[z, linux/s390x]]",
            "line 1: pools[0]: expected a map, found a list",
        ),
        (
            "nodes: {overrides: [{selector: {a: ~}}]}",
            "line 1: nodes.overrides[0].selector.a: expected text, found nothing",
        ),
        (
            "credentials: {secrets: all}",
            "line 1: credentials.secrets: unknown value \"all\", expected one of none, cluster, namespaces",
        ),
        (
            "credentials: {secrets: {namespace: [a]}}",
            "line 1: credentials.secrets: unknown value \"namespace\", expected one of none, cluster, \
             namespaces; the nearest is namespaces",
        ),
        (
            "credentials: {providers: {config: a}}",
            "line 1: credentials.providers: key binDir is missing",
        ),
        ("clientAuth: {}", "line 1: clientAuth: key ca is missing"),
        (
            "kinds: [{group: a, version: v1, resource: bs, templates: []}]",
            "line 1: kinds[0].templates: expected at least one path",
        ),
        (
            "kinds: [{group: a, version: v1, resource: Rollout, templates: [spec.template]}]",
            "line 1: kinds[0].resource: expected a resource in the plural and in lower case",
        ),
        (
            "kinds: [{group: a, version: v1, resource: bs, templates: [spec..x]}]",
            "line 1: kinds[0].templates[0]: parse path \"spec..x\": expected fields separated by dots",
        ),
        (
            "audit: {interval: 9s}",
            "line 1: audit.interval: expected a duration of 10s or more",
        ),
        (
            "audit: {interval: 1d}",
            "line 1: audit.interval: expected a duration",
        ),
        (
            "audit: {interval: 10}",
            "line 1: audit.interval: expected text, found a number",
        ),
        (
            "audit:\n  interval: 1h\n  interval: 2h\n",
            "line 3: duplicate mapping key: interval",
        ),
        ("policy: {\n", "line "),
        ("a: b: c\n", "line 1: "),
        (
            "policy: {}\n---\npolicy: {}\n",
            "line 3: expected one document",
        ),
        ("- a\n", "line 1: expected a map, found a list"),
        ("text", "line 1: expected a map, found text"),
    ] {
        let error = Configuration::parse(text).expect_err(text).to_string();
        if !error.starts_with(expected) || error.contains('\n') {
            wrong.push(format!("{text:?}\n found {error}\n expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let last = level - 1;
        let items = vec![format!("*a{last}"); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    assert!(Configuration::parse(&text).is_err());
    assert!(Configuration::parse(&"[".repeat(100_000)).is_err());
    assert!(Configuration::parse(&" ".repeat(2 << 20)).is_err());
}

#[test]
fn a_file_is_named_in_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    let absent = Configuration::load(&path).unwrap_err().to_string();
    assert!(
        absent.starts_with(&format!("{}: ", path.display())),
        "{absent}"
    );
    std::fs::write(&path, "policy:\n  enforce: x\n").unwrap();
    let wrong = Configuration::load(&path).unwrap_err();
    assert_eq!(wrong.path(), "policy.enforce");
    let start = format!("{}:2: policy.enforce: ", path.display());
    assert!(wrong.to_string().starts_with(&start), "{wrong}");
    std::fs::write(&path, SAMPLE).unwrap();
    assert!(Configuration::load(&path).is_ok());
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[a-z\\[\\]{}:,&*!|>'\"#%\n \t-]{0,80}|\\PC{0,40}") {
        let _ = Configuration::parse(&text);
    }
}

#[test]
fn an_override_settles_architectures_by_their_plain_names() {
    let text = "nodes: {overrides: [{selector: {karpenter.sh/nodepool: x}, architectures: [amd64, s390x]}]}";
    let found = Configuration::parse(text).unwrap();
    let names = ["amd64", "s390x"].map(|name| name.to_owned().try_into().unwrap());
    assert_eq!(found.nodes.overrides[0].architectures, names);
    for wrong in [
        "x86_64",
        "arm64/v8",
        "linux/arm64",
        "\"\"",
        "a b",
        "[amd64]",
    ] {
        let text = format!("nodes: {{overrides: [{{architectures: [{wrong}]}}]}}");
        let error = Configuration::parse(&text).expect_err(wrong);
        assert_eq!(
            error.path(),
            "nodes.overrides[0].architectures[0]",
            "{wrong}"
        );
    }
}
