//! `archmatch fix`: images of files get tags that have every platform. Nothing else changes.

mod chart;
mod files;
mod kustomization;
mod live;
mod outcome;
mod plan;
mod sheets;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use anyhow::{Context, Result, bail};
use clap::Args;
use futures::stream::{self, Stream, StreamExt};
use tokio::time::Instant;

use self::files::Files;
use self::live::PatchedObjects;
use self::outcome::FixOutcome;
use self::sheets::Sheets;
use super::audit::{Found, SelectionArguments};
use super::duration::parse_duration;
use super::exit::Exit;
use super::judging::judge_for_person;
use super::origin::Target;
use super::output::{now, parse_level};
use super::selector::LabelSelector;
use super::setup::{self, Registries, RunsFor};
use super::skipped;
use super::subjects::{Subjects, by_name, is_file, kustomize, parse_namespace};
use super::target::TargetArguments;
use super::terminal;
use crate::audit::{Judge, Subject};
use crate::cluster::view::View;
use crate::config::Configuration;
use crate::credentials::SecretReader;
use crate::domain::policy::Level;
use crate::files::{self as object_files, FoundObjects, Recursion, STDIN};
use crate::registry::Inspector;
use crate::report::{Circumstances, ReportBuilder, ReportRequest, Scope};

/// Arguments of `archmatch fix`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// Files, as with -f
    #[arg(value_name = "FILE|DIR")]
    pub named: Vec<String>,
    /// Kubernetes objects: a file, a directory, or - for standard input (repeatable)
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-")]
    pub files: Vec<String>,
    /// Also read the folders in a directory
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// A kustomization, rendered by kubectl
    #[arg(short = 'k', long, value_name = "DIR")]
    pub kustomize: Option<PathBuf>,
    /// Write the files instead of showing a diff
    #[arg(long)]
    pub apply: bool,
    /// Only objects with these labels: =, ==, !=, in, notin, comma-separated
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<LabelSelector>,
    /// Of files: the namespace of objects that name none. Without files: only this namespace
    #[arg(short = 'n', long, value_parser = parse_namespace, value_name = "NAME")]
    pub namespace: Option<String>,
    #[command(flatten)]
    pub target: TargetArguments,
    /// The level that must hold
    #[arg(long, default_value = "portable", value_parser = parse_level, value_name = "runnable|portable")]
    pub level: Level,
    /// What is not known by then stays unknown
    #[arg(long, default_value = "2m", value_parser = parse_duration, value_name = "TIME")]
    pub timeout: Duration,
}

impl Arguments {
    /// The files, and whether there are any.
    ///
    /// # Errors
    /// What cannot be meant, and files that are not there.
    fn sources(&self) -> Result<Vec<String>> {
        if let Some(image) = self.named.iter().find(|name| !is_source(name)) {
            bail!(
                "{image} is no file: fix changes files, or shows patches for the workloads of \
                 a cluster"
            );
        }
        let sources: Vec<String> = self.files.iter().chain(&self.named).cloned().collect();
        let inputs = sources.iter().chain(&self.target.snapshot);
        if inputs.filter(|name| *name == STDIN).count() > 1 {
            bail!("standard input (-) can be read once only");
        }
        let is_input = sources.iter().any(|source| source == STDIN);
        match self.apply {
            true if is_input => bail!("--apply writes files, and standard input (-) is none"),
            true if sources.is_empty() && self.kustomize.is_none() => {
                bail!(
                    "--apply writes files: name some with -f or -k; a cluster is never written to"
                )
            }
            _ => {}
        }
        for source in sources.iter().filter(|source| *source != STDIN) {
            fs::metadata(source).with_context(|| format!("read {source}"))?;
        }
        Ok(sources)
    }

    fn request(&self, scope: Scope, configuration: &Configuration) -> ReportRequest {
        ReportRequest {
            scope,
            level: self.level,
            fail_on: Vec::new(),
            may_be_empty: true,
            foreign: configuration.policy.foreign_images.clone(),
        }
    }
}

fn is_source(name: &str) -> bool {
    is_file(name) || Path::new(name).exists()
}

/// Judges, edits, and says by the exit code whether something is left to do.
pub async fn run(arguments: Arguments, config: Option<PathBuf>) -> Result<Exit> {
    let deadline = Instant::now() + arguments.timeout;
    let sources = arguments.sources()?;
    let configuration = setup::configuration(config.as_deref())?;
    match sources.is_empty() && arguments.kustomize.is_none() {
        true => fix_cluster(&arguments, &configuration, deadline).await,
        false => fix_files(&arguments, &sources, &configuration, deadline).await,
    }
}

/// Shows a patch for each workload of the cluster that changes.
async fn fix_cluster(
    arguments: &Arguments,
    configuration: &Configuration,
    deadline: Instant,
) -> Result<Exit> {
    let (target, errors) = arguments.target.cluster(configuration, deadline).await?;
    let Target {
        view,
        secrets,
        origin,
    } = target;
    let objects = PatchedObjects::of(&origin);
    let found = RefCell::new(Found {
        errors,
        ..Found::default()
    });
    let selection = SelectionArguments {
        namespace: arguments.namespace.clone(),
        selector: arguments.selector.clone(),
        ..SelectionArguments::default()
    };
    let subjects = selection.subjects(origin, &configuration.kinds, deadline, &found);
    let subjects = subjects.map(|mut subject| {
        subject.complete(&view);
        subject
    });
    let judging = FixJudge {
        request: arguments.request(Scope::Cluster, configuration),
        configuration,
        secrets,
        deadline,
    };
    let (report, interrupted, inspector) = judging.run(subjects, None, &view).await?;
    let found = found.into_inner();
    let report = report.finish(
        &view.nodes,
        Circumstances {
            errors: found.errors,
            partial: found.partial.into_iter().chain(interrupted).collect(),
            skipped: found.skipped,
            created: now(),
            baseline: None,
            known: None,
            observed: None,
            inspector: Some(&*inspector),
        },
    );
    let mut outcome = FixOutcome::default();
    for error in &report.errors {
        outcome.leave(&error.source, &error.problem);
    }
    outcome.give_up(&report, |_| true);
    let text = live::patches(&report, &objects, deadline, &mut outcome).await?;
    outcome.print();
    terminal::print(&text)?;
    Ok(exit(!text.is_empty() || outcome.is_left))
}

/// Shows a diff of the files, or writes them.
async fn fix_files(
    arguments: &Arguments,
    sources: &[String],
    configuration: &Configuration,
    deadline: Instant,
) -> Result<Exit> {
    let mut sheets = Sheets::default();
    let mut subjects = Subjects::default();
    let target = &arguments.target;
    let namespace = arguments.namespace.clone();
    let namespace = namespace.or_else(|| target.cluster.namespace());
    let found = arguments.read(sources, &mut sheets)?;
    let (selector, kinds) = (arguments.selector.as_ref(), &configuration.kinds);
    subjects.add(found, namespace, selector, kinds);
    skipped::note(&subjects.skipped)
        .into_iter()
        .for_each(terminal::note);
    let files = Files::of(&subjects, arguments.kustomize.as_deref(), &mut sheets);
    let templates = files.templates().iter().map(|(source, image)| Subject {
        source: Some(source.clone()),
        ..by_name(&image.image)
    });
    subjects.workloads.extend(templates);
    let Target { view, secrets, .. } = match subjects.workloads.is_empty() {
        // Nothing is to be judged, so nobody has to be asked.
        true => Target::nothing(),
        false => target.view(configuration, deadline).await?,
    };
    for subject in &mut subjects.workloads {
        subject.complete(&view);
    }
    let judging = FixJudge {
        request: arguments.request(Scope::Files, configuration),
        configuration,
        secrets,
        deadline,
    };
    let total = subjects.workloads.len();
    let workloads = stream::iter(subjects.workloads);
    let (report, interrupted, inspector) = judging.run(workloads, Some(total), &view).await?;
    let report = report.finish(
        &view.nodes,
        Circumstances {
            errors: subjects.errors,
            partial: interrupted.into_iter().collect(),
            skipped: subjects.skipped,
            created: now(),
            baseline: None,
            known: None,
            observed: None,
            inspector: Some(&*inspector),
        },
    );
    let mut outcome = FixOutcome::default();
    files.edit(&report, kinds, &mut sheets, &mut outcome);
    for missing in &report.partial {
        outcome.leave("not looked at", missing);
    }
    if arguments.apply {
        for error in sheets.write() {
            outcome.leave_file(&error);
        }
        outcome.print();
        return Ok(exit(outcome.is_left));
    }
    outcome.print();
    let diff = sheets.diff();
    terminal::print(&diff)?;
    Ok(exit(!diff.is_empty() || outcome.is_left))
}

impl Arguments {
    /// Reads the objects. Standard input is kept, to be changed as files are.
    fn read(&self, sources: &[String], sheets: &mut Sheets) -> Result<FoundObjects> {
        let recursion = match self.recursive {
            true => Recursion::Recursive,
            false => Recursion::Flat,
        };
        let mut found = FoundObjects::default();
        for source in sources {
            if source == STDIN {
                let text = object_files::text_of(STDIN, io::stdin().lock())?;
                found
                    .objects
                    .extend(object_files::read_from(STDIN, text.as_bytes()));
                sheets.add_input(text);
                continue;
            }
            let more = object_files::read(std::slice::from_ref(source), recursion);
            found.objects.extend(more.objects);
            found.passed_over += more.passed_over;
        }
        if let Some(folder) = &self.kustomize {
            found.objects.extend(kustomize(folder)?);
        }
        Ok(found)
    }
}

/// What was judged, what is missing where a person ended it, and who knows the images.
type JudgedReport = (ReportBuilder, Option<String>, Arc<Inspector>);

/// How a fix judges, wherever the workloads are from.
struct FixJudge<'a> {
    request: ReportRequest,
    configuration: &'a Configuration,
    secrets: Arc<dyn SecretReader>,
    deadline: Instant,
}

impl FixJudge<'_> {
    /// Judges the workloads.
    async fn run(
        self,
        subjects: impl Stream<Item = Subject>,
        total: Option<usize>,
        view: &View,
    ) -> Result<JudgedReport> {
        let registries =
            Registries::open(self.configuration, self.secrets, RunsFor::Person).await?;
        let judge = Judge {
            checker: registries.checker.clone(),
            nodes: &view.nodes,
            everywhere: None,
            // Suggestions are what there is to write.
            advisor: Some(Arc::new(registries.advisor(None))),
            rules: setup::rules(self.configuration),
            deadline: self.deadline,
        };
        let mut report = ReportBuilder::new(self.request);
        let interrupted = judge_for_person(&judge, subjects, total, &mut report).await;
        let inspector = Arc::clone(&registries.inspector);
        registries.close().await;
        Ok((report, interrupted, inspector))
    }
}

fn exit(is_left: bool) -> Exit {
    match is_left {
        true => Exit::Findings,
        false => Exit::Success,
    }
}
