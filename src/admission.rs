//! The webhook: a review in, an answer out.
//!
//! A review reads the cluster from a view in memory and images through the checker. It
//! never calls the API server: that call would wait for the one that waits for us.

mod annotations;
mod answer;
mod body;
mod cause;
mod deadline;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod judging;
mod leniency;
mod levels;
mod log;
mod metrics;
mod ratchet;
mod remedies;
mod request;
mod review;
mod reviewer;
mod room;
mod server;
mod settings;
mod turned_away;
mod waiting;

pub use self::answer::Answer;
pub use self::metrics::Metrics;
pub use self::reviewer::Reviewer;
pub use self::server::{Limits, router};
pub use self::settings::Settings;
