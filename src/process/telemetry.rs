//! Logs to stderr, and the registry of metrics.

use std::borrow::Cow;
use std::io::IsTerminal;

use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use tracing_subscriber::EnvFilter;

/// Starts logging, by the environment: `ARCHMATCH_LOG` is a level or a filter (default
/// `info`), `ARCHMATCH_LOG_FORMAT` is `text` or `json`.
pub fn start_logging(default_filter: &str) {
    let filter = match std::env::var("ARCHMATCH_LOG") {
        Ok(text) if !text.is_empty() => {
            EnvFilter::try_new(own_level(&text)).unwrap_or_else(|error| {
                eprintln!("warning: ARCHMATCH_LOG is no filter, so it does not count: {error}");
                EnvFilter::new(default_filter)
            })
        }
        _ => EnvFilter::new(default_filter),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let format = std::env::var("ARCHMATCH_LOG_FORMAT").unwrap_or_default();
    let json = format == "json";
    if !matches!(format.as_str(), "" | "json" | "text") {
        eprintln!("warning: ARCHMATCH_LOG_FORMAT is {format:?}, expected text or json");
    }
    // A second start, as in tests, keeps the first one's settings.
    let _ = if json {
        builder.json().with_span_list(false).try_init()
    } else {
        let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        builder.with_ansi(colour).try_init()
    };
}

/// A level alone is that of our own lines: each connection of a library's pool at `debug`
/// would hide them.
fn own_level(filter: &str) -> Cow<'_, str> {
    match filter.trim().to_ascii_lowercase().as_str() {
        level @ ("debug" | "trace") => format!("info,archmatch={level}").into(),
        _ => filter.into(),
    }
}

/// An empty registry with the product's prefix and its build information.
pub fn metrics_registry(version: &'static str) -> Registry {
    let mut registry = Registry::with_prefix("archmatch");
    registry
        .sub_registry_with_label(("version".into(), version.into()))
        .register("build_info", "The running version", ConstGauge::new(1_u64));
    registry
}
