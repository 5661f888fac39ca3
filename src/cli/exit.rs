//! Exit codes, in one place.

use std::process::ExitCode;

use crate::domain::verdict::LevelResult;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Nothing found.
    Success = 0,
    /// Findings at the asked level.
    Findings = 1,
    /// A usage error: arguments, files, configuration.
    Usage = 2,
    /// Nothing known to be wrong, but not everything known.
    Undecided = 3,
}

impl From<LevelResult> for Exit {
    fn from(result: LevelResult) -> Self {
        match result {
            LevelResult::Pass => Self::Success,
            LevelResult::Fail => Self::Findings,
            LevelResult::Undecided => Self::Undecided,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
