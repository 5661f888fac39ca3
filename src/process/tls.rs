//! TLS for servers: one certificate that can be swapped while connections go on.

use std::fmt::Display;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use thiserror::Error;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Why a certificate, a key or a bundle cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// No certificate, or one that does not parse.
    #[error("read certificate: {0}")]
    Certificate(String),
    /// No key, or one that does not parse.
    #[error("read private key: {0}")]
    Key(String),
    /// The key is another certificate's.
    #[error("the private key does not belong to the certificate")]
    Mismatch,
    /// The client CA cannot be used.
    #[error("read client CA: {0}")]
    ClientCa(String),
    /// rustls refuses the configuration.
    #[error("configure TLS")]
    Configuration(#[from] rustls::Error),
}

/// The certificate that new connections see. While there is none, no handshake succeeds.
#[derive(Debug, Default)]
pub struct ServingCertificate {
    current: ArcSwapOption<CertifiedKey>,
}

impl ServingCertificate {
    /// Serves this pair until it is swapped.
    pub fn new(pair: CertifiedKey) -> Arc<Self> {
        let serving = Self::default();
        serving.swap(pair);
        Arc::new(serving)
    }

    /// Serves another pair from now on. Connections that are open keep theirs.
    pub fn swap(&self, pair: impl Into<Arc<CertifiedKey>>) {
        self.current.store(Some(pair.into()));
    }

    /// When the leaf expires, in seconds since 1970.
    pub fn expires_at(&self) -> Option<i64> {
        let pair = self.current.load_full()?;
        let (_, leaf) = X509Certificate::from_der(pair.cert.first()?).ok()?;
        Some(leaf.validity().not_after.timestamp())
    }
}

impl ResolvesServerCert for ServingCertificate {
    fn resolve(&self, _client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current.load_full()
    }
}

/// Reads a certificate chain and its key from PEM.
///
/// # Errors
/// When either does not parse, or they do not belong together.
pub fn parse_pair(certificate: &[u8], key: &[u8]) -> Result<CertifiedKey, TlsError> {
    let chain = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::Certificate(error.to_string()))?;
    if chain.is_empty() {
        return Err(TlsError::Certificate(
            "no certificate in the PEM".to_owned(),
        ));
    }
    let key =
        PrivateKeyDer::from_pem_slice(key).map_err(|error| TlsError::Key(error.to_string()))?;
    let signing = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key)
        .map_err(|error| TlsError::Key(error.to_string()))?;
    let pair = CertifiedKey::new(chain, signing);
    match pair.keys_match() {
        Ok(()) => Ok(pair),
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
            Err(TlsError::Mismatch)
        }
        Err(error) => Err(TlsError::Certificate(error.to_string())),
    }
}

/// Trusts the CAs of a PEM bundle, each of which has to be readable.
fn client_verifier(bundle: &[u8]) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    fn unusable(error: impl Display) -> TlsError {
        TlsError::ClientCa(error.to_string())
    }
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle) {
        let added = roots.add(certificate.map_err(unusable)?);
        added.map_err(unusable)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        // The API server shows what it has, whoever is named.
        .clear_root_hint_subjects()
        .build()
        .map_err(unusable)
}

/// TLS 1.2 and 1.3, HTTP/1.1 only: the API server speaks nothing else to a webhook. With a PEM
/// bundle of CAs, clients have to have a certificate of one of them.
///
/// # Errors
/// When rustls refuses the configuration, a CA cannot be read, or the bundle has none.
pub fn server_config(
    certificate: Arc<ServingCertificate>,
    client_authorities: Option<&[u8]>,
) -> Result<ServerConfig, TlsError> {
    const VERSIONS: &[&SupportedProtocolVersion] =
        &[&rustls::version::TLS13, &rustls::version::TLS12];
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(VERSIONS)?;
    let builder = match client_authorities {
        None => builder.with_no_client_auth(),
        Some(bundle) => builder.with_client_cert_verifier(client_verifier(bundle)?),
    };
    let mut config = builder.with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if client_authorities.is_some() {
        // A resumed session is not verified again, also when its certificate has expired.
        config.session_storage = Arc::new(NoServerSessionStorage {});
    }
    Ok(config)
}

/// Whether a client's certificate carries one of the names, as common name or DNS name.
pub fn has_name(certificate: &CertificateDer<'_>, names: &[String]) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return false;
    };
    let listed = |name: &str| names.iter().any(|wanted| wanted == name);
    let common = certificate
        .subject()
        .iter_common_name()
        .filter_map(|name| name.as_str().ok())
        .any(listed);
    let alternative = certificate.subject_alternative_name().ok().flatten();
    common
        || alternative.is_some_and(|names| {
            names.value.general_names.iter().any(|name| match name {
                GeneralName::DNSName(name) => listed(name),
                _ => false,
            })
        })
}
