//! Where serving certificates come from: files, or made by the process itself.

mod authority;
mod files;
mod rotation;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use thiserror::Error;

use self::authority::SigningAuthority;
pub use self::authority::{Authority, Leaf, LeafError};
pub use self::files::PairFiles;
pub use self::rotation::{Bundles, Material, Rotation, SETTLE, Situation, Step};
use super::tls::{TlsError, parse_pair};

/// How often files are compared with what is served.
pub const CHECK_EVERY: Duration = Duration::from_secs(10);

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
    /// A certificate that was made cannot be served.
    #[error("check the certificate that was made")]
    Check(#[from] LeafError),
    /// The CA that was made is none.
    #[error("the CA that was made cannot be used")]
    Unusable,
    /// Nobody can ask for a server by this name.
    #[error("\"{0}\" is no name of a server")]
    Name(String),
}

/// A leaf of a CA of its own, as PEM texts.
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
        let first = names.first().cloned().unwrap_or_default();
        let name = server_name(first)?;
        let now = SystemTime::now();
        let authority = SigningAuthority::make(now)?;
        let leaf = authority.issue(names, &name, now)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Self {
            ca: Authority::to_pem([&authority.authority]),
            certificate: text(&leaf.certificate),
            key: text(&leaf.key),
        })
    }

    /// The pair, ready to be served.
    ///
    /// # Errors
    /// When the texts are not what [`SelfSigned::make`] made.
    pub fn pair(&self) -> Result<CertifiedKey, TlsError> {
        parse_pair(self.certificate.as_bytes(), self.key.as_bytes())
    }
}

fn server_name(name: String) -> Result<ServerName<'static>, CertificateError> {
    ServerName::try_from(name.clone()).map_err(|_| CertificateError::Name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let names = ["archmatch.web.svc".to_owned(), "127.0.0.1".to_owned()];
        let (one, other) = (
            SelfSigned::make(&names).unwrap(),
            SelfSigned::make(&names).unwrap(),
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
