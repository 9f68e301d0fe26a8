//! What the scrubber has read again and what it found. Numbers only.

use prometheus::proto::MetricFamily;
use raft_store::MetricsSnapshot;

use super::counter;

pub(super) fn counters(seen: &MetricsSnapshot) -> [MetricFamily; 5] {
    [
        counter(
            "scrub_passes_total",
            "Passes over everything on disk, to see that it is still what was written.",
            seen.scrub_passes,
        ),
        counter("scrub_frames_total", "Frames of the log read again.", seen.scrub_frames),
        counter("scrub_rows_total", "Rows of the tables read again.", seen.scrub_rows),
        counter(
            "scrub_bytes_total",
            "Bytes of the store's files read again from the disk.",
            seen.scrub_bytes,
        ),
        counter(
            "scrub_errors_total",
            "Damage found on disk; anything but 0 is a fault.",
            seen.scrub_errors,
        ),
    ]
}
