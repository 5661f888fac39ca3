//! Metrics that are read off the parts when somebody asks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::cluster::Freshness;
use crate::cluster::view::View;
use crate::domain::node::Source;
use crate::process::server::Connections;
use crate::process::tls::ServingCertificate;
use crate::registry::Inspector;

/// The parts that know what the registry look-ups, the view, the certificate and the
/// listeners do.
pub(in crate::cli) struct PartMetrics {
    pub(in crate::cli) inspector: Arc<Inspector>,
    pub(in crate::cli) view: Arc<ArcSwap<View>>,
    /// Of a live cluster.
    pub(in crate::cli) freshness: Option<Freshness>,
    /// Of the webhook.
    pub(in crate::cli) certificate: Option<Arc<ServingCertificate>>,
    /// Who is connected, by the name of the listener.
    pub(in crate::cli) listeners: Vec<(&'static str, Connections)>,
}

impl fmt::Debug for PartMetrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PartMetrics")
    }
}

impl Collector for PartMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let statistics = self.inspector.statistics();
        family(
            encoder,
            ("registry_requests", MetricType::Counter),
            "Requests to registries by class of the answer",
            statistics
                .requests()
                .map(|(status, count)| ([("status", status)], count)),
        )?;
        let lookups = statistics.lookups().into_iter();
        family(
            encoder,
            ("image_lookups", MetricType::Counter),
            "Look-ups of images by what the cache had, and by the settings of the host",
            lookups.map(|((host, result), count)| ([("host", host), ("result", result)], count)),
        )?;
        family(
            encoder,
            ("cache_entries", MetricType::Gauge),
            "Entries of the cache by kind",
            self.inspector
                .entries()
                .map(|(kind, count)| ([("kind", kind)], count)),
        )?;
        gauge(
            encoder,
            "registry_hosts_failing",
            "Registry hosts that are not asked at the moment, since they keep failing",
            count(self.inspector.failing_hosts()),
        )?;
        let remaining = self.inspector.rate_limit_remaining().into_iter();
        family(
            encoder,
            ("registry_rate_limit_remaining", MetricType::Gauge),
            "Requests that registries which count them still allow, by the host's settings",
            remaining.map(|(host, count)| ([("host", host)], count)),
        )?;
        let nodes = node_counts(&self.view.load());
        family(
            encoder,
            ("nodes", MetricType::Gauge),
            "Nodes by platform",
            nodes
                .iter()
                .map(|(platform, count)| ([("platform", platform.as_str())], *count)),
        )?;
        self.encode_connections(encoder)?;
        if let Some(freshness) = &self.freshness {
            gauge(
                encoder,
                "view_age_seconds",
                "How long the API server has not confirmed the view; up to 30 is normal",
                freshness.age().as_secs(),
            )?;
        }
        let certificate = self.certificate.as_ref();
        if let Some(expiry) = certificate.and_then(|certificate| certificate.expires_at()) {
            gauge(
                encoder,
                "certificate_expiry_timestamp_seconds",
                "When the serving certificate expires, in seconds since 1970",
                expiry,
            )?;
        }
        Ok(())
    }
}

impl PartMetrics {
    fn encode_connections(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let listeners = || self.listeners.iter();
        family(
            encoder,
            ("connections_open", MetricType::Gauge),
            "Open connections by listener",
            listeners().map(|(listener, connections)| {
                ([("listener", *listener)], count(connections.open()))
            }),
        )?;
        let labels = |listener, cause| [("listener", listener), ("cause", cause)];
        family(
            encoder,
            ("connections_refused", MetricType::Counter),
            "Connections that found no place, by listener and cause",
            listeners().flat_map(|(listener, connections)| {
                let refused = connections.refused();
                refused.map(move |(cause, count)| (labels(*listener, cause), count))
            }),
        )?;
        family(
            encoder,
            ("connections_closed", MetricType::Counter),
            "Connections closed for what they took too long for or in favour of others, by listener and cause",
            listeners().flat_map(|(listener, connections)| {
                let closed = connections.closed();
                closed.map(move |(cause, count)| (labels(*listener, cause), count))
            }),
        )
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn gauge<N>(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: N) -> fmt::Result
where
    ConstGauge<N>: EncodeMetric,
{
    let descriptor = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    ConstGauge::new(value).encode(descriptor)
}

fn family<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, kind): (&str, MetricType),
    help: &str,
    samples: impl IntoIterator<Item = (L, u64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
    for (labels, value) in samples {
        let sample = family.encode_family(&labels)?;
        match kind {
            MetricType::Counter => ConstCounter::new(value).encode(sample)?,
            _ => ConstGauge::new(value).encode(sample)?,
        }
    }
    Ok(())
}

fn node_counts(view: &View) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (group, members) in view.nodes.groups() {
        let is_live = group.source == Source::Node;
        let nodes = if is_live { members.len() } else { 0 };
        let platform = group.platform.platform.to_string();
        *counts.entry(platform).or_default() += count(nodes);
    }
    counts
}
