//! The oracle's process: built once, asked in batches.

use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// Builds the program, or finds what was built before.
pub fn build() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/build.sh");
    let output = Command::new(script)
        .stderr(Stdio::inherit())
        .output()
        .expect("bash runs");
    assert!(output.status.success(), "the oracle does not build");
    let path = String::from_utf8(output.stdout).expect("a path is text");
    PathBuf::from(path.trim())
}

/// A running oracle. It ends when its input does.
pub struct Oracle {
    child: Child,
    input: Option<BufWriter<ChildStdin>>,
    output: BufReader<ChildStdout>,
}

impl Oracle {
    pub fn start(program: &Path) -> Self {
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the oracle starts");
        let input = child.stdin.take().map(BufWriter::new);
        let output = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        Self {
            child,
            input,
            output,
        }
    }

    /// One answer for each question, in order.
    pub fn ask(&mut self, questions: &[Value]) -> Vec<Value> {
        let input = self.input.as_mut().expect("open until dropped");
        let output = &mut self.output;
        // Both pipes are finite: writing and reading go on at once.
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for question in questions {
                    serde_json::to_writer(&mut *input, question).expect("the oracle reads");
                    input.write_all(b"\n").expect("the oracle reads");
                }
                // An empty line ends a batch.
                input.write_all(b"\n").expect("the oracle reads");
                input.flush().expect("the oracle reads");
            });
            let mut line = String::new();
            questions
                .iter()
                .map(|_| {
                    line.clear();
                    output.read_line(&mut line).expect("the oracle answers");
                    assert!(!line.is_empty(), "the oracle gave up; it says why above");
                    serde_json::from_str(&line).expect("an answer is JSON")
                })
                .collect()
        })
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.wait();
    }
}
