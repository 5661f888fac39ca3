//! Load over HTTP/1.1 with keep-alive, as the API server sends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use tokio::sync::mpsc;

use crate::world::World;

/// One review, to be sent many times.
pub(crate) struct Load {
    body: Arc<str>,
    ca: reqwest::Certificate,
}

/// What came of it.
pub(crate) struct Outcome {
    microseconds: Vec<f64>,
    /// Requests without an answer of 200.
    pub(crate) failures: usize,
}

impl Outcome {
    /// A quantile of the answered requests, in microseconds.
    pub(crate) fn quantile(&self, quantile: f64) -> f64 {
        let last = self.microseconds.len().saturating_sub(1);
        let position = (last as f64 * quantile).round() as usize;
        self.microseconds.get(position).copied().unwrap_or(f64::NAN)
    }

    /// Waits for every request: how long it took, and whether it was answered.
    async fn gather(mut receiver: mpsc::UnboundedReceiver<(Duration, bool)>) -> Self {
        let mut microseconds = Vec::new();
        let mut failures = 0;
        while let Some((took, answered)) = receiver.recv().await {
            if answered {
                microseconds.push(took.as_secs_f64() * 1e6);
            } else {
                failures += 1;
            }
        }
        microseconds.sort_by(f64::total_cmp);
        Self {
            microseconds,
            failures,
        }
    }
}

/// One review with another body, whatever is answered.
pub(crate) async fn send_other(client: &reqwest::Client, url: &str, body: &Bytes) {
    let request = client
        .post(url)
        .header("content-type", "application/json")
        .body(body.clone());
    if let Ok(answer) = request.send().await {
        let _ = answer.bytes().await;
    }
}

impl Load {
    pub(crate) fn new(world: &World, body: &str) -> Self {
        Self {
            body: body.into(),
            ca: world.ca(),
        }
    }

    /// One connection of its own.
    pub(crate) fn client(&self) -> reqwest::Client {
        reqwest::Client::builder()
            .tls_certs_only([self.ca.clone()])
            .pool_max_idle_per_host(1)
            .timeout(Duration::from_secs(15))
            .http1_only()
            .no_proxy()
            .build()
            .expect("a client")
    }

    async fn send(client: &reqwest::Client, url: &str, body: &Arc<str>) -> bool {
        let request = client
            .post(url)
            .header("content-type", "application/json")
            .body(body.to_string());
        match request.send().await {
            Ok(answer) if answer.status() == 200 => {
                let body = answer.bytes().await;
                body.is_ok_and(|body| body.windows(14).any(|part| part == b"\"allowed\":true"))
            }
            _ => false,
        }
    }

    /// So many requests over so many connections, each sending the next when the last one
    /// is answered.
    pub(crate) async fn closed(&self, url: &str, connections: usize, requests: usize) -> Outcome {
        let left = Arc::new(AtomicUsize::new(requests));
        let (sender, receiver) = mpsc::unbounded_channel();
        for _ in 0..connections {
            let (left, sender, client) = (Arc::clone(&left), sender.clone(), self.client());
            let (url, body) = (url.to_owned(), Arc::clone(&self.body));
            tokio::spawn(async move {
                let take = |left: usize| left.checked_sub(1);
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                    .is_ok()
                {
                    let started = Instant::now();
                    let answered = Self::send(&client, &url, &body).await;
                    let _ = sender.send((started.elapsed(), answered));
                }
            });
        }
        drop(sender);
        Outcome::gather(receiver).await
    }

    /// So many requests a second, sent on time whether or not earlier ones were answered;
    /// the time counts from when a request was due.
    pub(crate) async fn open(&self, url: &str, rate: u32, length: Duration) -> Outcome {
        let clients: Vec<_> = (0..16).map(|_| self.client()).collect();
        let (sender, receiver) = mpsc::unbounded_channel();
        let start = tokio::time::Instant::now();
        let total = (length.as_secs_f64() * f64::from(rate)) as u32;
        for number in 0..total {
            let due = start + Duration::from_secs(1) * number / rate;
            tokio::time::sleep_until(due).await;
            let client = clients[number as usize % clients.len()].clone();
            let (url, body, sender) = (url.to_owned(), Arc::clone(&self.body), sender.clone());
            tokio::spawn(async move {
                let answered = Self::send(&client, &url, &body).await;
                let _ = sender.send((due.elapsed(), answered));
            });
        }
        drop(sender);
        Outcome::gather(receiver).await
    }
}
