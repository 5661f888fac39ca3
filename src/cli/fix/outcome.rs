//! What people are told of a fix, line by line.

use std::collections::BTreeSet;
use std::fmt::Display;

use super::plan::replacements;
use crate::domain::text::printable;
use crate::domain::verdict::LevelResult;
use crate::edit::{Edited, Replacements};
use crate::files::FileError;
use crate::findings::Finding;
use crate::report::{Report, ReportedWorkload};

/// What was done, and what is left to do.
#[derive(Debug, Default)]
pub struct FixOutcome {
    /// Whether something was to change and does not.
    pub is_left: bool,
    /// What is said of it, a line each.
    pub lines: Vec<String>,
}

impl FixOutcome {
    /// Tells what was edited, and whether there was anything at all.
    pub fn tell(&mut self, path: &str, edited: &Edited) -> bool {
        for change in &edited.changed {
            let source = format!("{path}:{}", change.line);
            self.tell_change(&source, &change.old, &change.new);
        }
        for left in &edited.left_alone {
            let source = format!("{path}:{}", left.line);
            self.leave(&source, format_args!("{} {}", left.image, left.why));
        }
        !edited.changed.is_empty() || !edited.left_alone.is_empty()
    }

    /// Tells of images that were to change and of which the edit says nothing.
    pub fn tell_missed(&mut self, path: &str, edited: &Edited, wanted: &Replacements) {
        for old in wanted.keys() {
            let is_changed = edited.changed.iter().any(|change| change.old == *old);
            if !is_changed && !edited.left_alone.iter().any(|left| left.image == *old) {
                self.leave(path, format_args!("{old} was not found in the text"));
            }
        }
    }

    /// Tells that something was left alone, and why.
    pub fn leave(&mut self, source: &str, why: impl Display) {
        self.is_left = true;
        let (source, why) = (printable(source), printable(&why.to_string()));
        self.lines.push(format!("left alone: {source}: {why}"));
    }

    /// Tells that a file was left alone.
    pub fn leave_file(&mut self, error: &FileError) {
        self.leave(error.source_name(), error.problem());
    }

    /// Tells of which images nothing is known that would help: those of the findings that
    /// count, save for what is told elsewhere.
    pub fn give_up(&mut self, report: &Report, is_told_here: impl Fn(&Finding) -> bool) {
        let replacements = replacements(report);
        let mut told = BTreeSet::new();
        for finding in &report.findings {
            let counts = report.weight(finding) != LevelResult::Pass;
            let new = replacements.get(finding.workload);
            let is_mended = finding
                .image
                .as_ref()
                .is_some_and(|image| new.is_some_and(|new| new.contains_key(image)));
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
            let (source, what) = (printable(&source), printable(&what));
            self.lines.push(format!("no fix: {source}: {what}"));
        }
    }

    /// Tells what an image becomes.
    pub fn tell_change(&mut self, source: &str, old: &str, new: &str) {
        let (source, old, new) = (printable(source), printable(old), printable(new));
        self.lines.push(format!("{source}: {old} → {new}"));
    }

    /// Says all of it to the person.
    pub fn print(&self) {
        self.lines.iter().for_each(|line| eprintln!("{line}"));
    }
}
