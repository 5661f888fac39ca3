//! Readiness: what the process still waits for, by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::registry::Registry;

/// What has to happen before the process is ready, and what else is worth knowing. Clones
/// share the list.
#[derive(Clone, Default)]
pub struct Readiness {
    conditions: Arc<Mutex<BTreeMap<&'static str, Condition>>>,
}

/// Says whether something is as it should be, and if not, what is wrong.
type ReadinessCheck = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

enum Condition {
    Met,
    /// Not ready before it is met; with what is known of why.
    Waiting(String),
    /// Ready all the same.
    Informative(ReadinessCheck),
}

/// One thing that the process waits for. It counts as reached when this is dropped.
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
        let waiting = Condition::Waiting("not yet".to_owned());
        self.list().insert(name, waiting);
        Waiting {
            readiness: self.clone(),
            name,
        }
    }

    /// Says why something is still waited for.
    pub fn explain(&self, name: &'static str, why: &str) {
        if let Some(Condition::Waiting(reason)) = self.list().get_mut(name) {
            why.clone_into(reason);
        }
    }

    /// Adds a line for people that decides nothing: what it tells of must not take this
    /// process away from those who ask it.
    pub fn inform(
        &self,
        name: &'static str,
        question: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) {
        let condition = Condition::Informative(Box::new(question));
        self.list().insert(name, condition);
    }

    /// What is still waited for, in alphabetical order.
    pub fn missing(&self) -> Vec<&'static str> {
        let list = self.list();
        let waiting = list.iter().filter(|(_, condition)| condition.is_waiting());
        waiting.map(|(name, _)| *name).collect()
    }

    /// A line for each condition, as Kubernetes' own probes write them.
    /// Source: Kubernetes `staging/src/k8s.io/apiserver/pkg/server/healthz/healthz.go`
    pub fn verbose(&self) -> String {
        let lines = |(name, condition): (&&str, &Condition)| match condition {
            Condition::Met => format!("[+]{name} ok\n"),
            Condition::Waiting(why) => format!("[-]{name} failed: {why}\n"),
            Condition::Informative(question) => match question() {
                Ok(()) => format!("[+]{name} ok\n"),
                Err(what) => format!("[-]{name} failed, ready all the same: {what}\n"),
            },
        };
        let mut text: String = self.list().iter().map(lines).collect();
        let end = if self.missing().is_empty() {
            "readyz check passed\n"
        } else {
            "readyz check failed\n"
        };
        text.push_str(end);
        text
    }

    fn list(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Condition>> {
        // A list of names is as good after a panic as before.
        let conditions = self.conditions.lock();
        conditions.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Condition {
    fn is_waiting(&self) -> bool {
        matches!(self, Self::Waiting(_))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.readiness.list().insert(self.name, Condition::Met);
    }
}

/// Routes for people and probes: `/livez`, `/readyz`, `/readyz?verbose`, `/metrics`.
/// Metrics are there once they are set.
pub fn status_router(readiness: Readiness, metrics: Arc<OnceLock<Registry>>) -> Router {
    let ready = move |uri: Uri| {
        let missing = readiness.missing();
        let status = if missing.is_empty() {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        let mut parameters = uri.query().unwrap_or_default().split('&');
        // With any value: the API server's proxy to a pod makes `verbose=` of it.
        let text = if parameters.any(|parameter| parameter.split('=').next() == Some("verbose")) {
            readiness.verbose()
        } else if missing.is_empty() {
            "ok\n".to_owned()
        } else {
            format!("waiting for: {}\n", missing.join(", "))
        };
        std::future::ready((status, text))
    };
    let expose = move || {
        let mut text = String::new();
        let encoded = metrics
            .get()
            .map(|metrics| prometheus_client::encoding::text::encode(&mut text, metrics));
        let answer = match encoded {
            Some(Ok(())) => {
                let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                ([(CONTENT_TYPE, media_type)], text).into_response()
            }
            Some(Err(_)) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
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
