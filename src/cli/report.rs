//! `archmatch report`: renders and compares saved reports.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use clap::{Args, Subcommand, ValueEnum};

use super::exit::Exit;
use super::output::{RenderArguments, read_saved};
use super::terminal;
use crate::report::{Report, ReportDiff, json};

/// Arguments of `archmatch report`.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub what: Option<ReportCommand>,
    /// A report that was saved with -o json
    #[arg(value_name = "FILE", required = true)]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub rendering: RenderArguments,
}

/// What else can be done with saved reports.
#[derive(Clone, Debug, Subcommand)]
pub enum ReportCommand {
    /// Say what is new, gone and still there from one saved report to another
    Diff(DiffArguments),
}

/// Arguments of `archmatch report diff`.
#[derive(Args, Clone, Debug)]
pub struct DiffArguments {
    /// The earlier report
    pub old: PathBuf,
    /// The later report
    pub new: PathBuf,
    /// Output format
    #[arg(short = 'o', long, default_value = "table", value_name = "FORMAT")]
    pub output: DiffFormat,
    /// Colours in tables
    #[arg(long, default_value = "auto", value_name = "WHEN")]
    pub color: terminal::Color,
}

/// Output formats of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DiffFormat {
    /// For people
    Table,
    /// For programs
    Json,
}

/// Renders a saved report as the run would have that saved it, or compares two.
pub fn run(arguments: &Arguments) -> Result<Exit> {
    if let Some(ReportCommand::Diff(arguments)) = &arguments.what {
        return diff(arguments);
    }
    let Some(file) = &arguments.file else {
        bail!("name a report that was saved with -o json");
    };
    let report = read(file)?;
    arguments.rendering.check(report.scope)?;
    arguments.rendering.write(&report)?;
    Ok(Exit::Success)
}

fn diff(arguments: &DiffArguments) -> Result<Exit> {
    let diff = ReportDiff::of(&read(&arguments.old)?, &read(&arguments.new)?);
    terminal::print(&match arguments.output {
        DiffFormat::Table => diff.render(terminal::style(arguments.color)),
        DiffFormat::Json => json(&diff)?,
    })?;
    Ok(match diff.new.is_empty() {
        true => Exit::Success,
        false => Exit::Findings,
    })
}

/// A saved report.
///
/// # Errors
/// That it cannot be read, or is none, with its name.
fn read(path: &Path) -> Result<Report> {
    let text = read_saved(path)?;
    Report::parse(&text).map_err(|error| anyhow!("{}: {error}", path.display()))
}
