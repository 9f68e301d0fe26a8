//! Counters, gauges and their text form. Labels are names from the configuration and fixed words, never anything that a
//! client sent.

use std::time::Duration;

use prometheus::{
    HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder, core::Collector,
};

use crate::cluster::Cluster;
use crate::drain::Lifecycle;
use crate::pool::health::Reach;
use crate::proxy::retry::Cause;
use crate::proxy::route::RouteClass;

/// Upper bounds of the duration histogram, in seconds.
const DURATION_SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// How a client failed before there was a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientFault {
    /// No TLS or HTTP/2 with it.
    Handshake,
    /// Its request could not be read.
    Request,
}

impl ClientFault {
    fn label(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Request => "request",
        }
    }
}

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    retries: IntCounterVec,
    rate_limited: IntCounterVec,
    ejections: IntCounterVec,
    client_faults: IntCounterVec,
    durations: Vec<prometheus::Histogram>,
    node_up: IntGaugeVec,
    node_ready: IntGaugeVec,
    node_in_flight: IntGaugeVec,
    in_flight: IntGauge,
    held: IntGauge,
    draining: IntGauge,
}

impl Metrics {
    /// All metrics at zero.
    ///
    /// # Errors
    /// A name or label is invalid or used twice: a mistake in this file.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let durations = registered(
            &registry,
            HistogramVec::new(
                HistogramOpts::new(
                    "tfauth_lb_request_duration_seconds",
                    "Time from the request to the end of its answer.",
                )
                .buckets(DURATION_SECONDS.to_vec()),
                &["route"],
            )?,
        )?;
        let counters = |name: &str, help: &str, labels: &[&str]| {
            registered(&registry, IntCounterVec::new(Opts::new(name, help), labels)?)
        };
        let gauges =
            |name: &str, help: &str| registered(&registry, IntGaugeVec::new(Opts::new(name, help), &["node"])?);
        let gauge = |name: &str, help: &str| registered(&registry, IntGauge::new(name, help)?);
        Ok(Self {
            requests: counters(
                "tfauth_lb_requests_total",
                "Requests answered, by class of route, status and node; status 0 when the client left first.",
                &["route", "code", "node"],
            )?,
            retries: counters(
                "tfauth_lb_retries_total",
                "Attempts that were repeated, by reason.",
                &["reason"],
            )?,
            rate_limited: counters(
                "tfauth_lb_rate_limited_total",
                "Requests refused by a flood limit.",
                &["limit"],
            )?,
            ejections: counters("tfauth_lb_ejections_total", "Times a node was set aside.", &["node"])?,
            client_faults: counters(
                "tfauth_lb_client_faults_total",
                "Connections that ended before there was a request: failed handshakes, unreadable requests.",
                &["kind"],
            )?,
            node_up: gauges("tfauth_lb_node_up", "1 when the node answers its probes.")?,
            node_ready: gauges("tfauth_lb_node_ready", "1 when the node may be sent requests.")?,
            node_in_flight: gauges(
                "tfauth_lb_node_in_flight",
                "Requests at the node from this load balancer.",
            )?,
            in_flight: gauge("tfauth_lb_in_flight", "Requests being worked on.")?,
            held: gauge("tfauth_lb_held", "Requests that wait for a usable node.")?,
            draining: gauge("tfauth_lb_draining", "1 when the load balancer is about to stop.")?,
            durations: RouteClass::ALL
                .iter()
                .map(|route| durations.with_label_values(&[route.label()]))
                .collect(),
            registry,
        })
    }

    /// A request ended.
    pub fn answered(&self, route: RouteClass, status: u16, node: &str, took: Duration) {
        let mut digits = [b'0'; 3];
        self.requests
            .with_label_values(&[route.label(), decimal(status, &mut digits), node])
            .inc();
        if let Some(histogram) = self.durations.get(route.index()) {
            histogram.observe(took.as_secs_f64());
        }
    }

    /// A request goes to another node.
    pub fn retried(&self, cause: Cause) {
        self.retries.with_label_values(&[cause.label()]).inc();
    }

    /// A request was refused by a flood limit.
    pub fn rate_limited(&self, limit: &str) {
        self.rate_limited.with_label_values(&[limit]).inc();
    }

    /// A node was set aside.
    pub fn ejected(&self, node: &str) {
        self.ejections.with_label_values(&[node]).inc();
    }

    /// A client did not get as far as a request.
    pub fn client_fault(&self, fault: ClientFault) {
        self.client_faults.with_label_values(&[fault.label()]).inc();
    }

    /// Everything in the text format of Prometheus.
    ///
    /// # Errors
    /// A metric cannot be written.
    pub fn render(&self, cluster: &Cluster, lifecycle: &Lifecycle) -> prometheus::Result<String> {
        for node in cluster.nodes() {
            let (reach, standing) = node.standing();
            let name = [node.config.name.as_str()];
            self.node_up.with_label_values(&name).set(i64::from(reach == Reach::Up));
            self.node_ready.with_label_values(&name).set(i64::from(standing.ready));
            self.node_in_flight
                .with_label_values(&name)
                .set(i64::from(node.in_flight()));
        }
        self.in_flight
            .set(i64::try_from(lifecycle.in_flight()).unwrap_or(i64::MAX));
        self.held.set(i64::from(cluster.held()));
        self.draining.set(i64::from(lifecycle.is_draining()));
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

/// Three digits without an allocation; every HTTP status has as many.
fn decimal(status: u16, digits: &mut [u8; 3]) -> &str {
    let status = status.min(999);
    for (digit, divisor) in digits.iter_mut().zip([100, 10, 1]) {
        *digit = b'0' + u8::try_from(status / divisor % 10).unwrap_or(0);
    }
    if status == 0 {
        "0"
    } else {
        std::str::from_utf8(digits).unwrap_or("0")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_written_in_digits() {
        let mut digits = [0; 3];
        assert_eq!(decimal(200, &mut digits), "200");
        assert_eq!(decimal(421, &mut digits), "421");
        assert_eq!(decimal(0, &mut digits), "0");
    }

    #[test]
    fn a_request_is_counted_under_its_labels() {
        let metrics = Metrics::new().expect("valid metrics");
        metrics.answered(RouteClass::Login, 200, "node-1", Duration::from_millis(3));
        let text = TextEncoder::new()
            .encode_to_string(&metrics.registry.gather())
            .expect("text");
        assert!(
            text.contains(r#"tfauth_lb_requests_total{code="200",node="node-1",route="login"} 1"#),
            "{text}"
        );
        assert!(
            text.contains(r#"tfauth_lb_request_duration_seconds_bucket{route="login",le="0.005"} 1"#),
            "{text}"
        );
    }
}
