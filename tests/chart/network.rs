//! Who reaches the webhook, and by which family of addresses.

use serde_json::{Value, json};

use crate::Test;
use crate::helm::{Rendered, render};

pub const TESTS: &[(&str, Test)] = &[
    ("listeners_take_both_families", listeners),
    ("a_service_has_the_families_that_it_is_given", families),
    (
        "a_network_policy_lets_the_api_server_and_monitoring_in",
        policy,
    ),
    ("egress_is_open_unless_rules_are_given", egress),
    (
        "on_the_nodes_network_ports_and_names_are_the_nodes",
        host_network,
    ),
    ("monitors_find_the_status_port", monitors),
];

fn arguments(rendered: &Rendered) -> Vec<&str> {
    let arguments = rendered.container()["args"].as_array().unwrap();
    arguments
        .iter()
        .map(|argument| argument.as_str().unwrap())
        .collect()
}

fn listeners() {
    let plain = render("a", &json!({}));
    assert!(arguments(&plain).contains(&"--listen=[::]:10250"));
    assert!(arguments(&plain).contains(&"--status-listen=[::]:9090"));
    let other = render(
        "a",
        &json!({"webhook": {"port": 8443}, "status": {"port": 8080}}),
    );
    assert!(arguments(&other).contains(&"--listen=[::]:8443"));
    assert!(arguments(&other).contains(&"--status-listen=[::]:8080"));
    let ports: Vec<&Value> = other.container()["ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|port| &port["containerPort"])
        .collect();
    assert_eq!(ports, [8443, 8080]);
}

fn families() {
    let plain = render("a", &json!({}));
    for field in ["ipFamilyPolicy", "ipFamilies", "trafficDistribution"] {
        assert!(
            plain.one("Service")["spec"].get(field).is_none(),
            "the cluster's default"
        );
    }
    for (policy, families) in [
        ("SingleStack", json!(["IPv6"])),
        ("PreferDualStack", json!(["IPv6", "IPv4"])),
        ("RequireDualStack", json!(["IPv4", "IPv6"])),
    ] {
        let values = json!({"service": {"ipFamilyPolicy": policy, "ipFamilies": families, "trafficDistribution": "PreferClose"}});
        let rendered = render("a", &values);
        let service = &rendered.one("Service")["spec"];
        assert_eq!(service["ipFamilyPolicy"], policy);
        assert_eq!(service["ipFamilies"], families);
        assert_eq!(service["trafficDistribution"], "PreferClose");
    }
}

fn policy() {
    assert!(render("a", &json!({})).all("NetworkPolicy").is_empty());
    let agents = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}, "podSelector": {"matchLabels": {"k8s-app": "konnectivity-agent"}}});
    let prometheus = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}});
    let values = json!({
        "webhook": {"port": 8443},
        "networkPolicy": {"enabled": true, "apiServer": ["10.0.0.0/28", "fd00::1/128"], "from": [agents], "monitoring": [prometheus]},
    });
    let rendered = render("a", &values);
    let spec = &rendered.one("NetworkPolicy")["spec"];
    assert_eq!(spec["policyTypes"], json!(["Ingress"]));
    let webhook = json!({
        "ports": [{"port": 8443, "protocol": "TCP"}],
        "from": [{"ipBlock": {"cidr": "10.0.0.0/28"}}, {"ipBlock": {"cidr": "fd00::1/128"}}, agents],
    });
    let status = json!({"ports": [{"port": 9090, "protocol": "TCP"}], "from": [prometheus]});
    assert_eq!(spec["ingress"], json!([webhook, status]));
    // An empty list of peers would let in everybody.
    let nobody = json!({"networkPolicy": {"enabled": true, "monitoring": []}});
    let rendered = render("a", &nobody);
    let ingress = rendered.one("NetworkPolicy")["spec"]["ingress"]
        .as_array()
        .unwrap();
    assert_eq!(ingress.len(), 1);
    assert_eq!(ingress[0]["from"].as_array().unwrap().len(), 2);
}

fn egress() {
    let rule = json!({"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 443, "protocol": "TCP"}]});
    let rendered = render(
        "a",
        &json!({"networkPolicy": {"enabled": true, "egress": [rule]}}),
    );
    let spec = &rendered.one("NetworkPolicy")["spec"];
    assert_eq!(spec["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(spec["egress"], json!([rule]));
}

fn host_network() {
    let plain = render("a", &json!({}));
    assert!(plain.pod().get("hostNetwork").is_none() && plain.pod().get("dnsPolicy").is_none());
    let strategy = |rendered: &Rendered| {
        rendered.one("Deployment")["spec"]["strategy"]["rollingUpdate"].clone()
    };
    assert_eq!(
        strategy(&plain),
        json!({"maxUnavailable": 0, "maxSurge": 1})
    );
    let rendered = render(
        "a",
        &json!({"hostNetwork": true, "webhook": {"port": 18443}}),
    );
    assert_eq!(rendered.pod()["hostNetwork"], true);
    assert_eq!(rendered.pod()["dnsPolicy"], "ClusterFirstWithHostNet");
    // A further replica would wait for ever for the port of one that stays.
    assert_eq!(
        strategy(&rendered),
        json!({"maxUnavailable": 1, "maxSurge": 0})
    );
    let own = render(
        "a",
        &json!({"hostNetwork": true, "webhook": {"port": 18443}, "dnsPolicy": "Default"}),
    );
    assert_eq!(own.pod()["dnsPolicy"], "Default");
}

fn monitors() {
    let plain = render("a", &json!({}));
    assert_eq!(
        plain.one("Service")["spec"]["ports"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let labels = json!({"release": "prometheus"});
    let both = json!({"enabled": true, "interval": "30s", "labels": labels});
    let rendered = render("a", &json!({"podMonitor": both, "serviceMonitor": both}));
    let endpoint = json!([{"port": "status", "path": "/metrics", "interval": "30s"}]);
    for (kind, field) in [
        ("PodMonitor", "podMetricsEndpoints"),
        ("ServiceMonitor", "endpoints"),
    ] {
        let monitor = rendered.one(kind);
        assert_eq!(monitor["spec"][field], endpoint, "{kind}");
        assert_eq!(monitor["metadata"]["labels"]["release"], "prometheus");
        let selector = &monitor["spec"]["selector"]["matchLabels"];
        assert_eq!(*selector, rendered.one("Service")["spec"]["selector"]);
    }
    let names = |list: &Value| -> Vec<String> {
        let ports = list.as_array().unwrap().iter();
        ports
            .map(|port| port["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(names(&rendered.one("Service")["spec"]["ports"]).contains(&"status".to_owned()));
    assert!(names(&rendered.container()["ports"]).contains(&"status".to_owned()));
}
