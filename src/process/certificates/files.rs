//! A certificate and its key in files, such as a mounted Secret.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use rustls::sign::CertifiedKey;

use super::CertificateError;
use crate::process::tls::{ServingCertificate, parse_pair};

/// A pair of PEM files, such as a mounted Secret.
#[derive(Clone, Debug)]
pub struct PairFiles {
    /// Certificate chain, leaf first.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

type PairContents = (Vec<u8>, Vec<u8>);

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
    pub async fn follow(
        self,
        serving: Arc<ServingCertificate>,
        every: Duration,
        failures: Counter,
    ) {
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
                    failures.inc();
                    let error = anyhow::Error::new(error);
                    tracing::warn!(error = format!("{error:#}"), "kept the old certificate");
                }
                Err(_) => {}
            }
        }
    }

    fn read(&self) -> Result<PairContents, CertificateError> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|source| CertificateError::Read {
                path: path.to_owned(),
                source,
            })
        };
        Ok((read(&self.certificate)?, read(&self.key)?))
    }

    fn parse(&self, (certificate, key): &PairContents) -> Result<CertifiedKey, CertificateError> {
        parse_pair(certificate, key).map_err(|source| CertificateError::Pair {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source,
        })
    }
}
