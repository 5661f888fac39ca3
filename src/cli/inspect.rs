//! `archmatch inspect`: what an image has, and what each runtime would make of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use tokio::time::Instant;

use super::duration::parse_duration;
use super::exit::Exit;
use super::platform::FlagPlatform;
use super::setup::{self, Registries, RunsFor};
use super::suggesting::SuggestArguments;
use super::terminal;
use crate::checker::Access;
use crate::credentials::NoSecrets;
use crate::domain::inspection::Inspection;
use crate::domain::node::{Node, Nodes, Source};
use crate::domain::reference::ImageReference;
use crate::domain::runtime::Runtime;
use crate::domain::workload::{PodTemplate, Usage};
use crate::report::{ImageFailure, ImageReport, json};

/// Arguments of `archmatch inspect`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// The image
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// What runtimes would pick on these platforms, such as linux/amd64,linux/s390x
    /// (repeatable); default: every platform that the image names
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "[OS/]ARCH[/VARIANT][=RUNTIME]"
    )]
    pub platform: Vec<FlagPlatform>,
    #[command(flatten)]
    pub suggest: SuggestArguments,
    /// Output format
    #[arg(short = 'o', long, default_value = "table", value_name = "FORMAT")]
    pub output: InspectFormat,
    /// Colours in tables
    #[arg(long, default_value = "auto", value_name = "WHEN")]
    pub color: terminal::Color,
    /// How long registries may take
    #[arg(long, default_value = "30s", value_parser = parse_duration, value_name = "TIME")]
    pub timeout: Duration,
}

/// Output formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum InspectFormat {
    /// For people
    Table,
    /// For programs
    Json,
}

/// Inspects, prints, and says by the exit code what was found: with `--platform`, whether
/// the image has all of them.
pub async fn run(arguments: Arguments, config: Option<PathBuf>) -> Result<Exit> {
    let deadline = Instant::now() + arguments.timeout;
    let configuration = setup::configuration(config.as_deref())?;
    let reference: ImageReference = arguments
        .image
        .parse()
        .with_context(|| format!("parse image {:?}", arguments.image))?;
    let registries = Registries::open(&configuration, Arc::new(NoSecrets), RunsFor::Person).await?;
    let checker = registries.checker.clone();
    let access = Access::default();
    let found = match checker.inspect(&reference, &access, deadline).await {
        Ok(found) => found,
        Err(unknown) => {
            eprintln!("error: {reference}: {unknown} ({})", unknown.reason);
            if arguments.output == InspectFormat::Json {
                let failure = ImageFailure::of(&arguments.image, &reference, &unknown);
                terminal::print(&json(&failure)?)?;
            }
            return Ok(Exit::Undecided);
        }
    };
    let mut template = PodTemplate::default();
    template.add_image("image", &arguments.image, Usage::Container, false);
    let nodes = nodes(&arguments.platform, &found.inspection);
    let rules = setup::rules(&configuration);
    let mut verdict = checker.check(&template, &nodes, rules, deadline).await;
    if let Some(advisor) = arguments.suggest.advisor(&registries)? {
        advisor.advise_on(&mut verdict, &access, deadline).await;
    }
    registries.close().await;
    let report = ImageReport::of(&arguments.image, &reference, &found, &verdict);
    terminal::print(&match arguments.output {
        InspectFormat::Table => report.render(terminal::style(arguments.color)),
        InspectFormat::Json => json(&report)?,
    })?;
    Ok(match arguments.platform.is_empty() {
        true => Exit::Success,
        false => verdict.portable().into(),
    })
}

/// The asked platforms; else every platform of the image under every rule set.
fn nodes(asked: &[FlagPlatform], inspection: &Inspection) -> Nodes {
    if !asked.is_empty() {
        return asked.iter().map(FlagPlatform::to_node).collect();
    }
    let platforms = inspection.platforms();
    let every = platforms.iter().flat_map(|platform| {
        let node = |runtime| {
            let name = platform.to_string();
            Node::of_platform(name, platform.clone(), runtime, Source::Flag)
        };
        Runtime::ALL.map(node)
    });
    every.collect()
}
