//! CAs and the leaves that they sign: making them, and checking those that were stored.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pem::{EncodeConfig, LineEnding, Pem};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::CertificateError;
use crate::process::tls::{TlsError, parse_pair};

/// How long a leaf is valid.
pub(super) const LEAF_LIFETIME: Duration = Duration::from_secs(90 * 24 * 60 * 60);
const CA_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// Clocks of a cluster differ a little.
const BACKDATED_BY: Duration = Duration::from_secs(5 * 60);
/// CAs in one bundle. More are left out.
pub(super) const MAX_AUTHORITIES: usize = 8;

/// Why a leaf cannot be served.
#[derive(Debug, Error)]
pub enum LeafError {
    /// Certificate or key cannot be used.
    #[error(transparent)]
    Pair(#[from] TlsError),
    /// The certificate cannot be read.
    #[error("read the leaf")]
    Unreadable,
    /// Its time is over.
    #[error("the leaf has expired")]
    Expired,
    /// No CA of the bundle signed it for this name.
    #[error("verify the leaf: {0}")]
    Untrusted(rustls::Error),
    /// There is no CA to verify it with.
    #[error("no CA to verify the leaf with")]
    NoAuthority,
}

/// A certificate that may sign others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    der: CertificateDer<'static>,
    public_key: Vec<u8>,
    expires: i64,
}

impl Authority {
    /// The CAs in a PEM bundle, in its order, each once. What is no CA is left out.
    pub fn in_pem(bundle: &[u8]) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        for der in CertificateDer::pem_slice_iter(bundle).map_while(Result::ok) {
            let known = found.iter().any(|authority| authority.der == der);
            if found.len() < MAX_AUTHORITIES && !known {
                found.extend(Self::parse(der));
            }
        }
        found
    }

    /// A bundle of these, as PEM.
    pub fn to_pem<'a>(authorities: impl IntoIterator<Item = &'a Self>) -> String {
        let authorities = authorities.into_iter();
        let blocks = authorities.map(|authority| Pem::new("CERTIFICATE", authority.der.to_vec()));
        let blocks: Vec<Pem> = blocks.collect();
        // RFC 7468 lines, each block right behind the other.
        let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
        let texts = blocks.iter().map(|block| pem::encode_config(block, config));
        texts.collect()
    }

    fn parse(der: CertificateDer<'static>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(&der).ok()?;
        let usage = certificate.key_usage().ok()?;
        if !certificate.is_ca() || usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
            return None;
        }
        Some(Self {
            public_key: certificate.public_key().raw.to_vec(),
            expires: certificate.validity().not_after.timestamp(),
            der: der.clone(),
        })
    }

    /// Whether it is still valid so much later.
    pub(super) fn outlives(&self, now: SystemTime, more: Duration) -> bool {
        self.expires > seconds(now + more)
    }
}

/// A CA with its key.
pub(super) struct SigningAuthority {
    pub(super) authority: Authority,
    pub(super) key: String,
    issuer: Issuer<'static, KeyPair>,
}

impl SigningAuthority {
    /// A new CA of ten years.
    pub(super) fn make(now: SystemTime) -> Result<Self, CertificateError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "archmatch CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_life(&mut params, now, CA_LIFETIME);
        let certificate = params.self_signed(&key)?;
        let authority = Authority::parse(certificate.der().clone());
        Ok(Self {
            authority: authority.ok_or(CertificateError::Unusable)?,
            key: key.serialize_pem(),
            issuer: Issuer::new(params, key),
        })
    }

    /// The one of these CAs that has this key.
    pub(super) fn find(authorities: &[Authority], key: &str) -> Option<Self> {
        let pair = KeyPair::from_pem(key).ok()?;
        let public_key = pair.subject_public_key_info();
        let mut authorities = authorities.iter();
        let authority = authorities.find(|authority| authority.public_key == public_key)?;
        Some(Self {
            authority: authority.clone(),
            key: key.to_owned(),
            issuer: Issuer::from_ca_cert_der(&authority.der, pair).ok()?,
        })
    }

    /// A leaf of 90 days for these names, checked as a client would.
    pub(super) fn issue(
        &self,
        names: &[String],
        name: &ServerName<'_>,
        now: SystemTime,
    ) -> Result<Leaf, CertificateError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params
            .distinguished_name
            .push(DnType::CommonName, "archmatch");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        set_life(&mut params, now, LEAF_LIFETIME);
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        let authorities = std::slice::from_ref(&self.authority);
        Ok(Leaf::check(
            certificate.as_bytes(),
            key.serialize_pem().as_bytes(),
            authorities,
            name,
            now,
        )?)
    }
}

/// A serving certificate with its key, whose chain and names were checked.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Ready to be served.
    pub pair: Arc<CertifiedKey>,
    /// Who signed it.
    pub issuer: Authority,
    pub(super) certificate: Vec<u8>,
    pub(super) key: Vec<u8>,
    from: i64,
    to: i64,
}

impl Leaf {
    /// Checks what was stored as the API server would: the chain to one of the CAs, the name
    /// by which it is called, the key, the end of its life. One that is not valid yet passes.
    ///
    /// # Errors
    /// [`LeafError`]
    pub fn check(
        certificate: &[u8],
        key: &[u8],
        authorities: &[Authority],
        name: &ServerName<'_>,
        now: SystemTime,
    ) -> Result<Self, LeafError> {
        let pair = parse_pair(certificate, key)?;
        let (leaf, chain) = pair.cert.split_first().ok_or(LeafError::Unreadable)?;
        let (from, to) = validity(leaf).ok_or(LeafError::Unreadable)?;
        if seconds(now) >= to {
            return Err(LeafError::Expired);
        }
        let at = u64::try_from(seconds(now).max(from)).unwrap_or_default();
        let at = UnixTime::since_unix_epoch(Duration::from_secs(at));
        let mut failure = LeafError::NoAuthority;
        for authority in authorities {
            match verify(authority, leaf, chain, name, at) {
                Ok(()) => {
                    return Ok(Self {
                        issuer: authority.clone(),
                        certificate: certificate.to_vec(),
                        key: key.to_vec(),
                        from,
                        to,
                        pair: Arc::new(pair),
                    });
                }
                Err(error) => failure = LeafError::Untrusted(error),
            }
        }
        Err(failure)
    }

    /// Whether two thirds of its life are over.
    pub(super) fn is_due(&self, now: SystemTime) -> bool {
        seconds(now) >= self.from + (self.to - self.from) / 3 * 2
    }

    pub(super) fn has_expired(&self, now: SystemTime) -> bool {
        seconds(now) >= self.to
    }

    /// Whether its life has not begun.
    pub(super) fn is_early(&self, now: SystemTime) -> bool {
        seconds(now) < self.from
    }
}

fn verify(
    authority: &Authority,
    leaf: &CertificateDer<'_>,
    chain: &[CertificateDer<'_>],
    name: &ServerName<'_>,
    at: UnixTime,
) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der.clone())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = verifier
        .build()
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    verifier.verify_server_cert(leaf, chain, name, &[], at)?;
    Ok(())
}

/// The default validity of the library ends in the year 4096, so both ends are set.
fn set_life(params: &mut CertificateParams, now: SystemTime, life: Duration) {
    params.not_before = (now - BACKDATED_BY).into();
    params.not_after = (now + life).into();
}

/// Validity in seconds since 1970.
fn validity(der: &CertificateDer<'_>) -> Option<(i64, i64)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let validity = certificate.validity();
    Some((
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    ))
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}
