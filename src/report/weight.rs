//! What findings make of the asked level.

use super::model::{Report, ReportedWorkload};
use crate::domain::policy::Level;
use crate::domain::verdict::LevelResult;
use crate::findings::Finding;

impl Report {
    /// Whether nothing in it has an image.
    pub fn is_empty(&self) -> bool {
        self.workloads
            .iter()
            .all(ReportedWorkload::is_without_images)
    }

    /// How what has images stands, as the exit code says it, whatever could not be read:
    /// findings that are accepted count for nothing. What is said of pods and is not so fails
    /// at every level.
    pub fn result(&self) -> LevelResult {
        let findings = self.findings.iter().map(|finding| self.weight(finding));
        let wrong = self.not_as_said() > 0;
        LevelResult::all(findings.chain(wrong.then_some(LevelResult::Fail)))
    }

    /// How many containers did not become what is said.
    pub(super) fn not_as_said(&self) -> usize {
        self.observed.as_ref().map_or(0, |observed| observed.wrong)
    }

    /// What a finding makes of the asked level.
    pub fn weight(&self, finding: &Finding) -> LevelResult {
        if finding.accepted.is_some() {
            return LevelResult::Pass;
        }
        if self.fail_on.contains(&finding.rule) {
            return LevelResult::Fail;
        }
        let workload = self.workloads.get(finding.workload);
        let level = workload.map_or(LevelResult::Undecided, |one| one.at(self.level));
        match (level, finding.rule) {
            (LevelResult::Fail, rule) if rule.is_gap() => LevelResult::Fail,
            (LevelResult::Fail | LevelResult::Undecided, rule) if rule.is_open() => {
                LevelResult::Undecided
            }
            _ => LevelResult::Pass,
        }
    }
}

impl ReportedWorkload {
    /// Whether no container names an image, so that nothing was judged.
    pub(super) fn is_without_images(&self) -> bool {
        self.images.is_empty() && self.unchecked.is_empty()
    }

    /// How it stands at a level.
    pub(super) fn at(&self, level: Level) -> LevelResult {
        match level {
            Level::Off => LevelResult::Pass,
            Level::Runnable => self.levels.runnable,
            Level::Portable => self.levels.portable,
        }
    }
}
