//! Bodies of answers, read within their limits.

use std::time::Duration;

use reqwest::header::CONTENT_ENCODING;
use reqwest::{Method, Response};
use tokio::time::timeout;

use super::RegistryRequest;
use crate::registry::bulkhead::Failure;
use crate::registry::error::{from_transport, too_large, unsupported};

/// The most that is read of a body that says why something failed, so that the connection
/// can be used again. It is read away, never shown.
const MAX_ERROR_BYTES: u64 = 16 * 1024;
const MAX_ERROR_TIME: Duration = Duration::from_millis(200);

/// Reads a body as it comes: what the registry says of its length takes no memory.
pub(super) async fn read(
    response: &mut Response,
    request: &RegistryRequest<'_>,
) -> Result<Vec<u8>, Failure> {
    if request.method == Method::HEAD {
        return Ok(Vec::new());
    }
    let encoding = response.headers().get(CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| encoding != "identity") {
        let why = "the answer is compressed, which was not asked for";
        return Err(unsupported(why).into());
    }
    let too_long = || too_large("the answer is larger than such answers may be");
    if response
        .content_length()
        .is_some_and(|length| length > request.largest)
    {
        return Err(too_long().into());
    }
    let mut body = Vec::new();
    loop {
        let chunk = response.chunk().await;
        let Some(chunk) = chunk.map_err(|error| from_transport(&error, &request.asked))? else {
            return Ok(body);
        };
        if (body.len() + chunk.len()) as u64 > request.largest {
            return Err(too_long().into());
        }
        body.extend_from_slice(&chunk);
    }
}

/// Reads a short body away; a connection with a longer one is not worth keeping.
pub(super) async fn discard(response: &mut Response) {
    let drain = async {
        let mut length = 0;
        while let Ok(Some(chunk)) = response.chunk().await {
            length += chunk.len() as u64;
            if length > MAX_ERROR_BYTES {
                break;
            }
        }
    };
    // What the status says counts, with or without the rest of the body.
    timeout(MAX_ERROR_TIME, drain).await.unwrap_or_default();
}
