//! `archmatch check`: images, manifests or rendered charts, judged before they are deployed.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use futures::stream::{self, StreamExt};
use tokio::time::Instant;

use super::assumed::taken_as_met;
use super::duration::parse_duration;
use super::exit::Exit;
use super::selector::LabelSelector;
use super::setup::{self, Own, Registries};
use super::snapshot::Snapshot;
use super::{output, target};
use crate::checker::Checker;
use crate::cluster::view::{ServiceAccounts, View};
use crate::config::Configuration;
use crate::domain::access::{Access, Tenant};
use crate::domain::labels::Labels;
use crate::domain::placement::Placement;
use crate::domain::policy::Level;
use crate::domain::verdict::Passing;
use crate::domain::workload::{PodTemplate, Usage, Workload};
use crate::files::{self, FileError, FileObject, Recursion};
use crate::objects::kinds::{self, KindRule};
use crate::report::{Judged, Report, Run, render_table, render_wide};

/// How many workloads are judged at the same time: enough that a registry which never answers
/// holds up nobody else's images. Registries have limits of their own.
const AT_ONCE: usize = 1_000;

/// Arguments of `archmatch check`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// Images by name
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,
    /// Kubernetes objects: a file, a directory, or - for standard input (repeatable)
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-")]
    pub files: Vec<String>,
    /// Also read the folders in a directory
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// A kustomization, rendered by kubectl
    #[arg(short = 'k', long, value_name = "DIR")]
    pub kustomize: Option<PathBuf>,
    /// Only objects of files with these labels: =, ==, !=, in, notin, comma-separated
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<LabelSelector>,
    /// Namespace of objects that name none; the others keep theirs
    #[arg(short = 'n', long, default_value = "default", value_name = "NAME")]
    pub namespace: String,
    #[command(flatten)]
    pub target: target::TargetArguments,
    /// Output format
    #[arg(short = 'o', long, default_value = "table", value_name = "FORMAT")]
    pub output: Format,
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

/// Output formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A summary, the matrix of images and platforms, and what fails
    Table,
    /// The same, and for each workload where it may go, why not elsewhere, and what is pulled
    Wide,
    /// The report as JSON
    Json,
}

fn parse_level(text: &str) -> Result<Level, String> {
    match text.parse() {
        Ok(level @ (Level::Runnable | Level::Portable)) => Ok(level),
        _ => Err("expected runnable or portable".to_owned()),
    }
}

/// A workload, and where it was read.
struct Subject {
    workload: Workload,
    source: Option<String>,
}

/// Judges, prints, and says by the exit code what was found.
///
/// # Errors
/// When the configuration, the snapshot or the cluster cannot be used.
pub async fn run(arguments: Arguments, config: Option<PathBuf>) -> Result<Exit> {
    let deadline = Instant::now() + arguments.timeout;
    let from_stdin = arguments.files.iter().chain(&arguments.target.snapshot);
    if from_stdin.filter(|name| *name == files::STDIN).count() > 1 {
        bail!("standard input (-) can be read once only");
    }
    let configuration = setup::configuration(config.as_deref())?;
    let kinds = setup::kind_rules(&configuration)?;
    let (mut subjects, errors) = read_subjects(&arguments, &kinds)?;
    for error in &errors {
        eprintln!("error: {error}");
    }
    if subjects.is_empty() && errors.is_empty() && !arguments.allow_empty {
        match &arguments.selector {
            Some(_) => bail!("nothing to check: no workload has the labels of -l"),
            None => bail!("nothing to check: name images, or files with workloads by -f"),
        }
    }
    let Snapshot { view, secrets } = arguments.target.view(&configuration).await?;
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
            eprintln!("note: {note}");
        }
    }
    let registries = Registries::open(&configuration, secrets, Own::Used).await?;
    let workloads = judge(
        subjects,
        &arguments,
        &configuration,
        registries.checker.clone(),
        &view,
        deadline,
    )
    .await?;
    registries.close().await;
    let run = Run {
        workloads,
        nodes: view.nodes,
    };
    print(&run, arguments.output)?;
    if !errors.is_empty() {
        return Ok(Exit::Usage);
    }
    let passing = Passing::all(
        run.workloads
            .iter()
            .map(|judged| judged.at(arguments.level)),
    );
    Ok(match passing {
        Passing::Pass => Exit::Success,
        Passing::Fail => Exit::Findings,
        Passing::Undecided => Exit::Undecided,
    })
}

async fn judge(
    subjects: Vec<Subject>,
    arguments: &Arguments,
    configuration: &Configuration,
    checker: Checker,
    view: &View,
    deadline: Instant,
) -> Result<Vec<Judged>> {
    let rules = setup::rules(configuration);
    let everywhere =
        (arguments.output == Format::Wide).then(|| View::of_nodes(view.nodes.without_obstacles()));
    let judged = subjects.into_iter().map(|subject| {
        let (checker, everywhere) = (&checker, everywhere.as_ref());
        async move {
            let Workload {
                api_version,
                kind,
                namespace,
                name,
                templates,
            } = subject.workload;
            let nodes = &view.nodes;
            let verdicts = checker.check_all(&templates, nodes, rules, deadline).await;
            let everywhere = match everywhere {
                None => Vec::new(),
                Some(everywhere) => {
                    let anywhere: Vec<PodTemplate> = templates
                        .iter()
                        .map(|template| PodTemplate {
                            placement: Placement::default(),
                            ..template.clone()
                        })
                        .collect();
                    let nodes = &everywhere.nodes;
                    checker.check_all(&anywhere, nodes, rules, deadline).await
                }
            };
            Judged {
                api_version,
                namespace: (kind != IMAGE).then_some(namespace),
                kind,
                name,
                source: subject.source,
                verdicts,
                everywhere,
            }
        }
    });
    Ok(stream::iter(judged).buffered(AT_ONCE).collect().await)
}

/// The kind of an image given by name.
const IMAGE: &str = "Image";

fn read_subjects(
    arguments: &Arguments,
    kinds: &[KindRule],
) -> Result<(Vec<Subject>, Vec<FileError>)> {
    let mut subjects: Vec<Subject> = arguments
        .images
        .iter()
        .map(|image| by_name(image))
        .collect();
    let recursion = if arguments.recursive {
        Recursion::Recursive
    } else {
        Recursion::Flat
    };
    let mut found = files::read(&arguments.files, recursion);
    if let Some(folder) = &arguments.kustomize {
        found.extend(kustomize(folder)?);
    }
    let mut errors = Vec::new();
    for object in found {
        if let (Ok(object), Some(selector)) = (&object, &arguments.selector)
            && !selector.selects(&labels(object))
        {
            continue;
        }
        match object.and_then(|object| from_object(&object, kinds)) {
            Ok(Some(mut subject)) => {
                if subject.workload.namespace.is_empty() {
                    subject.workload.namespace.clone_from(&arguments.namespace);
                }
                subjects.push(subject);
            }
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
    }
    Ok((subjects, errors))
}

fn by_name(image: &str) -> Subject {
    let mut template = PodTemplate::default();
    template.add_image("image", image, Usage::Container, false);
    // A name of the command line has no container around it.
    template.images.forget_containers();
    Subject {
        workload: Workload {
            api_version: "archmatch.io/v1alpha1".to_owned(),
            kind: IMAGE.to_owned(),
            name: image.to_owned(),
            templates: vec![template],
            ..Workload::default()
        },
        source: None,
    }
}

/// The labels of an object. What is none is no label: the object's kind reports it.
fn labels(object: &FileObject) -> Labels {
    let labels = object.value["metadata"]["labels"].as_object();
    let pairs = labels.into_iter().flatten();
    pairs
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn from_object(object: &FileObject, kinds: &[KindRule]) -> Result<Option<Subject>, FileError> {
    let read = kinds::read(&object.value, kinds);
    let workload = read.map_err(|error| FileError::about(object, error.to_string()))?;
    Ok(workload.map(|workload| Subject {
        workload,
        source: Some(object.source.clone()),
    }))
}

/// What `kubectl apply -k` would apply.
fn kustomize(folder: &PathBuf) -> Result<Vec<Result<FileObject, FileError>>> {
    let rendered = Command::new("kubectl")
        .arg("kustomize")
        .arg(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("run kubectl, which renders kustomizations")?;
    if !rendered.status.success() {
        bail!("kubectl kustomize {} failed", folder.display());
    }
    let name = folder.display().to_string();
    Ok(files::read_from(&name, rendered.stdout.as_slice()))
}

fn print(run: &Run, format: Format) -> Result<()> {
    let style = output::style();
    output::print(&match format {
        Format::Table => render_table(run, style),
        Format::Wide => render_wide(run, style),
        Format::Json => serde_json::to_string_pretty(&Report::of(run))? + "\n",
    })
}
