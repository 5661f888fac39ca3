//! What the number of nodes costs: of a decision, of a node's update, and in memory.
//!
//!     cargo bench --bench decision              # everything
//!     cargo bench --bench decision -- update    # one part: decide, update, memory

#![expect(clippy::expect_used, reason = "a benchmark ends at the first surprise")]

#[path = "decision/cluster.rs"]
mod cluster;
#[path = "decision/memory.rs"]
mod memory;
#[path = "decision/product.rs"]
mod product;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use archmatch::checker::{Access, Checker, ImageInspector, Rules};
use archmatch::cluster::view::View;
use archmatch::cluster::{DeclaredNodes, Record, State};
use archmatch::domain::inspection::{Content, Entry, EntryKind, Inspection, Lookup, MediaType};
use archmatch::domain::reference::ImageReference;
use archmatch::domain::unknown::Unknown;
use archmatch::domain::workload::{PodTemplate, Usage};
use archmatch::objects::node;
use futures::future::{BoxFuture, FutureExt};
use serde_json::Value;
use tokio::time::Instant;

/// A decision with 5,000 nodes in 12 groups, to one with 12 nodes.
const DECISION: f64 = 1.2;
/// An update of one of 5,000 nodes, to one of 50. Trees are deeper; nothing else may grow.
const UPDATE: f64 = 1.5;
/// What 5,000 nodes add to the resident memory.
const MEMORY_MIB: f64 = 8.0;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let parts: Vec<&String> = arguments
        .iter()
        .filter(|it| !it.starts_with("--"))
        .collect();
    let asked = |part: &str| parts.is_empty() || parts.iter().any(|asked| *asked == part);
    if asked("decide") {
        for platform in ["three platforms", "s390x alone"] {
            decide(platform);
        }
    }
    if asked("update") {
        update();
    }
    if asked("memory") {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(memory::memory(MEMORY_MIB));
    }
}

/// Nanoseconds of each of two, in short turns, so that a change of the machine's speed
/// meets both; the quietest quarter counts, since nothing makes work look shorter.
fn in_turns(mut small: impl FnMut(), mut large: impl FnMut()) -> [f64; 2] {
    const ROUNDS: usize = 2000;
    const QUIET: usize = ROUNDS / 4;
    const TIMES: usize = 20;
    let mut rounds: [Vec<Duration>; 2] = Default::default();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        (0..TIMES).for_each(|_| small());
        let between = Instant::now();
        (0..TIMES).for_each(|_| large());
        rounds[0].push(between - start);
        rounds[1].push(between.elapsed());
    }
    rounds.map(|mut rounds| {
        rounds.sort();
        let quiet: Duration = rounds.iter().take(QUIET).sum();
        quiet.as_secs_f64() * 1e9 / (QUIET * TIMES) as f64
    })
}

fn print_ratio(what: &str, names: [&str; 2], figures: [f64; 2], target: f64) {
    let ratio = figures[1] / figures[0];
    let mark = if ratio <= target { "ok" } else { "OVER" };
    println!(
        "{what}: {} {:.0} ns, {} {:.0} ns, ratio {ratio:.2} (target {target:.1}: {mark})",
        names[0], figures[0], names[1], figures[1]
    );
}

/// Knows one image, for all three architectures, without asking.
struct Known(Arc<Inspection>);

impl ImageInspector for Known {
    fn inspect<'a>(
        &'a self,
        _image: &'a ImageReference,
        _access: &'a Access,
    ) -> BoxFuture<'a, Result<Lookup, Unknown>> {
        Box::pin(std::future::ready(Ok(Arc::clone(&self.0).into())))
    }

    fn cached(&self, _image: &ImageReference, _access: &Access) -> Option<Result<Lookup, Unknown>> {
        Some(Ok(Arc::clone(&self.0).into()))
    }
}

fn checker() -> Checker {
    let digest = |number: usize| format!("sha256:{number:064x}").parse().expect("a digest");
    let entries = cluster::ARCHITECTURES.iter().enumerate();
    let entries = entries.map(|(number, architecture)| Entry {
        digest: digest(number),
        kind: EntryKind::Manifest,
        platform: format!("linux/{architecture}").parse().ok().map(Arc::new),
        zstd: false,
        build: None,
    });
    Checker::new(Arc::new(Known(Arc::new(Inspection {
        build: None,
        digest: digest(9),
        media_type: MediaType::OciIndex,
        content: Content::Index(entries.collect()),
    }))))
}

fn view(count: usize) -> View {
    let objects: Vec<_> = (0..count).map(cluster::node).collect();
    let (view, errors) = View::from_objects(&objects, &DeclaredNodes::default());
    assert!(errors.is_empty(), "every node is read");
    assert_eq!((view.nodes.len(), view.nodes.groups().count()), (count, 12));
    view
}

fn decide(platforms: &str) {
    let checker = checker();
    let mut template = PodTemplate::default();
    template.add_image("web", "shop/web:1", Usage::Container, false);
    if platforms != "three platforms" {
        let selector = &mut template.placement.node_selector;
        selector.insert("kubernetes.io/arch".to_owned(), "s390x".to_owned());
    }
    let (small, large) = (view(12), view(5000));
    let deadline = Instant::now() + Duration::from_secs(600);
    let decision = |view: &View| {
        let check = checker.check(&template, &view.nodes, Rules::default(), deadline);
        let verdict = check
            .now_or_never()
            .expect("a warm decision waits for nothing");
        black_box((verdict.runnable(), verdict.portable()));
    };
    let figures = in_turns(|| decision(&small), || decision(&large));
    print_ratio(
        &format!("a decision, {platforms}"),
        ["12 nodes in 12 groups", "5,000"],
        figures,
        DECISION,
    );
}

fn record(node: &Value) -> Record {
    Record::Node(node::read(node).expect("a node"))
}

/// Cordons one node after another and lets it go again; a view is made of each change.
struct Cordons {
    state: State,
    published: View,
    records: Vec<Record>,
    next: usize,
}

impl Cordons {
    fn of(count: usize) -> Self {
        let mut state = State::new(DeclaredNodes::default());
        let mut records = Vec::new();
        for number in 0..count {
            let mut node = cluster::node(number);
            state.apply(record(&node));
            node["spec"]["unschedulable"] = true.into();
            records.push(record(&node));
            node["spec"]["unschedulable"] = false.into();
            records.push(record(&node));
        }
        Self {
            published: state.view(),
            state,
            records,
            next: 0,
        }
    }

    fn step(&mut self) {
        let record = self.records[self.next].clone();
        self.next = (self.next + 1) % self.records.len();
        assert!(self.state.apply(record), "something changed");
        self.published = black_box(self.state.view());
    }
}

fn update() {
    let (mut small, mut large) = (Cordons::of(50), Cordons::of(5000));
    let figures = in_turns(|| small.step(), || large.step());
    let names = ["one of 50 nodes", "one of 5,000"];
    print_ratio("an update", names, figures, UPDATE);
}
