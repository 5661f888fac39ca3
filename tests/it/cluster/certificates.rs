//! Replicas that share a certificate, and a client that trusts exactly what the API server's
//! caBundles say, at once and two seconds late. The clock of these tests stands still until
//! everybody waits, so that minutes take no time and nothing depends on the machine.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use archmatch::cli::serve::certificate::{ReleaseNames, Replica};
use archmatch::cli::serve::conditions::Conditions;
use archmatch::cluster::certificates::{CALL_LIMIT, CaBundleStore, CertificateStore, Written};
use archmatch::process::certificates::SelfSigned;
use archmatch::process::readiness::Readiness;
use archmatch::process::tls::{ServingCertificate, server_config};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::{FutureExt, StreamExt};
use prometheus_client::registry::Registry;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::api::Api;

const SECRET: &str = "/api/v1/namespaces/web/secrets/tls";
const CONFIGURATION: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/archmatch";
const NAME: &str = "archmatch.web.svc";

/// Between two handshakes with each replica.
const TICK: Duration = Duration::from_millis(250);
/// How late API servers are, in ticks.
const LATE: usize = 8;
/// Within which whatever is wrong has to be mended.
const SOON: Duration = Duration::from_secs(5);
/// Within which a change of the CA is complete.
const CHANGE: Duration = Duration::from_secs(40);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

struct Serving {
    certificate: Arc<ServingCertificate>,
    readiness: Readiness,
    metrics: Registry,
    task: JoinHandle<()>,
}

struct World {
    api: Api,
    replicas: Vec<Serving>,
    /// The caBundles at the last ticks.
    bundles: Vec<Vec<u8>>,
    handshakes: usize,
}

#[derive(Debug)]
struct Clock(SystemTime);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let since = self.0.duration_since(SystemTime::UNIX_EPOCH);
        Some(UnixTime::since_unix_epoch(since.unwrap()))
    }
}

fn configuration() -> Value {
    let entry = |name: &str| {
        json!({
            "name": name, "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "clientConfig": {"service": {"name": "archmatch", "namespace": "web"}},
        })
    };
    let entries = ["validate.archmatch.io", "observe.archmatch.io"].map(entry);
    json!({"metadata": {"labels": {"kept": "yes"}}, "webhooks": entries})
}

impl World {
    fn empty() -> Self {
        Self {
            api: Api::in_memory(),
            replicas: Vec::new(),
            bundles: Vec::new(),
            handshakes: 0,
        }
    }

    /// Installed with so many replicas, which are trusted.
    async fn settled(replicas: usize) -> Self {
        let mut world = Self::empty();
        world.api.put(CONFIGURATION, configuration());
        for _ in 0..replicas {
            world.start();
        }
        sleep(SOON).await;
        assert_eq!(world.authorities(), 1);
        world.pass(SOON).await;
        world
    }

    fn start(&mut self) {
        let certificate = Arc::new(ServingCertificate::default());
        let readiness = Readiness::new();
        let mut metrics = Registry::default();
        let names = ReleaseNames {
            namespace: "web".to_owned(),
            secret: "tls".to_owned(),
            service: "archmatch".to_owned(),
            webhook_configuration: Some("archmatch".to_owned()),
        };
        let conditions = Conditions::new(&readiness, &mut metrics, Some("archmatch"));
        let client = self.api.direct_client();
        let replica = Replica::new(client, names, Arc::clone(&certificate), conditions);
        self.replicas.push(Serving {
            certificate,
            readiness,
            metrics,
            task: tokio::spawn(replica.unwrap().run()),
        });
    }

    /// Time passes, in which every handshake has to succeed.
    async fn pass(&mut self, time: Duration) {
        let end = self.api.now() + time;
        while self.api.now() < end {
            sleep(TICK).await;
            self.bundles.extend(self.trusted());
            let mut seen = self.bundles.iter().rev().take(2 * LATE).collect::<Vec<_>>();
            seen.dedup();
            for bundle in seen {
                for (index, replica) in self.replicas.iter().enumerate() {
                    let shaken = self.handshake(&replica.certificate, bundle).await;
                    assert_eq!(shaken, Ok(()), "replica {index} at {:?}", self.api.now());
                    self.handshakes += 1;
                }
            }
        }
    }

    /// Time passes until something holds, without a look at handshakes.
    async fn soon(&self, what: impl Fn(&Self) -> bool) {
        let end = self.api.now() + SOON;
        while !what(self) {
            assert!(self.api.now() < end, "not within five seconds");
            sleep(TICK).await;
        }
    }

    /// A handshake of a client that trusts this bundle alone.
    async fn handshake(
        &self,
        serving: &Arc<ServingCertificate>,
        bundle: &[u8],
    ) -> Result<(), String> {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(bundle) {
            roots.add(authority.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let clock = Arc::new(Clock(self.api.now()));
        let config = ClientConfig::builder_with_details(provider, clock)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let server = server_config(Arc::clone(serving), None).unwrap();
        let (near, far) = tokio::io::duplex(16 * 1024);
        let connector = TlsConnector::from(Arc::new(config));
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let name = ServerName::try_from(NAME).unwrap();
        let (client, server) = tokio::join!(connector.connect(name, near), acceptor.accept(far));
        client.map_err(|error| error.to_string())?;
        server.map_err(|error| error.to_string())?;
        Ok(())
    }

    async fn are_trusted(&self) -> bool {
        let Some(bundle) = self.trusted().first().cloned() else {
            return false;
        };
        for replica in &self.replicas {
            if self.handshake(&replica.certificate, &bundle).await.is_err() {
                return false;
            }
        }
        true
    }

    /// The caBundles of the configuration, if there is one.
    fn trusted(&self) -> Vec<Vec<u8>> {
        let configuration = self.api.get(CONFIGURATION).unwrap_or_default();
        let entries = configuration["webhooks"].as_array().cloned();
        let entries = entries.unwrap_or_default().into_iter();
        let bundle = |entry: Value| {
            let text = entry["clientConfig"]["caBundle"]
                .as_str()
                .unwrap_or_default();
            STANDARD.decode(text).unwrap()
        };
        entries.map(bundle).collect()
    }

    /// A text in the Secret.
    fn stored(&self, key: &str) -> String {
        let secret = self.api.get(SECRET).unwrap_or_default();
        let text = secret["data"][key].as_str().unwrap_or_default();
        String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
    }

    fn store(&self, changes: &[(&str, Option<&str>)]) {
        let mut secret = self.api.get(SECRET).unwrap();
        let data = secret["data"].as_object_mut().unwrap();
        for (key, text) in changes {
            match text {
                Some(text) => data.insert((*key).to_owned(), STANDARD.encode(text).into()),
                None => data.remove(*key),
            };
        }
        self.api.put(SECRET, secret);
    }

    fn set_bundle(&self, entry: usize, bundle: &str) {
        let mut configuration = self.api.get(CONFIGURATION).unwrap();
        configuration["webhooks"][entry]["clientConfig"]["caBundle"] =
            STANDARD.encode(bundle).into();
        self.api.put(CONFIGURATION, configuration);
    }

    fn authorities(&self) -> usize {
        self.stored("ca.crt").matches("BEGIN CERTIFICATE").count()
    }

    fn is_mended(&self) -> bool {
        let wanted = self.stored("ca.crt");
        let trusted = self.trusted();
        trusted.len() == 2 && trusted.iter().all(|bundle| *bundle == wanted.as_bytes())
    }

    fn metric(&self, replica: usize, name: &str) -> Option<String> {
        let mut text = String::new();
        let metrics = &self.replicas[replica].metrics;
        prometheus_client::encoding::text::encode(&mut text, metrics).unwrap();
        let mut lines = text.lines();
        lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(' ')?.to_owned()))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for replica in &self.replicas {
            replica.task.abort();
        }
    }
}

/// A leaf for these names by the CA of the Secret.
fn signed(world: &World, names: &[&str]) -> (String, String) {
    let authority = rcgen::KeyPair::from_pem(&world.stored("ca.key")).unwrap();
    let issuer = rcgen::Issuer::from_ca_cert_pem(&world.stored("ca.crt"), authority).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut leaf = rcgen::CertificateParams::new(names).unwrap();
    let now = world.api.now();
    leaf.not_before = (now - SOON).into();
    leaf.not_after = (now + DAY).into();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    (leaf.pem(), key.serialize_pem())
}

#[tokio::test(start_paused = true)]
async fn replicas_that_start_at_once_share_one_authority_with_its_key() {
    let world = World::settled(3).await;
    assert_eq!(world.api.requests("PUT"), 0);
    let secret = world.api.get(SECRET).unwrap();
    assert_eq!(secret["type"], "kubernetes.io/tls");
    for key in ["ca.crt", "ca.key", "tls.crt", "tls.key"] {
        assert!(world.stored(key).starts_with("-----BEGIN"), "{key}");
    }
    let configuration = world.api.get(CONFIGURATION).unwrap();
    assert_eq!(configuration["metadata"]["labels"]["kept"], "yes");
    assert_eq!(configuration["webhooks"][1]["sideEffects"], "None");
    assert!(world.replicas[2].readiness.missing().is_empty());
    assert_eq!(world.metric(2, "cabundle_trusted").as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn a_renewed_leaf_is_served_by_all_and_the_bundle_stays() {
    let mut world = World::settled(2).await;
    let (bundle, leaf) = (world.trusted(), world.stored("tls.crt"));
    world.api.set_clock_ahead(59 * DAY);
    world.pass(Duration::from_secs(40)).await;
    assert_eq!(world.stored("tls.crt"), leaf);
    world.api.set_clock_ahead(61 * DAY);
    world.pass(Duration::from_secs(40)).await;
    assert_ne!(world.stored("tls.crt"), leaf);
    // Nobody serves the old one any more: it is over.
    world.api.set_clock_ahead(100 * DAY);
    world.pass(SOON).await;
    assert_eq!(world.trusted(), bundle);
    let written = world.api.requests("PUT");
    assert!(
        (1..=2).contains(&written),
        "each replica tried once: {written}"
    );
}

#[tokio::test(start_paused = true)]
async fn leaves_that_somebody_rewrites_each_second_fail_no_handshake() {
    let mut world = World::settled(2).await;
    let bundle = world.trusted();
    for _ in 0..30 {
        let (certificate, key) = signed(&world, &[NAME]);
        world.store(&[("tls.crt", Some(&certificate)), ("tls.key", Some(&key))]);
        world.pass(Duration::from_secs(1)).await;
    }
    assert_eq!(world.trusted(), bundle);
    assert_eq!(world.api.requests("PUT"), 0, "nobody is corrected");
}

#[tokio::test(start_paused = true)]
async fn changes_of_the_authority_fail_no_handshake_also_one_during_another() {
    let mut world = World::settled(2).await;
    let first = world.stored("ca.crt");
    world.store(&[("ca.key", None)]);
    world.pass(SOON).await;
    assert_eq!(world.authorities(), 2);
    world.pass(CHANGE - SOON).await;
    assert_eq!(world.authorities(), 1);
    assert_ne!(world.stored("ca.crt"), first);
    for pause in [3, 18, 24, 40] {
        world.store(&[("ca.key", None)]);
        world.pass(Duration::from_secs(pause)).await;
    }
    assert!(world.authorities() == 1 && world.is_mended());
    assert!(world.handshakes > 1000, "{}", world.handshakes);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_deleted_comes_back_with_a_new_authority() {
    let mut world = World::settled(2).await;
    let first = world.stored("ca.crt");
    world.api.delete(SECRET);
    world.pass(SOON).await;
    assert_eq!(world.authorities(), 2);
    world.start();
    world.replicas.rotate_left(1);
    world.replicas.remove(0).task.abort();
    world.pass(CHANGE).await;
    assert_eq!(world.authorities(), 1);
    assert_ne!(world.stored("ca.crt"), first);
}

#[tokio::test(start_paused = true)]
async fn a_secret_without_the_key_of_its_authority_is_upgraded() {
    let mut world = World::empty();
    let names = [NAME.to_owned()];
    let earlier = SelfSigned::make(&names).unwrap();
    world.api.put(CONFIGURATION, configuration());
    let data = json!({
        "ca.crt": STANDARD.encode(&earlier.ca),
        "tls.crt": STANDARD.encode(&earlier.certificate),
        "tls.key": STANDARD.encode(&earlier.key),
    });
    world
        .api
        .put(SECRET, json!({"type": "kubernetes.io/tls", "data": data}));
    world.set_bundle(0, &earlier.ca);
    world.set_bundle(1, &earlier.ca);
    world.start();
    world.start();
    sleep(TICK).await;
    world.pass(CHANGE).await;
    assert!(world.trusted()[0].ends_with(earlier.ca.as_bytes()));
    // Those that read the Secret once a minute have followed by then.
    world.pass(3 * CHANGE).await;
    assert!(world.authorities() == 1 && world.is_mended());
    assert_ne!(world.stored("ca.crt"), earlier.ca);
}

#[tokio::test(start_paused = true)]
async fn a_wiped_or_foreign_bundle_in_either_entry_is_mended_soon() {
    let mut world = World::settled(2).await;
    let foreign = SelfSigned::make(&[NAME.to_owned()]).unwrap();
    for entry in [0, 1] {
        for wrong in ["", "?", foreign.ca.as_str()] {
            world.set_bundle(entry, wrong);
            world.soon(World::is_mended).await;
        }
    }
    world.bundles.clear();
    world.pass(SOON).await;
    assert_eq!(world.api.requests("PUT"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_configuration_that_is_gone_keeps_nobody_from_serving_and_is_trusted_on_return() {
    let mut world = World::settled(1).await;
    world.api.delete(CONFIGURATION);
    world.start();
    world
        .soon(|world| world.replicas[1].readiness.missing().is_empty())
        .await;
    for replica in [0, 1] {
        let metric = |name: &str| world.metric(replica, name);
        assert_eq!(
            metric("webhook_configuration_present").as_deref(),
            Some("0")
        );
        assert_eq!(metric("cabundle_trusted").as_deref(), Some("0"));
        let verbose = world.replicas[replica].readiness.verbose();
        assert!(verbose.contains("[-]webhook-configuration"), "{verbose}");
        assert!(verbose.contains("archmatch is missing"), "{verbose}");
        assert!(verbose.ends_with("readyz check passed\n"), "{verbose}");
    }
    sleep(Duration::from_secs(600)).await;
    world.api.put(CONFIGURATION, configuration());
    world.soon(World::is_mended).await;
    assert!(world.are_trusted().await);
    assert_eq!(
        world.metric(1, "webhook_configuration_present").as_deref(),
        Some("1")
    );
    assert_eq!(
        world.metric(1, "reconcile_failures_total").as_deref(),
        Some("0")
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_in_the_secret_is_mended_before_anybody_serves_it() {
    let mut world = World::settled(2).await;
    let foreign = SelfSigned::make(&[NAME.to_owned()]).unwrap();
    let (certificate, key) = signed(&world, &["other.web.svc", "localhost"]);
    let foreign_leaf = (foreign.certificate.as_str(), foreign.key.as_str());
    let before = world.api.get(SECRET).unwrap()["data"].clone();
    let patched = world.api.requests("PATCH");
    for changes in [
        vec![("tls.crt", certificate.as_str()), ("tls.key", key.as_str())],
        vec![("tls.crt", foreign_leaf.0), ("tls.key", foreign_leaf.1)],
        vec![("ca.crt", foreign.ca.as_str())],
        vec![("tls.key", foreign_leaf.1)],
        vec![("tls.crt", "")],
    ] {
        let changes: Vec<_> = changes
            .iter()
            .map(|(key, text)| (*key, Some(*text)))
            .collect();
        world.store(&changes);
        world.pass(SOON).await;
        let names = changes.iter().map(|(key, _)| *key).collect::<Vec<_>>();
        assert_eq!(world.api.get(SECRET).unwrap()["data"], before, "{names:?}");
        assert!(world.is_mended(), "{names:?}");
    }
    assert_eq!(world.api.requests("PATCH"), patched, "the bundle stayed");
}

#[tokio::test(start_paused = true)]
async fn what_others_keep_at_the_secret_stays() {
    let mut world = World::settled(1).await;
    let mut secret = world.api.get(SECRET).unwrap();
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "u"}]);
    secret["metadata"]["labels"]["team"] = "shop".into();
    secret["metadata"]["annotations"]["backup"] = "yes".into();
    secret["metadata"]["ownerReferences"] = owner.clone();
    secret["data"]["note"] = STANDARD.encode("ours").into();
    secret["data"].as_object_mut().unwrap().remove("ca.key");
    world.api.put(SECRET, secret);
    world.pass(CHANGE).await;
    let secret = world.api.get(SECRET).unwrap();
    let metadata = &secret["metadata"];
    assert_eq!(metadata["labels"]["team"], "shop");
    assert_eq!(metadata["annotations"]["backup"], "yes");
    assert_eq!(metadata["ownerReferences"], owner);
    assert_eq!(world.stored("note"), "ours");
    assert_eq!(world.authorities(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_answers_nothing_hangs_nobody() {
    let mut world = World::settled(2).await;
    world.api.set_silent(true);
    world.start();
    sleep(Duration::from_secs(300)).await;
    let verbose = world.replicas[2].readiness.verbose();
    assert!(verbose.contains("[-]certificate failed: read"), "{verbose}");
    assert!(verbose.contains("no answer within 5s"), "{verbose}");
    let failures = world.metric(2, "reconcile_failures_total").unwrap();
    assert!(failures.parse::<u32>().unwrap() > 10, "{failures}");
    world.api.set_silent(false);
    // Calls that were begun are given up; new ones are answered.
    sleep(2 * SOON).await;
    world.set_bundle(0, "");
    world.soon(World::is_mended).await;
    assert!(world.are_trusted().await && world.replicas[2].readiness.missing().is_empty());
}

#[tokio::test(start_paused = true)]
async fn whoever_may_not_watch_looks_every_few_seconds() {
    let world = World::settled(2).await;
    world.api.forbid("/validatingwebhookconfigurations");
    world.api.forbid("/secrets");
    sleep(DAY / 144).await;
    for entry in [0, 1] {
        world.set_bundle(entry, "");
        world.soon(World::is_mended).await;
    }
    let (certificate, _) = signed(&world, &[NAME]);
    let before = world.stored("tls.crt");
    world.store(&[("tls.crt", Some(&certificate))]);
    world.soon(|world| world.stored("tls.crt") == before).await;
}

#[tokio::test(start_paused = true)]
async fn somebody_who_undoes_every_write_meets_one_a_second() {
    let world = World::settled(2).await;
    let asked = world.api.requests("PATCH");
    for _ in 0..100 {
        world.set_bundle(0, "");
        sleep(Duration::from_millis(100)).await;
    }
    let written = world.api.requests("PATCH") - asked;
    assert!(written <= 2 * 11, "{written} writes in ten seconds");
}

#[tokio::test(start_paused = true)]
async fn whoever_loses_a_race_reads_again() {
    let mut world = World::settled(1).await;
    world.api.lose_races(1);
    world.store(&[("ca.key", None)]);
    world.pass(SOON).await;
    assert_eq!(world.authorities(), 2);
    world.api.lose_races(1);
    world.set_bundle(1, "");
    world.soon(World::is_mended).await;
}

fn four_keys() -> [(&'static str, Vec<u8>); 4] {
    ["ca.crt", "ca.key", "tls.crt", "tls.key"].map(|key| (key, b"ours".to_vec()))
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_wrote_since_it_was_read_is_not_written_over() {
    let api = Api::in_memory();
    let trust = CaBundleStore::new(api.direct_client(), "archmatch");
    let mut theirs = configuration();
    api.put(CONFIGURATION, theirs.clone());
    let read = trust.read().await.unwrap().unwrap();
    theirs["webhooks"][0]["clientConfig"]["caBundle"] = STANDARD.encode("theirs").into();
    api.put(CONFIGURATION, theirs);
    let before = api.get(CONFIGURATION);
    let written = trust.write(&read, b"ours").await.unwrap();
    assert_eq!(written, Written::Overtaken);
    assert_eq!(api.get(CONFIGURATION), before);
    let read = trust.read().await.unwrap().unwrap();
    assert_eq!(trust.write(&read, b"ours").await.unwrap(), Written::Done);
    api.delete(CONFIGURATION);
    let written = trust.write(&read, b"again").await.unwrap();
    assert_eq!(written, Written::Overtaken);

    let store = CertificateStore::new(api.direct_client(), "web", "tls");
    let theirs = json!({"data": {"tls.crt": STANDARD.encode("theirs")}});
    // One that was not there, and one that was.
    for _ in 0..2 {
        let read = store.read().await.unwrap();
        api.put(SECRET, theirs.clone());
        let before = api.get(SECRET);
        let written = store.write(&read, four_keys(), true).await.unwrap();
        assert_eq!(written, Written::Overtaken);
        assert_eq!(api.get(SECRET), before);
    }
    let read = store.read().await.unwrap();
    api.delete(SECRET);
    let written = store.write(&read, four_keys(), true).await.unwrap();
    assert_eq!(written, Written::Overtaken);
    assert_eq!(api.get(SECRET), None);
}

#[tokio::test(start_paused = true)]
async fn every_call_ends_in_time_also_where_nothing_is_answered() {
    let api = Api::in_memory();
    api.put(CONFIGURATION, configuration());
    api.put(SECRET, json!({}));
    let trust = CaBundleStore::new(api.direct_client(), "archmatch");
    let store = CertificateStore::new(api.direct_client(), "web", "tls");
    let entries = trust.read().await.unwrap().unwrap();
    let stored = store.read().await.unwrap();
    api.set_silent(true);
    let calls = [
        async { trust.read().await.map(drop) }.boxed(),
        async { trust.write(&entries, b"ours").await.map(drop) }.boxed(),
        async { store.read().await.map(drop) }.boxed(),
        async { store.write(&stored, four_keys(), true).await.map(drop) }.boxed(),
    ];
    for (number, call) in calls.into_iter().enumerate() {
        let ended = timeout(2 * CALL_LIMIT, call).await;
        let error = ended.expect("in time").unwrap_err().to_string();
        assert!(error.ends_with("no answer within 5s"), "{number}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_not_answered_or_falls_silent_is_asked_anew() {
    let api = Api::in_memory();
    api.put(SECRET, json!({}));
    api.set_silent(true);
    let store = CertificateStore::new(api.direct_client(), "web", "tls");
    let mut changes = Box::pin(store.changes());
    assert!(timeout(2 * CALL_LIMIT, changes.next()).await.is_err());
    api.set_silent(false);
    let heard = timeout(2 * CALL_LIMIT, changes.next()).await;
    assert!(heard.is_ok(), "the first was given up");
    while timeout(SOON / 5, changes.next()).await.is_ok() {}
    api.set_silent(true);
    assert!(timeout(CHANGE, changes.next()).await.is_err());
    api.set_silent(false);
    let heard = timeout(2 * CALL_LIMIT, changes.next()).await;
    assert!(heard.is_ok(), "the second was given up");
}
