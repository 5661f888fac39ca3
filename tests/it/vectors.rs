//! The vectors of upstream's own tables, through the real binary: `check --snapshot … -o json`.
//!
//! The same files pass through the engine beside its code (`src/domain`). Here each case
//! becomes what a user has: nodes in a snapshot, overrides in a configuration, pods in a
//! manifest, images in a registry.

mod placement;
mod platforms;
mod references;

use serde_json::Value;

use crate::support::command::archmatch;

/// A folder with the files of one run.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn write(&self, name: &str, value: &Value) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, value.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The report on these objects in a cluster of these nodes, under this configuration.
    fn check(&self, nodes: &[Value], workloads: &[Value], config: &Value) -> Value {
        let list = |items: &[Value]| serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items});
        let snapshot = self.write("cluster.json", &list(nodes));
        let manifest = self.write("workloads.json", &list(workloads));
        let config = self.write("config.yaml", config);
        let arguments = [
            "check",
            "--snapshot",
            &snapshot,
            "-f",
            &manifest,
            "--config",
            &config,
            "-o",
            "json",
        ];
        let run = archmatch(&arguments, "");
        assert_ne!(run.code, Some(2), "{}", run.stderr);
        serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}", run.stderr))
    }
}

/// The vectors of a file in `tests/data`.
fn vectors(file: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(file).unwrap();
    let list = if file.is_array() {
        &file
    } else {
        &file["vectors"]
    };
    list.as_array().unwrap().clone()
}
