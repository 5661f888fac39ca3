//! The audit: every workload of the cluster, judged as the webhook judges it.

mod judge;
mod metrics;
mod objects;

pub use self::judge::{Judge, Subject};
pub use self::metrics::AuditMetrics;
pub use self::objects::{ReportWriteError, ReportWriter, WriteCounts};
