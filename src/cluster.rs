//! Adapter to the Kubernetes API, and the same view of a cluster from a snapshot.
//!
//! A decision sees a [`view::View`]: one immutable value, replaced whole. It comes from
//! watches ([`watch()`]) or from files ([`snapshot::load`]).
//!
//! Absent on purpose: calls to the API server while a review waits. Two known tools make
//! them, and let a part of the pods pass unseen when the API server is busy.

pub mod certificates;
mod lean;
mod namespaces;
mod nodes;
pub mod snapshot;
pub mod view;
mod watch;

pub use self::view::Settings;
pub use self::watch::{Watch, watch};
