//! Metrics that are read off the parts when somebody asks.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry as Metrics;

use crate::cli::setup::Registries;
use crate::cluster::view::View;
use crate::domain::node::Source;
use crate::process::tls::ServingCertificate;
use crate::registry::Inspector;

/// Registers what the registry look-ups, the view and the certificate know.
pub(super) fn register(
    metrics: &mut Metrics,
    registries: &Registries,
    view: Arc<ArcSwap<View>>,
    certificate: Arc<ServingCertificate>,
) {
    metrics.register_collector(Box::new(Parts {
        inspector: Arc::clone(&registries.inspector),
        view,
        certificate,
    }));
}

struct Parts {
    inspector: Arc<Inspector>,
    view: Arc<ArcSwap<View>>,
    certificate: Arc<ServingCertificate>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Parts")
    }
}

impl Collector for Parts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let statistics = self.inspector.statistics();
        let mut requests = encoder.encode_descriptor(
            "registry_requests",
            "Requests to registries by class of the answer",
            None,
            MetricType::Counter,
        )?;
        for (status, count) in statistics.requests() {
            let labels = [("status", status)];
            ConstCounter::new(count).encode(requests.encode_family(&labels)?)?;
        }
        let mut lookups = encoder.encode_descriptor(
            "image_lookups",
            "Look-ups of images by what the cache had, and by the settings of the host",
            None,
            MetricType::Counter,
        )?;
        for ((host, result), count) in statistics.lookups() {
            let labels = [("host", host), ("result", result)];
            ConstCounter::new(count).encode(lookups.encode_family(&labels)?)?;
        }
        let mut entries = encoder.encode_descriptor(
            "cache_entries",
            "Entries of the cache by kind",
            None,
            MetricType::Gauge,
        )?;
        for (kind, count) in self.inspector.entries() {
            let labels = [("kind", kind)];
            let gauge = ConstGauge::new(count);
            gauge.encode(entries.encode_family(&labels)?)?;
        }
        let failing = encoder.encode_descriptor(
            "registry_hosts_failing",
            "Registry hosts that are not asked at the moment, since they keep failing",
            None,
            MetricType::Gauge,
        )?;
        let count = u64::try_from(self.inspector.failing_hosts()).unwrap_or(u64::MAX);
        ConstGauge::new(count).encode(failing)?;
        let mut remaining = encoder.encode_descriptor(
            "registry_rate_limit_remaining",
            "Requests that registries which count them still allow, by the host's settings",
            None,
            MetricType::Gauge,
        )?;
        for (host, count) in self.inspector.rate_limit_remaining() {
            let labels = [("host", host)];
            ConstGauge::new(count).encode(remaining.encode_family(&labels)?)?;
        }
        let mut nodes =
            encoder.encode_descriptor("nodes", "Nodes by platform", None, MetricType::Gauge)?;
        for (platform, count) in node_counts(&self.view.load()) {
            let labels = [("platform", platform.as_str())];
            let gauge = ConstGauge::new(count);
            gauge.encode(nodes.encode_family(&labels)?)?;
        }
        if let Some(expiry) = self.certificate.expires_at() {
            let descriptor = encoder.encode_descriptor(
                "certificate_expiry_timestamp_seconds",
                "When the serving certificate expires, in seconds since 1970",
                None,
                MetricType::Gauge,
            )?;
            ConstGauge::new(expiry).encode(descriptor)?;
        }
        Ok(())
    }
}

fn node_counts(view: &View) -> std::collections::BTreeMap<String, u64> {
    let mut counts = std::collections::BTreeMap::new();
    for (group, members) in view.nodes.groups() {
        let is_live = group.source == Source::Node;
        let count = if is_live { members.len() } else { 0 };
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        *counts
            .entry(group.platform.platform.to_string())
            .or_default() += count;
    }
    counts
}
