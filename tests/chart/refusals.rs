//! What cannot work is refused before anything is installed, with a sentence.

use serde_json::{Value, json};

use crate::Test;
use crate::helm::{refusal, refusal_in, render};

pub const TESTS: &[(&str, Test)] = &[
    ("what_cannot_work_is_refused_with_a_sentence", refused),
    ("what_works_is_not_refused", taken),
    ("unknown_values_are_refused_by_name", unknown),
    ("kube_system_is_no_place_for_the_webhook", kube_system),
];

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

fn refused() {
    let existing = |more: Value| {
        let mut values = json!({"certificates": {"mode": "existing-secret", "secretName": "tls"}});
        for (key, value) in more.as_object().unwrap() {
            values["certificates"][key] = value.clone();
        }
        values
    };
    for (values, sentence) in [
        (
            json!({"replicas": 1, "webhook": {"failurePolicy": "Fail"}}),
            "Fail with one replica refuses workloads whenever that one restarts",
        ),
        (
            json!({"certificates": {"mode": "cert-manager"}}),
            "this version does not have it yet",
        ),
        (
            json!({"certificates": {"mode": "existing-secret", "caBundle": CERTIFICATE}}),
            "certificates.secretName is needed",
        ),
        (existing(json!({})), "existing-secret without a CA"),
        (
            existing(json!({"caBundle": "LS0tLS1CRUdJTg=="})),
            "it is PEM as in a file, not base64 of it",
        ),
        (
            json!({"serviceAccount": {"create": false}}),
            "needs serviceAccount.name",
        ),
        (
            json!({"webhook": {"port": 9090}}),
            "webhook.port and status.port are the same",
        ),
        (json!({"hostNetwork": true}), "10250 is the kubelet's port"),
        (
            json!({"hostNetwork": true, "webhook": {"port": 8443}, "networkPolicy": {"enabled": true}}),
            "does nothing with hostNetwork",
        ),
        (
            json!({"config": {"credentials": {"secrets": "cluster"}}}),
            "may ask in any namespace's name",
        ),
        (
            json!({"config": {"credentials": {"secrets": {"namespaces": ["web"]}}}}),
            "may ask in any namespace's name",
        ),
        // Open to every address is no protection.
        (
            json!({"config": {"credentials": {"secrets": "cluster"}}, "networkPolicy": {"enabled": true}}),
            "may ask in any namespace's name",
        ),
        (
            json!({"config": {"credentials": {"secrets": "cluster"}}, "networkPolicy": {"apiServer": ["10.0.0.1/32"]}}),
            "may ask in any namespace's name",
        ),
        (
            json!({"config": {"audit": {"interval": "9s"}}}),
            "config.audit.interval is 9s: 10s is the shortest",
        ),
        (
            json!({"config": {"audit": {"interval": "0h0m9s"}}, "audit": {"enabled": true}}),
            "10s is the shortest",
        ),
        (
            json!({"audit": {"enabled": true}, "serviceAccount": {"create": false, "name": "robot"}}),
            "needs audit.serviceAccountName",
        ),
        (
            json!({"audit": {"enabled": true, "serviceAccountName": "archmatch"}}),
            "would get the audit's rights",
        ),
        (
            json!({"audit": {"enabled": true}, "nameOverride": "a".repeat(58)}),
            "nameOverride is too long with audit.enabled",
        ),
        (
            json!({"config": {"pools": [{"name": "a".repeat(300_000), "platform": "linux/s390x"}]}}),
            "config is too large",
        ),
    ] {
        let said = refusal(&values);
        assert!(said.contains(sentence), "{sentence} in {said}");
    }
}

fn taken() {
    let secrets = json!({"credentials": {"secrets": "cluster"}});
    let mut authenticated = secrets.clone();
    authenticated["clientAuth"] = json!({"ca": "/ca.crt"});
    for values in [
        json!({"replicas": 2, "webhook": {"failurePolicy": "Fail"}}),
        json!({"replicas": 1}),
        json!({"certificates": {"mode": "existing-secret", "secretName": "tls", "caBundle": CERTIFICATE}}),
        json!({"certificates": {"mode": "existing-secret", "secretName": "tls"},
            "webhook": {"annotations": {"cert-manager.io/inject-ca-from": "a/b"}}}),
        json!({"serviceAccount": {"create": false, "name": "robot"}}),
        json!({"hostNetwork": true, "webhook": {"port": 8443}}),
        json!({"config": authenticated}),
        json!({"config": secrets, "networkPolicy": {"elsewhere": true}}),
        json!({"config": secrets, "networkPolicy": {"enabled": true, "apiServer": ["10.0.0.1/32"]}}),
        json!({"config": {"credentials": {"secrets": "none"}}}),
        json!({"config": {"audit": {"interval": "10s"}}}),
        json!({"audit": {"enabled": true}, "config": {"audit": {"interval": "0m010s"}}}),
        json!({"audit": {"enabled": true}, "nameOverride": "a".repeat(57)}),
        json!({"nameOverride": "a".repeat(63)}),
        json!({"audit": {"enabled": true}, "hostNetwork": true, "webhook": {"port": 8443}}),
    ] {
        render("a", &values);
    }
}

fn unknown() {
    for (values, name) in [
        (json!({"replica": 3}), "replica"),
        (json!({"image": {"name": "a"}}), "name"),
        (json!({"webhook": {"ports": 1}}), "ports"),
        (json!({"webhook": {"port": 443}}), "/webhook/port"),
        (
            json!({"podSecurityContext": {"runAsRoot": true}}),
            "runAsRoot",
        ),
        (json!({"securityContext": {"fsGroup": 1}}), "fsGroup"),
        (
            json!({"networkPolicy": {"apiServer": ["10.0.0.1"]}}),
            "/networkPolicy/apiServer/0",
        ),
        (
            json!({"networkPolicy": {"apiServer": []}}),
            "/networkPolicy/apiServer",
        ),
        (
            json!({"networkPolicy": {"from": [{}]}}),
            "/networkPolicy/from/0",
        ),
        (
            json!({"service": {"ipFamilies": ["IPv5"]}}),
            "/service/ipFamilies/0",
        ),
        (json!({"audit": {"enable": true}}), "enable"),
        (json!({"audit": {"interval": "1h"}}), "interval"),
        (
            json!({"audit": {"extraArgs": ["5m"]}}),
            "/audit/extraArgs/0",
        ),
        (
            json!({"audit": {"resources": {"limit": {}}}}),
            "/audit/resources",
        ),
        (
            json!({"config": {"audit": {"reports": "all"}}}),
            "/config/audit/reports",
        ),
        (json!({"prometheusRule": {"rules": []}}), "rules"),
        (json!({"dashboard": {"label": {}}}), "label"),
        (
            json!({"dashboard": {"namespace": "A b"}}),
            "/dashboard/namespace",
        ),
        (json!({"extraArgs": ["serve"]}), "/extraArgs/0"),
        (json!({"extraEnv": [{"value": "1"}]}), "/extraEnv/0"),
        (json!({"commonLabels": {"a": 1}}), "/commonLabels/a"),
        (
            json!({"policy": {"controllers": ["a\nb"]}}),
            "/policy/controllers/0",
        ),
        (json!({"fullnameOverride": "1a"}), "/fullnameOverride"),
    ] {
        let said = refusal(&values);
        assert!(said.contains(name), "{name} in {said}");
    }
}

fn kube_system() {
    let said = refusal_in("kube-system", &json!({}));
    assert!(said.contains("a namespace of its own"), "{said}");
}
