//! What the pool did, in plain counters: whoever exports metrics reads them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the histogram buckets, in microseconds; a last bucket has no bound.
pub const BUCKETS_US: [u64; 10] = [
    5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 640_000, 1_280_000, 2_560_000,
];

/// Counters of the hash pool.
#[derive(Debug, Default)]
pub struct HashMetrics {
    /// Time from enqueued to started.
    pub queue_wait: Histogram,
    /// Time of one hash.
    pub hash_time: Histogram,
    /// Jobs refused because the queue was full or too long for their deadline.
    pub rejected: AtomicU64,
    /// Jobs dropped because nobody waited any more, or their deadline passed in the queue.
    pub abandoned: AtomicU64,
    /// Jobs that wait now.
    pub queued: AtomicU64,
}

/// A histogram of durations over [`BUCKETS_US`].
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    pub(super) fn record(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let at = BUCKETS_US
            .iter()
            .position(|bound| us <= *bound)
            .unwrap_or(BUCKETS_US.len());
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// Counts per bucket, not cumulative; the last one has no upper bound.
    #[must_use]
    pub fn counts(&self) -> [u64; BUCKETS_US.len() + 1] {
        std::array::from_fn(|at| self.buckets[at].load(Ordering::Relaxed))
    }

    /// Number of recorded durations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts().iter().sum()
    }

    /// Sum of the recorded durations, in microseconds.
    #[must_use]
    pub fn sum_us(&self) -> u64 {
        self.sum_us.load(Ordering::Relaxed)
    }
}
