//! `archmatch demo`: the main job on an embedded example.
//!
//! A registry, a mixed cluster and the real webhook, all in this process and on loopback.
//! Nothing leaves the machine; the only thing that is not real is the API server, whose
//! requests and printing are written out here.

mod images;
mod registry;
mod stories;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use clap::Args;
use futures::stream;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::stories::{Expected, Story};
use super::audit::{Found, SelectionArguments};
use super::exit::Exit;
use super::origin::WorkloadOrigin;
use super::output::now;
use super::setup::{self, Registries, RunsFor};
use super::{snapshot, subjects, terminal};
use crate::admission::{self, Metrics, Reviewer};
use crate::audit::{Judge, Subject};
use crate::checker::Checker;
use crate::cluster::view::View;
use crate::config::Configuration;
use crate::domain::node::Nodes;
use crate::process::certificates::SelfSigned;
use crate::process::server::{ConnectionLimits, Connections, Transport, serve};
use crate::process::shutdown::{Phase, Shutdown, Trigger, shutdown};
use crate::process::telemetry;
use crate::process::tls::{ServingCertificate, server_config};
use crate::report::{Circumstances, Format, Report, ReportBuilder, ReportRequest, Scope, Style};

/// Arguments of `archmatch demo`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// Keep the registry and the webhook up, and print commands to try against them
    #[arg(long)]
    pub stay: bool,
    /// Where the audit's page goes
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// Everything that the demonstration started. It ends with this value.
struct DemoServers {
    folder: Folder,
    ca: String,
    webhook: u16,
    view: Arc<View>,
    checker: Checker,
    configuration: Configuration,
    trigger: Trigger,
    tasks: JoinSet<()>,
}

/// Shows the stories, and says whether every answer was the expected one.
pub async fn run(arguments: Arguments) -> Result<Exit> {
    let servers = DemoServers::set().await?;
    let style = terminal::style(terminal::Color::Auto);
    terminal::print(&introduction(style, &servers.view))?;
    let mut surprises = 0;
    for story in stories::all() {
        let answer = servers.ask(&story).await?;
        let as_expected = story.expected == Expected::of(&answer);
        surprises += usize::from(!as_expected);
        terminal::print(&show(style, &story, &answer, as_expected))?;
    }
    terminal::print(&title(
        style,
        "What the cluster could run: every image on every node platform",
    ))?;
    terminal::print(&servers.matrix().await.body(style))?;
    let audit = servers.audit().await?;
    terminal::print(&title(style, "What runs already: archmatch audit"))?;
    terminal::print(&Format::Table.render(&audit, style)?)?;
    if let Some(path) = &arguments.html {
        let page = Format::Html.render(&audit, Style::PLAIN)?;
        fs::write(path, page).with_context(|| format!("write {}", path.display()))?;
        let path = path.display();
        terminal::print(&format!("The same as a page to send around: {path}\n"))?;
    }
    if surprises > 0 {
        terminal::print(&format!(
            "\n{surprises} answers were not the expected ones\n"
        ))?;
        return Ok(Exit::Findings);
    }
    if arguments.stay {
        terminal::print(&servers.lines_to_try()?)?;
        servers.stay().await?;
    } else {
        terminal::print(
            "\nEvery answer was the expected one. `archmatch demo --stay` keeps this up to try yourself.\n",
        )?;
        servers.end().await;
    }
    Ok(Exit::Success)
}

impl DemoServers {
    async fn set() -> Result<Self> {
        let folder = Folder::create()?;
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let pair = SelfSigned::make(&names)?;
        let (trigger, shutdown) = shutdown();
        let mut tasks = JoinSet::new();
        let registry = registry::router(images::all());
        let registry = start(registry, &pair, &shutdown, &mut tasks).await?;

        folder.write("ca.crt", &pair.ca)?;
        let configuration = configuration(&folder.path("ca.crt"), registry);
        folder.write("archmatch.yaml", &configuration)?;
        folder.write("cluster.json", &stories::cluster().to_string())?;
        folder.write("workloads.yaml", include_str!("demo/workloads.yaml"))?;
        let configuration = Configuration::load(&folder.path("archmatch.yaml"))?;
        let cluster = folder.path("cluster.json").display().to_string();
        let snapshot = snapshot::load(&[cluster], &configuration)?;
        let view = Arc::new(snapshot.view);
        let registries =
            Registries::open(&configuration, snapshot.secrets, RunsFor::Reviews).await?;
        let checker = registries.checker;
        let settings = setup::admission_settings(&configuration);
        let reviewer = Reviewer::new(
            checker.clone(),
            Arc::new(ArcSwap::new(Arc::clone(&view))),
            Arc::new(ArcSwap::from_pointee(settings)),
            Metrics::register(&mut telemetry::metrics_registry(env!("CARGO_PKG_VERSION"))),
        );
        let webhook = admission::router(reviewer, admission::Limits::default());
        let webhook = start(webhook, &pair, &shutdown, &mut tasks).await?;
        Ok(Self {
            folder,
            ca: pair.ca,
            webhook,
            view,
            checker,
            configuration,
            trigger,
            tasks,
        })
    }

    /// Sends a review as the API server would, and returns its response.
    async fn ask(&self, story: &Story) -> Result<Value> {
        let client = reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(self.ca.as_bytes())?])
            .no_proxy()
            .build()?;
        let url = format!("https://127.0.0.1:{}/validate?timeout=5s", self.webhook);
        let request = client
            .post(url)
            .header("content-type", "application/json")
            .body(story.review().to_string());
        let body = request.send().await?.error_for_status()?.bytes().await?;
        let review: Value = serde_json::from_slice(&body).context("read the answer")?;
        Ok(review["response"].clone())
    }

    /// Every image of the registry on every node platform.
    async fn matrix(&self) -> Report {
        let nodes = self.view.nodes.without_obstacles();
        let subjects = images::all().into_iter();
        let subjects = subjects.map(|image| subjects::by_name(&image.name));
        let request = ReportRequest::default();
        self.report(request, subjects.collect(), &nodes).await
    }

    async fn report(
        &self,
        request: ReportRequest,
        subjects: Vec<Subject>,
        nodes: &Nodes,
    ) -> Report {
        let judge = Judge {
            checker: self.checker.clone(),
            nodes,
            everywhere: None,
            advisor: None,
            rules: setup::rules(&self.configuration),
            deadline: Instant::now() + Duration::from_secs(5),
        };
        let mut report = ReportBuilder::new(request);
        judge
            .judge(stream::iter(subjects), &mut report, |_| ())
            .await;
        let circumstances = Circumstances {
            created: now(),
            ..Circumstances::default()
        };
        report.finish(nodes, circumstances)
    }

    /// What runs in the cluster already, as `archmatch audit` sees it.
    async fn audit(&self) -> Result<Report> {
        let path = |name: &str| self.folder.path(name).display().to_string();
        let sources = [path("cluster.json"), path("workloads.yaml")];
        let (target, _) = snapshot::load_all(&sources, &self.configuration)?;
        let selection = SelectionArguments::default();
        let mut found = Found::default();
        let objects = match target.origin {
            WorkloadOrigin::Files(objects) => objects,
            WorkloadOrigin::Live(_) | WorkloadOrigin::Nowhere => Vec::new(),
        };
        let mut subjects = selection.of_files(objects, &[], &mut found);
        for subject in &mut subjects {
            subject.complete(&target.view);
            // A live cluster has no lines of files.
            subject.source = None;
        }
        let request = ReportRequest {
            scope: Scope::Cluster,
            ..ReportRequest::default()
        };
        Ok(self.report(request, subjects, &target.view.nodes).await)
    }

    /// Commands for another terminal, which work as they are printed.
    fn lines_to_try(&self) -> Result<String> {
        let mut stories = stories::all().into_iter();
        let denied = stories.find(|story| story.expected == Expected::Denied);
        let denied = denied.context("no story is denied")?;
        self.folder
            .write("review.json", &denied.review().to_string())?;
        let own = std::env::current_exe().context("find this program")?;
        let own = own.display();
        let path = |name: &str| self.folder.path(name).display().to_string();
        let (config, cluster) = (path("archmatch.yaml"), path("cluster.json"));
        let workloads = path("workloads.yaml");
        Ok(format!(
            "\nThe registry and the webhook stay up until Ctrl-C. In another terminal:\n\n  \
             {own} check --config {config} --platform linux/s390x node:22\n  \
             {own} check --config {config} --platform linux/s390x node:22-trixie\n  \
             {own} check --config {config} --snapshot {cluster} -o wide node:22\n  \
             {own} audit --config {config} --snapshot {cluster} --snapshot {workloads} --add-platform linux/riscv64\n  \
             {own} inspect --config {config} node:22\n  \
             curl --cacert {} -H 'content-type: application/json' -d @{} 'https://127.0.0.1:{}/validate?timeout=5s'\n",
            path("ca.crt"),
            path("review.json"),
            self.webhook,
        ))
    }

    /// Serves until somebody interrupts.
    async fn stay(mut self) -> Result<()> {
        let signals = self.trigger.on_signals(Duration::ZERO, Duration::ZERO);
        signals.await?;
        self.tasks.shutdown().await;
        Ok(())
    }

    async fn end(mut self) {
        self.trigger.advance(Phase::Now);
        self.tasks.shutdown().await;
    }
}

/// Starts a server over TLS on a free port of this machine.
async fn start(
    router: axum::Router,
    pair: &SelfSigned,
    shutdown: &Shutdown,
    tasks: &mut JoinSet<()>,
) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .context("find a free port")?;
    let port = listener.local_addr()?.port();
    let tls = server_config(ServingCertificate::new(pair.pair()?), None)?;
    let transport = Transport::Tls {
        config: Arc::new(ArcSwap::from_pointee(tls)),
        client_names: Arc::new([]),
    };
    tasks.spawn(serve(
        listener,
        transport,
        router,
        Connections::new(ConnectionLimits::webhook()),
        shutdown.clone(),
    ));
    Ok(port)
}

/// Docker Hub is this machine's registry, so that `node:22` means the example.
fn configuration(ca: &Path, registry: u16) -> String {
    format!(
        "apiVersion: archmatch.io/v1alpha1\n\
         kind: Configuration\n\
         registries:\n\
         - host: docker.io\n\
         \x20 mirrors: [\"127.0.0.1:{registry}\"]\n\
         - host: \"127.0.0.1:{registry}\"\n\
         \x20 ca: {}\n\
         \x20 addresses: any\n",
        ca.display()
    )
}

fn introduction(style: Style, view: &View) -> String {
    let mut text = title(style, "A mixed cluster");
    for (group, members) in view.nodes.groups() {
        let names: Vec<&str> = members.names().map(AsRef::as_ref).collect();
        let cordon = if group.unschedulable {
            ", cordoned"
        } else {
            ""
        };
        let taints: Vec<String> = group
            .taints
            .iter()
            .map(|taint| format!(", tainted {taint}"))
            .collect();
        let platform = group.platform.platform.to_string();
        text.push_str(&format!(
            "  {platform:<15} {}{cordon}{}\n",
            names.join(", "),
            taints.concat()
        ));
    }
    text
}

fn show(style: Style, story: &Story, answer: &Value, as_expected: bool) -> String {
    let mut text = title(style, story.title);
    text.push_str(&style.paint("2", &story.yaml()));
    text.push_str(&format!(
        "{}\n",
        style.paint("1", &format!("$ kubectl apply -f {}.yaml", story.name))
    ));
    let warnings = answer["warnings"].as_array();
    for warning in warnings.into_iter().flatten().filter_map(Value::as_str) {
        text.push_str(&format!("{} {warning}\n", style.paint("33", "Warning:")));
    }
    if answer["allowed"] == true {
        text.push_str(&format!("{} created\n", story.created_as()));
    } else {
        let message = answer["status"]["message"].as_str().unwrap_or_default();
        text.push_str(&format!(
            "{} error when creating \"{}.yaml\": admission webhook \"validate.archmatch.io\" \
             denied the request: {message}\n",
            style.paint("31", "Error from server (Forbidden):"),
            story.name,
        ));
    }
    if !as_expected {
        text.push_str(&style.paint("31", &format!("expected: {:?}\n", story.expected)));
    }
    text
}

fn title(style: Style, text: &str) -> String {
    format!("\n{}\n", style.paint("1;36", &format!("## {text}")))
}

/// A folder of our own, removed when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn create() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("archmatch-demo-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(Self(path))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path(name);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
