//! Arguments, and the only place that knows all parts: one file for each subcommand.

mod assumed;
mod audit;
mod check;
mod demo;
mod duration;
pub mod exit;
mod explain;
mod fix;
mod gate;
mod inspect;
mod judging;
mod live;
mod maintainers;
mod origin;
mod output;
mod platform;
mod progress;
mod report;
mod secrets;
mod selector;
pub mod serve;
mod setup;
mod skipped;
mod snapshot;
mod subjects;
mod suggesting;
mod target;
mod terminal;

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use self::exit::Exit;
use crate::domain::platform::Platform;
use crate::process::telemetry;

/// Tells which workloads cannot run on the nodes they may be scheduled on, because their
/// images lack a manifest for the node's platform.
#[derive(Debug, Parser)]
#[command(name = "archmatch", version, arg_required_else_help = true)]
struct Cli {
    /// Configuration file; check, audit, fix, inspect and gate find ./archmatch.yaml by
    /// themselves
    #[arg(long, global = true, env = "ARCHMATCH_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the webhook, its certificate, metrics and probes
    Serve(Box<serve::Arguments>),
    /// Judge images, manifests or rendered charts before they are deployed
    #[command(after_help = CHECK_HELP)]
    Check(Box<check::Arguments>),
    /// Judge what runs already, and what would if nodes came or went
    #[command(after_help = AUDIT_HELP)]
    Audit(Box<audit::Arguments>),
    /// Give images of files tags that have every platform, and change nothing else
    #[command(after_help = FIX_HELP)]
    Fix(Box<fix::Arguments>),
    /// Show the platforms of an image, and what each runtime would pull
    #[command(after_help = INSPECT_HELP)]
    Inspect(inspect::Arguments),
    /// Let an image pass only when every platform is published: for update bots and pipelines
    #[command(after_help = GATE_HELP)]
    Gate(gate::Arguments),
    /// Render a saved report in another format, or compare two
    Report(Box<report::Arguments>),
    /// Say what a rule of findings means, and what to do about it
    Explain(explain::Arguments),
    /// Show the main job on an embedded example: no cluster, no network, no root
    Demo(demo::Arguments),
    /// Print a script that completes commands in a shell
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the version
    Version {
        /// Output format
        #[arg(short = 'o', long, default_value = "text", value_name = "FORMAT")]
        output: VersionFormat,
    },
}

/// How the version is printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum VersionFormat {
    /// One line
    Text,
    /// Version, commit and target
    Json,
}

const CHECK_HELP: &str = "\
Examples:
  archmatch check --platform linux/s390x node:22
  archmatch check --suggest --platform linux/amd64,linux/s390x node:22
  helm template ./chart | archmatch check -f - --platform linux/amd64,linux/arm64
  kubectl get nodes,ns,sa,runtimeclasses -A -o json > cluster.json
  archmatch check --snapshot cluster.json -f manifests/ -o wide

-l and -n mean what they mean in `kubectl apply`, which has no -A either: objects
bring their namespaces along.

Exit codes:
  0  nothing found at the asked level
  1  findings
  2  usage: arguments, files, configuration, a cluster that cannot be asked;
     nothing to check, unless --allow-empty
  3  nothing known to be wrong, but not everything could be found out";

const AUDIT_HELP: &str = "\
Examples:
  archmatch audit
  archmatch audit --add-platform linux/s390x
  archmatch audit --drop-platform linux/amd64 --by workload
  archmatch audit -o json=report.json -o html=report.html
  archmatch audit --observe
  kubectl get nodes,ns,sa,secrets,runtimeclasses,all -A -o json > cluster.json
  archmatch audit --snapshot cluster.json

It covers all namespaces; -n restricts it. From the command line nothing is written to
the cluster.

Exit codes:
  0  nothing found at the asked level
  1  findings; with --observe, a pod that did not become what is said
  2  usage: arguments, files, configuration, a cluster that cannot be asked;
     objects that cannot be read; nothing to check, unless --allow-empty
  3  nothing known to be wrong, but not everything could be found out";

const FIX_HELP: &str = "\
Examples:
  archmatch fix -f manifests/ --platform linux/amd64,linux/s390x
  archmatch fix -f manifests/ -R --platform linux/s390x | patch -p1 --binary
  archmatch fix -k overlays/production --snapshot cluster.json --apply
  archmatch fix > patches.yaml

Stdout has one unified diff, for `patch -p1 --binary`, and nothing else. Only images of pod
specifications change, and of them the tag or the digest: comments, order and quoting
stay. What cannot be changed so is left alone, and said on stderr. A kustomization is
changed where it names the image: under `images`, or in a resource of its folders.

Without files, the workloads of the cluster (or of --snapshot) are looked at. Then stdout
has a strategic merge patch for each one that changes, as YAML. The cluster is never
written to.

Exit codes:
  0  nothing to do; with --apply, all of it was done
  1  a diff or a patch is shown, or something is left to do
  2  usage: arguments, a file that is not there, configuration, a cluster that
     cannot be asked";

const INSPECT_HELP: &str = "\
Exit codes:
  0  the image was found, and has every platform of --platform
  1  it lacks one of them
  2  usage: arguments, configuration, a name that is none
  3  not everything could be found out";

const GATE_HELP: &str = "\
Examples:
  archmatch gate node:22 --platform linux/amd64,linux/s390x
  archmatch gate node:22 --platforms-from-cluster
  archmatch gate --images-from images.txt --snapshot nodes.json

One line an image goes to stdout: PASS, FAIL or UNDECIDED, its name, and the platforms. A
host that does not answer is given up after ten seconds.

Exit codes:
  0  every image is published for every platform
  1  an image lacks a platform, is built for another one, or has no valid name
  2  usage: arguments, files, configuration, a cluster that cannot be asked; no image,
     no platform
  3  nothing known to be missing, but not everything could be found out; an image that
     its registry does not have is such";

/// What a person reads of the log. What goes wrong with the cluster is said once, as the
/// error.
const PERSONS_LOG: &str = "warn,kube_client=off,kube_runtime=off";

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

/// The configuration of the folder that a person works in.
fn own_config() -> Option<PathBuf> {
    let path = PathBuf::from("archmatch.yaml");
    path.is_file().then_some(path)
}

async fn dispatch(cli: Cli) -> Result<Exit> {
    match cli.command {
        Command::Serve(arguments) => {
            telemetry::start_logging("info");
            serve::run(*arguments, cli.config).await
        }
        Command::Check(arguments) => {
            telemetry::start_logging(PERSONS_LOG);
            check::run(*arguments, cli.config.or_else(own_config)).await
        }
        Command::Audit(arguments) => {
            let log = if arguments.every.is_some() {
                "info"
            } else {
                PERSONS_LOG
            };
            telemetry::start_logging(log);
            let of_folder = arguments.every.is_none().then(own_config).flatten();
            audit::run(*arguments, cli.config.or(of_folder)).await
        }
        Command::Fix(arguments) => {
            telemetry::start_logging(PERSONS_LOG);
            fix::run(*arguments, cli.config.or_else(own_config)).await
        }
        Command::Inspect(arguments) => {
            telemetry::start_logging(PERSONS_LOG);
            inspect::run(arguments, cli.config.or_else(own_config)).await
        }
        Command::Gate(arguments) => {
            telemetry::start_logging(PERSONS_LOG);
            gate::run(arguments, cli.config.or_else(own_config)).await
        }
        Command::Report(arguments) => report::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Demo(arguments) => {
            telemetry::start_logging("error");
            demo::run(arguments).await
        }
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "archmatch", &mut script);
            terminal::print(&String::from_utf8_lossy(&script))?;
            Ok(Exit::Success)
        }
        Command::Version { output } => {
            let version = env!("CARGO_PKG_VERSION");
            terminal::print(&match output {
                VersionFormat::Text => format!("archmatch {version}\n"),
                VersionFormat::Json => crate::report::json(&serde_json::json!({
                    "version": version,
                    "commit": option_env!("ARCHMATCH_COMMIT").filter(|commit| !commit.is_empty()),
                    "target": Platform::new(env::consts::OS, env::consts::ARCH, "").to_string(),
                }))?,
            })?;
            Ok(Exit::Success)
        }
    }
}
