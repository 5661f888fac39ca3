//! Whether content is what its digest says.

use reqwest::header::HeaderMap;

use super::error::malformed;
use super::transport::RegistryResponse;
use crate::domain::reference::Digest;
use crate::domain::unknown::Unknown;

/// The digest that the answer's content has, if neither the question nor the registry
/// contradicts. Checked before the content is parsed.
pub(super) fn verify(answer: &RegistryResponse, asked: Option<&Digest>) -> Result<Digest, Unknown> {
    let stated = stated(&answer.headers)?;
    let digest = digest_of(&answer.body, asked.or(stated.as_ref()))?;
    if asked.is_some_and(|asked| *asked != digest) {
        return Err(contradiction());
    }
    match stated {
        Some(stated) if digest_of(&answer.body, Some(&stated))? != stated => Err(contradiction()),
        _ => Ok(digest),
    }
}

pub(super) fn stated(headers: &HeaderMap) -> Result<Option<Digest>, Unknown> {
    let Some(value) = headers.get("docker-content-digest") else {
        return Ok(None);
    };
    let digest = value.to_str().ok().and_then(|text| text.parse().ok());
    digest.map(Some).ok_or_else(contradiction)
}

pub(super) fn contradiction() -> Unknown {
    malformed("the registry's answer does not have the digest that it should have")
}

/// The digest of the bytes, by the algorithm of another digest or sha256.
pub(super) fn digest_of(bytes: &[u8], like: Option<&Digest>) -> Result<Digest, Unknown> {
    use sha2::{Digest as _, Sha256, Sha384, Sha512};

    let digest = match like.map_or("sha256", Digest::algorithm) {
        algorithm @ "sha384" => Digest::new(algorithm, &Sha384::digest(bytes)),
        algorithm @ "sha512" => Digest::new(algorithm, &Sha512::digest(bytes)),
        algorithm => Digest::new(algorithm, &Sha256::digest(bytes)),
    };
    digest.map_err(|_| contradiction())
}
