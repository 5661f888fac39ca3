//! Whom the sender trusts: exactly what the webhook's configuration says, a moment later.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::{Bundle, now};
use crate::product::{ENTRIES, NAME};

/// How long the API server takes until a changed configuration counts.
const LAG: Duration = Duration::from_millis(200);

/// What counts now.
#[derive(Clone)]
pub(super) struct Trusted {
    pub(super) id: String,
    pub(super) tls: Arc<ClientConfig>,
}

/// The configuration, followed.
pub(super) struct Trust {
    current: watch::Receiver<Trusted>,
    seen: Arc<Mutex<Vec<Bundle>>>,
}

impl Trust {
    /// Follows the configuration; what it says now counts at once.
    pub(super) async fn follow(client: Client) -> Self {
        let api = Api::<ValidatingWebhookConfiguration>::all(client);
        let first = api.get(NAME).await.expect("a webhook configuration");
        let first = bundle(first);
        let seen = Arc::new(Mutex::new(vec![described(&first)]));
        let (sender, current) = watch::channel(trusted(&first));
        let (sender, list) = (Arc::new(sender), Arc::clone(&seen));
        tokio::spawn(async move {
            let this_one = watcher::Config::default().fields(&format!("metadata.name={NAME}"));
            let events = watcher(api, this_one).default_backoff().applied_objects();
            // The API server may be away; the watch comes back.
            let mut objects = events.filter_map(async |found| found.ok()).boxed();
            while let Some(object) = objects.next().await {
                let bytes = bundle(object);
                let next = described(&bytes);
                let mut list = list.lock().unwrap();
                if list.last().is_some_and(|last| last.id == next.id) {
                    continue;
                }
                list.push(next);
                let sender = Arc::clone(&sender);
                tokio::spawn(async move {
                    tokio::time::sleep(LAG).await;
                    sender.send_replace(trusted(&bytes));
                });
            }
        });
        Self { current, seen }
    }

    pub(super) fn current(&self) -> Trusted {
        self.current.borrow().clone()
    }

    pub(super) fn seen(&self) -> Vec<Bundle> {
        self.seen.lock().unwrap().clone()
    }
}

/// The caBundle of the entry that reviews are sent to.
fn bundle(configuration: ValidatingWebhookConfiguration) -> Vec<u8> {
    let entries = configuration.webhooks.unwrap_or_default();
    let ours = entries.into_iter().find(|entry| entry.name == ENTRIES[0]);
    let bundle = ours.and_then(|entry| entry.client_config.ca_bundle);
    bundle.map(|bytes| bytes.0).unwrap_or_default()
}

fn certificates(bundle: &[u8]) -> impl Iterator<Item = CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(bundle).filter_map(Result::ok)
}

fn described(bundle: &[u8]) -> Bundle {
    Bundle {
        at: now(),
        id: id(bundle),
        certificates: certificates(bundle).count(),
    }
}

/// Names a bundle by its bytes.
fn id(bundle: &[u8]) -> String {
    let digest = Sha256::digest(bundle);
    digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn trusted(bundle: &[u8]) -> Trusted {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(bundle));
    let mut tls = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    // As Go's client does by default: each connection shows its certificate.
    tls.resumption = Resumption::disabled();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Trusted {
        id: id(bundle),
        tls: Arc::new(tls),
    }
}
