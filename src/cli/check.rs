//! `archmatch check`: images, manifests or rendered charts, judged before they are deployed.

use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use futures::stream::{self, StreamExt};
use tokio::time::Instant;

use super::assumed::taken_as_met;
use super::duration::parse_duration;
use super::exit::Exit;
use super::progress::Progress;
use super::setup::{self, Registries, UserCredentials};
use super::snapshot::Snapshot;
use super::subjects::{Subject, SubjectArguments, Subjects};
use super::{target, terminal};
use crate::checker::Checker;
use crate::cluster::view::{ServiceAccounts, View};
use crate::config::Configuration;
use crate::domain::access::{Access, Tenant};
use crate::domain::placement::Placement;
use crate::domain::policy::Level;
use crate::domain::verdict::LevelResult;
use crate::domain::workload::PodTemplate;
use crate::report::{Format, ReportInput, Scope, WorkloadReport};

/// How many workloads are judged at the same time: enough that a registry which never answers
/// holds up nobody else's images. Registries have limits of their own.
const MAX_WORKLOADS_AT_ONCE: usize = 1_000;

/// Arguments of `archmatch check`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    #[command(flatten)]
    pub subjects: SubjectArguments,
    #[command(flatten)]
    pub target: target::TargetArguments,
    /// Output format
    #[arg(short = 'o', long, default_value = "table", value_name = "FORMAT")]
    pub output: Format,
    /// Colours in tables
    #[arg(long, default_value = "auto", value_name = "WHEN")]
    pub color: terminal::Color,
    /// The level that must hold
    #[arg(long, default_value = "portable", value_parser = parse_level, value_name = "runnable|portable")]
    pub level: Level,
    /// Checking nothing at all is fine
    #[arg(long)]
    pub allow_empty: bool,
    /// What is not known by then stays unknown
    #[arg(long, default_value = "2m", value_parser = parse_duration, value_name = "TIME")]
    pub timeout: Duration,
}

fn parse_level(text: &str) -> Result<Level, String> {
    match text.parse() {
        Ok(level @ (Level::Runnable | Level::Portable)) => Ok(level),
        _ => Err("expected runnable or portable".to_owned()),
    }
}

/// Judges, prints, and says by the exit code what was found.
pub async fn run(arguments: Arguments, config: Option<PathBuf>) -> Result<Exit> {
    let deadline = Instant::now() + arguments.timeout;
    let configuration = setup::configuration(config.as_deref())?;
    let Subjects {
        workloads: mut subjects,
        errors,
        skipped,
        from_files,
    } = Subjects::read(&arguments.subjects, &arguments.target, &configuration.kinds)?;
    for error in &errors {
        eprintln!("error: {}: {}", error.source, error.problem);
    }
    if subjects.is_empty() && errors.is_empty() && !arguments.allow_empty {
        match &arguments.subjects.selector {
            Some(_) => bail!("nothing to check: no workload has the labels of -l"),
            None => bail!("nothing to check: name images, or files with workloads by -f"),
        }
    }
    let Snapshot { view, secrets } = arguments.target.view(&configuration, deadline).await?;
    for subject in &mut subjects {
        let is_pod = subject.workload.is_pod();
        for template in &mut subject.workload.templates {
            if !is_pod {
                let class = template.placement.runtime_class.as_deref();
                let defaults = view.placement_defaults(&subject.workload.namespace, class);
                template.placement.add_defaults(&defaults);
            }
            let namespace = &subject.workload.namespace;
            template.access = Access {
                tenant: Tenant::Operator,
                secrets: view.pull_secrets(namespace, template, ServiceAccounts::ToApply),
            };
        }
    }
    if !arguments.target.platform.is_empty() {
        let templates = subjects
            .iter()
            .flat_map(|subject| &subject.workload.templates);
        if let Some(note) = taken_as_met(templates.map(|template| &template.placement)) {
            terminal::note(note);
        }
    }
    let registries = Registries::open(&configuration, secrets, UserCredentials::Used).await?;
    let (workloads, partial) = judge(
        subjects,
        &arguments,
        &configuration,
        registries.checker.clone(),
        &view,
        deadline,
    )
    .await;
    registries.close().await;
    let run = ReportInput {
        workloads,
        nodes: view.nodes,
        level: arguments.level,
        scope: if from_files {
            Scope::Files
        } else {
            Scope::Images
        },
        errors,
        partial,
        skipped,
        may_be_empty: arguments.allow_empty,
    };
    print(&run, &arguments)?;
    if !run.errors.is_empty() {
        return Ok(Exit::Usage);
    }
    for missing in &run.partial {
        terminal::note(missing);
    }
    if run.is_empty() && run.partial.is_empty() && !arguments.allow_empty {
        bail!("nothing to check: no workload has a container with an image");
    }
    Ok(match run.passing() {
        LevelResult::Pass if !run.partial.is_empty() => Exit::Undecided,
        result => result.into(),
    })
}

/// The judged workloads, in their order, and what is missing of them after Ctrl-C.
async fn judge(
    subjects: Vec<Subject>,
    arguments: &Arguments,
    configuration: &Configuration,
    checker: Checker,
    view: &View,
    deadline: Instant,
) -> (Vec<WorkloadReport>, Vec<String>) {
    let total = subjects.len();
    let rules = setup::rules(configuration);
    let everywhere = (arguments.output == Format::Wide).then(|| view.nodes.without_obstacles());
    let judged = subjects.into_iter().enumerate().map(|(position, subject)| {
        let (checker, everywhere) = (&checker, everywhere.as_ref());
        async move {
            let Subject { workload, source } = subject;
            let templates = &workload.templates;
            let check = |templates, nodes| checker.check_all(templates, nodes, rules, deadline);
            let verdicts = check(templates, &view.nodes).await;
            let everywhere = match everywhere {
                None => Vec::new(),
                Some(nodes) => {
                    let anywhere = templates.iter().map(|template| PodTemplate {
                        placement: Placement::default(),
                        ..template.clone()
                    });
                    check(&anywhere.collect::<Vec<_>>(), nodes).await
                }
            };
            let judged = WorkloadReport {
                everywhere,
                ..WorkloadReport::of(workload, source, verdicts)
            };
            (position, judged)
        }
    });
    let mut judged = stream::iter(judged).buffer_unordered(MAX_WORKLOADS_AT_ONCE);
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    let mut progress = Progress::new(total);
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    let mut found: Vec<(usize, WorkloadReport)> = Vec::new();
    let mut partial = Vec::new();
    loop {
        tokio::select! {
            one = judged.next() => match one {
                Some(one) => found.push(one),
                None => break,
            },
            _ = tick.tick() => {}
            Ok(()) = &mut interrupted => {
                let done = found.len();
                partial.push(format!("interrupted: {done} of {total} were checked"));
                break;
            }
        }
        progress.show(found.len());
    }
    found.sort_by_key(|(position, _)| *position);
    (
        found.into_iter().map(|(_, judged)| judged).collect(),
        partial,
    )
}

fn print(run: &ReportInput, arguments: &Arguments) -> Result<()> {
    let style = terminal::style(arguments.color);
    terminal::print(&arguments.output.render(run, style)?)
}
