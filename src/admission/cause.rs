//! Why reviews are not judged.

use axum::http::StatusCode;

use crate::domain::unknown::Reason;

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
    pub(super) fn reason(self) -> Reason {
        match self {
            Self::TooLarge | Self::Unread => Reason::TooLarge,
            _ => Reason::RateLimited,
        }
    }
}
