//! What a review costs, as a ratio to a floor server that is measured in the same run.
//!
//! The floor is a bare axum and rustls server that parses the same fields of the same
//! review and answers "allowed". Both are child processes, so that the kernel's own account
//! of their CPU time and memory can be read; the load comes from this process.
//!
//!     cargo bench --bench floor            # everything
//!     cargo bench --bench floor -- cpu     # one part: cpu, latency, burst, content, crowd, memory

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark ends at the first surprise"
)]

#[path = "floor/content.rs"]
mod content;
#[path = "floor/crowd.rs"]
mod crowd;
#[path = "floor/load.rs"]
mod load;
#[path = "floor/server.rs"]
mod server;
#[path = "floor/world.rs"]
mod world;

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::body::Bytes;
use crowd::Crowd;
use load::{Load, Outcome};
use tokio::runtime::Handle;
use world::World;

/// What the product is held to (ratios to the floor).
const CPU: f64 = 1.5;
const P50: f64 = 2.0;
const P99: f64 = 3.0;
const BURST_P99: f64 = 1.5;

/// CPU time of a review of any content, in milliseconds.
const CONTENT_CPU: f64 = 250.0;

/// What others may do to the p99 of a review, as a ratio to the same without them.
const OTHERS_P99: f64 = 2.0;

/// Resident memory under the load of others, in KiB.
const CROWD_RESIDENT: u64 = 96 * 1024;

/// Reviews a second, and how long, while others do what they do.
const BESIDE: (u32, Duration) = (200, Duration::from_secs(10));

/// How often CPU time is measured, and over how many reviews each time.
const TURNS: usize = 11;
const REVIEWS: usize = 2000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    if arguments
        .first()
        .is_some_and(|argument| argument == "floor-server")
    {
        return server::run(&arguments[1..]);
    }
    let asked = |part: &str| {
        let mut parts = arguments
            .iter()
            .filter(|argument| !argument.starts_with("--"))
            .peekable();
        parts.peek().is_none() || parts.any(|argument| argument == part)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    // What others do must not hold up the clock of those who are measured beside them: theirs
    // are other machines.
    let others = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .on_thread_start(|| {
            let _ = rustix::process::nice(10);
        })
        .enable_all()
        .build()
        .expect("a runtime");
    let world = runtime.block_on(World::new());
    let floor = Server::floor(&world);
    let product = Server::product(&world);
    runtime.block_on(async {
        for review in [&world.deployment, &world.pod] {
            let warm = Load::new(&world, review);
            warm.closed(&floor.url, 1, 500).await;
            warm.closed(&product.url, 1, 500).await;
        }
        if asked("cpu") {
            for (name, review) in [("deployment", &world.deployment), ("pod", &world.pod)] {
                let load = Load::new(&world, review);
                // In turns, so that a change of the machine's speed meets both, and medians, so
                // that a disturbed turn meets neither. One connection, so that load and server
                // never run at the same moment: two busy processors slow each other down, which
                // doubled either figure in some turns and not in others.
                let (mut of_floor, mut of_product) = (Vec::new(), Vec::new());
                for _ in 0..TURNS {
                    of_floor.push(floor.cpu_of(load.closed(&floor.url, 1, REVIEWS)).await);
                    of_product.push(product.cpu_of(load.closed(&product.url, 1, REVIEWS)).await);
                }
                let each = |mut turns: Vec<Duration>| {
                    turns.sort_unstable();
                    turns[TURNS / 2].as_secs_f64() * 1e6 / REVIEWS as f64
                };
                print_ratio(
                    &format!("cpu per warm review, {name}, {} bytes", review.len()),
                    "us",
                    each(of_floor),
                    each(of_product),
                    CPU,
                );
            }
        }
        if asked("latency") {
            let load = Load::new(&world, &world.deployment);
            let of_floor = load.open(&floor.url, 1000, Duration::from_secs(10)).await;
            let of_product = load.open(&product.url, 1000, Duration::from_secs(10)).await;
            print_ratio(
                "p50 at 1,000 reviews/s",
                "us",
                of_floor.quantile(0.5),
                of_product.quantile(0.5),
                P50,
            );
            print_ratio(
                "p99 at 1,000 reviews/s",
                "us",
                of_floor.quantile(0.99),
                of_product.quantile(0.99),
                P99,
            );
            println!(
                "failures: floor {}, archmatch {}",
                of_floor.failures, of_product.failures
            );
        }
        if asked("burst") {
            let load = Load::new(&world, &world.deployment);
            let of_floor = load.closed(&floor.url, 500, 10_000).await;
            let of_product = load.closed(&product.url, 500, 10_000).await;
            print_ratio(
                "p99 of 10,000 reviews over 500 new connections",
                "us",
                of_floor.quantile(0.99),
                of_product.quantile(0.99),
                BURST_P99,
            );
            println!(
                "failures: floor {}, archmatch {}",
                of_floor.failures, of_product.failures
            );
        }
        if asked("content") {
            content_of_any_kind(&world, &product, others.handle()).await;
        }
        if asked("crowd") {
            beside_a_crowd(&world, &product, others.handle()).await;
        }
        if asked("memory") {
            println!(
                "resident after all that, KiB: floor {}, archmatch {} (5,000 nodes in 12 groups)",
                floor.resident(),
                product.resident()
            );
        }
    });
}

/// What a review of any content costs, and what it costs those beside it.
async fn content_of_any_kind(world: &World, product: &Server, others: &Handle) {
    let load = Load::new(world, &world.deployment);
    let (rate, length) = BESIDE;
    let alone = load.open(&product.url, rate, length).await;
    for (what, body) in content::bodies() {
        let (client, body) = (load.client(), Bytes::from(body));
        let once = load::send_other(&client, &product.url, &body);
        let once = product.cpu_of(once).await;
        let milliseconds = once.as_secs_f64() * 1e3;
        let mark = if milliseconds <= CONTENT_CPU {
            "ok"
        } else {
            "OVER"
        };
        println!(
            "cpu of a review, {what}, {} bytes: {milliseconds:.0} ms (target {CONTENT_CPU:.0}: {mark})",
            body.len()
        );
        let url = product.url.clone();
        let again = others.spawn(async move {
            loop {
                load::send_other(&client, &url, &body).await;
            }
        });
        let beside = load.open(&product.url, rate, length).await;
        again.abort();
        print_beside(&format!("beside {what}"), &alone, &beside);
    }
}

/// What other peers' connections cost: idle ones, half heads and slow bodies.
async fn beside_a_crowd(world: &World, product: &Server, others: &Handle) {
    let load = Load::new(world, &world.deployment);
    let (rate, length) = BESIDE;
    let alone = load.open(&product.url, rate, length).await;
    product.forget_peak();
    let [certificate, _] = world.tls_files();
    let crowd = others.spawn(Crowd::gather(certificate, product.port));
    let crowd = crowd.await.expect("a crowd");
    let beside = load.open(&product.url, rate, length).await;
    print_beside("beside a crowd of other peers", &alone, &beside);
    let (resident, peak) = (product.resident(), product.peak());
    let mark = if peak <= CROWD_RESIDENT { "ok" } else { "OVER" };
    println!(
        "resident beside {} connections of other peers, KiB: {resident}, at most {peak} (target {CROWD_RESIDENT}: {mark})",
        crowd.connected
    );
}

fn print_beside(what: &str, alone: &Outcome, beside: &Outcome) {
    let (alone, p99) = (alone.quantile(0.99), beside.quantile(0.99));
    let ratio = p99 / alone;
    let mark = if ratio <= OTHERS_P99 { "ok" } else { "OVER" };
    println!(
        "p99 {what}: alone {alone:.1} us, then {p99:.1} us, ratio {ratio:.2} (target {OTHERS_P99:.1}: {mark}), failures {}",
        beside.failures
    );
}

fn print_ratio(what: &str, unit: &str, floor: f64, product: f64, target: f64) {
    let ratio = product / floor;
    let mark = if ratio <= target { "ok" } else { "OVER" };
    println!(
        "{what}: floor {floor:.1} {unit}, archmatch {product:.1} {unit}, ratio {ratio:.2} (target {target:.1}: {mark})"
    );
}

/// A server in a process of its own, ended by its process id.
struct Server {
    child: Child,
    url: String,
    port: u16,
}

impl Server {
    fn floor(world: &World) -> Self {
        let port = world::free_port();
        let own = std::env::current_exe().expect("the path of this program");
        let mut command = Command::new(own);
        command
            .args(["floor-server", &port.to_string()])
            .args(world.tls_files());
        Self::start(command, port)
    }

    fn product(world: &World) -> Self {
        let port = world::free_port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_archmatch"));
        let listen = format!("127.0.0.1:{port}");
        let [certificate, key] = world.tls_files();
        command
            .args([
                "serve",
                "--listen",
                &listen,
                "--status-listen",
                "127.0.0.1:0",
            ])
            .args(["--tls-cert", &certificate, "--tls-key", &key])
            .args([
                "--snapshot",
                &world.snapshot(),
                "--config",
                &world.configuration(),
            ])
            .env("ARCHMATCH_LOG", "warn");
        Self::start(command, port)
    }

    fn start(mut command: Command, port: u16) -> Self {
        let child = command
            .stdout(Stdio::null())
            .spawn()
            .expect("start a server");
        let server = Self {
            child,
            url: format!("https://localhost:{port}/validate?timeout=10s"),
            port,
        };
        world::wait_for(port);
        server
    }

    /// CPU time, user and system, that the process spends while the future runs.
    async fn cpu_of<F: Future>(&self, work: F) -> Duration {
        let before = self.cpu();
        work.await;
        self.cpu() - before
    }

    /// The scheduler's own account, in nanoseconds: the first field of each thread's
    /// `schedstat`. The ticks of `stat` are too coarse for work in microseconds.
    fn cpu(&self) -> Duration {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let threads = threads.expect("the server runs").flatten();
        let nanoseconds = threads.filter_map(|thread| {
            let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanoseconds.sum())
    }

    fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// Forgets what was resident so far. Source: proc_pid_clear_refs(5).
    fn forget_peak(&self) {
        let path = format!("/proc/{}/clear_refs", self.child.id());
        std::fs::write(path, "5").expect("the server runs");
    }

    /// The most that was resident since then.
    fn peak(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(path).expect("the server runs");
        let line = text.lines().find_map(|line| line.strip_prefix(field));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok())
            .unwrap_or(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
