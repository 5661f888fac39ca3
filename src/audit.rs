//! The audit: every workload of the cluster, judged as the webhook judges it.

mod drift;
mod events;
mod judge;
mod metrics;
mod objects;
mod observe;

pub use self::drift::Drift;
pub use self::events::{EventCounts, EventWriter};
pub use self::judge::{Judge, Subject};
pub use self::metrics::AuditMetrics;
pub use self::objects::{ReportWriteError, ReportWriter, WriteCounts};
pub use self::observe::Observer;
