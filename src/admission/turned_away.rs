//! Reviews that are not judged, and what is answered to them.
//!
//! Where a uid is known, the answer is one by policy: what was not checked is unknown, and
//! the operator's `onUnknown` says what that means. Nobody passes in silence.

use super::answer::Answer;
use super::cause::Cause;
use super::request::Request;
use super::reviewer::Reviewer;
use super::{annotations, leniency, levels};
use crate::domain::policy::{Action, Leniency, Level, LevelResults, decide_unread};
use crate::domain::verdict::LevelResult;

impl Reviewer {
    /// The answer to a request that is not judged, of which at least the uid is known.
    pub(super) fn turned_away(&self, request: &Request, cause: Cause) -> Answer {
        // What comes after the uid may not have been read.
        if !request.operation.is_empty() && !request.is_judged() {
            return Answer::allowed();
        }
        let settings = self.settings.load();
        let view = self.view.load();
        let (levels, label_warnings) =
            levels::of_namespace(&view, &request.namespace, settings.levels);
        if levels.strictest() == Level::Off {
            return Answer::with_warnings(label_warnings);
        }
        let results = LevelResults {
            runnable: LevelResult::Undecided,
            portable: LevelResult::Undecided,
            unknown: vec![cause.reason()],
        };
        // A node creates no pods but mirror pods, and denying those would only hide them.
        let leniency = if request.is_from_node() || leniency::is_owned(request, &settings) {
            Leniency::WarnOnly
        } else {
            Leniency::None
        };
        let action = decide_unread(cause.reason(), leniency, &levels, settings.on_unknown);
        let text = format!("no image was checked: {}", cause.text());
        let mut answer = match action {
            Action::Deny => Answer::denied(format!("archmatch: {text}; try again"), Vec::new()),
            Action::Warn => Answer::warned(&text),
            Action::Allow => Answer::allowed(),
        };
        annotations::annotate(&mut answer, &results, &levels, &[], action, &[]);
        self.metrics.undecided(&results.unknown);
        self.count(request, &answer);
        answer
    }
}
