//! Kubernetes objects as they arrive in JSON or YAML, into domain values.
//!
//! Only the fields that matter are read, borrowed from the input; the rest is skipped.
//! What Go reads leniently is read leniently here: `null` is an absent field. A wrong type
//! is an error that names the kind and the path of the field.
//!
//! Absent on purpose: the typed objects of `k8s-openapi`, which cost five times the time
//! and thirty times the memory, and any validation that the API server does itself.

pub mod context;
pub mod json;
pub mod kinds;
pub mod list;
mod metadata;
pub mod node;
pub mod observed;
pub mod pod;
pub mod pool;
pub mod ties;
pub mod to_judge;

pub use self::json::ObjectError;
