//! Log lines as JSON on standard output, and spans to a collector when one is configured.

use super::trace;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::set_global_default;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::Registry;

/// Libraries that say too much at the level that is good for this crate, and what is left of them. openraft warns ten times
/// a second for as long as a member is away; raft-store says it once. sled says of one disk error a dozen times more, after
/// the lines that tell what to do.
const TALKATIVE: [(&str, LevelFilter); 2] = [("openraft", LevelFilter::ERROR), ("sled", LevelFilter::OFF)];
/// Libraries that print what goes over the wire at their lower levels, cookies and passwords among it: never below
/// warnings, whatever is configured (CR-4).
const INDISCREET: [&str; 7] = [
    "hyper",
    "hyper_util",
    "h2",
    "rustls",
    "tonic",
    "lettre",
    "opentelemetry",
];

/// Keeps telemetry running; to be closed at the end.
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Whether spans leave the process.
    #[must_use]
    pub fn spans_exported(&self) -> bool {
        self.provider.is_some()
    }

    /// Sends what is left. Blocks for a moment when a collector is configured.
    pub fn close(self) {
        if let Some(Err(error)) = self.provider.map(|provider| provider.shutdown()) {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }
}

/// Telemetry could not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Somebody else took the place of the global subscriber.
    #[error("logging: {0}")]
    Logging(String),
    /// The exporter refuses its endpoint.
    #[error("telemetry.otlp_endpoint = {endpoint}: {problem}")]
    Exporter {
        /// What was configured.
        endpoint: String,
        /// What the exporter said.
        problem: String,
    },
}

/// Starts logging, and exporting spans if there is an endpoint. To be called inside the runtime.
///
/// # Errors
/// See [`TelemetryError`].
pub fn start(level: Level, name: &str, otlp_endpoint: Option<&str>) -> Result<Telemetry, TelemetryError> {
    let provider = otlp_endpoint
        .map(|endpoint| trace::provider(endpoint, name))
        .transpose()?;
    let spans = provider
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("tfauth-node")));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(std::io::stdout);
    // The exporter's layer comes first: it is generic over the plain registry.
    let subscriber = Registry::default()
        .with(spans.with_filter(filter(level)))
        .with(lines.with_filter(filter(level)));
    set_global_default(subscriber).map_err(|error| TelemetryError::Logging(error.to_string()))?;
    // Lines of libraries that use `log` join the others.
    tracing_log::LogTracer::builder()
        .with_max_level(tracing_log::log::LevelFilter::Warn)
        .init()
        .map_err(|error| TelemetryError::Logging(error.to_string()))?;
    Ok(Telemetry { provider })
}

fn filter(level: Level) -> Targets {
    let warnings = LevelFilter::WARN.min(LevelFilter::from_level(level));
    // At debug and trace the operator asked for more.
    let asked = |normal| {
        if level <= Level::INFO {
            normal
        } else {
            LevelFilter::from_level(level)
        }
    };
    let targets = Targets::new().with_default(level);
    let targets = TALKATIVE.iter().fold(targets, |targets, (name, normal)| {
        targets.with_target(*name, asked(*normal))
    });
    INDISCREET
        .iter()
        .fold(targets, |targets, name| targets.with_target(*name, warnings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_quieter_than_the_node() {
        let normal = filter(Level::INFO);
        assert!(normal.would_enable("node::startup", &Level::INFO));
        assert!(!normal.would_enable("openraft::engine", &Level::INFO));
        assert!(normal.would_enable("openraft::engine", &Level::ERROR));
        assert!(!normal.would_enable("openraft::core::heartbeat::worker", &Level::WARN));
        assert!(!normal.would_enable("sled::tree", &Level::ERROR));
        assert!(filter(Level::DEBUG).would_enable("openraft", &Level::DEBUG));
        assert!(filter(Level::DEBUG).would_enable("sled::tree", &Level::ERROR));
    }

    #[test]
    fn cr_4_what_goes_over_the_wire_is_logged_at_no_level() {
        for library in INDISCREET {
            assert!(!filter(Level::TRACE).would_enable(library, &Level::INFO), "{library}");
        }
        assert!(!filter(Level::TRACE).would_enable("hyper::proto::h1::conn", &Level::TRACE));
    }
}
