//! Sends reviews at a steady rate, whether or not earlier ones were answered.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use k8s_openapi::api::core::v1::Service;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{interval, timeout};

use super::connections::Connections;
use super::trust::Trust;
use super::{Failure, Line, Progress, Report, Step, now};
use crate::kubectl::{deployment, spec};
use crate::product::NAME;

/// As the webhook's configuration has it.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// How many reviews may be under way: what the API server has of requests that change something
/// (`--max-mutating-requests-inflight`). Who waits for one of them is late all the same.
const UNDER_WAY: usize = 200;
/// Every so many reviews one goes over a new connection, although kept ones are free.
const ANEW_EVERY: usize = 10;
/// How often a line is printed.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);
/// About the size of a usual object.
const OBJECT_BYTES: usize = 16 * 1024;

/// Sends so many reviews a second until standard input is closed, then prints the report.
pub(super) fn run(rate: u32) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // One thread: the cluster needs the others.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(send(rate));
}

/// What came of one review: whether it was warned, and how long after it was due.
type Outcome = (Result<bool, Failure>, Duration);

async fn send(rate: u32) {
    let client = Client::try_default().await.expect("a client");
    let sender = Arc::new(Sender {
        connections: Arc::new(connections(client.clone()).await),
        trust: Trust::follow(client).await,
        places: Semaphore::new(UNDER_WAY),
        review: review(),
        // Another review than any other sender's.
        id: format!("{:x}", now()),
    });
    let mut over = tokio::task::spawn_blocking(|| {
        // Nothing is ever written to it.
        let _ = std::io::stdin().read(&mut [0]);
    });
    let (outcomes, mut received) = mpsc::unbounded_channel();
    let mut totals = Totals::default();
    let mut due = interval(Duration::from_secs(1) / rate);
    let mut progress = interval(PROGRESS_EVERY);
    loop {
        tokio::select! {
            due = due.tick() => {
                let (sender, outcomes) = (Arc::clone(&sender), outcomes.clone());
                let number = totals.report.sent;
                totals.report.sent += 1;
                tokio::spawn(async move {
                    let result = sender.review(number).await;
                    let _ = outcomes.send((result, due.elapsed()));
                });
            }
            Some(outcome) = received.recv() => totals.add(outcome),
            _ = progress.tick() => print(&Line::Progress(std::mem::take(&mut totals.progress))),
            _ = &mut over => break,
        }
    }
    drop(outcomes);
    while let Some(outcome) = received.recv().await {
        totals.add(outcome);
    }
    print(&Line::Report(totals.report(&sender)));
}

/// Where the cluster says the webhook is, and the name that its certificate has to have.
async fn connections(client: Client) -> Connections {
    let services = Api::<Service>::namespaced(client, NAME);
    let service = services.get(NAME).await.expect("the service");
    let address = service.spec.and_then(|spec| spec.cluster_ip);
    let address = address.expect("an address of the service");
    Connections::new((address, 443), format!("{NAME}.{NAME}.svc"))
}

struct Sender {
    connections: Arc<Connections>,
    trust: Trust,
    places: Semaphore,
    review: String,
    id: String,
}

impl Sender {
    /// Sends one review; tells whether the answer has a warning.
    async fn review(&self, number: usize) -> Result<bool, Failure> {
        let _place = self.places.acquire().await;
        let at = now();
        let trusted = self.trust.current();
        let uid = format!("{}-{number}", self.id);
        let request = request(self.review.replacen(UID, &uid, 1));
        let anew = number.is_multiple_of(ANEW_EVERY);
        let exchange = self.connections.exchange(request, &trusted, anew);
        let answered = match timeout(TIME_LIMIT, exchange).await {
            Err(_) => Err((Step::Deadline, format!("no answer within {TIME_LIMIT:?}"))),
            Ok(Err(failed)) => Err(failed),
            Ok(Ok((status, body))) if status == 200 => warned(&body, &uid),
            Ok(Ok((status, _))) => Err((Step::Answer, format!("status {status}"))),
        };
        answered.map_err(|(step, error)| Failure {
            at,
            step,
            error,
            bundle: trusted.id,
        })
    }
}

/// Stands in the text of a review where its uid belongs.
const UID: &str = "UID-OF-THIS-REVIEW";

/// A Deployment's creation; its image lacks a platform of the test's nodes.
fn review() -> String {
    let mut spec = spec("node:22");
    spec["containers"][0]["args"] = json!(["x".repeat(OBJECT_BYTES)]);
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": UID,
            "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
            "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
            "name": "web", "namespace": "default", "operation": "CREATE",
            "userInfo": {"username": "ann", "groups": ["system:authenticated"]},
            "object": deployment(spec), "oldObject": null, "dryRun": false,
            "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
        },
    })
    .to_string()
}

fn request(body: String) -> Request<Full<Bytes>> {
    Request::post("/validate?timeout=5s")
        .header("host", format!("{NAME}.{NAME}.svc:443"))
        .header("content-type", "application/json")
        .header("accept", "application/json, */*")
        .body(Full::from(body))
        .expect("a request")
}

fn warned(body: &[u8], uid: &str) -> Result<bool, (Step, String)> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let response = &answer["response"];
    if response["uid"] != uid {
        let text = String::from_utf8_lossy(body);
        let text: String = text.chars().take(200).collect();
        return Err((Step::Answer, format!("an answer to another review: {text}")));
    }
    let warnings: Vec<&str> = response["warnings"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    // The registry is well, so whoever could not find out turned the review away.
    match warnings
        .iter()
        .find(|text| text.contains("could not be checked"))
    {
        Some(text) => Err((Step::Answer, format!("not judged: {text}"))),
        None => Ok(!warnings.is_empty()),
    }
}

#[derive(Default)]
struct Totals {
    report: Report,
    progress: Progress,
    took: Vec<Duration>,
}

impl Totals {
    fn add(&mut self, (result, took): Outcome) {
        match result {
            Ok(warned) => {
                self.report.answered += 1;
                self.progress.answered += 1;
                self.progress.warned += usize::from(warned);
                self.took.push(took);
            }
            Err(failure) => {
                self.progress.failed += 1;
                self.report.failures.push(failure);
            }
        }
    }

    fn report(mut self, sender: &Sender) -> Report {
        self.took.sort_unstable();
        let p99 = self.took.get(self.took.len() * 99 / 100);
        let (connections, leaves) = sender.connections.opened();
        Report {
            p99_milliseconds: p99.map_or(f64::NAN, |took| took.as_secs_f64() * 1e3),
            connections,
            leaves,
            bundles: sender.trust.seen(),
            ..self.report
        }
    }
}

fn print(line: &Line) {
    let mut output = std::io::stdout().lock();
    let text = serde_json::to_string(line).expect("a line");
    // Whoever is not interested any more has closed the other end.
    let _ = writeln!(output, "{text}");
}
