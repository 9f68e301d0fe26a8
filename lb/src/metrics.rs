//! Counters, gauges and their text form. Labels are names from the configuration and fixed words, never anything that a
//! client sent.

use std::time::Duration;

use auth_api::status::Role;
use parking_lot::Mutex;
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
    core::Collector,
};

use crate::config::Config;
use crate::ops::{NodeLine, Ops};
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
    ejections: IntCounterVec,
    reloads: IntCounterVec,
    refusals: Refusals,
    durations: Vec<prometheus::Histogram>,
    nodes: NodeGauges,
    not_after: IntGaugeVec,
    leader_changes: IntCounter,
    leader: Mutex<Option<(String, u64)>>,
    reload_ok: IntGauge,
    in_flight: IntGauge,
    held: IntGauge,
    connections: IntGauge,
    draining: IntGauge,
}

/// What was not done for a client.
struct Refusals {
    retries: IntCounter,
    rate_limited: IntCounterVec,
    overloaded: IntCounterVec,
    client_faults: IntCounterVec,
    connections: IntCounterVec,
}

/// One gauge for each thing that is known of every node.
struct NodeGauges {
    up: IntGaugeVec,
    ready: IntGaugeVec,
    ejected: IntGaugeVec,
    drained: IntGaugeVec,
    role: IntGaugeVec,
    term: IntGaugeVec,
    applied: IntGaugeVec,
    lag: IntGaugeVec,
    in_flight: IntGaugeVec,
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
        let counter = |name: &str, help: &str| registered(&registry, IntCounter::new(name, help)?);
        let gauge = |name: &str, help: &str| registered(&registry, IntGauge::new(name, help)?);
        let not_after = "Second since 1970 after which a certificate is no good.";
        let not_after = Opts::new("tfauth_lb_certificate_not_after_seconds", not_after);
        let metrics = Self {
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
            ejections: counters("tfauth_lb_ejections_total", "Times a node was set aside.", &["node"])?,
            refusals: Refusals::new(&registry)?,
            reloads: counters(
                "tfauth_lb_reloads_total",
                "Times the configuration or a file that it names was read again, by outcome.",
                &["outcome"],
            )?,
            reload_ok: gauge("tfauth_lb_reload_ok", "1 when the files were fine when last read.")?,
            leader_changes: counter("tfauth_lb_leader_changes_total", "Leaders seen after the first one.")?,
            leader: Mutex::default(),
            in_flight: gauge("tfauth_lb_in_flight", "Requests being worked on.")?,
            held: gauge("tfauth_lb_held", "Requests that wait for a usable node.")?,
            connections: gauge("tfauth_lb_connections", "Connections of clients.")?,
            draining: gauge("tfauth_lb_draining", "1 when the load balancer is about to stop.")?,
            nodes: NodeGauges::new(&registry)?,
            not_after: registered(&registry, IntGaugeVec::new(not_after, &["certificate"])?)?,
            durations: RouteClass::ALL
                .iter()
                .map(|route| durations.with_label_values(&[route.label()]))
                .collect(),
            registry,
        };
        metrics.reload_ok.set(1);
        Ok(metrics)
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
        self.refusals.rate_limited.with_label_values(&[limit]).inc();
    }

    /// A node was set aside.
    pub fn ejected(&self, node: &str) {
        self.ejections.with_label_values(&[node]).inc();
    }

    /// A client did not get as far as a request.
    pub fn client_fault(&self, fault: ClientFault) {
        self.refusals.client_faults.with_label_values(&[fault.label()]).inc();
    }

    /// A request was refused because there is too much to do.
    pub fn overloaded(&self, limit: &str) {
        self.refusals.overloaded.with_label_values(&[limit]).inc();
    }

    /// A request was not repeated for want of budget.
    pub fn retry_refused(&self) {
        self.refusals.retries.inc();
    }

    /// A connection was closed at once.
    pub fn connection_refused(&self, limit: &str) {
        self.refusals.connections.with_label_values(&[limit]).inc();
    }

    /// Other files are gone by from now on.
    pub fn reloaded(&self, config: &Config) {
        self.reloads.with_label_values(&["applied"]).inc();
        self.reload_ok.set(1);
        self.tell_expiry(config);
    }

    /// Files on disk are wrong and were not taken.
    pub fn reload_refused(&self) {
        self.reloads.with_label_values(&["refused"]).inc();
        self.reload_ok.set(0);
    }

    /// Whether the files were fine when last read.
    pub fn is_configuration_ok(&self) -> bool {
        self.reload_ok.get() == 1
    }

    /// When the certificates of a configuration expire.
    pub fn tell_expiry(&self, config: &Config) {
        self.not_after.reset();
        let tell = |name: &str, expires: i64| self.not_after.with_label_values(&[name]).set(expires);
        tell("backend", config.backend.validity.until_unix);
        for (number, identity) in (1..).zip(&config.front.certificates) {
            tell(&format!("front_{number}"), identity.validity.until_unix);
        }
    }

    /// Who leads, told with every probe's answer.
    pub fn leader_seen(&self, name: &str, term: u64) {
        let mut leader = self.leader.lock();
        match leader.as_ref() {
            Some((known, known_term)) if known == name || *known_term >= term => return,
            Some(_) => self.leader_changes.inc(),
            None => {}
        }
        *leader = Some((name.to_owned(), term));
    }

    /// Everything in the text format of Prometheus.
    ///
    /// # Errors
    /// A metric cannot be written.
    pub fn render(&self, ops: &Ops) -> prometheus::Result<String> {
        let status = ops.status();
        self.nodes.set(&status.nodes);
        self.in_flight.set(i64::try_from(status.in_flight).unwrap_or(i64::MAX));
        self.connections
            .set(i64::try_from(status.connections).unwrap_or(i64::MAX));
        self.held.set(i64::from(status.held));
        self.draining.set(i64::from(status.draining));
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

impl Refusals {
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        let counters = |name: &str, help: &str, label: &str| {
            registered(registry, IntCounterVec::new(Opts::new(name, help), &[label])?)
        };
        let retries = IntCounter::new(
            "tfauth_lb_retries_refused_total",
            "Attempts that were not repeated because the budget for that was used up.",
        )?;
        Ok(Self {
            retries: registered(registry, retries)?,
            rate_limited: counters(
                "tfauth_lb_rate_limited_total",
                "Requests refused by a flood limit.",
                "limit",
            )?,
            overloaded: counters(
                "tfauth_lb_overloaded_total",
                "Requests refused because all usable nodes are full, or too many requests wait.",
                "limit",
            )?,
            client_faults: counters(
                "tfauth_lb_client_faults_total",
                "Connections that ended before there was a request: failed handshakes, unreadable requests.",
                "kind",
            )?,
            connections: counters(
                "tfauth_lb_connections_refused_total",
                "Connections that were closed at once, by limit.",
                "limit",
            )?,
        })
    }
}

impl NodeGauges {
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        let gauges = |name: &str, help: &str| {
            let name = format!("tfauth_lb_node_{name}");
            registered(registry, IntGaugeVec::new(Opts::new(name, help), &["node"])?)
        };
        Ok(Self {
            up: gauges("up", "1 when the node answers its probes.")?,
            ready: gauges("ready", "1 when the node may be sent requests.")?,
            ejected: gauges("ejected", "1 while the node is set aside.")?,
            drained: gauges("drained", "1 while an operator keeps the node out.")?,
            role: gauges(
                "role",
                "0 when it does not take part, 1 learner, 2 candidate, 3 follower, 4 leader.",
            )?,
            term: gauges("term", "Term of the node.")?,
            applied: gauges("applied", "Last entry that the node applied.")?,
            lag: gauges("lag", "Entries that the node is behind the furthest one.")?,
            in_flight: gauges("in_flight", "Requests at the node from this load balancer.")?,
        })
    }

    fn set(&self, nodes: &[NodeLine]) {
        let all = [
            &self.up,
            &self.ready,
            &self.ejected,
            &self.drained,
            &self.role,
            &self.term,
            &self.applied,
            &self.lag,
            &self.in_flight,
        ];
        // A node that is no longer configured must not go on being shown.
        all.iter().for_each(|gauge| gauge.reset());
        for node in nodes {
            let set = |gauge: &IntGaugeVec, value: i64| gauge.with_label_values(&[&node.name]).set(value);
            let large = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
            set(&self.up, i64::from(node.up && !node.suspect));
            set(&self.ready, i64::from(node.ready));
            set(&self.ejected, i64::from(node.ejected));
            set(&self.drained, i64::from(node.drained));
            set(&self.role, role_number(node.role));
            set(&self.term, large(node.term));
            set(&self.applied, large(node.applied));
            set(&self.lag, large(node.lag));
            set(&self.in_flight, i64::from(node.in_flight));
        }
    }
}

fn role_number(role: Role) -> i64 {
    match role {
        Role::Down => 0,
        Role::Learner => 1,
        Role::Candidate => 2,
        Role::Follower => 3,
        Role::Leader => 4,
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
