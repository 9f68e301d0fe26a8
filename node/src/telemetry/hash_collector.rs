//! Publishes the numbers of the hash pool, read when somebody asks for the metrics.

use super::families::{counter, gauge, histogram};
use crate::hashing::{BUCKETS_US, HashPool, Histogram};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use std::collections::HashMap;
use std::sync::atomic::Ordering;

/// The hash pool as a source of metrics.
pub struct HashCollector {
    pool: HashPool,
    // The registry wants at least one description, to tell collectors apart.
    description: Desc,
}

impl HashCollector {
    /// Reads from `pool`.
    ///
    /// # Errors
    /// The description is malformed: a mistake in this file.
    pub fn new(pool: HashPool) -> Result<Self, prometheus::Error> {
        let help = "State of the password hash pool.".into();
        let description = Desc::new("tfauth_node_hash".into(), help, Vec::new(), HashMap::new())?;
        Ok(Self { pool, description })
    }
}

impl Collector for HashCollector {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.description]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let seen = self.pool.metrics();
        vec![
            durations(
                "hash_wait_seconds",
                "Time that hash jobs waited in the queue.",
                &seen.queue_wait,
            ),
            durations("hash_seconds", "Time of one password hash.", &seen.hash_time),
            counter(
                "hash_rejected_total",
                "Hash jobs refused.",
                seen.rejected.load(Ordering::Relaxed),
            ),
            counter(
                "hash_abandoned_total",
                "Hash jobs that nobody waited for.",
                seen.abandoned.load(Ordering::Relaxed),
            ),
            gauge(
                "hash_queued",
                "Hash jobs that wait.",
                seen.queued.load(Ordering::Relaxed),
            ),
        ]
    }
}

fn durations(name: &str, help: &str, seen: &Histogram) -> MetricFamily {
    histogram(name, help, &BUCKETS_US, &seen.counts(), seen.sum_us(), 1e6)
}
