//! `archmatch audit`: what runs already, judged, and what would if nodes came or went.

mod every;
mod observe;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use futures::future::ready;
use futures::stream::{self, LocalBoxStream, Stream, StreamExt};
use tokio::time::Instant;

use self::observe::observe_for_person;
use super::assumed::TakenAsMet;
use super::duration::parse_duration;
use super::exit::Exit;
use super::judging::judge_for_person;
use super::origin::{Target, WorkloadOrigin};
use super::output::{OutputArguments, now};
use super::selector::LabelSelector;
use super::setup::{self, Registries, RunsFor};
use super::skipped::{self, SkippedKinds};
use super::subjects::parse_namespace;
use super::suggesting::SuggestArguments;
use super::target::TargetArguments;
use super::terminal;
use crate::audit::{Judge, Observer, Subject};
use crate::cluster::inventory::{Inventory, Listed, PAGE_OBJECTS};
use crate::domain::ownership::JudgedPods;
use crate::domain::workload::Workload;
use crate::files::{FileError, FileObject};
use crate::objects::kinds::KindRule;
use crate::objects::to_judge::to_judge;
use crate::report::{Circumstances, ReportBuilder, Scope, SkippedKind, Unread};

/// Arguments of `archmatch audit`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    #[command(flatten)]
    pub selection: SelectionArguments,
    #[command(flatten)]
    pub target: TargetArguments,
    #[command(flatten)]
    pub suggest: SuggestArguments,
    #[command(flatten)]
    pub output: OutputArguments,
    /// Compare what is said with what became of pods on their nodes, and say how often it was
    /// right, with every difference; any makes the run fail
    #[arg(long, conflicts_with_all = ["every", "platform", "add_platform", "drop_platform"])]
    pub observe: bool,
    /// Go on for ever, with a pass as often as this, and write report objects as the
    /// configuration says
    #[arg(long, value_parser = parse_interval, value_name = "TIME", conflicts_with_all = ["snapshot", "platform", "add_platform", "drop_platform", "namespace", "selector", "output", "baseline", "fail_on", "suggest"])]
    pub every: Option<Duration>,
    /// With --every: address of /livez, /readyz and /metrics, plain http
    #[arg(long, default_value = "0.0.0.0:9090", value_name = "ADDR")]
    pub status_listen: SocketAddr,
    /// Delete all report objects that archmatch has written, and nothing else
    #[arg(long, conflicts_with_all = ["every", "snapshot", "observe"])]
    pub delete_reports: bool,
}

/// Arguments that say which workloads are judged.
#[derive(Args, Clone, Debug, Default)]
pub struct SelectionArguments {
    /// Only this namespace; all of them by default
    #[arg(short = 'n', long, value_parser = parse_namespace, value_name = "NAME")]
    pub namespace: Option<String>,
    /// All namespaces, which is so anyway
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Only objects with these labels: =, ==, !=, in, notin, comma-separated
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<LabelSelector>,
    /// Also each pod of a workload, which shows what was added to it when it was made
    #[arg(long)]
    pub pods: bool,
}

/// An interval is no shorter than what a pass takes.
fn parse_interval(text: &str) -> Result<Duration, String> {
    const SHORTEST: Duration = Duration::from_secs(10);
    match parse_duration(text)? {
        duration if duration < SHORTEST => Err("expected 10s or more".to_owned()),
        duration => Ok(duration),
    }
}

/// Judges, prints, and says by the exit code what was found.
pub async fn run(arguments: Arguments, config: Option<PathBuf>) -> Result<Exit> {
    if arguments.delete_reports {
        return every::delete_reports(&arguments.target.cluster).await;
    }
    if let Some(interval) = arguments.every {
        return every::run(arguments, interval, config).await;
    }
    let output = &arguments.output;
    let deadline = Instant::now() + output.timeout;
    let configuration = setup::configuration(config.as_deref())?;
    output.rendering.check(Scope::Cluster)?;
    let baseline = output.baseline()?;
    let (target, errors) = arguments.target.cluster(&configuration, deadline).await?;
    let Target {
        view,
        secrets,
        origin,
    } = target;
    let found = RefCell::new(Found {
        errors,
        ..Found::default()
    });
    let selection = &arguments.selection;
    let pods = arguments
        .observe
        .then(|| selection.observed_pods(&origin, deadline, &found));
    let subjects = selection.subjects(origin, &configuration.kinds, deadline, &found);
    let is_by_flags = arguments.target.is_by_flags();
    let taken = RefCell::new(TakenAsMet::default());
    let subjects = subjects.map(|mut subject| {
        subject.complete(&view);
        for template in subject.workload.templates.iter().filter(|_| is_by_flags) {
            taken.borrow_mut().add(&template.placement);
        }
        subject
    });
    let registries = Registries::open(&configuration, secrets, RunsFor::Person).await?;
    let judge = Judge {
        checker: registries.checker.clone(),
        nodes: &view.nodes,
        everywhere: None,
        advisor: arguments.suggest.advisor(&registries)?,
        rules: setup::rules(&configuration),
        deadline,
    };
    let mut report = ReportBuilder::new(output.request(Scope::Cluster, &configuration));
    let mut interrupted = judge_for_person(&judge, subjects, None, &mut report).await;
    let mut observed = None;
    if let (Some(pods), None) = (pods, &interrupted) {
        let (checker, rules) = (registries.checker.clone(), judge.rules);
        let observer = Observer::new(checker, &view, rules, deadline);
        let (all, missing) = observe_for_person(&observer, pods).await;
        (observed, interrupted) = (Some(all), missing);
    }
    let inspector = Arc::clone(&registries.inspector);
    registries.close().await;
    let found = found.into_inner();
    for error in &found.errors {
        eprintln!("error: {}: {}", error.source, error.problem);
    }
    taken.borrow().note().into_iter().for_each(terminal::note);
    if let Some(note) = skipped::note(&found.skipped) {
        terminal::note(note);
    }
    let circumstances = Circumstances {
        errors: found.errors,
        partial: found.partial.into_iter().chain(interrupted).collect(),
        skipped: found.skipped,
        created: now(),
        baseline,
        known: None,
        observed,
        inspector: Some(&*inspector),
    };
    output.conclude(&report.finish(&view.nodes, circumstances))
}

/// What was found beside workloads.
#[derive(Default)]
pub struct Found {
    /// What cannot be read.
    pub errors: Vec<Unread>,
    /// What could not be listed.
    pub partial: Vec<String>,
    /// Objects of kinds that are not known.
    pub skipped: Vec<SkippedKind>,
}

/// How many objects that cannot be read are named.
const MAX_ERRORS: usize = 1_000;

impl Found {
    /// An object that cannot be read: said once, in whichever list it is met.
    fn unread(&mut self, unread: Unread) {
        if self.errors.len() < MAX_ERRORS && !self.errors.contains(&unread) {
            self.errors.push(unread);
        }
    }

    /// What could not be listed, in the same way.
    fn partial(&mut self, sentence: String) {
        if !self.partial.contains(&sentence) {
            self.partial.push(sentence);
        }
    }
}

impl SelectionArguments {
    /// The workloads of a cluster, wherever they are. What else is found is added on the way.
    pub fn subjects<'a>(
        &self,
        origin: WorkloadOrigin,
        kinds: &[KindRule],
        deadline: Instant,
        found: &'a RefCell<Found>,
    ) -> LocalBoxStream<'a, Subject> {
        match origin {
            WorkloadOrigin::Live(client) => {
                listed(self.inventory(client, kinds), deadline, found).boxed_local()
            }
            WorkloadOrigin::Files(objects) => {
                stream::iter(self.of_files(objects, kinds, &mut found.borrow_mut())).boxed_local()
            }
            WorkloadOrigin::Nowhere => stream::empty().boxed_local(),
        }
    }

    /// What is listed of a live cluster.
    fn inventory(&self, client: kube::Client, kinds: &[KindRule]) -> Inventory {
        let selector = self.selector.as_ref();
        Inventory {
            client,
            kinds: kinds.to_vec(),
            namespace: self.namespace.clone(),
            selector: selector.map_or_else(String::new, |selector| selector.text().to_owned()),
            pods: self.judged_pods(),
            page_objects: PAGE_OBJECTS,
        }
    }

    fn judged_pods(&self) -> JudgedPods {
        match self.pods {
            true => JudgedPods::Each,
            false => JudgedPods::Bare,
        }
    }

    /// The workloads among the objects of a snapshot.
    pub fn of_files(
        &self,
        mut objects: Vec<FileObject>,
        kinds: &[KindRule],
        found: &mut Found,
    ) -> Vec<Subject> {
        objects.retain(|object| self.selects(object));
        let values = objects.iter().map(|object| &object.value);
        let to_judge = to_judge(values, kinds, self.judged_pods());
        let mut skipped = SkippedKinds::default();
        for position in to_judge.others {
            objects
                .get(position)
                .into_iter()
                .for_each(|object| skipped.add(object));
        }
        found.skipped = skipped.into_list();
        for (position, error) in to_judge.errors {
            if let Some(object) = objects.get(position) {
                let error = FileError::about(object, error.to_string());
                found.unread(Unread::from(&error));
            }
        }
        let workloads = to_judge.workloads.into_iter();
        workloads
            .map(|(position, workload)| Subject {
                workload: with_namespace(workload),
                source: objects.get(position).map(|object| object.source.clone()),
            })
            .collect()
    }
}

/// A file may leave the namespace out.
fn with_namespace(mut workload: Workload) -> Workload {
    if workload.namespace.is_empty() {
        "default".clone_into(&mut workload.namespace);
    }
    workload
}

/// The workloads that an API server lists.
fn listed(
    inventory: Inventory,
    deadline: Instant,
    found: &RefCell<Found>,
) -> impl Stream<Item = Subject> {
    inventory.list(deadline).filter_map(move |listed| {
        let mut found = found.borrow_mut();
        ready(match listed {
            Listed::Object(workload) => Some(Subject {
                workload: *workload,
                source: None,
            }),
            Listed::Unread { object, problem } => {
                let source = object;
                found.unread(Unread { source, problem });
                None
            }
            Listed::Partial(sentence) => {
                found.partial(sentence);
                None
            }
        })
    })
}
