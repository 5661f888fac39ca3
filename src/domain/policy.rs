//! What to do about a verdict: deny, warn or record. This is decided in one function,
//! [`decide`].

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::unknown::Reason;
use super::verdict::{Passing, Verdict};

/// How much of the cluster a workload must fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Nothing is asked.
    Off,
    /// Some candidate platform runs every image.
    Runnable,
    /// Every candidate platform runs every image.
    Portable,
}

/// A text that is no level.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown level {text:?}: expected off, runnable or portable")]
pub struct LevelError {
    text: String,
}

impl Level {
    /// The name in configuration, labels and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Runnable => "runnable",
            Self::Portable => "portable",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Level {
    type Err = LevelError;

    fn from_str(text: &str) -> Result<Self, LevelError> {
        [Self::Off, Self::Runnable, Self::Portable]
            .into_iter()
            .find(|level| level.name() == text)
            .ok_or_else(|| LevelError {
                text: text.chars().take(64).collect(),
            })
    }
}

/// The level of each mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    /// A workload below this level is denied.
    pub enforce: Level,
    /// A workload below this level is admitted with a warning.
    pub warn: Level,
    /// A workload below this level is recorded.
    pub audit: Level,
}

impl Default for Levels {
    fn default() -> Self {
        Self {
            enforce: Level::Runnable,
            warn: Level::Portable,
            audit: Level::Portable,
        }
    }
}

impl Levels {
    /// The strictest level that is on, in any mode.
    pub fn strictest(&self) -> Level {
        self.enforce.max(self.warn).max(self.audit)
    }
}

/// What an undecided level does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnknown {
    /// Admit without a word to the user.
    Allow,
    /// Admit with a warning.
    #[default]
    Warn,
    /// Deny, unless there is no candidate at all.
    Deny,
}

/// What happens to pods and objects that a controller of the cluster creates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnedPods {
    /// They are warned: their template was judged.
    #[default]
    Warn,
    /// They are judged like everybody's.
    Enforce,
}

/// The two levels of one verdict, and why they may be undecided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// Some candidate platform runs every image.
    pub runnable: Passing,
    /// Every candidate platform runs every image.
    pub portable: Passing,
    /// Why something is not known.
    pub unknown: Vec<Reason>,
}

impl Findings {
    /// What the verdicts on all pod templates of a workload amount to.
    pub fn of(verdicts: &[Verdict]) -> Self {
        let mut unknown: Vec<Reason> = verdicts.iter().flat_map(Verdict::unknown_reasons).collect();
        unknown.sort();
        unknown.dedup();
        Self {
            runnable: Passing::all(verdicts.iter().map(Verdict::runnable)),
            portable: Passing::all(verdicts.iter().map(Verdict::portable)),
            unknown,
        }
    }

    /// How the workload stands at a level.
    pub fn at(&self, level: Level) -> Passing {
        match level {
            Level::Off => Passing::Pass,
            Level::Runnable => self.runnable,
            Level::Portable => self.portable,
        }
    }

    /// Whether the only thing not known is where the pod may go.
    fn only_lacks_candidates(&self) -> bool {
        self.unknown == [Reason::NoCandidates]
    }
}

/// What about the request keeps a denial away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leniency {
    /// Nothing: the workload is judged as it stands.
    None,
    /// It is not more than a warning whatever is found: a controller's own object, or a pod
    /// that scheduling gates hold back.
    WarnOnly,
    /// An update that brings no gap which the old object did not have.
    NoNewGaps,
    /// An update that leaves images and placement as they were.
    Unchanged,
}

/// What is done about a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Refuse, and say why.
    Deny,
    /// Admit with warnings.
    Warn,
    /// Admit.
    Allow,
}

impl Action {
    /// The name in annotations and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Warn => "warn",
            Self::Allow => "allow",
        }
    }
}

/// Decides what to do. Enforce and warn are applied here; audit only records.
pub fn decide(
    findings: &Findings,
    levels: &Levels,
    on_unknown: OnUnknown,
    leniency: Leniency,
) -> Action {
    let enforced = match findings.at(levels.enforce) {
        Passing::Pass => Action::Allow,
        Passing::Fail => match leniency {
            Leniency::None => Action::Deny,
            // A known gap is worth a warning wherever it may not be denied.
            Leniency::WarnOnly | Leniency::NoNewGaps | Leniency::Unchanged => Action::Warn,
        },
        Passing::Undecided => match (on_unknown, leniency) {
            (OnUnknown::Allow, _) => Action::Allow,
            (OnUnknown::Warn, _) => Action::Warn,
            (OnUnknown::Deny, Leniency::WarnOnly | Leniency::Unchanged) => Action::Warn,
            (OnUnknown::Deny, _) if findings.only_lacks_candidates() => Action::Warn,
            (OnUnknown::Deny, Leniency::None | Leniency::NoNewGaps) => Action::Deny,
        },
    };
    if enforced != Action::Allow {
        return enforced;
    }
    match findings.at(levels.warn) {
        Passing::Pass => Action::Allow,
        Passing::Fail => Action::Warn,
        Passing::Undecided if on_unknown == OnUnknown::Allow => Action::Allow,
        Passing::Undecided => Action::Warn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSING: [Passing; 3] = [Passing::Pass, Passing::Fail, Passing::Undecided];

    fn findings(runnable: Passing, portable: Passing) -> Findings {
        Findings {
            runnable,
            portable,
            unknown: vec![Reason::Timeout],
        }
    }

    #[test]
    fn a_denial_needs_a_failed_or_refused_unknown_level_and_no_leniency() {
        let all = [
            Leniency::None,
            Leniency::WarnOnly,
            Leniency::NoNewGaps,
            Leniency::Unchanged,
        ];
        for runnable in PASSING {
            for on_unknown in [OnUnknown::Allow, OnUnknown::Warn, OnUnknown::Deny] {
                for leniency in all {
                    let findings = findings(runnable, Passing::Fail);
                    let action = decide(&findings, &Levels::default(), on_unknown, leniency);
                    let failed = runnable == Passing::Fail && leniency == Leniency::None;
                    let refused = runnable == Passing::Undecided
                        && on_unknown == OnUnknown::Deny
                        && matches!(leniency, Leniency::None | Leniency::NoNewGaps);
                    assert_eq!(
                        action == Action::Deny,
                        failed || refused,
                        "{runnable:?} {on_unknown:?} {leniency:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_default_warns_of_what_is_not_portable() {
        let action = |runnable, portable| {
            let findings = findings(runnable, portable);
            decide(
                &findings,
                &Levels::default(),
                OnUnknown::Warn,
                Leniency::None,
            )
        };
        assert_eq!(action(Passing::Pass, Passing::Pass), Action::Allow);
        assert_eq!(action(Passing::Pass, Passing::Fail), Action::Warn);
        assert_eq!(action(Passing::Pass, Passing::Undecided), Action::Warn);
        assert_eq!(action(Passing::Fail, Passing::Fail), Action::Deny);
    }

    #[test]
    fn no_candidates_never_denies() {
        let findings = Findings {
            runnable: Passing::Undecided,
            portable: Passing::Undecided,
            unknown: vec![Reason::NoCandidates],
        };
        let action = decide(
            &findings,
            &Levels::default(),
            OnUnknown::Deny,
            Leniency::None,
        );
        assert_eq!(action, Action::Warn);
    }

    #[test]
    fn off_asks_nothing() {
        let levels = Levels {
            enforce: Level::Off,
            warn: Level::Off,
            audit: Level::Off,
        };
        let findings = findings(Passing::Fail, Passing::Fail);
        let action = decide(&findings, &levels, OnUnknown::Deny, Leniency::None);
        assert_eq!(action, Action::Allow);
    }
}
