//! What a run is asked for, and where its report goes.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, anyhow, bail};
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Args, Command, ValueEnum};

use super::duration::parse_duration;
use super::exit::Exit;
use super::terminal;
use crate::config::Configuration;
use crate::domain::policy::Level;
use crate::domain::text::nearest;
use crate::domain::verdict::LevelResult;
use crate::findings::Rule;
use crate::report::{Baseline, Format, Report, ReportRequest, Rows, Scope, Style};

/// The most that is read of a saved report or baseline, in bytes.
const MAX_SAVED_BYTES: u64 = 1 << 30;

/// Arguments of every command that judges workloads.
#[derive(Args, Clone, Debug)]
pub struct OutputArguments {
    #[command(flatten)]
    pub rendering: RenderArguments,
    /// The level that must hold
    #[arg(long, default_value = "portable", value_parser = parse_level, value_name = "runnable|portable")]
    pub level: Level,
    /// Rules of which any finding is a failure, such as needless-pin,version-skew;
    /// `archmatch explain` lists them
    #[arg(long, value_delimiter = ',', value_parser = Rule::named, value_name = "RULE")]
    pub fail_on: Vec<Rule>,
    /// What was accepted before: a saved report, or a list of finding ids with reasons and
    /// dates
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Checking nothing at all is fine
    #[arg(long)]
    pub allow_empty: bool,
    /// What is not known by then stays unknown
    #[arg(long, default_value = "2m", value_parser = parse_duration, value_name = "TIME")]
    pub timeout: Duration,
}

/// Arguments that say how a report looks, and where it goes.
#[derive(Args, Clone, Debug)]
pub struct RenderArguments {
    /// Output format, on stdout or into a file (repeatable)
    #[arg(
        short = 'o',
        long,
        default_value = "table",
        value_parser = OutputParser,
        value_name = "FORMAT[=FILE]"
    )]
    pub output: Vec<OutputTarget>,
    /// What the rows of the matrix are
    #[arg(long, default_value = "image", value_name = "WHAT")]
    pub by: Rows,
    /// Colours in tables
    #[arg(long, default_value = "auto", value_name = "WHEN")]
    pub color: terminal::Color,
}

/// A format, and the file that it goes to; stdout where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputTarget {
    format: Format,
    file: Option<PathBuf>,
}

/// Reads a target, and tells help and completions which formats there are.
#[derive(Clone, Copy, Debug)]
struct OutputParser;

impl TypedValueParser for OutputParser {
    type Value = OutputTarget;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<OutputTarget, clap::Error> {
        let parser = StringValueParser::new().try_map(|text| text.parse());
        parser.parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let formats = Format::value_variants().iter();
        Some(Box::new(formats.filter_map(ValueEnum::to_possible_value)))
    }
}

impl FromStr for OutputTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, file) = match text.split_once('=') {
            Some((_, "")) => return Err("expected a file after =".to_owned()),
            Some((name, file)) => (name, Some(PathBuf::from(file))),
            None => (text, None),
        };
        if let Ok(format) = <Format as ValueEnum>::from_str(name, false) {
            return Ok(Self { format, file });
        }
        let known: Vec<&str> = Format::names().collect();
        let meant = nearest(name, &known).map(|name| format!("; the nearest is {name}"));
        Err(format!(
            "there is no such format: expected one of {}{}",
            known.join(", "),
            meant.unwrap_or_default()
        ))
    }
}

/// A level that can be asked for.
pub fn parse_level(text: &str) -> Result<Level, String> {
    match text.parse() {
        Ok(level @ (Level::Runnable | Level::Portable)) => Ok(level),
        _ => Err("expected runnable or portable".to_owned()),
    }
}

impl RenderArguments {
    /// Whether such a format is asked for.
    pub fn wants(&self, format: Format) -> bool {
        self.output.iter().any(|output| output.format == format)
    }

    /// Refuses what cannot work, before anything is done for it.
    ///
    /// # Errors
    /// Formats that need files for a report that has none.
    pub fn check(&self, scope: Scope) -> Result<()> {
        for OutputTarget { format, .. } in &self.output {
            if format.needs_files() && scope != Scope::Files {
                bail!(
                    "-o {0} points to lines of files, and there are none: use it with \
                     `archmatch check -f`; junit, csv, json and html have no such need",
                    format.name()
                );
            }
        }
        Ok(())
    }

    /// Writes the report in every format that is asked for.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, report: &Report) -> Result<()> {
        let mut style = terminal::style(self.color);
        style.rows = self.by;
        for OutputTarget { format, file } in &self.output {
            match file {
                None => terminal::print(&format.render(report, style)?)?,
                Some(path) => {
                    let plain = Style {
                        rows: self.by,
                        ..Style::PLAIN
                    };
                    let text = format.render(report, plain)?;
                    fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
                }
            }
            if *format == Format::Github {
                add_step_summary(report)?;
            }
        }
        Ok(())
    }
}

impl OutputArguments {
    /// What the report is asked for.
    pub fn request(&self, scope: Scope, configuration: &Configuration) -> ReportRequest {
        ReportRequest {
            scope,
            level: self.level,
            fail_on: self.fail_on.clone(),
            may_be_empty: self.allow_empty,
            foreign: configuration.policy.foreign_images.clone(),
        }
    }

    /// The baseline, where one is named.
    ///
    /// # Errors
    /// That it cannot be read, with its name.
    pub fn baseline(&self) -> Result<Option<Baseline>> {
        let Some(path) = &self.baseline else {
            return Ok(None);
        };
        let text = read_saved(path)?;
        let parsed = Baseline::parse(&text);
        let parsed = parsed.map_err(|error| anyhow!("{}: {error}", path.display()))?;
        Ok(Some(parsed))
    }

    /// Writes the report, and says by the exit code what was found.
    ///
    /// # Errors
    /// A file that cannot be written; that there is nothing to check.
    pub fn conclude(&self, report: &Report) -> Result<Exit> {
        self.rendering.write(report)?;
        if !report.errors.is_empty() {
            return Ok(Exit::Usage);
        }
        for missing in &report.partial {
            terminal::note(missing);
        }
        if report.is_empty() && report.partial.is_empty() && !self.allow_empty {
            bail!("nothing to check: no workload has a container with an image");
        }
        Ok(match report.result() {
            LevelResult::Pass if !report.partial.is_empty() => Exit::Undecided,
            result => result.into(),
        })
    }
}

/// Adds the table to the summary of the step, where GitHub runs it.
/// Source: <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#adding-a-job-summary>
fn add_step_summary(report: &Report) -> Result<()> {
    let Some(path) = env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let path = PathBuf::from(path);
    let file = fs::File::options().create(true).append(true).open(&path);
    let written = file.and_then(|mut file| file.write_all(report.step_summary().as_bytes()));
    written.with_context(|| format!("write {}", path.display()))
}

/// The text of a saved report or baseline.
///
/// # Errors
/// That it cannot be read, with its name.
pub fn read_saved(path: &Path) -> Result<String> {
    let name = path.display();
    let file = fs::File::open(path).with_context(|| format!("read {name}"))?;
    let mut text = String::new();
    let mut limited = file.take(MAX_SAVED_BYTES + 1);
    let read = limited.read_to_string(&mut text);
    read.with_context(|| format!("read {name}"))?;
    if text.len() as u64 > MAX_SAVED_BYTES {
        bail!("read {name}: larger than 1 GiB");
    }
    Ok(text)
}

/// Now, as reports have it.
pub fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}
