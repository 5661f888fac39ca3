//! What several tests share.

pub(crate) mod cache;
pub(crate) mod command;
pub(crate) mod peer;
pub(crate) mod raw;
pub(crate) mod registry;

/// Installs the TLS provider, as `main` does.
pub(crate) fn install_crypto_provider() {
    // The second test of the process finds it installed.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
