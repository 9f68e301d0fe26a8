//! Metrics made of plain numbers that somebody else counted.

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, Metric, MetricFamily, MetricType};

#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus' numbers are f64; counters stay far below 2^53"
)]
fn number(value: u64) -> f64 {
    value as f64
}

pub(super) fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(format!("tfauth_node_{name}"));
    family.set_help(help.into());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

pub(super) fn gauge_metric(value: u64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(number(value));
    Metric::from_gauge(gauge)
}

pub(super) fn gauge(name: &str, help: &str, value: u64) -> MetricFamily {
    family(name, help, MetricType::GAUGE, vec![gauge_metric(value)])
}

pub(super) fn signed_gauge(name: &str, help: &str, value: i64) -> MetricFamily {
    #[expect(
        clippy::cast_precision_loss,
        reason = "what is published this way stays far below 2^53"
    )]
    let value = value as f64;
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    family(name, help, MetricType::GAUGE, vec![Metric::from_gauge(gauge)])
}

pub(super) fn counter(name: &str, help: &str, value: u64) -> MetricFamily {
    let mut counter = Counter::default();
    counter.set_value(number(value));
    let mut metric = Metric::default();
    metric.set_counter(counter);
    family(name, help, MetricType::COUNTER, vec![metric])
}

/// `counts` has one more than `bounds`: what is above all of them. `per_unit` of the source make one of the metric.
pub(super) fn histogram(
    name: &str,
    help: &str,
    bounds: &[u64],
    counts: &[u64],
    sum: u64,
    per_unit: f64,
) -> MetricFamily {
    let mut below = 0;
    let buckets = bounds.iter().zip(counts).map(|(bound, count)| {
        below += count;
        let mut bucket = Bucket::default();
        bucket.set_cumulative_count(below);
        bucket.set_upper_bound(number(*bound) / per_unit);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(counts.iter().sum());
    histogram.set_sample_sum(number(sum) / per_unit);
    let mut metric = Metric::default();
    metric.set_histogram(histogram);
    family(name, help, MetricType::HISTOGRAM, vec![metric])
}
