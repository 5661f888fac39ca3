//! The real binary, run as a user would.

use std::io::Write;
use std::process::{Command, Stdio};

/// What a run said, and how it ended.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `archmatch` with these arguments and this standard input, without a cluster and
/// without a home. It blocks: a test that serves a registry calls it off its runtime.
pub(crate) fn archmatch(arguments: &[&str], input: &str) -> Run {
    run(&mut command(arguments), input)
}

/// The command line alone, for tests that change its surroundings.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_archmatch"));
    command
        .args(arguments)
        .env_remove("KUBECONFIG")
        .env_remove("ARCHMATCH_CONFIG")
        .env_remove("COLUMNS")
        .env_remove("DOCKER_CONFIG")
        .env_remove("REGISTRY_AUTH_FILE")
        .env_remove("XDG_RUNTIME_DIR")
        .env_remove("XDG_CONFIG_HOME")
        .env("HOME", "/nonexistent");
    command
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command, input: &str) -> Run {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A program that reads nothing may have closed its end.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
