//! One cluster, in namespaces of its own, for as long as this process lives.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take that should happen soon.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A running cluster. It goes when this value goes, and also when the process is killed:
/// its supervisor watches the pipe.
pub struct Cluster {
    supervisor: Child,
    run: String,
}

/// What a command inside the cluster's namespaces said.
#[derive(Debug)]
pub struct Said {
    pub ok: bool,
    pub stdout: String,
    pub stderr: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn script(name: &str) -> PathBuf {
    root().join("tests/e2e/cluster").join(name)
}

impl Cluster {
    /// Starts the cluster and waits until its real node is ready.
    pub fn start() -> Self {
        let tools = Command::new(root().join("tests/e2e/tools/build.sh"))
            .stderr(Stdio::inherit())
            .output()
            .expect("build the tools");
        assert!(tools.status.success(), "the tools could not be built");
        let tools = String::from_utf8(tools.stdout).unwrap();
        let mut supervisor = Command::new("setsid")
            .arg(script("supervise.sh"))
            .arg(tools.trim())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the cluster");
        let mut line = String::new();
        BufReader::new(supervisor.stdout.take().unwrap())
            .read_line(&mut line)
            .expect("the supervisor says when it is ready");
        let run = line.trim().strip_prefix("ready ").map(str::to_owned);
        let run = run.expect("the cluster is ready");
        Self { supervisor, run }
    }

    /// The cluster's folder, named by its supervisor's process id.
    pub fn run(&self) -> &str {
        &self.run
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(script("exec.sh"));
        command.arg(&self.run).args(words).current_dir(root());
        command
    }

    /// Runs a command inside the cluster's namespaces.
    pub fn inside(&self, words: &[&str]) -> Said {
        self.inside_with(words, "")
    }

    /// The same, with a text on standard input.
    pub fn inside_with(&self, words: &[&str], input: &str) -> Said {
        let mut command = self.command(words);
        let mut child = spawn(command.stderr(Stdio::piped()));
        let mut stdin = child.stdin.take().unwrap();
        // Whoever does not read its input closes the pipe; that is no failure.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        Said::of(&child.wait_with_output().expect("wait for a command"))
    }

    /// Starts a command inside the cluster's namespaces. The other ends of its input and
    /// output are with the caller.
    pub fn spawn_inside(&self, words: &[&str]) -> Child {
        spawn(&mut self.command(words))
    }

    /// Starts, stops or restarts a part of the cluster.
    pub fn control(&self, action: &str, service: &str) {
        let control = script("ctl.sh");
        self.inside(&[control.to_str().unwrap(), action, service])
            .expect_ok();
    }

    /// After the API server was away: cut off again and again, each of these would sleep up to
    /// a minute before it asks again, and what is killed next would not be replaced.
    pub fn restart_clients(&self) {
        for client in ["controller-manager", "scheduler", "kubelet", "proxy"] {
            self.control("restart", client);
        }
    }
}

fn spawn(command: &mut Command) -> Child {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().expect("run a command inside")
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait();
    }
}

impl Said {
    fn of(output: &Output) -> Self {
        Self {
            ok: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The output of a command that must not fail.
    #[track_caller]
    pub fn expect_ok(self) -> String {
        assert!(self.ok, "{}\n{}", self.stdout, self.stderr);
        self.stdout
    }
}

/// Asks again and again until there is an answer; the last complaint is the failure.
#[track_caller]
pub fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Ok(found) => return found,
            Err(complaint) => assert!(Instant::now() < deadline, "{what}: {complaint}"),
        }
        // Each attempt starts a process, so this does not spin.
        std::thread::yield_now();
    }
}
