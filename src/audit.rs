//! The audit: every workload of the cluster, judged as the webhook judges it.

mod metrics;

pub use self::metrics::AuditMetrics;
