//! However a test ends, nothing of its cluster stays: no process, namespace, cgroup, mount
//! or folder.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use crate::Test;
use crate::cluster::{Cluster, eventually};

pub const TESTS: &[(&str, Test)] = &[
    ("a_killed_test_leaves_nothing", test_killed),
    (
        "a_killed_supervisor_leaves_only_what_the_next_start_removes",
        supervisor_killed,
    ),
];

/// With this in its environment the test program starts a cluster and only keeps it.
const HOLD: &str = "ARCHMATCH_E2E_HOLD";

/// The other side of [`Held::start`]: keeps a cluster until it is killed.
pub fn hold_if_asked() {
    if env::var_os(HOLD).is_none() {
        return;
    }
    let cluster = Cluster::start();
    println!("{}", cluster.run());
    // A command that is under way must go as well.
    cluster.inside(&["kubectl", "get", "nodes", "--watch"]);
}

/// A test program of its own with a cluster of its own.
struct Held {
    test: Child,
    run: PathBuf,
    /// The supervisor's process id, which names the cgroups.
    supervisor: String,
    /// The cluster's network namespace, as `/proc` shows it.
    network: PathBuf,
}

impl Held {
    fn start() -> Self {
        let mut test = Command::new(env::current_exe().expect("this program"))
            .env(HOLD, "1")
            .stdout(Stdio::piped())
            .spawn()
            .expect("start a second test");
        let mut run = String::new();
        BufReader::new(test.stdout.take().unwrap())
            .read_line(&mut run)
            .expect("the folder of its cluster");
        let run = PathBuf::from(run.trim());
        let init = fs::read_to_string(run.join("init")).expect("its process 1");
        let network = network_of(init.trim()).expect("its namespace");
        let supervisor = run.file_name().unwrap().to_string_lossy().into_owned();
        Self {
            test,
            run,
            supervisor,
            network,
        }
    }

    fn processes(&self) -> Vec<String> {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let ids = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        ids.filter(|id| network_of(id).as_ref() == Some(&self.network))
            .collect()
    }

    fn groups(&self) -> Vec<PathBuf> {
        let name = format!("archmatch-e2e-{}", self.supervisor);
        let controllers = fs::read_dir("/sys/fs/cgroup").unwrap().flatten();
        let groups = controllers.map(|controller| controller.path().join(&name));
        groups.filter(|group| group.exists()).collect()
    }

    fn mounts(&self) -> Vec<String> {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let of_run = mounts
            .lines()
            .filter(|line| line.contains(&*self.run.to_string_lossy()));
        of_run.map(str::to_owned).collect()
    }

    /// All that is left of the cluster, once its processes are gone.
    fn nothing_is_left(&self) {
        eventually("nothing is left", || {
            let left = (self.processes(), self.groups(), self.mounts());
            let clean = left.0.is_empty() && left.1.is_empty() && left.2.is_empty();
            if clean && !self.run.exists() {
                Ok(())
            } else {
                Err(format!("{left:?}, {}", self.run.display()))
            }
        });
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.test.kill();
        let _ = self.test.wait();
    }
}

fn network_of(process: &str) -> Option<PathBuf> {
    fs::read_link(Path::new("/proc").join(process).join("ns/net")).ok()
}

fn test_killed(_: &Cluster) {
    let mut held = Held::start();
    assert!(held.processes().len() > 5, "the cluster runs");
    assert!(!held.groups().is_empty(), "in groups of its own");
    // The signal that no program can act on.
    held.test.kill().expect("kill the test");
    held.nothing_is_left();
}

fn supervisor_killed(_: &Cluster) {
    let held = Held::start();
    let killed = Command::new("kill")
        .args(["-KILL", &held.supervisor])
        .status();
    assert!(killed.is_ok_and(|status| status.success()));
    eventually("its processes go", || {
        let processes = held.processes();
        if processes.is_empty() {
            Ok(())
        } else {
            Err(format!("{processes:?}"))
        }
    });
    assert!(held.mounts().is_empty(), "{:?}", held.mounts());
    let mut next = Held::start();
    held.nothing_is_left();
    next.test.kill().expect("kill the test");
    next.nothing_is_left();
}
