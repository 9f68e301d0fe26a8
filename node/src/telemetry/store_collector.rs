//! Publishes the store's numbers. They are read when somebody asks for the metrics, never on the write path.

mod scrub;

use super::families::{counter, family, gauge, gauge_metric, histogram, signed_gauge};
use prometheus::core::{Collector, Desc};
use prometheus::proto::{LabelPair, MetricFamily, MetricType};
use raft_store::{HistogramSnapshot, MetricsSnapshot, Role, Status};
use std::collections::HashMap;

/// Reads status and counters of the store.
pub trait Source: Send + Sync + 'static {
    /// The member's view of itself.
    fn status(&self) -> Status;
    /// Its counters.
    fn metrics(&self) -> MetricsSnapshot;
}

impl Source for raft_store::Store {
    fn status(&self) -> Status {
        Self::status(self)
    }

    fn metrics(&self) -> MetricsSnapshot {
        Self::metrics(self)
    }
}

/// The store as a source of metrics.
pub struct StoreCollector {
    source: Box<dyn Source>,
    // The registry wants at least one description, to tell collectors apart.
    description: Desc,
}

impl StoreCollector {
    /// Reads from `source`.
    ///
    /// # Errors
    /// The description is malformed: a mistake in this file.
    pub fn new(source: impl Source) -> Result<Self, prometheus::Error> {
        let description = Desc::new(
            "tfauth_node_store".into(),
            "State of the replicated store.".into(),
            Vec::new(),
            HashMap::new(),
        )?;
        Ok(Self {
            source: Box::new(source),
            description,
        })
    }
}

impl Collector for StoreCollector {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.description]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = status_families(&self.source.status());
        families.extend(metrics_families(&self.source.metrics()));
        families
    }
}

fn status_families(status: &Status) -> Vec<MetricFamily> {
    let roles = [
        Role::Leader,
        Role::Follower,
        Role::Candidate,
        Role::Learner,
        Role::Stopped,
    ];
    let by_role = roles.map(|role| {
        let mut label = LabelPair::default();
        label.set_name("role".into());
        label.set_value(role.as_str().into());
        let mut metric = gauge_metric(u64::from(role == status.role));
        metric.set_label(vec![label]);
        metric
    });
    vec![
        family(
            "role",
            "1 for the part that the member plays.",
            MetricType::GAUGE,
            by_role.into(),
        ),
        gauge("term", "Raft term.", status.term),
        gauge(
            "leader_known",
            "Whether a leader is known.",
            u64::from(status.leader.is_some()),
        ),
        gauge(
            "committed_index",
            "Last entry known to be on a quorum.",
            status.committed,
        ),
        gauge("applied_index", "Last entry applied here.", status.applied),
        gauge(
            "apply_lag_entries",
            "Entries known to be on a quorum and not applied here yet.",
            status.committed.saturating_sub(status.applied),
        ),
        gauge("last_log_index", "Last entry in the log.", status.last_log),
        gauge("voters", "Members with a vote.", status.voters.len() as u64),
        gauge("learners", "Members without a vote.", status.learners.len() as u64),
    ]
}

fn metrics_families(seen: &MetricsSnapshot) -> Vec<MetricFamily> {
    let mut families = vec![
        snapshot(
            "log_fsync_seconds",
            "Time of each fsync of the log.",
            &seen.fsync_us,
            1e6,
        ),
        snapshot(
            "log_group_entries",
            "Entries that one fsync covered.",
            &seen.group_entries,
            1.0,
        ),
    ];
    families.extend(gauges(seen));
    families.extend(counters(seen));
    families.extend(scrub::counters(seen));
    families.extend(seen.clock_ahead_ms.map(|ahead| {
        signed_gauge(
            "clock_offset_milliseconds",
            "How far this machine's clock is ahead of the median of a quorum's; absent until a quorum was asked.",
            ahead,
        )
    }));
    families
}

fn gauges(seen: &MetricsSnapshot) -> [MetricFamily; 13] {
    [
        gauge(
            "snapshot_send_last_milliseconds",
            "Time that sending the last snapshot took.",
            seen.snapshot_send_last_ms,
        ),
        gauge(
            "snapshot_receive_last_milliseconds",
            "Time from the first chunk of the last snapshot received to its installation.",
            seen.snapshot_receive_last_ms,
        ),
        gauge(
            "log_queue_depth",
            "Operations waiting for the writer of the log.",
            seen.log_queue_depth,
        ),
        gauge(
            "cluster_version",
            "The version that all members speak.",
            seen.cluster_version,
        ),
        gauge("log_entries", "Entries of the log held in memory.", seen.log_entries),
        gauge(
            "log_memory_bytes",
            "Memory that those entries take.",
            seen.log_memory_bytes,
        ),
        gauge(
            "proposals_in_flight",
            "Proposals in progress.",
            seen.proposals_in_flight,
        ),
        gauge(
            "checkpoint_last_milliseconds",
            "Time of the last checkpoint.",
            seen.checkpoint_last_ms,
        ),
        gauge(
            "memtable_rows",
            "Rows in memory that are in no checkpoint yet.",
            seen.memtable_rows,
        ),
        gauge("log_disk_bytes", "Size of the log on disk.", seen.log_disk_bytes),
        gauge("state_disk_bytes", "Size of the tables on disk.", seen.state_disk_bytes),
        gauge(
            "unsynced_files",
            "Files written without fsync; anything but 0 is a fault.",
            seen.unsynced_files,
        ),
        gauge(
            "scrub_last_pass_milliseconds",
            "Time that the last pass over everything on disk took.",
            seen.scrub_last_pass_ms,
        ),
    ]
}

fn counters(seen: &MetricsSnapshot) -> [MetricFamily; 12] {
    [
        counter("starts_total", "How often this data folder was opened.", seen.starts),
        counter(
            "guard_writes_total",
            "Writes of the guard file since the data folder was new.",
            seen.guard_writes,
        ),
        counter(
            "snapshot_received_bytes_total",
            "Bytes of snapshots received from leaders.",
            seen.snapshot_bytes_received,
        ),
        counter(
            "digests_agreed_total",
            "Entries at which this leader found the tables of members to be the same.",
            seen.digests_agreed,
        ),
        counter(
            "digests_differed_total",
            "Entries at which it found them to differ: anything but zero is a fault.",
            seen.digests_differed,
        ),
        counter(
            "proposals_forwarded_total",
            "Proposals given to another member.",
            seen.proposals_forwarded,
        ),
        counter(
            "proposals_retried_total",
            "Tries of proposals after the first.",
            seen.proposals_retried,
        ),
        counter(
            "read_rounds_total",
            "Rounds that asked for a read index.",
            seen.read_rounds,
        ),
        counter(
            "leader_changes_total",
            "Changes of the known leader.",
            seen.leader_changes,
        ),
        counter("checkpoints_total", "Checkpoints written.", seen.checkpoints),
        counter(
            "snapshot_sent_bytes_total",
            "Bytes of snapshots sent.",
            seen.snapshot_bytes_sent,
        ),
        counter(
            "snapshots_installed_total",
            "Snapshots taken over from a leader.",
            seen.snapshots_installed,
        ),
    ]
}

fn snapshot(name: &str, help: &str, seen: &HistogramSnapshot, per_unit: f64) -> MetricFamily {
    histogram(name, help, seen.bounds, &seen.counts, seen.sum, per_unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::Metrics;

    struct Fixed;

    impl Source for Fixed {
        fn status(&self) -> Status {
            Status {
                node_id: 1,
                name: "node-1".into(),
                incarnation: [1; 16],
                life: [3; 16],
                cluster_id: [2; 16],
                term: 7,
                role: Role::Leader,
                leader: Some(1),
                last_log: 12,
                committed: 11,
                applied: 10,
                last_quorum_ms: Some(3),
                voters: vec![1, 2, 3],
                learners: vec![1004],
            }
        }

        fn metrics(&self) -> MetricsSnapshot {
            MetricsSnapshot {
                fsync_us: HistogramSnapshot {
                    bounds: &[100, 200],
                    counts: vec![3, 1, 1],
                    count: 5,
                    sum: 1500,
                },
                group_entries: HistogramSnapshot {
                    bounds: &[1],
                    counts: vec![5, 0],
                    count: 5,
                    sum: 5,
                },
                log_queue_depth: 0,
                log_entries: 12,
                log_memory_bytes: 4000,
                starts: 2,
                guard_writes: 31,
                clock_ahead_ms: Some(-15),
                proposals_in_flight: 1,
                proposals_forwarded: 2,
                proposals_retried: 0,
                read_rounds: 4,
                leader_changes: 1,
                checkpoints: 0,
                checkpoint_last_ms: 0,
                memtable_rows: 9,
                snapshot_bytes_sent: 0,
                snapshot_send_last_ms: 0,
                snapshot_bytes_received: 0,
                snapshot_receive_last_ms: 12,
                snapshots_installed: 0,
                log_disk_bytes: 4096,
                state_disk_bytes: 8192,
                digests_agreed: 1,
                digests_differed: 0,
                cluster_version: 1,
                unsynced_files: 0,
                scrub_passes: 3,
                scrub_last_pass_ms: 40,
                scrub_frames: 0,
                scrub_rows: 0,
                scrub_bytes: 0,
                scrub_errors: 0,
            }
        }
    }

    #[test]
    fn everything_that_operators_watch_has_a_name() {
        let metrics = Metrics::new().unwrap();
        metrics.register(StoreCollector::new(Fixed).unwrap()).unwrap();
        let text = metrics.text().unwrap();
        for name in [
            "log_fsync_seconds",
            "log_group_entries",
            "log_queue_depth",
            "checkpoint_last_milliseconds",
            "snapshot_sent_bytes_total",
            "snapshot_send_last_milliseconds",
            "snapshot_received_bytes_total",
            "log_disk_bytes",
            "state_disk_bytes",
            "leader_changes_total",
        ] {
            let line = format!("# TYPE tfauth_node_{name} ");
            assert!(text.contains(&line), "{name} is not in\n{text}");
        }
    }

    #[test]
    fn the_stores_numbers_are_published() {
        let metrics = Metrics::new().unwrap();
        metrics.register(StoreCollector::new(Fixed).unwrap()).unwrap();
        let text = metrics.text().unwrap();
        for line in [
            r#"tfauth_node_role{role="leader"} 1"#,
            r#"tfauth_node_role{role="follower"} 0"#,
            "tfauth_node_term 7",
            "tfauth_node_applied_index 10",
            "tfauth_node_apply_lag_entries 1",
            "tfauth_node_snapshot_receive_last_milliseconds 12",
            r#"tfauth_node_log_fsync_seconds_bucket{le="0.0002"} 4"#,
            r#"tfauth_node_log_fsync_seconds_bucket{le="+Inf"} 5"#,
            "tfauth_node_log_fsync_seconds_sum 0.0015",
            "tfauth_node_proposals_forwarded_total 2",
            "tfauth_node_scrub_passes_total 3",
            "tfauth_node_learners 1",
            "tfauth_node_log_memory_bytes 4000",
            "tfauth_node_starts_total 2",
            "tfauth_node_guard_writes_total 31",
            "tfauth_node_clock_offset_milliseconds -15",
            "tfauth_node_scrub_last_pass_milliseconds 40",
        ] {
            assert!(text.lines().any(|have| have == line), "{line} is not in\n{text}");
        }
    }
}
