//! Reviews that are not judged: why, and what is answered to them.
//!
//! Where a uid is known, the answer is one by policy: what was not checked is unknown, and
//! the operator's `onUnknown` says what that means. Nobody passes in silence.

use axum::http::StatusCode;

use super::answer::Answer;
use super::review::Request;
use super::reviewer::{Reviewer, is_judged};
use super::{annotations, leniency, levels};
use crate::domain::policy::{Action, Leniency, Level, LevelResults, decide_unread};
use crate::domain::unknown::Reason;
use crate::domain::verdict::LevelResult;

/// Why a review is not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Cause {
    /// The body is over the limit.
    TooLarge,
    /// The body did not come in time, or more slowly than a body may.
    Slow,
    /// There is no room for bodies.
    Room,
    /// The peer's share of the room is taken.
    RoomShare,
    /// Too many reviews wait for registries.
    Waiting,
    /// Too many reviews of the namespace do.
    WaitingNamespace,
    /// The body could not be parsed before the deadline.
    Unread,
    /// The content type is another one.
    MediaType,
    /// The body is no review.
    Malformed,
    /// The client went away.
    CutOff,
}

impl Cause {
    /// The name in metrics.
    pub(super) fn name(self) -> &'static str {
        self.into()
    }

    /// Where no uid can be read.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow | Self::Unread => StatusCode::REQUEST_TIMEOUT,
            Self::Room | Self::RoomShare | Self::Waiting | Self::WaitingNamespace => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Malformed | Self::CutOff => StatusCode::BAD_REQUEST,
        }
    }

    /// What of it a person should know.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::TooLarge => "the review is over 7 MiB",
            Self::Slow => "the review came too slowly",
            Self::Room => "too many other reviews are being read",
            Self::RoomShare => "too many other reviews of the same client are being read",
            Self::Waiting => "too many other reviews wait for registries",
            Self::WaitingNamespace => {
                "too many other reviews of this namespace wait for registries"
            }
            Self::Unread => "the review could not be read in time",
            Self::MediaType => "the content type must be application/json",
            Self::Malformed => "the body is no AdmissionReview",
            Self::CutOff => "the body was cut off",
        }
    }

    /// What is not known then.
    fn reason(self) -> Reason {
        match self {
            Self::TooLarge | Self::Unread => Reason::TooLarge,
            _ => Reason::RateLimited,
        }
    }
}

impl Reviewer {
    /// The answer to a request that is not judged, of which at least the uid is known.
    pub(super) fn turned_away(&self, request: &Request, cause: Cause) -> Answer {
        // What comes after the uid may not have been read.
        if !request.operation.is_empty() && !is_judged(request) {
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
