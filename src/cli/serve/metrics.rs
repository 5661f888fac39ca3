//! Metrics that are read off the parts when somebody asks.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry as Metrics;

use crate::cli::setup::Registries;
use crate::cluster::Freshness;
use crate::cluster::view::View;
use crate::domain::node::Source;
use crate::process::server::Connections;
use crate::process::tls::ServingCertificate;
use crate::registry::Inspector;

/// Registers what the registry look-ups, the view, the certificate and the listeners know.
pub(super) fn register(
    metrics: &mut Metrics,
    registries: &Registries,
    view: Arc<ArcSwap<View>>,
    freshness: Option<Freshness>,
    certificate: Arc<ServingCertificate>,
    listeners: [(&'static str, Connections); 2],
) {
    metrics.register_collector(Box::new(Parts {
        inspector: Arc::clone(&registries.inspector),
        view,
        freshness,
        certificate,
        listeners,
    }));
}

struct Parts {
    inspector: Arc<Inspector>,
    view: Arc<ArcSwap<View>>,
    /// Of a live cluster.
    freshness: Option<Freshness>,
    certificate: Arc<ServingCertificate>,
    /// Who is connected, by the name of the listener.
    listeners: [(&'static str, Connections); 2],
}

impl fmt::Debug for Parts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Parts")
    }
}

impl Collector for Parts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let statistics = self.inspector.statistics();
        let lookups = statistics.lookups().into_iter();
        let nodes = node_counts(&self.view.load());
        family(
            &mut encoder,
            ("registry_requests", MetricType::Counter),
            "Requests to registries by class of the answer",
            statistics
                .requests()
                .map(|(status, count)| ([("status", status)], ConstCounter::new(count))),
        )?;
        family(
            &mut encoder,
            ("image_lookups", MetricType::Counter),
            "Look-ups of images by what the cache had, and by the settings of the host",
            lookups.map(|((host, result), count)| {
                (
                    [("host", host), ("result", result)],
                    ConstCounter::new(count),
                )
            }),
        )?;
        family(
            &mut encoder,
            ("cache_entries", MetricType::Gauge),
            "Entries of the cache by kind",
            self.inspector
                .entries()
                .map(|(kind, count)| ([("kind", kind)], ConstGauge::new(count))),
        )?;
        let failing = encoder.encode_descriptor(
            "registry_hosts_failing",
            "Registry hosts that are not asked at the moment, since they keep failing",
            None,
            MetricType::Gauge,
        )?;
        let count = u64::try_from(self.inspector.failing_hosts()).unwrap_or(u64::MAX);
        ConstGauge::new(count).encode(failing)?;
        let remaining = self.inspector.rate_limit_remaining().into_iter();
        family(
            &mut encoder,
            ("registry_rate_limit_remaining", MetricType::Gauge),
            "Requests that registries which count them still allow, by the host's settings",
            remaining.map(|(host, count)| ([("host", host)], ConstGauge::new(count))),
        )?;
        family(
            &mut encoder,
            ("nodes", MetricType::Gauge),
            "Nodes by platform",
            nodes.iter().map(|(platform, count)| {
                ([("platform", platform.as_str())], ConstGauge::new(*count))
            }),
        )?;
        self.encode_connections(&mut encoder)?;
        if let Some(freshness) = &self.freshness {
            let age = encoder.encode_descriptor(
                "view_age_seconds",
                "How long the API server has not confirmed the view; up to 30 is normal",
                None,
                MetricType::Gauge,
            )?;
            ConstGauge::new(freshness.age().as_secs()).encode(age)?;
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

impl Parts {
    fn encode_connections(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let listeners = || self.listeners.iter();
        family(
            encoder,
            ("connections_open", MetricType::Gauge),
            "Open connections by listener",
            listeners().map(|(listener, connections)| {
                let open = u64::try_from(connections.open()).unwrap_or(u64::MAX);
                ([("listener", *listener)], ConstGauge::new(open))
            }),
        )?;
        family(
            encoder,
            ("connections_refused", MetricType::Counter),
            "Connections that found no place, by listener and cause",
            listeners().flat_map(|(listener, connections)| {
                let refused = connections.refused();
                refused.map(|(cause, count)| by_cause(listener, cause, count))
            }),
        )?;
        family(
            encoder,
            ("connections_closed", MetricType::Counter),
            "Connections closed for what they took too long for or in favour of others, by listener and cause",
            listeners().flat_map(|(listener, connections)| {
                let closed = connections.closed();
                closed.map(|(cause, count)| by_cause(listener, cause, count))
            }),
        )
    }
}

fn by_cause(
    listener: &'static str,
    cause: &'static str,
    count: u64,
) -> ([(&'static str, &'static str); 2], ConstCounter<u64>) {
    let labels = [("listener", listener), ("cause", cause)];
    (labels, ConstCounter::new(count))
}

/// A metric with its samples, each with its labels.
fn family<L: EncodeLabelSet, M: EncodeMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, kind): (&str, MetricType),
    help: &str,
    samples: impl IntoIterator<Item = (L, M)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
    for (labels, sample) in samples {
        sample.encode(family.encode_family(&labels)?)?;
    }
    Ok(())
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
