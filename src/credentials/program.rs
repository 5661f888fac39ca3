//! Programs that print credentials: no shell, bounded in time and output.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// How long a program may take.
pub(super) const MAX_RUN_TIME: Duration = Duration::from_secs(10);
/// The most it may print, in bytes.
const MAX_OUTPUT_BYTES: u64 = 256 * 1024;

/// Why a program gave nothing. What it printed is never part of it: both outputs may hold a
/// secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum ProgramError {
    #[error("it could not be started")]
    Start,
    #[error("it took longer than 10 s")]
    Time,
    #[error("it printed too much")]
    Output,
    #[error("it failed")]
    Failed,
}

/// Runs a program with this input and environment on top of ours; its output when it
/// succeeds. However it ends, the process is gone afterwards.
pub(super) async fn run(
    program: &Path,
    arguments: &[String],
    environment: &[(String, String)],
    input: &[u8],
) -> Result<Zeroizing<Vec<u8>>, ProgramError> {
    let mut child = Command::new(program)
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|_| ProgramError::Start)?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let exchange = async {
        let write = async {
            if let Some(mut stdin) = stdin {
                // A program that does not read its input may still answer.
                let _ = stdin.write_all(input).await;
            }
        };
        let read = async {
            let mut output = Zeroizing::new(Vec::new());
            if let Some(stdout) = stdout {
                let read = stdout
                    .take(MAX_OUTPUT_BYTES + 1)
                    .read_to_end(&mut output)
                    .await;
                read.map_err(|_| ProgramError::Failed)?;
            }
            if output.len() as u64 > MAX_OUTPUT_BYTES {
                return Err(ProgramError::Output);
            }
            Ok(output)
        };
        let ((), output) = tokio::join!(write, read);
        let output = output?;
        let status = child.wait().await.map_err(|_| ProgramError::Failed)?;
        if status.success() {
            Ok(output)
        } else {
            Err(ProgramError::Failed)
        }
    };
    let ended = timeout(MAX_RUN_TIME, exchange).await;
    let result = ended.unwrap_or(Err(ProgramError::Time));
    if result.is_err() {
        // It may be running still; it is ours, so it is ended and collected.
        let _ = child.kill().await;
    }
    result
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::PathBuf;

    use super::*;

    /// An executable shell script in a folder.
    pub(in crate::credentials) fn script(folder: &Path, name: &str, body: &str) -> PathBuf {
        let path = folder.join(name);
        let text = format!("#!/bin/sh\n{body}\n");
        // Another process writes it: a file that is open for writing cannot be executed, and
        // a test beside this one may fork while this process has it open.
        let write = "printf %s \"$2\" > \"$1\" && chmod 755 \"$1\"";
        let mut shell = std::process::Command::new("sh");
        let status = shell
            .args(["-c", write, "sh"])
            .arg(&path)
            .arg(text)
            .status();
        assert!(status.unwrap().success());
        path
    }

    #[tokio::test]
    async fn input_arguments_and_environment_reach_the_program() {
        let folder = tempfile::tempdir().unwrap();
        let path = script(folder.path(), "p", r#"read line; echo "$line $1 $EXTRA""#);
        let environment = [("EXTRA".to_owned(), "three".to_owned())];
        let output = run(&path, &["two".to_owned()], &environment, b"one\n").await;
        assert_eq!(output.unwrap().as_slice(), b"one two three\n");
    }

    #[tokio::test]
    async fn failures_are_told_apart_and_say_nothing_of_the_output() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str, body: &str| script(folder.path(), name, body);
        let fails = path("fails", "echo secret; echo secret >&2; exit 3");
        assert_eq!(run(&fails, &[], &[], b"").await, Err(ProgramError::Failed));
        let prints = path("prints", "while :; do echo secretsecretsecret; done");
        assert_eq!(run(&prints, &[], &[], b"").await, Err(ProgramError::Output));
        let missing = folder.path().join("missing");
        assert_eq!(run(&missing, &[], &[], b"").await, Err(ProgramError::Start));
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_hangs_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let body = format!("echo $$ > {}; exec sleep 1000", pid.display());
        let path = script(folder.path(), "hangs", &body);
        assert_eq!(run(&path, &[], &[], b"").await, Err(ProgramError::Time));
        // The paused clock may end it before it has written anything.
        let pid = std::fs::read_to_string(&pid).unwrap_or_default();
        if !pid.trim().is_empty() {
            let process = format!("/proc/{}", pid.trim());
            assert!(!Path::new(&process).exists());
        }
    }
}
