//! What a pass of the audit costs: 100,000 pods in 20,000 workloads with 10,000 images, whose
//! answers are in memory. The API server is this process, which makes the objects up; the
//! audit is a child, so that the kernel's account of it can be read.
//!
//!     cargo bench --bench audit

#![expect(clippy::expect_used, reason = "a benchmark ends at the first surprise")]

#[path = "audit/cluster.rs"]
mod cluster;

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use archmatch::audit::{Judge, Subject};
use archmatch::checker::{Checker, ImageInspector, Rules};
use archmatch::cluster::inventory::{Inventory, Listed, PAGE_OBJECTS};
use archmatch::domain::access::Access;
use archmatch::domain::inspection::{Content, Entry, EntryKind, Inspection, Lookup, MediaType};
use archmatch::domain::node::{Node, Nodes, Source};
use archmatch::domain::ownership::JudgedPods;
use archmatch::domain::platform::Platform;
use archmatch::domain::reference::{Digest, ImageReference};
use archmatch::domain::runtime::Runtime;
use archmatch::domain::unknown::Unknown;
use archmatch::report::{Circumstances, Format, ReportBuilder, ReportRequest, Scope, Style};
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use futures::stream::StreamExt;
use tokio::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the product is held to: memory on top of idle, and CPU time of a pass.
const RESIDENT: f64 = 64.0;
const CPU: f64 = 6.0;

fn main() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    match arguments.get(1).map(String::as_str) {
        Some("child") => {
            let port = arguments.get(2).expect("a port");
            runtime.block_on(audit(port));
        }
        _ => runtime.block_on(async {
            let port = cluster::serve().await;
            let own = std::env::current_exe().expect("this program");
            let ended = tokio::task::spawn_blocking(move || {
                Command::new(own)
                    .args(["child", &port.to_string()])
                    .status()
            });
            let ended = ended.await.expect("a thread").expect("a child");
            assert!(ended.success(), "{ended}");
        }),
    }
}

/// Two passes, each with what it took.
async fn audit(port: &str) {
    let url = format!("http://127.0.0.1:{port}")
        .parse()
        .expect("an address");
    let client = kube::Client::try_from(kube::Config::new(url)).expect("a client");
    let nodes: Nodes = ["amd64", "arm64", "s390x"].into_iter().map(node).collect();
    let idle = resident("VmRSS:");
    for pass in 1..=2 {
        let before = cpu();
        let started = std::time::Instant::now();
        let report = one_pass(&client, &nodes).await;
        let (took, spent) = (started.elapsed(), cpu() - before);
        let peak = resident("VmHWM:") - idle;
        println!(
            "pass {pass}: {} workloads, {} images, {} findings",
            report.summary.workloads,
            report.summary.images,
            report.findings.len(),
        );
        println!(
            "  CPU {:.2} s (at most {CPU}), {:.1} s in all; peak {peak:.1} MiB above idle (at most {RESIDENT})",
            spent.as_secs_f64(),
            took.as_secs_f64(),
        );
        assert!(report.partial.is_empty(), "{:?}", report.partial);
        if pass == 2 {
            for format in [Format::Table, Format::Json] {
                let started = std::time::Instant::now();
                let text = format.render(&report, Style::PLAIN).expect("a text");
                println!(
                    "  {}: {:.1} MiB in {:.2} s",
                    format.name(),
                    text.len() as f64 / f64::from(1 << 20),
                    started.elapsed().as_secs_f64(),
                );
            }
        }
    }
}

async fn one_pass(client: &kube::Client, nodes: &Nodes) -> archmatch::report::Report {
    let deadline = Instant::now() + Duration::from_secs(600);
    let inventory = Inventory {
        client: client.clone(),
        kinds: Vec::new(),
        namespace: None,
        selector: String::new(),
        pods: JudgedPods::Bare,
        page_objects: PAGE_OBJECTS,
    };
    let mut partial = Vec::new();
    let mut report = ReportBuilder::new(ReportRequest {
        scope: Scope::Cluster,
        ..ReportRequest::default()
    });
    let judge = Judge {
        checker: Checker::new(Arc::new(InMemory)),
        nodes,
        everywhere: None,
        advisor: None,
        rules: Rules::default(),
        deadline,
    };
    {
        let subjects = inventory.list(deadline).filter_map(|listed| {
            ready(match listed {
                Listed::Object(workload) => Some(Subject {
                    workload: *workload,
                    source: None,
                }),
                Listed::Unread { object, problem } => {
                    partial.push(format!("{object}: {problem}"));
                    None
                }
                Listed::Partial(sentence) => {
                    partial.push(sentence);
                    None
                }
            })
        });
        judge.judge(subjects, &mut report, |_| ()).await;
    }
    let circumstances = Circumstances {
        partial,
        created: "2026-11-28T10:00:00Z".to_owned(),
        ..Circumstances::default()
    };
    report.finish(nodes, circumstances)
}

fn node(architecture: &str) -> Node {
    let platform = Platform::new("linux", architecture, "");
    let runtime = Runtime::ContainerdTransfer;
    Node::of_platform(architecture.to_owned(), platform, runtime, Source::Node)
}

/// Knows every image at once: a fifth lacks linux/s390x.
struct InMemory;

impl ImageInspector for InMemory {
    fn inspect<'a>(
        &'a self,
        image: &'a ImageReference,
        _: &'a Access,
    ) -> BoxFuture<'a, Result<Lookup, Unknown>> {
        let number = image.tag().and_then(|tag| tag.parse::<usize>().ok());
        let number = number.unwrap_or_default();
        let architectures: &[&str] = match number % 5 {
            0 => &["amd64", "arm64"],
            _ => &["amd64", "arm64", "s390x"],
        };
        let entries = architectures.iter().map(|architecture| Entry {
            digest: digest(number),
            kind: EntryKind::Manifest,
            platform: Some(Arc::new(Platform::new("linux", architecture, ""))),
            zstd: false,
            build: None,
        });
        let inspection = Inspection {
            build: None,
            digest: digest(number),
            media_type: MediaType::OciIndex,
            content: Content::Index(entries.collect()),
        };
        ready(Ok(Arc::new(inspection).into())).boxed()
    }
}

fn digest(number: usize) -> Digest {
    let mut hash = [0; 32];
    for (byte, value) in hash.iter_mut().zip(number.to_be_bytes()) {
        *byte = value;
    }
    Digest::new("sha256", &hash).expect("a digest")
}

/// A field of the kernel's account of this process, in MiB.
fn resident(field: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("an account");
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.expect("a number") / 1024.0
}

/// CPU time of this process so far, user and system.
fn cpu() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task")
        .expect("an account")
        .flatten();
    let nanoseconds = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}
