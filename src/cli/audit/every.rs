//! `archmatch audit --every`: pass after pass over a live cluster, as a Deployment of its own.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use arc_swap::ArcSwap;
use futures::FutureExt;
use futures::stream::StreamExt;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Arguments, Found, listed};
use crate::audit::{AuditMetrics, Drift, EventWriter, Judge, ReportWriter};
use crate::checker::Checker;
use crate::cli::exit::Exit;
use crate::cli::live::KubeContext;
use crate::cli::output::now;
use crate::cli::serve::conditions::inform_of_age;
use crate::cli::serve::metrics::PartMetrics;
use crate::cli::serve::source::{ClusterSource, kube_client};
use crate::cli::serve::status::StatusPage;
use crate::cli::setup::{self, Registries, RunsFor};
use crate::cli::terminal;
use crate::cluster::Cluster;
use crate::cluster::view::View;
use crate::config::{Configuration, ReportObjects};
use crate::domain::node::NodePlatform;
use crate::process::readiness::Readiness;
use crate::process::shutdown::shutdown;
use crate::process::telemetry;
use crate::registry::Inspector;
use crate::report::{
    Circumstances, KnownToRun, Report, ReportBuilder, ReportGroup, ReportedWorkload, Scope,
};

/// How long nodes may gather before a pass looks at what has come.
const SETTLE: Duration = Duration::from_secs(1);

/// How long after a pass that came to nothing the next one begins.
const RETRY: Duration = Duration::from_secs(30);

/// Goes on until a signal says to stop.
///
/// # Errors
/// What the configuration has wrong; what the API server lacks is waited for.
pub async fn run(
    arguments: Arguments,
    interval: Duration,
    config: Option<PathBuf>,
) -> Result<Exit> {
    let configuration = setup::configuration(config.as_deref())?;
    let (trigger, shutdown) = shutdown();
    let readiness = Readiness::new();
    let [nodes_listed, cache_loaded] = ["nodes", "cache"].map(|what| readiness.wait_for(what));
    let mut registry = telemetry::metrics_registry(env!("CARGO_PKG_VERSION"));
    let mut tasks = JoinSet::new();
    let client = kube_client().await?;
    let status = StatusPage::open(arguments.status_listen, &readiness, &shutdown, &mut tasks)?;
    let source = ClusterSource::open(Some(&client), &[], &configuration, nodes_listed, &mut tasks)?;
    let Some(cluster) = source.cluster else {
        bail!("--every needs a live cluster");
    };
    inform_of_age(&readiness, Some(&cluster));
    let mut registries = Registries::open(&configuration, source.secrets, RunsFor::Audit).await?;
    drop(cache_loaded);
    let metrics = AuditMetrics::register(&mut registry);
    registry.register_collector(Box::new(PartMetrics {
        inspector: Arc::clone(&registries.inspector),
        view: Arc::clone(&source.view),
        freshness: Some(cluster.freshness()),
        certificate: None,
        listeners: vec![("status", status.connections.clone())],
    }));
    status.show(registry);
    tracing::info!(
        status = %status.address,
        every = ?interval,
        version = env!("CARGO_PKG_VERSION"),
        "auditing"
    );
    let (end, ended) = oneshot::channel::<()>();
    let kept = registries.keep(ended.map(drop));
    let mut auditor = Auditor {
        client,
        cluster,
        view: source.view,
        checker: registries.checker.clone(),
        inspector: Arc::clone(&registries.inspector),
        arguments,
        interval,
        config,
        configuration,
        metrics,
        known: None,
        drift: Drift::default(),
        findings: HashSet::new(),
    };
    tokio::select! {
        // A pass that is under way is given up: the next one begins anew.
        answered = trigger.on_signals(Duration::ZERO, Duration::ZERO) => answered?,
        () = auditor.go_on() => {}
        Some(ended) = tasks.join_next() => bail!("a task ended: {ended:?}"),
    }
    drop(end);
    kept.await?;
    tracing::info!("stopped");
    Ok(Exit::Success)
}

/// Deletes the report objects that are ours, of whichever kinds.
///
/// # Errors
/// That the cluster cannot be asked, or that objects do not go.
pub async fn delete_reports(context: &KubeContext) -> Result<Exit> {
    let writer = ReportWriter::new(context.client().await?, ReportObjects::Auto);
    let deleted = writer.delete_all().await?;
    terminal::note(format_args!("{deleted} report objects deleted"));
    Ok(Exit::Success)
}

/// What passes have in common.
struct Auditor {
    client: kube::Client,
    cluster: Cluster,
    view: Arc<ArcSwap<View>>,
    checker: Checker,
    inspector: Arc<Inspector>,
    arguments: Arguments,
    interval: Duration,
    config: Option<PathBuf>,
    configuration: Configuration,
    metrics: AuditMetrics,
    /// What images were known to run on in passes before; none before the first.
    known: Option<KnownToRun>,
    /// The drift that passes before saw.
    drift: Drift,
    /// The findings of the last pass, by id.
    findings: HashSet<String>,
}

/// The platforms of nodes and pools: a pass is due when they change.
type Platforms = BTreeSet<Arc<NodePlatform>>;

impl Auditor {
    /// Pass after pass.
    async fn go_on(&mut self) {
        self.cluster.synced().await;
        loop {
            let started = Instant::now();
            self.reload();
            let view = self.view.load_full();
            let report = self.pass(&view).await;
            for sentence in &report.partial {
                tracing::warn!(reason = sentence, "not all of the cluster was audited");
            }
            let is_failed = report.workloads.is_empty() && !report.partial.is_empty();
            let pause = if is_failed {
                self.metrics.failed();
                self.interval.min(RETRY)
            } else {
                self.show(&report, started.elapsed());
                self.tell_drift(&report).await;
                self.write(&report).await;
                self.interval
            };
            drop(report);
            let platforms = platforms_of(&view);
            tokio::select! {
                () = sleep_until(started + pause) => {}
                () = self.changed(&platforms) => {
                    tracing::info!("the node platforms changed");
                }
            }
        }
    }

    /// One look at the whole cluster.
    async fn pass(&self, view: &View) -> Report {
        let output = &self.arguments.output;
        let deadline = Instant::now() + output.timeout.max(self.interval);
        let found = RefCell::new(Found::default());
        let kinds = &self.configuration.kinds;
        let selection = &self.arguments.selection;
        let inventory = selection.inventory(self.client.clone(), kinds);
        let subjects = listed(inventory, deadline, &found).map(|mut subject| {
            subject.complete(view);
            subject
        });
        let suggests = self.configuration.audit.suggest;
        let judge = Judge {
            checker: self.checker.clone(),
            nodes: &view.nodes,
            everywhere: None,
            // Images may have other tags than at the pass before.
            advisor: suggests.then(|| Arc::new(setup::advisor(&self.inspector, None))),
            rules: setup::rules(&self.configuration),
            deadline,
        };
        let mut report = ReportBuilder::new(output.request(Scope::Cluster, &self.configuration));
        judge.judge(subjects, &mut report, |_| ()).await;
        let found = found.into_inner();
        let circumstances = Circumstances {
            errors: found.errors,
            partial: found.partial,
            skipped: found.skipped,
            created: now(),
            baseline: None,
            known: self.known.as_ref(),
            observed: None,
            inspector: Some(&*self.inspector),
        };
        report.finish(&view.nodes, circumstances)
    }

    /// Shows what a pass found.
    fn show(&mut self, report: &Report, took: Duration) {
        for finding in &report.findings {
            // What the pass before said, too, was logged then.
            if !self.findings.contains(&finding.id) {
                let workload = report.workloads.get(finding.workload);
                tracing::info!(
                    rule = finding.rule.name(),
                    severity = %finding.severity,
                    workload = workload.map(ReportedWorkload::title),
                    image = finding.image,
                    platforms = finding.platforms.join(","),
                    what = finding.what,
                    id = finding.id,
                    "finding"
                );
            }
        }
        let ids = report.findings.iter().map(|finding| finding.id.clone());
        self.findings = ids.collect();
        match &mut self.known {
            Some(known) if report.partial.is_empty() => known.follow(report),
            // What was not listed is not forgotten.
            Some(known) => known.add(report),
            None => self.known = Some(KnownToRun::of(report)),
        }
        self.metrics.show(report, took);
        tracing::info!(
            workloads = report.summary.workloads,
            failing = report.summary.failing,
            undecided = report.summary.undecided,
            findings = report.findings.len(),
            took = ?took,
            "audited"
        );
    }

    /// Counts the drift that appeared with this pass, and writes events about it where the
    /// configuration asks for them.
    async fn tell_drift(&mut self, report: &Report) {
        let appeared = self.drift.appeared(report);
        self.metrics.count_drift(&appeared);
        if appeared.is_empty() || !self.configuration.audit.events {
            return;
        }
        // In a cluster it is the pod's name.
        let instance = env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
        let instance = instance.unwrap_or_else(|| "archmatch".to_owned());
        let writer = EventWriter::new(self.client.clone(), instance);
        let counts = writer.write(report, &appeared).await;
        if let Some(problem) = &counts.problem {
            let failed = counts.failed;
            tracing::warn!(problem, failed, "events not all written");
        }
        let (written, left_out) = (counts.written, counts.left_out);
        tracing::info!(written, left_out, "events of drift");
    }

    /// Makes the report objects of the cluster those of this pass.
    async fn write(&self, report: &Report) {
        let reports = self.configuration.audit.reports;
        let writer = ReportWriter::new(self.client.clone(), reports);
        let counts = match writer.write(report).await {
            Ok(counts) => counts,
            Err(error) => {
                self.metrics.report_write_failed();
                tracing::warn!(%error, "no report objects written");
                return;
            }
        };
        self.metrics.count_writes(&counts);
        if let Some(problem) = &counts.problem {
            tracing::warn!(
                problem,
                failed = counts.failed,
                "report objects not all written"
            );
        }
        tracing::info!(
            group = counts.group.map(ReportGroup::api_version),
            created = counts.created,
            updated = counts.updated,
            deleted = counts.deleted,
            unchanged = counts.unchanged,
            failed = counts.failed,
            "report objects"
        );
    }

    /// Takes in the configuration as the file has it now. One that is wrong is said, and the
    /// one before still counts.
    fn reload(&mut self) {
        let Some(path) = &self.config else { return };
        match setup::configuration(Some(path)) {
            Ok(configuration) if configuration != self.configuration => {
                let settings = setup::node_settings(&configuration);
                self.cluster.set_settings(settings);
                self.configuration = configuration;
            }
            Ok(_) => {}
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "configuration not reloaded");
            }
        }
    }

    /// Waits until the nodes have other platforms than these, and have settled.
    async fn changed(&self, known: &Platforms) {
        let mut views = self.cluster.views();
        while platforms_of(&self.view.load()) == *known {
            if views.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
        sleep(SETTLE).await;
    }
}

fn platforms_of(view: &View) -> Platforms {
    let groups = view.nodes.groups();
    let platforms = groups.map(|(group, _)| Arc::clone(&group.platform));
    platforms.collect()
}
