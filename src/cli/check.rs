//! `archmatch check`: images, manifests or rendered charts, judged before they are deployed.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Args;
use futures::stream;
use tokio::time::Instant;

use super::assumed::TakenAsMet;
use super::exit::Exit;
use super::judging::judge_for_person;
use super::origin::Target;
use super::output::{OutputArguments, now};
use super::setup::{self, Registries, RunsFor};
use super::subjects::{SubjectArguments, Subjects};
use super::suggesting::SuggestArguments;
use super::target::TargetArguments;
use super::terminal;
use crate::audit::Judge;
use crate::report::{Circumstances, Format, ReportBuilder, Scope};

/// Arguments of `archmatch check`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    #[command(flatten)]
    pub subjects: SubjectArguments,
    #[command(flatten)]
    pub target: TargetArguments,
    #[command(flatten)]
    pub suggest: SuggestArguments,
    #[command(flatten)]
    pub output: OutputArguments,
}

/// Judges, prints, and says by the exit code what was found.
pub async fn run(arguments: Arguments, config: Option<PathBuf>) -> Result<Exit> {
    let deadline = Instant::now() + arguments.output.timeout;
    let output = &arguments.output;
    let configuration = setup::configuration(config.as_deref())?;
    let baseline = output.baseline()?;
    let Subjects {
        workloads: mut subjects,
        errors,
        skipped,
        from_files,
    } = Subjects::read(&arguments.subjects, &arguments.target, &configuration.kinds)?;
    for error in &errors {
        eprintln!("error: {}: {}", error.source, error.problem);
    }
    if subjects.is_empty() && errors.is_empty() && !output.allow_empty {
        match &arguments.subjects.selector {
            Some(_) => bail!("nothing to check: no workload has the labels of -l"),
            None => bail!("nothing to check: name images, or files with workloads by -f"),
        }
    }
    let scope = if from_files {
        Scope::Files
    } else {
        Scope::Images
    };
    output.rendering.check(scope)?;
    let Target { view, secrets, .. } = arguments.target.view(&configuration, deadline).await?;
    for subject in &mut subjects {
        subject.complete(&view);
    }
    if arguments.target.is_by_flags() {
        let mut taken = TakenAsMet::default();
        let workloads = subjects.iter().map(|subject| &subject.workload);
        for template in workloads.flat_map(|workload| &workload.templates) {
            taken.add(&template.placement);
        }
        taken.note().into_iter().for_each(terminal::note);
    }
    let registries = Registries::open(&configuration, secrets, RunsFor::Person).await?;
    let judge = Judge {
        checker: registries.checker.clone(),
        nodes: &view.nodes,
        // What is saved has it, too, so that it renders to the long view.
        everywhere: [Format::Wide, Format::Json, Format::Yaml]
            .into_iter()
            .any(|format| output.rendering.wants(format))
            .then(|| view.nodes.without_obstacles()),
        advisor: arguments.suggest.advisor(&registries)?,
        rules: setup::rules(&configuration),
        deadline,
    };
    let mut report = ReportBuilder::new(output.request(scope, &configuration));
    let total = subjects.len();
    let subjects = stream::iter(subjects);
    let interrupted = judge_for_person(&judge, subjects, Some(total), &mut report).await;
    let inspector = Arc::clone(&registries.inspector);
    registries.close().await;
    let circumstances = Circumstances {
        errors,
        partial: interrupted.into_iter().collect(),
        skipped,
        created: now(),
        baseline,
        known: None,
        observed: None,
        inspector: Some(&*inspector),
    };
    output.conclude(&report.finish(&view.nodes, circumstances))
}
