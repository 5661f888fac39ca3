//! What happens to the certificates that the replicas share, and to the caBundle by which
//! the API server trusts them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::{Value, json};

use crate::cluster::{Cluster, eventually};
use crate::product::{self, NAME};

/// The Secret of the release.
const SECRET: &str = "archmatch-tls";

/// The CA of the Secret, with its key.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    names: Vec<String>,
}

impl Authority {
    /// Reads it from the Secret.
    pub fn read(cluster: &Cluster) -> Self {
        let data = secret(cluster);
        let key = KeyPair::from_pem(&text(&data["ca.key"])).expect("the CA's key");
        let issuer = Issuer::from_ca_cert_pem(&text(&data["ca.crt"]), key).expect("the CA");
        // As the program makes them.
        let service = [
            NAME.to_owned(),
            format!("{NAME}.{NAME}"),
            format!("{NAME}.{NAME}.svc"),
        ];
        let others = [
            format!("{NAME}.{NAME}.svc.cluster.local"),
            "localhost".to_owned(),
            "127.0.0.1".to_owned(),
            "::1".to_owned(),
        ];
        Self {
            issuer,
            names: service.into_iter().chain(others).collect(),
        }
    }

    /// Puts another leaf into the Secret, as a renewal does.
    pub fn renew_leaf(&self, cluster: &Cluster) {
        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new(self.names.clone()).unwrap();
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.use_authority_key_identifier_extension = true;
        let now = std::time::SystemTime::now();
        leaf.not_before = (now - std::time::Duration::from_secs(60)).into();
        leaf.not_after = (now + std::time::Duration::from_secs(90 * 24 * 60 * 60)).into();
        let leaf = leaf.signed_by(&key, &self.issuer).unwrap();
        let patch = json!({"stringData": {"tls.crt": leaf.pem(), "tls.key": key.serialize_pem()}});
        patch_secret(cluster, "merge", &patch);
    }
}

/// The program has to make another CA: the key of the one it has is gone. Returns once the
/// API server trusts the new one and no other.
pub fn change_authority(cluster: &Cluster) {
    let old = bundles(cluster);
    let remove = json!([{"op": "remove", "path": "/data/ca.key"}]);
    patch_secret(cluster, "json", &remove);
    eventually("another CA is trusted, alone", || {
        let new = bundles(cluster);
        let alone = |bundle: &Vec<u8>| text_of(bundle).matches("BEGIN CERTIFICATE").count() == 1;
        if new
            .iter()
            .all(|bundle| !old.contains(bundle) && alone(bundle))
        {
            Ok(())
        } else {
            let texts: Vec<String> = new.iter().map(|bundle| text_of(bundle)).collect();
            Err(format!("{texts:#?}\n{}", product::logs(cluster)))
        }
    });
}

/// A CA that signed nothing, as PEM.
pub fn foreign_authority() -> Vec<u8> {
    let key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.self_signed(&key).unwrap().pem().into_bytes()
}

/// The caBundle of every entry of the webhook's configuration.
pub fn bundles(cluster: &Cluster) -> Vec<Vec<u8>> {
    let entries = product::entries(cluster);
    let bundle = |entry: &Value| decoded(&entry["clientConfig"]["caBundle"]);
    entries.iter().map(bundle).collect()
}

/// Writes a caBundle into every entry; an empty one is none.
pub fn set_bundles(cluster: &Cluster, bundle: &[u8]) {
    let text = BASE64_STANDARD.encode(bundle);
    let some = !text.is_empty();
    product::set_ca_bundle(cluster, some.then_some(&text));
}

fn secret(cluster: &Cluster) -> Value {
    let words = [
        "kubectl",
        "-n",
        NAME,
        "get",
        "secret",
        SECRET,
        "-o",
        "jsonpath={.data}",
    ];
    serde_json::from_str(&cluster.inside(&words).expect_ok()).unwrap()
}

fn patch_secret(cluster: &Cluster, kind: &str, patch: &Value) {
    let kind = format!("--type={kind}");
    let words = [
        "kubectl", "-n", NAME, "patch", "secret", SECRET, &kind, "-p",
    ];
    let patch = patch.to_string();
    cluster
        .inside(&[&words[..], &[&patch]].concat())
        .expect_ok();
}

fn decoded(value: &Value) -> Vec<u8> {
    BASE64_STANDARD
        .decode(value.as_str().unwrap_or_default())
        .unwrap()
}

fn text(value: &Value) -> String {
    text_of(&decoded(value))
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
