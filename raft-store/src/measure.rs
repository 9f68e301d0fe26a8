//! The log's own path to the disk, without consensus above it: for benches that compare it with the disk itself.
//!
//! Must not be used to store anything: a folder that was measured is no member's.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use openraft::type_config::alias::OneshotReceiverOf;

use crate::disk::Disk;
use crate::fault::FaultCell;
use crate::guard::Guard;
use crate::identity::Identity;
use crate::log_store::LogStore;
use crate::types::{Command, Entry, LeaderId, LogId, Payload, Types};
use crate::{Limits, OpenError, fsync};

/// How often a log has replaced everything in it before it counts as settled.
const SETTLED_AFTER: u64 = 2;
/// Entries under way meanwhile.
const SETTLING_GROUP: usize = 512;

/// A log that takes entries as consensus would give them, and keeps as many as consensus would.
pub struct LogPath {
    log: LogStore,
    next: u64,
    kept: u64,
    purged: u64,
}

/// An entry on its way to the disk.
pub struct OnDisk(OneshotReceiverOf<Types, io::Result<()>>);

impl OnDisk {
    /// Returns when the entry is there.
    ///
    /// # Errors
    /// The disk failed.
    pub async fn wait(self) -> io::Result<()> {
        self.0.await.map_err(io::Error::other)?
    }
}

impl LogPath {
    /// A log in an empty folder, with the limits of production.
    ///
    /// # Errors
    /// As opening a store.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        fsync::require_real_fsync()?;
        let disk = Disk::Real;
        disk.create_folder(folder)
            .map_err(OpenError::io("cannot create", folder))?;
        let limits = Limits::default();
        let owner = Identity {
            cluster_id: [0xBE; 16],
            node_id: 1,
            incarnation: [0xBE; 16],
        };
        let (guard, promises) = Guard::open(&disk, folder, owner)?;
        let log = LogStore::open(
            &disk,
            folder,
            limits.log_segment_bytes,
            &promises,
            Arc::new(guard),
            Arc::default(),
            FaultCell::of(folder),
        )?;
        Ok(Self {
            log,
            next: 1,
            kept: limits.log_kept_entries,
            purged: 0,
        })
    }

    /// Hands one entry over, as consensus does, and does not wait for the disk: that is told by what it returns. Entries that
    /// were handed over meanwhile share a write and a sync, and all are answered in their order.
    ///
    /// # Errors
    /// The log has stopped.
    pub async fn append(&mut self, command: Bytes) -> io::Result<OnDisk> {
        let entry = entry(self.next, command);
        self.next += 1;
        let (done, flushed) = Types::oneshot();
        self.log.append([entry], IOFlushed::signal(done)).await?;
        if self.next - self.purged > 2 * self.kept {
            self.purged = self.next - self.kept;
            self.log.purge(log_id(self.purged)).await?;
        }
        Ok(OnDisk(flushed))
    }

    /// Fills it until new entries take the place of purged ones on disk, as in a log that has lived for a while: what is
    /// compared with a preallocated file should not spend its time on making the file longer.
    ///
    /// # Errors
    /// The disk failed.
    pub async fn settle(&mut self, command: &Bytes) -> io::Result<()> {
        while self.purged < SETTLED_AFTER * self.kept {
            let mut under_way = Vec::with_capacity(SETTLING_GROUP);
            for _ in 0..SETTLING_GROUP {
                under_way.push(self.append(command.clone()).await?);
            }
            for on_disk in under_way {
                on_disk.wait().await?;
            }
        }
        Ok(())
    }

    /// Closes it.
    ///
    /// # Errors
    /// The disk failed.
    pub async fn close(self) -> io::Result<()> {
        self.log.queue().close().await
    }
}

fn log_id(index: u64) -> LogId {
    let leader_id = LeaderId { term: 1, node_id: 1 };
    LogId { leader_id, index }
}

fn entry(index: u64, command: Bytes) -> Entry {
    Entry {
        log_id: log_id(index),
        payload: Payload::Command(Command(command)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn entries_that_are_under_way_together_get_to_the_disk_and_old_ones_are_purged() {
        crate::install_real_fsync().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut path = LogPath::open(folder.path()).unwrap();
        // More than are ever under way, as in production: what is purged is on disk.
        path.kept = 2 * SETTLING_GROUP as u64;
        let command = Bytes::from_static(b"command");
        path.settle(&command).await.unwrap();
        assert!(path.purged >= SETTLED_AFTER * path.kept);
        assert!(path.next - path.purged <= 2 * path.kept);
        let mut under_way = Vec::new();
        for _ in 0..7 {
            under_way.push(path.append(command.clone()).await.unwrap());
        }
        for on_disk in under_way {
            on_disk.wait().await.unwrap();
        }
        assert_eq!(path.log.end(), path.next);
        path.close().await.unwrap();
    }
}
