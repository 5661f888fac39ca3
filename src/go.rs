//! What Kubernetes' programs read by the rules of their language, Go.

mod duration;

pub use duration::parse_duration;
