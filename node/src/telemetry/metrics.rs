//! The numbers that the node counts itself. Labels come from fixed sets (verbs, route templates, status codes), never
//! from what a client sent.

use prometheus::core::Collector;
use prometheus::{
    Encoder as _, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder,
};

/// Upper bounds of duration buckets, in seconds: from a cached read to the longest deadline.
const SECONDS_BUCKETS: [f64; 14] = [
    0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
];

/// Counters and histograms, registered. Cloning shares them.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    /// Requests by method, route template and status.
    pub requests: IntCounterVec,
    /// Duration of requests by route template.
    pub request_seconds: HistogramVec,
    /// Requests whose handler panicked.
    pub request_panics: IntCounter,
    /// Connections of load balancers that are open.
    pub connections: IntGauge,
    /// Connections turned away, by reason.
    pub connections_refused: IntCounterVec,
    /// Proposals by verb and outcome.
    pub proposals: IntCounterVec,
    /// Duration of proposals by verb.
    pub proposal_seconds: HistogramVec,
    /// Duration of read barriers.
    pub barrier_seconds: Histogram,
    /// Read barriers that no leader confirmed in time.
    pub barriers_failed: IntCounter,
    /// Messages by outcome.
    pub mails: IntCounterVec,
    /// Sealed values by what came of sealing them anew.
    pub resealed: IntCounterVec,
    /// Messages that wait in the outbox, as the leader saw it last.
    pub mail_waiting: IntGauge,
    /// Messages in quarantine, as the leader saw it last.
    pub mail_quarantined: IntGauge,
}

impl Metrics {
    /// Registers everything.
    ///
    /// # Errors
    /// Two metrics share a name: a mistake in this file.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let metrics = Self {
            requests: counters("requests_total", "Requests answered.", &["method", "route", "status"])?,
            request_seconds: durations("request_seconds", "Time from header to answer.", &["route"])?,
            request_panics: IntCounter::new("tfauth_node_request_panics_total", "Requests whose handler panicked.")?,
            connections: IntGauge::new(
                "tfauth_node_connections",
                "Connections of load balancers that are open.",
            )?,
            connections_refused: counters("connections_refused_total", "Connections turned away.", &["reason"])?,
            proposals: counters(
                "proposals_total",
                "Proposals to the replicated log.",
                &["verb", "outcome"],
            )?,
            proposal_seconds: durations("proposal_seconds", "Time from proposal to reply.", &["verb"])?,
            barrier_seconds: Histogram::with_opts(
                HistogramOpts::new("tfauth_node_barrier_seconds", "Time of a read barrier.")
                    .buckets(SECONDS_BUCKETS.to_vec()),
            )?,
            barriers_failed: IntCounter::new(
                "tfauth_node_barriers_failed_total",
                "Read barriers that no leader confirmed before the deadline.",
            )?,
            mails: counters("mails_total", "Messages handed over, or not.", &["outcome"])?,
            resealed: counters("resealed_total", "Sealed values sealed anew, or not.", &["outcome"])?,
            mail_waiting: IntGauge::new(
                "tfauth_node_mail_waiting",
                "Messages that wait in the outbox; the leader counts.",
            )?,
            mail_quarantined: IntGauge::new(
                "tfauth_node_mail_quarantined",
                "Messages that no server takes, kept for an operator; the leader counts.",
            )?,
            registry,
        };
        metrics.register(metrics.requests.clone())?;
        metrics.register(metrics.request_seconds.clone())?;
        metrics.register(metrics.request_panics.clone())?;
        metrics.register(metrics.connections.clone())?;
        metrics.register(metrics.connections_refused.clone())?;
        metrics.register(metrics.proposals.clone())?;
        metrics.register(metrics.proposal_seconds.clone())?;
        metrics.register(metrics.barrier_seconds.clone())?;
        metrics.register(metrics.barriers_failed.clone())?;
        metrics.register(metrics.mails.clone())?;
        metrics.register(metrics.resealed.clone())?;
        metrics.register(metrics.mail_waiting.clone())?;
        metrics.register(metrics.mail_quarantined.clone())?;
        Ok(metrics)
    }

    /// Adds a metric that another module keeps.
    ///
    /// # Errors
    /// Its name is taken.
    pub fn register(&self, collector: impl Collector + 'static) -> Result<(), prometheus::Error> {
        self.registry.register(Box::new(collector))
    }

    /// Everything in Prometheus' text format.
    ///
    /// # Errors
    /// A metric that cannot be written down: a mistake in this crate.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        String::from_utf8(text).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }
}

fn counters(name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
    IntCounterVec::new(Opts::new(format!("tfauth_node_{name}"), help), labels)
}

fn durations(name: &str, help: &str, labels: &[&str]) -> Result<HistogramVec, prometheus::Error> {
    let opts = HistogramOpts::new(format!("tfauth_node_{name}"), help).buckets(SECONDS_BUCKETS.to_vec());
    HistogramVec::new(opts, labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_told() {
        let metrics = Metrics::new().unwrap();
        metrics
            .proposals
            .with_label_values(&["log_in", "session_started"])
            .inc();
        let text = metrics.text().unwrap();
        assert!(
            text.contains(r#"tfauth_node_proposals_total{outcome="session_started",verb="log_in"} 1"#),
            "{text}"
        );
        assert!(
            metrics.register(metrics.requests.clone()).is_err(),
            "a name is taken once"
        );
    }
}
