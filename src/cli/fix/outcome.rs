//! What people are told of a fix, line by line on stderr.

use std::collections::BTreeSet;
use std::fmt::Display;

use super::plan::replacements;
use crate::domain::text::printable;
use crate::domain::verdict::LevelResult;
use crate::edit::Edited;
use crate::files::FileError;
use crate::findings::Finding;
use crate::report::{Report, ReportedWorkload};

/// Whether something is left to do, told as it comes up.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Whether something was to change and does not.
    pub is_left: bool,
}

impl Outcome {
    /// Tells what was edited, and whether there was anything at all.
    pub fn tell(&mut self, path: &str, edited: &Edited) -> bool {
        for change in &edited.changed {
            let source = format!("{path}:{}", change.line);
            tell_change(&source, &change.old, &change.new);
        }
        for left in &edited.left_alone {
            let source = format!("{path}:{}", left.line);
            self.leave(&source, format_args!("{} {}", left.image, left.why));
        }
        !edited.changed.is_empty() || !edited.left_alone.is_empty()
    }

    /// Tells that something was left alone, and why.
    pub fn leave(&mut self, source: &str, why: impl Display) {
        self.is_left = true;
        eprintln!(
            "left alone: {}: {}",
            printable(source),
            printable(&why.to_string())
        );
    }

    /// Tells that a file was left alone.
    pub fn leave_file(&mut self, error: &FileError) {
        self.leave(error.source_name(), error.problem());
    }

    /// Tells of which images nothing is known that would help: those of the findings that
    /// count, save for what is told elsewhere.
    pub fn give_up(&mut self, report: &Report, is_told_here: impl Fn(&Finding) -> bool) {
        let mut told = BTreeSet::new();
        for finding in &report.findings {
            let counts = report.weight(finding) != LevelResult::Pass;
            let new = replacements(report, finding.workload);
            let is_mended = finding
                .image
                .as_ref()
                .is_some_and(|image| new.contains_key(image));
            if counts && !is_mended && is_told_here(finding) {
                self.is_left = true;
                let workload = report.workloads.get(finding.workload);
                let source = finding
                    .source
                    .clone()
                    .or_else(|| workload.map(ReportedWorkload::title));
                told.insert((source.unwrap_or_default(), finding.what.clone()));
            }
        }
        for (source, what) in told {
            eprintln!("no fix: {}: {}", printable(&source), printable(&what));
        }
    }
}

/// Tells what an image becomes.
pub fn tell_change(source: &str, old: &str, new: &str) {
    eprintln!(
        "{}: {} → {}",
        printable(source),
        printable(old),
        printable(new)
    );
}
