//! The cluster: what decisions need of it, from the Kubernetes API or from a snapshot.

pub mod access;
pub mod certificates;
mod events;
mod freshness;
pub mod inventory;
mod kinds;
mod optional;
pub mod secrets;
mod snapshot;
mod state;
pub mod view;
mod watch;

pub use self::freshness::Freshness;
pub use self::state::{DeclaredNodes, Record, State};
pub use self::watch::{Accounts, Cluster, LeftOut, watch, watch_discovering};
