//! Counters of the store, as plain numbers that a node can publish.
//!
//! Must not allocate or lock on the write path.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the buckets of a duration histogram, in microseconds; a last bucket has no bound.
pub const DURATION_BUCKETS_US: [u64; 14] = [
    100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 102_400, 204_800, 409_600, 1_638_400,
];

/// Upper bounds of the buckets of group sizes, in entries; a last bucket has no bound.
pub const GROUP_BUCKETS: [u64; 9] = [1, 2, 4, 8, 16, 64, 256, 1024, 4096];

/// A histogram at one moment. `counts[i]` are values at or below `bounds[i]` and above the bound before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistogramSnapshot {
    /// Upper bounds, ascending.
    pub bounds: &'static [u64],
    /// One more than bounds: the last counts what is above all of them.
    pub counts: Vec<u64>,
    /// Number of values.
    pub count: u64,
    /// Sum of values.
    pub sum: u64,
}

/// The counters at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsSnapshot {
    /// Time of each fsync of a frame of the log, in microseconds.
    pub fsync_us: HistogramSnapshot,
    /// Entries that one fsync of the log covered.
    pub group_entries: HistogramSnapshot,
    /// Operations that wait for the writer of the log.
    pub log_queue_depth: u64,
    /// Entries held in memory because they are not purged.
    pub log_entries: u64,
    /// Bytes of memory that those entries take.
    pub log_memory_bytes: u64,
    /// How often this data folder was opened.
    pub starts: u64,
    /// Writes of the guard file since the folder was new.
    pub guard_writes: u64,
    /// How far this machine's clock is ahead of the median of a quorum's, in milliseconds; none before a quorum was asked.
    pub clock_ahead_ms: Option<i64>,
    /// Proposals of this node in progress.
    pub proposals_in_flight: u64,
    /// Proposals that this node gave to another member.
    pub proposals_forwarded: u64,
    /// Tries of proposals after the first one.
    pub proposals_retried: u64,
    /// Rounds that asked for a read index, each for all who waited.
    pub read_rounds: u64,
    /// How often the known leader became another one.
    pub leader_changes: u64,
    /// Checkpoints written.
    pub checkpoints: u64,
    /// Time the last checkpoint took, in milliseconds.
    pub checkpoint_last_ms: u64,
    /// Rows in memory that are not in a checkpoint yet.
    pub memtable_rows: u64,
    /// Bytes of snapshots sent to others.
    pub snapshot_bytes_sent: u64,
    /// Time that sending the last snapshot took, in milliseconds.
    pub snapshot_send_last_ms: u64,
    /// Bytes of snapshots received from leaders.
    pub snapshot_bytes_received: u64,
    /// Time from the first chunk of the last snapshot received to its installation, in milliseconds.
    pub snapshot_receive_last_ms: u64,
    /// Snapshots taken over from a leader.
    pub snapshots_installed: u64,
    /// Bytes of the log on disk.
    pub log_disk_bytes: u64,
    /// Bytes of the tables on disk.
    pub state_disk_bytes: u64,
    /// Entries at which the leader found the tables of a majority to be the same.
    pub digests_agreed: u64,
    /// Entries at which it found them to differ. Anything but zero is a fault.
    pub digests_differed: u64,
    /// The version that all members speak.
    pub cluster_version: u64,
    /// Files that sled wrote outside of its log, without fsync. Anything but zero is a fault.
    pub unsynced_files: u64,
    /// Passes of the scrubber over everything on disk.
    pub scrub_passes: u64,
    /// Time its last pass took, in milliseconds.
    pub scrub_last_pass_ms: u64,
    /// Frames of the log that it has read again.
    pub scrub_frames: u64,
    /// Rows of the tables that it has read again.
    pub scrub_rows: u64,
    /// Bytes of files that it has read from the disk.
    pub scrub_bytes: u64,
    /// Damage that it has found. Anything but zero is a fault.
    pub scrub_errors: u64,
}

/// What is not counted but looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moment {
    pub(crate) log_entries: u64,
    pub(crate) log_memory_bytes: u64,
    pub(crate) memtable_rows: u64,
    pub(crate) proposals_in_flight: u64,
    pub(crate) starts: u64,
    pub(crate) guard_writes: u64,
    pub(crate) clock_ahead_ms: Option<i64>,
}

/// The live counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) fsync: Histogram<14>,
    pub(crate) group: Histogram<9>,
    pub(crate) log_queue: AtomicU64,
    pub(crate) proposals_forwarded: AtomicU64,
    pub(crate) proposals_retried: AtomicU64,
    pub(crate) read_rounds: AtomicU64,
    pub(crate) leader_changes: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) checkpoint_last_ms: AtomicU64,
    pub(crate) snapshot_bytes_sent: AtomicU64,
    pub(crate) snapshot_send_last_ms: AtomicU64,
    pub(crate) snapshot_bytes_received: AtomicU64,
    pub(crate) snapshot_receive_last_ms: AtomicU64,
    pub(crate) snapshots_installed: AtomicU64,
    pub(crate) log_disk_bytes: AtomicU64,
    pub(crate) state_disk_bytes: AtomicU64,
    pub(crate) digests_agreed: AtomicU64,
    pub(crate) digests_differed: AtomicU64,
    pub(crate) cluster_version: AtomicU64,
    pub(crate) unsynced_files: AtomicU64,
    pub(crate) scrub_passes: AtomicU64,
    pub(crate) scrub_last_pass_ms: AtomicU64,
    pub(crate) scrub_frames: AtomicU64,
    pub(crate) scrub_rows: AtomicU64,
    pub(crate) scrub_bytes: AtomicU64,
    pub(crate) scrub_errors: AtomicU64,
}

impl Counters {
    pub(crate) fn fsynced(&self, took: Duration, entries: usize) {
        self.fsync.record(
            &DURATION_BUCKETS_US,
            u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        );
        if entries > 0 {
            self.group.record(&GROUP_BUCKETS, entries as u64);
        }
    }

    pub(crate) fn scrub_pass_done(&self, took: Duration) {
        self.scrub_passes.fetch_add(1, Relaxed);
        self.scrub_last_pass_ms.store(millis(took), Relaxed);
    }

    pub(crate) fn snapshot_sent(&self, took: Duration) {
        self.snapshot_send_last_ms.store(millis(took), Relaxed);
    }

    pub(crate) fn snapshot_received(&self, took: Duration) {
        self.snapshot_receive_last_ms.store(millis(took), Relaxed);
    }

    pub(crate) fn snapshot(&self, now: Moment) -> MetricsSnapshot {
        MetricsSnapshot {
            fsync_us: self.fsync.snapshot(&DURATION_BUCKETS_US),
            group_entries: self.group.snapshot(&GROUP_BUCKETS),
            log_queue_depth: self.log_queue.load(Relaxed),
            log_entries: now.log_entries,
            log_memory_bytes: now.log_memory_bytes,
            starts: now.starts,
            guard_writes: now.guard_writes,
            clock_ahead_ms: now.clock_ahead_ms,
            proposals_in_flight: now.proposals_in_flight,
            proposals_forwarded: self.proposals_forwarded.load(Relaxed),
            proposals_retried: self.proposals_retried.load(Relaxed),
            read_rounds: self.read_rounds.load(Relaxed),
            leader_changes: self.leader_changes.load(Relaxed),
            checkpoints: self.checkpoints.load(Relaxed),
            checkpoint_last_ms: self.checkpoint_last_ms.load(Relaxed),
            memtable_rows: now.memtable_rows,
            snapshot_bytes_sent: self.snapshot_bytes_sent.load(Relaxed),
            snapshot_send_last_ms: self.snapshot_send_last_ms.load(Relaxed),
            snapshot_bytes_received: self.snapshot_bytes_received.load(Relaxed),
            snapshot_receive_last_ms: self.snapshot_receive_last_ms.load(Relaxed),
            snapshots_installed: self.snapshots_installed.load(Relaxed),
            log_disk_bytes: self.log_disk_bytes.load(Relaxed),
            state_disk_bytes: self.state_disk_bytes.load(Relaxed),
            digests_agreed: self.digests_agreed.load(Relaxed),
            digests_differed: self.digests_differed.load(Relaxed),
            cluster_version: self.cluster_version.load(Relaxed),
            unsynced_files: self.unsynced_files.load(Relaxed),
            scrub_passes: self.scrub_passes.load(Relaxed),
            scrub_last_pass_ms: self.scrub_last_pass_ms.load(Relaxed),
            scrub_frames: self.scrub_frames.load(Relaxed),
            scrub_rows: self.scrub_rows.load(Relaxed),
            scrub_bytes: self.scrub_bytes.load(Relaxed),
            scrub_errors: self.scrub_errors.load(Relaxed),
        }
    }
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

/// Counts per bucket, with a last bucket for everything above the bounds.
#[derive(Debug)]
pub(crate) struct Histogram<const N: usize> {
    buckets: [AtomicU64; N],
    above: AtomicU64,
    sum: AtomicU64,
}

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Self {
        Self {
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            above: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }
    }
}

impl<const N: usize> Histogram<N> {
    fn record(&self, bounds: &'static [u64; N], value: u64) {
        let place = bounds.partition_point(|bound| *bound < value);
        self.buckets.get(place).unwrap_or(&self.above).fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    fn snapshot(&self, bounds: &'static [u64; N]) -> HistogramSnapshot {
        let mut counts: Vec<u64> = self.buckets.iter().map(|count| count.load(Relaxed)).collect();
        counts.push(self.above.load(Relaxed));
        HistogramSnapshot {
            bounds,
            count: counts.iter().sum(),
            counts,
            sum: self.sum.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_the_bound_counts_below_it() {
        let counters = Counters::default();
        counters.fsynced(Duration::from_micros(100), 1);
        counters.fsynced(Duration::from_micros(101), 5000);
        let seen = counters.snapshot(Moment::default());
        assert_eq!(&seen.fsync_us.counts[..3], &[1, 1, 0]);
        assert_eq!((seen.group_entries.counts[0], seen.group_entries.counts[9]), (1, 1));
        assert_eq!((seen.fsync_us.count, seen.fsync_us.sum), (2, 201));
    }
}
