//! What to do about a verdict: deny, warn or record. This is decided in one function,
//! [`decide`].

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr};
use thiserror::Error;

use super::glob::is_match;
use super::reference::ImageReference;
use super::unknown::Reason;
use super::verdict::{LevelResult, Verdict};

/// How much of the cluster a workload must fit.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Display,
    EnumString,
    IntoStaticStr,
    Serialize,
    Deserialize,
)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase", parse_err_ty = LevelError, parse_err_fn = unknown_level)]
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
        self.into()
    }

    /// How one pod template stands at this level.
    pub fn of(self, verdict: &Verdict) -> LevelResult {
        match self {
            Self::Off => LevelResult::Pass,
            Self::Runnable => verdict.runnable(),
            Self::Portable => verdict.portable(),
        }
    }
}

fn unknown_level(text: &str) -> LevelError {
    LevelError {
        text: text.chars().take(64).collect(),
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, Serialize))]
#[serde(rename_all = "lowercase")]
pub enum OnUnknown {
    /// Admit without a word to the user.
    Allow,
    /// Admit with a warning.
    #[default]
    Warn,
    /// Deny, unless the reasons prove nothing against the workload: no candidate at all, a
    /// cordon, an image that no registry is asked for.
    Deny,
}

/// Images that are not their users' to build, as globs against `registry/repository`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, Serialize))]
#[serde(transparent)]
pub struct ForeignImages(pub Vec<String>);

impl Default for ForeignImages {
    fn default() -> Self {
        Self(vec!["docker.io/library/*".to_owned()])
    }
}

impl ForeignImages {
    /// Whether the image is one of them.
    pub fn contains(&self, image: &ImageReference) -> bool {
        let name = format!("{}/{}", image.registry(), image.repository());
        self.0.iter().any(|pattern| is_match(pattern, &name))
    }
}

/// What happens to pods and objects that a controller of the cluster creates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, Serialize))]
#[serde(rename_all = "lowercase")]
pub enum OwnedPods {
    /// They are warned: their template was judged.
    #[default]
    Warn,
    /// They are judged like everybody's.
    Enforce,
}

/// The two levels of one verdict, and why they may be undecided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelResults {
    /// Some candidate platform runs every image.
    pub runnable: LevelResult,
    /// Every candidate platform runs every image.
    pub portable: LevelResult,
    /// Why something is not known.
    pub unknown: Vec<Reason>,
}

impl LevelResults {
    /// What the verdicts on all pod templates of a workload amount to.
    pub fn of(verdicts: &[Verdict]) -> Self {
        let mut unknown: Vec<Reason> = verdicts.iter().flat_map(Verdict::unknown_reasons).collect();
        unknown.sort();
        unknown.dedup();
        Self {
            runnable: LevelResult::all(verdicts.iter().map(Verdict::runnable)),
            portable: LevelResult::all(verdicts.iter().map(Verdict::portable)),
            unknown,
        }
    }

    /// How the workload stands at a level.
    pub fn at(&self, level: Level) -> LevelResult {
        match level {
            Level::Off => LevelResult::Pass,
            Level::Runnable => self.runnable,
            Level::Portable => self.portable,
        }
    }
}

/// What keeps a denial of one pod template away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leniency {
    /// Nothing: the workload is judged as it stands.
    None,
    /// Never denied, at most warned of: a controller's own object, or a pod that scheduling
    /// gates hold back.
    WarnOnly,
    /// An update that brings no gap which the old object did not have, and loses no level.
    NoNewGaps,
    /// An update that leaves images and placement as they were.
    Unchanged,
}

/// What is done about a review, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Action {
    /// Admit.
    Allow,
    /// Admit with warnings.
    Warn,
    /// Refuse, and say why.
    Deny,
}

impl Action {
    /// The name in annotations and metrics.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Decides what to do about a workload: the most that any of its templates calls for.
/// Enforce and warn are applied here; audit only records.
pub fn decide<'a>(
    templates: impl IntoIterator<Item = (&'a Verdict, Leniency)>,
    levels: &Levels,
    on_unknown: OnUnknown,
) -> Action {
    let actions = templates.into_iter().map(|(verdict, leniency)| {
        let is_held_against = || verdict.open_reasons().into_iter().any(speaks_against);
        let passing = |level: Level| level.of(verdict);
        decide_template(passing, is_held_against, leniency, levels, on_unknown)
    });
    actions.max().unwrap_or(Action::Allow)
}

/// Decides what to do about a workload that was not read: no level that is on is decided.
pub fn decide_unread(
    reason: Reason,
    leniency: Leniency,
    levels: &Levels,
    on_unknown: OnUnknown,
) -> Action {
    let passing = |level| match level {
        Level::Off => LevelResult::Pass,
        Level::Runnable | Level::Portable => LevelResult::Undecided,
    };
    let is_held_against = || speaks_against(reason);
    decide_template(passing, is_held_against, leniency, levels, on_unknown)
}

fn decide_template(
    passing: impl Fn(Level) -> LevelResult,
    is_held_against: impl FnOnce() -> bool,
    leniency: Leniency,
    levels: &Levels,
    on_unknown: OnUnknown,
) -> Action {
    let enforced = match passing(levels.enforce) {
        LevelResult::Pass => Action::Allow,
        LevelResult::Fail => match leniency {
            Leniency::None => Action::Deny,
            // A known gap is worth a warning wherever it may not be denied.
            Leniency::WarnOnly | Leniency::NoNewGaps | Leniency::Unchanged => Action::Warn,
        },
        LevelResult::Undecided => match (on_unknown, leniency) {
            (OnUnknown::Allow, _) => Action::Allow,
            (OnUnknown::Warn, _) => Action::Warn,
            (OnUnknown::Deny, Leniency::WarnOnly | Leniency::Unchanged) => Action::Warn,
            (OnUnknown::Deny, Leniency::None | Leniency::NoNewGaps) => {
                if is_held_against() {
                    Action::Deny
                } else {
                    Action::Warn
                }
            }
        },
    };
    if enforced != Action::Allow {
        return enforced;
    }
    match passing(levels.warn) {
        LevelResult::Pass => Action::Allow,
        LevelResult::Fail => Action::Warn,
        LevelResult::Undecided if on_unknown == OnUnknown::Allow => Action::Allow,
        LevelResult::Undecided => Action::Warn,
    }
}

/// Whether not knowing, for this reason, may be held against a workload. That nodes come
/// back, or that an image was loaded onto them, is nothing that it could mend.
fn speaks_against(reason: Reason) -> bool {
    !matches!(
        reason,
        Reason::NoCandidates | Reason::Cordoned | Reason::Preloaded
    )
}

#[cfg(test)]
mod tests;
