//! Readiness: what the process still waits for, by name.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::registry::Registry;

/// What has to happen before the process is ready. Clones share the list.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    waiting: Arc<Mutex<BTreeSet<&'static str>>>,
}

/// One thing that the process waits for. It counts as reached when this is dropped.
#[derive(Debug)]
#[must_use = "what nobody holds counts as reached"]
pub struct Waiting {
    readiness: Readiness,
    name: &'static str,
}

impl Readiness {
    /// Ready, until something is waited for.
    pub fn new() -> Self {
        Self::default()
    }

    /// Not ready until the returned value is dropped.
    pub fn wait_for(&self, name: &'static str) -> Waiting {
        self.list().insert(name);
        Waiting {
            readiness: self.clone(),
            name,
        }
    }

    /// What is still waited for, in alphabetical order.
    pub fn missing(&self) -> Vec<&'static str> {
        self.list().iter().copied().collect()
    }

    fn list(&self) -> std::sync::MutexGuard<'_, BTreeSet<&'static str>> {
        // A set of names is as good after a panic as before.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.readiness.list().remove(self.name);
    }
}

/// Routes for people and probes: `/livez`, `/readyz`, `/metrics`.
pub fn status_router(readiness: Readiness, metrics: Arc<Registry>) -> Router {
    let ready = move || {
        let missing = readiness.missing();
        let answer = if missing.is_empty() {
            (StatusCode::OK, "ok\n".to_owned())
        } else {
            let text = format!("waiting for: {}\n", missing.join(", "));
            (StatusCode::SERVICE_UNAVAILABLE, text)
        };
        std::future::ready(answer)
    };
    let expose = move || {
        let mut text = String::new();
        let answer = match prometheus_client::encoding::text::encode(&mut text, &metrics) {
            Ok(()) => {
                let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                ([(CONTENT_TYPE, media_type)], text).into_response()
            }
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        };
        std::future::ready(answer)
    };
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(expose))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_that_nothing_is_waited_for() {
        let readiness = Readiness::new();
        assert!(readiness.missing().is_empty());
        let nodes = readiness.wait_for("nodes");
        let certificate = readiness.wait_for("certificate");
        assert_eq!(readiness.missing(), ["certificate", "nodes"]);
        drop(nodes);
        drop(certificate);
        assert!(readiness.missing().is_empty());
    }
}
