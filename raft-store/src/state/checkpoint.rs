//! Writes the rows in memory into the tables on disk, so that the log before them can go.
//!
//! Steps: freeze the rows (done by the caller, between two entries), wait for readers that would see the change, redo
//! file, rows and mark, flush, forget the frozen rows. A kill between any two of them leaves tables that opening can
//! finish. Must run on one thread at a time, and not on one that serves requests.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use openraft::RaftSnapshotBuilder;
use openraft::storage::Snapshot;

use super::base::{Base, Mark};
use super::level::Level;
use super::registry::Patience;
use super::{SnapshotData, StateStore, redo};
use crate::limits::{CHECKPOINT_WAIT_BYTES_MAX, CHECKPOINT_WAIT_DEFAULT, SNAPSHOT_STALL_MAX};
use crate::types::{SnapshotMeta, Types};

/// What one checkpoint writes.
#[derive(Clone)]
pub(crate) struct Frozen {
    pub(crate) level: Arc<Level>,
    pub(crate) mark: Mark,
    pub(crate) base: Arc<Base>,
}

/// How long a checkpoint waits for readers of what it is going to change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckpointWait {
    /// For any reader.
    pub(crate) time: Duration,
    /// For a snapshot on its way, while it gets on: until so many bytes of commands have come meanwhile.
    pub(crate) bytes: u64,
}

impl Default for CheckpointWait {
    fn default() -> Self {
        Self {
            time: CHECKPOINT_WAIT_DEFAULT,
            bytes: CHECKPOINT_WAIT_BYTES_MAX,
        }
    }
}

/// Builds a snapshot: that is, writes a checkpoint and hands out a view of it.
pub(crate) struct Checkpointer {
    pub(crate) state: StateStore,
    /// Nothing, if the last checkpoint is current.
    pub(crate) frozen: Option<Frozen>,
}

impl RaftSnapshotBuilder<Types> for Checkpointer {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(
        &mut self,
    ) -> Result<openraft::type_config::alias::SnapshotOf<Types, SnapshotData>, io::Error> {
        if let Some(frozen) = self.frozen.clone() {
            let state = self.state.clone();
            // Simulated time does not wait for threads.
            #[cfg(feature = "cluster-sim")]
            let written = Ok::<_, io::Error>(write(&state, &frozen));
            #[cfg(not(feature = "cluster-sim"))]
            let written = tokio::task::spawn_blocking(move || write(&state, &frozen)).await;
            written
                .map_err(io::Error::other)?
                .inspect_err(|error| self.state.fault().storage(error))?;
        }
        // Tables that no entry has touched are a snapshot of nothing.
        let current = self.state.current_snapshot();
        let (meta, view) = current.unwrap_or_else(|| (SnapshotMeta::default(), self.state.view()));
        Ok(Snapshot {
            meta,
            snapshot: SnapshotData::View(view),
        })
    }
}

fn write(state: &StateStore, frozen: &Frozen) -> io::Result<()> {
    let started = Instant::now();
    let seen = frozen.mark.seen();
    tracing::debug!(seen, "checkpoint begins");
    wait_for_readers(state, seen);
    let changes: redo::Changes = frozen
        .level
        .read()
        .iter()
        .filter_map(|(row, versions)| versions.last().map(|newest| (row.clone(), newest.value.clone())))
        .collect();
    redo::write(frozen.base.disk(), frozen.base.folder(), &frozen.mark, &changes)?;
    frozen.base.write_all(&changes, &frozen.mark)?;
    if !state.checkpoint_written(frozen) {
        return Ok(());
    }
    redo::remove(frozen.base.disk(), frozen.base.folder())?;
    state.guard().update(|promises| promises.checkpoint = seen)?;
    let counters = state.counters();
    let took = started.elapsed();
    counters.checkpoints.fetch_add(1, Relaxed);
    counters
        .checkpoint_last_ms
        .store(u64::try_from(took.as_millis()).unwrap_or(u64::MAX), Relaxed);
    tracing::info!(seen, rows = changes.len(), ?took, "checkpoint written");
    Ok(())
}

/// Returns when nobody reads what is about to be changed, or may no longer do so.
fn wait_for_readers(state: &StateStore, seen: u64) {
    let wait = state.checkpoint_wait();
    // In simulated time no reader gets on while this waits.
    let patience = if cfg!(feature = "cluster-sim") {
        Patience::NONE
    } else {
        Patience {
            wait: wait.time,
            stall: SNAPSHOT_STALL_MAX,
        }
    };
    let registry = state.registry();
    registry.pace.wait(seen, wait.bytes, state.memory().1);
    registry.drain_below(seen, patience, || state.memory().1 >= wait.bytes);
    registry.pace.go_on();
}

#[cfg(feature = "cluster-sim")]
impl StateStore {
    /// Number of entries that the tables on disk contain.
    pub(crate) fn saved_entries(&self) -> u64 {
        let guard = self.inner.levels.read();
        guard.as_ref().map_or(0, |levels| levels.checkpoint.seen())
    }
}

#[cfg(any(test, feature = "sim"))]
impl StateStore {
    /// A mistake on purpose: the mark of the next checkpoint is on disk before anything else of it.
    pub(crate) fn mark_before_rows(&self) {
        if let Some(frozen) = self.freeze() {
            // Whether it got there is for the caller's checks to find out.
            let _stopped = frozen.base.set_mark(&frozen.mark).and_then(|()| frozen.base.flush());
        }
    }
}

#[cfg(test)]
impl StateStore {
    /// What a kill leaves of a checkpoint after so many of its rows; with all of them, the mark is there as well.
    pub(crate) fn interrupted_checkpoint(&self, rows: usize) {
        let Some(frozen) = self.freeze() else {
            return;
        };
        let newest = |(row, versions): (&bytes::Bytes, &Vec<super::level::Version>)| {
            versions.last().map(|newest| (row.clone(), newest.value.clone()))
        };
        let changes: redo::Changes = frozen.level.read().iter().filter_map(newest).collect();
        redo::write(frozen.base.disk(), frozen.base.folder(), &frozen.mark, &changes).unwrap();
        for (row, value) in changes.iter().take(rows) {
            frozen.base.write(row, value.as_deref()).unwrap();
        }
        if rows >= changes.len() {
            frozen.base.set_mark(&frozen.mark).unwrap();
        }
        frozen.base.flush().unwrap();
    }

    pub(crate) fn expire_views_below(&self, seen: u64) {
        self.registry().drain_below(seen, Patience::NONE, || false);
    }
}
