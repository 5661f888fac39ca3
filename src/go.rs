//! What Kubernetes' programs read by the rules of their language, Go.

mod duration;
pub(crate) mod json;

pub use duration::parse_duration;
