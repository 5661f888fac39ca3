//! `archmatch inspect`: what an image has, and what each runtime would make of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde::Serialize;
use tokio::time::Instant;

use super::duration::parse_duration;
use super::exit::Exit;
use super::output;
use super::platform::FlagPlatform;
use super::setup::{self, Registries, UserCredentials};
use crate::checker::Access;
use crate::credentials::NoSecrets;
use crate::domain::inspection::{Content, EntryKind, Found, Inspection};
use crate::domain::node::{Node, Nodes, Source};
use crate::domain::platform::Platform;
use crate::domain::reference::ImageReference;
use crate::domain::runtime::Runtime;
use crate::domain::verdict::LevelResult;
use crate::domain::workload::{PodTemplate, Usage};
use crate::report::{ReportedOutcome, Style, columns, short_digest};

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
    /// Output format
    #[arg(short = 'o', long, default_value = "table", value_name = "FORMAT")]
    pub output: InspectFormat,
    /// Colours in tables
    #[arg(long, default_value = "auto", value_name = "WHEN")]
    pub color: output::Color,
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

/// What is known of an image.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Description {
    image: String,
    reference: String,
    digest: String,
    media_type: &'static str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_seconds: Option<u64>,
    platforms: Vec<String>,
    entries: Vec<DescribedEntry>,
    picks: Vec<ReportedOutcome>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    doubts: Vec<String>,
}

/// Why nothing is known of an image.
#[derive(Serialize)]
struct Failure {
    image: String,
    reference: String,
    reason: &'static str,
    why: String,
}

#[derive(Serialize)]
struct DescribedEntry {
    digest: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    attestation: bool,
}

/// Inspects, prints, and says by the exit code what was found: with `--platform`, whether
/// the image has all of them.
///
/// # Errors
/// When the configuration cannot be used or the reference is none.
pub async fn run(arguments: Arguments, config: Option<PathBuf>) -> Result<Exit> {
    let deadline = Instant::now() + arguments.timeout;
    let configuration = setup::configuration(config.as_deref())?;
    let reference: ImageReference = arguments
        .image
        .parse()
        .with_context(|| format!("parse image {:?}", arguments.image))?;
    let registries =
        Registries::open(&configuration, Arc::new(NoSecrets), UserCredentials::Used).await?;
    let checker = registries.checker.clone();
    let Found {
        inspection,
        outdated,
    } = match checker
        .inspect(&reference, &Access::default(), deadline)
        .await
    {
        Ok(found) => found,
        Err(unknown) => {
            eprintln!("error: {reference}: {unknown} ({})", unknown.reason);
            if arguments.output == InspectFormat::Json {
                output::print(&output::json(&Failure {
                    image: arguments.image,
                    reference: reference.to_string(),
                    reason: unknown.reason.name(),
                    why: unknown.to_string(),
                })?)?;
            }
            return Ok(Exit::Undecided);
        }
    };
    let mut template = PodTemplate::default();
    template.add_image("image", &arguments.image, Usage::Container, false);
    let nodes = nodes(&arguments.platform, &inspection);
    let rules = setup::rules(&configuration);
    let verdict = checker.check(&template, &nodes, rules, deadline).await;
    registries.close().await;
    let candidates = &verdict.candidates.platforms;
    let picks = verdict.images.iter();
    let description = Description {
        image: arguments.image.clone(),
        reference: reference.to_string(),
        digest: inspection.digest.to_string(),
        media_type: inspection.media_type.name(),
        kind: match inspection.content {
            Content::Index(_) => "index",
            Content::Manifest(_) => "manifest",
            Content::Artifact => "artifact",
        },
        stale_seconds: outdated.map(|outdated| outdated.age.as_secs()),
        platforms: inspection
            .platforms()
            .iter()
            .map(Platform::to_string)
            .collect(),
        entries: entries(&inspection),
        picks: picks
            .flat_map(|image| ReportedOutcome::of(image, candidates))
            .collect(),
        doubts: verdict
            .caveats()
            .map(|(_, caveat)| caveat.to_string())
            .collect(),
    };
    output::print(&match arguments.output {
        InspectFormat::Table => table(&description, output::style(arguments.color)),
        InspectFormat::Json => output::json(&description)?,
    })?;
    Ok(match verdict.portable() {
        _ if arguments.platform.is_empty() => Exit::Success,
        LevelResult::Pass => Exit::Success,
        LevelResult::Fail => Exit::Findings,
        LevelResult::Undecided => Exit::Undecided,
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

fn entries(inspection: &Inspection) -> Vec<DescribedEntry> {
    let Content::Index(entries) = &inspection.content else {
        return Vec::new();
    };
    entries
        .iter()
        .map(|entry| DescribedEntry {
            digest: entry.digest.to_string(),
            kind: match entry.kind {
                EntryKind::Manifest => "manifest",
                EntryKind::Index => "index",
                EntryKind::Other => "other",
            },
            platform: entry.platform.as_deref().map(Platform::to_string),
            attestation: entry
                .platform
                .as_deref()
                .is_some_and(Platform::is_attestation),
        })
        .collect()
}

fn table(description: &Description, style: Style) -> String {
    let mut text = format!(
        "Image:       {}\nDigest:      {}\nMedia type:  {}\nPlatforms:   {}\n",
        description.reference,
        description.digest,
        description.media_type,
        description.platforms.join(", "),
    );
    for caveat in &description.doubts {
        text.push_str(&format!("Doubt:       it {caveat}\n"));
    }
    let row = |cells: &[&str]| {
        cells
            .iter()
            .map(|cell| (*cell).to_owned())
            .collect::<Vec<_>>()
    };
    if !description.entries.is_empty() {
        let rows = description.entries.iter().map(|entry| {
            let platform = match &entry.platform {
                _ if entry.attestation => "attestation, never a platform",
                Some(platform) => platform,
                None => "not stated",
            };
            row(&[platform, entry.kind, &entry.digest])
        });
        text.push('\n');
        text.push_str(&columns(
            style,
            row(&["ENTRY", "KIND", "DIGEST"]),
            rows.collect(),
        ));
    }
    if !description.picks.is_empty() {
        let mut rows: Vec<(Vec<&str>, Vec<String>)> = Vec::new();
        for pick in &description.picks {
            let outcome = match pick.reason {
                Some(reason) => format!("{} ({reason})", pick.outcome),
                None => pick.outcome.to_owned(),
            };
            let picked = match pick.picked.last() {
                Some(digest) => short_digest(digest),
                None if pick.outcome == "supported" => "it as it is",
                None => "",
            };
            let outcome = style.plain().mark(&outcome);
            let cells = row(&[&pick.platform, "", &outcome, &pick.why, picked]);
            // Runtimes that agree share a row.
            match rows.iter_mut().find(|(_, known)| *known == cells) {
                Some((runtimes, _)) => runtimes.push(pick.runtime),
                None => rows.push((vec![pick.runtime], cells)),
            }
        }
        let rows = rows.into_iter().map(|(runtimes, mut cells)| {
            if let Some(cell) = cells.get_mut(1) {
                *cell = match runtimes.len() {
                    count if count == Runtime::ALL.len() => "all".to_owned(),
                    _ => runtimes.join(", "),
                };
            }
            cells
        });
        let header = row(&["ON A NODE", "WITH RUNTIME", "OUTCOME", "WHY", "PULLS"]);
        text.push('\n');
        text.push_str(&columns(style, header, rows.collect()));
    }
    text
}
