//! Where serving certificates come from: files, or made by the process itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;
use thiserror::Error;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::tls::{ServingCertificate, TlsError, parse_pair};

/// How often files are compared with what is served.
pub const CHECK_EVERY: Duration = Duration::from_secs(10);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const CA_LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
const LEAF_LIFE: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Clocks of a cluster differ a little.
const BACKDATED: Duration = Duration::from_secs(5 * 60);

/// Why a certificate cannot be loaded or made.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The files hold no usable pair.
    #[error("use {} with {}", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        source: TlsError,
    },
    /// A certificate cannot be made.
    #[error("make a certificate")]
    Make(#[from] rcgen::Error),
}

/// A pair of PEM files, such as a mounted Secret.
#[derive(Clone, Debug)]
pub struct PairFiles {
    /// Certificate chain, leaf first.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

type Contents = (Vec<u8>, Vec<u8>);

impl PairFiles {
    /// Loads the pair.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn load(&self) -> Result<CertifiedKey, CertificateError> {
        self.parse(&self.read()?)
    }

    /// Follows the files: compares their contents on a timer and swaps. Events of the file
    /// system would miss the links that a kubelet swaps. A pair that cannot be used, a
    /// half-written one above all, keeps the old one.
    pub async fn follow(self, serving: Arc<ServingCertificate>, every: Duration) {
        let mut served = self.read().ok();
        let mut complained = false;
        let mut timer = tokio::time::interval(every);
        loop {
            timer.tick().await;
            let found = self.read();
            match found.and_then(|contents| Ok((self.parse(&contents)?, contents))) {
                Ok((pair, contents)) => {
                    complained = false;
                    if served.as_ref() != Some(&contents) {
                        serving.swap(pair);
                        served = Some(contents);
                        tracing::info!("serving a new certificate");
                    }
                }
                Err(error) if !complained => {
                    complained = true;
                    let error = anyhow::Error::new(error);
                    tracing::warn!(error = format!("{error:#}"), "kept the old certificate");
                }
                Err(_) => {}
            }
        }
    }

    fn read(&self) -> Result<Contents, CertificateError> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|source| CertificateError::Read {
                path: path.to_owned(),
                source,
            })
        };
        Ok((read(&self.certificate)?, read(&self.key)?))
    }

    fn parse(&self, (certificate, key): &Contents) -> Result<CertifiedKey, CertificateError> {
        parse_pair(certificate, key).map_err(|source| CertificateError::Pair {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source,
        })
    }
}

/// A certificate of our own CA, as PEM texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelfSigned {
    /// The CA that clients trust.
    pub ca: String,
    /// The leaf.
    pub certificate: String,
    /// The leaf's key. The CA's key is thrown away once the leaf is signed.
    pub key: String,
}

impl SelfSigned {
    /// Makes a CA of ten years and a leaf of 90 days for these names.
    ///
    /// # Errors
    /// When a name is no DNS name or address.
    pub fn make(names: &[String]) -> Result<Self, CertificateError> {
        let now = SystemTime::now();
        let ca_key = KeyPair::generate()?;
        let mut ca = CertificateParams::default();
        ca.distinguished_name
            .push(DnType::CommonName, "archmatch CA");
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_life(&mut ca, now, CA_LIFE);
        let ca_certificate = ca.self_signed(&ca_key)?;
        let issuer = Issuer::new(ca, ca_key);

        let key = KeyPair::generate()?;
        let mut leaf = CertificateParams::new(names)?;
        leaf.distinguished_name
            .push(DnType::CommonName, "archmatch");
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.use_authority_key_identifier_extension = true;
        set_life(&mut leaf, now, LEAF_LIFE);
        let certificate = leaf.signed_by(&key, &issuer)?;
        Ok(Self {
            ca: ca_certificate.pem(),
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }

    /// The pair, ready to be served.
    ///
    /// # Errors
    /// When the texts are not what [`SelfSigned::make`] made.
    pub fn pair(&self) -> Result<CertifiedKey, TlsError> {
        parse_pair(self.certificate.as_bytes(), self.key.as_bytes())
    }

    /// Whether the leaf is past two thirds of its life, or does not parse.
    pub fn needs_renewal(&self, now: SystemTime) -> bool {
        let Some((from, to)) = validity(self.certificate.as_bytes()) else {
            return true;
        };
        let now = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| {
                i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
            });
        now < from || now >= from + (to - from) / 3 * 2
    }
}

/// The default validity of the library ends in the year 4096, so both ends are set.
fn set_life(params: &mut CertificateParams, now: SystemTime, life: Duration) {
    params.not_before = (now - BACKDATED).into();
    params.not_after = (now + life).into();
    debug_assert!(life > DAY);
}

/// Validity of the first certificate in a PEM, in seconds since 1970.
fn validity(pem: &[u8]) -> Option<(i64, i64)> {
    let der = CertificateDer::from_pem_slice(pem).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    let validity = certificate.validity();
    Some((
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        vec!["archmatch.web.svc".to_owned(), "127.0.0.1".to_owned()]
    }

    #[test]
    fn a_leaf_is_renewed_after_two_thirds_of_its_life() {
        let made = SelfSigned::make(&names()).unwrap();
        let now = SystemTime::now();
        assert!(!made.needs_renewal(now));
        assert!(!made.needs_renewal(now + DAY * 59));
        assert!(made.needs_renewal(now + DAY * 61));
        assert!(made.needs_renewal(now - DAY), "a clock that was set back");
        let broken = SelfSigned {
            certificate: "none".to_owned(),
            ..made
        };
        assert!(broken.needs_renewal(now));
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (one, other) = (
            SelfSigned::make(&names()).unwrap(),
            SelfSigned::make(&names()).unwrap(),
        );
        assert!(one.pair().is_ok());
        let mixed = parse_pair(one.certificate.as_bytes(), other.key.as_bytes());
        assert!(matches!(mixed, Err(TlsError::Mismatch)), "{mixed:?}");
        assert!(matches!(
            parse_pair(b"", other.key.as_bytes()),
            Err(TlsError::Certificate(_))
        ));
        assert!(matches!(
            parse_pair(one.certificate.as_bytes(), b""),
            Err(TlsError::Key(_))
        ));
    }
}
