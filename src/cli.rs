//! Arguments, and the only place that knows all parts: one file for each subcommand.

mod duration;
pub mod exit;
mod serve;
mod setup;
mod snapshot;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

use self::exit::Exit;
use crate::process::telemetry;

/// Tells which workloads cannot run on the nodes they may be scheduled on, because their
/// images lack a manifest for the node's platform.
#[derive(Debug, Parser)]
#[command(name = "archmatch", version, arg_required_else_help = true)]
struct Cli {
    /// Configuration file
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the webhook, its certificate, metrics and probes
    Serve(Box<serve::Arguments>),
}

/// Runs a command line and says how it ended. Errors are printed.
pub async fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout and are no error; a closed pipe is none either.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Success
            };
        }
    };
    match dispatch(cli).await {
        Ok(exit) => exit,
        Err(error) => {
            eprintln!("error: {error:#}");
            Exit::Usage
        }
    }
}

async fn dispatch(cli: Cli) -> Result<Exit> {
    match cli.command {
        Command::Serve(arguments) => {
            telemetry::start_logging("info");
            serve::run(*arguments, cli.config).await
        }
    }
}
